"""Merging members who are one person."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import merging
from engagement.actions.merging import MergeMembers
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import MEMBERS_WRITE, Info, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    MergeRefusedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY

_FROM = "The app's own id of the member who becomes a part of the other; it leads to the other from then on."
_INTO = "The app's own id of the other."


@strawberry.input(description="Two members who are one person.")
class MergeMembersInput:
    """Who becomes a part of whom."""

    from_: strawberry.ID = strawberry.field(name="from", description=_FROM)
    into: strawberry.ID = strawberry.field(description=_INTO)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The two are one member, and what that changed for her.")
class MergeMembersSuccess:
    """What was done."""

    from_: strawberry.ID = strawberry.field(name="from", description=_FROM)
    into: strawberry.ID = strawberry.field(description=_INTO)
    at: DateTime = strawberry.field(description="Since when they are one.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What was told to the other.")


MergeMembersResult: TypeAlias = Annotated[
    MergeMembersSuccess
    | MergeRefusedError
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("MergeMembersResult", description="What became of merging two members."),
]


@strawberry.type
class MergesMutation:
    """The mutation that merges."""

    @mutation(
        "Merge two members who are one person: what both did is one history from then on, counted as if one had done it all, and the points of"
        " the one are the other's, lot by lot as they are. Nothing that either had is lost. It cannot be undone.",
        MEMBERS_WRITE,
    )
    async def merge_members(
        self,
        info: Info,
        given: Annotated[MergeMembersInput, strawberry.argument(name="input", description="Who becomes whose part.")],
    ) -> MergeMembersResult:
        """Merge them."""
        resources, principal = resources_of(info), info.context.principal
        done = await merging.merge_members(
            resources.database,
            resources.programs,
            principal.program,
            MergeMembers(given.from_, given.into),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.into, done.effects)])
        return MergeMembersSuccess(
            from_=strawberry.ID(done.former),
            into=strawberry.ID(done.into),
            at=written(done.at),
            replayed=done.replayed,
            effects=shown(done.effects, done.into, aside),
        )
