"""Streaks: consecutive local days, weeks or months in which a member did something.

A streak grows with the first counting event of a period that follows the last active one, or where a period asks for several things,
with the event that meets the last of its objectives. At the end of the first period missed a freeze stands in for it, where the
member has one: the length stays. Else the streak breaks there: from that instant its current length is 0, until it grows again or is
restored. A period that lies in a pause is not missed, and none in which the definition was paused.

A milestone is reached once in each run. Where the streak says at which hour, a member with whom a period does not count yet is told on
its last day that the streak is at risk.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.lifecycle import Stretch
from achievements.localtime import LocalTime
from achievements.measures import Measure
from achievements.moment import Moment, Rule, Stage
from achievements.objectives import (
    OBJECTIVES_MAX,
    Needs,
    Objective,
    ObjectiveReady,
    counted,
    met,
    ready_of,
    rewards_counted,
    types_of,
)
from achievements.outcomes import AnyOutcome, StreakAtRisk, StreakChanged
from achievements.parts import Hour, Misfit, Recounting, Reward, Rewards, Shape, Trigger
from achievements.periods import DAY, Calendar
from achievements.saving import (
    FREEZE_BOUGHT,
    PAUSES_MAX,
    STREAK_RESTORED,
    Freezes,
    Pause,
    Restore,
    lost_with,
    paused_periods,
    taken_up,
)
from achievements.states import Lost, StreakPart, Tally
from achievements.values import Amount, Fact
from achievements.windows import Span

LENGTH_MAX = 10_000
_NO_DAYS: frozenset[int] = frozenset()
MILESTONES_MAX = 50


class StreakMilestone(Shape, frozen=True, kw_only=True):
    """A length at which a run gives something."""

    at: Annotated[int, msgspec.Meta(ge=1, le=LENGTH_MAX)]
    rewards: Annotated[Rewards, msgspec.Meta(min_length=1)]


class StreakReady(Rule, frozen=True, kw_only=True):
    """A streak with its conditions compiled. Its periods are cut in the member's own zone; `zone` is the program's.

    `stopped` are the stretches in which its definition was paused, oldest first, as far as they are known when it is in force.
    """

    section = "streaks"
    stage = Stage.STREAKS
    falls_due = True
    hears = frozenset({FREEZE_BOUGHT, STREAK_RESTORED})

    calendar: Calendar
    conditions: Conditions
    freezes: Freezes | None
    zone: ZoneInfo
    milestones: Mapping[int, tuple[Reward, ...]] = {}
    paused: frozenset[int] = frozenset()
    at_risk: time | None = None
    restore: Restore | None = None
    stopped: tuple[Stretch, ...] = ()

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: StreakPart | None, moment: Moment) -> StreakPart | None:
        """Count the event's period, once."""
        period = moment.local_day if self.calendar is DAY else periods.index(self.calendar, moment.local_day)
        if (part is not None and part.last >= period) or not moment.meets(self.conditions):
            return part
        return self._grown(part, period, moment)

    def _grown(self, part: StreakPart | None, period: int, moment: Moment) -> StreakPart:
        """The part after a period that counts."""
        at = moment.event.at
        if part is None:
            part = self._begun(at)
        elif part.due is None and part.current:
            part = self._living(part, period, moment)
        began = part.began if part.current else period
        # What was missed before was told at its end, so a streak that still runs goes on.
        current = part.current + 1
        longest = max(part.longest, current)
        held = part.freezes_held
        freezes = self.freezes
        if freezes is not None and freezes.earn_every is not None and current % freezes.earn_every == 0:
            held = max(held, min(held + 1, freezes.hold_at_most or 0))
        lost = part.lost
        restores = 0 if lost is None else lost.restores
        moment.emitted.append(StreakChanged(self.key, current, longest, at, part.freezes_used, restores))
        if self.milestones and current in self.milestones:
            self._reach(current, began, moment)
        due = self._due(period, None, moment.local)
        used, carried = part.freezes_used, part.carried
        return StreakPart(
            period, current, longest, at, part.frozen, used, held, due, began, None, carried, part.counting, lost
        )

    def _living(self, part: StreakPart, period: int, moment: Moment) -> StreakPart:
        """The part of a streak that had ended, and lives again: of what was missed meanwhile nobody told."""
        if self._missed(part.kept, moment.local) < period:
            return msgspec.structs.replace(part, current=0, began=None)
        return msgspec.structs.replace(part, due=max(self._due(part.kept, part.warned, moment.local), moment.event.at))

    def _begun(self, at: datetime) -> StreakPart:
        """A part in which nothing counted yet."""
        return StreakPart(0, 0, 0, at, freezes_held=self.freezes.start if self.freezes is not None else 0)

    def _reach(self, length: int, began: int | None, moment: Moment) -> None:
        """Give what a milestone gives. A run is known by the period in which it began."""
        moment.reward(self.stage, self.milestones[length], self.key, f"streak/{self.key}/{began}/{length}")

    def told(self, part: StreakPart | None, fact: Fact, moment: Moment) -> StreakPart | None:
        """The part with a freeze more, or after it was restored. It was decided then, and stands."""
        if fact.data.get("streak") != self.key:
            return part
        if fact.kind == FREEZE_BOUGHT:
            held = self._begun(fact.at) if part is None else part
            return msgspec.structs.replace(held, freezes_held=held.freezes_held + 1)
        if part is None or part.lost is None or not part.lost.runs:
            # As is known now, it never broke.
            return part
        period = periods.index(self.calendar, moment.local_day)
        living = self._living(part, period, moment) if part.current and part.due is None else part
        return self._restored(living, part.lost, period, moment, by_staff=bool(fact.data.get("by_staff")))

    def _restored(self, part: StreakPart, lost: Lost, period: int, moment: Moment, *, by_staff: bool) -> StreakPart:
        """The part as if what was missed since its runs broke had been frozen; milestones that it passes by this are reached."""
        runs, kept = taken_up(self.restore, lost, period, by_staff=by_staff)
        first, at = runs[0], moment.event.at
        given = max(part.current, *(each.length for each in runs))
        current = sum(each.length for each in runs) + part.current
        longest = max(current, part.longest)
        moment.emitted.append(StreakChanged(self.key, current, longest, at, part.freezes_used, kept.restores))
        for length in sorted(self.milestones):
            if given < length <= current:
                self._reach(length, first.began, moment)
        carried = max(part.kept, period - 1)
        due = max(self._due(carried, part.warned, moment.local), at)
        return msgspec.structs.replace(
            part, current=current, longest=longest, at=at, due=due, began=first.began, carried=carried, lost=kept
        )

    def dated(self, part: StreakPart, local: LocalTime) -> StreakPart:
        """Its part under another zone."""
        if not part.current:
            return part
        return msgspec.structs.replace(part, due=self._due(part.kept, part.warned, local))

    def lapse(self, part: StreakPart, moment: Moment) -> StreakPart:
        """A whole period was missed: a freeze stands in for it, or the streak is over. Or it is about to be: the member is told.

        One in which its definition was paused is over, and neither; nor is a date that the member's zone left out.
        """
        local, over = moment.local, moment.event.at
        kept = part.last if part.frozen is None and part.carried is None else part.kept
        missed = self._missed(kept, local)
        ends = local.start(self.calendar, missed + 1)
        if over < ends:
            return self._warned(part, missed, ends, moment)
        # A date that its zone left out, as it came to the other side of the date line, ends where it begins.
        left_out = self.calendar is DAY and periods.start(DAY, missed, local.zone) == ends
        if left_out or (self.stopped and self._stopped_in(missed, local)):
            due = self._due(missed, None, local)
            return msgspec.structs.replace(part, carried=missed, warned=None, due=due)
        frozen, held, lost = part.freezes_held > 0, part.freezes_held, part.lost
        if self.freezes is not None and self.freezes.cooldown is not None:
            frozen = self.freezes.at_hand(part, missed) > 0
        elif frozen:
            held -= 1
        current, used = (part.current, part.freezes_used + 1) if frozen else (0, part.freezes_used)
        restores = 0 if lost is None else lost.restores
        moment.emitted.append(StreakChanged(self.key, current, part.longest, over, used, restores))
        if not frozen and self.restore is not None:
            lost = lost_with(self.restore, part, missed)
        rest = (part.carried, part.counting, lost)
        if not frozen:
            return StreakPart(part.last, 0, part.longest, over, part.frozen, used, held, None, None, None, *rest)
        due = self._due(missed, None, local)
        return StreakPart(part.last, current, part.longest, over, missed, used, held, due, part.began, None, *rest)

    def _warned(self, part: StreakPart, missed: int, ends: datetime, moment: Moment) -> StreakPart:
        """The part while a period can still be saved; where the hour has come, the member is told, once."""
        warned = part.warned
        hour = self.at_risk
        if hour is not None and warned != missed and self._risk(missed, hour, moment.local) <= moment.event.at:
            warned, period = missed, periods.name(self.calendar, missed)
            if not (self.stopped and self._stopped_in(missed, moment.local)):
                moment.emitted.append(StreakAtRisk(self.key, period, part.current, moment.event.at, ends))
        return msgspec.structs.replace(part, warned=warned, due=self._due(part.kept, warned, moment.local))

    def levels(self, part: StreakPart | None) -> Iterable[AnyOutcome]:
        """Its present length."""
        if part is None or not part.longest:
            return ()
        return (StreakChanged(self.key, part.current, part.longest, part.at, part.freezes_used, part.restores),)

    def freezes_held(self, part: StreakPart | None, period: int) -> int:
        """How many freezes could stand in for a period, if it were missed."""
        if self.freezes is None:
            return 0 if part is None else part.freezes_held
        return self.freezes.at_hand(part, period)

    def _missed(self, kept: int, local: LocalTime) -> int:
        """The first period after one that was kept, and that can be missed."""
        missed, paused = kept + 1, self.paused
        short = local.short if self.calendar is DAY else _NO_DAYS
        if paused or short:
            while missed in paused or missed in short:
                missed += 1
        return missed

    def _stopped_in(self, period: int, local: LocalTime) -> bool:
        """Whether its definition was paused at any time of a period."""
        begins, ends = local.start(self.calendar, period), local.start(self.calendar, period + 1)
        return any(since < ends and (until is None or until > begins) for since, until in self.stopped)

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


class MeasuredStreakReady(StreakReady, frozen=True, kw_only=True):
    """A streak whose periods count once enough of several objectives are met; `empty` is where their tallies begin."""

    objectives: tuple[ObjectiveReady, ...]
    targets: tuple[int, ...]
    needs: Needs
    empty: tuple[Tally, ...]

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types that any of its objectives looks at; None for every type."""
        return types_of(self.objectives)

    def apply(self, part: StreakPart | None, moment: Moment) -> StreakPart | None:
        """Count the event in its period, and the period, once, where enough of its targets are met."""
        period = periods.index(self.calendar, moment.local_day)
        if part is not None and part.last >= period:
            return part
        before = self._tallies(part, period)
        tallies = counted(self.objectives, before, moment, Span(calendar=self.calendar), self.needs)
        if tallies is before:
            return part
        if met(tuple(each.amount for each in tallies), self.targets, self.needs):
            # What was counted has done its work: what remains is what a screen shows of it.
            shown = (period, tuple(Tally(each.amount) for each in tallies))
            return msgspec.structs.replace(self._grown(part, period, moment), counting=shown)
        held = self._begun(moment.event.at) if part is None else part
        if held.current and held.due is None:
            held = self._living(held, period, moment)
        return msgspec.structs.replace(held, counting=(period, tallies))

    def amounts(self, part: StreakPart | None, period: int) -> tuple[Amount, ...]:
        """What its objectives come to in a period."""
        return tuple(each.amount for each in self._tallies(part, period))

    def _tallies(self, part: StreakPart | None, period: int) -> tuple[Tally, ...]:
        counting = None if part is None else part.counting
        # Another number of objectives is another version's.
        there = counting is not None and counting[0] == period and len(counting[1]) == len(self.empty)
        return counting[1] if there and counting is not None else self.empty


class Streak(Recounting, frozen=True, kw_only=True):
    """Periods in a row with at least one counting event; or in which objectives are met: all of them, any one, or all in order."""

    kind = "streak"
    fixed = ("period", "measures", "earned_freezes")

    on: Trigger | None = None
    when: str | None = None
    objectives: Annotated[tuple[Objective, ...], msgspec.Meta(max_length=OBJECTIVES_MAX)] = ()
    needs: Needs = "all"
    period: Literal["day", "week", "month"]
    freezes: Freezes | None = None
    restore: Restore | None = None
    milestones: Annotated[tuple[StreakMilestone, ...], msgspec.Meta(max_length=MILESTONES_MAX)] = ()
    pauses: Annotated[tuple[Pause, ...], msgspec.Meta(max_length=PAUSES_MAX)] = ()
    at_risk: Hour | None = None

    def __post_init__(self) -> None:
        if (self.on is None) == (not self.objectives):
            raise Misfit(
                "on", "say either which events count, `on: EVENT_TYPE`, or what each period asks for, `objectives`"
            )
        if self.on is None and self.when is not None:
            raise Misfit("when", "a condition goes with `on: EVENT_TYPE`; one of an objective is written in it")
        if not self.objectives and self.needs != "all":
            raise Misfit("needs", "`needs` goes with `objectives`")
        lengths = [each.at for each in self.milestones]
        if lengths != sorted(set(lengths)):
            raise Misfit("milestones", "milestones come lowest first, each higher than the one before")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What its objectives count; nothing, where one event of a period is enough."""
        return tuple(objective.measure for objective in self.objectives)

    @property
    def earned_freezes(self) -> Freezes | None:
        """Its freezes without what is only bought: a price may change, and come to a streak that had no freezes."""
        freezes = self.freezes
        if freezes is None or (freezes.cooldown is None and freezes.start == 0 and freezes.earn_every is None):
            return None
        return msgspec.structs.replace(freezes, price=None)

    @property
    def paused(self) -> frozenset[int]:
        """The periods of which every day lies in a pause."""
        return paused_periods(Calendar(self.period), self.pauses)

    def ready(self, building: Building) -> StreakReady:
        """Compile it; mistakes are told to `building`."""
        milestones = {
            each.at: building.rewards(each.rewards, f"milestones[{position}].rewards")
            for position, each in enumerate(self.milestones)
        }
        freezes, restore = self.freezes, self.restore
        objectives = ready_of(self.objectives, building, StreakReady.stage)
        made = StreakReady(
            key=self.key,
            calendar=Calendar(self.period),
            conditions=building.conditions(self.on or (), self.when),
            freezes=None if freezes is None else freezes.ready(building),
            zone=building.zone,
            milestones=milestones,
            paused=self.paused,
            at_risk=None if self.at_risk is None else time.fromisoformat(self.at_risk),
            restore=None if restore is None else restore.ready(building),
            gives=frozenset(reward.gives for rewards in milestones.values() for reward in rewards),
            counts=rewards_counted(objectives),
        )
        if not objectives:
            return made
        return MeasuredStreakReady(
            **msgspec.structs.asdict(made),
            objectives=objectives,
            targets=tuple(each.target for each in objectives),
            needs=self.needs,
            empty=tuple(Tally() for _ in objectives),
        )
