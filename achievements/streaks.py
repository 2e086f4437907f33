"""Streaks: consecutive local days, weeks or months in which a member did something.

A streak grows with the first counting event of a period that follows the last active one. At the end of the first period
missed a freeze stands in for it, where the member has one: the length stays. Else the streak breaks there: from that instant
its current length is 0.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.localtime import LocalTime
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import AnyOutcome, StreakChanged
from achievements.parts import Granting, Shape, Trigger
from achievements.periods import Calendar
from achievements.states import StreakPart

PERIODS_MAX = 1_000
HELD_MAX = 100

_DAY = Calendar.DAY


class Freezes(Shape, frozen=True, kw_only=True):
    """How many missed periods a streak survives.

    Either one from the start and the next once `cooldown` periods lie between two, also over a streak that broke; or `start`
    of them, another for each `earn_every` periods that a streak grows by, and never more than `hold_at_most` in hand.
    """

    cooldown: Annotated[int, msgspec.Meta(ge=1, le=PERIODS_MAX)] | None = None
    start: Annotated[int, msgspec.Meta(ge=0, le=HELD_MAX)] = 0
    earn_every: Annotated[int, msgspec.Meta(ge=1, le=PERIODS_MAX)] | None = None
    hold_at_most: Annotated[int, msgspec.Meta(ge=1, le=HELD_MAX)] | None = None

    def __post_init__(self) -> None:
        earned = self.start > 0 or self.earn_every is not None or self.hold_at_most is not None
        if (self.cooldown is not None) == earned:
            raise ValueError("write either `cooldown: PERIODS`, or `start`, `earn_every` and `hold_at_most`")
        if self.hold_at_most is not None and self.start > self.hold_at_most:
            raise ValueError("`start` is at most `hold_at_most`")
        if self.earn_every is not None and self.hold_at_most is None:
            raise ValueError("`earn_every` needs `hold_at_most`, or freezes pile up without end")


class StreakReady(Rule, frozen=True, kw_only=True):
    """A streak with its conditions compiled. Its periods are cut in the member's own zone; `zone` is the program's."""

    section = "streaks"
    stage = Stage.STREAKS
    falls_due = True

    calendar: Calendar
    conditions: Conditions
    freezes: Freezes | None
    zone: ZoneInfo

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: StreakPart | None, moment: Moment) -> StreakPart | None:
        """Count the event's period, once."""
        period = moment.local_day if self.calendar is _DAY else periods.index(self.calendar, moment.local_day)
        if (part is not None and part.last >= period) or not moment.meets(self.conditions):
            return part
        at = moment.event.at
        if part is None:
            held = self.freezes.start if self.freezes is not None else 0
            part = StreakPart(period, 0, 0, at, freezes_held=held)
        # What was missed before was told at its end, so a streak that still runs goes on.
        current = part.current + 1
        longest = max(current, part.longest)
        held = part.freezes_held
        freezes = self.freezes
        if freezes is not None and freezes.earn_every is not None and current % freezes.earn_every == 0:
            held = min(held + 1, freezes.hold_at_most or 0)
        moment.emitted.append(StreakChanged(self.key, current, longest, at, part.freezes_used))
        due = self._end_of_missed(period, moment.local)
        return StreakPart(period, current, longest, at, part.frozen, part.freezes_used, held, due)

    def dated(self, part: StreakPart, local: LocalTime) -> StreakPart:
        """Its part under another zone."""
        if not part.current:
            return part
        due = self._end_of_missed(part.last if part.frozen is None else max(part.last, part.frozen), local)
        return msgspec.structs.replace(part, due=due)

    def lapse(self, part: StreakPart, moment: Moment) -> StreakPart:
        """A whole period was missed: a freeze stands in for it, or the streak is over."""
        missed = self._missed(part.last if part.frozen is None else max(part.last, part.frozen), moment.local)
        over = moment.event.at
        freezes = self.freezes
        if freezes is not None and freezes.cooldown is not None:
            frozen = part.frozen is None or missed - part.frozen >= freezes.cooldown
            held = 0
        else:
            frozen = part.freezes_held > 0
            held = part.freezes_held - frozen
        current = part.current if frozen else 0
        used = part.freezes_used + frozen
        moment.emitted.append(StreakChanged(self.key, current, part.longest, over, used))
        if not frozen:
            return StreakPart(part.last, 0, part.longest, over, part.frozen, used, held)
        due = self._end_of_missed(missed, moment.local)
        return StreakPart(part.last, current, part.longest, over, missed, used, held, due)

    def levels(self, part: StreakPart | None) -> Iterable[AnyOutcome]:
        """Its present length."""
        if part is None:
            return ()
        return (StreakChanged(self.key, part.current, part.longest, part.at, part.freezes_used),)

    def _missed(self, kept: int, local: LocalTime) -> int:
        """The first period after one that was active or frozen, and that can be missed."""
        missed = kept + 1
        if local.short and self.calendar is _DAY:
            while missed in local.short:
                missed += 1
        return missed

    def _end_of_missed(self, kept: int, local: LocalTime) -> datetime:
        return local.start(self.calendar, self._missed(kept, local) + 1)


class Streak(Granting, frozen=True, kw_only=True):
    """Periods in a row with at least one counting event."""

    kind = "streak"
    fixed = ("period", "freezes")

    on: Trigger
    when: str | None = None
    period: Literal["day", "week", "month"]
    freezes: Freezes | None = None

    def ready(self, building: Building) -> StreakReady:
        """Compile it; mistakes are told to `building`."""
        return StreakReady(
            key=self.key,
            calendar=Calendar(self.period),
            conditions=building.conditions(self.on, self.when),
            freezes=self.freezes,
            zone=building.zone,
        )
