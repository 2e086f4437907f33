"""Merging members who are one person."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import merging, unmerging
from engagement.actions.merging import MergeMembers
from engagement.actions.unmerging import UnmergeMembers
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
    UnmergeRefusedError,
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

_FORMER = "The app's own id of the member who was a part of the other, and is herself again."


@strawberry.input(description="A member who is to be herself again.")
class UnmergeMembersInput:
    """Who is no part of another."""

    from_: strawberry.ID = strawberry.field(name="from", description=_FORMER)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The two are two members again, and what that changed for each.")
class UnmergeMembersSuccess:
    """What was undone."""

    from_: strawberry.ID = strawberry.field(name="from", description=_FORMER)
    into: strawberry.ID = strawberry.field(description=_INTO)
    at: DateTime = strawberry.field(description="Since when they are two again.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(
        description="What was told to `from`: what came for her since the merge too. Empty where it was undone before."
    )
    others_effects: list[Effect] = strawberry.field(description="What was told to the other.")


UnmergeMembersResult: TypeAlias = Annotated[
    UnmergeMembersSuccess
    | UnmergeRefusedError
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("UnmergeMembersResult", description="What became of undoing a merge."),
]


@strawberry.type
class MergesMutation:
    """The mutations that merge, and undo it."""

    @mutation(
        "Merge two members who are one person: what both did is one history from then on, counted as if one had done it all, and the points of"
        " the one are the other's, lot by lot as they are. Nothing that either had is lost. `unmergeMembers` undoes it, up to the first spend or"
        " decision.",
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

    @mutation(
        "Undo the newest merge of a member into another: both have again what each would have by herself. What came since is whose it was sent"
        " for. Refused as soon as points of both together were spent, or anything was decided that rests on both. To undo it again changes"
        " nothing.",
        MEMBERS_WRITE,
    )
    async def unmerge_members(
        self,
        info: Info,
        given: Annotated[UnmergeMembersInput, strawberry.argument(name="input", description="Who is herself again.")],
    ) -> UnmergeMembersResult:
        """Undo it."""
        resources, principal = resources_of(info), info.context.principal
        done = await unmerging.unmerge_members(
            resources.database,
            resources.programs,
            principal.program,
            UnmergeMembers(given.from_),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.former, done.effects), (done.into, done.others)])
        return UnmergeMembersSuccess(
            from_=strawberry.ID(done.former),
            into=strawberry.ID(done.into),
            at=written(done.at),
            replayed=done.replayed,
            effects=shown(done.effects, done.former, aside),
            others_effects=shown(done.others, done.into, aside),
        )
