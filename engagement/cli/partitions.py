"""A file of events cut into parts, each with whole members, so that the parts can be read apart and none need be large."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BufferedIOBase, BufferedReader
from pathlib import Path

import msgspec

from engagement.cli.histories import LINE_BYTES_MAX
from engagement.cli.stopping import Stop

PART_BYTES = 4 * 1024 * 1024
"""About so large is a part, and so what a process holds at a time."""
PARTS_MAX = 256
"""Of one file; so many files are open at once. A part that is still too large is cut again."""
_COMPRESSION = 10
_TELL_LINES = 2_000


class Line(msgspec.Struct, frozen=True):
    """What every line has; the rest of it are properties."""

    event_id: str
    member_id: str
    type: str
    occurred_at: str


_line = msgspec.json.Decoder(Line)


def cut(file: Path, folder: Path, least: int, done: Callable[[int, int], None]) -> list[Path]:
    """The parts of a file, in `folder`: `least` at least. `done` is told how many bytes of the file were read, and how many lines.

    Stop where the file cannot be read, or with the number of the first line that is no event.
    """
    size = file.stat().st_size * (_COMPRESSION if file.suffix == ".gz" else 1)
    parts = _cut(file, folder / "part", max(least, min(PARTS_MAX, size // PART_BYTES)), 0, done)
    whole: list[Path] = []
    while parts:
        part = parts.pop()
        depth = part.name.count("-")
        size = part.stat().st_size
        if size > 4 * PART_BYTES and depth < 3:
            parts += _cut(part, part, min(PARTS_MAX, size // PART_BYTES), depth, _unheard)
            part.unlink()
        elif size:
            whole.append(part)
    # The largest first, so that all processes end at about the same time.
    return sorted(whole, key=lambda part: -part.stat().st_size)


def _cut(file: Path, stem: Path, count: int, depth: int, done: Callable[[int, int], None]) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}-{number}") for number in range(count)]
    with ExitStack() as stack:
        raw = stack.enter_context(file.open("rb"))
        lines = stack.enter_context(_opened(file, raw))
        outputs = [stack.enter_context(path.open("wb")) for path in paths]
        number = 0
        for number, (line, member) in enumerate(_members(file, lines), 1):
            # Another part of the sum each time, or what was together would stay together.
            outputs[zlib.crc32(member.encode(), depth) // (1 << 4 * depth) % count].write(line)
            if number % _TELL_LINES == 0:
                done(raw.tell(), number)
        done(raw.tell(), number)
    return paths


def _opened(file: Path, raw: BufferedReader) -> BufferedIOBase:
    return gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw


def _members(file: Path, lines: BufferedIOBase) -> Iterator[tuple[bytes, str]]:
    """Each line with the member that it is of."""
    number = 0
    try:
        while line := lines.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                raise Stop(f"{file} has a line of more than {LINE_BYTES_MAX} bytes.")
            if not line.isspace():
                yield line if line.endswith(b"\n") else line + b"\n", _line.decode(line).member_id
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Stop(f"{file}, line {number}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise Stop(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _unheard(_size: int, _lines: int) -> None:
    return


def bytes_of(file: Path) -> int:
    """How large a file is; Stop where it is not there."""
    try:
        if not os.access(file, os.R_OK) or not file.is_file():
            raise Stop(f"{file} cannot be read: no such file, or not yours to read.")
        return file.stat().st_size
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}.") from error
