"""100,000 ledger operations in random streams, each step of which is what a simple model says."""

import asyncio
import time
from collections import Counter
from typing import Final

from engagement.records.unit import Database
from stress.report import Report
from stress.servers import Both, both
from tests.actions.streams import Stream

OPERATIONS: Final = 100_000
STREAM_STEPS: Final = 500
AT_ONCE: Final = 4
SEEDS_APART: Final = 1_000
"""The streams of one run are as far from those of the next."""


def model(seed: int, operations: int = OPERATIONS) -> Report:
    """Random streams of earning, spending, holding, ending, correcting and moving: the service equals the model at every step."""
    with both() as servers:
        return asyncio.run(_model(servers, seed, operations))


async def _model(servers: Both, seed: int, operations: int) -> Report:
    records = await Database.open(servers.database_url, max_connections=2 * AT_ONCE)
    lengths = [STREAM_STEPS] * (operations // STREAM_STEPS)
    lengths += [operations % STREAM_STEPS] if operations % STREAM_STEPS else []
    streams = [(Stream(records, seed * SEEDS_APART + number), steps) for number, steps in enumerate(lengths)]
    turns, begun = iter(streams), time.monotonic()

    async def drive() -> None:
        for stream, steps in turns:
            await stream.run(steps)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(drive())
    finally:
        await records.close()
    done = Counter[str]()
    for stream, _ in streams:
        done += stream.done
    report = Report(f"{done.total():,} operations in {len(streams):,} streams, compared after each")
    report.told("operations", ", ".join(f"{count:,} {name}" for name, count in done.most_common()))
    report.told("operations/s, comparing included", round(done.total() / (time.monotonic() - begun)))
    report.equal("operations done, and nothing that differed", done.total(), operations)
    return report
