"""`engagement api-key`: credentials for servers."""

import asyncio
from typing import Annotated

import typer

from engagement.api.principals import SCOPES
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers
from engagement.cli.stopping import Stop
from engagement.records import credentials
from engagement.records.credentials import NO_LIMITS, Limits
from engagement.records.unit import ALL, Database, Unit

api_key = typer.Typer(name="api-key", no_args_is_help=True, rich_markup_mode="markdown")


@api_key.callback()
def _group() -> None:
    """API keys, for servers that use the API.

    Example: engagement api-key create --program grocer --scope members:read
    """


@api_key.command("create")
def create(
    program: Annotated[str | None, typer.Option("--program", metavar="KEY", help="The program it is for.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="SCOPE", help=f"What it allows; repeatable. One of {', '.join(sorted(SCOPES))}."
        ),
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="Allow everything in every program, and new ones.")
    ] = False,
    name: Annotated[str, typer.Option("--name", help="What you will know it by.")] = "made by engagement api-key",
    points_per_adjustment: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many points it may give, take, capture or transfer at a time, with `points:write`.",
        ),
    ] = None,
    points_per_day: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many a day of the program, of each currency."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Make an API key and print it. It is shown this once; only its hash is kept.

    Example: engagement api-key create --program grocer --scope events:write --scope members:read
    """
    scopes = frozenset(scope or ())
    if unknown := scopes - SCOPES:
        raise Stop(f"There is no scope {', '.join(sorted(unknown))}; there are: {', '.join(sorted(SCOPES))}.")
    if operator and (program or scopes or points_per_adjustment or points_per_day):
        raise Stop(
            "An operator's key is for every program and all scopes, without limits: leave the other options out."
        )
    if not operator and (program is None or not scopes):
        raise Stop("Say which program the key is for (--program KEY) and what it allows (--scope S), or --operator.")

    async def run(url: str) -> str:
        async with database(url) as opened:
            return await make_key(opened, program, name, scopes, Limits(points_per_adjustment, points_per_day))

    with servers(data) as found:
        print(asyncio.run(run(found.database_url)))


async def make_key(
    opened: Database, program: str | None, name: str, scopes: frozenset[str], limits: Limits = NO_LIMITS
) -> str:
    """A new API key: of a program, or (None) an operator's. Raises `NotFound` for an unknown program."""
    program_id = None if program is None else (await program_named(opened, program)).id

    async def work(unit: Unit) -> str:
        return await credentials.create(unit, program_id, name, scopes, limits)

    return await opened.run(work, ALL if program_id is None else program_id)
