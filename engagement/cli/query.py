"""`engagement query`: ask a running service."""

import asyncio
import sys
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.console import Console

from engagement.cli import screen
from engagement.cli.client import Client, told
from engagement.cli.options import DEFAULT_URL, KeyOption, UrlOption
from engagement.cli.stopping import Stop


def query(
    document: Annotated[str | None, typer.Argument(help="A GraphQL document; - for stdin.")] = None,
    member: Annotated[
        str | None, typer.Option("--member", metavar="ID", help="Show this member's screen, with an API key.")
    ] = None,
    variables: Annotated[str, typer.Option("--variables", metavar="JSON", help="The document's variables.")] = "{}",
    program: Annotated[
        str | None, typer.Option("--program", metavar="KEY", help="The program, for an operator's key.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = None,
) -> None:
    """Ask a running service: a member's screen, or any GraphQL document, whose reply is printed as JSON.

    Without a document and without --member it shows the screen of whoever the token given as --key is for.

    Example: engagement query '{ leaderboard(key: "all-time") { entries { rank member score } } }' --key ek_…

    Example: engagement query --member H0012 --key ek_…
    """
    if document is not None and member is not None:
        raise Stop("Give a document or --member, not both.")
    with_variables = _object(variables)

    async def run() -> dict[str, Any]:
        async with Client(url, key, program) as client:
            if document is not None:
                text = sys.stdin.read() if document == "-" else document
                return await client.exchange(text, with_variables)
            shown = await client.ask(
                *((screen.OF_A_TOKEN,) if member is None else (screen.OF_A_KEY, {"member": member}))
            )
            (found,) = shown.values()
            return cast("dict[str, Any]", found)

    answer = asyncio.run(run())
    if document is None:
        screen.show(answer, Console(markup=False))
        return
    if "data" in answer:
        print(msgspec.json.format(msgspec.json.encode(answer["data"])).decode())
    if errors := answer.get("errors"):
        raise Stop(told(errors, key))


def _object(written: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Stop(f"--variables: expected a JSON object: {error}") from error
