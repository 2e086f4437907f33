"""All that is kept on a member, row by row as it is stored, for herself to read: each table in its order, a page at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from engagement.records.unit import Unit

EXPORTED: Mapping[str, Mapping[str, str]] = {
    "member": {"id": "uuid"},
    "member_state": {"member_id": "uuid"},
    "consent": {"purpose": "text", "n": "int"},
    "event": {"id": "text"},
    "amendment": {"event_id": "text", "n": "int"},
    "fact": {"id": "text"},
    "wallet": {"currency": "text"},
    "lot": {"id": "text"},
    "hold": {"id": "uuid"},
    "transfer": {"id": "uuid"},
    "completion": {"challenge": "text", "period": "text"},
    "badge_award": {"badge": "text", "level": "text"},
    "tier_change": {"ladder": "text", "changed_at": "timestamptz", "event_id": "text"},
    "reward_given": {"reward": "text"},
    "redemption": {"id": "uuid"},
    "benefit": {"id": "uuid"},
    "goal": {"member_id": "uuid"},
    "referral": {"referral": "text"},
    "team_member": {"member_id": "uuid"},
    "contribution": {"challenge": "text", "period": "text", "since": "timestamptz"},
    "team_share": {"challenge": "text", "period": "text"},
    "board_score": {"board": "text", "period": "text"},
    "board_final": {"board": "text", "period": "text"},
    "draw_winner": {"draw": "text"},
    "held_out": {"what": "text"},
    "activity": {"seq": "bigint"},
}
"""Tables in the order in which they are read, each with what orders a member's rows in it."""
LEFT_OUT: Mapping[str, str] = {
    "erasure": "who was erased is asked nothing any more",
    "merge": "earlier forms of her lots, holds, wallets and facts, which follow from those that are exported; that she was merged is a fact",
    "member_snapshot": "earlier forms of her state, which follow from her events and facts",
    "problem": "which condition failed last, and with which event, which is exported itself",
}
"""Tables with rows of a member that are not exported, and why."""

_BESIDE: Mapping[str, str] = {
    "benefit": "jsonb_build_object('code', (SELECT code FROM reward_code AS known WHERE known.program_id = $1"
    " AND known.hash = kept.hash AND kept.state <> 'owed'))",
}
"""What stands in other tables and belongs to a row: of a voucher its code, once she has it."""

_GREATEST = {"int": 2**31 - 1, "bigint": 2**63 - 1}


class Place(msgspec.Struct, frozen=True):
    """The last row that was read: its table, and its place in it."""

    table: str
    keys: tuple[str, ...]


class Row(NamedTuple):
    """A row of a table, as a JSON object, and its place."""

    place: Place
    row: str


def is_place(place: Place) -> bool:
    """Whether there can be such a place."""
    kinds = tuple(_order(place.table).values()) if place.table in EXPORTED else ()
    return len(kinds) == len(place.keys) > 0 and all(map(_is_of_kind, place.keys, kinds))


def _is_of_kind(key: str, kind: str) -> bool:
    if kind == "text":
        return "\0" not in key
    try:
        if kind == "uuid":
            UUID(key)
        elif kind == "timestamptz":
            return datetime.fromisoformat(key).tzinfo is not None
        else:
            return key.isascii() and 0 <= int(key) <= _GREATEST[kind]
    except ValueError:
        return False
    return True


def _order(table: str) -> dict[str, str]:
    """What orders the rows of a table: at last whose they are, since those of her former selves are hers."""
    return {**EXPORTED[table], _owner(table): "uuid"}


def _owner(table: str) -> str:
    return "id" if table == "member" else "member_id"


async def page(unit: Unit, member_id: UUID, after: Place | None, at_most: int) -> list[Row]:
    """Rows of a member and of whoever is a part of her, from the one behind `after` on; fewer than asked for at the end alone."""
    tables = list(EXPORTED)
    begin = 0 if after is None else tables.index(after.table)
    found: list[Row] = []
    for table in tables[begin:]:
        keys = after.keys if after is not None and table == after.table else None
        found += await _rows(unit, table, member_id, keys, at_most - len(found))
        if len(found) == at_most:
            break
    return found


async def _rows(unit: Unit, table: str, member_id: UUID, after: tuple[str, ...] | None, at_most: int) -> list[Row]:
    order = _order(table)
    named = ", ".join(f"kept.{each}" for each in order)
    texts = ", ".join(f"kept.{each}::text" for each in order)
    behind = ", ".join(f"${number}::text::{kind}" for number, kind in enumerate(order.values(), 4))
    beside = f" || {_BESIDE[table]}" if table in _BESIDE else ""
    rows = await unit.fetch(
        f"SELECT ARRAY[{texts}] AS keys, (to_jsonb(kept) - 'program_id' - 'seal'{beside})::text AS row FROM {table} AS kept"
        f" WHERE kept.program_id = $1 AND kept.{_owner(table)} IN (SELECT whose.id FROM member AS whose"
        " WHERE whose.program_id = $1 AND (whose.id = $2 OR whose.merged_into = $2))"
        f"{'' if after is None else f' AND ({named}) > ({behind})'} ORDER BY {named} LIMIT $3",
        *(unit.program, member_id, at_most, *(after or ())),
    )
    return [Row(Place(table, tuple(row["keys"])), row["row"]) for row in rows]
