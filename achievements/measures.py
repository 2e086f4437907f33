"""Measures: what a definition counts, and how a tally grows.

`count` counts events, `{sum: amount}` adds a property up, `{distinct: departments}` counts different values of a property
and `{distinct: local_day}` different local days, `{points: points}` adds up the points of a currency that earn rules gave
(with `including: rewards`, those that rewards gave too). A window that does not roll is the caller's: it starts a new tally
for each period.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from achievements.moment import Moment, Stage
from achievements.parts import Key, Misfit, PropertyName, Shape
from achievements.states import Tally
from achievements.values import Amount
from achievements.windows import Span, added, sighted, together

LOCAL_DAY = "local_day"
DISTINCT_MAX = 1_000
"""The most different values that a target may ask for; beyond a target no value is kept, in windows that roll the oldest."""
SEEN_CHARACTERS_MAX = 64
"""Of a value as a state keeps it. Of a longer one it keeps a digest: a member's row is written anew with every event."""

# To make a union anew takes longer than to ask for it.
_NUMBERS = (int, Decimal)
_LISTS = (list, tuple)


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


def take(measure: Measure, tally: Tally, moment: Moment, span: Span, target: Amount) -> Tally:
    """The tally with one more event in it; the same tally where nothing changed."""
    if isinstance(measure, str):
        return _plus(tally, 1, moment, span) if span.rolls else Tally(tally.amount + 1)
    properties = moment.event.properties
    if measure.sum is not None:
        value = properties.get(measure.sum)
        return _plus(tally, value, moment, span) if isinstance(value, _NUMBERS) and value else tally
    if measure.distinct == LOCAL_DAY and not span.rolls:
        # Inputs come in order of time, so a day that is not the last one counted is a new one.
        day = moment.local_day
        return tally if tally.marks and tally.marks[0] >= day else Tally(tally.amount + 1, (), (day,))
    if span.rolls:
        values = _values(str(measure.distinct), properties, moment)
        return sighted(tally, span.mark(moment), values, span.length, int(target)) if values else tally
    room = int(target) - len(tally.seen)
    if room <= 0:
        return tally
    values = _values(str(measure.distinct), properties, moment)
    fresh = tuple(dict.fromkeys(each for each in values if each not in tally.seen))[:room]
    return Tally(len(tally.seen) + len(fresh), tally.seen + fresh) if fresh else tally


def take_points(measure: MeasureShape, tally: Tally, moment: Moment, span: Span, stage: Stage) -> Tally:
    """The tally with the points of a pass in it, as a rule of a stage sees them; the same tally where there are none."""
    assert measure.points is not None, "this is for measures of points"
    counts = (measure.points,) if measure.including == "rewards" else ()
    points = moment.points(measure.points, stage, counts)
    return _plus(tally, points, moment, span) if points else tally


def _plus(tally: Tally, amount: Amount, moment: Moment, span: Span) -> Tally:
    if span.rolls:
        return added(tally, span.mark(moment), amount, span.length)
    return Tally(together(tally.amount, amount))


def _values(name: str, properties: Mapping[str, Any], moment: Moment) -> list[str]:
    if name == LOCAL_DAY:
        return [str(moment.local_day)]
    value = properties.get(name)
    values = value if isinstance(value, _LISTS) else () if value is None else (value,)
    return [text if len(text := str(each)) <= SEEN_CHARACTERS_MAX else mark_of(text) for each in values]


def mark_of(value: str) -> str:
    """By what a value is told apart from others in a state: itself, or of a long one a digest, which no value is that stands for itself."""
    if len(value) <= SEEN_CHARACTERS_MAX:
        return value
    whole = value.encode(errors="surrogatepass")
    return value[:1] + hashlib.blake2b(whole, digest_size=SEEN_CHARACTERS_MAX // 2).hexdigest()
