"""How late the event loop is: the one sign that a process answers nobody though it runs."""

import asyncio
from collections import deque
from typing import Final

TICK_SECONDS: Final = 0.25
RECENT_TICKS: Final = 120
"""`worst_seconds` looks back over so many, half a minute or more."""


class Lag:
    """Sleeps for a tick, again and again, and notes how much longer that took."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque([0.0], RECENT_TICKS)
        self._due: float | None = None

    async def watch(self) -> None:
        """Watch until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            self._due = clock() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._recent.append(max(0.0, clock() - self._due))

    @property
    def seconds(self) -> float:
        """How late the last tick was, or the present one is, where it is later still."""
        return max(self._recent[-1], self._overdue)

    @property
    def worst_seconds(self) -> float:
        """The most of the last half minute."""
        return max(*self._recent, self._overdue)

    @property
    def _overdue(self) -> float:
        return 0.0 if self._due is None else max(0.0, asyncio.get_running_loop().time() - self._due)
