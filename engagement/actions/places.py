"""Places for the first so many members of a challenge: how many are taken, locked for as long as a unit lasts.

Each (challenge, window) has a row that whoever gives a place of it locks first, so that under any number of processes no more
are given than there are. A place that was given stays given, whatever is learned later.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias
from uuid import UUID

from achievements.asked import PlaceAsked
from engagement.records import places
from engagement.records.unit import Unit

Window: TypeAlias = tuple[str, str]
"""A challenge and its period."""


class PlacesMissing(Exception):
    """A place was asked for of which the unit has not looked yet how many are taken."""

    def __init__(self, asked: PlaceAsked) -> None:
        super().__init__(f"{asked.challenge} {asked.period}")
        self.asked = asked


class Places:
    """The places that one unit knows of and gives."""

    def __init__(self) -> None:
        self._taken: dict[Window, int] = {}
        self._given: dict[Window, list[UUID]] = defaultdict(list)

    async def bring(self, unit: Unit, asked: Iterable[PlaceAsked]) -> None:
        """Lock what is asked for, and look how many are taken; in one order, so that two units seldom wait for each other."""
        wanted = sorted({(each.challenge, each.period) for each in asked} - {*self._taken})
        if wanted:
            self._taken.update(await places.lock(unit, wanted))

    def take(self, asked: PlaceAsked, member: UUID) -> bool:
        """Whether a place was left, which is the member's now unless she is held out. Raises `PlacesMissing`."""
        window = (asked.challenge, asked.period)
        if window not in self._taken:
            raise PlacesMissing(asked)
        given = self._given[window]
        if self._taken[window] + len(given) >= asked.limit:
            return False
        if not asked.held_out:
            given.append(member)
        return True

    def give_back(self, members: Iterable[UUID]) -> None:
        """Forget what was given to members who begin again within the unit."""
        gone = set(members)
        for window, given in self._given.items():
            self._given[window] = [each for each in given if each not in gone]

    def save(self, unit: Unit) -> None:
        """Write how many are taken now."""
        places.take(unit, [(*window, len(given)) for window, given in sorted(self._given.items()) if given])
