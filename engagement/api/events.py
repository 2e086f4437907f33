"""Recording events: the hot path. Receipts are built whole from what the intake answers."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry.scalars import JSON
from strawberry.types.arguments import InputContext
from strawberry.types.base import get_object_definition

from engagement.actions.record_events import Recorded
from engagement.actions.sent_events import Receipt, RefusedEvent, SentEvent
from engagement.api.asides import aside_of, selects
from engagement.api.effects import Aside, Effect, shown
from engagement.api.principals import EVENTS_WRITE, Info, mutation
from engagement.api.refusals import InvalidInputError, TryAgainError, UserError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime


@strawberry.input(
    description="Something that a member did. What is missing or wrong in it is told for this event alone,"
    " so nothing here is required by the schema."
)
class EventInput:
    """One event as it was sent."""

    id: strawberry.ID | None = strawberry.field(
        default=None, description="Required. Names the event for good among the member's: sent again, it counts once."
    )
    member: strawberry.ID | None = strawberry.field(
        default=None, description="Required. The app's own id of the member."
    )
    type: str | None = strawberry.field(default=None, description="Required. The key of an event type of the program.")
    occurred_at: DateTime | None = strawberry.field(
        default=None, description="When it happened; the program's present where it is left out."
    )
    properties: JSON | None = strawberry.field(
        default=None, description="A JSON object. The event type says which properties rules can read; others are kept."
    )


@strawberry.input(description="Events to record.")
class RecordEventsInput:
    """One request."""

    events: list[EventInput] = strawberry.field(description="1 to 1,000 events.")


def _given(_: type, given: Mapping[str, Any], __: InputContext) -> RecordEventsInput:
    """A request as it was sent. Strawberry's own way looks every field of every event up anew."""
    return RecordEventsInput(
        events=[
            EventInput(
                id=each.get("id"),
                member=each.get("member"),
                type=each.get("type"),
                occurred_at=each.get("occurredAt"),
                properties=each.get("properties"),
            )
            for each in given["events"]
        ]
    )


get_object_definition(RecordEventsInput, strict=True).from_input = _given


@strawberry.enum(description="What became of an event that was taken.")
class EventStatus(Enum):
    """The three ways in which an event is taken."""

    APPLIED = strawberry.enum_value("APPLIED", description="It counts, and its effects are told.")
    PENDING = strawberry.enum_value(
        "PENDING", description="It came late into a long history, which is worked out in the background."
    )
    TOO_LATE = strawberry.enum_value(
        "TOO_LATE", description="It is older than the program's horizon and changes nothing."
    )


@strawberry.type(description="The answer to an event that was taken.")
class EventReceipt:
    """What an event changed."""

    index: int = strawberry.field(description="Its place in the request, from 0.")
    id: strawberry.ID = strawberry.field(description="The event's id.")
    member: strawberry.ID = strawberry.field(description="The app's own id of the member.")
    status: EventStatus = strawberry.field(description="What became of it.")
    replayed: bool = strawberry.field(
        description="Whether it was taken before, and these are the effects of that time."
    )
    effects: list[Effect] = strawberry.field(description="What it changed, in order.")

    @classmethod
    def of(cls, receipt: Receipt, aside: Aside | None) -> "EventReceipt":
        """As clients read it; without effects where there is nothing to show them with."""
        return cls(
            index=receipt.index,
            id=strawberry.ID(receipt.id),
            member=strawberry.ID(receipt.member),
            status=EventStatus[receipt.status],
            replayed=receipt.replayed,
            effects=[] if aside is None else shown(receipt.effects, receipt.member, aside),
        )


@strawberry.type(description="The answer to an event that was not taken; the others of the request were.")
class EventRefused(UserError):
    """What is wrong with an event."""

    index: int = strawberry.field(description="Its place in the request, from 0.")
    id: strawberry.ID | None = strawberry.field(description="The event's id, where it has one.")

    @classmethod
    def of(cls, refused: RefusedEvent) -> "EventRefused":
        """As clients read it."""
        return cls(
            index=refused.index,
            id=None if refused.id is None else strawberry.ID(refused.id),
            code=refused.code,
            message=refused.message,
            field=refused.field,
        )


@strawberry.type(description="Every event was answered: taken, or refused by itself.")
class RecordEventsSuccess:
    """The answers, each in the order of the request."""

    receipts: list[EventReceipt] = strawberry.field(description="The events that were taken.")
    refused: list[EventRefused] = strawberry.field(description="The events that were not.")

    @classmethod
    def of(cls, recorded: Recorded, aside: Aside | None) -> "RecordEventsSuccess":
        """As clients read it; without effects where there is nothing to show them with."""
        return cls(
            receipts=[EventReceipt.of(each, aside) for each in recorded.receipts],
            refused=[EventRefused.of(each) for each in recorded.refused],
        )


RecordEventsResult: TypeAlias = Annotated[
    RecordEventsSuccess | InvalidInputError | TryAgainError,
    strawberry.union("RecordEventsResult", description="What became of a request to record events."),
]


@strawberry.type
class EventsMutation:
    """The mutations of events."""

    @mutation(
        "Record what members did, and learn what it changed. Safe to repeat: the events' ids are the keys.",
        EVENTS_WRITE,
    )
    async def record_events(
        self,
        info: Info,
        given: Annotated[RecordEventsInput, strawberry.argument(name="input", description="The events.")],
    ) -> RecordEventsResult:
        """Take the events that are sound, all in one transaction."""
        program, resources = info.context.principal.program, resources_of(info)
        recorded = await resources.intake.record(program, _sent(given.events))
        # So that a leaderboard read after this reply shows it; without Redis nobody waits.
        await resources.drain.settled(program)
        # Whoever feeds a history asks for no effects: to show them would be a tenth of the work.
        if not selects(info, "effects"):
            return RecordEventsSuccess.of(recorded, None)
        aside = await aside_of(info, [(each.member, each.effects) for each in recorded.receipts])
        return RecordEventsSuccess.of(recorded, aside)


def _sent(events: Sequence[EventInput]) -> list[SentEvent]:
    return [SentEvent(each.id, each.member, each.type, each.occurred_at, each.properties) for each in events]
