"""Boosts: what multiplies the points of earn rules, for a time, an audience, or events that meet a condition.

An event's boosts on a rule come to one factor: those that stack `compound` are multiplied, of those that stack `additive` the
surpluses over 1 are added up, of those that say `highest` the highest counts; the three are multiplied. The points are
rounded once, after that.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Context, Decimal
from typing import Annotated, Literal, TypeAlias

import msgspec

from achievements.building import Building
from achievements.conditions import Audience, Conditions
from achievements.moment import Moment
from achievements.parts import ForMembers, Instant, Key, Misfit, Trigger, between, event_types_of

FACTOR_MAX = 1_000
EARN_RULES_MAX = 100

Stacking: TypeAlias = Literal["compound", "additive", "highest"]

EXACT = Context(prec=200)
"""Wide enough for amounts, rates and many factors, so that nothing is rounded before the points are."""


class BoostReady(msgspec.Struct, frozen=True, kw_only=True):
    """A boost with its conditions compiled, for the earn rules of those keys."""

    conditions: Conditions
    audience: Audience | None
    opens: datetime | None
    closes: datetime | None
    factor: Decimal
    stacking: Stacking
    earn_rules: frozenset[str]

    def reaches(self, moment: Moment) -> bool:
        """Whether it multiplies what this event earns."""
        at = moment.event.at
        return (
            (self.opens is None or self.opens <= at)
            and (self.closes is None or at < self.closes)
            and (self.audience is None or moment.suits(self.audience))
            and moment.meets(self.conditions)
        )


def boosted(exact: Decimal, boosts: Iterable[BoostReady], moment: Moment) -> Decimal:
    """Points before rounding, times what the boosts that reach an event come to."""
    surplus, highest = Decimal(0), None
    for boost in boosts:
        if not boost.reaches(moment):
            continue
        if boost.stacking == "compound":
            exact = EXACT.multiply(exact, boost.factor)
        elif boost.stacking == "additive":
            surplus = EXACT.add(surplus, EXACT.subtract(boost.factor, 1))
        else:
            highest = boost.factor if highest is None else max(highest, boost.factor)
    exact = EXACT.multiply(exact, max(EXACT.add(1, surplus), Decimal(0)))
    return exact if highest is None else EXACT.multiply(exact, highest)


class Boost(ForMembers, frozen=True, kw_only=True):
    """A multiplier on earn rules: on all of them where none are named, and for all their events where `on` is left out."""

    kind = "boost"

    factor: Decimal
    stacking: Stacking = "compound"
    earn_rules: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=EARN_RULES_MAX)] | None = None
    on: Trigger | None = None
    when: str | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = None

    def __post_init__(self) -> None:
        if not self.factor.is_finite() or not 0 <= self.factor <= FACTOR_MAX:
            raise Misfit("factor", f"a factor lies between 0 and {FACTOR_MAX}")
        between(self.since, self.until)

    def ready(self, building: Building) -> BoostReady:
        """Compile it, for the earn rules that it boosts; mistakes are told to `building`."""
        known = building.earn_rules
        for position, key in enumerate(self.earn_rules or ()):
            if key not in known:
                there = ", ".join(known) or "none"
                building.mistake(f"earn_rules[{position}]", f"no earn rule `{key}`; the program defines: {there}")
        reached = [key for key in known if self.earn_rules is None or key in self.earn_rules]
        on = self.on or tuple(sorted({each for key in reached for each in known[key]}))
        types = event_types_of(on)
        opens, closes = between(self.since, self.until)
        return BoostReady(
            conditions=building.conditions(types, self.when),
            audience=building.audience(self.audience),
            opens=opens,
            closes=closes,
            factor=self.factor,
            stacking=self.stacking,
            earn_rules=frozenset(reached),
        )
