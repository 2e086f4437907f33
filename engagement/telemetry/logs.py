"""Log lines: for people on a terminal, one JSON object a line everywhere else.

What is kept in files must hold no personal data. Our own lines name requests, programs, counts and durations only; an error
is the danger, for its message may quote what a client sent or what a row holds. So where lines are kept, an error is told by
its type, its PostgreSQL state and the places in the code that it came through, without its message.
"""

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import msgspec
import structlog

Level = Literal["debug", "info", "warning", "error"]

_FRAMES_MAX: Final = 30
_CAUSES_MAX: Final = 5
_OURS: Final = ("engagement", "uvicorn")
"""Loggers whose messages hold nothing but numbers, ids and addresses of our own."""
_IDS: Final = ("error_id", "request_id")

_log = structlog.get_logger(__name__)


def configure(stream: TextIO, level: Level) -> None:
    """Send everything that is logged in this process, by structlog and by the standard library, to `stream`."""
    number = logging.getLevelNamesMapping()[level.upper()]
    for_people = stream.isatty()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            *([renderer] if for_people else [_without_messages, structlog.processors.JSONRenderer(_json)]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    # Libraries tell too much of their daily business below a warning.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[_Forward()], force=True)


def unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waited for: an event loop's exception handler. Its own would print tasks with all that they hold."""
    _log.error("an error was never looked at", said=context["message"], exc_info=context.get("exception"))


class _Forward(logging.Handler):
    """The standard library's records on their way to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # A foreign record is told without its arguments, which may be anybody's.
        ours = record.name.split(".")[0] in _OURS
        known = {name: getattr(record, name) for name in _IDS if hasattr(record, name)}
        _log.log(
            record.levelno,
            record.getMessage().strip() if ours else str(record.msg),
            logger=record.name,
            **({"exc_info": record.exc_info} if record.exc_info else {}),
            **known,
        )


def _without_messages(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    shown = line.pop("exc_info", None)
    error = sys.exception() if shown is True else shown[1] if isinstance(shown, tuple) else shown
    if isinstance(error, BaseException):
        line["error"] = _causes(error)
    return line


def _causes(error: BaseException) -> list[dict[str, Any]]:
    """The error and what it came from, outermost first."""
    found: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(found) < _CAUSES_MAX:
        kind = type(current)
        told = {"type": f"{kind.__module__}.{kind.__qualname__}", "at": _frames(current.__traceback__)}
        state = getattr(current, "sqlstate", None)
        found.append({**told, "sqlstate": state} if isinstance(state, str) else told)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_qualname}"
        for frame, line in walk_tb(traceback)
    ]
    return frames[-_FRAMES_MAX:]


def _json(line: object, **_: object) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()
