"""A member's local dates: in her own zone where she has one, else in the program's.

A local date comes from the zone in force at the instant and never goes back: who flies west keeps her date until the new
zone has come to it. A date of which she had less than 24 hours because of a change of zone is short: it can be active, but
not missed.
"""

from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from achievements import periods
from achievements.periods import DAY, Calendar
from achievements.states import OwnZone

SHORT_DAYS_MAX = 32
"""So many short days are remembered; who changes zones daily for longer loses the earliest."""
WHOLE_DAY = timedelta(hours=24)


class LocalTime:
    """The days of one zone, or of a member since she changed to it."""

    __slots__ = ("_begun", "_day", "_since", "short", "zone")

    def __init__(self, zone: ZoneInfo, own: OwnZone | None = None) -> None:
        self.zone = zone
        self.short: frozenset[int] = frozenset(own.short if own else ())
        self._since = own.since if own else None
        self._day = own.day if own else 0
        self._begun = own.begun if own else None

    def day(self, instant: datetime) -> int:
        """The ordinal of the local date at an instant that is not before the last change."""
        day = periods.local_day(instant, self.zone)
        return max(self._day, day)

    def start(self, calendar: Calendar, period: int) -> datetime:
        """The first instant of a period that is not over: of one that the last change began, that change."""
        start = periods.start(calendar, period, self.zone)
        return start if self._since is None or start > self._since else self._since

    def clock(self, day: int, hour: time) -> datetime:
        """The instant at which it is an hour on a local day: not before the last change of zone."""
        instant = periods.clock(day, hour, self.zone)
        return instant if self._since is None or instant > self._since else self._since

    def moved(self, at: datetime, timezone: str) -> OwnZone:
        """What another zone from an instant on makes of her days."""
        zone = periods.zone(timezone)
        old = self.day(at)
        new = max(periods.local_day(at, zone), old)
        begun = self._begun if self._begun is not None and old == self._day else self.start(DAY, old)
        # The old date ends now where the new zone is further on; dates between the two have no hours at all.
        lengths = {day: timedelta(0) for day in range(old, new)}
        if old < new:
            lengths[old], begun = at - begun, at
        lengths[new] = periods.start(DAY, new + 1, zone) - begun
        # A date that an earlier change cut short may have its hours by this one.
        short = self.short.difference(lengths).union(day for day, length in lengths.items() if length < WHOLE_DAY)
        return OwnZone(timezone, at, new, tuple(sorted(short)[-SHORT_DAYS_MAX:]), begun)


@lru_cache(maxsize=4096)
def of_member(own: OwnZone) -> LocalTime:
    """The local time of a member with a zone of her own."""
    return LocalTime(periods.zone(own.timezone), own)
