"""How members are shown on leaderboards: under a name that they chose, or not at all."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import aliases
from engagement.actions.aliases import MemberShown, SetAlias, SetHidden
from engagement.api.principals import EVENTS_WRITE_OR_OWN, Info, member_of, mutation
from engagement.api.refusals import IdempotencyKeyReusedError, InvalidInputError, MemberErasedError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER

_WHO = f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out."


@strawberry.input(description="A member, and the name that leaderboards show her under.")
class SetMemberAliasInput:
    """Whose name, and which."""

    member: strawberry.ID | None = strawberry.field(default=None, description=_WHO)
    alias: str | None = strawberry.field(
        default=None,
        description="1 to 40 printable characters, which others may have chosen too; null, or left out, for none.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A member who leaves the leaderboards, or returns to them.")
class LeaveLeaderboardsInput:
    """Who."""

    member: strawberry.ID | None = strawberry.field(default=None, description=_WHO)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="How the member is shown on leaderboards.")
class ShowMemberSuccess:
    """What others see of her."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    alias: str | None = strawberry.field(description="The name that she is shown under; null where she chose none.")
    hidden: bool = strawberry.field(description="Whether she is on none of them.")
    at: DateTime = strawberry.field(description="The program's present, at which this holds.")
    changed: bool = strawberry.field(description="False where it was so already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")

    @classmethod
    def of(cls, done: MemberShown) -> "ShowMemberSuccess":
        """As clients read it."""
        return cls(
            member=strawberry.ID(done.member),
            alias=done.alias,
            hidden=done.hidden,
            at=written(done.at),
            changed=done.changed,
            replayed=done.replayed,
        )


ShowMemberResult: TypeAlias = Annotated[
    ShowMemberSuccess | InvalidInputError | MemberErasedError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("ShowMemberResult", description="What became of showing a member otherwise, or not at all."),
]
_Leaving: TypeAlias = Annotated[LeaveLeaderboardsInput, strawberry.argument(name="input", description="Who.")]


@strawberry.type
class AliasesMutation:
    """The mutations about how members are shown."""

    @mutation(
        "Let leaderboards show a member under a name of her choice, beside the app's own id of her.",
        EVENTS_WRITE_OR_OWN,
    )
    async def set_member_alias(
        self,
        info: Info,
        given: Annotated[SetMemberAliasInput, strawberry.argument(name="input", description="Whose, and which.")],
    ) -> ShowMemberResult:
        """Note it, and tell the boards that she is on."""
        principal, resources = info.context.principal, resources_of(info)
        done = await aliases.set_alias(
            resources.database,
            resources.programs,
            principal.program,
            SetAlias(member_of(principal, given.member), given.alias),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return ShowMemberSuccess.of(done)

    @mutation(
        "Take a member off all leaderboards, past periods among them: she is not ranked, not shown and wins no prize from now on. What"
        " she earns is counted on, and she sees her own score (`own`).",
        EVENTS_WRITE_OR_OWN,
    )
    async def leave_leaderboards(self, info: Info, given: _Leaving) -> ShowMemberResult:
        """Note it, and take her scores off the boards."""
        return await _hidden(info, given, hidden=True)

    @mutation("Rank a member again who had left the leaderboards, with all her scores.", EVENTS_WRITE_OR_OWN)
    async def return_to_leaderboards(self, info: Info, given: _Leaving) -> ShowMemberResult:
        """Note it, and put her scores on the boards."""
        return await _hidden(info, given, hidden=False)


async def _hidden(info: Info, given: LeaveLeaderboardsInput, *, hidden: bool) -> ShowMemberSuccess:
    principal, resources = info.context.principal, resources_of(info)
    done = await aliases.set_hidden(
        resources.database,
        resources.programs,
        principal.program,
        SetHidden(member_of(principal, given.member), hidden),
        principal=principal.name,
        key=given.idempotency_key,
    )
    await resources.drain.settled(principal.program)
    return ShowMemberSuccess.of(done)
