"""What comes late, is reversed or amended: a member's history folded again from the last snapshot before it.

Short stretches are folded where the news is taken; long ones wait in `member_state.pending` for the worker (`settling`).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements import fold, keeping
from achievements.amendments import latest
from achievements.asked import Asked, PlaceAsked, SpendAsked
from achievements.challenges import PLACE_MISSED, PLACE_TAKEN
from achievements.keeping import KEPT
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.values import Event, Fact, Input
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause, Draft, Told, worth_of
from engagement.actions.programs import Loaded
from engagement.records import events, facts, ledger, snapshots
from engagement.records.events import Recorded
from engagement.records.facts import SPENT
from engagement.records.ledger import Spend
from engagement.records.members import Pending
from engagement.records.unit import Unit

REFOLD_INPUTS_MAX = 2_000
"""The longest stretch that a request folds again; a longer one waits for the worker."""
BATCH_REFOLD_INPUTS_MAX = 10_000
"""So many inputs a batch folds again in all, of all its members; who does not fit waits for the worker."""
HISTORY_INPUTS_MAX = 1_000_000


class History(msgspec.Struct, frozen=True):
    """A member's state before some instant, and all that was recorded since: events with what was said of them, and facts.

    `judged_by` are the rules by which she was judged so far, where she is being counted anew by those of `loaded`.
    """

    loaded: Loaded
    base: MemberState
    recorded: tuple[Recorded, ...]
    facts: tuple[Fact, ...] = ()
    judged_by: Rulebook | None = None

    def with_more(self, more: Iterable[Recorded]) -> "History":
        """The history with events in it that are not stored yet."""
        everything = sorted((*self.recorded, *more), key=lambda each: (each.event.occurred_at, each.event.id))
        return msgspec.structs.replace(self, recorded=tuple(everything))

    def refolded(self, until: datetime, news: Collection[Pending], decided: Sequence[Fact] = ()) -> fold.Refold:
        """The history with the news in it, and facts that it led to, told from the one without, up to where she had been advanced."""
        was = inputs(self.loaded, self.recorded, self.facts, without=news)
        # What waits to be folded in goes on waiting where she is counted anew.
        waits = news if self.judged_by is not None else ()
        now = inputs(self.loaded, self.recorded, [*self.facts, *decided], without=waits)
        return fold.refold(self.loaded.rulebook, self.base, was, now, until, judged_by=self.judged_by)

    def traced(self, until: datetime, more: Iterable[Fact], news: Collection[Pending] = ()) -> fold.Trace:
        """The history as it is known now, with further facts in it."""
        waits = news if self.judged_by is not None else ()
        now = inputs(self.loaded, self.recorded, [*self.facts, *more], without=waits)
        return fold.trace(self.loaded.rulebook, self.base, now, until)

    def undone_spends(self, news: Iterable[Pending], unasked: Iterable[Asked]) -> list[str]:
        """The decisions to spend, by their facts, that events ask for no more since the news reversed or amended them."""
        heard = {each.event_id for each in news if each.n}
        said = [each for each in self.recorded if each.event.id in heard and each.amendments]
        reversed_ = {each.event.id for each in said if each.amendments[-1].kind == "reverse"}
        gone = {
            (each.event_id, each.rule) for each in unasked if isinstance(each, SpendAsked) and each.event_id in heard
        }
        return [
            each.id
            for each in self.facts
            if each.kind == SPENT and (each.order.id in reversed_ or (each.order.id, each.data["rule"]) in gone)
        ]


def inputs(
    loaded: Loaded, recorded: Sequence[Recorded], facts: Sequence[Fact], without: Collection[Pending] = ()
) -> Sequence[Input]:
    """Events that count and facts that stand, in order: as if what `without` names had not been heard of."""
    events = counted(loaded, recorded, without)
    if not facts:
        return events
    if any(each.kind == KEPT for each in facts):
        words = words_of(recorded, without)
        facts = [keeping.standing(each, words) if each.kind == KEPT else each for each in facts]
    return sorted([*events, *facts], key=lambda each: each.order)


def words_of(recorded: Iterable[Recorded], without: Collection[Pending] = ()) -> dict[str, int]:
    """How often events were amended or reversed: as if what `without` names had not been heard of."""
    return {
        each.event.id: sum(Pending(each.event.id, word.n) not in without for word in each.amendments)
        for each in recorded
    }


def counted(loaded: Loaded, recorded: Iterable[Recorded], without: Collection[Pending] = ()) -> list[Event]:
    """The events that count, in their latest form: as if what `without` names had not been heard of."""
    found = []
    for each in recorded:
        event = each.event
        if without and Pending(event.id) in without:
            continue
        said = [word for word in each.amendments if not without or Pending(event.id, word.n) not in without]
        properties = latest(event.properties, said)
        if properties is not None:
            known = msgspec.json.decode(properties) if isinstance(properties, str) else properties
            found.append(loaded.rulebook.event(event.id, event.type, event.occurred_at, known))
    return found


async def histories(
    unit: Unit,
    loaded: Loaded,
    firsts: Sequence[tuple[Draft, datetime]],
    at_most: int = REFOLD_INPUTS_MAX + 1,
    in_all: int | None = None,
) -> dict[UUID, History]:
    """For each locked member, her history from before an instant on; what is recorded beyond `at_most` is left out.

    With `in_all`, members whose histories would come to more inputs together are left out, and nothing of them is read.
    """
    keeping_since = await facts.first_at(unit, [draft.id for draft, _ in firsts if KEPT in draft.state.parts], KEPT)
    if keeping_since:
        # News may be of an event for which she keeps something: then all is looked at since anything was kept.
        firsts = [(draft, min(first, keeping_since.get(draft.id, first))) for draft, first in firsts]
    bases = await snapshots.before(unit, [(draft.id, first) for draft, first in firsts])
    starts = [(draft.id, bases.get(draft.id, draft.state.beginning)) for draft, _ in firsts]
    if in_all is not None:
        inputs = {draft.id: draft.state.inputs for draft, _ in firsts}
        starts = _fitting(starts, inputs, at_most, in_all)
    since = await events.since(unit, starts, at_most)
    known = await facts.since(unit, starts)
    return {who: History(loaded, base, tuple(since[who]), tuple(known[who])) for who, base in starts}


def _fitting(
    starts: Sequence[tuple[UUID, MemberState]], inputs: Mapping[UUID, int], at_most: int, in_all: int
) -> list[tuple[UUID, MemberState]]:
    """The members, in order, whose inputs since a state are no more than `at_most` each and `in_all` together."""
    fitting = []
    for who, base in starts:
        length = inputs[who] - base.inputs
        if length <= min(at_most, in_all):
            in_all -= length
            fitting.append((who, base))
    return fitting


class Found(msgspec.Struct, frozen=True):
    """A member's history folded again, why and with which news, and what that takes to book: the spends that go back."""

    history: History
    refolded: fold.Refold
    causes: Sequence[Cause]
    refunds: Sequence[Spend]
    news: Collection[Pending] = ()


async def found(
    unit: Unit,
    member_id: UUID,
    history: History,
    refolded: fold.Refold,
    causes: Sequence[Cause],
    news: Collection[Pending],
) -> Found:
    """Look up what a refold gives back."""
    spent = history.undone_spends(news, refolded.unasked)
    return Found(history, refolded, causes, await ledger.spends(unit, member_id, spent) if spent else (), news)


async def take_over(unit: Unit, changes: Changes, refolds: Mapping[UUID, Found]) -> dict[UUID, dict[str | None, Told]]:
    """Take over histories folded again, member by member, with the places and lots that each of them needs."""
    refolds = {who: await _with_places(unit, changes, who, each) for who, each in refolds.items()}
    named: list[tuple[UUID, str]] = []
    whole: list[UUID] = []
    for who, each in refolds.items():
        worth = worth_of(each.refolded.difference)
        named += [(who, lot) for lot in {*worth, *(spend.lot_id for spend in each.refunds)}]
        if worth or changes.loaded.rulebook.decides or changes.loaded.rulebook.confirms:
            whole.append(who)
    await changes.bring_lots(unit, whole, named)
    told = {}
    for who, each in refolds.items():
        draft = changes.drafts[who]
        told[who] = draft.refold(each.refolded, each.history.base, each.causes, each.history.facts, each.refunds)
        if draft.facts:
            # A decision is an input too: the history ends where it does with it in its place.
            draft.stand(await asyncio.to_thread(each.history.traced, draft.state.at, draft.facts, each.news))
    return told


async def _with_places(unit: Unit, changes: Changes, who: UUID, each: Found) -> Found:
    """The history with the decisions in it on places that it asks for, so that what these bring is part of the difference."""
    draft, history = changes.drafts[who], each.history
    while asked := _undecided(each.refolded.asked, [*history.facts, *draft.facts]):
        await changes.places.bring(unit, asked)
        draft.place(asked, history.facts)
        refolded = await asyncio.to_thread(history.refolded, draft.state.at, set(each.news), draft.facts)
        each = msgspec.structs.replace(each, refolded=refolded)
    return each


def _undecided(asked: Iterable[Asked], facts: Iterable[Fact]) -> list[PlaceAsked]:
    """The places of which nothing is decided yet: a fact is never retaken, whichever event asks for it by now."""
    decided = {
        (fact.data["challenge"], fact.data["period"]) for fact in facts if fact.kind in (PLACE_TAKEN, PLACE_MISSED)
    }
    return [each for each in asked if isinstance(each, PlaceAsked) and (each.challenge, each.period) not in decided]
