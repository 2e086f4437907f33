"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_DATA = Path(".engagement")
DEFAULT_URL = "http://127.0.0.1:8000/graphql"

DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the embedded PostgreSQL and Valkey. Without it, DATABASE_URL and REDIS_URL are used where they are set.",
        show_default=str(DEFAULT_DATA),
    ),
]
KeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--key", envvar="ENGAGEMENT_KEY", metavar="KEY", help="An API key, or a member's token."),
]
UrlOption: TypeAlias = Annotated[str, typer.Option("--url", metavar="URL", help="Where the service answers.")]
OtherUrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Use the service there, with --key, instead of one of its own."),
]
