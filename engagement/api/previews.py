"""Previews: what a document that counts the past would change for members, before it is published."""

from typing import Annotated, TypeAlias

import strawberry
from strawberry.scalars import JSON

from achievements.recounts import Losing, Sum
from engagement.actions import previews
from engagement.actions.previews import Preview
from engagement.api.jobs import Job, job_id_of
from engagement.api.principals import DEFINITIONS, Info, mutation, query
from engagement.api.refusals import InvalidInputError, InvalidProgramError, TryAgainError
from engagement.api.resources import resources_of


@strawberry.type(description="Points of a currency.")
class PreviewedPoints:
    """A sum."""

    currency: str = strawberry.field(description="The currency's key.")
    points: float = strawberry.field(description="How many.")

    @classmethod
    def of(cls, points: dict[str, int]) -> "list[PreviewedPoints]":
        """As clients read them."""
        return [cls(currency=currency, points=float(sum_)) for currency, sum_ in sorted(points.items())]


@strawberry.type(description="What publishing would change of one definition, over all members.")
class PreviewedDefinition:
    """One line of a preview."""

    definition: str = strawberry.field(description="Its section and key, like `challenges/trio`.")
    gaining: int = strawberry.field(description="How many members gain by it.")
    losing: int = strawberry.field(description="How many members have something of it that would vanish.")
    gained: float = strawberry.field(description="How many outcomes are gained, or are worth more.")
    lost: float = strawberry.field(description="How many outcomes would vanish, or be worth less.")
    points_gained: list[PreviewedPoints] = strawberry.field(description="The points among what is gained.")
    points_lost: list[PreviewedPoints] = strawberry.field(description="The points among what would vanish.")

    @classmethod
    def of(cls, found: Sum) -> "PreviewedDefinition":
        """As clients read it."""
        return cls(
            definition=found.definition,
            gaining=found.gaining,
            losing=found.losing,
            gained=float(found.gained),
            lost=float(found.lost),
            points_gained=PreviewedPoints.of(found.points_gained),
            points_lost=PreviewedPoints.of(found.points_lost),
        )


@strawberry.type(
    description="A member of whose outcomes some would vanish. She keeps them, unless they are taken back."
)
class PreviewedMember:
    """One of those who are listed."""

    member: str = strawberry.field(description="The app's own id.")
    count: int = strawberry.field(description="How many of her outcomes would vanish.")
    outcomes: list[str] = strawberry.field(description="The first 20 of them, in words.")

    @classmethod
    def of(cls, found: Losing) -> "PreviewedMember":
        """As clients read it."""
        return cls(member=found.member, count=found.count, outcomes=list(found.outcomes))


@strawberry.type(description="What publishing a document that counts the past would change for members.")
class ProgramPreview:
    """The result of a preview."""

    revision: int = strawberry.field(description="The revision of the program that it is good for.")
    members: int = strawberry.field(description="How many members there are.")
    gaining: int = strawberry.field(description="How many of them gain something.")
    losing: int = strawberry.field(description="How many of them have something that would vanish.")
    definitions: list[PreviewedDefinition] = strawberry.field(description="What changes, by definition.")
    listed: list[PreviewedMember] = strawberry.field(
        description="Members of whose outcomes some would vanish, the first 100 by their ids."
    )

    @classmethod
    def of(cls, found: Preview) -> "ProgramPreview":
        """As clients read it."""
        return cls(
            revision=found.revision,
            members=found.members,
            gaining=found.gaining,
            losing=found.losing,
            definitions=[PreviewedDefinition.of(each) for each in found.definitions],
            listed=[PreviewedMember.of(each) for each in found.listed],
        )


@strawberry.input(description="A document that counts the past.")
class PreviewProgramInput:
    """What is to be tried."""

    document: JSON = strawberry.field(description="The whole program, as `applyProgram` takes it.")


@strawberry.type(description="The preview was asked for.")
class PreviewProgramSuccess:
    """What was begun."""

    job: Job = strawberry.field(
        description="The job that tries it: `jobProgress` follows it, `programPreview` reads its result, `applyProgram` takes its id."
    )


PreviewProgramResult: TypeAlias = Annotated[
    PreviewProgramSuccess | InvalidProgramError | InvalidInputError | TryAgainError,
    strawberry.union("PreviewProgramResult", description="What became of asking for a preview."),
]


@strawberry.type
class PreviewsQuery:
    """The field of the root about previews."""

    @query("What a document would change for members, by the job that tried it; null before that is done.", DEFINITIONS)
    async def program_preview(
        self,
        info: Info,
        job: Annotated[strawberry.ID, strawberry.argument(description="The id of the job.")],
    ) -> ProgramPreview | None:
        """Read it."""
        asked = job_id_of(job)
        found: Preview | None = await resources_of(info).read(
            info.context.principal, lambda unit: previews.read(unit, asked)
        )
        return None if found is None else ProgramPreview.of(found)


@strawberry.type
class PreviewsMutation:
    """The mutation of previews."""

    @mutation(
        "Try a document that counts the past on every member, in the background; nothing of it is applied.", DEFINITIONS
    )
    async def preview_program(
        self,
        info: Info,
        given: Annotated[PreviewProgramInput, strawberry.argument(name="input", description="The document.")],
    ) -> PreviewProgramResult:
        """Begin to."""
        job = await previews.ask(resources_of(info).database, info.context.principal.program, given.document)
        return PreviewProgramSuccess(job=Job.of(job))
