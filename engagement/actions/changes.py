"""What one unit does to members, gathered member by member and written in a dozen statements.

A `Draft` is one locked member: her state moves on, and what that brings is told in her feed. `Changes` are the drafts of a
unit; `save` writes states, outcomes, lots, feed, snapshots and the outbox, in that order, each with one statement.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

import msgspec

from achievements import fold
from achievements.rulebook import Rulebook
from achievements.values import (
    AnyOutcome,
    Effect,
    Event,
    MemberState,
    Outcome,
    PointsEarned,
    PointsExpired,
    Scored,
    StreakChanged,
    Withdrawn,
)
from engagement.actions.programs import Loaded
from engagement.records import activity, ledger, members, outbox, outcomes
from engagement.records.activity import Item
from engagement.records.ledger import Booking
from engagement.records.members import Held
from engagement.records.outcomes import Score
from engagement.records.unit import Unit

Cause: TypeAlias = tuple[str | None, datetime]
"""An event (None: no event, but a repair), and the instant at which what it changed takes effect."""

Told: TypeAlias = tuple[int | None, Sequence[Effect]]
"""The number of the activity item that tells some effects, where there are any."""


class Message(msgspec.Struct, frozen=True):
    """What leaves the house after a commit: scores for the boards, scores that are gone, and each member's newest item."""

    scores: list[Score]
    gone: list[tuple[str, str, str, int]]
    seqs: dict[UUID, int]


class Draft:
    """A locked member on her way from one state to the next."""

    def __init__(self, loaded: Loaded, held: Held) -> None:
        self.id = held.id
        self.version = held.version + 1
        self.state = held.state
        self.pending = held.pending
        self.next_expiry_at = held.next_expiry_at
        self.ended: list[PointsExpired] = []
        self.items: list[Item] = []
        self.outcomes: list[AnyOutcome] = []
        self.gone: list[AnyOutcome] = []
        self.bookings: list[Booking] = []
        self.repriced: list[tuple[str, int]] = []
        self.snapshots: list[MemberState] = []
        self.base_inputs: int | None = None
        self._first_inputs = held.state.inputs
        self._seq = held.seq
        self._loaded = loaded

    @property
    def held(self) -> Held:
        """The row to write."""
        return Held(self.id, self.version, self._seq, self.state, self.next_expiry_at, self.pending)

    @property
    def dropped_snapshots(self) -> set[int]:
        """Which snapshots, by their number of inputs, the history has outgrown."""
        if self.base_inputs is not None:
            return set(fold.kept_snapshots(self._first_inputs)) - set(fold.kept_snapshots(self.state.inputs))
        return {each for state in self.snapshots for each in fold.thinned_snapshots(state.inputs)}

    def advance(self, until: datetime) -> None:
        """Let time pass; what it brings, and what ended meanwhile, is told in order, each instant by itself."""
        self.state, emitted = fold.advance(self._rulebook, self.state, until)
        self._take(emitted, emitted)
        passed = [
            *((each.at, each) for each in self.ended if each.at <= until),
            *((_at(each), each) for each in emitted),
        ]
        self.ended = [each for each in self.ended if each.at > until]
        passed.sort(key=lambda each: each[0])
        for at, together in groupby(passed, key=lambda each: each[0]):
            self._item(at, None, [effect for _, effect in together])

    def apply(self, event: Event) -> Told:
        """Apply an event that comes next; its item's number, where it brought anything, and what it brought."""
        if self.ended or (self.state.due is not None and self.state.due <= event.at):
            self.advance(event.at)
        self.state, emitted = fold.apply(self._rulebook, self.state, event)
        if self.state.inputs % fold.SNAPSHOT_EVERY == 0:
            self.snapshots.append(self.state)
        return (self.tell(event.at, event.id, emitted) if emitted else None), emitted

    def refold(self, refolded: fold.Refold, base: MemberState, causes: Sequence[Cause]) -> dict[str | None, Told]:
        """Take over a history folded again; for each event that caused it, its item's number and what is due to it.

        What names one of these events is told as its own, all else (a streak mended, a score changed) as the last one's. What
        only moved in time is stored, not told: it was told already. Points of another amount are withdrawn and told anew.
        """
        difference = refolded.difference
        changed = [now for _, now in difference.changed]
        withdrawn = [*difference.gone, *(was for was, _ in difference.changed if isinstance(was, PointsEarned))]
        self.state = refolded.state
        self.snapshots = list(refolded.snapshots)
        self.base_inputs = base.inputs
        self._take([*(now for _, now in difference.moved), *changed, *difference.new], difference.new)
        self.gone.extend(difference.gone)
        self.repriced.extend((each.lot, 0) for each in difference.gone if isinstance(each, PointsEarned))
        self.repriced.extend((each.lot, each.points) for each in changed if isinstance(each, PointsEarned))
        effects: dict[str | None, list[Effect]] = {event_id: [] for event_id, _ in causes}
        last = effects[causes[-1][0]]
        for told in (*map(Withdrawn, withdrawn), *changed, *difference.new):
            outcome = told.outcome if isinstance(told, Withdrawn) else told
            effects.get(getattr(outcome, "event_id", ""), last).append(told)
        return {
            event_id: (self._item(at, event_id, effects[event_id]) if effects[event_id] else None, effects[event_id])
            for event_id, at in causes
        }

    def tell(self, at: datetime, event_id: str | None, effects: Sequence[Effect]) -> int:
        """Tell new outcomes, or what the ledger did, in the member's feed; the item's number."""
        self._take(effects, effects)
        return self._item(at, event_id, effects)

    def _take(self, valid: Iterable[Effect], new: Iterable[Effect]) -> None:
        self.outcomes.extend(each for each in valid if isinstance(each, Outcome))
        for each in new:
            if isinstance(each, PointsEarned):
                self._book(each)

    def _book(self, earned: PointsEarned) -> None:
        rules = self._rulebook.at(earned.at) or self._rulebook.latest
        expires_at = rules.currencies[earned.currency].expires_at(earned.at, rules.zone)
        self.bookings.append(Booking(self.id, earned, expires_at))
        if expires_at is not None:
            self.next_expiry_at = min(expires_at, self.next_expiry_at or expires_at)

    def _item(self, at: datetime, event_id: str | None, effects: Sequence[Effect]) -> int:
        self._seq += 1
        self.items.append(Item(self._seq, at, self._loaded.now, event_id, tuple(effects)))
        return self._seq

    @property
    def _rulebook(self) -> Rulebook:
        return self._loaded.rulebook


class Changes:
    """The drafts of one unit."""

    def __init__(self, loaded: Loaded, held: Iterable[Held]) -> None:
        self.loaded = loaded
        self.drafts = {each.id: Draft(loaded, each) for each in held}

    async def expire(self, unit: Unit, until: dict[UUID, datetime]) -> None:
        """Book the points that ended, of each member up to an instant; `advance` tells of them."""
        due = [
            (who, instant)
            for who, instant in until.items()
            if (expiry := self.drafts[who].next_expiry_at) is not None and expiry <= instant
        ]
        if not due:
            return
        for who, expired in (await ledger.expire(unit, due, self.loaded.now)).items():
            draft = self.drafts[who]
            draft.next_expiry_at = expired.next_expiry_at
            draft.ended = expired.effects

    async def save(self, unit: Unit) -> None:
        """Write everything."""
        drafts = [self.drafts[who] for who in sorted(self.drafts)]
        await self._reprice(unit)
        await members.save_states(unit, self.loaded.program.revision, [each.held for each in drafts])
        await outcomes.save(unit, [(each.id, each.version, outcome) for each in drafts for outcome in each.outcomes])
        await outcomes.remove(unit, [(each.id, outcome) for each in drafts for outcome in each.gone])
        await ledger.book(unit, [booking for each in drafts for booking in each.bookings], self.loaded.now)
        await activity.append(unit, [(each.id, item) for each in drafts for item in each.items])
        await members.drop_snapshots_after(
            unit, [(each.id, each.base_inputs) for each in drafts if each.base_inputs is not None]
        )
        await members.save_snapshots(
            unit,
            [(each.id, state) for each in drafts for state in each.snapshots],
            [(each.id, inputs) for each in drafts for inputs in each.dropped_snapshots],
        )
        await self._publish(unit, drafts)

    async def _reprice(self, unit: Unit) -> None:
        lots = [(each.id, lot, points) for each in self.drafts.values() for lot, points in each.repriced]
        if lots:
            for who, expiry in (await ledger.reprice(unit, lots, self.loaded.now)).items():
                booked = [each.expires_at for each in self.drafts[who].bookings if each.expires_at is not None]
                self.drafts[who].next_expiry_at = min([*booked, *([expiry] if expiry else [])], default=None)

    async def _publish(self, unit: Unit, drafts: Sequence[Draft]) -> None:
        # A score that only moved in time is told to nobody, but stands elsewhere on its board.
        told = [each for each in drafts if each.items or any(isinstance(outcome, Scored) for outcome in each.outcomes)]
        if not told:
            return
        scoring = [
            each.id for each in told if any(isinstance(outcome, Scored) for outcome in (*each.outcomes, *each.gone))
        ]
        external = (
            {who: member.external_id for who, member in (await members.of_ids(unit, scoring)).items()}
            if scoring
            else {}
        )
        scores = {
            (each.id, outcome.board, outcome.period): Score(
                outcome.board,
                outcome.period,
                external[each.id],
                each.id,
                outcome.score,
                outcome.reached_at,
                each.version,
            )
            for each in told
            for outcome in each.outcomes
            if isinstance(outcome, Scored)
        }
        gone = [
            (outcome.board, outcome.period, external[each.id], each.version)
            for each in told
            for outcome in each.gone
            if isinstance(outcome, Scored)
        ]
        message = Message(list(scores.values()), gone, {each.id: each.held.seq for each in told})
        outbox.publish(unit, msgspec.json.encode(message))


def _at(effect: Effect) -> datetime:
    assert isinstance(effect, StreakChanged), "time changes streaks only"
    return effect.at
