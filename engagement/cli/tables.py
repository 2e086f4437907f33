"""The tables of the analytics export as Parquet files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from achievements.accounting import Figures
from engagement.actions.export import Cells, Exported, Table

_INSTANT: Final = pl.Datetime("us", "UTC")
_POINTS: Final = (
    *("earned", "reversed", "spent", "expired", "balance", "pending", "held", "debt", "adjusted", "transferred"),
)

SCHEMAS: Final[Mapping[Table, Mapping[str, Any]]] = {
    Table.BALANCES: {"member_id": pl.String, "currency": pl.String, **dict.fromkeys(_POINTS, pl.Int64)},
    Table.TRANSACTIONS: {
        "id": pl.String,
        "member_id": pl.String,
        "currency": pl.String,
        "kind": pl.String,
        "points": pl.Int64,
        "at": _INSTANT,
        "event_id": pl.String,
        "source": pl.String,
    },
    Table.STREAKS: {
        "streak": pl.String,
        "member_id": pl.String,
        "current": pl.Int64,
        "longest": pl.Int64,
        "freezes_used": pl.Int64,
    },
    Table.CHALLENGES: {
        "challenge": pl.String,
        "member_id": pl.String,
        "period": pl.String,
        "completed_at": _INSTANT,
        "event_id": pl.String,
    },
    Table.BADGES: {
        "badge": pl.String,
        "level": pl.String,
        "member_id": pl.String,
        "awarded_at": _INSTANT,
        "event_id": pl.String,
    },
    Table.LEADERBOARDS: {
        "leaderboard": pl.String,
        "period": pl.String,
        "member_id": pl.String,
        "rank": pl.Int64,
        "score": pl.Int64,
        "reached_at": _INSTANT,
        "group": pl.String,
    },
    Table.TIERS: {"ladder": pl.String, "member_id": pl.String, "tier": pl.String, "qualifying": pl.Int64},
    Table.TIER_CHANGES: {
        "ladder": pl.String,
        "member_id": pl.String,
        "changed_at": _INSTANT,
        "from_tier": pl.String,
        "to_tier": pl.String,
        "qualifying": pl.Int64,
    },
    Table.DECISIONS: {
        "id": pl.String,
        "member_id": pl.String,
        "kind": pl.String,
        "rule": pl.String,
        "currency": pl.String,
        "points": pl.Int64,
        "at": _INSTANT,
        "event_id": pl.String,
        "decided_at": _INSTANT,
        "times": pl.Int64,
    },
    Table.ROLLFORWARD: {
        "currency": pl.String,
        "period": pl.String,
        **dict.fromkeys(("opening", *Figures.__struct_fields__, "closing"), pl.Int64),
    },
}


def frame(table: Table, rows: Cells) -> pl.DataFrame:
    """Rows of a table, packed."""
    return pl.DataFrame(rows, schema=SCHEMAS[table], orient="row")


def write(exported: Exported[pl.DataFrame], folder: Path) -> dict[Table, int]:
    """Write every table into `folder` (made if missing), also the empty ones; how many rows each has.

    A file appears under its name when it is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {table: _write(table, exported.pieces[table], folder) for table in Table}


def _write(table: Table, pieces: Sequence[pl.DataFrame], folder: Path) -> int:
    whole = pl.concat(pieces) if pieces else frame(table, [])
    unfinished = folder / f".{table}.parquet.unfinished"
    whole.write_parquet(unfinished)
    unfinished.replace(folder / f"{table}.parquet")
    return whole.height
