"""Points: lots, the transfers that touch them, and wallets. All of it under the lock of the member's state.

A transfer moves points from its debit account to its credit account and is never changed. A lot's dates are fixed when it
is booked. A wallet sums up, and knows when points of it next end.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.lots import Lot
from achievements.outcomes import PointsEarned
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Wallet(msgspec.Struct, frozen=True):
    """A member's points of one currency. All are totals but `balance`, `pending`, `held` and `debt`, which are present."""

    member_id: UUID
    currency: str
    earned: int
    reversed: int
    spent: int
    expired: int
    balance: int
    pending: int
    held: int
    debt: int


class Expiry(msgspec.Struct, frozen=True):
    """Points of a currency that end next, all at one instant."""

    currency: str
    points: int
    at: datetime


class AtHand(msgspec.Struct):
    """Lots of a member that were read to be changed, and the transfer by which each of those named was earned."""

    lots: list[Lot]
    earnings: dict[str, UUID]


class Spend(msgspec.Struct, frozen=True):
    """Points that a decision took out of a lot, by one transfer."""

    transfer_id: UUID
    fact_id: str
    currency: str
    lot_id: str
    points: int
    at: datetime
    event_id: str
    source: str


_LOT = ", ".join(f"lot.{name}" for name in Lot.__struct_fields__)


async def lots(
    unit: Unit, until: Sequence[tuple[UUID, datetime | None]], named: Sequence[tuple[UUID, str]] = ()
) -> dict[UUID, AtHand]:
    """Lots of locked members: those with points left that end up to an instant (None: all of them), and those `named`."""
    found: dict[UUID, AtHand] = {who: AtHand([], {}) for who, _ in (*until, *named)}
    if until:
        rows = await unit.fetch(
            # OFFSET 0 keeps each look-up one of its own, by the index: without statistics the planner would hash whole tables.
            f"SELECT lot.member_id, {_LOT} FROM unnest($2::uuid[], $3::timestamptz[]) AS sweep (member_id, until),"
            " LATERAL (SELECT * FROM lot WHERE lot.program_id = $1 AND lot.member_id = sweep.member_id AND lot.remaining > 0"
            " AND (sweep.until IS NULL OR lot.expires_at <= sweep.until) OFFSET 0) AS lot",
            unit.program,
            *columns_of(until, 2),
        )
        for row in rows:
            who, *values = row
            found[who].lots.append(Lot(*values))
    if named:
        rows = await unit.fetch(
            "SELECT lot.member_id, (SELECT id FROM transfer WHERE program_id = $1 AND member_id = lot.member_id"
            " AND at = lot.earned_at AND lot_id = lot.id AND kind = 'earn' ORDER BY booked_at LIMIT 1) AS earning,"
            f" {_LOT} FROM unnest($2::uuid[], $3::text[]) AS wanted (member_id, lot) JOIN lot ON lot.program_id = $1"
            " AND lot.member_id = wanted.member_id AND lot.id = wanted.lot",
            unit.program,
            *columns_of(named, 2),
        )
        for row in rows:
            who, earning, *values = row
            lot = Lot(*values)
            found[who].lots.append(lot)
            if earning is not None:
                found[who].earnings[lot.id] = earning
    return found


async def spends(unit: Unit, member_id: UUID, fact_ids: Sequence[str]) -> list[Spend]:
    """What some decisions took out of a member's lots, and was not given back since."""
    rows = await unit.fetch(
        "SELECT id, fact_id, currency, lot_id, points, at, event_id, source FROM transfer AS spend WHERE program_id = $1"
        " AND member_id = $2 AND kind = 'spend' AND fact_id = ANY($3::text[]) AND NOT EXISTS (SELECT FROM transfer AS refund"
        " WHERE refund.program_id = $1 AND refund.member_id = $2 AND refund.at = spend.at AND refund.corrects = spend.id)"
        " ORDER BY id",
        unit.program,
        member_id,
        list(fact_ids),
    )
    return [Spend(*row) for row in rows]


async def wallets(unit: Unit, member_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Wallet]]:
    """The wallets of members as of an instant: what has ended by then counts as expired, booked or not."""
    rows = await unit.fetch(
        "SELECT member_id, currency, earned, reversed, spent, expired + ended.points, balance - ended.points, pending, held, debt"
        " FROM wallet, LATERAL (SELECT coalesce((SELECT sum(lot.remaining) FROM lot WHERE wallet.next_expiry_at <= $3"
        " AND lot.program_id = $1 AND lot.member_id = wallet.member_id AND lot.currency = wallet.currency"
        " AND lot.remaining > 0 AND lot.held = 0 AND lot.expires_at <= $3), 0)::bigint AS points) AS ended"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) ORDER BY currency",
        unit.program,
        list(member_ids),
        now,
    )
    found: dict[UUID, list[Wallet]] = {who: [] for who in member_ids}
    for row in rows:
        found[row["member_id"]].append(Wallet(*row))
    return found


async def next_expiries(unit: Unit, member_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Expiry]]:
    """For each member and currency, the points that end at the soonest instant after `now`."""
    rows = await unit.fetch(
        "SELECT DISTINCT ON (member_id, currency) member_id, currency, sum(remaining)::bigint, expires_at FROM lot"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND remaining > 0 AND expires_at > $3"
        " GROUP BY member_id, currency, expires_at ORDER BY member_id, currency, expires_at",
        unit.program,
        list(member_ids),
        now,
    )
    found: dict[UUID, list[Expiry]] = {who: [] for who in member_ids}
    for row in rows:
        found[row["member_id"]].append(Expiry(*list(row)[1:]))
    return found


async def earned(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, list[PointsEarned]]:
    """What the lots of members say was earned; a lot that was taken back wholly says nothing."""
    rows = await unit.fetch(
        "SELECT member_id, currency, points, source, id, earned_at, event_id FROM lot"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND points > 0",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, list[PointsEarned]] = {who: [] for who in member_ids}
    for row in rows:
        who, *values = row
        found[who].append(PointsEarned(*values))
    return found


async def carried_out(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """What decisions took in all, less what was given back, by member and the decision's fact."""
    rows = await unit.fetch(
        "SELECT member_id, fact_id, sum(CASE kind WHEN 'spend' THEN points ELSE -points END)::bigint AS points"
        " FROM transfer WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND kind IN ('spend', 'refund')"
        " AND fact_id IS NOT NULL GROUP BY member_id, fact_id",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, dict[str, int]] = {who: {} for who in member_ids}
    for row in rows:
        found[row["member_id"]][row["fact_id"]] = row["points"]
    return found
