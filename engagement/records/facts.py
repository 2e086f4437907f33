"""Facts: decisions and commands as they were taken, inputs of the fold from then on. Append only."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements import spending
from achievements.states import MemberState
from achievements.values import Fact, Order
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Row, Unit

ZONE = "zone"
ATTRIBUTES = "attributes"
SPENT = "spent"
SPEND_REJECTED = "spend_rejected"
REWARD_TAKEN = spending.REWARD_TAKEN
PAID = "paid"
"""In the data of a command's fact, the `points` of a `currency` that the member paid for it."""
MOVED = "moved"
"""In the data of a command's fact, the `points` of a `currency` that came to the member by it, or (below 0) went."""

REFUNDS = "refunds"
"""In the data of a command's fact, the id of the fact whose points it gave back."""

_FACTS = Rows(
    "fact",
    {
        "member_id": "uuid",
        "id": "text",
        "kind": "text",
        "at": "timestamptz",
        "rank": "smallint",
        "cause": "text",
        "n": "int",
        "data": "jsonb",
        "booked_at": "timestamptz",
    },
)
_HELD = "held.member_id, held.id, held.kind, held.at, held.rank, held.cause, held.n, held.data"


async def append(unit: Unit, facts: Sequence[tuple[UUID, Fact]], booked_at: datetime) -> None:
    """Store facts that are not stored yet."""
    _FACTS.insert(
        unit,
        [
            (
                who,
                each.id,
                each.kind,
                each.order.at,
                each.order.rank,
                each.order.id,
                each.order.n,
                msgspec.json.encode(each.data).decode(),
                booked_at,
            )
            for who, each in facts
        ],
    )


async def since(unit: Unit, bases: Sequence[tuple[UUID, MemberState]]) -> dict[UUID, list[Fact]]:
    """Each member's facts after a state, in order."""
    asked = [
        (who, *(msgspec.structs.astuple(base.last) if base.last else (None, None, None, None))) for who, base in bases
    ]
    rows = await unit.fetch(
        f"SELECT {_HELD} FROM unnest($2::uuid[], $3::timestamptz[], $4::int[], $5::text[], $6::int[])"
        " AS base (member_id, at, rank, cause, n), fact AS held WHERE held.program_id = $1 AND held.member_id = base.member_id"
        ' AND (base.at IS NULL OR (held.at, held.rank, held.cause, held.n) > (base.at, base.rank, base.cause COLLATE "C", base.n))'
        " ORDER BY held.at, held.rank, held.cause, held.n",
        unit.program,
        *columns_of(asked, 5),
    )
    found: dict[UUID, list[Fact]] = {who: [] for who, _ in bases}
    for row in rows:
        found[row["member_id"]].append(_fact(row))
    return found


async def last_at(unit: Unit, member_id: UUID, kind: str) -> datetime | None:
    """When the last fact of a kind took effect."""
    at: datetime | None = await unit.fetchval(
        "SELECT max(at) FROM fact WHERE program_id = $1 AND member_id = $2 AND kind = $3", unit.program, member_id, kind
    )
    return at


async def first_at(unit: Unit, member_ids: Sequence[UUID], kind: str) -> dict[UUID, datetime]:
    """When the first fact of a kind took effect, of members who have one."""
    if not member_ids:
        return {}
    rows = await unit.fetch(
        "SELECT member_id, min(at) FROM fact WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND kind = $3 GROUP BY 1",
        unit.program,
        list(member_ids),
        kind,
    )
    return dict(tuple(row) for row in rows)


def _fact(row: Row) -> Fact:
    order = Order(row["at"], row["rank"], row["cause"], row["n"])
    return Fact(row["id"], row["kind"], row["at"], order, msgspec.json.decode(row["data"]))
