"""Files of events: NDJSON, one object a line, plain or gzipped.

Every key but `event_id`, `member_id`, `type`, `occurred_at` and `received_at` is a property.
"""

import gzip
from collections.abc import Iterator
from datetime import datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from achievements import periods
from engagement.cli.feeding import Event
from engagement.cli.stopping import Stop

LINE_BYTES_MAX = 1024 * 1024

_OURS = ("event_id", "member_id", "type", "occurred_at", "received_at")


class Told(NamedTuple):
    """An event of a file, when it happened, and when it was told: `received_at` where the file has it."""

    event: Event
    occurred_at: datetime
    known_at: datetime


def lines_in(file: Path) -> int:
    """How many lines the file has; Stop where it cannot be read."""
    return sum(1 for _ in _lines(file))


def read(file: Path) -> Iterator[Told]:
    """The events of a file in its order; Stop with the number of the line that is none."""
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            written = msgspec.json.decode(line)
            yield _told(written)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise Stop(f"{file}, line {number}: {error}") from error


def _told(written: Any) -> Told:
    if not isinstance(written, dict):
        raise ValueError("expected an object with the keys event_id, member_id, type and occurred_at")
    missing = [key for key in _OURS[:4] if not isinstance(written.get(key), str)]
    if missing:
        raise ValueError(f"`{missing[0]}` is missing, or is no string")
    event_id, member, kind, occurred_at, received_at = (written.get(key) for key in _OURS)
    event = {
        "id": event_id,
        "member": member,
        "type": kind,
        "occurredAt": occurred_at,
        "properties": {key: value for key, value in written.items() if key not in _OURS},
    }
    occurred = periods.rfc3339(str(occurred_at))
    return Told(event, occurred, occurred if received_at is None else periods.rfc3339(str(received_at)))


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with _opened(file) as lines:
            while line := lines.readline(LINE_BYTES_MAX + 1):
                if len(line) > LINE_BYTES_MAX:
                    raise Stop(f"{file} has a line of more than {LINE_BYTES_MAX} bytes.")
                yield line
    except (OSError, EOFError) as error:
        raise Stop(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _opened(file: Path) -> BufferedIOBase:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")
