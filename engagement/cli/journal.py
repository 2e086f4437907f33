"""`engagement journal`: every transfer of points, as an accountant's books take it."""

import asyncio
import csv
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Final, Protocol
from uuid import UUID

import polars as pl
import typer
from msgspec.structs import astuple
from rich.console import Console
from rich.progress import Progress, TaskID

from achievements import periods
from engagement.actions import journal as reading
from engagement.cli.options import DataOption
from engagement.cli.session import database, program_named, servers
from engagement.cli.stopping import Stop
from engagement.records.journal import Entry

_INSTANT: Final = pl.Datetime("us", "UTC")
SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(Entry.__struct_fields__, pl.String),
    **dict.fromkeys(("at", "booked_at", "counts_at"), _INSTANT),
    "points": pl.Int64,
}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a text for a formula."""


class Format(StrEnum):
    """How the journal is written."""

    CSV = "csv"
    PARQUET = "parquet"


class _Book(Protocol):
    def write(self, entries: Sequence[Entry]) -> None: ...

    def close(self) -> None: ...


def journal(
    program: Annotated[str, typer.Option("--program", metavar="KEY", help="The program's key.")],
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="What was booked from this instant on.", show_default="all"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="T", help="What was booked before this instant.", show_default="all")
    ] = None,
    written: Annotated[Format, typer.Option("--format", help="What is written.")] = Format.CSV,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; CSV without it goes to stdout.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Write every transfer of points in the order in which they were booked, each with the account that it leaves (debit) and the one that
    it comes to (credit).

    Instants are RFC 3339, like 2026-11-01T00:00:00Z. A file appears under its name when it is complete.

    Example: engagement journal --program grocer --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z --out october.csv
    """
    begin, end = (None if each is None else _instant(each) for each in (since, until))
    if out is None and written is Format.PARQUET:
        raise Stop("Parquet goes into a file: say which with --out.")

    async def run(url: str) -> int:
        async with database(url) as opened:
            found = await program_named(opened, program)
            with ExitStack() as stack:
                book = _opened(stack, written, out)
                bar = stack.enter_context(Progress(console=Console(stderr=True)))
                task = bar.add_task("Writing")
                count = await reading.read(opened, found.id, begin, end, _keeping(book, bar, task))
                book.close()
            return count

    with servers(data) as found:
        count = asyncio.run(run(found.database_url))
    print(f"{program}: {count:,} transfers{'' if out is None else f' in {out}'}.", file=sys.stderr)


def _instant(text: str) -> datetime:
    try:
        return periods.rfc3339(text)
    except ValueError as error:
        raise Stop(str(error)) from error


def _opened(stack: ExitStack, written: Format, out: Path | None) -> _Book:
    if out is None:
        return _Csv(sys.stdout)
    # Beside it, so that it can be moved to its name, and gone whatever happens.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.absolute().parent)))
    return _CsvFile(folder / "journal", out) if written is Format.CSV else _Parquet(folder, out)


def _keeping(book: _Book, bar: Progress, task: TaskID) -> Any:
    def keep(entries: Sequence[Entry], total: int) -> None:
        book.write(entries)
        bar.update(task, advance=len(entries), total=total)

    return keep


class _Csv:
    """Rows of text; what a spreadsheet would take for a formula begins with an apostrophe."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(SCHEMA)

    def write(self, entries: Sequence[Entry]) -> None:
        self._writer.writerows([_cell(value) for value in astuple(each)] for each in entries)

    def close(self) -> None:
        """Nothing of its own is open."""


class _CsvFile(_Csv):
    def __init__(self, unfinished: Path, out: Path) -> None:
        self._file, self._out = unfinished.open("w", encoding="utf-8", newline=""), out
        super().__init__(self._file)

    def close(self) -> None:
        self._file.close()
        Path(self._file.name).replace(self._out)


class _Parquet:
    """Pieces in a folder, which are put together without all of them being in memory at once."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._out, self._pieces = folder, out, [folder / "0.parquet"]
        pl.DataFrame(schema=SCHEMA).write_parquet(self._pieces[0])

    def write(self, entries: Sequence[Entry]) -> None:
        self._pieces.append(self._folder / f"{len(self._pieces)}.parquet")
        rows = [[str(cell) if isinstance(cell, UUID) else cell for cell in astuple(each)] for each in entries]
        pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(self._pieces[-1])

    def close(self) -> None:
        whole = self._folder / "whole.parquet"
        pl.scan_parquet(self._pieces).sink_parquet(whole)
        whole.replace(self._out)


def _cell(value: object) -> object:
    """As it stands in a cell."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
