"""Boosts: what multiplies the points of earn rules, for a time, an audience, or events that meet a condition.

An event's boosts on a rule come to one factor: those that stack `compound` are multiplied, of those that stack `additive` the
surpluses over 1 are added up, of those that say `highest` the highest counts; the three are multiplied. The points are
rounded once, after that.

A boost with a control group multiplies nothing of those who are held out; what it would have added is counted apart.

A boost with `given: true` is for those alone to whom a reward gave it, and multiplies what they earn up to the instant at which
that ends. Given again meanwhile, it lasts until the later of the two.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Audience, Conditions
from achievements.controls import HELD_OUT, Share
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Instant, Key, Misfit, Recounting, Trigger, between, event_types_of
from achievements.states import BoostPart, MemberState
from achievements.values import EXACT

FACTOR_MAX = 1_000
EARN_RULES_MAX = 100

Stacking: TypeAlias = Literal["compound", "additive", "highest"]


class GivenBoost(Rule, frozen=True, kw_only=True):
    """Keeps until when a member has a boost that rewards give; `zone` is the program's, by whose days they say how long.

    `withheld` says that it is asked about what is counted of those who are held out.
    """

    section = "boosts"
    # At the first stage all that a pass gave is behind it, and is heard of once.
    stage = Stage.EARN

    zone: ZoneInfo
    withheld: bool = False

    @property
    def event_types(self) -> frozenset[str]:
        """None: it is told of rewards alone."""
        return frozenset()

    def apply(self, part: BoostPart | None, moment: Moment) -> BoostPart | None:
        """Until when she has it, with what the rewards of this pass gave."""
        for each in moment.received(f"boost/{self.key}", self.stage):
            until = periods.end_of_day_after(moment.event.at, each.amount, self.zone)
            part = BoostPart(until if part is None else max(part.until, until))
        return part

    def held(self, state: MemberState, at: datetime) -> datetime | None:
        """Until when a member has it at an instant; None where she does not."""
        part: Any = state.parts.get(f"{HELD_OUT}/{self.name}" if self.withheld else self.name)
        return None if part is None or part.until <= at else part.until


class BoostReady(msgspec.Struct, frozen=True, kw_only=True):
    """A boost with its conditions compiled, for the earn rules of those keys."""

    conditions: Conditions
    audience: Audience | None
    opens: datetime | None
    closes: datetime | None
    factor: Decimal
    stacking: Stacking
    earn_rules: frozenset[str]
    given: GivenBoost | None = None

    def reaches(self, moment: Moment) -> bool:
        """Whether it multiplies what this event earns."""
        at = moment.event.at
        return (
            (self.opens is None or self.opens <= at)
            and (self.closes is None or at < self.closes)
            and (self.given is None or self.given.held(moment.state, at) is not None)
            and (self.audience is None or moment.suits(self.audience))
            and moment.meets(self.conditions)
        )


class OfferedBoost(BoostReady, frozen=True, kw_only=True):
    """A boost, by its key, for those who are not held out; `everybodys` is what it would be without a control group."""

    key: str
    share: Share
    everybodys: BoostReady

    def reaches(self, moment: Moment) -> bool:
        """Whether it multiplies what this event earns."""
        return not self.share.has(moment.state.seed) and BoostReady.reaches(self, moment)


def offered(boost: BoostReady, key: str, share: Share) -> OfferedBoost:
    """A boost with a control group."""
    given = None if boost.given is None else msgspec.structs.replace(boost.given, withheld=True)
    everybodys = msgspec.structs.replace(boost, given=given)
    return OfferedBoost(**msgspec.structs.asdict(boost), key=key, share=share, everybodys=everybodys)


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


class Boost(Recounting, frozen=True, kw_only=True):
    """A multiplier on earn rules: on all of them where none are named, and for all their events where `on` is left out.

    With `given`, it is for those alone to whom a reward gave it, while that lasts.
    """

    kind = "boost"

    factor: Decimal
    stacking: Stacking = "compound"
    earn_rules: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1, max_length=EARN_RULES_MAX)] | None = None
    on: Trigger | None = None
    when: str | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = None
    given: bool = False

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
            given=GivenBoost(key=self.key, zone=building.zone, counts=frozenset((f"boost/{self.key}",)))
            if self.given
            else None,
        )
