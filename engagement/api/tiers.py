"""Tiers that are granted to members."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import tiers
from engagement.actions.tiers import GrantTier
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import IdempotencyKeyReusedError, InvalidInputError, NotFoundError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written, written_or_none
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER


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
    GrantTierSuccess | InvalidInputError | NotFoundError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("GrantTierResult", description="What became of granting a tier."),
]


@strawberry.type
class TiersMutation:
    """The mutation about tiers."""

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
