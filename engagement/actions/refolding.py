"""What comes late, is reversed or amended: a member's history folded again from the last snapshot before it.

Short stretches are folded where the news is taken; long ones wait in `member_state.pending` for the worker (`settle`).
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from achievements import fold
from achievements.values import Event, MemberState
from engagement.actions.changes import Changes, Draft
from engagement.actions.programs import Loaded, Programs
from engagement.actions.sent_events import event_of
from engagement.records import events, members
from engagement.records.events import Recorded
from engagement.records.members import Pending
from engagement.records.unit import Database, Unit

REFOLD_INPUTS_MAX = 2_000
"""The longest stretch that a request folds again; a longer one waits for the worker."""
SETTLE_SECONDS = 120.0
HISTORY_INPUTS_MAX = 1_000_000


class History(msgspec.Struct, frozen=True):
    """A member's state before some instant, and all that was recorded since, in order."""

    loaded: Loaded
    base: MemberState
    recorded: tuple[Recorded, ...]

    def with_more(self, more: Iterable[Recorded]) -> "History":
        """The history with events in it that are not stored yet."""
        everything = sorted((*self.recorded, *more), key=lambda each: (each.event.occurred_at, each.event.id))
        return msgspec.structs.replace(self, recorded=tuple(everything))

    def refolded(self, until: datetime, news: Collection[Pending]) -> fold.Refold:
        """The history with the news in it, told from the one without, up to where the member had been advanced."""
        was = counted(self.loaded, self.recorded, without=news)
        now = counted(self.loaded, self.recorded)
        return fold.refold(self.loaded.rulebook, self.base, was, now, until)


def counted(loaded: Loaded, recorded: Iterable[Recorded], without: Collection[Pending] = ()) -> list[Event]:
    """The events that count, in their latest form: as if what `without` names had not been heard of."""
    found = []
    for each in recorded:
        event = each.event
        if without and Pending(event.id) in without:
            continue
        said = [word for word in each.amendments if not without or Pending(event.id, word.n) not in without]
        if said and said[-1].kind == "reverse":
            continue
        amended = said[-1].properties if said else None
        properties = msgspec.json.decode(event.properties) if amended is None else amended
        found.append(event_of(loaded.rulebook, event.id, event.type, event.occurred_at, properties))
    return found


async def histories(
    unit: Unit, loaded: Loaded, firsts: Sequence[tuple[Draft, datetime]], at_most: int = REFOLD_INPUTS_MAX + 1
) -> dict[UUID, History]:
    """For each locked member, her history from before an instant on; what is recorded beyond `at_most` is left out."""
    bases = await members.bases_before(unit, [(draft.id, first) for draft, first in firsts])
    starts = [(draft.id, bases.get(draft.id, MemberState.NOTHING)) for draft, _ in firsts]
    since = await events.since(unit, starts, at_most)
    return {who: History(loaded, base, tuple(since[who])) for who, base in starts}


async def settle(database: Database, programs: Programs, program_id: int, member_id: UUID) -> bool:
    """Fold in what waits for one member; False where another process is at it, or nothing waits."""

    async def work(unit: Unit) -> bool:
        await unit.take_time(SETTLE_SECONDS)
        loaded = await programs.load(unit, for_writing=True)
        held = (await members.lock_states(unit, [member_id], skip_locked=True)).get(member_id)
        if held is None or not held.pending:
            return False
        changes = Changes(loaded, [held])
        draft = changes.drafts[member_id]
        causes = await events.instants(unit, member_id, {each.event_id for each in held.pending})
        history = (await histories(unit, loaded, [(draft, causes[0][1])], HISTORY_INPUTS_MAX))[member_id]
        # Thousands of inputs take a while: other members' requests go on meanwhile.
        refolded = await asyncio.to_thread(history.refolded, draft.state.at, set(held.pending))
        draft.pending = ()
        told = draft.refold(refolded, history.base, causes)
        answered = [(event_id, told[event_id][0]) for event_id, n in map(astuple, held.pending) if not n]
        await events.answer(unit, member_id, [(event_id, seq) for event_id, seq in answered if seq is not None])
        await changes.save(unit)
        return True

    return await database.run(work, program_id, deadline_seconds=SETTLE_SECONDS)
