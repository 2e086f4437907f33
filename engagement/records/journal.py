"""The journal: every transfer, in the order in which they were booked."""

from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from engagement.records.unit import Unit

Place: TypeAlias = tuple[datetime, UUID]
"""When a transfer was booked, and its id: they stand in this order."""


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

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.booked_at, self.id


# Nothing but comparisons with values, so that the index is used by a plan made for all of them, and behind row-level security.
_WITHIN = "moved.program_id = $1 AND (moved.booked_at, moved.id) > ($2, $3::uuid) AND moved.booked_at < $4"
_PAGE = f"""
WITH closed AS (
    SELECT currency, array_agg(through ORDER BY ends_at) AS throughs, array_agg(ends_at ORDER BY ends_at) AS ends
    FROM period_close WHERE program_id = $1 GROUP BY currency
)
SELECT moved.at, moved.booked_at, greatest(moved.at, closed.ends[width_bucket(moved.id, closed.throughs)]), moved.id,
       coalesce(member.external_id, moved.member_id::text), moved.currency, moved.kind, moved.debit, moved.credit, moved.points,
       moved.lot_id, moved.source, moved.fact_id, moved.corrects
FROM (
    SELECT * FROM transfer AS moved WHERE {_WITHIN} ORDER BY moved.booked_at, moved.id LIMIT $5
) AS moved
LEFT JOIN member ON member.program_id = $1 AND member.id = moved.member_id
LEFT JOIN closed ON closed.currency = moved.currency
ORDER BY moved.booked_at, moved.id
"""


BOOKING_SECONDS_MAX = 120.0
"""No transaction that books lasts longer; those that do only read."""
_SETTLED = """
SELECT CASE WHEN clock IS NULL THEN greatest(
    clock_timestamp() - $2 * interval '1 second',
    least(clock_timestamp(), (
        SELECT min(xact_start) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    ))
) END FROM program WHERE id = $1
"""


async def settled(unit: Unit) -> datetime:
    """The instant before which nothing is booked any more (UTC).

    What is booked is dated by the beginning of its transaction, so one that is under way may still put something before what others
    have booked. Whoever goes on behind the last place that she read would never see it. Ask in a unit of its own, before the one that
    reads: only what began before that unit's snapshot is known here. In a sandbox there is no end, as its clock says when things are booked.
    """
    found: datetime | None = await unit.fetchval(_SETTLED, unit.program, BOOKING_SECONDS_MAX)
    return found or _NEVER


async def count(unit: Unit, since: datetime | None, until: datetime | None) -> int:
    """How many transfers were booked from an instant on and before another."""
    sql = f"SELECT count(*) FROM transfer AS moved WHERE {_WITHIN}"
    found: int = await unit.fetchval(sql, unit.program, *_before(since), until or _NEVER)
    return found


async def page(
    unit: Unit, since: datetime | None, until: datetime | None, after: Place | None, limit: int
) -> list[Entry]:
    """Some of the transfers that were booked from an instant on and before another: those behind a place, in order."""
    begin = max(_before(since), after or _before(None))
    return [Entry(*row) for row in await unit.fetch(_PAGE, unit.program, *begin, until or _NEVER, limit)]


_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _before(since: datetime | None) -> Place:
    """The place before all that was booked from an instant on: no transfer has this id."""
    return since or _EVER, UUID(int=0)
