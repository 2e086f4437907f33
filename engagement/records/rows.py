"""Many rows in one statement: tuples in Python, arrays on the wire, `unnest` in SQL."""

from collections.abc import Mapping, Sequence

from engagement.records.unit import Unit


class Rows:
    """A shape of rows that is written often: a table's columns with their SQL types, the program's id apart."""

    def __init__(
        self, table: str, columns: Mapping[str, str], conflict: str = "", *, made: Mapping[str, str] | None = None
    ) -> None:
        """`made` are columns that each row gets from an expression of SQL."""
        names = ", ".join(columns)
        casts = ", ".join(f"${position}::{_wire(kind)}[]" for position, kind in enumerate(columns.values(), 2))
        values = ", ".join(
            f"new.{name}::{kind}" if _wire(kind) != kind else f"new.{name}" for name, kind in columns.items()
        )
        self._width = len(columns)
        made = made or {}
        into, given = ", ".join(("program_id", *made, names)), ", ".join(("$1", *made.values(), values))
        self._sql = f"INSERT INTO {table} ({into}) SELECT {given} FROM unnest({casts}) AS new ({names}) {conflict}"

    def insert(self, unit: Unit, rows: Sequence[tuple[object, ...]]) -> None:
        """Write the rows; nothing to write costs nothing."""
        if rows:
            unit.write(self._sql, unit.program, *columns_of(rows, self._width))


def columns_of(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows turned into columns, `width` of them even where there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _wire(kind: str) -> str:
    # asyncpg takes jsonb as text in any case; an array of jsonb would have to quote each document twice.
    return "text" if kind == "jsonb" else kind
