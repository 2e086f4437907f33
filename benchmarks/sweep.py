"""How fast points come to their end: `clock.catch_up` over members with lots that are due, in this process, on servers of its own.

`python -m benchmarks.sweep` prints a table of its own, too.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any, Final

from benchmarks.figures import Figure, median, tell
from benchmarks.stand import Stand, stand
from benchmarks.synthetic import BEGINNING
from engagement.actions import clock
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.record_events import Intake
from engagement.actions.sent_events import SentEvent
from engagement.cli.apply import apply_directly
from engagement.cli.session import database, program_named
from engagement.records.unit import Database, Unit

SHAPES: Final = {"sweep": 10, "sweep, one lot a member": 1}
"""How many lots of a member end at one midnight."""
KEPT_DAYS: Final = 30
AT_ONCE: Final = 500

_LEFT: Final = "SELECT count(*) FROM lot WHERE program_id = $1 AND remaining > 0"


def rates(on: Stand, lots: int, rounds: int) -> list[Figure]:
    """Lots a second, where ten of each member end at one midnight, and where one does."""
    found = []
    for name, each in SHAPES.items():
        seconds = [asyncio.run(_sweep(on, f"sweep-{each}-{turn}", lots // each, each)) for turn in range(rounds)]
        found.append(median(name, [lots / taken for taken in seconds], "lots/s"))
    return found


async def _sweep(on: Stand, name: str, members: int, each: int) -> float:
    """The seconds that it takes until no lot has points left."""
    async with database(on.endpoints.database_url) as opened:
        await apply_directly(opened, _program(name), Sandbox(BEGINNING - timedelta(days=1)))
        program, cache = (await program_named(opened, name)).id, Programs()
        await _earn(Intake(opened, cache), program, members, each)
        end = BEGINNING + timedelta(days=KEPT_DAYS + 2)
        await _move_clock(opened, program, end)
        assert await _left(opened, program) == members * each
        begun = time.perf_counter()
        await clock.catch_up(opened, cache, program)
        taken = time.perf_counter() - begun
        assert await _left(opened, program) == 0, "points that are due were left"
        return taken


async def _earn(intake: Intake, program: int, members: int, each: int) -> None:
    """Let every member earn so many lots on one day."""
    events = [
        SentEvent(f"e{number}", f"m{member}", "buy", (BEGINNING + timedelta(minutes=number)).isoformat(), {})
        for member in range(members)
        for number in range(each)
    ]
    for start in range(0, len(events), AT_ONCE):
        await intake.record(program, events[start : start + AT_ONCE])


async def _move_clock(opened: Database, program: int, to: Any) -> None:
    """Set the clock without letting anything happen yet."""

    async def work(unit: Unit) -> None:
        await unit.fetch("UPDATE program SET clock = $2 WHERE id = $1", unit.program, to)

    await opened.run(work, program)


async def _left(opened: Database, program: int) -> int:
    async def work(unit: Unit) -> int:
        return int((await unit.fetch(_LEFT, unit.program))[0][0])

    return await opened.run(work, program, read_only=True)


def _program(name: str) -> dict[str, Any]:
    return {
        "program": {"key": name, "name": "Sweep", "timezone": "America/New_York"},
        "currencies": [{"key": "points", "expires": {"after_days": KEPT_DAYS}}],
        "event_types": [{"key": "buy"}],
        "earn_rules": [{"key": "base", "on": "buy", "earn": {"fixed": 10}}],
    }


if __name__ == "__main__":
    with stand() as servers:
        tell(rates(servers, 20_000, 3))
