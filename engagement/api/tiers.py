"""Tiers: how a member stands, granting her one, selling her one, and taking back what was granted."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import tiers
from engagement.actions.offers import TierOfferShown
from engagement.actions.screens import TierShown
from engagement.actions.tiers import BuyTier, GrantTier, RevokeTier
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, Progress, shown
from engagement.api.principals import EVENTS_WRITE, EVENTS_WRITE_OR_OWN, Info, member_of, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotEnoughPointsError,
    NotFoundError,
    TierReason,
    TierRefusedError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.streaks import Price
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER


@strawberry.type(description="A tier that a member can hold for a fee, or why she cannot buy it now.")
class TierOffer:
    """A tier with its fee."""

    tier: str = strawberry.field(description="The key of the tier.")
    name: str = strawberry.field(description="The tier's name; its key where it has none.")
    price: Price = strawberry.field(description="What it costs.")
    for_days: int = strawberry.field(
        description="For how many days of the program after today it is held, up to the end of the last; where she was granted"
        " one as high already, after its end."
    )
    until: DateTime | None = strawberry.field(
        description="When it would end if she bought it now; null where she cannot, but for the points."
    )
    available: bool = strawberry.field(description="Whether she can buy it now, and has the points.")
    reason: TierReason | None = strawberry.field(
        description="Why she cannot, but for the points; null where that is not so."
    )
    missing: Points = strawberry.field(
        description="How many points of the price she does not have; 0 where she has all."
    )

    @classmethod
    def of(cls, offer: TierOfferShown) -> "TierOffer":
        """As clients read it."""
        price = offer.fee.price
        return cls(
            tier=offer.tier,
            name=offer.name,
            price=Price(currency=str(price.currency), points=Points(price.points)),
            for_days=offer.fee.for_days,
            until=written_or_none(offer.until),
            available=offer.refused is None and not offer.missing,
            reason=None if offer.refused is None else TierReason[offer.refused.name],
            missing=Points(offer.missing),
        )


@strawberry.type(description="Where a member stands on a ladder of tiers.")
class Tier:
    """A tier that is held, and what is missing to the next."""

    ladder: str = strawberry.field(description="The key of the ladder.")
    name: str = strawberry.field(description="What people call the ladder; its key where the program gives no name.")
    tier: str = strawberry.field(description="The key of the tier that she holds.")
    tier_name: str = strawberry.field(description="The tier's name; its key where it has none.")
    since: DateTime | None = strawberry.field(description="Since when; null where she has always held it.")
    qualifying: Points = strawberry.field(description="The points that count for the ladder now.")
    next_tier: str | None = strawberry.field(description="The key of the tier above; null on the highest.")
    next_tier_name: str | None = strawberry.field(description="Its name; null on the highest.")
    next: Progress | None = strawberry.field(description="How far the tier above is; null on the highest.")
    falls_at: DateTime | None = strawberry.field(
        description="When she leaves the tier if no more points come and none is granted; null where she does not."
    )
    offers: list[TierOffer] = strawberry.field(
        description="The tiers of the ladder that are for sale by `buyTier`, lowest first, and whether she can buy them; often none."
    )

    @classmethod
    def of(cls, shown: TierShown) -> "Tier":
        """As clients read it."""
        key, name, start = shown.ahead or (None, None, None)
        return cls(
            ladder=shown.key,
            name=shown.name,
            tier=shown.tier,
            tier_name=shown.tier_name,
            since=written_or_none(shown.since),
            qualifying=Points(shown.qualifying),
            next_tier=key,
            next_tier_name=name,
            next=None if start is None else Progress.of(shown.qualifying, start),
            falls_at=written_or_none(shown.falls_at),
            offers=[TierOffer.of(each) for each in shown.offers],
        )


@strawberry.input(description="A member, and the tier that she is granted from now on.")
class GrantTierInput:
    """Whom, what, and for how long."""

    member: strawberry.ID = strawberry.field(description=f"{MEMBER} One that is not known yet becomes so.")
    ladder: str = strawberry.field(description="The key of the ladder; not of one that is held out from her.")
    tier: str = strawberry.field(description="The key of a tier above its lowest.")
    days: int | None = strawberry.field(
        default=None,
        description="For how many days of the program after today, up to the end of the last; for good, where left out.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A tier that was granted.")
class GrantTierSuccess:
    """What was granted, and what is held now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of the tier that was granted.")
    at: DateTime = strawberry.field(description="The program's present, from which on it is granted.")
    until: DateTime | None = strawberry.field(description="When that ends; null where it is for good.")
    held: str = strawberry.field(
        description="The key of the tier that she held then: the higher of what she earned and what she was granted."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What it changed; nothing, where she held as much already.")


GrantTierResult: TypeAlias = Annotated[
    GrantTierSuccess
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("GrantTierResult", description="What became of granting a tier."),
]


@strawberry.input(description="A member, and the tier that she buys.")
class BuyTierInput:
    """Who, and what."""

    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of a tier that has a fee.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A tier that was bought.")
class BuyTierSuccess:
    """What was bought, and what is held now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of the tier that was bought.")
    at: DateTime = strawberry.field(description="The program's present, at which it was bought.")
    until: DateTime = strawberry.field(description="When what she paid for ends.")
    held: str = strawberry.field(
        description="The key of the tier that she held then: the higher of what she earned and what she was granted."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(
        description="What it changed: the points that were paid, and the tier where she did not hold as much already."
    )


BuyTierResult: TypeAlias = Annotated[
    BuyTierSuccess
    | TierRefusedError
    | NotEnoughPointsError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("BuyTierResult", description="What became of buying a tier."),
]


@strawberry.input(description="A member, and the tier of which all that was granted is taken back.")
class RevokeTierInput:
    """From whom, and what."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of a tier that she was granted.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A tier of which nothing is granted any more.")
class RevokeTierSuccess:
    """What is held now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    ladder: str = strawberry.field(description="The key of the ladder.")
    tier: str = strawberry.field(description="The key of the tier that was taken back.")
    at: DateTime = strawberry.field(description="The program's present, at which that ended.")
    held: str = strawberry.field(
        description="The key of the tier that she held then, by what she earned or else was granted."
    )
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(
        description="What it changed; nothing, where she held as much all the same."
    )


RevokeTierResult: TypeAlias = Annotated[
    RevokeTierSuccess
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("RevokeTierResult", description="What became of taking back a tier."),
]


@strawberry.type
class TiersMutation:
    """The mutations about tiers."""

    @mutation(
        "Grant a member a tier of a ladder from the program's present on. She holds the higher of what she earned and what she was"
        " granted; when a grant ends, she holds what is left.",
        EVENTS_WRITE,
    )
    async def grant_tier(
        self,
        info: Info,
        given: Annotated[GrantTierInput, strawberry.argument(name="input", description="Whom, and which tier.")],
    ) -> GrantTierResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await tiers.grant_tier(
            resources.database,
            resources.programs,
            principal.program,
            GrantTier(given.member, given.ladder, given.tier, given.days),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return GrantTierSuccess(
            member=strawberry.ID(done.member),
            ladder=done.ladder,
            tier=done.tier,
            at=written(done.at),
            until=written_or_none(done.until),
            held=done.held,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )

    @mutation(
        "Let a member pay a tier's fee at the program's present: the points leave her purse, and she is granted the tier for the days of"
        " the fee. Where she was granted one as high already, they begin at its end.",
        EVENTS_WRITE_OR_OWN,
    )
    async def buy_tier(
        self,
        info: Info,
        given: Annotated[BuyTierInput, strawberry.argument(name="input", description="Who, and which tier.")],
    ) -> BuyTierResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await tiers.buy_tier(
            resources.database,
            resources.programs,
            principal.program,
            BuyTier(member_of(principal, given.member), given.ladder, given.tier),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        assert done.until is not None, "nothing is bought for good"
        return BuyTierSuccess(
            member=strawberry.ID(done.member),
            ladder=done.ladder,
            tier=done.tier,
            at=written(done.at),
            until=written(done.until),
            held=done.held,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )

    @mutation(
        "Take back whatever was granted of a tier, by rewards, the program's people or for a fee, at the program's present. What she"
        " earned, and was granted of other tiers, stands; a fee is not given back.",
        EVENTS_WRITE,
    )
    async def revoke_tier(
        self,
        info: Info,
        given: Annotated[RevokeTierInput, strawberry.argument(name="input", description="From whom, and which tier.")],
    ) -> RevokeTierResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await tiers.revoke_tier(
            resources.database,
            resources.programs,
            principal.program,
            RevokeTier(given.member, given.ladder, given.tier),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return RevokeTierSuccess(
            member=strawberry.ID(done.member),
            ladder=done.ladder,
            tier=done.tier,
            at=written(done.at),
            held=done.held,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )
