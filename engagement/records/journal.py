"""The journal: every transfer, in the order in which they were booked."""

from datetime import datetime
from uuid import UUID

import msgspec

from engagement.records.unit import Unit


class Entry(msgspec.Struct, frozen=True):
    """A transfer: `points` leave the account `debit` and come to `credit`. `member` is the app's own id, or where there is none any
    more, ours. It counts in the books at `counts_at`: when it takes effect (`at`), or where that lies in a closed month, after it.
    """

    at: datetime
    booked_at: datetime
    counts_at: datetime
    id: UUID
    member: str
    currency: str
    kind: str
    debit: str
    credit: str
    points: int
    lot: str | None
    source: str
    fact: str | None
    corrects: UUID | None


_WITHIN = (
    "moved.program_id = $1 AND ($2::timestamptz IS NULL OR moved.booked_at >= $2)"
    " AND ($3::timestamptz IS NULL OR moved.booked_at < $3)"
)
_PAGE = f"""
WITH closed AS (
    SELECT currency, array_agg(through ORDER BY ends_at) AS throughs, array_agg(ends_at ORDER BY ends_at) AS ends
    FROM period_close WHERE program_id = $1 GROUP BY currency
)
SELECT moved.at, moved.booked_at, greatest(moved.at, closed.ends[width_bucket(moved.id, closed.throughs)]), moved.id,
       coalesce(member.external_id, moved.member_id::text), moved.currency, moved.kind, moved.debit, moved.credit, moved.points,
       moved.lot_id, moved.source, moved.fact_id, moved.corrects
FROM (SELECT * FROM transfer AS moved WHERE {_WITHIN} AND ($4::uuid IS NULL OR moved.id > $4) ORDER BY moved.id LIMIT $5) AS moved
LEFT JOIN member ON member.program_id = $1 AND member.id = moved.member_id
LEFT JOIN closed ON closed.currency = moved.currency
ORDER BY moved.id
"""


async def count(unit: Unit, since: datetime | None, until: datetime | None) -> int:
    """How many transfers were booked from an instant on and before another."""
    found: int = await unit.fetchval(
        f"SELECT count(*) FROM transfer AS moved WHERE {_WITHIN}", unit.program, since, until
    )
    return found


async def page(
    unit: Unit, since: datetime | None, until: datetime | None, after: UUID | None, limit: int
) -> list[Entry]:
    """Some of the transfers that were booked from an instant on and before another: those after one of them, in order."""
    rows = await unit.fetch(_PAGE, unit.program, since, until, after, limit)
    return [Entry(*row) for row in rows]
