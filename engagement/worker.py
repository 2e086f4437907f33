"""The worker: what nobody waits for. It advances members to whom something falls due, folds long histories again, sends what is
left in the outbox, removes members who were erased, and beside all that does jobs, one at a time of those that members wait for, and one of the others; and
draws winners, which takes its time where a million entries take part.

Any number of workers can run beside each other: rows that one is busy with, the others leave alone.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable

import structlog

from engagement.actions import backtests, clock, drawing, erasing, jobs, previews, publishing, retaining
from engagement.actions.jobs import Kinds
from engagement.actions.plans import PREVIEW
from engagement.actions.programs import COUNT_ANEW, Programs
from engagement.errors import Refusal
from engagement.observer import NOBODY, Observer
from engagement.records import outbox, programs
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database
from engagement.relay.drain import Drain

ROUND_SECONDS = 1.0
"""Between two rounds; a round that finds much to do goes on until it is done."""
RETAIN_SECONDS = 3_600.0
"""Between two looks for what was kept for long enough."""
KINDS: Kinds = {
    COUNT_ANEW: publishing.count_anew,
    PREVIEW: previews.preview,
    backtests.KIND: backtests.run,
}
"""What each kind of job does."""
AHEAD = (COUNT_ANEW,)
"""Kinds that members wait for, and the closing of boards: done beside the others, so no backtest keeps them waiting."""

_log = structlog.get_logger(__name__)


async def work(database: Database, cache: Programs, drain: Drain, observer: Observer = NOBODY) -> None:
    """Do rounds until cancelled. A round that fails, because PostgreSQL is away, say, is tried again in the next."""
    async with asyncio.TaskGroup() as together:
        together.create_task(_rounds(database, cache, drain, observer))
        together.create_task(_do_jobs(database, cache, among=True))
        together.create_task(_do_jobs(database, cache, among=False))
        together.create_task(_draw(database, cache))


async def _rounds(database: Database, cache: Programs, drain: Drain, observer: Observer) -> None:
    looked = float("-inf")
    while True:
        begun = time.perf_counter()
        failed: list[str] = []
        await _try(failed, "sweep", drain.sweep)
        await _try(failed, "catch up", functools.partial(_catch_up, failed, database, cache))
        await _try(failed, "remove the erased", functools.partial(_remove, failed, database, cache, drain))
        if begun >= looked + RETAIN_SECONDS:
            looked = begun
            await _try(failed, "remove what is old", functools.partial(_retain, failed, database, cache))
        await _try(failed, "look at the outbox", functools.partial(_look, database, observer))
        observer.round_done(time.perf_counter() - begun, len(failed))
        await asyncio.sleep(ROUND_SECONDS)


async def _do_jobs(database: Database, cache: Programs, *, among: bool) -> None:
    while True:
        for program in await _programs(database):
            job = functools.partial(jobs.do_next, database, cache, program.id, KINDS, AHEAD, among=among)
            await _try([], "do a job", job, program.id)
        await asyncio.sleep(ROUND_SECONDS)


async def _draw(database: Database, cache: Programs) -> None:
    while True:
        for program in await _programs(database):
            job = functools.partial(drawing.settle, database, cache, program.id, skip_locked=True)
            await _try([], "draw winners", job, program.id)
        await asyncio.sleep(ROUND_SECONDS)


async def _programs(database: Database) -> list[Program]:
    try:
        return await database.run(programs.every, ALL, read_only=True)
    except Refusal:
        return []


async def _catch_up(failed: list[str], database: Database, cache: Programs) -> None:
    for program in await database.run(programs.every, ALL, read_only=True):
        job = functools.partial(clock.catch_up, database, cache, program.id, skip_locked=True)
        await _try(failed, "catch up", job, program.id)


async def _remove(failed: list[str], database: Database, cache: Programs, drain: Drain) -> None:
    for program in await database.run(programs.every, ALL, read_only=True):
        job = functools.partial(erasing.settle, database, cache, program.id, drain.forget, erasing.SETTLE)
        await _try(failed, "remove the erased", job, program.id)


async def _retain(failed: list[str], database: Database, cache: Programs) -> None:
    for program in await database.run(programs.every, ALL, read_only=True):
        job = functools.partial(retaining.settle, database, cache, program.id)
        await _try(failed, "remove what is old", job, program.id)


async def _look(database: Database, observer: Observer) -> None:
    every = await database.run(programs.every, ALL, read_only=True)
    ages = [await database.run(outbox.oldest_seconds, each.id, read_only=True) for each in every]
    observer.outbox_seen(max(ages, default=0.0))


async def _try(
    failed: list[str], name: str, job: Callable[[], Awaitable[object]], program_id: int | None = None
) -> None:
    try:
        await job()
    except Refusal as refusal:
        failed.append(name)
        _log.warning("the worker could not finish", job=name, program=program_id, code=refusal.code)
    except Exception:  # noqa: BLE001 — one defect must not stop the worker for everybody.
        failed.append(name)
        _log.exception("the worker failed", job=name, program=program_id)
