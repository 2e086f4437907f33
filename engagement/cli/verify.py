"""`engagement verify`: is what is stored what the inputs say?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from engagement.actions import verify as verifying
from engagement.actions.programs import Programs
from engagement.actions.verify import Discrepancy, Progress
from engagement.cli.options import DataOption
from engagement.cli.session import database, servers
from engagement.cli.stopping import Stop
from engagement.records import programs
from engagement.records.unit import ALL, Database

SHOWN_MAX = 50
"""Differences that are printed; all are counted."""

ProgramOption: TypeAlias = Annotated[str, typer.Option("--program", metavar="KEY", help="The program to look at.")]
Walk: TypeAlias = Callable[[Database, Programs, int], AsyncIterator[Progress]]


def verify(program: ProgramOption, data: DataOption = None) -> None:
    """Fold every member again and compare with what is stored: states, outcomes, lots, wallets, transfers and feeds.

    Runs beside a working service. Prints each difference; the exit status is 1 where there is any.

    Example: engagement verify --program grocer
    """
    found = walk_members(program, data, verifying.verify, "Verifying")
    if found:
        raise typer.Exit(1)


def walk_members(program: str, data: DataOption, walk: Walk, doing: str) -> int:
    """Go through the members of a program with a progress bar, and print what differs; how much did."""
    with servers(data) as found:
        return asyncio.run(_walked(found.database_url, program, walk, doing))


async def _walked(url: str, key: str, walk: Walk, doing: str) -> int:
    console, count = Console(stderr=True), 0
    async with database(url) as opened:
        program = await opened.run(lambda unit: programs.find(unit, key), ALL, read_only=True)
        if program is None:
            raise Stop(f"There is no program `{key}`.")
        with Bar(console=console) as bar:
            task = bar.add_task(doing)
            done = 0
            async for progress in walk(opened, Programs(), program.id):
                bar.update(task, completed=progress.done, total=progress.total)
                for each in progress.discrepancies[: max(SHOWN_MAX - count, 0)]:
                    bar.console.print(_line(each), highlight=False, markup=False)
                count, done = count + len(progress.discrepancies), progress.done
        differing = "no difference" if not count else f"{count:,} difference{'s' * (count > 1)}"
        print(f"{key}: {done:,} members, {differing}.")
    return count


def _line(each: Discrepancy) -> str:
    whose = "" if each.member is None else f"{each.member}: "
    return f"{whose}{each.what}: stored {each.stored}, expected {each.expected}"
