"""Tier ladders as a marketer defines them: which points count, what each tier takes, and when one is lost."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from achievements import measures
from achievements.building import Building
from achievements.fees import Fee
from achievements.measures import MeasureShape
from achievements.parts import Key, Misfit, Name, Points, Recounting, Shape
from achievements.periods import Calendar
from achievements.tiers import Downgrade, LadderReady
from achievements.windows import Window, span_of

TIERS_MAX = 20
GRACE_DAYS_MAX = 400


class Tier(Shape, frozen=True, kw_only=True):
    """A tier, held from so many points on; the lowest of a ladder from none. One above it can have a fee, for which it is granted."""

    key: Key
    name: Name | None = None
    start: Points | None = msgspec.field(default=None, name="from")
    fee: Fee | None = None


class TierLadder(Recounting, frozen=True, kw_only=True):
    """Tiers by points earned within a window that rolls over days, a calendar period, or a lifetime."""

    kind = "tier_ladder"
    fixed = ("measure", "window", "thresholds", "downgrade", "period", "grace_days")

    measure: MeasureShape
    window: Window = "lifetime"
    tiers: Annotated[tuple[Tier, ...], msgspec.Meta(min_length=2, max_length=TIERS_MAX)]
    downgrade: Downgrade = "at_once"
    period: Literal["month", "quarter", "year"] | None = None
    grace_days: Annotated[int, msgspec.Meta(ge=0, le=GRACE_DAYS_MAX)] = 0

    def __post_init__(self) -> None:
        if self.measure.points is None:
            raise Misfit("measure", "a ladder measures points: write `measure: {points: CURRENCY}`")
        span = span_of(self.window)
        if span.opens is not None or (span.rolls and not span.by_day):
            raise Misfit(
                "window", "a ladder's window is `lifetime`, `{days: N}` or `{calendar: month | quarter | year}`"
            )
        self._check_tiers()
        rolls = span.rolls
        if (self.downgrade == "at_period_end" and rolls) != (self.period is not None):
            raise Misfit(
                "period", "`period: month | quarter | year` goes with `downgrade: at_period_end` and a window of days"
            )
        if self.downgrade == "at_anniversary" and not rolls:
            raise Misfit("downgrade", "`at_anniversary` goes with a window of days")
        if self.grace_days and self.downgrade == "never":
            raise Misfit("grace_days", "where nobody falls, there is no grace")

    def _check_tiers(self) -> None:
        keys = [tier.key for tier in self.tiers]
        if len(set(keys)) < len(keys):
            raise Misfit("tiers", "two tiers have the same key")
        if self.tiers[0].fee is not None:
            raise Misfit("tiers", "the lowest tier has no `fee`: it is everybody's")
        if self.tiers[0].start is not None:
            raise Misfit("tiers", "the lowest tier comes first and has no `from`: it is everybody's")
        starts = [tier.start for tier in self.tiers[1:] if tier.start is not None]
        if len(starts) < len(keys) - 1 or starts != sorted(set(starts)):
            raise Misfit("tiers", "tiers come lowest first, each after the lowest with a `from` above the one before")

    @property
    def thresholds(self) -> tuple[tuple[str, int], ...]:
        """Its tiers by key, with the points from which each is held."""
        return tuple((tier.key, tier.start or 0) for tier in self.tiers)

    @property
    def within(self) -> tuple[str, ...]:
        """The keys of its tiers, lowest first."""
        return tuple(tier.key for tier in self.tiers)

    def _fees(self, building: Building) -> Iterator[tuple[str, Fee]]:
        """The fees of its tiers, with their currencies named."""
        for position, tier in enumerate(self.tiers):
            if tier.fee is not None:
                currency = building.currency(tier.fee.currency, f"tiers[{position}].fee.currency")
                yield tier.key, msgspec.structs.replace(tier.fee, currency=currency)

    def ready(self, building: Building) -> LadderReady:
        """Compile it; mistakes are told to `building`."""
        span = span_of(self.window)
        return LadderReady(
            key=self.key,
            currency=building.currency(self.measure.points, "measure.points"),
            keys=tuple(key for key, _ in self.thresholds),
            positions={key: position for position, (key, _) in enumerate(self.thresholds)},
            starts=tuple(start for _, start in self.thresholds),
            span=span,
            length=span.length,
            falls=self.downgrade != "never" and (span.rolls or span.calendar is not Calendar.LIFETIME),
            downgrade=self.downgrade,
            review=Calendar(self.period or "year"),
            grace_days=self.grace_days,
            zone=building.zone,
            gift=f"tier/{self.key}",
            fees=dict(self._fees(building)),
            counts=frozenset(filter(None, (measures.counted_rewards(self.measure), f"tier/{self.key}"))),
        )
