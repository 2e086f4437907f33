"""How rare badges are: the share of a program's members who hold each, looked up once in a while.

Of a large program it is the share among a sample of a fixed size, so that to look costs the same however many members there
are. Members' ids are random, so those with the lowest are such a sample.
"""

import time
from collections.abc import Mapping

from engagement.records import outcomes
from engagement.records.unit import Unit

RARITY_SECONDS = 60.0
"""How old a share may be."""
SAMPLE_MEMBERS = 10_000
"""Up to so many members a share is exact; beyond, a share of a tenth is right to within a hundredth."""


class Rarities:
    """What was found of each program, and when. One for each process."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, Mapping[str, float]]] = {}

    async def of(self, unit: Unit, program_id: int) -> Mapping[str, float]:
        """The share of a program's members, from 0 to 1, who hold a badge at any level, by its key; badges that nobody holds are left out."""
        at, known = self._known.get(program_id, (0.0, {}))
        now = time.monotonic()
        if not at or now - at > RARITY_SECONDS:
            members, holders = await outcomes.badge_holders(unit, SAMPLE_MEMBERS)
            known = {badge: count / members for badge, count in holders.items()}
            self._known[program_id] = (now, known)
        return known
