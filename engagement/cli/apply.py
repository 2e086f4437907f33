"""`engagement apply`: make a program be what its document says."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from achievements import periods
from engagement.actions import programs
from engagement.actions.plans import Change
from engagement.actions.programs import Sandbox
from engagement.cli.client import Client
from engagement.cli.documents import program_key, read_program
from engagement.cli.options import DataOption, KeyOption, OtherUrlOption
from engagement.cli.previewing import preview_directly, preview_remotely
from engagement.cli.session import database, servers
from engagement.cli.stopping import Stop
from engagement.records.unit import Database

PRINCIPAL = "operator"
"""Who applies a document on the database itself."""

_APPLY = """mutation Apply($input: ApplyProgramInput!) {
  applyProgram(input: $input) {
    __typename
    ... on ApplyProgramSuccess { job countsPast program { key now } changes { kind key change fields { path before after } } }
    ... on InvalidProgramError { mistakes { path message } }
    ... on UserError { code message field }
  }
}"""
_SIGNS = {"CREATED": ("+", "green"), "CHANGED": ("~", "yellow"), "REMOVED": ("-", "red")}
VALUE_CHARACTERS_MAX = 160
"""Of a value in a difference; what is longer is cut."""

_console = Console(highlight=False, soft_wrap=True)


class Outcome(NamedTuple):
    """What applying a document changed, or would change, the program's now, and the job that counts members anew."""

    changes: tuple[Change, ...]
    now: datetime
    job: UUID | None = None
    counts_past: bool = False


class Wanted(NamedTuple):
    """What a caller of the command wants done."""

    program: str
    document: dict[str, Any]
    sandbox: Sandbox | None
    dry_run: bool
    yes: bool
    take_back: bool


class Options(TypedDict, total=False):
    """How a document is applied."""

    dry_run: bool
    take_back: bool
    preview: UUID | None


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The program as YAML; - for stdin.")] = Path(
        "program.yaml"
    ),
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Make a new program a sandbox, with a clock.")] = False,
    clock: Annotated[
        str | None, typer.Option("--clock", metavar="T", help="Where the test clock begins; the present without it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and do nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Apply also what ends a definition, or changes what one counts.")
    ] = False,
    take_back: Annotated[bool, typer.Option("--take-back", help="Take what counts_from gives no more.")] = False,
    data: DataOption = None,
    url: OtherUrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a program be what its document says: what is equal stays, what differs gets a new version, what is left out ends.

    Prints each change before it is made, field by field, and each mistake with its place; a document with mistakes changes
    nothing. What may take something from members (a definition that ends, or counts otherwise than before) is applied with
    --yes alone. By `counts_from` the worker counts everybody anew; what members would have no more they keep, but with
    --take-back. Works on the database, as an operator; with --url and --key on a service, as that key may.

    Example: engagement apply examples/grocer.yaml --sandbox --clock 1970-01-01T00:00:00Z
    """
    document = read_program(file)
    if clock is not None and not sandbox:
        raise Stop("Only a sandbox has a test clock: add --sandbox, or leave --clock out.")
    given = Sandbox(None if clock is None else instant(clock, "--clock")) if sandbox else None
    name = program_key(document)

    wanted = Wanted(name, document, given, dry_run, yes, take_back)
    if url is not None:
        asyncio.run(_remotely(url, key, wanted))
        return
    with servers(data) as found:
        asyncio.run(_directly(found.database_url, wanted))


async def _directly(database_url: str, wanted: Wanted) -> None:
    async with database(database_url) as opened:

        async def attempt(dry: bool, preview: UUID | None) -> programs.Applied:
            options: Options = {"dry_run": dry, "take_back": wanted.take_back, "preview": preview}
            return await apply_directly(opened, wanted.document, wanted.sandbox, **options)

        await _in_turn(wanted, attempt, lambda: preview_directly(opened, wanted.program, wanted.document))


async def _remotely(service: str, key: str | None, wanted: Wanted) -> None:
    async with Client(service, key, wanted.program) as client:

        async def attempt(dry: bool, preview: UUID | None) -> Outcome:
            options: Options = {"dry_run": dry, "take_back": wanted.take_back, "preview": preview}
            return await apply_remotely(client, wanted.document, wanted.sandbox, **options)

        await _in_turn(wanted, attempt, lambda: preview_remotely(client, wanted.program, wanted.document))


def instant(written: str, option: str) -> datetime:
    """An instant of an option; Stop for what is none."""
    try:
        return periods.rfc3339(written)
    except ValueError as error:
        raise Stop(f"{option}: {error}") from error


async def apply_directly(
    opened: Database,
    document: dict[str, Any],
    sandbox: Sandbox | None,
    **options: Unpack[Options],
) -> programs.Applied:
    """Apply a document on the database, as an operator."""
    return await programs.apply(opened, document, principal=PRINCIPAL, own=None, sandbox=sandbox, **options)


async def apply_remotely(
    client: Client,
    document: dict[str, Any],
    sandbox: Sandbox | None,
    **options: Unpack[Options],
) -> Outcome:
    """Apply a document through a service, as the client's key may."""
    command: dict[str, Any] = {"document": document, "dryRun": options.get("dry_run", False)}
    command["takeBack"] = options.get("take_back", False)
    if preview := options.get("preview"):
        command["preview"] = str(preview)
    if sandbox is not None:
        command["sandbox"] = {"clock": sandbox.clock}
    result = await client.settle(_APPLY, {"input": command}, "applyProgram")
    changes = msgspec.convert(result["changes"], tuple[Change, ...])
    job = None if result["job"] is None else UUID(result["job"])
    return Outcome(changes, msgspec.convert(result["program"]["now"], datetime), job, result["countsPast"])


def tell(program: str, changes: Sequence[Change]) -> None:
    """Print the changes that were made, and how many there were."""
    _list(changes)
    _console.print(f"{program}: {_counted(changes)}.")


async def _in_turn(
    wanted: Wanted,
    attempt: Callable[[bool, UUID | None], Awaitable[Outcome | programs.Applied]],
    preview: Callable[[], Awaitable[UUID]],
) -> None:
    """Print what is about to change, then change it; Stop where it takes something away and nobody said yes to that."""
    program = wanted.program
    foreseen = await attempt(True, None)
    _list(foreseen.changes)
    seen = await preview() if foreseen.counts_past else None
    if wanted.dry_run:
        _console.print(f"{program}: {_counted(foreseen.changes)}, were it applied.")
        _mind_the_clock(program, wanted.sandbox, foreseen)
        return
    taking = [f"{each.kind} {each.key}" for each in foreseen.changes if each.takes]
    if taking and not wanted.yes:
        raise Stop(
            f"{program}: nothing is applied: this may take something from members ({', '.join(taking)})."
            " Add --yes to apply it."
        )
    applied = await attempt(False, seen)
    if applied.changes != foreseen.changes:
        _console.print("Somebody else changed the program meanwhile; what was applied is:")
        _list(applied.changes)
    _console.print(f"{program}: {_counted(applied.changes)}.")
    if applied.job is not None:
        _console.print(f"The worker counts every member anew: job {applied.job}.")
    _mind_the_clock(program, wanted.sandbox, applied)


def _mind_the_clock(program: str, wanted: Sandbox | None, outcome: Outcome | programs.Applied) -> None:
    """Say where the clock of a sandbox stands that was there before, and so did not begin where it was told to."""
    if wanted is not None and wanted.clock not in (None, outcome.now):
        stands = f"{outcome.now:%Y-%m-%dT%H:%M:%SZ}"
        _console.print(f"{program}: this sandbox was there before; its clock stands at {stands}, not at --clock.")


def _list(changes: Sequence[Change]) -> None:
    """Print each definition that differs, and each of its fields; in colour where somebody looks."""
    for each in changes:
        sign, colour = _SIGNS[each.change]
        _console.print(Text(f"{sign} {each.kind} {each.key}", style=colour))
        for field in each.fields:
            before, after = _shown(field.before), _shown(field.after)
            _console.print(Text.assemble(f"    {field.path}: ", (before, "red"), " → ", (after, "green")))


def _shown(value: object) -> str:
    """A value on one line, with nothing in it that a terminal would obey."""
    if value is None:
        return "(none)"
    written = msgspec.json.encode(value).decode()
    if not written.isprintable():
        written = json.dumps(value)
    return written if len(written) <= VALUE_CHARACTERS_MAX else f"{written[: VALUE_CHARACTERS_MAX - 1]}…"


def _counted(changes: Sequence[Change]) -> str:
    if not changes:
        return "nothing to change"
    counts = {word: sum(each.change == word for each in changes) for word in _SIGNS}
    return ", ".join(f"{count} {word.lower()}" for word, count in counts.items() if count)
