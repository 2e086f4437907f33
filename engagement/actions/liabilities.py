"""What is owed to members in points, how much of it will come to its end unspent, and what rewards cost."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from achievements import breakage, periods
from achievements.breakage import Cohort, Estimate, Outstanding
from achievements.periods import Calendar
from engagement.actions.accounting import check_currency
from engagement.actions.programs import Loaded
from engagement.errors import InvalidInput
from engagement.records import accounting, liabilities
from engagement.records.liabilities import Fate, Held, Spent
from engagement.records.unit import Unit

VALUE_MAX = 10_000
VALUE_DECIMALS_MAX = 8
"""A value per point lies below the one, with at most the other: so that the product with any number of points is exact."""
COHORTS_MAX = 120
"""Months of history that an estimate looks at, at most; else as many as points live, and some."""
SHORTEST_MONTH_DAYS = 28
REWARDS_MAX = 1_000
MONTH = Calendar.MONTH


class Due(msgspec.Struct, frozen=True):
    """Points that end in a month, like `2017-03`; None: those that do not end."""

    month: str | None
    points: int


class Liability(msgspec.Struct, frozen=True):
    """The points of a currency that members have at an instant, by when they end; of all together, what is pending or held, and
    what members owe.
    """

    at: datetime
    due: tuple[Due, ...]
    held: Held

    @property
    def points(self) -> int:
        """All that members have."""
        return sum(each.points for each in self.due)


class Breakage(msgspec.Struct, frozen=True):
    """The points that members have at an instant and that will end, how many of them unspent (None: not to be told yet), and the
    cohorts that this is estimated from, in steps of days.
    """

    at: datetime
    outstanding: int
    estimate: Estimate | None
    cohorts: tuple[Cohort, ...]
    step_days: int


def check_value(value: Decimal, field: str) -> None:
    """Raise `InvalidInput` for what is no value of a point."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -VALUE_DECIMALS_MAX or not 0 <= value < VALUE_MAX:
        told = f"A value per point lies between 0 and {VALUE_MAX:,}, with at most {VALUE_DECIMALS_MAX} decimals."
        raise InvalidInput(told, field)


async def liability(unit: Unit, loaded: Loaded, currency: str) -> Liability:
    """What is owed in a currency at the program's present. Raises `NotFound` for no currency of the program."""
    await check_currency(unit, loaded, currency)
    zone, now = loaded.rulebook.latest.zone, loaded.now
    first = periods.period_at(MONTH, now, zone)
    last = periods.period_at(MONTH, await liabilities.last_end(unit, currency, now) or now, zone)
    months = range(first, max(first, last) + 1)
    bounds = [periods.start(MONTH, each, zone) for each in months]
    ends = await liabilities.by_end(unit, currency, now, bounds)
    named = {None: None} | {stretch: periods.name(MONTH, month) for stretch, month in enumerate(months, 1)}
    due = [Due(named[stretch], ends[stretch]) for stretch in (*range(1, len(months) + 1), None) if stretch in ends]
    return Liability(now, tuple(due), await liabilities.held(unit, currency))


async def broken(unit: Unit, loaded: Loaded, currency: str) -> Breakage:
    """How many of the points that members have will come to their end unspent. Raises `NotFound` for no currency of the program."""
    await check_currency(unit, loaded, currency)
    zone, now = loaded.rulebook.latest.zone, loaded.now
    there = [Outstanding(*each) for each in await liabilities.outstanding(unit, currency, now)]
    points = sum(each.points for each in there)
    begun = (await accounting.beginnings(unit)).get(currency)
    if not there or begun is None:
        return Breakage(now, points, None, (), 1)
    life_days = max(each.age_days + each.left_days for each in there)
    step_days = -(-life_days // breakage.STEPS)
    # Each of the latest cohorts that have lived as long, and those that take its place where it is left out.
    count = min(life_days // SHORTEST_MONTH_DAYS + 2 * breakage.COHORTS_LATEST, COHORTS_MAX)
    present = periods.period_at(MONTH, now, zone)
    months = range(max(periods.period_at(MONTH, begun, zone), present - count), present + 1)
    bounds = [periods.start(MONTH, each, zone) for each in months]
    fates = await liabilities.fates(unit, currency, bounds, step_days)
    ends = [*bounds[1:], now]
    lived = [(now - end).days // step_days for end in ends]
    cohorts = _cohorts(fates, [periods.name(MONTH, each) for each in months], lived)
    return Breakage(now, points, breakage.estimate(cohorts, there, step_days), cohorts, step_days)


async def reward_costs(unit: Unit, since: datetime, until: datetime) -> list[Spent]:
    """What was spent on each reward from an instant on and before another, the most points first; at most 1,000 of them.

    Raises `InvalidInput` for a time that ends before it begins.
    """
    if since >= until:
        raise InvalidInput("The time has to end after it begins.", "to")
    return await liabilities.spent(unit, since, until, REWARDS_MAX)


def _cohorts(fates: Sequence[Fate], months: Sequence[str], lived: Sequence[int]) -> tuple[Cohort, ...]:
    steps = max((each.step for each in fates), default=0) + 1
    width = max(steps, breakage.STEPS + 1, *lived)
    sums: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * width)
    for each in fates:
        sums[each.cohort, each.what][each.step] += each.points
    return tuple(
        Cohort(month, sum(sums[place, "entered"]), sums[place, "spent"], sums[place, "ended"], each)
        for place, (month, each) in enumerate(zip(months, lived, strict=True), 1)
    )
