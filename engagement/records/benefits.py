"""Benefits: the vouchers, entitlements and entries in draws that members have, and what became of each."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from engagement.records.rows import Rows
from engagement.records.unit import Row, Unit

OWED = "owed"
ISSUED = "issued"
USED = "used"
VOIDED = "voided"
EXPIRED = "expired"
"""Never written: what is issued and was not used until its end."""


class Benefit(msgspec.Struct, frozen=True):
    """A voucher, an entitlement, or `count` entries in a draw, which a member can use from `since` until `until` (None: for good).

    It came of a `redemption`, or of the outcome `reward` that a definition gave; `source` is the key of either. A voucher has a `code`,
    unless it is owed one. Instants are in UTC; `ended_at` is when it was used or voided.
    """

    id: UUID
    member_id: UUID
    sort: str
    key: str
    count: int
    code: str | None
    source: str
    redemption: UUID | None
    reward: str | None
    state: str
    since: datetime
    until: datetime | None
    issued_at: datetime
    ended_at: datetime | None = None
    used_by: str | None = None

    def as_of(self, now: datetime) -> "Benefit":
        """As it stands at an instant: what was not used until its end has expired."""
        if self.state in (OWED, ISSUED) and self.until is not None and self.until <= now:
            return msgspec.structs.replace(self, state=EXPIRED, ended_at=self.until)
        return self


PROVIDED_AT_ONCE = 1_000

_COLUMNS = (
    # A code that is hers and not issued yet is told when it is.
    "held.id, held.member_id, held.sort, held.key, held.count, CASE held.state WHEN 'owed' THEN NULL ELSE known.code END, held.source, held.redemption, held.reward,"
    " held.state, held.since, held.until, held.issued_at, held.ended_at, held.used_by"
)
_FROM = (
    "benefit AS held LEFT JOIN reward_code AS known ON known.program_id = $1 AND known.hash = held.hash"
    " WHERE held.program_id = $1"
)
_BENEFITS = Rows(
    "benefit",
    {
        "id": "uuid",
        "member_id": "uuid",
        "sort": "text",
        "key": "text",
        "count": "int",
        "hash": "bytea",
        "source": "text",
        "redemption": "uuid",
        "reward": "text",
        "state": "text",
        "since": "timestamptz",
        "until": "timestamptz",
        "issued_at": "timestamptz",
    },
)


def add(unit: Unit, made: Sequence[tuple[Benefit, bytes | None]]) -> None:
    """Keep new benefits, each with the hash of its code."""
    _BENEFITS.insert(
        unit,
        [
            (
                *(each.id, each.member_id, each.sort, each.key, each.count, known, each.source),
                *(each.redemption, each.reward, each.state, each.since, each.until, each.issued_at),
            )
            for each, known in made
        ],
    )


async def of_code(unit: Unit, known: bytes, *, locked: bool = False) -> Benefit | None:
    """What was issued with the code of a hash; None where nothing was. `locked` until the unit ends."""
    return await _one(unit, "held.hash = $2", known, locked=locked)


async def find(unit: Unit, identity: UUID, *, locked: bool = False) -> Benefit | None:
    """The benefit of an id."""
    return await _one(unit, "held.id = $2", identity, locked=locked)


async def _one(unit: Unit, where: str, value: object, *, locked: bool) -> Benefit | None:
    row = await unit.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} AND {where} {'FOR UPDATE OF held' if locked else ''}", unit.program, value
    )
    return None if row is None else _benefit(row)


async def of_redemption(unit: Unit, redemption: UUID) -> list[Benefit]:
    """What came of a redemption; locked until the unit ends."""
    return await select(unit, "held.redemption = $2", redemption)


async def select(unit: Unit, where: str, *values: object, order: str = "held.id") -> list[Benefit]:
    """The benefits of which something holds, with `values` for $2, $3, …; locked until the unit ends."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM {_FROM} AND {where} ORDER BY {order} FOR UPDATE OF held", unit.program, *values
    )
    return [_benefit(row) for row in rows]


async def held(
    unit: Unit, member_id: UUID, sort: str, key: str, now: datetime, *, locked: bool = False
) -> list[Benefit]:
    """What a member has of something and can use at an instant, what ends first before what ends later."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM {_FROM} AND held.member_id = $2 AND held.sort = $3 AND held.key = $4"
        " AND held.state = 'issued' AND held.since <= $5 AND (held.until IS NULL OR held.until > $5)"
        f" ORDER BY held.until NULLS LAST, held.issued_at, held.id {'FOR UPDATE OF held' if locked else ''}",
        unit.program,
        member_id,
        sort,
        key,
        now,
    )
    return [_benefit(row) for row in rows]


async def page(unit: Unit, member_id: UUID, after: tuple[datetime, UUID] | None, first: int) -> list[Benefit]:
    """What a member has and had, the newest first, from the one behind `after` on."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM {_FROM} AND held.member_id = $2"
        " AND ($3::timestamptz IS NULL OR (held.issued_at, held.id) < ($3, $4::uuid))"
        " ORDER BY held.issued_at DESC, held.id DESC LIMIT $5",
        unit.program,
        member_id,
        *(after or (None, None)),
        first,
    )
    return [_benefit(row) for row in rows]


async def end(unit: Unit, ids: Sequence[UUID], state: str, at: datetime, used_by: str | None = None) -> None:
    """Write that benefits, whose rows are locked, were used or voided at an instant."""
    await unit.execute(
        "UPDATE benefit SET state = $3, ended_at = $4, used_by = $5 WHERE program_id = $1 AND id = ANY($2::uuid[])",
        unit.program,
        list(ids),
        state,
        at,
        used_by,
    )


def _benefit(row: Row) -> Benefit:
    return Benefit(*row)


async def provide(unit: Unit, voucher: str, now: datetime) -> None:
    """Give free codes of a pool to whom one is owed that can still be used, who waits longest first: hers from now on, and to be issued.

    Waits for nobody: whoever is just being looked at is found the next time.
    """
    await unit.execute(
        "WITH owed AS MATERIALIZED (SELECT id, row_number() OVER (ORDER BY issued_at, id) AS n FROM (SELECT id, issued_at FROM benefit"
        " WHERE program_id = $1 AND key = $2 AND state = 'owed' AND hash IS NULL AND (until IS NULL OR until > $3)"
        " ORDER BY issued_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) AS waiting),"
        " free AS MATERIALIZED (SELECT hash, row_number() OVER (ORDER BY made_at, hash) AS n FROM (SELECT hash, made_at FROM reward_code"
        " WHERE program_id = $1 AND voucher = $2 AND state = 'free' ORDER BY made_at, hash LIMIT (SELECT count(*) FROM owed)"
        " FOR UPDATE SKIP LOCKED) AS there),"
        " taken AS (UPDATE reward_code SET state = 'issued' FROM free WHERE program_id = $1 AND reward_code.hash = free.hash)"
        " UPDATE benefit SET hash = free.hash, open = true FROM owed JOIN free USING (n) WHERE program_id = $1 AND benefit.id = owed.id",
        *(unit.program, voucher, now, PROVIDED_AT_ONCE),
    )


async def lacking(unit: Unit, vouchers: Sequence[str], now: datetime) -> list[str]:
    """Those of some vouchers of which a code is owed that can still be used, and one is free."""
    rows = await unit.fetch(
        "SELECT asked.key FROM unnest($2::text[]) AS asked (key)"
        " WHERE EXISTS (SELECT FROM reward_code WHERE program_id = $1 AND voucher = asked.key AND state = 'free')"
        " AND EXISTS (SELECT FROM benefit WHERE program_id = $1 AND key = asked.key AND state = 'owed' AND hash IS NULL"
        " AND (until IS NULL OR until > $3))",
        *(unit.program, list(vouchers), now),
    )
    return [row["key"] for row in rows]
