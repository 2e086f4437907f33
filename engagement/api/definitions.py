"""The definitions of a program as they stand: for the people who manage it."""

from enum import Enum

import strawberry

from engagement.actions import programs
from engagement.actions.programs import Standing
from engagement.api.principals import DEFINITIONS, Info, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written, written_or_none


@strawberry.enum(description="Where a definition stands in its life.")
class DefinitionStatus(Enum):
    """Five stages, of which one counts."""

    DRAFT = strawberry.enum_value("draft", description="It is written and checked, and counts nothing.")
    SCHEDULED = strawberry.enum_value("scheduled", description="It counts from `starts` on.")
    ACTIVE = strawberry.enum_value("active", description="It counts.")
    PAUSED = strawberry.enum_value(
        "paused", description="It counts nothing for now. What was counted stays; time passes for it all the same."
    )
    ENDED = strawberry.enum_value(
        "ended",
        description="It counts no more, by `ends` or because the program was applied without it. What was given stays.",
    )


@strawberry.type(description="A definition of the program, in its latest version.")
class Definition:
    """One entry of a program's document."""

    kind: str = strawberry.field(description="Its kind, like `challenge`.")
    key: str = strawberry.field(description="Its key.")
    name: str = strawberry.field(description="Its name; the key where none was given.")
    status: DefinitionStatus = strawberry.field(description="Where it stands at the program's present.")
    version: int = strawberry.field(
        description="From 1; each change of it is another. A published version never changes."
    )
    published_at: DateTime = strawberry.field(description="From when on this version is in force.")
    starts: DateTime | None = strawberry.field(description="When it begins to count, where that is written.")
    ends: DateTime | None = strawberry.field(
        description="When it ends, where that is written, or when it was left out."
    )

    @classmethod
    def of(cls, standing: Standing) -> "Definition":
        """As clients read it."""
        return cls(
            kind=standing.kind,
            key=standing.key,
            name=standing.name,
            status=DefinitionStatus(standing.status),
            version=standing.version,
            published_at=written(standing.published_at),
            starts=written_or_none(standing.starts),
            ends=written_or_none(standing.ends),
        )


@strawberry.type
class DefinitionsQuery:
    """The field of the root about definitions."""

    @query("Every definition that the program has or had, by kind and key, and where it stands.", DEFINITIONS)
    async def definitions(self, info: Info) -> list[Definition]:
        """What there is to manage."""
        found: list[Standing] = await resources_of(info).read(info.context.principal, programs.standing)
        return [Definition.of(each) for each in found]
