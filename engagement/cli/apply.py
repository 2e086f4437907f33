"""`engagement apply`: make a program be what its document says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.console import Console

from achievements import periods
from engagement.actions import programs
from engagement.actions.programs import Change, Sandbox
from engagement.cli.client import Client
from engagement.cli.documents import program_key, read_program
from engagement.cli.options import DataOption, KeyOption, OtherUrlOption
from engagement.cli.session import database, servers
from engagement.cli.stopping import Stop
from engagement.records.unit import Database

PRINCIPAL = "operator"
"""Who applies a document on the database itself."""

_APPLY = """mutation Apply($input: ApplyProgramInput!) {
  applyProgram(input: $input) {
    __typename
    ... on ApplyProgramSuccess { program { key now } changes { kind key change } }
    ... on InvalidProgramError { mistakes { path message } }
    ... on UserError { code message field }
  }
}"""
_SIGNS = {"CREATED": "[green]+ {}[/]", "CHANGED": "[yellow]~ {}[/]", "REMOVED": "[red]- {}[/]"}

_console = Console(highlight=False)


class Outcome(NamedTuple):
    """What applying a document changed, or would change, and the program's now."""

    changes: tuple[Change, ...]
    now: datetime


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The program as YAML; - for stdin.")] = Path(
        "program.yaml"
    ),
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Make a new program a sandbox, with a test clock.")
    ] = False,
    clock: Annotated[
        str | None, typer.Option("--clock", metavar="T", help="Where the test clock begins; the present without it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and do nothing.")] = False,
    data: DataOption = None,
    url: OtherUrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a program be what its document says: what is equal stays, what differs gets a new version, what is left out ends.

    Prints each change before it is made, and each mistake with its place; a document with mistakes changes nothing. Works on
    the database, as an operator; with --url and --key on a service, as that key may.

    Example: engagement apply examples/grocer.yaml --sandbox --clock 1970-01-01T00:00:00Z
    """
    document = read_program(file)
    if clock is not None and not sandbox:
        raise Stop("Only a sandbox has a test clock: add --sandbox, or leave --clock out.")
    given = Sandbox(None if clock is None else instant(clock, "--clock")) if sandbox else None
    name = program_key(document)

    async def directly(database_url: str) -> None:
        async with database(database_url) as opened:

            async def attempt(dry: bool) -> Outcome:
                applied = await apply_directly(opened, document, given, dry_run=dry)
                return Outcome(applied.changes, applied.now)

            _mind_the_clock(name, given, await _in_turn(name, attempt, dry_run))

    async def remotely(service: str) -> None:
        async with Client(service, key, name) as client:
            outcome = await _in_turn(name, lambda dry: apply_remotely(client, document, given, dry_run=dry), dry_run)
            _mind_the_clock(name, given, outcome)

    if url is not None:
        asyncio.run(remotely(url))
        return
    with servers(data) as found:
        asyncio.run(directly(found.database_url))


def instant(written: str, option: str) -> datetime:
    """An instant of an option; Stop for what is none."""
    try:
        return periods.rfc3339(written)
    except ValueError as error:
        raise Stop(f"{option}: {error}") from error


async def apply_directly(
    opened: Database, document: dict[str, Any], sandbox: Sandbox | None, *, dry_run: bool = False
) -> programs.Applied:
    """Apply a document on the database, as an operator."""
    return await programs.apply(opened, document, principal=PRINCIPAL, own=None, sandbox=sandbox, dry_run=dry_run)


async def apply_remotely(
    client: Client, document: dict[str, Any], sandbox: Sandbox | None, *, dry_run: bool = False
) -> Outcome:
    """Apply a document through a service, as the client's key may."""
    command: dict[str, Any] = {"document": document, "dryRun": dry_run}
    if sandbox is not None:
        command["sandbox"] = {"clock": sandbox.clock}
    result = await client.settle(_APPLY, {"input": command}, "applyProgram")
    return Outcome(
        msgspec.convert(result["changes"], tuple[Change, ...]), msgspec.convert(result["program"]["now"], datetime)
    )


def tell(program: str, changes: Sequence[Change]) -> None:
    """Print the changes that were made, and how many there were."""
    _list(changes)
    _console.print(f"{program}: {_counted(changes)}.")


async def _in_turn(program: str, apply_: Callable[[bool], Awaitable[Outcome]], dry_run: bool) -> Outcome:
    """Print what is about to change, then change it."""
    foreseen = await apply_(True)
    _list(foreseen.changes)
    if dry_run:
        _console.print(f"{program}: {_counted(foreseen.changes)}, were it applied.")
        return foreseen
    applied = await apply_(False)
    if applied.changes != foreseen.changes:
        _console.print("Somebody else changed the program meanwhile; what was applied is:")
        _list(applied.changes)
    _console.print(f"{program}: {_counted(applied.changes)}.")
    return applied


def _mind_the_clock(program: str, wanted: Sandbox | None, outcome: Outcome) -> None:
    """Say where the clock of a sandbox stands that was there before, and so did not begin where it was told to."""
    if wanted is not None and wanted.clock not in (None, outcome.now):
        stands = f"{outcome.now:%Y-%m-%dT%H:%M:%SZ}"
        _console.print(f"{program}: this sandbox was there before; its clock stands at {stands}, not at --clock.")


def _list(changes: Sequence[Change]) -> None:
    for each in changes:
        _console.print(_SIGNS[each.change].format(f"{each.kind} {each.key}"))


def _counted(changes: Sequence[Change]) -> str:
    if not changes:
        return "nothing to change"
    counts = {word: sum(each.change == word for each in changes) for word in _SIGNS}
    return ", ".join(f"{count} {word.lower()}" for word, count in counts.items() if count)
