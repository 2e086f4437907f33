"""Redemptions: that members took rewards, at which price, and what became of each."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from engagement.records.rows import Rows, columns_of
from engagement.records.stock import Shelf
from engagement.records.unit import Row, Unit

RESERVED = "reserved"
FULFILLED = "fulfilled"
VOIDED = "voided"
EXPIRED = "expired"
REFUNDED = "refunded"

Ended: TypeAlias = tuple[UUID, Shelf, bool]
"""One that is reserved no more: its id, what it was taken of, and whether it is counted there."""


class Redemption(msgspec.Struct, frozen=True):
    """That a member took a reward (of its `session`, where it is not empty) for `points` of a currency, of which `paid` were spent.

    While it is reserved, `hold` sets the points aside up to `until`; `fact` is by which they were spent. One that is `counted` is in the stock as taken. What it gave can be used from
    `usable_from` up to `usable_until` (None: for good). `cost` is what it costs the program, in `money`. Instants are in UTC.
    """

    id: UUID
    member_id: UUID
    reward: str
    session: str
    state: str
    currency: str | None
    points: int
    paid: int
    counted: bool
    hold: UUID | None
    fact: str | None
    cost: Decimal | None
    money: str | None
    at: datetime
    until: datetime | None
    usable_from: datetime
    usable_until: datetime | None
    ended_at: datetime | None = None

    def as_of(self, now: datetime) -> "Redemption":
        """As it stands at an instant: what was reserved up to then has expired, whether or not somebody has written that."""
        if self.state == RESERVED and self.until is not None and self.until <= now:
            return msgspec.structs.replace(self, state=EXPIRED, ended_at=self.until)
        return self


_COLUMNS = ", ".join(Redemption.__struct_fields__)
_REDEMPTIONS = Rows(
    "redemption",
    {
        "id": "uuid",
        "member_id": "uuid",
        "reward": "text",
        "session": "text",
        "state": "text",
        "currency": "text",
        "points": "bigint",
        "paid": "bigint",
        "counted": "bool",
        "hold": "uuid",
        "fact": "text",
        "cost": "numeric",
        "money": "text",
        "at": "timestamptz",
        "until": "timestamptz",
        "usable_from": "timestamptz",
        "usable_until": "timestamptz",
        "ended_at": "timestamptz",
    },
)


def add(unit: Unit, made: Sequence[Redemption]) -> None:
    """Keep new redemptions."""
    _REDEMPTIONS.insert(unit, [msgspec.structs.astuple(each) for each in made])


async def find(unit: Unit, identity: UUID, *, locked: bool = False) -> Redemption | None:
    """The redemption of an id; `locked` until the unit ends."""
    row = await unit.fetchrow(
        f"SELECT {_COLUMNS} FROM redemption WHERE program_id = $1 AND id = $2 {'FOR UPDATE' if locked else ''}",
        unit.program,
        identity,
    )
    return None if row is None else _redemption(row)


async def is_for_one(unit: Unit, member_id: UUID, hold: UUID) -> bool:
    """Whether a hold of a member sets points aside for a redemption."""
    found: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM redemption WHERE program_id = $1 AND member_id = $2 AND hold = $3)",
        unit.program,
        member_id,
        hold,
    )
    return found


async def change(unit: Unit, changed: Redemption) -> None:
    """Write what became of a redemption, whose row is locked."""
    await unit.execute(
        "UPDATE redemption SET state = $3, paid = $4, fact = $5, usable_from = $6, usable_until = $7, ended_at = $8"
        " WHERE program_id = $1 AND id = $2",
        unit.program,
        changed.id,
        changed.state,
        changed.paid,
        changed.fact,
        changed.usable_from,
        changed.usable_until,
        changed.ended_at,
    )


async def expire(unit: Unit, now: datetime, rewards: Sequence[str]) -> list[Ended]:
    """End what was reserved of some rewards up to an instant and not captured. Their members have to be told."""
    rows = await unit.fetch(
        "WITH ended AS (UPDATE redemption SET state = 'expired', ended_at = until, open = true"
        " WHERE program_id = $1 AND state = 'reserved' AND until <= $2 AND reward = ANY($3::text[])"
        " RETURNING id, reward, session, counted) SELECT * FROM ended",
        unit.program,
        now,
        list(rewards),
    )
    return [_ended(row) for row in rows]


async def give_up(unit: Unit, member_id: UUID, at: datetime) -> list[Ended]:
    """End all that a locked member has reserved, at an instant: void, or expired where it was over by then. She is not told."""
    rows = await unit.fetch(
        "WITH ended AS (UPDATE redemption SET state = CASE WHEN until <= $3 THEN 'expired' ELSE 'voided' END,"
        " ended_at = least(until, $3) WHERE program_id = $1 AND member_id = $2 AND state = 'reserved'"
        " RETURNING id, reward, session, counted) SELECT * FROM ended",
        unit.program,
        member_id,
        at,
    )
    return [_ended(row) for row in rows]


async def set_aside(unit: Unit, member_ids: Sequence[UUID]) -> set[Shelf]:
    """What is taken of the stock by all that members have reserved, over or not."""
    rows = await unit.fetch(
        "SELECT DISTINCT reward, session FROM redemption"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND state = 'reserved' AND counted",
        unit.program,
        list(member_ids),
    )
    return {(row["reward"], row["session"]) for row in rows}


async def close_over(unit: Unit, member_id: UUID) -> list[Redemption]:
    """What a locked member had reserved and is over, and nobody has told her yet: she is told now."""
    rows = await unit.fetch(
        "WITH told AS (UPDATE redemption SET open = NULL WHERE program_id = $1 AND member_id = $2 AND open"
        f" RETURNING {_COLUMNS}) SELECT {_COLUMNS} FROM told ORDER BY ended_at, id",
        unit.program,
        member_id,
    )
    return [_redemption(row) for row in rows]


async def over(unit: Unit, now: datetime) -> list[str]:
    """The rewards of which something was reserved up to an instant, and is over."""
    rows = await unit.fetch(
        "SELECT DISTINCT reward FROM redemption WHERE program_id = $1 AND state = 'reserved' AND until <= $2 ORDER BY reward",
        unit.program,
        now,
    )
    return [row["reward"] for row in rows]


async def reserved(unit: Unit, member_id: UUID, now: datetime) -> int:
    """How many rewards are reserved for a member at an instant."""
    count: int = await unit.fetchval(
        "SELECT count(*) FROM redemption WHERE program_id = $1 AND member_id = $2 AND state = 'reserved' AND until > $3",
        unit.program,
        member_id,
        now,
    )
    return count


class Had(NamedTuple):
    """Which redemptions of a member are asked for: of a reward, since an instant (None: ever), as they stand at another."""

    member_id: UUID
    reward: str
    since: datetime | None
    now: datetime


async def had(unit: Unit, asked: Sequence[Had]) -> list[int]:
    """How many there are of each, without those that were voided, refunded or are over."""
    if not asked:
        return []
    rows = await unit.fetch(
        "SELECT asked.n, count(held.id)::int AS times"
        " FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY"
        " AS asked (member_id, reward, since, now, n) LEFT JOIN redemption AS held ON held.program_id = $1"
        " AND held.member_id = asked.member_id AND held.reward = asked.reward AND (asked.since IS NULL OR held.at >= asked.since)"
        " AND (held.state = 'fulfilled' OR held.state = 'reserved' AND held.until > asked.now)"
        " GROUP BY asked.n ORDER BY asked.n",
        unit.program,
        *columns_of(asked, 4),
    )
    return [row["times"] for row in rows]


async def page(
    unit: Unit, member_id: UUID, after: tuple[datetime, UUID] | None, first: int, reward: str | None
) -> list[Redemption]:
    """A member's redemptions (of one reward, where it is named), the newest first, from the one behind `after` on."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM redemption WHERE program_id = $1 AND member_id = $2 AND ($3::text IS NULL OR reward = $3)"
        " AND ($4::timestamptz IS NULL OR (at, id) < ($4, $5::uuid)) ORDER BY at DESC, id DESC LIMIT $6",
        unit.program,
        member_id,
        reward,
        *(after or (None, None)),
        first,
    )
    return [_redemption(row) for row in rows]


def _ended(row: Row) -> Ended:
    return row["id"], (row["reward"], row["session"]), row["counted"]


def _redemption(row: Row) -> Redemption:
    return Redemption(**dict(row))
