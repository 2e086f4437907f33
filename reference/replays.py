"""One replay: its history through the API, the export, the comparison, and whether everything stored follows from the inputs."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engagement.actions import verify as verifying
from engagement.actions.programs import Programs, Sandbox
from engagement.cli import histories, reversals
from engagement.cli.apply import apply_remotely
from engagement.cli.client import Client
from engagement.cli.documents import program_key, read_program
from engagement.cli.exporting import export_program
from engagement.cli.histories import Told
from engagement.cli.replaying import EPOCH, Replay, renamed
from engagement.cli.session import database, program_named
from engagement.records.unit import Database
from reference import answers
from reference.answers import Verdict
from reference.runs import PROGRAMS, Run
from reference.stand import Stand


@dataclass(frozen=True)
class Row:
    """What came of a replay, or of the refunds after it. `seconds` are those of sending and of moving the clock alone.

    `wrong` says what the service refused, or holds otherwise than it follows from the inputs (of which `discrepancies` tells
    the number).
    """

    name: str
    events: int
    seconds: float
    verdict: Verdict
    discrepancies: int
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether everything was compared, was the same, and follows from the inputs."""
        return self.verdict.passed > 0 and self.verdict.failed == 0 and not self.wrong


def replay(run: Run, reference: Path, on: Stand) -> list[Row]:
    """Replay a run on the stand: a row for it, and one for its refunds. Stop where a file or the service is amiss."""
    file = reference / f"{run.events}.ndjson.gz"
    history = list(histories.read(file))
    if run.newest_first:
        history.reverse()
    document = read_program(PROGRAMS / f"{run.program}.yaml")
    if run.timezone is not None:
        document["program"]["timezone"] = run.timezone
    return asyncio.run(_replayed(run, reference, on, history, renamed(document)))


async def _replayed(run: Run, reference: Path, on: Stand, history: list[Told], document: dict[str, Any]) -> list[Row]:
    name = program_key(document)
    until = run.until or max(told.occurred_at for told in history)
    async with Client(on.url, on.key, name) as client, database(on.database_url) as opened:
        await apply_remotely(client, document, Sandbox(EPOCH))
        look = functools.partial(_looked_at, run, reference, on, opened, name)
        begun, played = time.perf_counter(), Replay(client)
        with _bar() as bar:
            task = bar.add_task(run.name, total=len(history))
            await played.feed(history, until, _advancing(bar, task))
        seconds = time.perf_counter() - begun
        fed = played.fed
        refused = [f"{fed.refused:,} events refused, such as {each}" for each in fed.refusals[:1]]
        rows = [await look(run.name, fed.taken, seconds, refused)]
        if run.refunds:
            listed = reference / "answers" / run.answers / "refund_set.parquet"
            taken_back = reversals.read(listed, reference / f"{run.events}.ndjson.gz", until)
            begun = time.perf_counter()
            statuses = await played.take_back(taken_back)
            seconds = time.perf_counter() - begun
            unapplied = [f"{count} reversals {status}" for status, count in statuses.items() if status != "APPLIED"]
            rows.append(await look(f"{run.name} refunds", len(taken_back), seconds, unapplied))
    return rows


async def _looked_at(
    run: Run,
    reference: Path,
    on: Stand,
    opened: Database,
    program: str,
    name: str,
    events: int,
    seconds: float,
    wrong: list[str],
) -> Row:
    """Export, compare, verify."""
    tables = on.folder / name.replace(" ", "-")
    found = await program_named(opened, program)
    await export_program(opened, found, tables, Console(quiet=True))
    verdict = await asyncio.to_thread(answers.held, run, reference, tables, after_refunds=name != run.name)
    discrepancies = [line async for line in _discrepancies(opened, found.id, name)]
    return Row(name, events, seconds, verdict, len(discrepancies), (*wrong, *discrepancies))


async def _discrepancies(opened: Database, program_id: int, name: str) -> AsyncIterator[str]:
    """What `engagement verify` finds."""
    with _bar() as bar:
        task = bar.add_task(f"{name}, verified", total=None)
        async for progress in verifying.verify(opened, Programs(), program_id):
            bar.update(task, completed=progress.done, total=progress.total)
            for each in progress.discrepancies:
                yield f"{each.member or name}: {each.what}: stored {each.stored}, expected {each.expected}"


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _advancing(bar: Progress, task: TaskID) -> Callable[[int], None]:
    return lambda count: bar.advance(task, count)
