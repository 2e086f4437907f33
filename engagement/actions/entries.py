"""How many entries a draw has: counted once in a while, the more seldom the longer that takes."""

import time
from datetime import datetime

from engagement.records import draws
from engagement.records.draws import Window
from engagement.records.unit import Unit

KEPT_TIMES = 100
"""A number may be so many times as old as it took to count: so whoever asks all the time has one in a hundred moments of the database."""


class Entries:
    """What was counted of each draw, and until when that is good enough. One for each process."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | str, str], tuple[float, int]] = {}

    async def of(self, unit: Unit, window: Window, closed_at: datetime | None) -> int:
        """How many entries take part in a draw of the unit's program, or would if it was closed now."""
        place = (unit.program, window.draw)
        until, count = self._known.get(place, (0.0, 0))
        begun = time.monotonic()
        if begun >= until:
            count = await draws.count(unit, window, closed_at)
            ended = time.monotonic()
            self._known[place] = (ended + KEPT_TIMES * (ended - begun), count)
        return count
