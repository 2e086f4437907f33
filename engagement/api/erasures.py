"""Erasing members."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import erasing
from engagement.api.principals import MEMBERS_WRITE, Info, mutation
from engagement.api.refusals import InvalidInputError, NotFoundError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import MEMBER


@strawberry.input(description="A member who is to be forgotten.")
class EraseMemberInput:
    """Whom."""

    member: strawberry.ID = strawberry.field(description=MEMBER)


@strawberry.type(description="The member is erased, which is final. Asked again, it says how far that is.")
class EraseMemberSuccess:
    """What is left of her."""

    member: strawberry.ID = strawberry.field(
        description="The random id under which the books keep her points; nothing leads from it to the person."
    )
    erased_at: DateTime = strawberry.field(
        description="Since when everything about her is refused, by the server's clock."
    )
    done: bool = strawberry.field(
        description="Whether nothing of the person is left. A worker removes her within seconds, or longer with a long history."
    )


EraseMemberResult: TypeAlias = Annotated[
    EraseMemberSuccess | NotFoundError | InvalidInputError | TryAgainError,
    strawberry.union("EraseMemberResult", description="What became of erasing a member."),
]


@strawberry.type
class ErasuresMutation:
    """The mutation that erases."""

    @mutation(
        "Erase a member: her points end, she leaves boards and teams, and everything that was kept on the person is removed. It cannot"
        " be undone, so no member's token is enough. It takes no idempotency key: whoever asks again hears how far it is.",
        MEMBERS_WRITE,
    )
    async def erase_member(
        self,
        info: Info,
        given: Annotated[EraseMemberInput, strawberry.argument(name="input", description="Whom.")],
    ) -> EraseMemberResult:
        """Freeze her now; a worker does the rest."""
        principal, resources = info.context.principal, resources_of(info)
        done = await erasing.erase(resources.database, resources.programs, principal.program, given.member)
        await resources.drain.settled(principal.program)
        return EraseMemberSuccess(member=strawberry.ID(done.member), erased_at=written(done.erased_at), done=done.done)
