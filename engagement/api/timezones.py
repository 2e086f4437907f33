"""Members' own time zones."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import timezones
from engagement.actions.timezones import SetTimezone
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    TooSoonError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER


@strawberry.input(description="A member, and the time zone that she goes by from now on.")
class SetMemberTimezoneInput:
    """Whose zone, and which."""

    member: strawberry.ID = strawberry.field(description=f"{MEMBER} One that is not known yet becomes so.")
    timezone: str = strawberry.field(description="An IANA name, like `Europe/Berlin`.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="The zone that the member goes by.")
class SetMemberTimezoneSuccess:
    """What a change of zone changed."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    timezone: str = strawberry.field(description="Her zone now.")
    at: DateTime = strawberry.field(description="The program's present, from which on it holds.")
    changed: bool = strawberry.field(description="False where it was hers already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(
        description="What it changed: a streak whose day is over by the new zone, say."
    )


SetMemberTimezoneResult: TypeAlias = Annotated[
    SetMemberTimezoneSuccess
    | InvalidInputError
    | TooSoonError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("SetMemberTimezoneResult", description="What became of a change of zone."),
]


@strawberry.type
class TimezonesMutation:
    """The mutation about zones."""

    @mutation(
        "Let a member go by a time zone of her own from the program's present on: her streaks and the calendar windows of her"
        " challenges. At most one change a day; what was counted before stands.",
        EVENTS_WRITE,
    )
    async def set_member_timezone(
        self,
        info: Info,
        given: Annotated[SetMemberTimezoneInput, strawberry.argument(name="input", description="Whose, and which.")],
    ) -> SetMemberTimezoneResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await timezones.set_timezone(
            resources.database,
            resources.programs,
            principal.program,
            SetTimezone(given.member, given.timezone),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return SetMemberTimezoneSuccess(
            member=strawberry.ID(done.member),
            timezone=done.timezone,
            at=written(done.at),
            changed=done.changed,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )
