"""Currencies, and the rules by which events earn them.

Points from money are rounded once, as the rule says. A lot's dates are fixed when it is booked and count from the instant
of the event that earned it, in the program's zone.
"""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building, Conditions
from achievements.moment import Moment, Rule, Stage
from achievements.parts import POINTS_MAX, Definition, Key, Misfit, Points, PropertyName, Shape, Trigger

EXPIRY_DAYS_MAX = 36_525
RATE_MAX = 1_000_000

Rounding: TypeAlias = Literal["floor", "ceiling", "half_up", "half_even"]

_ROUNDING = {"floor": ROUND_FLOOR, "ceiling": ROUND_CEILING, "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


class Expiry(Shape, frozen=True):
    """When points end: `after_days` full days after the local day on which they were earned, or that many times 24 hours."""

    after_days: Annotated[int, msgspec.Meta(ge=1, le=EXPIRY_DAYS_MAX)]
    at: Literal["end_of_day", "same_time"] = "end_of_day"


class Currency(Definition, frozen=True, kw_only=True):
    """A unit that members collect."""

    kind = "currency"

    expires: Expiry | None = None

    def expires_at(self, earned_at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant at which points earned then can no longer be spent; None where they keep."""
        if self.expires is None:
            return None
        if self.expires.at == "end_of_day":
            return periods.end_of_day_after(earned_at, self.expires.after_days, zone)
        return earned_at + timedelta(days=self.expires.after_days)


class Earning(Shape, frozen=True):
    """How much an event earns: `fixed` points, or `rate` points `per` unit of a property, rounded once."""

    currency: Key | None = None
    fixed: Points | None = None
    per: PropertyName | None = None
    rate: Decimal = Decimal(1)
    rounding: Rounding = "floor"

    def __post_init__(self) -> None:
        if (self.fixed is None) == (self.per is None):
            raise ValueError("write either `fixed: POINTS` or `per: PROPERTY` with `rate`")
        if not self.rate.is_finite() or not 0 < self.rate <= RATE_MAX:
            raise Misfit("rate", f"a rate lies above 0 and is at most {RATE_MAX}")


class EarnRuleReady(Rule, frozen=True, kw_only=True):
    """An earn rule with its conditions compiled and its currency known; it keeps no state."""

    section = "earn_rules"
    stage = Stage.EARN

    currency: str
    earning: Earning
    conditions: Conditions

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: None, moment: Moment) -> None:
        """Earn, once for each event."""
        if moment.first_pass and moment.meets(self.conditions):
            points = points_for(self.earning, moment.event.properties.get(self.earning.per or ""))
            if points:
                moment.earn(self.currency, points, self.key)


class EarnRule(Definition, frozen=True, kw_only=True):
    """Points for events of some types that meet a condition."""

    kind = "earn_rule"

    on: Trigger
    when: str | None = None
    earn: Earning

    def ready(self, building: Building) -> EarnRuleReady:
        """Compile it; mistakes are told to `building`."""
        if self.earn.per is not None:
            building.number(self.on, self.earn.per, "earn.per")
        return EarnRuleReady(
            key=self.key,
            currency=building.currency(self.earn.currency, "earn.currency"),
            earning=self.earn,
            conditions=building.conditions(self.on, self.when),
        )


class Repricing(msgspec.Struct, frozen=True):
    """What it takes for a lot to have earned other points than it did: all but `remaining` are points that move."""

    remaining: int
    earned: int = 0
    reversed: int = 0
    unexpired: int = 0


def repriced(points: int, remaining: int, to: int) -> Repricing:
    """How a lot of `points`, with `remaining` of them left, becomes one of `to` points.

    Fewer points are taken from what is left first, then from what has expired, whose expiry is reversed with it.
    """
    if to >= points:
        return Repricing(remaining + to - points, earned=to - points)
    taken = points - to
    left = max(remaining - taken, 0)
    return Repricing(left, reversed=taken, unexpired=taken - (remaining - left))


def points_for(earning: Earning, amount: Decimal | int | None) -> int:
    """The points of one event; 0 where the property is missing, at most POINTS_MAX."""
    if earning.fixed is not None:
        return earning.fixed
    if amount is None:
        return 0
    exact = Decimal(amount) * earning.rate
    return min(max(int(exact.to_integral_value(_ROUNDING[earning.rounding])), 0), POINTS_MAX)
