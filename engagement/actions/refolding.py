"""Late inputs: a member's history folded again from the last snapshot before them.

Short stretches are folded where the input is taken; long ones wait in `member_state.pending` for the worker (`settle`).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements import fold
from achievements.values import Effect, Event, MemberState
from engagement.actions.changes import Changes, Draft
from engagement.actions.programs import Loaded, Programs
from engagement.actions.sent_events import event_of
from engagement.records import events, members
from engagement.records.events import StoredEvent
from engagement.records.unit import Database, Unit

REFOLD_INPUTS_MAX = 2_000
"""The longest stretch that a request folds again; a longer one waits for the worker."""
SETTLE_SECONDS = 120.0
HISTORY_INPUTS_MAX = 1_000_000


class History(msgspec.Struct, frozen=True):
    """A member's state before something late, and the events that were applied since, in order."""

    loaded: Loaded
    base: MemberState
    known: tuple[Event, ...]

    def refold(self, draft: Draft, late: Sequence[Event]) -> dict[str, tuple[int | None, Sequence[Effect]]] | None:
        """Fold late events in and tell what that changed, by event; None where the stretch is too long for a request."""
        if draft.pending or len(self.known) + len(late) > REFOLD_INPUTS_MAX:
            return None
        return draft.refold(self.folded(draft.state, late), self.base, late)

    def folded(self, state: MemberState, late: Sequence[Event]) -> fold.Refold:
        """The history with late events in it, up to where the member had been advanced or beyond."""
        return fold.refold(self.loaded.rulebook, self.base, self.known, late, state.at)


async def histories(
    unit: Unit, loaded: Loaded, firsts: Sequence[tuple[Draft, datetime]], at_most: int = REFOLD_INPUTS_MAX + 1
) -> dict[UUID, History]:
    """For each locked member, her history from before an instant on; the events beyond `at_most` are left out."""
    bases = await members.bases_before(unit, [(draft.id, first) for draft, first in firsts])
    starts = [(draft.id, bases.get(draft.id, MemberState.NOTHING)) for draft, _ in firsts]
    since = await events.since(unit, starts, at_most)
    return {who: History(loaded, base, tuple(_event(loaded, each) for each in since[who])) for who, base in starts}


def _event(loaded: Loaded, stored: StoredEvent) -> Event:
    properties = msgspec.json.decode(stored.properties)
    return event_of(loaded.rulebook, stored.id, stored.type, stored.occurred_at, properties)


async def settle(database: Database, programs: Programs, program_id: int, member_id: UUID) -> bool:
    """Fold in what waits for one member; False where another process is at it, or nothing waits."""

    async def work(unit: Unit) -> bool:
        loaded = await programs.load(unit, for_writing=True)
        held = (await members.lock_states(unit, [member_id], skip_locked=True)).get(member_id)
        if held is None or not held.pending:
            return False
        changes = Changes(loaded, [held])
        draft = changes.drafts[member_id]
        first = await events.first_of(unit, member_id, held.pending)
        history = (await histories(unit, loaded, [(draft, first)], HISTORY_INPUTS_MAX))[member_id]
        waiting = set(held.pending)
        late = [event for event in history.known if event.id in waiting]
        known = tuple(event for event in history.known if event.id not in waiting)
        # Thousands of inputs take a while: other members' requests go on meanwhile.
        refolded = await asyncio.to_thread(msgspec.structs.replace(history, known=known).folded, draft.state, late)
        draft.pending = ()
        draft.refold(refolded, history.base, late)
        await changes.save(unit)
        return True

    return await database.run(work, program_id, deadline_seconds=SETTLE_SECONDS)
