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
from engagement.records import holds
from engagement.records.holds import Hold
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Wallet(msgspec.Struct, frozen=True):
    """A member's points of one currency. All are totals but `balance`, `pending`, `held` and `debt`, which are present.

    `balance` can be spent, less what is owed; `pending` and `held` are in her lots beside it. `adjusted` and `transferred` are what
    adjustments and other members brought, less what went there.
    """

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
    adjusted: int = 0
    transferred: int = 0


class Expiry(msgspec.Struct, frozen=True):
    """Points of a currency that end next, all at one instant."""

    currency: str
    points: int
    at: datetime


class AtHand(msgspec.Struct):
    """Lots and open holds of a member that were read to be changed, and the transfer by which each lot named was earned."""

    lots: list[Lot]
    earnings: dict[str, UUID]
    holds: list[Hold] = []


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
    """Lots of locked members: those with points left that end or are released up to an instant (None: all of them), and those
    `named`; and the open holds that end up to it, with the lots that they hold.
    """
    found: dict[UUID, AtHand] = {who: AtHand([], {}, []) for who, _ in (*until, *named)}
    read: set[tuple[UUID, str]] = set()
    if until:
        rows = await unit.fetch(
            # OFFSET 0 keeps each look-up one of its own, by the index: without statistics the planner would hash whole tables.
            f"SELECT lot.member_id, {_LOT} FROM unnest($2::uuid[], $3::timestamptz[]) AS sweep (member_id, until),"
            " LATERAL (SELECT * FROM lot WHERE lot.program_id = $1 AND lot.member_id = sweep.member_id AND lot.remaining > 0"
            " AND (sweep.until IS NULL OR lot.expires_at <= sweep.until OR lot.pending AND lot.release_at <= sweep.until)"
            " OFFSET 0) AS lot",
            unit.program,
            *columns_of(until, 2),
        )
        for row in rows:
            who, *values = row
            lot = Lot(*values)
            found[who].lots.append(lot)
            read.add((who, lot.id))
        # Where all of a member's lots were read, they say whether there are any.
        may_hold = [(who, at) for who, at in until if at is not None or any(each.held for each in found[who].lots)]
        for who, held in (await holds.opened(unit, may_hold)).items():
            found[who].holds = held
    held_too = {(who, lot) for who, each in found.items() for hold in each.holds for lot, _ in hold.lots} - read
    # What is named is read by itself, for its earning; else once.
    wanted = [*named, *sorted(held_too.difference(named))]
    if wanted:
        for who, lot, earning in await _named(unit, wanted):
            found[who].lots.append(lot)
            if earning is not None:
                found[who].earnings[lot.id] = earning
    return found


async def _named(unit: Unit, named: Sequence[tuple[UUID, str]]) -> list[tuple[UUID, Lot, UUID | None]]:
    """Lots by (member, id), each with the transfer by which it was earned."""
    rows = await unit.fetch(
        "SELECT lot.member_id, (SELECT id FROM transfer WHERE program_id = $1 AND member_id = lot.member_id"
        " AND at = lot.earned_at AND lot_id = lot.id AND kind = 'earn' ORDER BY booked_at LIMIT 1) AS earning,"
        f" {_LOT} FROM unnest($2::uuid[], $3::text[]) AS wanted (member_id, lot) JOIN lot ON lot.program_id = $1"
        " AND lot.member_id = wanted.member_id AND lot.id = wanted.lot",
        unit.program,
        *columns_of(named, 2),
    )
    return [(row["member_id"], Lot(*list(row)[2:]), row["earning"]) for row in rows]


async def spends(unit: Unit, member_id: UUID, fact_ids: Sequence[str]) -> list[Spend]:
    """What some decisions took out of a member's lots, and was not given back since."""
    rows = await unit.fetch(
        "SELECT id, fact_id, currency, lot_id, points, at, event_id, source FROM transfer AS spend WHERE program_id = $1"
        " AND member_id = $2 AND kind = 'spend' AND credit = 'redeemed' AND fact_id = ANY($3::text[]) AND NOT EXISTS (SELECT FROM transfer AS refund"
        " WHERE refund.program_id = $1 AND refund.member_id = $2 AND refund.at = spend.at AND refund.corrects = spend.id"
        # Where members were merged and are two again, what was given back meanwhile was not.
        " AND NOT EXISTS (SELECT FROM transfer AS undone WHERE undone.program_id = $1 AND undone.member_id = $2"
        " AND undone.at = refund.at AND undone.kind = refund.kind AND undone.corrects = refund.id))"
        " ORDER BY id",
        unit.program,
        member_id,
        list(fact_ids),
    )
    return [Spend(*row) for row in rows]


async def wallets(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[Wallet, datetime | None]]:
    """The wallets of members as they are stored, by currency, and when the next thing of each falls due by itself."""
    rows = await unit.fetch(
        "SELECT member_id, currency, earned, reversed, spent, expired, balance - pending - held, pending, held, debt, adjusted,"
        " transferred, next_expiry_at FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[]) ORDER BY currency",
        unit.program,
        list(member_ids),
    )
    return [(Wallet(*list(row)[:-1]), row["next_expiry_at"]) for row in rows]


async def next_expiries(unit: Unit, member_ids: Sequence[UUID]) -> dict[tuple[UUID, str], Expiry]:
    """For each member and currency, the points that end at the soonest instant."""
    rows = await unit.fetch(
        "SELECT DISTINCT ON (member_id, currency) member_id, currency, sum(remaining - held)::bigint, expires_at FROM lot"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND remaining > 0 AND remaining > held AND expires_at IS NOT NULL"
        " GROUP BY member_id, currency, expires_at ORDER BY member_id, currency, expires_at",
        unit.program,
        list(member_ids),
    )
    return {(row["member_id"], row["currency"]): Expiry(*list(row)[1:]) for row in rows}


async def earned(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, list[PointsEarned]]:
    """What the lots of members say was earned; a lot that was taken back wholly says nothing."""
    rows = await unit.fetch(
        "SELECT member_id, currency, points, source, id, earned_at, event_id FROM lot"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND points > 0 AND kind = 'earn'",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, list[PointsEarned]] = {who: [] for who in member_ids}
    for row in rows:
        who, *values = row
        found[who].append(PointsEarned(*values))
    return found


async def carried_out(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """What decisions took in all, less what they gave and what was given back, by member and the decision's fact."""
    rows = await unit.fetch(
        "SELECT member_id, fact_id, sum(CASE debit WHEN 'wallet' THEN points ELSE -points END)::bigint AS points"
        " FROM transfer WHERE program_id = $1 AND member_id = ANY($2::uuid[])"
        " AND kind IN ('spend', 'refund', 'adjust', 'transfer') AND fact_id IS NOT NULL GROUP BY member_id, fact_id",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, dict[str, int]] = {who: {} for who in member_ids}
    for row in rows:
        found[row["member_id"]][row["fact_id"]] = row["points"]
    return found


async def given_since(unit: Unit, member_id: UUID, source: str, currency: str, since: datetime) -> tuple[int, int]:
    """How often points of a currency left a locked member for others since an instant, as `source` says, and how many in all."""
    row = await unit.fetchrow(
        # What a merge moved elsewhere has its opposite beside it, and so comes to nothing.
        "SELECT count(*), coalesce(sum(points), 0)::bigint FROM (SELECT sum(CASE debit WHEN 'wallet' THEN points ELSE -points END) AS points"
        " FROM transfer WHERE program_id = $1 AND member_id = $2 AND at >= $4 AND kind = 'transfer' AND currency = $3 AND source = $5"
        " GROUP BY fact_id) AS told WHERE points > 0",
        *(unit.program, member_id, currency, since, source),
    )
    assert row is not None, "an aggregate has a row"
    return row[0], row[1]
