"""What waits of a member is folded in: long histories, which nobody who asked could wait for."""

import asyncio
from uuid import UUID

from msgspec.structs import astuple

from engagement.actions import locking, refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause
from engagement.actions.programs import Programs
from engagement.records import events
from engagement.records.unit import Database, Unit

SETTLE_SECONDS = 120.0


async def settle(database: Database, programs: Programs, program_id: int, member_id: UUID) -> bool:
    """Fold in what waits for one member; False where another process is at it, or nothing waits."""

    async def work(unit: Unit) -> bool:
        await unit.take_time(SETTLE_SECONDS)
        loaded = await programs.load(unit, for_writing=True)
        held = (await locking.lock(unit, loaded, [member_id], skip_locked=True)).get(member_id)
        if held is None or not held.pending:
            return False
        changes = Changes(loaded, [held])
        draft = changes.drafts[member_id]
        waiting = await events.instants(unit, member_id, {each.event_id for each in held.pending})
        causes = [Cause(event_id, at, at) for event_id, at in waiting]
        history = (await refolding.histories(unit, loaded, [(draft, causes[0].at)], refolding.HISTORY_INPUTS_MAX))[
            member_id
        ]
        # Thousands of inputs take a while: other members' requests go on meanwhile.
        refolded = await asyncio.to_thread(history.refolded, draft.state.at, set(held.pending))
        draft.pending = ()
        refold = await refolding.found(unit, member_id, history, refolded, causes, held.pending)
        told = (await refolding.take_over(unit, changes, {member_id: refold}))[member_id]
        answered = [(event_id, told[event_id][0]) for event_id, n in map(astuple, held.pending) if not n]
        await events.answer(unit, member_id, [(event_id, seq) for event_id, seq in answered if seq is not None])
        await changes.save(unit)
        return True

    return await database.run(work, program_id, deadline_seconds=SETTLE_SECONDS)
