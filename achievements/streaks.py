"""Streaks: consecutive local days, weeks or months in which a member did something.

A streak grows with the first counting event of a period that follows the last active one. At the end of the first period
missed a freeze stands in for it, where the member has one: the length stays. Else the streak breaks there: from that instant
its current length is 0. A period that lies in a pause is not missed.

A milestone is reached once in each run. Where the streak says at which hour, a member who has done nothing yet in a period is told on its
last day that the streak is at risk.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.localtime import LocalTime
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import AnyOutcome, StreakAtRisk, StreakChanged
from achievements.parts import Granting, Hour, LocalDate, Misfit, Reward, Rewards, Shape, Trigger
from achievements.periods import Calendar
from achievements.states import StreakPart

PERIODS_MAX = 1_000
HELD_MAX = 100
LENGTH_MAX = 10_000
MILESTONES_MAX = 50
PAUSES_MAX = 50
PAUSE_DAYS_MAX = 92


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


class StreakMilestone(Shape, frozen=True, kw_only=True):
    """A length at which a run gives something."""

    at: Annotated[int, msgspec.Meta(ge=1, le=LENGTH_MAX)]
    rewards: Annotated[Rewards, msgspec.Meta(min_length=1)]


class Pause(Shape, frozen=True, kw_only=True, rename={"since": "from"}):
    """Local dates, the first and the last of them included, on which nobody has to do anything."""

    since: LocalDate
    until: LocalDate

    def __post_init__(self) -> None:
        first, last = (_day_of(text, name) for name, text in (("from", self.since), ("until", self.until)))
        if not 0 <= last - first < PAUSE_DAYS_MAX:
            raise Misfit("until", f"`until` is not before `from`, and at most {PAUSE_DAYS_MAX} days are in a pause")

    @property
    def days(self) -> range:
        """The ordinals of its days."""
        return range(_day_of(self.since, "from"), _day_of(self.until, "until") + 1)


def _day_of(text: str, field: str) -> int:
    try:
        return periods.parse(Calendar.DAY, text)
    except ValueError as error:
        raise Misfit(field, str(error)) from error


class StreakReady(Rule, frozen=True, kw_only=True):
    """A streak with its conditions compiled. Its periods are cut in the member's own zone; `zone` is the program's."""

    section = "streaks"
    stage = Stage.STREAKS
    falls_due = True

    calendar: Calendar
    conditions: Conditions
    freezes: Freezes | None
    zone: ZoneInfo
    milestones: Mapping[int, tuple[Reward, ...]] = {}
    paused: frozenset[int] = frozenset()
    at_risk: time | None = None

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
        elif part.due is None and part.current and self._missed(part.kept, moment.local) < period:
            # It had ended, and lives again: of what was missed meanwhile nobody told.
            part = msgspec.structs.replace(part, current=0)
        began = part.began if part.current else period
        # What was missed before was told at its end, so a streak that still runs goes on.
        current = part.current + 1
        longest = max(current, part.longest)
        held = part.freezes_held
        freezes = self.freezes
        if freezes is not None and freezes.earn_every is not None and current % freezes.earn_every == 0:
            held = min(held + 1, freezes.hold_at_most or 0)
        moment.emitted.append(StreakChanged(self.key, current, longest, at, part.freezes_used))
        if self.milestones and current in self.milestones:
            # A run is known by the period in which it began.
            run = f"streak/{self.key}/{began}/{current}"
            moment.reward(self.stage, self.milestones[current], self.key, run)
        due = self._due(period, None, moment.local)
        return StreakPart(period, current, longest, at, part.frozen, part.freezes_used, held, due, began)

    def dated(self, part: StreakPart, local: LocalTime) -> StreakPart:
        """Its part under another zone."""
        if not part.current:
            return part
        return msgspec.structs.replace(part, due=self._due(part.kept, part.warned, local))

    def lapse(self, part: StreakPart, moment: Moment) -> StreakPart:
        """A whole period was missed: a freeze stands in for it, or the streak is over. Or it is about to be: the member is told."""
        missed = self._missed(part.kept, moment.local)
        over = moment.event.at
        ends = moment.local.start(self.calendar, missed + 1)
        if over < ends:
            return self._warned(part, missed, ends, moment)
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
        due = self._due(missed, None, moment.local)
        return StreakPart(part.last, current, part.longest, over, missed, used, held, due, part.began)

    def _warned(self, part: StreakPart, missed: int, ends: datetime, moment: Moment) -> StreakPart:
        """The part while a period can still be saved; where the hour has come, the member is told, once."""
        warned = part.warned
        hour = self.at_risk
        if hour is not None and warned != missed and self._risk(missed, hour, moment.local) <= moment.event.at:
            warned, period = missed, periods.name(self.calendar, missed)
            moment.emitted.append(StreakAtRisk(self.key, period, part.current, moment.event.at, ends))
        return msgspec.structs.replace(part, warned=warned, due=self._due(part.kept, warned, moment.local))

    def levels(self, part: StreakPart | None) -> Iterable[AnyOutcome]:
        """Its present length."""
        if part is None:
            return ()
        return (StreakChanged(self.key, part.current, part.longest, part.at, part.freezes_used),)

    def _missed(self, kept: int, local: LocalTime) -> int:
        """The first period after one that was active or frozen, and that can be missed."""
        missed = kept + 1
        while missed in self.paused or (self.calendar is _DAY and missed in local.short):
            missed += 1
        return missed

    def _due(self, kept: int, warned: int | None, local: LocalTime) -> datetime:
        """When something is to happen next if the member does nothing: she is told, or a period has been missed."""
        missed = self._missed(kept, local)
        ends = local.start(self.calendar, missed + 1)
        if self.at_risk is None or warned == missed:
            return ends
        return min(self._risk(missed, self.at_risk, local), ends)

    def _risk(self, missed: int, hour: time, local: LocalTime) -> datetime:
        """When on the last day of a period it is told that it is being missed."""
        last = periods.first_day(self.calendar, missed + 1).toordinal() - 1
        return local.clock(last, hour)


class Streak(Granting, frozen=True, kw_only=True):
    """Periods in a row with at least one counting event."""

    kind = "streak"
    fixed = ("period", "freezes")

    on: Trigger
    when: str | None = None
    period: Literal["day", "week", "month"]
    freezes: Freezes | None = None
    milestones: Annotated[tuple[StreakMilestone, ...], msgspec.Meta(max_length=MILESTONES_MAX)] = ()
    pauses: Annotated[tuple[Pause, ...], msgspec.Meta(max_length=PAUSES_MAX)] = ()
    at_risk: Hour | None = None

    def __post_init__(self) -> None:
        lengths = [each.at for each in self.milestones]
        if lengths != sorted(set(lengths)):
            raise Misfit("milestones", "milestones come lowest first, each higher than the one before")

    @property
    def paused(self) -> frozenset[int]:
        """The periods of which every day lies in a pause."""
        calendar = Calendar(self.period)
        days = {day for pause in self.pauses for day in pause.days}
        return frozenset(
            period
            for period in {periods.index(calendar, day) for day in days}
            if days.issuperset(
                range(
                    periods.first_day(calendar, period).toordinal(),
                    periods.first_day(calendar, period + 1).toordinal(),
                )
            )
        )

    def ready(self, building: Building) -> StreakReady:
        """Compile it; mistakes are told to `building`."""
        milestones = {
            each.at: building.rewards(each.rewards, f"milestones[{position}].rewards")
            for position, each in enumerate(self.milestones)
        }
        return StreakReady(
            key=self.key,
            calendar=Calendar(self.period),
            conditions=building.conditions(self.on, self.when),
            freezes=self.freezes,
            zone=building.zone,
            milestones=milestones,
            paused=self.paused,
            at_risk=None if self.at_risk is None else time.fromisoformat(self.at_risk),
            gives=frozenset(reward.gives for rewards in milestones.values() for reward in rewards),
        )
