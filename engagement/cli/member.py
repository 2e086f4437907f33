"""`engagement member`: what is kept on one person, and how she is forgotten."""

import asyncio
import sys
from typing import Annotated

import msgspec
import typer

from engagement.actions import erasing, exporting_members
from engagement.actions.programs import Programs
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers

member = typer.Typer(name="member", no_args_is_help=True, rich_markup_mode="markdown")

_Member = Annotated[str, typer.Argument(metavar="MEMBER", help="The app's own id of the member.")]
_Program = Annotated[str, typer.Option("--program", metavar="KEY", help="The program's key.")]


@member.callback()
def _group() -> None:
    """Export all that is kept on a member, or erase her.

    Example: engagement member export ada --program grocer > ada.ndjson
    """


@member.command("export")
def export_member(member: _Member, program: _Program, data: DataOption = None) -> None:
    """Write all that is kept on a member to stdout: a JSON object a line, with its `table` and the `row`.

    Example: engagement member export ada --program grocer > ada.ndjson
    """

    async def run(url: str) -> int:
        count = 0
        async with database(url) as opened:
            found = await program_named(opened, program)
            async for each in exporting_members.everything(opened, found.id, member):
                line = {"table": each.place.table, "row": msgspec.Raw(each.row.encode())}
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
                count += 1
        return count

    with servers(data) as found:
        count = asyncio.run(run(found.database_url))
    print(f"{program}: {count:,} rows of one member.", file=sys.stderr)


@member.command("erase")
def erase_member(member: _Member, program: _Program, data: DataOption = None) -> None:
    """Erase a member for good: her points end, and a running worker removes the person from all that was kept on her.

    Asked again, it says how far that is.

    Example: engagement member erase ada --program grocer
    """

    async def run(url: str) -> erasing.Erased:
        async with database(url) as opened:
            found = await program_named(opened, program)
            return await erasing.erase(opened, Programs(), found.id, member)

    with servers(data) as found:
        erased = asyncio.run(run(found.database_url))
    state = "nothing of the person is left" if erased.done else "a worker is removing the person"
    print(f"{program}: erased; the books have {erased.member}, and {state}.")
