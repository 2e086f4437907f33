"""The books of a program as a whole: what its transfers come to in each period, and the periods that are closed.

A transfer counts at the instant at which it takes effect, but never before the end of the last period that was closed before it was
booked. Which came first is told by their ids, which grow with time: those of transfers, and the one that is taken when a period is closed,
while nobody writes.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.accounting import Figures, figures_of
from engagement.errors import InProgress
from engagement.records import programs
from engagement.records.rows import Rows
from engagement.records.unit import Unit


class ClosedPeriod(msgspec.Struct, frozen=True):
    """A period of a currency that is closed, with its figures. `through` parts what was booked before it was closed from what was later;
    `seal` is made of every transfer that counts in it.
    """

    currency: str
    period: str
    ends_at: datetime
    through: UUID
    opening: int
    figures: Figures
    closing: int
    seal: int
    closed_at: datetime


class Counted(msgspec.Struct, frozen=True):
    """What the transfers of a stretch of time come to; `seal` is 0 where it was not asked for."""

    figures: Figures
    seal: int = 0


_CHANGE = "points * ((credit IN ('wallet', 'debt'))::int - (debit IN ('wallet', 'debt'))::int)"
# What is told of a transfer whoever its member is: a change of any of it changes the seal.
_PRINT = "concat_ws('|', id, moved.currency, kind, points, debit, credit, extract(epoch FROM {at}), extract(epoch FROM booked_at))"
_SEAL = f"bit_xor(('x' || left(md5({_PRINT.format(at='took_effect_at')}), 16))::bit(64)::bigint)"
_NO_SEAL = "0::bigint"
# Points that have ended and wait to be booked as expired will be booked after all that is there: so they have the last id.
_COUNTED = f"""
WITH closed AS (
    SELECT currency, array_agg(through ORDER BY ends_at) AS throughs, array_agg(ends_at ORDER BY ends_at) AS ends
    FROM period_close WHERE program_id = $1 GROUP BY currency
), moved AS (
    SELECT id, currency, kind, points, debit, credit, at AS took_effect_at, booked_at, {_CHANGE} AS change
    FROM transfer WHERE program_id = $1 AND ($2::text IS NULL OR currency = $2) AND ($4::uuid IS NULL OR id <= $4)
    UNION ALL
    SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', currency, 'expire', remaining - held, 'wallet', 'expired', expires_at, $5,
           held - remaining
    FROM lot WHERE program_id = $1 AND ($2::text IS NULL OR currency = $2) AND remaining > 0 AND remaining > held
          AND expires_at <= $5
)
SELECT moved.currency,
       width_bucket(greatest(took_effect_at, closed.ends[width_bucket(id, closed.throughs)]), $3::timestamptz[]) AS stretch,
       kind, sum(change)::bigint AS change, {{seal}} AS seal
FROM moved LEFT JOIN closed ON closed.currency = moved.currency
GROUP BY 1, 2, 3
"""
_COLUMNS = (
    *(
        "currency",
        "period",
        "ends_at",
        "through",
        "opening",
        *Figures.__struct_fields__,
        "closing",
        "seal",
        "closed_at",
    ),
)
_CLOSED = Rows(
    "period_close",
    {
        **dict.fromkeys(("currency", "period"), "text"),
        "ends_at": "timestamptz",
        "through": "uuid",
        **dict.fromkeys(("opening", *Figures.__struct_fields__, "closing", "seal"), "bigint"),
        "closed_at": "timestamptz",
    },
    "ON CONFLICT DO NOTHING",
)


async def counted(
    unit: Unit,
    bounds: Sequence[datetime],
    *,
    currency: str | None = None,
    through: UUID | None = None,
    ended_by: datetime | None = None,
    sealed: bool = False,
) -> dict[str, dict[int, Counted]]:
    """What transfers come to, by currency and stretch: 0 before the first of the `bounds`, 1 from there to the second, and so on.

    Only those up to the id `through`; with `ended_by` also the points that ended up to that instant and are not booked as
    expired yet. `sealed` asks for seals.
    """
    sql = _COUNTED.format(seal=_SEAL if sealed else _NO_SEAL)
    rows = await unit.fetch(sql, unit.program, currency, list(bounds), through, ended_by)
    changes: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    seals: dict[tuple[str, int], int] = defaultdict(int)
    for name, stretch, kind, change, seal in rows:
        changes[name, stretch].append((kind, change))
        seals[name, stretch] ^= seal
    found: dict[str, dict[int, Counted]] = defaultdict(dict)
    for (name, stretch), these in changes.items():
        found[name][stretch] = Counted(figures_of(these), seals[name, stretch])
    return found


async def beginnings(unit: Unit) -> dict[str, datetime]:
    """When the first points of each currency moved."""
    rows = await unit.fetch("SELECT currency, min(at) FROM transfer WHERE program_id = $1 GROUP BY 1", unit.program)
    return dict(tuple(row) for row in rows)


async def closed(unit: Unit, currency: str | None = None) -> list[ClosedPeriod]:
    """The closed periods of a currency, or of all, in order."""
    rows = await unit.fetch(
        f"SELECT {', '.join(_COLUMNS)} FROM period_close WHERE program_id = $1 AND ($2::text IS NULL OR currency = $2)"
        " ORDER BY currency, ends_at",
        unit.program,
        currency,
    )
    width = len(Figures.__struct_fields__)
    found = []
    for row in rows:
        currency, period, ends_at, through, opening, *rest = row
        closing, seal, closed_at = rest[width:]
        figures = Figures(*rest[:width])
        found.append(ClosedPeriod(currency, period, ends_at, through, opening, figures, closing, seal, closed_at))
    return found


async def close(unit: Unit, periods: Sequence[ClosedPeriod]) -> bool:
    """Close periods; False where somebody else has closed one of them meanwhile."""
    _CLOSED.insert(
        unit,
        [
            (
                *(each.currency, each.period, each.ends_at, each.through, each.opening),
                *msgspec.structs.astuple(each.figures),
                *(each.closing, each.seal, each.closed_at),
            )
            for each in periods
        ],
    )
    ours = await unit.fetchval(
        "SELECT count(*) FROM period_close WHERE program_id = $1 AND through = ANY($2::uuid[])",
        unit.program,
        list({each.through for each in periods}),
    )
    return bool(ours == len(periods))


async def mark(unit: Unit) -> UUID:
    """An id after those of all transfers that are committed, and before those of all that will be.

    Whoever books holds the program's row, so that nobody does while it is locked here; it is let go at once.
    """
    await unit.execute("SAVEPOINT marking")
    await programs.lock(unit)
    marked = await unit.fetchval(
        "SELECT made FROM (SELECT uuidv7() AS made OFFSET 0) AS mark"
        " WHERE NOT EXISTS (SELECT FROM transfer WHERE program_id = $1 AND id >= made)",
        unit.program,
    )
    await unit.execute("ROLLBACK TO SAVEPOINT marking")
    if not isinstance(marked, UUID):
        raise InProgress("The clock of the database stands before the latest transfer; ask again in a while.")
    return marked
