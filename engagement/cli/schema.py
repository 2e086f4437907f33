"""`engagement schema`: the GraphQL schema as text, and the JSON Schema of a program's document."""

import sys
from typing import Annotated

import msgspec
import typer

from achievements.document_schema import document_schema
from engagement.api.schema import sdl


def schema(
    program: Annotated[
        bool, typer.Option("--program", help="The JSON Schema of a program's document, by which editors check it.")
    ] = False,
) -> None:
    """Print the GraphQL schema; with --program, the JSON Schema of a program's document.

    A document that begins with `# yaml-language-server: $schema=program.schema.json` is completed and checked by editors that
    know YAML.

    Example: engagement schema > schema.graphql

    Example: engagement schema --program > program.schema.json
    """
    if program:
        written = msgspec.json.format(msgspec.json.encode(document_schema()), indent=2).decode()
        sys.stdout.write(f"{written}\n")
    else:
        sys.stdout.write(sdl())
