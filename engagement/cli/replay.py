"""`engagement replay`: a history through the API into a fresh sandbox, and what came of it as tables."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from engagement.actions.programs import Sandbox
from engagement.cli import histories, reversals
from engagement.cli.api_key import make_key
from engagement.cli.apply import apply_directly, apply_remotely, instant
from engagement.cli.client import Client
from engagement.cli.documents import program_key, read_program
from engagement.cli.exporting import export_program
from engagement.cli.feeding import progress_bar
from engagement.cli.hosting import hosted
from engagement.cli.options import DataOption, KeyOption, OtherUrlOption
from engagement.cli.replaying import EPOCH, Replay, renamed
from engagement.cli.reversals import Reversal
from engagement.cli.session import database, program_named, servers
from engagement.cli.stopping import Stop

_console = Console(stderr=True, highlight=False)


def replay(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM.yaml", help="The program.")],
    events: Annotated[Path, typer.Argument(metavar="EVENTS.ndjson[.gz]", help="The history, in order of delivery.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Leave out what happened after T, where the clock ends.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write the tables as of T there.")
    ] = None,
    reverse: Annotated[
        Path | None,
        typer.Option(
            "--reverse",
            metavar="FILE",
            help="At T take back the events listed there: one id a line, or Parquet with a column `event_id`.",
        ),
    ] = None,
    data: DataOption = None,
    url: OtherUrlOption = None,
    key: KeyOption = None,
) -> None:
    """Feed a history of events through the API into a sandbox of its own, and write what came of it as Parquet files.

    A batch is sent, then the sandbox's clock is moved to its latest instant (received_at where the file has it), and at the end
    to T, where the events of --reverse are taken back in the order of their list. Each run makes a new program, named after
    the YAML's with a random ending. Without --url it starts a service of its own; with it, --key is an operator's, and
    --export still reads the database. EVENTS has one JSON object a line, whose further keys are properties (docs/backtests.md):
    {"event_id": "p1", "member_id": "ann", "type": "purchase", "occurred_at": "2026-03-02T10:15:00+01:00", "amount": "12.50"}

    Example: engagement replay examples/grocer.yaml events.ndjson.gz --until 2018-01-01T04:59:59Z --export tables/
    """
    document = renamed(read_program(program))
    name = program_key(document)
    end = None if until is None else instant(until, "--until")
    if url is not None and key is None:
        raise Stop("--url needs --key with an operator's key (engagement api-key create --operator).")
    lines = histories.lines_in(events)
    taken_back = [] if reverse is None else reversals.read(reverse, events, end)
    with ExitStack() as stack:
        # A service elsewhere is read through its database alone, and only for the tables.
        found = stack.enter_context(servers(data)) if url is None or export is not None else None
        at, credential = url, key
        if at is None:
            assert found is not None
            credential = asyncio.run(_prepare(found.database_url, document))
            at = stack.enter_context(hosted(found)).url
        asyncio.run(_feed(at, credential, document if url is not None else None, name, events, lines, end, taken_back))
        if export is not None and found is not None:
            asyncio.run(_export(found.database_url, name, export))


async def _prepare(url: str, document: dict[str, Any]) -> str:
    """Make the sandbox, and a key for it alone."""
    async with database(url) as opened:
        await apply_directly(opened, document, Sandbox(EPOCH))
        return await make_key(opened, program_key(document), "replay", frozenset({"events:write", "clock:write"}))


async def _feed(
    url: str,
    key: str | None,
    document: dict[str, Any] | None,
    program: str,
    events: Path,
    lines: int,
    end: datetime | None,
    taken_back: Sequence[Reversal],
) -> None:
    async with Client(url, key, program) as client:
        if document is not None:
            await apply_remotely(client, document, Sandbox(EPOCH))
        replay = Replay(client)
        with progress_bar() as bar:
            task = bar.add_task(program, total=lines)
            await replay.feed(histories.read(events), end, lambda count: bar.advance(task, count))
        statuses = await replay.take_back(taken_back) if taken_back else Counter[str]()
    fed = replay.fed
    _console.print(
        f"{program}: {fed.taken:,} events taken, {fed.replayed:,} of them repeated; {fed.refused:,} refused."
    )
    if taken_back:
        counts = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
        _console.print(f"{program}: {len(taken_back):,} events to take back: {counts}.")
    for refusal in fed.refusals:
        _console.print(f"  refused {refusal}", markup=False, soft_wrap=True)


async def _export(url: str, program: str, folder: Path) -> None:
    async with database(url) as opened:
        await export_program(opened, await program_named(opened, program), folder, _console)
