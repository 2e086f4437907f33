"""Objectives: what a challenge, or a period of a streak, asks for, one target each, and how they are joined.

`needs: all` of them (which is what is meant where nothing is said), `any` one of them, or all `in_order`: then an objective
counts only once those before it are met, not yet by the event that met the last of them.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from achievements.building import Building
from achievements.conditions import Conditions
from achievements.measures import DISTINCT_MAX, Measure, counted_rewards, counts_points, take, take_points
from achievements.moment import Moment, Stage
from achievements.parts import Key, Misfit, Name, Points, Rewards, Shape, Trigger
from achievements.states import Tally
from achievements.values import Amount
from achievements.windows import Span, pruned

Needs: TypeAlias = Literal["all", "any", "in_order"]

OBJECTIVES_MAX = 5
MILESTONES_MAX = 20


class Objective(Shape, frozen=True, kw_only=True):
    """One target of a challenge, or of each period of a streak. `on` may be left out for a measure of points: every event that earns them counts."""

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


class Milestone(Shape, frozen=True, kw_only=True):
    """A step on the way to the target of a challenge: reached once in each window, or round, when the measure comes to `at`.

    Its key is `at` where none is given; with one it stays the same when `at` changes.
    """

    at: Points
    key: Key | None = None
    name: Name | None = None
    rewards: Rewards = ()

    @property
    def milestone(self) -> str:
        """Its key."""
        return self.key or str(self.at)


class ObjectiveReady(msgspec.Struct, frozen=True):
    """An objective with its conditions compiled; `conditions` None stands for every event type, `stage` is that of its rule."""

    measure: Measure
    target: int
    conditions: Conditions | None
    stage: Stage = Stage.CHALLENGES

    def take(self, tally: Tally, moment: Moment, span: Span) -> Tally:
        """Its tally with the event in it."""
        measure = self.measure
        if not isinstance(measure, str) and measure.points is not None:
            counts = self.conditions is None or moment.meets(self.conditions)
            return take_points(measure, tally, moment, span, self.stage) if counts else tally
        if not moment.first_pass or self.conditions is None or not moment.meets(self.conditions):
            return tally
        return take(measure, tally, moment, span, self.target)


def ready_of(objectives: Sequence[Objective], building: Building, stage: Stage) -> tuple[ObjectiveReady, ...]:
    """Compile the objectives of a definition whose rule is of a stage; mistakes are told to `building`."""
    return tuple(
        ObjectiveReady(
            measure=building.measure(each.measure, each.on, f"objectives[{position}].measure"),
            target=each.target,
            conditions=None if each.on is None else building.conditions(each.on, each.when, f"objectives[{position}]."),
            stage=stage,
        )
        for position, each in enumerate(objectives)
    )


def types_of(objectives: Iterable[ObjectiveReady]) -> frozenset[str] | None:
    """The event types that any of some objectives looks at; None for every type."""
    types: set[str] = set()
    for objective in objectives:
        if objective.conditions is None:
            return None
        types.update(objective.conditions)
    return frozenset(types)


def rewards_counted(objectives: Iterable[ObjectiveReady]) -> frozenset[str]:
    """The currencies of which any of some objectives also counts points that rewards gave."""
    return frozenset(filter(None, (counted_rewards(each.measure) for each in objectives)))


def counted(
    objectives: Sequence[ObjectiveReady], tallies: tuple[Tally, ...], moment: Moment, span: Span, needs: Needs
) -> tuple[Tally, ...]:
    """The tallies of several objectives with an event in them; the same tallies where it counts for none."""
    held = tallies
    if span.rolls:
        # What an event does not count for may have left the window since.
        horizon = span.mark(moment) - span.length
        held = tuple(pruned(each, horizon) for each in tallies)
    found, opened = [], True
    for each, tally in zip(objectives, held, strict=True):
        found.append(each.take(tally, moment, span) if opened else tally)
        # By what it came to before the event: that which meets one does not count for the next.
        opened = opened and (needs != "in_order" or tally.amount >= each.target)
    return tallies if all(new is old for new, old in zip(found, held, strict=True)) else tuple(found)


def met(amounts: Sequence[Amount], targets: Sequence[int], needs: Needs) -> bool:
    """Whether enough of the targets are reached."""
    if len(targets) == 1:
        return amounts[0] >= targets[0]
    reached = [amount >= target for amount, target in zip(amounts, targets, strict=True)]
    return any(reached) if needs == "any" else all(reached)
