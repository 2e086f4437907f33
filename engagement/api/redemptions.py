"""Redemptions: taking rewards, and what became of those that were taken."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import refunding, reserving, screens, shelf
from engagement.actions.approaching import RedeemReward
from engagement.actions.holds import HOLD_SECONDS, HOLD_SECONDS_MAX
from engagement.actions.redeeming import Redeemed
from engagement.actions.refunding import RefundRedemption
from engagement.actions.reserving import (
    OWN_RESERVATIONS_MAX,
    OWN_SECONDS_MAX,
    CaptureRedemption,
    ReserveReward,
    VoidRedemption,
)
from engagement.api.asides import aside_of, names_of, selects
from engagement.api.effects import Effect, shown
from engagement.api.pagination import InvalidCursor, PageInfo, RedemptionsCursor, cursor_of, page_size, place_of
from engagement.api.principals import (
    MEMBERS_READ_OR_OWN,
    REWARDS_WRITE,
    REWARDS_WRITE_OR_OWN,
    Info,
    member_of,
    mutation,
    query,
)
from engagement.api.redeemed import Benefit, Names, Redemption
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotEnoughPointsError,
    NotFoundError,
    RedemptionRefusedError,
    RewardRefusedError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import Points
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER
from engagement.records import redemptions as records
from engagement.records.members import Member
from engagement.records.unit import Unit

_REWARD = "The key of the reward."
_REDEMPTION = "The id of the redemption."


@strawberry.type(description="A redemption on a page.")
class RedemptionEdge:
    """Relay's edge."""

    node: Redemption = strawberry.field(description="The redemption.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of a member's redemptions, newest first.")
class RedemptionConnection:
    """Relay's connection."""

    edges: list[RedemptionEdge] = strawberry.field(description="The redemptions on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.input(description="A member, and the reward that she takes.")
class RedeemRewardInput:
    """Who, and what."""

    reward: str = strawberry.field(description=_REWARD)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    session: str | None = strawberry.field(default=None, description="Of an experience, the key of the session.")


@strawberry.input(description="A member, and the reward that is reserved for her.")
class ReserveRewardInput:
    """Who, what, and for how long."""

    reward: str = strawberry.field(description=_REWARD)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    session: str | None = strawberry.field(default=None, description="Of an experience, the key of the session.")
    seconds: int = strawberry.field(
        default=HOLD_SECONDS,
        description=f"After how many seconds it is over by itself, at most {HOLD_SECONDS_MAX}; by a member's own token {OWN_SECONDS_MAX}.",
    )


@strawberry.input(description="A reserved reward that the member gets.")
class CaptureRedemptionInput:
    """Which, and for how much."""

    redemption: strawberry.ID = strawberry.field(description=_REDEMPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    points: Points | None = strawberry.field(
        default=None,
        description="How many of the points that were set aside are paid; all of them where it is left out. The rest comes free.",
    )


@strawberry.input(description="A reserved reward that is given up.")
class VoidRedemptionInput:
    """Which."""

    redemption: strawberry.ID = strawberry.field(description=_REDEMPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A redemption that is taken back.")
class RefundRedemptionInput:
    """Which."""

    redemption: strawberry.ID = strawberry.field(description=_REDEMPTION)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    forced: bool = strawberry.field(
        default=False, description="Also where something that came of it was used; that stands, and so does the stock."
    )


@strawberry.type(description="A redemption as it is now, what the member has by it, and what that changed for her.")
class RedemptionSuccess:
    """What was done."""

    redemption: Redemption = strawberry.field(description="The redemption.")
    benefits: list[Benefit] = strawberry.field(
        description="What she has by it: vouchers with their codes, entitlements, entries in draws; often nothing."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What was told to the member.")


RedeemRewardResult: TypeAlias = Annotated[
    RedemptionSuccess
    | RewardRefusedError
    | NotEnoughPointsError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("RedeemRewardResult", description="What became of taking a reward."),
]
EndRedemptionResult: TypeAlias = Annotated[
    RedemptionSuccess
    | RedemptionRefusedError
    | RewardRefusedError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("EndRedemptionResult", description="What became of capturing, voiding or refunding a redemption."),
]


@strawberry.type
class RedemptionsQuery:
    """The fields of the root about redemptions."""

    @query(
        "A member's redemptions, newest first. A key says which member; a member's token shows her own.",
        MEMBERS_READ_OR_OWN,
    )
    async def redemptions(
        self,
        info: Info,
        member: Annotated[strawberry.ID | None, strawberry.argument(description=MEMBER)] = None,
        reward: Annotated[str | None, strawberry.argument(description="Those of this reward alone.")] = None,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> RedemptionConnection:
        """A page, stable while redemptions are added."""
        principal, resources = info.context.principal, resources_of(info)
        external_id, size = member_of(principal, member), page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, RedemptionsCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        # PostgreSQL keeps no text with a zero in it, and refuses to look for one.
        named = None if reward is None else reward.replace("\0", " ")

        async def work(unit: Unit) -> tuple[Member, Names, list[records.Redemption]]:
            whose = await screens.found(unit, external_id)
            loaded = await resources.programs.load(unit)
            before = None if place is None else (place.at, place.redemption)
            found = await records.page(unit, whose.id, before, size + 1, named)
            return whose, shelf.names_of(loaded.rulebook.latest), [each.as_of(loaded.now) for each in found]

        whose, names, found = await resources.read(principal, work)
        to_member = principal.member is not None
        edges = [
            RedemptionEdge(
                node=Redemption.of(whose.external_id, each, names, to_member=to_member),
                cursor=cursor_of(RedemptionsCursor(each.at, each.id)),
            )
            for each in found[:size]
        ]
        cursors = [each.cursor for each in edges]
        return RedemptionConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))


@strawberry.type
class RedemptionsMutation:
    """The mutations about redemptions."""

    @mutation(
        "Let a member take a reward at the program's present: the price of her tier leaves her purse, and she has what the reward gives."
        " `rewards` tells beforehand whether she can, and why not.",
        REWARDS_WRITE_OR_OWN,
    )
    async def redeem_reward(
        self,
        info: Info,
        given: Annotated[RedeemRewardInput, strawberry.argument(name="input", description="Who, and what.")],
    ) -> RedeemRewardResult:
        """Pay, and have it."""
        principal, resources = info.context.principal, resources_of(info)
        done = await resources.checkout.redeem(
            principal.program,
            RedeemReward(member_of(principal, given.member), given.reward, given.session),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation(
        "Reserve a reward for a member: its price is set aside in her purse, and one of the stock and the codes with it. Then"
        " `captureRedemption` lets her have it, or `voidRedemption` gives it up, or it is over by itself: exactly one of these. Her own token"
        f" reserves rewards that are `reservable`, {OWN_RESERVATIONS_MAX} at a time and for at most {OWN_SECONDS_MAX} seconds.",
        REWARDS_WRITE_OR_OWN,
    )
    async def reserve_reward(
        self,
        info: Info,
        given: Annotated[ReserveRewardInput, strawberry.argument(name="input", description="Who, and what.")],
    ) -> RedeemRewardResult:
        """Set it aside."""
        principal, resources = info.context.principal, resources_of(info)
        done = await reserving.reserve_reward(
            resources.database,
            resources.programs,
            principal.program,
            ReserveReward(member_of(principal, given.member), given.reward, given.session, seconds=given.seconds),
            principal=principal.name,
            key=given.idempotency_key,
            own=principal.member,
        )
        return await _told(info, done)

    @mutation(
        "Let a member have a reward that is reserved for her: points that were set aside are paid, all or a part, and the rest comes free.",
        REWARDS_WRITE,
    )
    async def capture_redemption(
        self,
        info: Info,
        given: Annotated[CaptureRedemptionInput, strawberry.argument(name="input", description="Which redemption.")],
    ) -> EndRedemptionResult:
        """Pay, and have it."""
        principal, resources = info.context.principal, resources_of(info)
        done = await reserving.capture_redemption(
            resources.database,
            resources.programs,
            principal.program,
            CaptureRedemption(given.redemption, given.points),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation(
        "Give a reserved reward up: the points, the stock and the codes that were set aside are free again. A member's own token gives up"
        " hers of rewards that are `reservable`.",
        REWARDS_WRITE_OR_OWN,
    )
    async def void_redemption(
        self,
        info: Info,
        given: Annotated[VoidRedemptionInput, strawberry.argument(name="input", description="Which redemption.")],
    ) -> EndRedemptionResult:
        """Give it up."""
        principal, resources = info.context.principal, resources_of(info)
        done = await reserving.void_redemption(
            resources.database,
            resources.programs,
            principal.program,
            VoidRedemption(given.redemption),
            principal=principal.name,
            key=given.idempotency_key,
            own=principal.member,
        )
        return await _told(info, done)

    @mutation(
        "Take a redemption back: what was paid goes back to the lots that it came from, into one that has ended for the days of grace of"
        " its currency; what the member has by it is void. What was used stands, and refuses it unless it is forced.",
        REWARDS_WRITE,
    )
    async def refund_redemption(
        self,
        info: Info,
        given: Annotated[RefundRedemptionInput, strawberry.argument(name="input", description="Which redemption.")],
    ) -> EndRedemptionResult:
        """Give the points back."""
        principal, resources = info.context.principal, resources_of(info)
        done = await refunding.refund_redemption(
            resources.database,
            resources.programs,
            principal.program,
            RefundRedemption(given.redemption, given.forced),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)


async def _told(info: Info, done: Redeemed) -> RedemptionSuccess:
    principal = info.context.principal
    await resources_of(info).drain.settled(principal.program)
    # What nobody asks for is not made ready.
    asked = selects(info, "effects")
    effects = done.effects if asked else ()
    names = await names_of(info)
    return RedemptionSuccess(
        redemption=Redemption.of(done.member, done.redemption, names, to_member=principal.member is not None),
        benefits=[Benefit.of(each, names) for each in done.benefits],
        replayed=done.replayed,
        effects=shown(effects, done.member, await aside_of(info, [(done.member, effects)])),
    )
