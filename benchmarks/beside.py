"""What writes keep beside backtests: the batch in turn with nothing beside it, and while the worker inside tries drafts."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from benchmarks.figures import Figure, median
from benchmarks.measures import RATES, Shop
from benchmarks.stand import Served
from benchmarks.synthetic import BEGINNING
from engagement.actions import backtests, jobs
from engagement.actions.backtests import StartBacktest
from engagement.actions.programs import Programs
from engagement.cli.session import database, program_named
from engagement.records.unit import Database

CHALLENGES: Final = 40
"""In one draft: so many take longer than a load."""
WAITING: Final = 3
"""Drafts that are asked for at once, so that there is one to go on with should the first end."""
LOOK_SECONDS: Final = 0.1


def kept(service: Served, shop: Shop, seconds: float, rounds: int) -> list[Figure]:
    """Events a second beside backtests, and what share of those without any that is."""
    batch = RATES[0]
    alone, beside = [], []
    for turn in range(1, rounds + 1):
        if turn > 1:
            # Whoever does a backtest notices within a few seconds that it was cancelled, and the next load is to be alone.
            time.sleep(2 * jobs.HOLD_SECONDS)
        print(f"round {turn} of {rounds}: beside …", flush=True)
        alone.append(shop.run(batch, seconds).sent)
        with _trying(service):
            beside.append(shop.run(batch, seconds).sent)
    base = median("batch in turn with beside", [sent.events / sent.seconds for sent in alone], "events/s")
    return [
        median("beside", [sent.events / sent.seconds for sent in beside], "events/s", base),
        median("beside p99", [sent.p99 for sent in beside], "ms"),
        base,
        median(f"{base.name} p99", [sent.p99 for sent in alone], "ms"),
    ]


@contextmanager
def _trying(service: Served) -> Iterator[None]:
    asked = asyncio.run(_begun(service.database_url))
    try:
        yield
    finally:
        asyncio.run(_ended(service.database_url, asked))


async def _begun(url: str) -> list[UUID]:
    """Backtests that were asked for, of which the first has counted members."""
    challenges = [_challenge(number) for number in range(CHALLENGES)]
    command = StartBacktest({"challenges": challenges}, BEGINNING.replace(year=1970), BEGINNING.replace(year=2100))
    async with database(url) as opened:
        program = (await program_named(opened, "grocer")).id
        asked = []
        for _ in range(WAITING):
            key = secrets.token_hex(8)
            started = await backtests.start(opened, Programs(), program, command, principal="bench", key=key)
            asked.append(started.job.id)
        await _under_way(opened, program, asked[0])
    return asked


def _challenge(number: int) -> dict[str, Any]:
    return {
        "key": f"drafted-{number}",
        "objectives": [
            {"on": "purchase", "when": "event.amount > 0.0", "measure": {"distinct": "local_day"}, "target": 3}
        ],
        "window": {"calendar": "month"},
        "rewards": [{"points": 50}],
    }


async def _under_way(opened: Database, program: int, job_id: UUID) -> None:
    """Wait until some members are counted."""
    while True:
        job = await opened.run(lambda unit: jobs.read(unit, job_id), program, read_only=True)
        if job.problem is not None:
            raise RuntimeError(job.problem)
        if job.done > 0 or job.ended:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _ended(url: str, asked: list[UUID]) -> None:
    async with database(url) as opened:
        program = (await program_named(opened, "grocer")).id
        for each in asked:
            await jobs.cancel(opened, program, each)
