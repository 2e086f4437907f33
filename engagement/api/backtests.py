"""Backtests: a draft tried on what really happened, and what it would have done."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, TypeAlias

import strawberry
from strawberry.scalars import JSON

from achievements import tallies
from achievements.tallies import Report
from engagement.actions import backtests
from engagement.actions.backtests import StartBacktest
from engagement.api.jobs import Job, job_id_of
from engagement.api.principals import DEFINITIONS, Info, mutation, query
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    InvalidProgramError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Decimal, Points, exact, instant, money, written
from engagement.api.texts import IDEMPOTENCY_KEY
from engagement.errors import InvalidInput
from engagement.records import jobs as records

_CURRENCY = "The key of the currency."
_DAY = "A day in the program's zone, like `2026-11-21`."
_SECTION = "The section of its definition, like `challenges`."
_DRAFTED = "The key of its definition."


@strawberry.input(description="What a point of a currency is worth.")
class PointValueInput:
    """A value."""

    currency: str = strawberry.field(description=_CURRENCY)
    value: Decimal = strawberry.field(description="What one point costs you, in your money, like `0.01`.")


@strawberry.input(description="How many points of a currency there are to give.")
class BudgetInput:
    """A budget."""

    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="A whole number above 0.")


@strawberry.input(description="A draft, and the stretch of time that it is tried on.")
class StartBacktestInput:
    """What to try."""

    draft: JSON = strawberry.field(
        description="One or several definitions in sections, as a program's document has them and without its head; a key that the"
        " program has is a new version."
    )
    from_: DateTime = strawberry.field(
        name="from",
        description="When the draft would have been published; what was before counts for the program alone.",
    )
    to: DateTime = strawberry.field(
        description="Up to, but not including, this instant; not after the program's present."
    )
    point_values: list[PointValueInput] = strawberry.field(
        default_factory=list, description="To be told what it would have cost."
    )
    budgets: list[BudgetInput] = strawberry.field(
        default_factory=list, description="To be told on which day each would have been used up."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="Points of one currency.")
class PointsOf:
    """An amount."""

    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="How many; below 0 where it is less than without the draft.")

    @classmethod
    def all_of(cls, points: Mapping[str, int]) -> "list[PointsOf]":
        """As clients read them."""
        return [cls(currency=currency, points=Points(each)) for currency, each in points.items()]


@strawberry.type(description="What points of one currency cost.")
class CostOf:
    """An amount of money."""

    currency: str = strawberry.field(description=_CURRENCY)
    cost: Decimal = strawberry.field(description="In the money in which the value of a point was stated.")


@strawberry.type(description="The completions of one day.")
class DayCompletions:
    """A bar of a chart."""

    day: str = strawberry.field(description=_DAY)
    completions: int = strawberry.field(description="How many.")

    @classmethod
    def all_of(cls, days: Mapping[date, int]) -> "list[DayCompletions]":
        """As clients read them."""
        return [cls(day=day.isoformat(), completions=each) for day, each in days.items()]


@strawberry.type(description="The completions of members who held a tier, or were of a segment, at the time.")
class GroupCompletions:
    """Some of the completions."""

    group: str = strawberry.field(
        description="A tier with its ladder, like `club: gold`, or a segment, like `segment: spenders`."
    )
    completions: int = strawberry.field(description="How many.")


@strawberry.type(description="What completions gave beside points.")
class GivenRewards:
    """Vouchers, say."""

    sort: str = strawberry.field(description="What it is, like `voucher`.")
    key: str = strawberry.field(description="The key of its definition.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(
    description="Winners of the draft who completed another definition of the program in the same time, too."
)
class Overlap:
    """How far two definitions reward the same members."""

    section: str = strawberry.field(description="The section of the other definition, like `badges`.")
    key: str = strawberry.field(description="The key of the other definition.")
    winners: int = strawberry.field(description="How many winners of the draft.")


@strawberry.type(description="What a challenge would have come to with one target.")
class CurveSpot:
    """One point of the curve."""

    target: Points = strawberry.field(description="The target.")
    completions: int = strawberry.field(description="How often it would have been met.")
    winners: int = strawberry.field(description="How many members would have met it at least once.")
    points: list[PointsOf] = strawberry.field(
        description="What its completions would have given, with the rewards of the draft."
    )

    @classmethod
    def of(cls, spot: tallies.Spot) -> "CurveSpot":
        """As clients read it."""
        return cls(
            target=Points(spot.target),
            completions=spot.completions,
            winners=spot.winners,
            points=PointsOf.all_of(spot.points),
        )


@strawberry.type(description="What one drafted definition would have done.")
class DraftedDefinition:
    """What was found of it."""

    section: str = strawberry.field(description=_SECTION)
    key: str = strawberry.field(description=_DRAFTED)
    name: str = strawberry.field(description="What people call it.")
    completions: int = strawberry.field(
        description="How often it was completed: a challenge met, a level of a badge awarded, a period of a streak won, a tier"
        " risen to, points of an earn rule given."
    )
    winners: int = strawberry.field(description="How many members completed it at least once.")
    near_misses: int | None = strawberry.field(
        description="Members who never won and once were one step short: one event, day or value, or a tenth of a sum. Null where"
        " nobody can be near."
    )
    by_day: list[DayCompletions] = strawberry.field(description="Its completions by day, those with any, in order.")
    by_group: list[GroupCompletions] = strawberry.field(
        description="Its completions by what members were at the time, by tier and by segment."
    )
    points: list[PointsOf] = strawberry.field(description="What it gave.")
    rewards: list[GivenRewards] = strawberry.field(description="What it gave beside points.")
    overlap: list[Overlap] = strawberry.field(
        description="With which other definitions it shares its winners, the most first."
    )
    target: Points | None = strawberry.field(description="The target as drafted, of one that has a curve.")
    curve: list[CurveSpot] | None = strawberry.field(
        description="For every target, from 1 to several times the drafted, what it would have come to; null where there is none."
    )
    no_curve: str | None = strawberry.field(description="Why there is no curve, where there is none.")

    @classmethod
    def of(cls, found: tallies.Found) -> "DraftedDefinition":
        """As clients read it."""
        return cls(
            section=found.section,
            key=found.key,
            name=found.name,
            completions=found.completions,
            winners=found.winners,
            near_misses=found.near_misses,
            by_day=DayCompletions.all_of(found.by_day),
            by_group=[GroupCompletions(group=group, completions=each) for group, each in found.by_group.items()],
            points=PointsOf.all_of(found.points),
            rewards=[
                GivenRewards(sort=sort, key=key, count=each)
                for (sort, _, key), each in ((name.partition("/"), each) for name, each in found.rewards.items())
            ],
            overlap=[
                Overlap(section=section, key=key, winners=each)
                for (section, _, key), each in ((name.partition("/"), each) for name, each in found.overlap.items())
            ],
            target=None if found.target is None else Points(found.target),
            curve=None if found.curve is None else [CurveSpot.of(each) for each in found.curve],
            no_curve=found.no_curve,
        )


@strawberry.type(description="What would have become of a budget.")
class BudgetUse:
    """A budget in the light of the past."""

    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="The budget.")
    given: Points = strawberry.field(description="What the drafted definitions gave in all.")
    reached_on: str | None = strawberry.field(
        description=f"When it was used up: {_DAY[0].lower()}{_DAY[1:]} Null: never."
    )


@strawberry.type(description="The members who hold a tier just before the end, with the draft and without.")
class TierEffect:
    """What a draft does to a tier."""

    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of the tier.")
    members: int = strawberry.field(description="How many hold it with the draft.")
    without: int = strawberry.field(description="How many hold it without.")


@strawberry.type(
    description="What a draft would have done, exactly: each member's history folded with the draft in force beside all that the"
    " program was along time."
)
class BacktestReport:
    """What was found."""

    members: int = strawberry.field(description="How many members there were.")
    events: int = strawberry.field(description="How many events they had from `from` up to `to`.")
    definitions: list[DraftedDefinition] = strawberry.field(
        description="The drafted definitions, in order of sections."
    )
    points: list[PointsOf] = strawberry.field(description="What the drafted definitions gave.")
    elsewhere: list[PointsOf] = strawberry.field(
        description="What other definitions gave more because of the draft, or less."
    )
    cost: list[CostOf] = strawberry.field(
        description="What both cost, of currencies of which a value of a point was stated."
    )
    budgets: list[BudgetUse] = strawberry.field(description="What became of each budget that was stated.")
    tiers: list[TierEffect] = strawberry.field(description="The tiers of every ladder of the program, lowest first.")

    @classmethod
    def of(cls, report: Report) -> "BacktestReport":
        """As clients read it."""
        return cls(
            members=report.members,
            events=report.events,
            definitions=[DraftedDefinition.of(each) for each in report.definitions],
            points=PointsOf.all_of(report.points),
            elsewhere=PointsOf.all_of(report.elsewhere),
            cost=[CostOf(currency=currency, cost=exact(each)) for currency, each in report.cost.items()],
            budgets=[
                BudgetUse(
                    currency=each.currency,
                    points=Points(each.points),
                    given=Points(each.given),
                    reached_on=None if each.reached_on is None else each.reached_on.isoformat(),
                )
                for each in report.budgets
            ],
            tiers=[
                TierEffect(ladder=each.ladder, tier=each.tier, members=each.members, without=each.without)
                for each in report.tiers
            ],
        )


@strawberry.type(description="A draft that is tried, or was. Nothing of the program or its members is touched by that.")
class Backtest:
    """What was asked for, and what is known of it."""

    id: strawberry.ID = strawberry.field(description="Its id, and that of its job.")
    job: Job = strawberry.field(
        description="Where it stands: followed by `jobProgress`, ended by `cancelJob`. It counts members."
    )
    draft: JSON = strawberry.field(description="The draft as it was sent.")
    from_: DateTime = strawberry.field(name="from", description="When the draft would have been published.")
    to: DateTime = strawberry.field(description="The end, which is not part of it.")
    report: BacktestReport | None = strawberry.field(description="What it found; null before the job is done.")

    @classmethod
    def of(cls, job: records.Job) -> "Backtest":
        """As clients read it."""
        asked, found = backtests.asked_of(job), backtests.report_of(job)
        return cls(
            id=strawberry.ID(str(job.id)),
            job=Job.of(job),
            draft=JSON(asked.draft),
            from_=written(asked.since),
            to=written(asked.until),
            report=None if found is None else BacktestReport.of(found),
        )


@strawberry.type(description="The backtest waits for the worker, or is under way.")
class StartBacktestSuccess:
    """What was asked for."""

    backtest: Backtest = strawberry.field(description="The backtest as it stands.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


StartBacktestResult: TypeAlias = Annotated[
    StartBacktestSuccess
    | InvalidProgramError
    | InvalidInputError
    | NotFoundError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("StartBacktestResult", description="What became of asking for a backtest."),
]


@strawberry.type
class BacktestsQuery:
    """The field of the root about backtests."""

    @query("A backtest as it stands, or what it found; `JOB_NOT_FOUND` where there is none.", DEFINITIONS)
    async def backtest(
        self,
        info: Info,
        backtest_id: Annotated[
            strawberry.ID, strawberry.argument(name="id", description="The id that `startBacktest` answered.")
        ],
    ) -> Backtest:
        """Read one."""
        asked = job_id_of(backtest_id)
        job: records.Job = await resources_of(info).read(
            info.context.principal, lambda unit: backtests.read(unit, asked)
        )
        return Backtest.of(job)


@strawberry.type
class BacktestsMutation:
    """The mutation of backtests."""

    @mutation(
        "Try a draft on what really happened: who would have won it, who nearly, when, what it would have cost, and the same for every"
        " other target of a challenge. The worker does it, a job at a time, and lets everybody else go first.",
        DEFINITIONS,
    )
    async def start_backtest(
        self,
        info: Info,
        given: Annotated[
            StartBacktestInput, strawberry.argument(name="input", description="What to try, and on what.")
        ],
    ) -> StartBacktestResult:
        """Ask for one."""
        principal, resources = info.context.principal, resources_of(info)
        started = await backtests.start(
            resources.database,
            resources.programs,
            principal.program,
            _command(given),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return StartBacktestSuccess(backtest=Backtest.of(started.job), replayed=started.replayed)


def _command(given: StartBacktestInput) -> StartBacktest:
    values = [(each.currency, money(each.value, "pointValues")) for each in given.point_values]
    budgets = [(each.currency, int(each.points)) for each in given.budgets]
    for field, named in (("pointValues", [each for each, _ in values]), ("budgets", [each for each, _ in budgets])):
        _check_once(field, named)
    return StartBacktest(
        given.draft, instant(given.from_, "from"), instant(given.to, "to"), dict(values), dict(budgets)
    )


def _check_once(field: str, currencies: Sequence[str]) -> None:
    if len(set(currencies)) < len(currencies):
        raise InvalidInput("Name each currency once.", field)
