"""The worker: what nobody asks for. It advances members to whom something falls due, folds long histories again, and sends
what is left in the outbox.

Any number of workers can run beside each other: rows that one is busy with, the others leave alone.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable

import structlog

from engagement.actions import clock
from engagement.actions.programs import Programs
from engagement.errors import Refusal
from engagement.records import programs
from engagement.records.unit import ALL, Database
from engagement.relay.drain import Drain

ROUND_SECONDS = 1.0
"""Between two rounds; a round that finds much to do goes on until it is done."""

_log = structlog.get_logger(__name__)


async def work(database: Database, cache: Programs, drain: Drain) -> None:
    """Do rounds until cancelled. A round that fails, because PostgreSQL is away, say, is tried again in the next."""
    while True:
        await _try("sweep", drain.sweep)
        await _try("catch up", lambda: _catch_up(database, cache))
        await asyncio.sleep(ROUND_SECONDS)


async def _catch_up(database: Database, cache: Programs) -> None:
    for program in await database.run(programs.every, ALL, read_only=True):
        await _try(
            f"catch up program {program.key}",
            functools.partial(clock.catch_up, database, cache, program.id, skip_locked=True),
        )


async def _try(name: str, job: Callable[[], Awaitable[object]]) -> None:
    try:
        await job()
    except Refusal as refusal:
        _log.warning("the worker could not finish", job=name, code=refusal.code)
    except Exception:  # noqa: BLE001 — one defect must not stop the worker for everybody.
        _log.exception("the worker failed", job=name)
