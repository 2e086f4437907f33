"""The earlier states of members to fold again from, written under the lock of each one's state."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.states import MemberState
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit

_decode_state = msgspec.json.Decoder(MemberState).decode
_encode = msgspec.json.Encoder().encode

_SNAPSHOTS = Rows("member_snapshot", {"member_id": "uuid", "inputs": "int", "at": "timestamptz", "state": "jsonb"})


async def save(unit: Unit, snapshots: Sequence[tuple[UUID, MemberState]], dropped: Sequence[tuple[UUID, int]]) -> None:
    """Keep states to fold again from, and drop others by their number of inputs."""
    if dropped:
        await unit.execute(
            "DELETE FROM member_snapshot AS held USING unnest($2::uuid[], $3::int[]) AS old (member_id, inputs)"
            " WHERE held.program_id = $1 AND held.member_id = old.member_id AND held.inputs = old.inputs",
            unit.program,
            *columns_of(dropped, 2),
        )
    _SNAPSHOTS.insert(unit, [(who, state.inputs, state.at, _encode(state).decode()) for who, state in snapshots])


async def drop_after(unit: Unit, bases: Sequence[tuple[UUID, int]]) -> None:
    """Drop, of each member, the snapshots with more inputs than these: the past they hold was not the whole."""
    if bases:
        await unit.execute(
            "DELETE FROM member_snapshot AS held USING unnest($2::uuid[], $3::int[]) AS base (member_id, inputs)"
            " WHERE held.program_id = $1 AND held.member_id = base.member_id AND held.inputs > base.inputs",
            unit.program,
            *columns_of(bases, 2),
        )


async def of_members(unit: Unit, ids: Sequence[UUID]) -> dict[UUID, dict[int, tuple[datetime, MemberState]]]:
    """All snapshots of members by their number of inputs, each with the instant at which it is found."""
    rows = await unit.fetch(
        "SELECT member_id, inputs, at, state FROM member_snapshot WHERE program_id = $1 AND member_id = ANY($2::uuid[])",
        unit.program,
        list(ids),
    )
    found: dict[UUID, dict[int, tuple[datetime, MemberState]]] = {who: {} for who in ids}
    for row in rows:
        found[row["member_id"]][row["inputs"]] = (row["at"], _decode_state(row["state"]))
    return found


async def before(unit: Unit, firsts: Sequence[tuple[UUID, datetime]]) -> dict[UUID, MemberState]:
    """For each member, the last snapshot that an input at an instant comes after; those without one start from nothing."""
    rows = await unit.fetch(
        "SELECT late.member_id, base.state FROM unnest($2::uuid[], $3::timestamptz[]) AS late (member_id, first),"
        " LATERAL (SELECT state FROM member_snapshot AS held WHERE held.program_id = $1 AND held.member_id = late.member_id"
        " AND held.at < late.first ORDER BY held.inputs DESC LIMIT 1) AS base",
        unit.program,
        *columns_of(firsts, 2),
    )
    return {row["member_id"]: _decode_state(row["state"]) for row in rows}
