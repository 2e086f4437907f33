"""Time: what falls due, and the test clock of a sandbox.

The worker advances members to a little before now, so that an event on its way is seldom late; a test clock advances them
exactly to where it is set.
"""

import asyncio
import functools
from datetime import datetime, timedelta

import msgspec

from engagement.actions import closing, drawing, giving, locking, referrals, refolding, reserving, settling, teams
from engagement.actions.changes import Changes
from engagement.actions.programs import Loaded, Programs
from engagement.records import members, programs
from engagement.records.unit import Database, Unit

SETTLE = timedelta(minutes=2)
"""How long after an instant the worker applies what fell due at it, outside a sandbox."""
MEMBERS_AT_ONCE = 500
ADVANCE_SECONDS = 120.0
"""One of them may have a long history to be counted anew first."""
PENDING_AT_ONCE = 50
SETTLING_LOOK_SECONDS = 0.05


class Advanced(msgspec.Struct, frozen=True):
    """Where a test clock stands now, and of how many members something fell due on the way (the same member counts anew)."""

    now: datetime
    members: int
    replayed: bool = False


async def advance_test_clock(
    database: Database, cache: Programs, program_id: int, to: datetime, *, principal: str, key: str | None = None
) -> Advanced:
    """Set the test clock of a sandbox, and return when all that falls due until then is applied.

    Raises `NotASandbox`, and `InvalidInput` for an instant before the clock's. Repeating it is harmless.
    """

    async def may_advance(unit: Unit) -> bool:
        program = (await cache.load(unit)).program
        return program.sandbox and (program.clock is None or program.clock <= to)

    async def work(unit: Unit) -> datetime:
        await programs.advance_clock(unit, to)
        return to

    # What waits came in before the clock moves, and is decided on what there is before it does.
    allowed = await database.run(may_advance, program_id, read_only=True)
    before = await catch_up(database, cache, program_id) if allowed else 0
    _, replayed = await database.perform(
        work,
        program_id,
        principal=principal,
        operation="advanceTestClock",
        key=key,
        command=msgspec.json.encode(to),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(datetime).decode,
    )
    advanced = before + await catch_up(database, cache, program_id)
    if await database.run(functools.partial(drawing.is_any, cache=cache), program_id, read_only=True):
        while await drawing.settle(database, cache, program_id):
            advanced += await catch_up(database, cache, program_id)
        # A worker may have drawn: what that brought is there by now, and issued here.
        advanced += await catch_up(database, cache, program_id)
    return Advanced(to, advanced, replayed)


async def catch_up(database: Database, cache: Programs, program_id: int, *, skip_locked: bool = False) -> int:
    """Apply everything due, fold in everything that waits, settle referrals, tell teams of their success, issue what was given, give back what was
    reserved in the shop and is over, and close boards.

    Says of how many members something fell due.
    `skip_locked` leaves alone those whom another process is busy with: they are done there, or found again.
    """
    count = 0
    while True:
        work = functools.partial(_advance_due, cache=cache, skip_locked=skip_locked)
        advanced = await database.run(work, program_id, deadline_seconds=ADVANCE_SECONDS)
        count += advanced
        waiting = await database.run(lambda unit: members.pending(unit, PENDING_AT_ONCE), program_id)
        settled = [await settling.settle(database, cache, program_id, who) for who in waiting]
        brought = await referrals.settle(database, cache, program_id) + await teams.settle(database, cache, program_id)
        brought += await giving.settle(database, cache, program_id) + await reserving.settle(
            database, cache, program_id
        )
        closed = await closing.settle(database, cache, program_id, skip_locked=skip_locked)
        if not advanced and not any(settled) and not brought and not closed:
            if skip_locked or not waiting:
                return count
            # Another process is folding somebody's history: done when it is.
            await asyncio.sleep(SETTLING_LOOK_SECONDS)


async def _advance_due(unit: Unit, cache: Programs, *, skip_locked: bool) -> int:
    await unit.take_time(ADVANCE_SECONDS)
    loaded = await cache.load(unit, for_writing=True)
    until = _until(loaded)
    due = await members.due(unit, until, MEMBERS_AT_ONCE)
    decides = loaded.rulebook.decides
    limit = refolding.BATCH_REFOLD_INPUTS_MAX
    held = await locking.lock(unit, loaded, due, skip_locked=skip_locked, in_all=limit) if due else {}
    if held and all(loaded.line.behind(each) for each in held.values()):
        held = await locking.lock(unit, loaded, list(held)[:1])
    # Looked at again under the lock: somebody else may have advanced them meanwhile.
    there = [each for each in held.values() if not loaded.line.behind(each)]
    ready = [each for each in there if not each.pending and each.due_by(until)]
    changes = Changes(loaded, ready)
    # What time brings, and what it releases, may be spent at once: then all lots have to be at hand.
    releases = loaded.rulebook.releases
    whole = {
        each.id for each in ready if decides and (releases or (each.state.due is not None and each.state.due <= until))
    }
    await changes.bring_lots(unit, whole)
    await changes.bring_due(unit, {each.id: until for each in ready if each.id not in whole})
    for draft in changes.drafts.values():
        draft.advance(until)
    if ready:
        await changes.save(unit)
    return len(ready)


def _until(loaded: Loaded) -> datetime:
    return loaded.now if loaded.program.sandbox else loaded.now - SETTLE
