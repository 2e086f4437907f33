"""Taking events back, and saying what they really were."""

from enum import Enum
from typing import Annotated, Self, TypeAlias

import strawberry
from strawberry.scalars import JSON

from engagement.actions import amend_events
from engagement.actions.amend_events import Amend, Amended
from engagement.api.asides import aside_of
from engagement.api.effects import Aside, Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import (
    AlreadyReversedError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.errors import InvalidInput

_MEMBER = "The app's own id of the member."
_KEY = (
    "A key of your own, 1 to 64 printable characters. Saying the same of an event again is harmless without one; with one,"
    " another input under the same key is refused."
)


@strawberry.enum(description="What became of a reversal or an amendment.")
class AmendmentStatus(Enum):
    """The four ways in which a word on an event is taken."""

    APPLIED = strawberry.enum_value("APPLIED", description="It counts, and its effects are told.")
    PENDING = strawberry.enum_value(
        "PENDING", description="A long history has to be worked out anew, which is done in the background."
    )
    WAITING = strawberry.enum_value(
        "WAITING", description="The event has not been sent yet; it will count as is said here when it comes."
    )
    TOO_LATE = strawberry.enum_value(
        "TOO_LATE", description="The event came after the program's horizon, so it counts for nothing either way."
    )


@strawberry.input(description="An event to take back.")
class ReverseEventInput:
    """Whose event, and which."""

    member: strawberry.ID = strawberry.field(description=_MEMBER)
    event: strawberry.ID = strawberry.field(description="The event's id.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="An event, and what it really was.")
class AmendEventInput:
    """Whose event, which, and its properties."""

    member: strawberry.ID = strawberry.field(description=_MEMBER)
    event: strawberry.ID = strawberry.field(description="The event's id.")
    properties: JSON = strawberry.field(
        description="A JSON object: all of the event's properties as they should have been sent, not the changed ones alone."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.type
class _Answer:
    """What both answers tell."""

    event: strawberry.ID = strawberry.field(description="The event's id.")
    member: strawberry.ID = strawberry.field(description=_MEMBER)
    status: AmendmentStatus = strawberry.field(description="What became of it.")
    replayed: bool = strawberry.field(
        description="Whether the same was said before, and these are the effects of that time."
    )
    effects: list[Effect] = strawberry.field(
        description="What it changed, in order: outcomes withdrawn, and those that took their place."
    )

    @classmethod
    def of(cls, amended: Amended, aside: Aside) -> Self:
        """As clients read it."""
        return cls(
            event=strawberry.ID(amended.event),
            member=strawberry.ID(amended.member),
            status=AmendmentStatus[amended.status],
            replayed=amended.replayed,
            effects=shown(amended.effects, amended.member, aside),
        )


@strawberry.type(description="The event is taken back: everything is as if it had never been.")
class ReverseEventSuccess(_Answer):
    """What a reversal changed."""


@strawberry.type(description="The event is amended: everything is as if it had been so from the start.")
class AmendEventSuccess(_Answer):
    """What an amendment changed."""


# A reversal of what was reversed is the same said again, so it is answered, not refused.
ReverseEventResult: TypeAlias = Annotated[
    ReverseEventSuccess
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("ReverseEventResult", description="What became of a reversal."),
]

AmendEventResult: TypeAlias = Annotated[
    AmendEventSuccess
    | NotFoundError
    | AlreadyReversedError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("AmendEventResult", description="What became of an amendment."),
]


@strawberry.type
class AmendmentsMutation:
    """The mutations that say more of an event."""

    @mutation(
        "Take an event back, like an order that was cancelled: all that it brought is withdrawn, and points that it earned"
        " are taken back also where they were spent. Final. It may come before the event.",
        EVENTS_WRITE,
    )
    async def reverse_event(
        self,
        info: Info,
        given: Annotated[ReverseEventInput, strawberry.argument(name="input", description="The event.")],
    ) -> ReverseEventResult:
        """Make it be as if the event had never been."""
        amended = await _amended(info, Amend(given.member, given.event), given.idempotency_key)
        return ReverseEventSuccess.of(amended, await _aside(info, amended))

    @mutation(
        "Say what an event really was, like an order of which a part was returned. The last amendment counts. It may come"
        " before the event.",
        EVENTS_WRITE,
    )
    async def amend_event(
        self,
        info: Info,
        given: Annotated[AmendEventInput, strawberry.argument(name="input", description="The event as it really was.")],
    ) -> AmendEventResult:
        """Make it be as if the event had had these properties from the start."""
        if not isinstance(given.properties, dict):
            raise InvalidInput("Expected a JSON object with the event's properties.", "properties")
        amended = await _amended(info, Amend(given.member, given.event, given.properties), given.idempotency_key)
        return AmendEventSuccess.of(amended, await _aside(info, amended))


async def _amended(info: Info, command: Amend, key: str | None) -> Amended:
    principal, resources = info.context.principal, resources_of(info)
    amended = await amend_events.amend(
        resources.database, resources.programs, principal.program, command, principal=principal.name, key=key
    )
    # So that a leaderboard read after this reply shows it; without Redis nobody waits.
    await resources.drain.settled(principal.program)
    return amended


async def _aside(info: Info, amended: Amended) -> Aside:
    return await aside_of(info, [(amended.member, amended.effects)])
