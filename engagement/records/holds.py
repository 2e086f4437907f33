"""Holds: points of a member that are set aside for something, up to an instant. All of it under the lock of her state."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Row, Unit

OPEN = "open"
CAPTURED = "captured"
VOIDED = "voided"
EXPIRED = "expired"

Parts: TypeAlias = tuple[tuple[str, int], ...]
"""Points by lot, in the order in which they are spent."""


class Hold(msgspec.Struct, frozen=True):
    """Points of `currency` set aside for `source` from `at` until `until` at the latest, and what became of them.

    `captured` of them were spent, by the decision `fact_id`; the rest was given free again at `ended_at`.
    """

    id: UUID
    member_id: UUID
    currency: str
    points: int
    lots: Parts
    source: str
    at: datetime
    until: datetime
    state: str = OPEN
    captured: int = 0
    ended_at: datetime | None = None
    fact_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still holds them."""
        return self.state == OPEN


_COLUMNS = ", ".join(Hold.__struct_fields__)
_HOLDS = Rows(
    "hold",
    {
        "id": "uuid",
        "member_id": "uuid",
        "currency": "text",
        "points": "bigint",
        "lots": "jsonb",
        "source": "text",
        "at": "timestamptz",
        "until": "timestamptz",
        "state": "text",
        "captured": "bigint",
        "ended_at": "timestamptz",
        "fact_id": "text",
    },
    "ON CONFLICT (program_id, id) DO UPDATE SET state = excluded.state, captured = excluded.captured,"
    " ended_at = excluded.ended_at, fact_id = excluded.fact_id",
)


async def find(unit: Unit, hold_id: UUID) -> Hold | None:
    """The hold of an id, as it was committed last."""
    row = await unit.fetchrow(f"SELECT {_COLUMNS} FROM hold WHERE program_id = $1 AND id = $2", unit.program, hold_id)
    return None if row is None else _hold(row)


async def opened(unit: Unit, until: Sequence[tuple[UUID, datetime | None]]) -> dict[UUID, list[Hold]]:
    """Open holds of locked members that end up to an instant (None: all of them)."""
    if not until:
        return {}
    rows = await unit.fetch(
        f"SELECT {', '.join(f'hold.{name}' for name in Hold.__struct_fields__)}"
        " FROM unnest($2::uuid[], $3::timestamptz[]) AS sweep (member_id, until), LATERAL (SELECT * FROM hold"
        " WHERE hold.program_id = $1 AND hold.member_id = sweep.member_id AND hold.state = 'open'"
        " AND (sweep.until IS NULL OR hold.until <= sweep.until) OFFSET 0) AS hold",
        unit.program,
        *columns_of(until, 2),
    )
    found: dict[UUID, list[Hold]] = {}
    for row in rows:
        found.setdefault(row["member_id"], []).append(_hold(row))
    return found


async def page(
    unit: Unit, member_id: UUID, after: tuple[datetime, UUID] | None, first: int, *, only_open: bool
) -> list[Hold]:
    """A member's holds, the newest first, from the one behind `after` on."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM hold WHERE program_id = $1 AND member_id = $2 AND (state = 'open' OR NOT $3)"
        " AND ($4::timestamptz IS NULL OR (at, id) < ($4, $5::uuid)) ORDER BY at DESC, id DESC LIMIT $6",
        unit.program,
        member_id,
        only_open,
        *(after or (None, None)),
        first,
    )
    return [_hold(row) for row in rows]


async def held_by_lot(unit: Unit, member_ids: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    """How many points of which lot (member, id) the open holds of members say that they hold."""
    rows = await unit.fetch(
        "SELECT member_id, part ->> 0 AS lot, sum((part ->> 1)::bigint)::bigint AS points"
        " FROM hold, jsonb_array_elements(lots) AS part"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND state = 'open' GROUP BY 1, 2",
        unit.program,
        list(member_ids),
    )
    return {(row["member_id"], row["lot"]): row["points"] for row in rows}


async def captures(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, str, int]]:
    """The holds of members that were captured: whose, which, the fact that did it, and how many points."""
    rows = await unit.fetch(
        "SELECT member_id, id, fact_id, captured FROM hold"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND captured > 0 ORDER BY member_id, id",
        unit.program,
        list(member_ids),
    )
    return [tuple(row) for row in rows]


def save(unit: Unit, changed: Iterable[Hold]) -> None:
    """Write holds that were made, or ended."""
    _HOLDS.insert(
        unit,
        [
            (
                each.id,
                each.member_id,
                each.currency,
                each.points,
                msgspec.json.encode(each.lots).decode(),
                each.source,
                each.at,
                each.until,
                each.state,
                each.captured,
                each.ended_at,
                each.fact_id,
            )
            for each in changed
        ],
    )


def _hold(row: Row) -> Hold:
    values = dict(row)
    return Hold(**{**values, "lots": msgspec.json.decode(values["lots"], type=Parts)})
