"""What one unit does to members, gathered member by member and written in a dozen statements.

`Changes` are the drafts of a unit: they bring the lots that a draft needs, and `save` writes lots, states, facts, outcomes,
feed, snapshots, problems and the outbox, in that order, each with one statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.outcomes import Contributed, Scored
from achievements.ranking import Ties
from engagement.actions.drafts import Draft
from engagement.actions.places import Places
from engagement.actions.programs import Loaded
from engagement.records import activity, bookings, facts, ledger, members, outbox, outcomes, problems, snapshots, teams
from engagement.records.members import Held
from engagement.records.outcomes import Score
from engagement.records.unit import Unit


class Message(msgspec.Struct, frozen=True):
    """What leaves the house after a commit: scores for the boards, scores that are gone (board, period, member, version, group), and
    each member's newest item.

    `ties` are the rules of boards on which the first to reach a score does not stand first, by their keys.
    """

    scores: list[Score]
    gone: list[tuple[str, str, str, int, str]]
    seqs: dict[UUID, int]
    ties: Mapping[str, Ties]


class Changes:
    """The drafts of one unit; `names` are members' own ids in the app, and `places` what is left of those for the first members,
    as far as they are known already.
    """

    def __init__(
        self,
        loaded: Loaded,
        held: Iterable[Held],
        names: Mapping[UUID, str] | None = None,
        places: Places | None = None,
    ) -> None:
        self.loaded = loaded
        self._names = dict(names or {})
        self._held = {each.id: each for each in held}
        self.places = places or Places()
        self.drafts = {who: Draft(loaded, each, self.places) for who, each in self._held.items()}

    async def bring_due(self, unit: Unit, until: Mapping[UUID, datetime]) -> None:
        """Read the lots that end or are released up to an instant, and the holds that end, before time passes there."""
        due = [
            (who, instant)
            for who, instant in until.items()
            if (expiry := self.drafts[who].next_expiry_at) is not None and expiry <= instant
        ]
        if due:
            for who, found in (await ledger.lots(unit, due)).items():
                self.drafts[who].purse.bring(found, complete=False)

    async def bring_lots(self, unit: Unit, whole: Iterable[UUID], named: Sequence[tuple[UUID, str]] = ()) -> None:
        """Read all lots with points left of some members, and others by (member, lot), to take from and give back to them."""
        complete = set(whole)
        if complete or named:
            for who, found in (await ledger.lots(unit, [(who, None) for who in complete], named)).items():
                self.drafts[who].purse.bring(found, complete=who in complete)

    async def begin_again(self, unit: Unit, ids: Sequence[UUID]) -> None:
        """Forget what was done to some members, and have all their lots at hand from the start."""
        self.places.give_back(ids)
        self.drafts.update((who, Draft(self.loaded, self._held[who], self.places)) for who in ids)
        await self.bring_lots(unit, ids)

    async def save(self, unit: Unit) -> None:
        """Write everything; then nothing is left to do but commit."""
        drafts = [self.drafts[who] for who in sorted(self.drafts)]
        # Before anything is written: what is written in a row goes to the server as one statement.
        unknown = [each.id for each in drafts if each.id not in self._names]
        if unknown:
            self._names |= {who: member.external_id for who, member in (await members.of_ids(unit, unknown)).items()}
        await self._book(unit, drafts)
        self.places.save(unit)
        await members.save_states(unit, [each.held for each in drafts])
        await facts.append(unit, [(each.id, fact) for each in drafts for fact in each.facts], self.loaded.now)
        await outcomes.save(unit, [(each.id, each.version, outcome) for each in drafts for outcome in each.outcomes])
        await outcomes.remove(unit, [(each.id, outcome) for each in drafts for outcome in each.gone])
        if self.loaded.rulebook.has_teams:
            changed = [outcome for each in drafts for outcome in (*each.outcomes, *each.gone)]
            await teams.add_up(unit, [each for each in changed if type(each) is Contributed], self.loaded.now)
        await activity.append(unit, [(each.id, item) for each in drafts for item in each.items])
        await snapshots.drop_after(
            unit, [(each.id, each.base_inputs) for each in drafts if each.base_inputs is not None]
        )
        await snapshots.save(
            unit,
            [(each.id, state) for each in drafts for state in each.kept_snapshots],
            [(each.id, inputs) for each in drafts for inputs in each.dropped_snapshots],
        )
        problems.note(unit, [(each.id, failed) for each in drafts for failed in each.failed])
        self._publish(unit, drafts)

    async def _book(self, unit: Unit, drafts: Sequence[Draft]) -> None:
        booked = [each.purse.booked for each in drafts]
        looked_up = await bookings.book(unit, booked, self.loaded.now)
        for draft, done in zip(drafts, booked, strict=True):
            ahead = [lot.due for lot in done.opened if lot.due is not None]
            known = [draft.next_expiry_at] if draft.next_expiry_at is not None else []
            soonest = min([*known, *ahead], default=None)
            draft.next_expiry_at = looked_up.get(draft.id, soonest)

    def _publish(self, unit: Unit, drafts: Sequence[Draft]) -> None:
        # A score that only moved in time is told to nobody, but stands elsewhere on its board.
        scored = [(each, [outcome for outcome in each.outcomes if type(outcome) is Scored]) for each in drafts]
        fallen = [(each, [outcome for outcome in each.gone if type(outcome) is Scored]) for each in drafts if each.gone]
        seqs = {each.id: each.held.seq for each, scores in scored if each.items or scores}
        if not seqs:
            return
        scores = {
            (each.id, outcome.board, outcome.period): Score(
                outcome.board,
                outcome.period,
                self._names[each.id],
                each.id,
                outcome.score,
                outcome.reached_at,
                each.version,
                outcome.group,
            )
            for each, held in scored
            if not each.hidden
            for outcome in held
        }
        gone = [
            (outcome.board, outcome.period, self._names[each.id], each.version, outcome.group)
            for each, held in fallen
            for outcome in held
        ]
        message = Message(list(scores.values()), gone, seqs, self.loaded.rulebook.ties)
        outbox.publish(unit, msgspec.json.encode(message))
