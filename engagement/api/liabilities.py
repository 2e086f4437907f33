"""What is owed in points, how much of it will end unspent, and what rewards cost."""

from decimal import Decimal as Exact
from typing import Annotated, Final

import strawberry

from achievements.breakage import Cohort
from engagement.actions import liabilities
from engagement.actions.liabilities import Liability
from engagement.actions.programs import Loaded
from engagement.api.principals import LEDGER_READ, Info, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Decimal, Points, exact, instant, money, written
from engagement.api.texts import CURRENCY
from engagement.records.liabilities import Spent
from engagement.records.unit import Unit

METHOD: Final = (
    "Points are followed from the month in which they were earned, by their age in steps of `stepDays`. Of what was there at the"
    " beginning of a step, a share was spent within it: that of the latest three months together which have lived through the whole step. A point"
    " that is there now will end unspent with the product of what is left by each step that lies ahead of it. The bounds are two"
    " standard errors to each side, found by leaving out one month after the other (jackknife). Points that left otherwise than by"
    " being spent or by their end are not looked at."
)
"""What `breakage` does, in words: it stands in its answer."""


@strawberry.type(description="Points that end in the same month.")
class LiabilityMonth:
    """A part of what is owed."""

    month: str | None = strawberry.field(
        description="The month in which they end, like `2026-11`; null for those that do not."
    )
    points: Points = strawberry.field(description="How many.")
    value: Decimal = strawberry.field(description="What they are worth.")


@strawberry.type(
    name="Liability",
    description="What members have of a currency, and what it is worth at a value per point, to the last decimal.",
)
class LiabilityTold:
    """What is owed."""

    currency: str = strawberry.field(description=CURRENCY)
    at: DateTime = strawberry.field(description="As of when: the program's present. What has ended by then is gone.")
    points: Points = strawberry.field(description="What members have, pending and held points among them.")
    value: Decimal = strawberry.field(description="What that is worth.")
    pending: Points = strawberry.field(description="How many of them cannot be spent yet.")
    held: Points = strawberry.field(description="How many of them are set aside by holds.")
    debt: Points = strawberry.field(description="What members owe, which is not taken off.")
    months: list[LiabilityMonth] = strawberry.field(description="The points by the month in which they end, in order.")

    @classmethod
    def of(cls, currency: str, found: Liability, value: Exact) -> "LiabilityTold":
        """As clients read it."""
        return cls(
            currency=currency,
            at=written(found.at),
            points=Points(found.points),
            value=exact(found.points * value),
            pending=Points(found.held.pending),
            held=Points(found.held.held),
            debt=Points(found.held.debt),
            months=[
                LiabilityMonth(month=each.month, points=Points(each.points), value=exact(each.points * value))
                for each in found.due
            ],
        )


@strawberry.type(description="The points that were earned in one month, and what became of them.")
class BreakageCohort:
    """A month's points."""

    month: str = strawberry.field(description="The month in which they were earned, like `2026-11`.")
    points: Points = strawberry.field(description="How many there are or were, but for those that left otherwise.")
    spent: Points = strawberry.field(description="How many were spent.")
    ended: Points = strawberry.field(description="How many came to their end.")
    lived_days: int = strawberry.field(description="The age up to which they are looked at, in days.")

    @classmethod
    def of(cls, cohort: Cohort, step_days: int) -> "BreakageCohort":
        """As clients read it."""
        return cls(
            month=cohort.month,
            points=Points(cohort.entered),
            spent=Points(sum(cohort.spent)),
            ended=Points(sum(cohort.ended)),
            lived_days=cohort.lived * step_days,
        )


@strawberry.type(description="How many of the points that members have will come to their end unspent.")
class Breakage:
    """An estimate, and what it rests on."""

    currency: str = strawberry.field(description=CURRENCY)
    at: DateTime = strawberry.field(description="As of when: the program's present.")
    outstanding: Points = strawberry.field(
        description="What members have that will end at some time, if it is not spent."
    )
    expected: Points | None = strawberry.field(
        description="How many of these will end unspent; null where the history is too short: fewer than two months of points have lived as long"
        " as points live."
    )
    low: Points | None = strawberry.field(description="The lower bound; null where nothing is expected.")
    high: Points | None = strawberry.field(description="The upper bound; null where nothing is expected.")
    share: float | None = strawberry.field(
        description="What is expected as a share of what is outstanding, from 0 to 1; null where there is none of either."
    )
    step_days: int = strawberry.field(description="How many days of age are taken together.")
    cohorts: list[BreakageCohort] = strawberry.field(description="The months that it rests on, in order.")
    method: str = strawberry.field(description="How it is estimated, in words.")


@strawberry.type(description="What was spent on a reward, and what it cost.")
class RewardCosts:
    """One reward's."""

    key: str = strawberry.field(description="The key of the reward, or of whatever else points were spent on.")
    currency: str | None = strawberry.field(
        description="The key of the currency that it was paid in; null for what was taken for nothing."
    )
    times: int = strawberry.field(
        description="How often, but for those that were refunded wholly, with nothing of them used."
    )
    points: Points = strawberry.field(description="How many points were spent, less what was refunded.")
    cost: Decimal | None = strawberry.field(
        description="What all of them cost, each as the reward said when it was redeemed; null where it did not say."
    )
    cost_currency: str | None = strawberry.field(
        description="The money that this is in, by its three letters; null where there is no cost. What cost different money stands apart."
    )

    @classmethod
    def of(cls, found: Spent) -> "RewardCosts":
        """As clients read it."""
        return cls(
            key=found.source,
            currency=found.currency,
            times=found.times,
            points=Points(found.points),
            cost=None if found.cost is None else exact(found.cost),
            cost_currency=found.money,
        )


@strawberry.type
class LiabilitiesQuery:
    """The fields of the root about what is owed."""

    @query(
        "What members have of a currency as of the program's present, by when it ends, and what it is worth. Codes: `NOT_FOUND` (no such currency),"
        " `INVALID_INPUT` (a value below 0, from 10,000 on, or with more than 8 decimals).",
        LEDGER_READ,
    )
    async def liability(
        self,
        info: Info,
        currency: Annotated[str, strawberry.argument(description=CURRENCY)],
        value_per_point: Annotated[Decimal, strawberry.argument(description="What a point is worth, like `0.01`.")],
    ) -> LiabilityTold:
        """All that is owed."""
        resources, value = resources_of(info), money(value_per_point, "valuePerPoint")
        liabilities.check_value(value, "valuePerPoint")

        async def work(unit: Unit, loaded: Loaded) -> Liability:
            return await liabilities.liability(unit, loaded, currency)

        return LiabilityTold.of(currency, await resources.read_all(info.context.principal, work), value)

    @query(
        "How many of the points that members have will come to their end unspent, by the program's own history. Code: `NOT_FOUND` (no such"
        " currency).",
        LEDGER_READ,
    )
    async def breakage(
        self, info: Info, currency: Annotated[str, strawberry.argument(description=CURRENCY)]
    ) -> Breakage:
        """An estimate."""
        resources = resources_of(info)

        async def work(unit: Unit, loaded: Loaded) -> liabilities.Breakage:
            return await liabilities.broken(unit, loaded, currency)

        found = await resources.read_all(info.context.principal, work)
        told = found.estimate
        return Breakage(
            currency=currency,
            at=written(found.at),
            outstanding=Points(found.outstanding),
            expected=None if told is None else Points(told.points),
            low=None if told is None else Points(told.low),
            high=None if told is None else Points(told.high),
            share=told.points / found.outstanding if told is not None and found.outstanding else None,
            step_days=found.step_days,
            cohorts=[BreakageCohort.of(each, found.step_days) for each in found.cohorts],
            method=METHOD,
        )

    @query(
        "What was spent on each reward from an instant on and before another, by when it was spent, the most points first; at most 1,000 of them."
        " Code: `INVALID_INPUT` (a time of another form, or one that ends before it begins).",
        LEDGER_READ,
    )
    async def reward_costs(
        self,
        info: Info,
        since: Annotated[
            DateTime, strawberry.argument(name="from", description="What was spent from this instant on.")
        ],
        until: Annotated[DateTime, strawberry.argument(name="to", description="What was spent before this instant.")],
    ) -> list[RewardCosts]:
        """One for each."""
        resources, begin, end = resources_of(info), instant(since, "from"), instant(until, "to")

        async def work(unit: Unit, _: Loaded) -> list[Spent]:
            return await liabilities.reward_costs(unit, begin, end)

        return [RewardCosts.of(each) for each in await resources.read_all(info.context.principal, work)]
