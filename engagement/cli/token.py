"""`engagement token`: a member's token, for trying things out."""

import asyncio
from typing import Annotated

import typer

from engagement.actions.tokens import LIFE_MINUTES_MAX, mint
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers


def token(
    program: Annotated[str, typer.Option("--program", metavar="KEY", help="The program's key.")],
    member: Annotated[str, typer.Option("--member", metavar="ID", help="The app's own id of the member.")],
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=LIFE_MINUTES_MAX, help="How long it is good.")
    ] = LIFE_MINUTES_MAX,
    data: DataOption = None,
) -> None:
    """Print a JWT by which a member reads her own data. In production, your own server signs these.

    Example: engagement query --key "$(engagement token --program grocer --member H0012)"
    """

    async def run(url: str) -> str:
        async with database(url) as opened:
            return mint(await program_named(opened, program), member, minutes)

    with servers(data) as found:
        print(asyncio.run(run(found.database_url)))
