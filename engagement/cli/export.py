"""`engagement export`: a program's tables as Parquet files."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from engagement.cli.exporting import export_program
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers


def export(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; made if missing.")],
    program: Annotated[str, typer.Option("--program", metavar="KEY", help="The program's key.")],
    data: DataOption = None,
) -> None:
    """Write what a program knows as of now, or of its test clock, as Parquet files: balances, transactions, streaks,
    challenges, badges, leaderboards, and what rolls forward from month to month.

    Example: engagement export --program grocer tables/
    """

    async def run(url: str) -> None:
        async with database(url) as opened:
            await export_program(opened, await program_named(opened, program), to, Console(stderr=True))

    with servers(data) as found:
        asyncio.run(run(found.database_url))
