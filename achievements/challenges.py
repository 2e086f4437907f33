"""Challenges: targets to reach within a window.

A challenge is completed by the event that brings the last of its objectives to its target: once, once in each window of a
calendar, or again and again, counting anew after each completion. Windows are cut in the member's own zone.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.localtime import LocalTime
from achievements.measures import DISTINCT_MAX, Measure, counted_rewards, counts_points, take, take_points
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import AnyOutcome, ChallengeCompleted, ChallengeProgressed
from achievements.parts import ForMembers, Misfit, Points, Reward, Rewards, Shape, Trigger
from achievements.periods import Calendar
from achievements.states import ChallengePart, Tally
from achievements.values import Amount
from achievements.windows import Span, Window, pruned, span_of

Repeat: TypeAlias = Literal["once", "each_window", "on_completion"]

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

    def take(self, tally: Tally, moment: Moment, span: Span) -> Tally:
        """Its tally with the event in it."""
        measure = self.measure
        if measure != "count" and measure.points is not None:
            counts = self.conditions is None or moment.meets(self.conditions)
            return take_points(measure, tally, moment, span, Stage.CHALLENGES) if counts else tally
        if not moment.first_pass or self.conditions is None or not moment.meets(self.conditions):
            return tally
        return take(measure, tally, moment, span, self.target)


class ChallengeReady(Rule, frozen=True, kw_only=True):
    """A challenge ready to apply; `zone` is the program's, for members without their own; `empty` is where tallies begin."""

    section = "challenges"
    stage = Stage.CHALLENGES

    span: Span
    repeat: Repeat
    objectives: tuple[ObjectiveReady, ...]
    targets: tuple[int, ...]
    empty: tuple[Tally, ...]
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

    def apply(self, part: ChallengePart | None, moment: Moment) -> ChallengePart | None:
        """Count the event in its window, and complete the challenge where every target is met."""
        if part is not None and self.repeat == "once" and part.completions:
            return part
        window = self.span.period(moment)
        if window is None:
            return part
        if part is None:
            tallies = self.empty
            before = ChallengePart(window, tallies)
        elif part.window != window:
            tallies = self.empty
            before = ChallengePart(window, tallies, part.completed_window, part.completed_at, part.completions)
        else:
            if self.repeat == "each_window" and part.completed_window == window:
                return part
            before, tallies = part, part.tallies
        span = self.span
        if len(self.objectives) == 1:
            tally = self.objectives[0].take(tallies[0], moment, span)
            if tally is tallies[0]:
                return part
            tallies = (tally,)
        else:
            counted = tuple(
                each.take(tally, moment, span) for each, tally in zip(self.objectives, tallies, strict=True)
            )
            if all(new is old for new, old in zip(counted, tallies, strict=True)):
                return part
            tallies = counted
        return self._counted(before, tallies, moment)

    def _counted(self, before: ChallengePart, tallies: tuple[Tally, ...], moment: Moment) -> ChallengePart:
        """The part after its tallies have changed, with what that brings."""
        period = self.period(before)
        amounts = tuple([tally.amount for tally in tallies])
        moment.emitted.append(ChallengeProgressed(self.key, period, amounts, self.targets))
        for amount, target in zip(amounts, self.targets, strict=True):
            if amount < target:
                history = (before.completed_window, before.completed_at, before.completions)
                return ChallengePart(before.window, tallies, *history)
        event = moment.event
        moment.emitted.append(ChallengeCompleted(self.key, period, event.at, event.id))
        moment.reward(self.stage, self.rewards, self.key, f"challenge/{self.key}/{period}")
        # What was counted has done its work: what remains is what a screen shows of it.
        kept = self.empty if self.repeat == "on_completion" else tuple(Tally(each.amount) for each in tallies)
        return ChallengePart(before.window, kept, before.window, event.at, before.completions + 1)

    def period(self, part: ChallengePart) -> str:
        """How the window, or the round, that a part counts in is written."""
        if self.repeat == "on_completion":
            return f"#{part.completions + 1}"
        return "" if self.repeat == "once" else periods.name(self.span.calendar, part.window)

    def amounts(self, part: ChallengePart | None, at: datetime, local: LocalTime) -> tuple[Amount, ...]:
        """What its objectives come to at an instant that is not before the part: nothing of windows that are over."""
        empty: tuple[Amount, ...] = (0,) * len(self.targets)
        if part is None or (self.span.calendar is not Calendar.LIFETIME and part.window != self.window(at, local)):
            return empty
        if self.span.rolls and not (self.repeat == "once" and part.completions):
            horizon = self.span.mark_at(at, local) - self.span.length
            return tuple(pruned(tally, horizon).amount for tally in part.tallies)
        return tuple(tally.amount for tally in part.tallies)

    def window(self, at: datetime, local: LocalTime) -> int:
        """The index of the window at an instant."""
        return periods.index(self.span.calendar, local.day(at))

    def ends_at(self, at: datetime, local: LocalTime) -> datetime | None:
        """When the window at an instant is over; None for one without an end of its own."""
        if self.span.calendar is Calendar.LIFETIME:
            return self.span.closes
        return local.start(self.span.calendar, self.window(at, local) + 1)

    def levels(self, part: ChallengePart | None) -> Iterable[AnyOutcome]:
        """The progress in its latest window, or round."""
        if part is None or part.tallies == self.empty:
            return ()
        amounts = tuple(tally.amount for tally in part.tallies)
        return (ChallengeProgressed(self.key, self.period(part), amounts, self.targets),)


class Challenge(ForMembers, frozen=True, kw_only=True):
    """One or more objectives, all to be met within a window."""

    kind = "challenge"
    fixed = ("window", "measures", "repeats")

    objectives: Annotated[tuple[Objective, ...], msgspec.Meta(min_length=1, max_length=OBJECTIVES_MAX)]
    window: Window = "lifetime"
    repeat: Repeat | None = None
    rewards: Rewards = ()

    def __post_init__(self) -> None:
        calendar = span_of(self.window).calendar
        if self.repeat == "each_window" and calendar is Calendar.LIFETIME:
            raise Misfit(
                "repeat",
                "`each_window` goes with a calendar window; a lifetime is completed `once` or repeats `on_completion`, and so"
                " are windows that roll or lie between dates",
            )

    @property
    def repeats(self) -> Repeat:
        """When it can be completed again: where nothing is said, in each window of a calendar, and else never."""
        if self.repeat is not None:
            return self.repeat
        return "once" if span_of(self.window).calendar is Calendar.LIFETIME else "each_window"

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
            span=span_of(self.window),
            repeat=self.repeats,
            objectives=objectives,
            targets=tuple(objective.target for objective in self.objectives),
            empty=tuple(Tally() for _ in self.objectives),
            rewards=rewards,
            zone=building.zone,
            gives=frozenset(reward.gives for reward in rewards),
            counts=frozenset(filter(None, (counted_rewards(each.measure) for each in objectives))),
        )
