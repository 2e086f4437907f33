"""Segments: groups of members, told by what they did lately, by what is known of them, or by a list.

A segment's measures are counted like those of a challenge, each within its window, and its condition compares them:
`measure.spent >= 500.0 && member.plan == 'paid'`. Who is in it is answered whenever somebody asks, at that instant and on her
state before it. So a member leaves at the very instant at which her measures fall out of their windows, and nothing has to
happen for it: a segment is no outcome. A list is a segment whose members are named one by one.

Conditions ask with `member.segments.KEY`; those of segments themselves cannot.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from achievements.building import Building
from achievements.conditions import Condition, Conditions, Environment
from achievements.localtime import LocalTime
from achievements.measures import Measure, counted_rewards, counts_points, take, take_points
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Definition, Instant, Misfit, PropertyName, Shape, Trigger
from achievements.states import SegmentPart, Tally
from achievements.values import Amount, Fact
from achievements.windows import Span, Window, pruned, span_of

MEASURES_MAX = 10
DISTINCT_MAX = 100
"""So many different values a segment tells apart; more of them count as so many."""
LISTED = "listed"
"""The kind of the fact that puts a member on a list, or takes her off."""

_NOTHING = Tally()


class SegmentMeasure(Shape, frozen=True, kw_only=True):
    """A measure within a window. `on` may be left out for points: every event that earns them counts."""

    on: Trigger | None = None
    when: str | None = None
    measure: Measure = "count"
    window: Window = "lifetime"

    def __post_init__(self) -> None:
        if self.on is None and counts_points(self.measure) is None:
            raise Misfit("on", "say which events count: `on: EVENT_TYPE`")
        if self.on is None and self.when is not None:
            raise Misfit("when", "a condition needs `on: EVENT_TYPE`")

    @property
    def type(self) -> str:
        """What conditions see of it."""
        return "decimal" if self.measure != "count" and self.measure.sum is not None else "int"


class MeasureReady(msgspec.Struct, frozen=True):
    """A measure with its conditions compiled; `conditions` None stands for every event type."""

    measure: Measure
    conditions: Conditions | None
    span: Span

    def take(self, window: int, tally: Tally, moment: Moment) -> tuple[int, Tally]:
        """Its period and tally after an event; the same tally where the event does not count."""
        span, measure = self.span, self.measure
        period = span.period(moment)
        if period is None or not (self.conditions is None or moment.meets(self.conditions)):
            return window, tally
        before = tally if period == window else _NOTHING
        if measure != "count" and measure.points is not None:
            after = take_points(measure, before, moment, span, Stage.BOARDS)
        else:
            after = take(measure, before, moment, span, DISTINCT_MAX) if moment.first_pass else before
        return (window, tally) if after is before else (period, after)

    def amount(self, window: int, tally: Tally, at: datetime, local: LocalTime) -> Amount:
        """What it comes to at an instant."""
        span = self.span
        if span.rolls:
            return pruned(tally, span.mark_at(at, local) - span.length).amount
        return tally.amount if span.period_at(at, local) == window else 0


class SegmentReady(Rule, frozen=True, kw_only=True):
    """A segment ready to be asked for; a list has no condition."""

    section = "segments"
    stage = Stage.BOARDS
    hears = frozenset({LISTED})

    names: tuple[str, ...]
    measures: tuple[MeasureReady, ...]
    condition: Condition | None
    environment: Environment

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types that any of its measures looks at."""
        types: set[str] = set()
        for each in self.measures:
            if each.conditions is None:
                return None
            types.update(each.conditions)
        return frozenset(types)

    def apply(self, part: SegmentPart | None, moment: Moment) -> SegmentPart | None:
        """Count the event."""
        before = SegmentPart(((0, _NOTHING),) * len(self.measures)) if part is None else part
        tallies = tuple(
            each.take(window, tally, moment)
            for each, (window, tally) in zip(self.measures, before.counted, strict=True)
        )
        same = all(new is old for (_, new), (_, old) in zip(tallies, before.counted, strict=True))
        return part if same else SegmentPart(tallies)

    def told(self, part: SegmentPart | None, fact: Fact, moment: Moment) -> SegmentPart | None:
        """Put her on the list, or take her off."""
        if fact.data.get("segment") != self.key or self.condition is not None:
            return part
        return SegmentPart((), listed=bool(fact.data.get("listed")))

    def amounts(self, part: SegmentPart | None, at: datetime, local: LocalTime) -> dict[str, Amount]:
        """What its measures come to at an instant, by name."""
        tallies = ((0, _NOTHING),) * len(self.measures) if part is None else part.counted
        return {
            name: each.amount(window, tally, at, local)
            for name, each, (window, tally) in zip(self.names, self.measures, tallies, strict=True)
        }


class Segment(Definition, frozen=True, kw_only=True):
    """Members for whom a condition holds, on its measures, their attributes and tiers; or, with `list: true`, those named.

    With `counts_from` its measures count the past as well, once it is published, and its condition holds of it.
    """

    kind = "segment"
    fixed = ("measures", "list")

    key: PropertyName
    measures: Annotated[Mapping[PropertyName, SegmentMeasure], msgspec.Meta(max_length=MEASURES_MAX)] = {}
    when: str | None = None
    list: bool = False
    counts_from: Instant | None = None

    def __post_init__(self) -> None:
        if self.list and (self.when is not None or self.measures):
            raise Misfit("list", "who is on a list is said one by one: it has neither `when` nor `measures`")
        if not self.list and self.when is None:
            raise Misfit("when", "say who is in it: `when: CONDITION`, or `list: true`")

    def ready(self, building: Building) -> SegmentReady:
        """Compile it; mistakes are told to `building`."""
        # A state tells what each counted by its place, however they were written: that in which PostgreSQL keeps names.
        written = sorted(self.measures.items(), key=lambda each: (len(each[0]), each[0]))
        measures = tuple(
            MeasureReady(
                building.measure(each.measure, each.on, f"measures.{name}.measure"),
                None if each.on is None else building.conditions(each.on, each.when, f"measures.{name}."),
                span_of(each.window),
            )
            for name, each in written
        )
        environment = building.measured({name: each.type for name, each in written})
        return SegmentReady(
            key=self.key,
            names=tuple(name for name, _ in written),
            measures=measures,
            condition=None if self.when is None else building.compiled(environment, self.when, "when"),
            environment=environment,
            counts=frozenset(filter(None, (counted_rewards(each.measure) for each in self.measures.values()))),
        )
