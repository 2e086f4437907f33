"""What a program owes its members in points, what became of points by their age, and what was spent on what."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from engagement.records.unit import Unit


class Held(msgspec.Struct, frozen=True):
    """What all wallets of a currency say together: of what is there, how much is `pending` or `held`; and how much is owed."""

    pending: int
    held: int
    debt: int


class Fate(msgspec.Struct, frozen=True):
    """Points of a cohort: `what` became of them (`entered`, `spent`, `ended`), at which step of their age."""

    cohort: int
    what: str
    step: int
    points: int


class Spent(msgspec.Struct, frozen=True):
    """What was spent on something, by the key of what it was spent on: how often, and how many points (of no currency, where it was
    free). `cost` is what that cost the program, in `money`: for redemptions of a reward that said so when it was taken.
    """

    source: str
    currency: str | None
    times: int
    points: int
    cost: Decimal | None = None
    money: str | None = None


# What is there at an instant: points that have ended by then are gone, booked or not, but for those that are held.
_THERE = "program_id = $1 AND currency = $2 AND remaining > 0 AND (expires_at IS NULL OR expires_at > $3 OR held > 0)"
_LEFT = "CASE WHEN expires_at <= $3 THEN held ELSE remaining END"
# Lots and what was spent out of them are put together by sorting: joined, the planner would without statistics of young tables look up each by itself.
_FATES = """
WITH told AS (
    SELECT member_id, id AS lot, earned_at, expires_at, NULL::timestamptz AS at, remaining + expired AS stayed, expired AS points
    FROM lot WHERE program_id = $1 AND currency = $2 AND earned_at >= ($3::timestamptz[])[1]
    UNION ALL
    SELECT member_id, lot_id, NULL, NULL, at, 0, CASE credit WHEN 'redeemed' THEN points ELSE -points END
    FROM transfer WHERE program_id = $1 AND currency = $2 AND kind IN ('spend', 'refund')
), aged AS (
    SELECT stayed, points, at IS NOT NULL AS is_spent, max(earned_at) OVER (PARTITION BY member_id, lot) AS earned_at,
           coalesce(at, expires_at) AS left_at
    FROM told
), stepped AS (
    SELECT width_bucket(earned_at, $3::timestamptz[]) AS cohort, is_spent, stayed, points,
           floor(extract(epoch FROM greatest(left_at - earned_at, interval '0')) / (86400 * $4::int))::int AS step
    FROM aged WHERE earned_at IS NOT NULL
)
SELECT cohort, CASE WHEN is_spent THEN 'spent' ELSE 'ended' END AS what, coalesce(step, 0) AS step, sum(points)::bigint AS points
FROM stepped WHERE points <> 0 GROUP BY 1, 2, 3
UNION ALL
SELECT cohort, 'entered', 0, sum(stayed + CASE WHEN is_spent THEN points ELSE 0 END)::bigint FROM stepped GROUP BY 1
"""
# Facts are a member's own: two members' may have the same id. What was refunded by force was had for nothing, as far as it was used.
_SPENT = """
WITH spent AS (
    SELECT member_id, source, currency, fact_id, sum(CASE credit WHEN 'redeemed' THEN points ELSE -points END) AS points
    FROM transfer WHERE program_id = $1 AND kind IN ('spend', 'refund') AND at >= $2 AND at < $3 GROUP BY 1, 2, 3, 4
)
SELECT source, currency, count(*) AS times, sum(points)::bigint AS points, sum(cost) AS cost, money FROM (
    SELECT spent.source, spent.currency, spent.points, held.cost, held.money FROM spent LEFT JOIN redemption AS held
        ON held.program_id = $1 AND held.member_id = spent.member_id AND held.fact = spent.fact_id
    WHERE spent.points <> 0
    UNION ALL
    SELECT reward, NULL, 0, cost, money FROM redemption AS free WHERE program_id = $1 AND at >= $2 AND at < $3
        AND (state = 'fulfilled' AND points = 0 OR state = 'refunded' AND EXISTS (SELECT FROM benefit
            WHERE benefit.program_id = $1 AND benefit.redemption = free.id AND benefit.state = 'used'))
) AS taken GROUP BY source, currency, money ORDER BY points DESC, source, currency, money LIMIT $4
"""


async def held(unit: Unit, currency: str) -> Held:
    """What all wallets say together."""
    (row,) = await unit.fetch(
        "SELECT coalesce(sum(pending), 0)::bigint, coalesce(sum(held), 0)::bigint, coalesce(sum(debt), 0)::bigint FROM wallet"
        " WHERE program_id = $1 AND currency = $2",
        unit.program,
        currency,
    )
    return Held(*row)


async def last_end(unit: Unit, currency: str, now: datetime) -> datetime | None:
    """When the last of the points that are there come to their end."""
    found: datetime | None = await unit.fetchval(
        f"SELECT max(expires_at) FROM lot WHERE {_THERE}", unit.program, currency, now
    )
    return found


async def by_end(unit: Unit, currency: str, now: datetime, bounds: Sequence[datetime]) -> dict[int | None, int]:
    """The points that are there, by the stretch between the `bounds` in which they end, from 1 on; None for those that keep."""
    rows = await unit.fetch(
        "SELECT CASE WHEN expires_at IS NOT NULL THEN width_bucket(greatest(expires_at, $3), $4::timestamptz[]) END AS stretch,"
        f" sum({_LEFT})::bigint FROM lot WHERE {_THERE} GROUP BY 1",
        unit.program,
        currency,
        now,
        list(bounds),
    )
    return dict(tuple(row) for row in rows)


async def outstanding(unit: Unit, currency: str, now: datetime) -> list[tuple[int, int, int]]:
    """The points that are there and will end: days since they were earned (begun ones not counted), days left (begun ones
    counted), points.
    """
    rows = await unit.fetch(
        "SELECT floor(extract(epoch FROM greatest($3 - earned_at, interval '0')) / 86400)::int,"
        " ceil(extract(epoch FROM expires_at - $3) / 86400)::int, sum(remaining)::bigint"
        " FROM lot WHERE program_id = $1 AND currency = $2 AND remaining > 0 AND expires_at > $3 GROUP BY 1, 2",
        unit.program,
        currency,
        now,
    )
    return [tuple(row) for row in rows]


async def fates(unit: Unit, currency: str, bounds: Sequence[datetime], step_days: int) -> list[Fate]:
    """What became of the points that were earned between each two of the `bounds` (a cohort, from 1 on), by age in steps of days."""
    rows = await unit.fetch(_FATES, unit.program, currency, list(bounds), step_days)
    return [Fate(*row) for row in rows]


async def spent(unit: Unit, since: datetime, until: datetime, at_most: int) -> list[Spent]:
    """What was spent from an instant on and before another, less what was refunded of it, by what for and the money that it cost; the most points
    first.
    """
    return [Spent(*row) for row in await unit.fetch(_SPENT, unit.program, since, until, at_most)]
