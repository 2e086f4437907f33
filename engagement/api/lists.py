"""Lists of members."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import lists
from engagement.actions.lists import SetListed
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import IdempotencyKeyReusedError, InvalidInputError, MemberErasedError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER

_Effects: TypeAlias = list[Effect]
"""Named here: within a class with a field `list`, that word is the field."""
_LIST = "The key of a segment that the program defines as a list."


@strawberry.input(description="A member, and a list to put her on or to take her off.")
class ListInput:
    """Whom, and on which list."""

    member: strawberry.ID = strawberry.field(description=f"{MEMBER} One that is not known yet becomes so.")
    list: str = strawberry.field(description=_LIST)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="Where the member is now.")
class ListSuccess:
    """What a change of a list changed."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    list: str = strawberry.field(description="The key of the list.")
    listed: bool = strawberry.field(description="Whether she is on it now.")
    at: DateTime = strawberry.field(description="The program's present, from which on this holds.")
    changed: bool = strawberry.field(description="False where she was so already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: _Effects = strawberry.field(description="What it changed for her at once.")


ListResult: TypeAlias = Annotated[
    ListSuccess | InvalidInputError | MemberErasedError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("ListResult", description="What became of a change of a list."),
]


@strawberry.type
class ListsMutation:
    """The mutations about lists."""

    @mutation("Put a member on a list from the program's present on; what was judged before stands.", EVENTS_WRITE)
    async def add_to_list(
        self,
        info: Info,
        given: Annotated[ListInput, strawberry.argument(name="input", description="Whom, and on which.")],
    ) -> ListResult:
        """Keep it as a fact."""
        return await _set(info, given, listed=True)

    @mutation("Take a member off a list from the program's present on; what was judged before stands.", EVENTS_WRITE)
    async def remove_from_list(
        self,
        info: Info,
        given: Annotated[ListInput, strawberry.argument(name="input", description="Whom, and off which.")],
    ) -> ListResult:
        """Keep it as a fact."""
        return await _set(info, given, listed=False)


async def _set(info: Info, given: ListInput, *, listed: bool) -> ListSuccess:
    principal, resources = info.context.principal, resources_of(info)
    done = await lists.set_listed(
        resources.database,
        resources.programs,
        principal.program,
        SetListed(given.member, given.list, listed),
        principal=principal.name,
        key=given.idempotency_key,
    )
    await resources.drain.settled(principal.program)
    aside = await aside_of(info, [(done.member, done.effects)])
    return ListSuccess(
        member=strawberry.ID(done.member),
        list=done.segment,
        listed=done.listed,
        at=written(done.at),
        changed=done.changed,
        replayed=done.replayed,
        effects=shown(done.effects, done.member, aside),
    )
