"""Streaks: consecutive local days, weeks or months in which a member did something.

A streak grows with the first counting event of a period that follows the last active one, and breaks at the end of the
first period missed: from that instant its current length is 0.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from achievements import periods
from achievements.building import Building, Conditions
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Definition, Trigger
from achievements.periods import Calendar
from achievements.values import AnyOutcome, Emitted, StreakChanged, StreakPart


class StreakReady(Rule, frozen=True, kw_only=True):
    """A streak with its conditions compiled; `zone` is the one in which its periods are cut."""

    section = "streaks"
    stage = Stage.STREAKS

    calendar: Calendar
    conditions: Conditions
    zone: ZoneInfo

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: StreakPart | None, moment: Moment) -> StreakPart | None:
        """Count the event's period, once."""
        period = periods.index(self.calendar, moment.day(self.zone))
        if (part is not None and part.last >= period) or not moment.meets(self.conditions):
            return part
        follows = part is not None and part.current > 0 and part.last == period - 1
        current = part.current + 1 if part is not None and follows else 1
        longest = max(current, part.longest if part is not None else 0)
        moment.emitted.append(StreakChanged(self.key, current, longest, moment.event.at))
        return StreakPart(period, current, longest, moment.event.at)

    def due(self, part: StreakPart | None) -> datetime | None:
        """The end of the period after the last active one, while the streak runs."""
        return periods.start(self.calendar, part.last + 2, self.zone) if part is not None and part.current else None

    def lapse(self, part: StreakPart, emitted: list[Emitted]) -> StreakPart:
        """A whole period was missed: the streak is over."""
        over = periods.start(self.calendar, part.last + 2, self.zone)
        emitted.append(StreakChanged(self.key, 0, part.longest, over))
        return StreakPart(part.last, 0, part.longest, over)

    def levels(self, part: StreakPart | None) -> Iterable[AnyOutcome]:
        """Its present length."""
        return () if part is None else (StreakChanged(self.key, part.current, part.longest, part.at),)


class Streak(Definition, frozen=True, kw_only=True):
    """Periods in a row with at least one counting event."""

    kind = "streak"
    fixed = ("period",)

    on: Trigger
    when: str | None = None
    period: Literal["day", "week", "month"]

    def ready(self, building: Building) -> StreakReady:
        """Compile it; mistakes are told to `building`."""
        conditions = building.conditions(self.on, self.when)
        return StreakReady(key=self.key, calendar=Calendar(self.period), conditions=conditions, zone=building.zone)
