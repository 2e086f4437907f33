"""Telling winners: of what was decided over all members, each who won hears by a fact, and her definition's rule gives her the prize.

That she was told is noted with the fact, in her own transaction. So whoever dies in between, who comes next goes on from there, and
nobody is given anything twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from engagement.actions import locking, refolding
from engagement.actions.changes import Changes
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener
from engagement.records.unit import Database, Unit

TELL_SECONDS = 120.0
"""Somebody may have a long history to be counted anew first."""


class Winning(Protocol):
    """Somebody who won something."""

    @property
    def member_id(self) -> UUID:
        """Who."""


W = TypeVar("W", bound=Winning)


class Prizes(NamedTuple, Generic[W]):
    """Who is `waiting` to be told, one of each member and nobody else's until the unit ends; how a listener is told; and how that is noted."""

    waiting: Callable[[Unit], Awaitable[list[W]]]
    tell: Callable[[Listener, W], Awaitable[None]]
    note: Callable[[Unit, Sequence[W], datetime], Awaitable[None]]


async def tell(
    database: Database, cache: Programs, program_id: int, prizes: Prizes[W], *, skip_locked: bool = False
) -> int:
    """Tell some of those who wait, and say how many; none where nobody does, or others are at it. Who was erased hears nothing."""

    async def work(unit: Unit) -> int:
        await unit.take_time(TELL_SECONDS)
        won = await prizes.waiting(unit)
        if not won:
            return 0
        loaded = await cache.load(unit, for_writing=True)
        limit = refolding.BATCH_REFOLD_INPUTS_MAX
        held = await locking.lock(unit, loaded, [each.member_id for each in won], skip_locked=skip_locked, in_all=limit)
        if held and all(loaded.line.behind(each) for each in held.values()):
            held = await locking.lock(unit, loaded, list(held)[:1])
        there = {who: each for who, each in held.items() if not loaded.line.behind(each)}
        changes = Changes(loaded, [each for each in there.values() if not each.erased])
        told = [each for each in won if each.member_id in there]
        for each in (each for each in told if not there[each.member_id].erased):
            await prizes.tell(Listener(unit, loaded, changes, each.member_id), each)
        await prizes.note(unit, told, loaded.now)
        await changes.save(unit)
        return len(told)

    return await database.run(work, program_id, deadline_seconds=TELL_SECONDS)
