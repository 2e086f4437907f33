"""Explanations: why an event counted or not, and what is missing to the next step."""

from enum import Enum
from typing import Annotated

import strawberry

from achievements.explaining import Explained
from achievements.tracing import Reason
from engagement.actions import explaining
from engagement.actions.explaining import EventExplained, MemberExplained
from engagement.api.principals import MEMBERS_READ_OR_OWN, Info, member_of, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.api.texts import KEY, MEMBER
from engagement.records.unit import Unit

SENTENCE = (
    "English, for people: with keys and conditions for a key's eyes; for a member's token without them, and without what is not"
    " for her."
)


@strawberry.enum(name="ExplanationReason", description="Whether an event counted for a definition, or why it did not.")
class ReasonShown(Enum):
    """The reasons of the trace."""

    COUNTED = strawberry.enum_value("COUNTED", description="It counted.")
    OTHER_TYPE = strawberry.enum_value("OTHER_TYPE", description="The definition looks at events of other types.")
    NOT_FOR_MEMBER = strawberry.enum_value("NOT_FOR_MEMBER", description="The member was not in its audience.")
    HELD_OUT = strawberry.enum_value(
        "HELD_OUT", description="The member is in its control group: counted apart, and given nothing."
    )
    CONDITION_NOT_MET = strawberry.enum_value("CONDITION_NOT_MET", description="Its condition was not met.")
    CONDITION_FAILED = strawberry.enum_value("CONDITION_FAILED", description="Its condition could not be answered.")
    NOT_JOINED = strawberry.enum_value("NOT_JOINED", description="The member had not joined the challenge.")
    IN_NO_TEAM = strawberry.enum_value("IN_NO_TEAM", description="The challenge is for teams, and she was in none.")
    OUTSIDE_WINDOW = strawberry.enum_value(
        "OUTSIDE_WINDOW", description="It happened outside the dates of the challenge."
    )
    ALREADY_COMPLETED = strawberry.enum_value("ALREADY_COMPLETED", description="The challenge was completed before.")
    PLACES_TAKEN = strawberry.enum_value(
        "PLACES_TAKEN", description="All places of the challenge were taken when the member met its targets."
    )
    ALREADY_COUNTED = strawberry.enum_value("ALREADY_COUNTED", description="The period of the streak had counted.")
    IN_NO_GROUP = strawberry.enum_value(
        "IN_NO_GROUP", description="The leaderboard has groups, and the member was in none of them."
    )
    NO_POINTS = strawberry.enum_value("NO_POINTS", description="It earned no points, or none that count here.")
    NOTHING_NEW = strawberry.enum_value("NOTHING_NEW", description="It added nothing new: a value counted before, say.")


@strawberry.enum(description="What became of an event since it was recorded.")
class EventStanding(Enum):
    """Whether an event is among the inputs."""

    COUNTS = strawberry.enum_value("COUNTS", description="It counts, in its latest form.")
    REVERSED = strawberry.enum_value("REVERSED", description="It was reversed: as if it had never been.")
    TOO_LATE = strawberry.enum_value("TOO_LATE", description="It came too late, is kept, and changes nothing.")


@strawberry.type(description="What an event did to one definition.")
class DefinitionExplanation:
    """One line of an explanation."""

    kind: str = strawberry.field(description="The definition's kind, like `challenge`.")
    key: str = strawberry.field(description=KEY)
    name: str | None = strawberry.field(description="Its name; null where the program gives none.")
    counted: bool = strawberry.field(description="Whether the event changed anything of it.")
    reason: ReasonShown = strawberry.field(description="The same, and why not.")
    sentence: str = strawberry.field(description=f"What it brought, or why it brought nothing. {SENTENCE}")


@strawberry.type(
    description="What an event did to each definition in force when it happened, as everything is known now."
)
class EventExplanation:
    """The answer to: why, and why not?"""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    event: strawberry.ID = strawberry.field(description="The event's id.")
    type: str | None = strawberry.field(description="Its type; null for one that came too late.")
    occurred_at: DateTime = strawberry.field(description="When it happened.")
    standing: EventStanding = strawberry.field(description="Whether it counts at all.")
    definitions: list[DefinitionExplanation] = strawberry.field(
        description="A line for each definition, in the order in which events meet them; for a member's token only those that she may"
        " see. Empty for an event that does not count."
    )

    @classmethod
    def of(cls, found: EventExplained, *, own: bool) -> "EventExplanation":
        """For the staff, or for the member herself."""
        lines = [
            DefinitionExplanation(
                kind=each.kind,
                key=each.key,
                name=each.name,
                counted=each.counted,
                reason=ReasonShown[(each.reason or Reason.NOTHING_NEW).name],
                sentence=sentence,
            )
            for each, sentence in _told(found.definitions, own=own)
        ]
        return cls(
            member=strawberry.ID(found.member),
            event=strawberry.ID(found.event),
            type=found.type,
            occurred_at=written(found.at),
            standing=EventStanding[found.standing],
            definitions=lines,
        )


@strawberry.type(description="What is missing to the next step of one definition.")
class Outlook:
    """One line of what lies ahead."""

    kind: str = strawberry.field(description="The definition's kind, like `challenge`.")
    key: str = strawberry.field(description=KEY)
    name: str | None = strawberry.field(description="Its name; null where the program gives none.")
    sentence: str = strawberry.field(
        description=f"How far she is, what is missing, and by when in her own zone. {SENTENCE}"
    )


@strawberry.type(description="Where a member stands, in words.")
class MemberExplanation:
    """The answer to: what next?"""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    as_of: DateTime = strawberry.field(description="The program's present.")
    definitions: list[Outlook] = strawberry.field(
        description="A line for each challenge, badge, ladder and streak that is there for her; with a key also for those held out from her."
    )

    @classmethod
    def of(cls, found: MemberExplained, *, own: bool) -> "MemberExplanation":
        """For the staff, or for the member herself."""
        lines = [
            Outlook(kind=each.kind, key=each.key, name=each.name, sentence=sentence)
            for each, sentence in _told(found.definitions, own=own)
        ]
        return cls(member=strawberry.ID(found.member), as_of=written(found.as_of), definitions=lines)


def _told(definitions: tuple[Explained, ...], *, own: bool) -> list[tuple[Explained, str]]:
    """The lines that a reader sees, with her sentence."""
    told = [(each, each.told_member if own else each.told) for each in definitions]
    return [(each, sentence) for each, sentence in told if sentence is not None]


MemberArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description=f"{MEMBER} A member's token needs none: it is herself.")
]


@strawberry.type
class ExplainingQuery:
    """The fields of the root that explain."""

    @query(
        "Why an event counted for each definition, or did not; `EVENT_NOT_FOUND` where the member has none of that id.",
        MEMBERS_READ_OR_OWN,
    )
    async def explain_event(
        self,
        info: Info,
        event: Annotated[strawberry.ID, strawberry.argument(description="The event's id.")],
        member: MemberArgument = None,
    ) -> EventExplanation:
        """The fold with a trace."""
        principal, resources = info.context.principal, resources_of(info)
        whose = member_of(principal, member)

        async def work(unit: Unit) -> EventExplained:
            return await explaining.event(unit, await resources.programs.load(unit), whose, event)

        found = await resources.read(principal, work)
        return EventExplanation.of(found, own=principal.member is not None)

    @query("What a member lacks to each next step, in words, and by when.", MEMBERS_READ_OR_OWN)
    async def explain_member(self, info: Info, member: MemberArgument = None) -> MemberExplanation:
        """Her state at the program's present, explained."""
        principal, resources = info.context.principal, resources_of(info)
        whose = member_of(principal, member)

        async def work(unit: Unit) -> MemberExplained:
            return await explaining.member(unit, await resources.programs.load(unit), whose)

        found = await resources.read(principal, work)
        return MemberExplanation.of(found, own=principal.member is not None)
