"""Tier ladders: where a member stands by the points she earned within a window.

She rises at once. Where her points fall short of her tier, as they leave a window that rolls or a period of the calendar ends,
`downgrade` says when that counts: `at_once`, `at_period_end`, `at_anniversary` of her last change, or `never`; and
`grace_days` gives her so many days more, in which she keeps her tier by reaching its points again. A fall takes her to the tier
that her points are good for then. All of it goes by days of the program's zone.

Over calendar periods the points start anew with each. At once then means the end of the period in which a tier was reached, and
at the period's end the end of the first whole period that did not reach it again.
"""

from bisect import bisect_right
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import measures, periods
from achievements.building import Building
from achievements.measures import MeasureShape
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import TierChanged
from achievements.parts import ForMembers, Key, Misfit, Name, Points, Shape
from achievements.periods import Calendar
from achievements.states import TierPart
from achievements.windows import Span, Window, span_of

TIERS_MAX = 20
GRACE_DAYS_MAX = 400

Downgrade: TypeAlias = Literal["at_once", "at_period_end", "at_anniversary", "never"]


class Tier(Shape, frozen=True, kw_only=True):
    """A tier, held from so many points on; the lowest of a ladder from none."""

    key: Key
    name: Name | None = None
    start: Points | None = msgspec.field(default=None, name="from")


class LadderReady(Rule, frozen=True, kw_only=True):
    """A ladder ready to apply. `keys` and `starts` are its tiers, lowest first; `review` is the calendar of period ends.

    `length` is that of a window which rolls, in days, else 0; `falls` says whether a tier can be lost at all.
    """

    section = "tier_ladders"
    stage = Stage.TIERS
    falls_due = True

    currency: str
    keys: tuple[str, ...]
    starts: tuple[int, ...]
    span: Span
    length: int
    falls: bool
    downgrade: Downgrade
    review: Calendar
    grace_days: int
    zone: ZoneInfo

    @property
    def event_types(self) -> None:
        """Whatever earns points."""
        return

    def apply(self, part: TierPart | None, moment: Moment) -> TierPart | None:
        """Add the points of this pass, and rise where they are enough."""
        points = moment.points(self.currency, self.stage, rewards=self.currency in self.counts)
        if not points:
            return part
        before = TierPart(self.keys[0]) if part is None else part
        mark = self._mark(moment.program_day)
        total, marks, amounts = self._window(before, mark)
        total += points
        if marks and marks[-1] == mark:
            amounts = (*amounts[:-1], amounts[-1] + points)
        else:
            marks, amounts = (*marks, mark), (*amounts, points)
        held, reached = self._position(before.tier), bisect_right(self.starts, total) - 1
        if reached > held:
            tier, at = self.keys[reached], moment.event.at
            moment.emitted.append(TierChanged(self.key, self.keys[held], tier, at, total, moment.event.id))
            return self._part(reached, at, total, marks, amounts)
        below = None if total >= self.starts[held] else self._short_from(held, before)
        return self._part(held, before.since, total, marks, amounts, below)

    def lapse(self, part: TierPart, moment: Moment) -> TierPart:
        """She falls to the tier that her points are good for."""
        at = moment.event.at
        total, marks, amounts = self._window(part, self._mark(moment.program_day))
        qualifying = total
        if self.downgrade == "at_period_end" and not self.span.rolls:
            # The period that is over decides, unless what began since is worth more.
            qualifying = max(total, *amounts, 0) if amounts else 0
        held = bisect_right(self.starts, qualifying) - 1
        moment.emitted.append(TierChanged(self.key, part.tier, self.keys[held], at, qualifying))
        return self._part(held, at, total, marks, amounts)

    def standing(self, part: Any, at: datetime) -> tuple[str, int]:
        """The tier held, and the points that count for it, at an instant to which the part was advanced."""
        if part is None:
            return self.keys[0], 0
        total, _, _ = self._window(part, self._mark(periods.local_day(at, self.zone)))
        return self.tier(part), total

    def tier(self, part: Any) -> str:
        """The tier held in a part that was advanced."""
        return self.keys[0] if part is None else self.keys[self._position(part.tier)]

    def _position(self, tier: str) -> int:
        """Where a tier stands; the lowest for one that the ladder has no more."""
        return self.keys.index(tier) if tier in self.keys else 0

    def _mark(self, day: int) -> int:
        return day if self.length else periods.index(self.span.calendar, day)

    def _window(self, part: TierPart, mark: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """What is in the window at a mark: its points, and by which marks. Of a calendar, the period before is kept too."""
        marks, amounts = part.marks, part.amounts
        if self.length:
            if not marks or marks[0] > mark - self.length:
                return part.total, marks, amounts
            cut = bisect_right(marks, mark - self.length)
            return part.total - sum(amounts[:cut]), marks[cut:], amounts[cut:]
        cut = bisect_right(marks, mark - 2)
        current = amounts[-1] if marks and marks[-1] == mark else 0
        return current, marks[cut:], amounts[cut:]

    def _part(
        self,
        held: int,
        since: datetime | None,
        total: int,
        marks: tuple[int, ...],
        amounts: tuple[int, ...],
        below: int | None = None,
    ) -> TierPart:
        """A part, with the instant at which she falls from the tier held: the first of a day, if no more points come."""
        part = TierPart(self.keys[held], since, total, marks, amounts, below)
        if held == 0 or not self.falls:
            return part
        due = periods.start(Calendar.DAY, self._falls_on(held, part), self.zone)
        return TierPart(part.tier, since, total, marks, amounts, below, due)

    def _short_from(self, held: int, part: TierPart) -> int:
        """The day on which the points fall short of the tier held, as they leave the window one after the other."""
        if part.below is not None:
            return part.below
        need = self.starts[held]
        if self.span.rolls:
            left = part.total
            for mark, amount in zip(part.marks, part.amounts, strict=True):
                left -= amount
                if left < need:
                    return mark + self.span.length
            raise AssertionError("a tier above the lowest needs points")
        enough = [mark for mark, amount in zip(part.marks, part.amounts, strict=True) if amount >= need]
        over = enough[-1] + 1 + (self.downgrade == "at_period_end")
        return periods.first_day(self.span.calendar, over).toordinal()

    def _falls_on(self, held: int, part: TierPart) -> int:
        """The day on which she falls."""
        day = self._short_from(held, part)
        if self.span.rolls and self.downgrade == "at_period_end":
            day = _first_of_period(self.review, day)
        elif self.downgrade == "at_anniversary":
            assert part.since is not None, "who stands above the lowest tier has risen"
            day = periods.anniversary(periods.local_day(part.since, self.zone), day)
        return day + self.grace_days


def _first_of_period(calendar: Calendar, day: int) -> int:
    """The first day of a period that is not before a day."""
    period = periods.index(calendar, day)
    first = periods.first_day(calendar, period).toordinal()
    return first if first == day else periods.first_day(calendar, period + 1).toordinal()


class TierLadder(ForMembers, frozen=True, kw_only=True):
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

    def ready(self, building: Building) -> LadderReady:
        """Compile it; mistakes are told to `building`."""
        span = span_of(self.window)
        return LadderReady(
            key=self.key,
            currency=building.currency(self.measure.points, "measure.points"),
            keys=tuple(key for key, _ in self.thresholds),
            starts=tuple(start for _, start in self.thresholds),
            span=span,
            length=span.length,
            falls=self.downgrade != "never" and (span.rolls or span.calendar is not Calendar.LIFETIME),
            downgrade=self.downgrade,
            review=Calendar(self.period or "year"),
            grace_days=self.grace_days,
            zone=building.zone,
            counts=frozenset(filter(None, (measures.counted_rewards(self.measure),))),
        )
