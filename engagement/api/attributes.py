"""Members' attributes."""

from typing import Annotated, TypeAlias

import strawberry
from strawberry.scalars import JSON

from engagement.actions import attributes
from engagement.actions.attributes import SetAttributes
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import IdempotencyKeyReusedError, InvalidInputError, MemberErasedError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER
from engagement.errors import InvalidInput


@strawberry.input(description="A member, and what is true of her from now on.")
class SetMemberAttributesInput:
    """Of whom, and what."""

    member: strawberry.ID = strawberry.field(description=f"{MEMBER} One that is not known yet becomes so.")
    attributes: JSON = strawberry.field(
        description="A JSON object of values by the keys of attributes that the program defines; null for one that she has no"
        " more. Those that it leaves out stay as they are."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="What is known of the member.")
class SetMemberAttributesSuccess:
    """What a change of attributes changed."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    attributes: JSON = strawberry.field(description="All of her attributes now, as a JSON object; without defaults.")
    at: DateTime = strawberry.field(description="The program's present, from which on they hold.")
    changed: bool = strawberry.field(description="False where all of it was known already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What it changed for her at once.")


SetMemberAttributesResult: TypeAlias = Annotated[
    SetMemberAttributesSuccess | InvalidInputError | MemberErasedError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("SetMemberAttributesResult", description="What became of a change of attributes."),
]


@strawberry.type
class AttributesMutation:
    """The mutation about attributes."""

    @mutation(
        "Set attributes of a member from the program's present on. Conditions read them as `member.KEY`; what was judged before"
        " stands.",
        EVENTS_WRITE,
    )
    async def set_member_attributes(
        self,
        info: Info,
        given: Annotated[SetMemberAttributesInput, strawberry.argument(name="input", description="Of whom, and what.")],
    ) -> SetMemberAttributesResult:
        """Keep them as a fact."""
        if not isinstance(given.attributes, dict):
            raise InvalidInput("Expected a JSON object of values by the keys of attributes.", "attributes")
        principal, resources = info.context.principal, resources_of(info)
        done = await attributes.set_attributes(
            resources.database,
            resources.programs,
            principal.program,
            SetAttributes(given.member, given.attributes),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return SetMemberAttributesSuccess(
            member=strawberry.ID(done.member),
            attributes=JSON(done.attributes),
            at=written(done.at),
            changed=done.changed,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )
