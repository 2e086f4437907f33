"""Who may have a connection: a bounded wait in front of the pool of connections, which by itself would wait for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engagement.errors import Overloaded

WAIT_SECONDS = 2.0


class Pool:
    """So many places, how many are `in_use`, and how many wait for one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.in_use = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(size)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the block; `Overloaded` where none comes free within 2 s."""
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise Overloaded("No database connection came free; ask again later.") from error
        finally:
            self.waiting -= 1
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self._free.release()
