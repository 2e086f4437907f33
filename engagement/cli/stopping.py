"""How a command ends early: one clear sentence on stderr, exit status 1, no traceback."""

import sys
from typing import NoReturn

import asyncpg
from pydantic import ValidationError

from engagement.embedded import CannotStart
from engagement.errors import InvalidProgram, Refusal


class Stop(Exception):
    """A command cannot go on; the message is the sentence to print, or several lines."""


def end_with(error: Exception) -> NoReturn:
    """Print why a command ended and exit with status 1; what is a defect is raised again."""
    lines = sentences(error)
    if lines is None:
        raise error
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1)


def sentences(error: Exception) -> list[str] | None:
    """What to tell the user about an error, line by line; None for a defect."""
    match error:
        case ExceptionGroup():
            return sentences(error.exceptions[0])
        case InvalidProgram():
            return [f"{each.path}: {each.message}" for each in error.mistakes]
        case Refusal():
            return [f"{error.field}: {error.message}" if error.field else error.message]
        case Stop() | CannotStart():
            return [str(error)]
        case ValidationError(title="Settings"):
            return [f"{str(each['loc'][0]).upper()}: {each['msg']}." for each in error.errors()]
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError():
            return [f"The database lacks the schema of this version ({error}): run `engagement migrate` first."]
        case asyncpg.PostgresError():
            return [f"PostgreSQL refused: {error}"]
        case Exception(__cause__=asyncpg.PostgresError() as cause):
            # Tortoise wraps what its own queries meet.
            return sentences(cause)
    return None
