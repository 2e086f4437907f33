"""Points: lots, the transfers that touch them, and wallets. All of it under the lock of the member's state.

A transfer moves points from its debit account to its credit account and is never changed. A lot's dates are fixed when it
is booked. A wallet sums up, and knows when points of it next end.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.points import repriced
from achievements.values import PointsEarned, PointsExpired
from engagement.records.rows import columns_of
from engagement.records.unit import Row, Unit


class Booking(msgspec.Struct, frozen=True):
    """Points to book as a new lot of a member, and the instant from which they cannot be spent (None: they keep)."""

    member_id: UUID
    earned: PointsEarned
    expires_at: datetime | None


class Expired(msgspec.Struct, frozen=True):
    """What ended in the wallets of a member, by instant, and when points of her next end."""

    effects: list[PointsExpired]
    next_expiry_at: datetime | None


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


_SOONEST = (
    "(SELECT min(expires_at) FROM lot WHERE lot.program_id = $1 AND lot.member_id = wallet.member_id"
    " AND lot.currency = wallet.currency AND lot.remaining > 0)"
)


async def book(unit: Unit, bookings: Sequence[Booking], booked_at: datetime) -> None:
    """Book points earned: a lot and a transfer each, and the wallets."""
    if not bookings:
        return
    rows = [
        (
            each.member_id,
            earned.currency,
            earned.lot,
            earned.points,
            earned.at,
            earned.event_id,
            earned.source,
            each.expires_at,
        )
        for each in bookings
        for earned in (each.earned,)
    ]
    await unit.execute(
        "WITH new AS (SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::text[],"
        " $8::text[], $9::timestamptz[]) AS new (member_id, currency, lot, points, at, event_id, source, expires_at)),"
        " lots AS (INSERT INTO lot (program_id, member_id, id, currency, points, remaining, earned_at, expires_at, event_id, source)"
        " SELECT $1, member_id, lot, currency, points, points, at, expires_at, event_id, source FROM new"
        # An outcome that was taken back and is earned anew: its lot is empty, and takes the new dates.
        " ON CONFLICT (program_id, member_id, id) DO UPDATE SET points = lot.points + excluded.points,"
        " remaining = lot.remaining + excluded.points, earned_at = excluded.earned_at, expires_at = excluded.expires_at,"
        " event_id = excluded.event_id)"
        " INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, lot_id, at, booked_at, event_id,"
        " source) SELECT $1, uuidv7(), member_id, currency, 'earn', points, 'issuance', 'wallet', lot, at, $10, event_id, source"
        " FROM new",
        unit.program,
        *columns_of(rows, 8),
        booked_at,
    )
    sums: dict[tuple[UUID, str], int] = defaultdict(int)
    soonest: dict[tuple[UUID, str], datetime] = {}
    for each in bookings:
        wallet = (each.member_id, each.earned.currency)
        sums[wallet] += each.earned.points
        if each.expires_at is not None:
            soonest[wallet] = min(each.expires_at, soonest.get(wallet, each.expires_at))
    await unit.execute(
        "INSERT INTO wallet AS held (program_id, member_id, currency, earned, balance, next_expiry_at)"
        " SELECT $1, new.member_id, new.currency, new.points, new.points, new.expiry"
        " FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[]) AS new (member_id, currency, points, expiry)"
        " ON CONFLICT (program_id, member_id, currency) DO UPDATE SET earned = held.earned + excluded.earned,"
        " balance = held.balance + excluded.balance, next_expiry_at = least(held.next_expiry_at, excluded.next_expiry_at)",
        unit.program,
        *columns_of([(*wallet, points, soonest.get(wallet)) for wallet, points in sums.items()], 4),
    )


async def reprice(
    unit: Unit, lots: Sequence[tuple[UUID, str, int]], booked_at: datetime
) -> dict[UUID, datetime | None]:
    """Make lots (member, lot) be worth other points than they were booked with; when points of each member next end.

    More points are booked where the lot was earned; fewer are taken back at `booked_at`, with the expiry of what expired.
    """
    rows = await unit.fetch(
        "SELECT held.*, (SELECT id FROM transfer WHERE program_id = $1 AND member_id = held.member_id AND at = held.earned_at"
        " AND lot_id = held.id AND kind = 'earn' ORDER BY booked_at LIMIT 1) AS earning, wanted.points AS wanted"
        " FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS wanted (member_id, lot, points)"
        " JOIN lot AS held ON held.program_id = $1 AND held.member_id = wanted.member_id AND held.id = wanted.lot",
        unit.program,
        *columns_of(lots, 3),
    )
    changes, transfers, sums = _repricings(rows, booked_at)
    await unit.execute(
        "UPDATE lot SET points = new.points, remaining = new.remaining"
        " FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[]) AS new (member_id, id, points, remaining)"
        " WHERE lot.program_id = $1 AND lot.member_id = new.member_id AND lot.id = new.id",
        unit.program,
        *columns_of(changes, 4),
    )
    await unit.execute(
        "INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, lot_id, event_id,"
        " source, corrects) SELECT $1, uuidv7(), new.member_id, currency, kind, points, debit, credit, at, $2, lot, event_id,"
        " source, corrects FROM unnest($3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],"
        " $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::uuid[])"
        " AS new (member_id, currency, kind, points, debit, credit, at, lot, event_id, source, corrects)",
        unit.program,
        booked_at,
        *columns_of(transfers, 11),
    )
    await unit.execute(
        "UPDATE wallet SET earned = earned + new.more, reversed = reversed + new.fewer, expired = expired - new.unexpired,"
        f" balance = balance + new.more + new.unexpired - new.fewer, next_expiry_at = {_SOONEST}"
        " FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])"
        " AS new (member_id, currency, more, fewer, unexpired)"
        " WHERE wallet.program_id = $1 AND wallet.member_id = new.member_id AND wallet.currency = new.currency",
        unit.program,
        *columns_of([(*wallet, *points) for wallet, points in sums.items()], 5),
    )
    return await _next_expiry(unit, {who for who, _, _ in lots})


def _repricings(
    rows: Sequence[Row], booked_at: datetime
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], dict[tuple[UUID, str], list[int]]]:
    """The lots, the transfers and the sums of each wallet (more, fewer, no longer expired) that repricing comes to."""
    changes: list[tuple[object, ...]] = []
    transfers: list[tuple[object, ...]] = []
    sums: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        to = repriced(row["points"], row["remaining"], row["wanted"])
        changes.append((row["member_id"], row["id"], row["wanted"], to.remaining))
        moves = (
            ("earn", to.earned, "issuance", "wallet", row["earned_at"]),
            ("expire", to.unexpired, "expired", "wallet", row["expires_at"]),
            ("reverse", to.reversed, "wallet", "issuance", booked_at),
        )
        transfers += [
            (row["member_id"], row["currency"], *move, row["id"], row["event_id"], row["source"], row["earning"])
            for move in moves
            if move[1]
        ]
        wallet = sums[row["member_id"], row["currency"]]
        wallet[:] = wallet[0] + to.earned, wallet[1] + to.reversed, wallet[2] + to.unexpired
    return changes, transfers, sums


async def expire(unit: Unit, until: Sequence[tuple[UUID, datetime]], booked_at: datetime) -> dict[UUID, Expired]:
    """Book what ended, of each member up to an instant; each expiry is dated at the instant it fell due."""
    rows = await unit.fetch(
        "WITH due AS (UPDATE lot SET remaining = 0 FROM unnest($2::uuid[], $3::timestamptz[]) AS sweep (member_id, until)"
        " WHERE lot.program_id = $1 AND lot.member_id = sweep.member_id AND lot.remaining > 0 AND lot.held = 0"
        " AND lot.expires_at <= sweep.until"
        " RETURNING lot.member_id, lot.id, lot.currency, old.remaining AS points, lot.expires_at, lot.event_id, lot.source),"
        " moved AS (INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, lot_id, at, booked_at,"
        " event_id, source) SELECT $1, uuidv7(), member_id, currency, 'expire', points, 'wallet', 'expired', id, expires_at, $4,"
        " event_id, source FROM due)"
        " SELECT member_id, currency, sum(points)::bigint AS points, expires_at FROM due GROUP BY member_id, currency, expires_at"
        " ORDER BY expires_at, currency",
        unit.program,
        *columns_of(until, 2),
        booked_at,
    )
    ended: dict[UUID, list[PointsExpired]] = {who: [] for who, _ in until}
    sums: dict[tuple[UUID, str], int] = defaultdict(int)
    for row in rows:
        ended[row["member_id"]].append(PointsExpired(row["currency"], row["points"], row["expires_at"]))
        sums[row["member_id"], row["currency"]] += row["points"]
    await unit.execute(
        "UPDATE wallet SET expired = expired + ended.points, balance = balance - ended.points, "
        f" next_expiry_at = {_SOONEST}"
        " FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS ended (member_id, currency, points)"
        " WHERE wallet.program_id = $1 AND wallet.member_id = ended.member_id AND wallet.currency = ended.currency",
        unit.program,
        *columns_of([(*wallet, points) for wallet, points in sums.items()], 3),
    )
    ahead = await _next_expiry(unit, ended)
    return {who: Expired(effects, ahead.get(who)) for who, effects in ended.items()}


async def _next_expiry(unit: Unit, member_ids: Iterable[UUID]) -> dict[UUID, datetime | None]:
    rows = await unit.fetch(
        "SELECT member_id, min(next_expiry_at) FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[]) GROUP BY 1",
        unit.program,
        list(member_ids),
    )
    return dict(tuple(row) for row in rows)


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


async def unbalanced(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, str, str]]:
    """Where wallets (member, currency) are not what their transfers and lots come to, and how."""
    rows = await unit.fetch(
        "SELECT w.member_id, w.currency, format('wallet (earned %s, reversed %s, expired %s, balance %s), transfers"
        " (%s, %s, %s, %s), left in lots %s', w.earned, w.reversed, w.expired, w.balance,"
        " booked.earned, booked.reversed, booked.expired, booked.balance, lots.remaining) AS how FROM wallet AS w,"
        " LATERAL (SELECT coalesce(sum(points) FILTER (WHERE kind = 'earn'), 0) AS earned,"
        " coalesce(sum(points) FILTER (WHERE kind = 'reverse'), 0) AS reversed,"
        " coalesce(sum(CASE credit WHEN 'expired' THEN points ELSE -points END) FILTER (WHERE kind = 'expire'), 0) AS expired,"
        " coalesce(sum(CASE credit WHEN 'wallet' THEN points ELSE -points END), 0) AS balance FROM transfer AS t"
        " WHERE t.program_id = $1 AND t.member_id = w.member_id AND t.currency = w.currency) AS booked,"
        " LATERAL (SELECT coalesce(sum(remaining), 0) AS remaining FROM lot AS l WHERE l.program_id = $1"
        " AND l.member_id = w.member_id AND l.currency = w.currency) AS lots"
        " WHERE w.program_id = $1 AND w.member_id = ANY($2::uuid[]) AND (w.earned, w.reversed, w.expired, w.balance,"
        " w.balance + w.debt) <> (booked.earned, booked.reversed, booked.expired, booked.balance, lots.remaining)",
        unit.program,
        list(member_ids),
    )
    return [(row["member_id"], row["currency"], row["how"]) for row in rows]
