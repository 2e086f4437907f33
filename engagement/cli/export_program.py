"""`engagement export-program`: a program's document, as it could be applied."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from engagement.actions.programs import as_document
from engagement.cli.documents import write_program
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers


def export_program(
    program: Annotated[str, typer.Option("--program", metavar="KEY", help="The program's key.")],
    data: DataOption = None,
) -> None:
    """Print a program as YAML: the definitions in force, by kind and key. To apply it again changes nothing.

    Comments and the order of an applied file are not kept; a test clock is no part of a document.

    Example: engagement export-program --program grocer > grocer.yaml
    """

    async def run(url: str) -> dict[str, Any]:
        async with database(url) as opened:
            found = await program_named(opened, program)
            return await opened.run(as_document, found.id, read_only=True)

    with servers(data) as found:
        write_program(asyncio.run(run(found.database_url)), sys.stdout)
