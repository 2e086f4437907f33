"""`engagement apply`: make a program be what its document says."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

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
    data: DataOption = None,
    url: OtherUrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a program be what its document says: what is equal stays, what differs gets a new version, what is left out ends.

    Prints each change, and each mistake with its place; a document with mistakes changes nothing. Works on the database, as
    an operator; with --url and --key on a service, as that key may.

    Example: engagement apply examples/grocer.yaml --sandbox --clock 1970-01-01T00:00:00Z
    """
    document = read_program(file)
    if clock is not None and not sandbox:
        raise Stop("Only a sandbox has a test clock: add --sandbox, or leave --clock out.")
    begins = None if clock is None else instant(clock, "--clock")
    if url is not None:
        applied = asyncio.run(_remotely(url, key, document, Sandbox(begins) if sandbox else None))
    else:
        with servers(data) as found:
            applied = asyncio.run(_directly(found.database_url, document, Sandbox(begins) if sandbox else None))
    tell(program_key(document), applied)


def instant(written: str, option: str) -> datetime:
    """An instant of an option; Stop for what is none."""
    try:
        return periods.rfc3339(written)
    except ValueError as error:
        raise Stop(f"{option}: {error}") from error


async def apply_directly(opened: Database, document: dict[str, Any], sandbox: Sandbox | None) -> programs.Applied:
    """Apply a document on the database, as an operator."""
    return await programs.apply(opened, document, principal=PRINCIPAL, own=None, sandbox=sandbox)


async def apply_remotely(client: Client, document: dict[str, Any], sandbox: Sandbox | None) -> tuple[Change, ...]:
    """Apply a document through a service, as the client's key may; the changes that made."""
    command: dict[str, Any] = {"document": document}
    if sandbox is not None:
        command["sandbox"] = {"clock": sandbox.clock}
    result = await client.settle(_APPLY, {"input": command}, "applyProgram")
    return msgspec.convert(result["changes"], tuple[Change, ...])


def tell(program: str, changes: Sequence[Change]) -> None:
    """Print a list of changes."""
    console = Console(highlight=False)
    for each in changes:
        console.print(_SIGNS[each.change].format(f"{each.kind} {each.key}"))
    console.print(f"{program}: {_counted(changes)}.")


def _counted(changes: Sequence[Change]) -> str:
    if not changes:
        return "nothing to change"
    counts = {word: sum(each.change == word for each in changes) for word in _SIGNS}
    return ", ".join(f"{count} {word.lower()}" for word, count in counts.items() if count)


async def _directly(url: str, document: dict[str, Any], sandbox: Sandbox | None) -> tuple[Change, ...]:
    async with database(url) as opened:
        return (await apply_directly(opened, document, sandbox)).changes


async def _remotely(url: str, key: str | None, document: dict[str, Any], sandbox: Sandbox | None) -> tuple[Change, ...]:
    async with Client(url, key, program_key(document)) as client:
        return await apply_remotely(client, document, sandbox)
