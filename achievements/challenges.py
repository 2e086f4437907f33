"""Challenges: targets to reach within a window.

A challenge over calendar windows starts anew in each and can be completed once in each; one over a lifetime is completed
once. It is completed by the event that brings the last of its objectives to its target.
"""

from collections.abc import Iterable
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building, Conditions
from achievements.measures import DISTINCT_MAX, Measure, counted_rewards, counts_points, take
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Definition, Misfit, Points, Reward, Rewards, Shape, Trigger, Window, calendar_of
from achievements.periods import Calendar
from achievements.values import AnyOutcome, ChallengeCompleted, ChallengePart, ChallengeProgressed, Tally

OBJECTIVES_MAX = 5


class Objective(Shape, frozen=True, kw_only=True):
    """One target of a challenge. `on` may be left out for a measure of points: every event that earns them counts."""

    on: Trigger | None = None
    when: str | None = None
    measure: Measure = "count"
    target: Points

    def __post_init__(self) -> None:
        if self.on is None and counts_points(self.measure) is None:
            raise Misfit("on", "say which events count: `on: EVENT_TYPE`")
        if self.on is None and self.when is not None:
            raise Misfit("when", "a condition needs `on: EVENT_TYPE`")
        if self.measure != "count" and self.measure.distinct and self.target > DISTINCT_MAX:
            raise Misfit("target", f"a target of different values is at most {DISTINCT_MAX}")


class ObjectiveReady(msgspec.Struct, frozen=True):
    """An objective with its conditions compiled; `conditions` None stands for every event type."""

    measure: Measure
    target: int
    conditions: Conditions | None

    def take(self, tally: Tally, moment: Moment, day: int) -> Tally:
        """Its tally with the event in it."""
        if self.conditions is not None and not moment.meets(self.conditions):
            return tally
        currency = counts_points(self.measure)
        if currency is not None:
            rewards = counted_rewards(self.measure) is not None
            points = moment.points(currency, Stage.CHALLENGES, rewards=rewards)
            return Tally(tally.amount + points) if points else tally
        if not moment.first_pass:
            return tally
        return take(self.measure, tally, moment.event.properties, day, self.target)


class ChallengeReady(Rule, frozen=True, kw_only=True):
    """A challenge ready to apply; `zone` is the one in which its windows are cut."""

    section = "challenges"
    stage = Stage.CHALLENGES

    calendar: Calendar
    objectives: tuple[ObjectiveReady, ...]
    rewards: tuple[Reward, ...]
    zone: ZoneInfo

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types that any of its objectives looks at."""
        types: set[str] = set()
        for objective in self.objectives:
            if objective.conditions is None:
                return None
            types.update(objective.conditions)
        return frozenset(types)

    @property
    def targets(self) -> tuple[int, ...]:
        """The target of each objective."""
        return tuple(objective.target for objective in self.objectives)

    def apply(self, part: ChallengePart | None, moment: Moment) -> ChallengePart | None:
        """Count the event in its window, and complete the window where every target is met."""
        day = moment.day(self.zone)
        window = periods.index(self.calendar, day)
        if part is None or part.window != window:
            before = tuple(Tally() for _ in self.objectives)
            history = (None, None, 0) if part is None else (part.completed_window, part.completed_at, part.completions)
        else:
            if part.completed_window == window:
                return part
            before = part.tallies
            history = (part.completed_window, part.completed_at, part.completions)
        tallies = tuple(each.take(tally, moment, day) for each, tally in zip(self.objectives, before, strict=True))
        if all(new is old for new, old in zip(tallies, before, strict=True)):
            return part
        period = periods.name(self.calendar, window)
        amounts = tuple(tally.amount for tally in tallies)
        moment.emitted.append(ChallengeProgressed(self.key, period, amounts, self.targets))
        if any(tally.amount < each.target for each, tally in zip(self.objectives, tallies, strict=True)):
            return ChallengePart(window, tallies, *history)
        moment.emitted.append(ChallengeCompleted(self.key, period, moment.event.at, moment.event.id))
        for position, reward in enumerate(self.rewards):
            lot = f"challenge/{self.key}/{period}/{position}"
            moment.reward(self.stage, str(reward.currency), reward.points, self.key, lot)
        return ChallengePart(window, tallies, window, moment.event.at, history[2] + 1)

    def levels(self, part: ChallengePart | None) -> Iterable[AnyOutcome]:
        """The progress in its latest window."""
        if part is None:
            return ()
        amounts = tuple(tally.amount for tally in part.tallies)
        return (ChallengeProgressed(self.key, periods.name(self.calendar, part.window), amounts, self.targets),)


class Challenge(Definition, frozen=True, kw_only=True):
    """One or more objectives, all to be met within a window."""

    kind = "challenge"
    fixed = ("window", "measures")

    objectives: Annotated[tuple[Objective, ...], msgspec.Meta(min_length=1, max_length=OBJECTIVES_MAX)]
    window: Window = "lifetime"
    repeat: Literal["once", "each_window"] | None = None
    rewards: Rewards = ()

    def __post_init__(self) -> None:
        fitting = "once" if calendar_of(self.window) is Calendar.LIFETIME else "each_window"
        if self.repeat not in (None, fitting):
            raise Misfit("repeat", "a calendar window repeats `each_window`, a lifetime is completed `once`")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What its objectives count."""
        return tuple(objective.measure for objective in self.objectives)

    def ready(self, building: Building) -> ChallengeReady:
        """Compile it; mistakes are told to `building`."""
        objectives = tuple(
            ObjectiveReady(
                measure=building.measure(each.measure, each.on, f"objectives[{position}].measure"),
                target=each.target,
                conditions=None
                if each.on is None
                else building.conditions(each.on, each.when, f"objectives[{position}]."),
            )
            for position, each in enumerate(self.objectives)
        )
        rewards = building.rewards(self.rewards, "rewards")
        return ChallengeReady(
            key=self.key,
            calendar=calendar_of(self.window),
            objectives=objectives,
            rewards=rewards,
            zone=building.zone,
            gives=frozenset(str(reward.currency) for reward in rewards),
            counts=frozenset(filter(None, (counted_rewards(each.measure) for each in objectives))),
        )
