"""Points that people give: the program's own, by adjustments, and members one another."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import adjustments, transfers
from engagement.actions.adjustments import NOTE_CHARACTERS_MAX, AdjustPoints
from engagement.actions.transfers import TransferPoints
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import POINTS_WRITE, POINTS_WRITE_OR_OWN, Info, member_of, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    LimitExceededError,
    MemberErasedError,
    NotAllowedError,
    NotEnoughPointsError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import Points
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER

_CURRENCY = "The key of the currency; may be left out where the program has only one."
_NOTE = f"What else there is to say, for the records: at most {NOTE_CHARACTERS_MAX} characters."
_BALANCE = "What she can spend since, less what is owed."


@strawberry.input(description="Points to be given or taken.")
class AdjustPointsInput:
    """Whose, how many, and why."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    change: Points = strawberry.field(description="How many are given; below 0, how many are taken.")
    reason: str = strawberry.field(
        description="The key of a reason that the program defines under `adjustment_reasons`."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    currency: str | None = strawberry.field(default=None, description=_CURRENCY)
    note: str = strawberry.field(default="", description=_NOTE)


@strawberry.type(description="Points that were given or taken.")
class AdjustPointsSuccess:
    """What was done."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    currency: str = strawberry.field(description="The key of the currency.")
    change: Points = strawberry.field(description="How many were given; below 0, how many were taken.")
    reason: str = strawberry.field(description="The key of the reason.")
    balance: Points = strawberry.field(description=_BALANCE)
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What it changed for the member.")


AdjustPointsResult: TypeAlias = Annotated[
    AdjustPointsSuccess
    | NotEnoughPointsError
    | LimitExceededError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("AdjustPointsResult", description="What became of giving or taking points."),
]


@strawberry.input(description="Points that one member gives another.")
class TransferPointsInput:
    """Who, whom, and how many."""

    giver: strawberry.ID = strawberry.field(name="from", description="The app's own id of the member who gives.")
    receiver: strawberry.ID = strawberry.field(name="to", description="The app's own id of the member who is given.")
    points: Points = strawberry.field(description="How many.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    currency: str | None = strawberry.field(default=None, description=_CURRENCY)
    note: str = strawberry.field(default="", description=_NOTE)


@strawberry.type(description="Points that went from one member to another.")
class TransferPointsSuccess:
    """What was done."""

    giver: strawberry.ID = strawberry.field(name="from", description="The app's own id of the member who gave.")
    receiver: strawberry.ID = strawberry.field(name="to", description="The app's own id of the member who was given.")
    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many.")
    balance: Points = strawberry.field(description="What the giver can spend since, less what she owes.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What it changed for the giver.")


TransferPointsResult: TypeAlias = Annotated[
    TransferPointsSuccess
    | NotEnoughPointsError
    | LimitExceededError
    | NotAllowedError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("TransferPointsResult", description="What became of giving another member points."),
]


@strawberry.type
class PointsMutation:
    """The mutations by which people give points."""

    @mutation(
        "Give a member points, or take some, for a reason that the program defines. They end as if they had been earned now. A key may"
        " have limits of its own, at a time and a day.",
        POINTS_WRITE,
    )
    async def adjust_points(
        self,
        info: Info,
        given: Annotated[AdjustPointsInput, strawberry.argument(name="input", description="Whose, how many, and why.")],
    ) -> AdjustPointsResult:
        """Book it, and keep why as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await adjustments.adjust_points(
            resources.database,
            resources.programs,
            principal.program,
            AdjustPoints(given.member, given.change, given.reason, given.currency, given.note),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return AdjustPointsSuccess(
            member=strawberry.ID(done.member),
            currency=done.currency,
            change=Points(done.change),
            reason=done.reason,
            balance=Points(done.balance),
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )

    @mutation(
        "Let a member give another one points, where the currency says that members may. They end when they would have ended. A member's"
        " token gives her own.",
        POINTS_WRITE_OR_OWN,
    )
    async def transfer_points(
        self,
        info: Info,
        given: Annotated[
            TransferPointsInput, strawberry.argument(name="input", description="Who, whom, and how many.")
        ],
    ) -> TransferPointsResult:
        """Book it on both sides, or on none."""
        principal, resources = info.context.principal, resources_of(info)
        giver = member_of(principal, given.giver)
        done = await transfers.transfer_points(
            resources.database,
            resources.programs,
            principal.program,
            TransferPoints(giver, given.receiver, given.points, given.currency, given.note),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.giver, done.effects)])
        return TransferPointsSuccess(
            giver=strawberry.ID(done.giver),
            receiver=strawberry.ID(done.receiver),
            currency=done.currency,
            points=Points(done.points),
            balance=Points(done.balance),
            replayed=done.replayed,
            effects=shown(done.effects, done.giver, aside),
        )
