"""The books by period: what rolls forward, and closing months."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self, TypeAlias

import strawberry
from msgspec.structs import asdict

from achievements.accounting import PeriodFigures
from achievements.periods import Calendar
from engagement.actions import accounting
from engagement.actions.accounting import ClosePeriod, RolledForward
from engagement.actions.programs import Loaded
from engagement.api.principals import LEDGER_READ, POINTS_WRITE, Info, mutation, query
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    NotFoundError,
    PeriodRefusedError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import CURRENCY, IDEMPOTENCY_KEY
from engagement.records.accounting import ClosedPeriod
from engagement.records.unit import Unit


@strawberry.enum(description="The periods by which the books are shown, in the program's zone.")
class BookPeriod(Enum):
    """Stretches of the calendar."""

    DAY = strawberry.enum_value("DAY", description="Days, like `2026-11-21`.")
    WEEK = strawberry.enum_value("WEEK", description="Weeks from Monday to Sunday, like `2026-W47`.")
    MONTH = strawberry.enum_value("MONTH", description="Months, like `2026-11`.")
    QUARTER = strawberry.enum_value("QUARTER", description="Quarters, like `2026-Q4`.")
    YEAR = strawberry.enum_value("YEAR", description="Years, like `2026`.")


@strawberry.type(
    description="What moved in a period, over all members: opening + earned - spent - expired - reversed + adjusted + transferred"
    " = closing, to the point. A transfer counts at the instant at which it takes effect, and where that lies in a month that was closed before"
    " it was booked, at the beginning of the first month that was open then."
)
class RollForwardPeriod:
    """One period."""

    currency: str = strawberry.field(description=CURRENCY)
    period: str = strawberry.field(description="The period, like `2026-11`.")
    ends_at: DateTime = strawberry.field(description="The first instant after it.")
    opening: Points = strawberry.field(description="What members had when it began, less what they owed.")
    earned: Points = strawberry.field(description="What they earned.")
    spent: Points = strawberry.field(description="What they spent, less what was refunded.")
    expired: Points = strawberry.field(description="What came to its end, less the ends that were undone.")
    reversed: Points = strawberry.field(description="What was taken back of what they had earned.")
    adjusted: Points = strawberry.field(description="What adjustments brought, less what they took.")
    transferred: Points = strawberry.field(
        description="What members got from others, less what they gave: 0 where both sides count in one period."
    )
    closing: Points = strawberry.field(description="What they have when it ends, less what they owe.")
    closed_at: DateTime | None = strawberry.field(
        description="When it was closed, by the program's clock: nothing of it changes any more. Null while it is open, and for what is no month."
    )

    @classmethod
    def of(cls, currency: str, counted: PeriodFigures, ends_at: datetime, closed_at: datetime | None) -> Self:
        """As clients read it."""
        return cls(
            currency=currency,
            period=counted.period,
            ends_at=written(ends_at),
            opening=Points(counted.opening),
            **{name: Points(points) for name, points in asdict(counted.figures).items()},
            closing=Points(counted.closing),
            closed_at=written_or_none(closed_at),
        )


@strawberry.input(description="A month to close.")
class ClosePeriodInput:
    """Which."""

    currency: str | None = strawberry.field(
        default=None, description=f"{CURRENCY} All in which the month is open, where left out."
    )
    period: str = strawberry.field(description="The month in the program's zone, like `2026-11`.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The month is closed.")
class ClosePeriodSuccess:
    """Its figures, for good."""

    periods: list[RollForwardPeriod] = strawberry.field(
        description="The month, in each currency in which it was closed."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


ClosePeriodResult: TypeAlias = Annotated[
    ClosePeriodSuccess
    | InvalidInputError
    | NotFoundError
    | PeriodRefusedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("ClosePeriodResult", description="What became of closing a month."),
]


@strawberry.type
class AccountingQuery:
    """The field of the root about the books by period."""

    @query(
        "What moved in each period, from one to another, as of the program's present: what has ended by then counts as expired."
        " Codes: `NOT_FOUND` (no such currency), `INVALID_INPUT` (a period of another form, or more than 400 of them).",
        LEDGER_READ,
    )
    async def roll_forward(
        self,
        info: Info,
        currency: Annotated[str, strawberry.argument(description=CURRENCY)],
        first: Annotated[
            str | None,
            strawberry.argument(name="from", description="The first period; eleven before the last, where left out."),
        ] = None,
        last: Annotated[
            str | None, strawberry.argument(name="to", description="The last period; the present one, where left out.")
        ] = None,
        by: Annotated[BookPeriod, strawberry.argument(description="What a period is.")] = BookPeriod.MONTH,
    ) -> list[RollForwardPeriod]:
        """One after the other."""
        resources = resources_of(info)

        async def work(unit: Unit, loaded: Loaded) -> list[RolledForward]:
            return await accounting.roll_forward(unit, loaded, currency, Calendar[by.name], first, last)

        found = await resources.read_all(info.context.principal, work)
        return [RollForwardPeriod.of(currency, each.counted, each.ends_at, each.closed_at) for each in found]


@strawberry.type
class AccountingMutation:
    """The mutation about the books by period."""

    @mutation(
        "Close a month: its figures stay as they are, whatever is learned of it later, which counts in the first month that is open. Months"
        " are closed in order, once they are over and the worker has done what fell due in them; they are never opened again.",
        POINTS_WRITE,
    )
    async def close_period(
        self,
        info: Info,
        given: Annotated[ClosePeriodInput, strawberry.argument(name="input", description="Which month.")],
    ) -> ClosePeriodResult:
        """Freeze its figures."""
        principal, resources = info.context.principal, resources_of(info)
        done = await accounting.close(
            resources.database,
            resources.programs,
            principal.program,
            ClosePeriod(given.currency, given.period),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return ClosePeriodSuccess(periods=[_closed(each) for each in done.periods], replayed=done.replayed)


def _closed(each: ClosedPeriod) -> RollForwardPeriod:
    counted = PeriodFigures(each.period, each.opening, each.figures)
    return RollForwardPeriod.of(each.currency, counted, each.ends_at, each.closed_at)
