"""Lets only so many operations be in work at a time, and no longer than their callers are there to hear of them.

Without it every request that arrives is begun at once: a thousand that nobody waits for any more share the process with the
one that somebody waits for, and none is ever told to come back later.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from engagement.api.connections import client_leaves
from engagement.api.limits import OPERATIONS_MAX, OPERATIONS_WAIT_SECONDS
from engagement.errors import Overloaded

_LOOKS: Final = 5
"""Turns of the loop from the end of a connection in the kernel until its request is cancelled."""


class Slot:
    """The place of one operation among those in work."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    def free(self) -> None:
        """Give the place back; once more does nothing."""
        places, self._places = self._places, None
        if places is not None:
            places.release()


class Admission:
    """The places of one process. Whoever asked first is let in first."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(OPERATIONS_MAX)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """A place until the block ends, or its `free` is called. Raises `Overloaded` where none comes free in time."""
        try:
            async with asyncio.timeout(OPERATIONS_WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded("Too many operations are in work; nothing was done. Ask again later.") from None
        slot = Slot(self._places)
        try:
            # Where the loop is late, the caller may have left long ago: hear of it before anything is begun.
            for _ in range(_LOOKS):
                await asyncio.sleep(0)
            yield slot
        finally:
            slot.free()


@asynccontextmanager
async def while_wanted(receive: Receive, may_stop: Callable[[], bool]) -> AsyncIterator[None]:
    """Run the block while its client is there; raises `ClientDisconnect` where it leaves and `may_stop` says so at that moment.

    The body of the request must have been read. The block is cancelled where it waits, and cleans up as after any cancelling.
    """
    wanted = asyncio.timeout(None)
    try:
        async with wanted:
            with _watching(receive, wanted, may_stop):
                yield
    except TimeoutError:
        if wanted.expired():
            raise ClientDisconnect from None
        raise


@contextmanager
def _watching(receive: Receive, wanted: asyncio.Timeout, may_stop: Callable[[], bool]) -> Iterator[None]:
    async def watch() -> None:
        await client_leaves(receive)
        if may_stop():
            wanted.reschedule(0.0)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
