"""Earn rules: the points of an event.

Points come fixed, per unit of a property, by bands of it, or per item of a list. What a rule gives is boosted, rounded once
as the rule says, and cut to its limits.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from achievements.boosts import BoostReady, OfferedBoost, boosted
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.controls import Share, Unboosted
from achievements.measures import mark_of
from achievements.moment import Moment, Rule, Stage
from achievements.parts import POINTS_MAX, Key, Misfit, Points, PropertyName, Recounting, Shape, Trigger
from achievements.points import Pending
from achievements.states import LimitPart, Tally
from achievements.values import EXACT
from achievements.windows import Span, Window, added, pruned, span_of

RATE_MAX = 1_000_000
BANDS_MAX = 20
ONCE_MAX = 1_000
"""So many different values of a property a rule with `once_per` gives points for; for further ones it gives none."""

Rounding: TypeAlias = Literal["floor", "ceiling", "half_up", "half_even"]

_ROUNDED: Mapping[str, Callable[[Decimal], int]] = {
    "floor": math.floor,
    "ceiling": math.ceil,
    "half_up": lambda exact: int(exact.to_integral_value(ROUND_HALF_UP)),
    "half_even": round,
}
_ONE = Decimal(1)


class Band(Shape, frozen=True, kw_only=True):
    """`rate` points for each unit of what lies above `from`, up to where the next band begins."""

    start: Decimal = msgspec.field(name="from")
    rate: Decimal

    def __post_init__(self) -> None:
        if not self.start.is_finite() or not 0 <= self.start <= POINTS_MAX:
            raise Misfit("from", f"a band begins between 0 and {POINTS_MAX}")
        if not self.rate.is_finite() or not 0 <= self.rate <= RATE_MAX:
            raise Misfit("rate", f"a band's rate lies between 0 and {RATE_MAX}")


class Earning(Shape, frozen=True, kw_only=True):
    """How much an event earns.

    `fixed` points; `rate` points `per` unit of a property, or by `bands` of it; or `points` for `each` item of a list.
    """

    currency: Key | None = None
    fixed: Points | None = None
    per: PropertyName | None = None
    rate: Decimal = _ONE
    bands: Annotated[tuple[Band, ...], msgspec.Meta(min_length=1, max_length=BANDS_MAX)] | None = None
    each: PropertyName | None = None
    points: Points | None = None
    rounding: Rounding = "floor"

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.fixed, self.per, self.each)) != 1:
            raise ValueError(
                "write either `fixed: POINTS`, or `per: PROPERTY` with `rate` or `bands`, or `each: LIST` with `points: POINTS`"
            )
        if (self.each is None) != (self.points is None):
            raise Misfit("points", "`each: LIST` and `points: POINTS` go together")
        if not self.rate.is_finite() or not 0 < self.rate <= RATE_MAX:
            raise Misfit("rate", f"a rate lies above 0 and is at most {RATE_MAX}")
        if self.bands is None:
            return
        if self.per is None or self.rate != _ONE:
            raise Misfit("bands", "bands go with `per: PROPERTY`, and each has its own `rate`")
        starts = [band.start for band in self.bands]
        if starts != sorted(set(starts)):
            raise Misfit("bands", "bands come in order, each beginning above the one before")

    def exact(self, properties: Mapping[str, Any]) -> Decimal:
        """The points of an event before boosts and rounding; 0 where it lacks the property."""
        if self.fixed is not None:
            return Decimal(self.fixed)
        value = properties.get(self.per or self.each or "")
        if value is None:
            return Decimal(0)
        if self.points is not None:
            return Decimal(self.points * len(value))
        amount = value if isinstance(value, Decimal) else Decimal(value)
        if self.bands is None:
            return amount if self.rate is _ONE else EXACT.multiply(amount, self.rate)
        ends = (*(band.start for band in self.bands[1:]), amount)
        with localcontext(EXACT):
            return sum(
                (
                    max(min(end, amount) - band.start, Decimal(0)) * band.rate
                    for band, end in zip(self.bands, ends, strict=True)
                ),
                Decimal(0),
            )


class MemberLimit(Shape, frozen=True, kw_only=True):
    """At most so many points for a member within a window, in her own days."""

    points: Points
    window: Window = "lifetime"

    def __post_init__(self) -> None:
        if span_of(self.window).opens is not None:
            raise Misfit("window", "a limit's window is `lifetime`, `{calendar: …}`, `{days: N}` or `{hours: N}`")


class Limits(Shape, frozen=True, kw_only=True):
    """What a rule gives at most: for an event, for a member within a window, and once for each value of a property (a survey's
    key, say), where an event without it gives nothing.
    """

    per_event: Points | None = None
    per_member: MemberLimit | None = None
    once_per: PropertyName | None = None


class EarnRuleReady(Rule, frozen=True, kw_only=True):
    """An earn rule with its conditions compiled, its currency known and the boosts that may reach it."""

    section = "earn_rules"
    stage = Stage.EARN

    currency: str
    earning: Earning
    conditions: Conditions
    per_event: int
    per_member: int | None
    once_per: str | None
    limited: bool
    span: Span
    round: Callable[[Decimal], int]
    boosts: tuple[BoostReady, ...] = ()

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: LimitPart | None, moment: Moment) -> LimitPart | None:
        """Earn, once for each event."""
        if not moment.first_pass or not moment.meets(self.conditions):
            return part
        if self.boosts:
            exact = boosted(self.earning.exact(moment.event.properties), self.boosts, moment)
            points = self.round(exact)
        elif self.earning.fixed is not None:
            points = self.earning.fixed
        else:
            points = self.round(self.earning.exact(moment.event.properties))
        if points <= 0:
            return part
        points = min(points, self.per_event)
        if self.limited:
            points, part = self._limited(points, part, moment)
        if points:
            moment.earn(self.currency, points, self.key)
        return part

    def _limited(self, points: int, part: LimitPart | None, moment: Moment) -> tuple[int, LimitPart | None]:
        """As many of the points as the limits leave, and her part with them in it."""
        before = LimitPart(0, Tally()) if part is None else part
        if self.once_per is not None:
            value = moment.event.properties.get(self.once_per)
            if value is None or len(before.seen) >= ONCE_MAX or (mark := mark_of(str(value))) in before.seen:
                return 0, part
            before = LimitPart(before.window, before.tally, (*before.seen, mark))
        if self.per_member is None:
            return points, before
        granted, after = self._within(points, self.per_member, before, moment)
        return (granted, after) if granted else (0, part)

    def _within(self, points: int, most: int, part: LimitPart, moment: Moment) -> tuple[int, LimitPart]:
        """As many of the points as a window leaves."""
        # A limit may be given another window. What was counted in one of another sort does not count in it.
        window = -self.span.length if self.span.rolls else self.span.period(moment) or 0
        tally = part.tally if part.window == window else Tally()
        mark = self.span.mark(moment) if self.span.rolls else 0
        if self.span.rolls:
            tally = pruned(tally, mark - self.span.length)
        granted = min(points, max(most - int(tally.amount), 0))
        if self.span.rolls:
            return granted, LimitPart(window, added(tally, mark, granted, self.span.length), part.seen)
        return granted, LimitPart(window, Tally(tally.amount + granted), part.seen)


def unboosted(rule: Rule, share: Share | None) -> Iterator[Unboosted]:
    """What counts, beside an earn rule (itself held out from that share), what boosts would have added that are held out from some."""
    if not isinstance(rule, EarnRuleReady):
        return
    for boost in rule.boosts:
        if isinstance(boost, OfferedBoost):
            others = (boost.everybodys if each is boost else each for each in rule.boosts)
            yield Unboosted(msgspec.structs.replace(rule, boosts=tuple(others)), boost.key, boost.share, share)


class EarnRule(Recounting, frozen=True, kw_only=True):
    """Points for events of some types that meet a condition."""

    kind = "earn_rule"

    on: Trigger
    when: str | None = None
    earn: Earning
    limits: Limits | None = None
    pending: Pending | None = None
    """How long its points wait before they can be spent, where not as those of their currency."""

    def ready(self, building: Building) -> EarnRuleReady:
        """Compile it; mistakes are told to `building`."""
        if self.earn.per is not None:
            building.number(self.on, self.earn.per, "earn.per")
        if self.earn.each is not None:
            building.list_of(self.on, self.earn.each, "earn.each")
        limits = self.limits or Limits()
        per_member = limits.per_member
        if self.pending is not None:
            self.pending.check(building)
        if limits.once_per is not None:
            building.property_of(self.on, limits.once_per, "limits.once_per", "string", "int")
        return EarnRuleReady(
            key=self.key,
            currency=building.currency(self.earn.currency, "earn.currency"),
            earning=self.earn,
            conditions=building.conditions(self.on, self.when),
            per_event=limits.per_event or POINTS_MAX,
            per_member=None if per_member is None else per_member.points,
            once_per=limits.once_per,
            limited=per_member is not None or limits.once_per is not None,
            round=_ROUNDED[self.earn.rounding],
            span=Span() if per_member is None else span_of(per_member.window),
        )
