"""A process that is watched: what its work is told to, and the tasks beside it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from engagement.records.unit import Database
from engagement.telemetry.lag import Lag
from engagement.telemetry.logs import unhandled
from engagement.telemetry.metrics import Telemetry


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator[tuple[Telemetry, Lag]]:
    """What counts and logs the work on this event loop, and watches the loop until the block ends."""
    asyncio.get_running_loop().set_exception_handler(unhandled)
    lag = Lag()
    async with running(lag.watch()):
        yield Telemetry(database, lag), lag


@asynccontextmanager
async def running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on beside the block, and ends with it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
