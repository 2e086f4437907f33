"""Measures: what a definition counts, and how a tally grows.

`count` counts events, `{sum: amount}` adds a property up, `{distinct: departments}` counts different values of a property
and `{distinct: local_day}` different local days, `{points: points}` adds up the points of a currency that earn rules gave
(with `including: rewards`, those that rewards gave too). Windows are the caller's: it starts a new tally for each.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from achievements.parts import Key, Misfit, PropertyName, Shape
from achievements.values import Amount, Tally

LOCAL_DAY = "local_day"
DISTINCT_MAX = 1_000
"""The most different values that a target may ask for; beyond a target no value is kept."""


class MeasureShape(Shape, frozen=True):
    """A measure other than `count`: exactly one of `sum`, `distinct` and `points`."""

    sum: PropertyName | None = None
    distinct: PropertyName | None = None
    points: Key | None = None
    including: Literal["rewards"] | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.sum, self.distinct, self.points)) != 1:
            raise ValueError(
                "a measure is `count`, or exactly one of `sum: PROPERTY`, `distinct: PROPERTY`, `points: CURRENCY`"
            )
        if self.including and self.points is None:
            raise Misfit("including", "`including: rewards` goes with `points: CURRENCY` only")


Measure: TypeAlias = Literal["count"] | MeasureShape


def counts_points(measure: Measure) -> str | None:
    """The currency whose points a measure adds up; None for a measure of events."""
    return None if measure == "count" else measure.points


def counted_rewards(measure: Measure) -> str | None:
    """The currency of which a measure also counts points that rewards gave."""
    return measure.points if measure != "count" and measure.including == "rewards" else None


def mistaken(measure: Measure, types: Mapping[str, str], event_type: str) -> str | None:
    """Why a measure cannot be taken on events of a type (property name to type), or None."""
    if measure == "count" or measure.points is not None:
        return None
    wanted = measure.sum or measure.distinct
    if wanted == LOCAL_DAY and measure.distinct:
        return None
    kind = types.get(str(wanted))
    if kind is None:
        known = ", ".join(sorted(types)) or "none"
        return f"event type `{event_type}` has no property `{wanted}`; it has: {known}"
    if measure.sum and kind not in ("decimal", "int"):
        return f"`sum` needs a number, and `{wanted}` of `{event_type}` is a {kind}"
    if measure.distinct and kind not in ("string", "int", "list[string]", "list[int]"):
        return f"`distinct` needs strings or whole numbers, and `{wanted}` of `{event_type}` is a {kind}"
    return None


def take(measure: Measure, tally: Tally, properties: Mapping[str, Any], day: int, target: Amount) -> Tally:
    """The tally with one more event in it; `day` is the ordinal of its local day. The same tally where nothing changed."""
    if measure == "count":
        return Tally(tally.amount + 1)
    if measure.sum is not None:
        value = properties.get(measure.sum)
        return Tally(tally.amount + value) if isinstance(value, int | Decimal) and value else tally
    if measure.distinct == LOCAL_DAY:
        # Inputs come in order of time, so a day that is not the last one counted is a new one.
        return tally if day in tally.marks else Tally(tally.amount + 1, (), (day,))
    value = properties.get(str(measure.distinct))
    values = value if isinstance(value, list | tuple) else () if value is None else (value,)
    room = max(0, int(target) - len(tally.seen))
    fresh = tuple(dict.fromkeys(str(each) for each in values if str(each) not in tally.seen))[:room]
    return Tally(len(tally.seen) + len(fresh), tally.seen + fresh) if fresh else tally
