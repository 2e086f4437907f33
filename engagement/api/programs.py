"""Programs: what they are, changing one by its document, and the test clock of a sandbox."""

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

import strawberry
from strawberry.scalars import JSON

from engagement.actions import clock, programs
from engagement.actions.clock import Advanced
from engagement.actions.plans import Change
from engagement.actions.programs import Applied, Loaded, Sandbox
from engagement.api.jobs import job_id_of
from engagement.api.principals import ANY_CREDENTIAL, CLOCK_WRITE, DEFINITIONS, PROGRAMS_WRITE, Info, mutation, query
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    InvalidProgramError,
    NotASandboxError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, instant, written
from engagement.records import problems
from engagement.records import programs as records

_KEY = (
    "A key of your own, 1 to 64 printable characters: the same key with the same input gives the same reply again,"
    " with another input it is refused."
)
_COUNT_MAX = 2**31 - 1
_REPLAYED = "Whether this is the stored reply to an earlier request with the same key."


@strawberry.type(description="A loyalty program: its own members, definitions and clock.")
class Program:
    """A tenant."""

    key: strawberry.ID = strawberry.field(description="Its key.")
    name: str = strawberry.field(description="What people call it.")
    timezone: str = strawberry.field(description="The IANA time zone of its calendar.")
    sandbox: bool = strawberry.field(description="Whether it is for trying things out, with a test clock.")
    now: DateTime = strawberry.field(description="What time it is in it: its test clock's, else the server's.")
    revision: int = strawberry.field(description="Grows with every change of its definitions.")

    @classmethod
    def of(cls, program: records.Program, now: datetime) -> "Program":
        """As clients read it."""
        return cls(
            key=strawberry.ID(program.key),
            name=program.name,
            timezone=program.timezone,
            sandbox=program.sandbox,
            now=written(now),
            revision=program.revision,
        )


@strawberry.type(
    description="A definition in force of which a condition could not be answered, and so counted as not met."
    " Counted since the definition was last changed; the rest is of the latest event with which it happened."
)
class DefinitionProblem:
    """What a marketer has to mend."""

    kind: str = strawberry.field(description="The definition's kind, like `earn_rule`.")
    key: str = strawberry.field(description="The definition's key.")
    path: str = strawberry.field(description="Where in the definition the condition stands, like `objectives[0].when`.")
    reason: str = strawberry.field(description="Why it could not be answered, and how to mend it.")
    count: int = strawberry.field(
        description="With how many events this happened; what is beyond 2^31-1 is told as that."
    )
    at: DateTime = strawberry.field(description="The instant of the latest of these events.")
    member: str = strawberry.field(description="Whose event that was: the app's own id.")
    event: str = strawberry.field(description="The id of that event.")

    @classmethod
    def of(cls, problem: problems.Problem) -> "DefinitionProblem":
        """As clients read it."""
        return cls(
            kind=problem.kind,
            key=problem.key,
            path=problem.path,
            reason=problem.reason,
            count=min(problem.count, _COUNT_MAX),
            at=written(problem.at),
            member=problem.member,
            event=problem.event_id,
        )


@strawberry.enum(description="What applying a document did to a definition.")
class ChangeKind(Enum):
    """The three ways in which a definition can change."""

    CREATED = strawberry.enum_value("CREATED", description="It is new, or counts again.")
    CHANGED = strawberry.enum_value("CHANGED", description="A new version of it is in force.")
    REMOVED = strawberry.enum_value("REMOVED", description="The document leaves it out: it counts no more.")


@strawberry.type(description="A field that differs between two versions of a definition.")
class FieldChange:
    """One line of the difference."""

    path: str = strawberry.field(
        description="Where in the definition, like `levels[silver].target`: an entry by its key, or by its position."
    )
    before: JSON | None = strawberry.field(description="Its value before, as JSON; null where it was not written.")
    after: JSON | None = strawberry.field(description="Its value now, as JSON; null where it is not written.")


@strawberry.type(description="A definition that a document changed.")
class DefinitionChange:
    """One definition of the difference."""

    kind: str = strawberry.field(description="Its kind, like `earn_rule`; `program` for the program's own name.")
    key: str = strawberry.field(description="Its key.")
    change: ChangeKind = strawberry.field(description="What became of it.")
    takes: bool = strawberry.field(
        description="Whether it may take something from members: it ends, or counts otherwise than before. A change of names"
        " and descriptions alone does not."
    )
    fields: list[FieldChange] = strawberry.field(
        description="What differs, in the order of the definition; empty for one that is new or ends."
    )

    @classmethod
    def of(cls, change: Change) -> "DefinitionChange":
        """As clients read it."""
        fields = [FieldChange(path=each.path, before=each.before, after=each.after) for each in change.fields]
        return cls(
            kind=change.kind, key=change.key, change=ChangeKind[change.change], takes=change.takes, fields=fields
        )


@strawberry.input(description="Makes a new program a sandbox.")
class SandboxInput:
    """A test clock to begin with."""

    clock: DateTime | None = strawberry.field(
        default=None, description="Where its test clock begins; the server's time where it is left out."
    )


@strawberry.input(description="A program's document.")
class ApplyProgramInput:
    """A program as one document says it."""

    document: JSON = strawberry.field(description="The whole program, as its YAML would be in JSON.")
    sandbox: SandboxInput | None = strawberry.field(
        default=None, description="For a new program: make it a sandbox. No existing program becomes one."
    )
    dry_run: bool = strawberry.field(
        default=False,
        description="Answer what would change, and do nothing. An idempotency key is neither looked at nor used up.",
    )
    take_back: bool = strawberry.field(
        default=False,
        description="What a definition that counts the past (`counts_from`) gives no more is taken from members; they keep it otherwise.",
    )
    preview: strawberry.ID | None = strawberry.field(
        default=None,
        description="The job of its preview (`previewProgram`), which a document that counts the past needs once there are members.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.type(description="The program is what the document says; after a dry run, would be.")
class ApplyProgramSuccess:
    """What was applied."""

    program: Program = strawberry.field(description="The program as it is now; after a dry run, as it would be.")
    changes: list[DefinitionChange] = strawberry.field(description="What that changed; empty where nothing differed.")
    job: strawberry.ID | None = strawberry.field(
        description="The job that counts members anew, where a definition counts the past: `job` and `jobProgress` follow it."
        " Whoever is touched meanwhile is counted anew at once."
    )
    counts_past: bool = strawberry.field(
        description="Whether members are counted anew, because a definition counts the past; after a dry run, would be."
    )
    replayed: bool = strawberry.field(description=_REPLAYED)

    @classmethod
    def of(cls, applied: Applied) -> "ApplyProgramSuccess":
        """As clients read it."""
        return cls(
            program=Program.of(applied.program, applied.now),
            changes=[DefinitionChange.of(each) for each in applied.changes],
            counts_past=applied.counts_past,
            job=None if applied.job is None else strawberry.ID(str(applied.job)),
            replayed=applied.replayed,
        )


ApplyProgramResult: TypeAlias = Annotated[
    ApplyProgramSuccess
    | InvalidProgramError
    | InvalidInputError
    | NotFoundError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("ApplyProgramResult", description="What became of a document."),
]


@strawberry.input(description="Where a test clock is set.")
class AdvanceTestClockInput:
    """The next instant of a sandbox."""

    to: DateTime = strawberry.field(description="Not before where the clock stands.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.type(description="The test clock is set, and everything due until then is applied.")
class AdvanceTestClockSuccess:
    """Where the clock stands."""

    now: DateTime = strawberry.field(description="Where the clock stands now.")
    members: int = strawberry.field(description="Of how many members something fell due.")
    replayed: bool = strawberry.field(description=_REPLAYED)

    @classmethod
    def of(cls, advanced: Advanced) -> "AdvanceTestClockSuccess":
        """As clients read it."""
        return cls(now=written(advanced.now), members=advanced.members, replayed=advanced.replayed)


AdvanceTestClockResult: TypeAlias = Annotated[
    AdvanceTestClockSuccess | NotASandboxError | InvalidInputError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("AdvanceTestClockResult", description="What became of a test clock."),
]


@strawberry.type
class ProgramsQuery:
    """The fields of the root about programs."""

    @query("The program of this credential.", ANY_CREDENTIAL)
    async def program(self, info: Info) -> Program:
        """One's own program."""
        resources = resources_of(info)
        loaded: Loaded = await resources.read(info.context.principal, resources.programs.load)
        return Program.of(loaded.program, loaded.now)

    @query("What is wrong with definitions in force, by kind and key: conditions that failed at run time.", DEFINITIONS)
    async def definition_problems(self, info: Info) -> list[DefinitionProblem]:
        """What there is to mend."""
        found: list[problems.Problem] = await resources_of(info).read(info.context.principal, problems.of_program)
        return [DefinitionProblem.of(each) for each in found]


@strawberry.type
class ProgramsMutation:
    """The mutations of programs."""

    @mutation("Make a program be what a document says: all of it, or nothing of it.", PROGRAMS_WRITE)
    async def apply_program(
        self,
        info: Info,
        given: Annotated[ApplyProgramInput, strawberry.argument(name="input", description="The document.")],
    ) -> ApplyProgramResult:
        """Apply a document; what is equal stays as it is."""
        principal = info.context.principal
        applied = await programs.apply(
            resources_of(info).database,
            given.document,
            principal=principal.name,
            own=None if principal.kind == "operator" else principal.program,
            sandbox=None if given.sandbox is None else _sandbox(given.sandbox),
            dry_run=given.dry_run,
            take_back=given.take_back,
            preview=None if given.preview is None else job_id_of(given.preview),
            key=given.idempotency_key,
        )
        return ApplyProgramSuccess.of(applied)

    @mutation("Move a sandbox's test clock forward, and apply everything that falls due on the way.", CLOCK_WRITE)
    async def advance_test_clock(
        self,
        info: Info,
        given: Annotated[AdvanceTestClockInput, strawberry.argument(name="input", description="Where to.")],
    ) -> AdvanceTestClockResult:
        """Let time pass."""
        principal = info.context.principal
        resources = resources_of(info)
        advanced = await clock.advance_test_clock(
            resources.database,
            resources.programs,
            principal.program,
            instant(given.to, "to"),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return AdvanceTestClockSuccess.of(advanced)


def _sandbox(given: SandboxInput) -> Sandbox:
    return Sandbox(None if given.clock is None else instant(given.clock, "sandbox.clock"))
