"""Writing the ledger: what was done to the lots of locked members in one unit, as transfers, lots and wallets.

What is booked is worked out in memory, under the members' locks. A wallet's totals follow from its transfers here, so they
cannot say anything else.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from achievements.lots import Lot
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit


class Transfer(msgspec.Struct, frozen=True):
    """Points that move from one account to another at an instant, out of or into one lot.

    Without a lot it is a debt that begins. `fact_id` names the decision it carries out, `corrects` the transfer it mends.
    """

    member_id: UUID
    currency: str
    kind: str
    points: int
    debit: str
    credit: str
    lot_id: str | None
    at: datetime
    event_id: str
    source: str
    fact_id: str | None = None
    corrects: UUID | None = None

    @property
    def change(self) -> int:
        """What it does to the balance, which is what is in the wallet less what is owed."""
        return self.points * ((self.credit in _OWN) - (self.debit in _OWN))


class Booked(msgspec.Struct, frozen=True):
    """What a unit did to the points of one member: lots earned in it, older lots as they are now, further transfers.

    That a lot was earned is a transfer of its own kind, and follows from the lot.
    """

    member_id: UUID
    earned: Sequence[Lot]
    changed: Sequence[Lot]
    transfers: Sequence[Transfer]


_OWN = ("wallet", "debt")
_Wallet: TypeAlias = tuple[UUID, str]

_TRANSFERS = Rows(
    "transfer",
    {
        "member_id": "uuid",
        "currency": "text",
        "kind": "text",
        "points": "bigint",
        "debit": "text",
        "credit": "text",
        "lot_id": "text",
        "at": "timestamptz",
        "event_id": "text",
        "source": "text",
        "fact_id": "text",
        "corrects": "uuid",
        "booked_at": "timestamptz",
    },
    made={"id": "uuidv7()"},
)
_LOTS = Rows(
    "lot",
    {
        "member_id": "uuid",
        "id": "text",
        "currency": "text",
        "points": "bigint",
        "remaining": "bigint",
        "expired": "bigint",
        "earned_at": "timestamptz",
        "expires_at": "timestamptz",
        "event_id": "text",
        "source": "text",
    },
    # An outcome that was taken back and is earned anew: its lot was worth nothing, and takes the new dates.
    "ON CONFLICT (program_id, member_id, id) DO UPDATE SET points = lot.points + excluded.points,"
    " remaining = lot.remaining + excluded.remaining, expired = lot.expired + excluded.expired,"
    " earned_at = excluded.earned_at, expires_at = excluded.expires_at, event_id = excluded.event_id",
)
_SOONEST = (
    "(SELECT min(expires_at) FROM lot WHERE lot.program_id = $1 AND lot.member_id = wallet.member_id"
    " AND lot.currency = wallet.currency AND lot.remaining > 0)"
)


async def book(unit: Unit, booked: Iterable[Booked], booked_at: datetime) -> dict[UUID, datetime | None]:
    """Write what was done; when points next end, of those members of whom it is not simply sooner than before."""
    booked = [each for each in booked if each.earned or each.changed or each.transfers]
    _earn(unit, [(each.member_id, lot) for each in booked for lot in each.earned], booked_at)
    await _change(unit, [(each.member_id, lot) for each in booked for lot in each.changed])
    transfers = [transfer for each in booked for transfer in each.transfers]
    _TRANSFERS.insert(unit, [(*msgspec.structs.astuple(each), booked_at) for each in transfers])
    moved = {(each.member_id, each.currency) for each in transfers}
    _credit(unit, [(each.member_id, lot) for each in booked for lot in each.earned], moved)
    if not moved:
        return {}
    await _settle(unit, booked, moved)
    return await _next_expiry(unit, {who for who, _ in moved})


def _earn(unit: Unit, lots: Sequence[tuple[UUID, Lot]], booked_at: datetime) -> None:
    """New lots, and a transfer for each."""
    _LOTS.insert(
        unit,
        [
            (
                who,
                each.id,
                each.currency,
                each.points,
                each.remaining,
                each.expired,
                each.earned_at,
                each.expires_at,
                each.event_id,
                each.source,
            )
            for who, each in lots
        ],
    )
    _TRANSFERS.insert(
        unit,
        [
            (
                who,
                each.currency,
                "earn",
                each.points,
                "issuance",
                "wallet",
                each.id,
                each.earned_at,
                each.event_id,
                each.source,
                None,
                None,
                booked_at,
            )
            for who, each in lots
        ],
    )


async def _change(unit: Unit, lots: Sequence[tuple[UUID, Lot]]) -> None:
    """Older lots as they are now."""
    if lots:
        await unit.execute(
            "UPDATE lot SET points = new.points, remaining = new.remaining, expired = new.expired, earned_at = new.earned_at,"
            " expires_at = new.expires_at, event_id = new.event_id FROM unnest($2::uuid[], $3::text[], $4::bigint[],"
            " $5::bigint[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], $9::text[])"
            " AS new (member_id, id, points, remaining, expired, earned_at, expires_at, event_id)"
            " WHERE lot.program_id = $1 AND lot.member_id = new.member_id AND lot.id = new.id",
            unit.program,
            *columns_of(
                [
                    (
                        who,
                        each.id,
                        each.points,
                        each.remaining,
                        each.expired,
                        each.earned_at,
                        each.expires_at,
                        each.event_id,
                    )
                    for who, each in lots
                ],
                8,
            ),
        )


def _credit(unit: Unit, lots: Sequence[tuple[UUID, Lot]], elsewhere: set[_Wallet]) -> None:
    """Wallets that did nothing but earn."""
    sums: dict[_Wallet, int] = defaultdict(int)
    soonest: dict[_Wallet, datetime] = {}
    for who, lot in lots:
        wallet = (who, lot.currency)
        if wallet in elsewhere:
            continue
        sums[wallet] += lot.points
        if lot.expires_at is not None:
            soonest[wallet] = min(lot.expires_at, soonest.get(wallet, lot.expires_at))
    if sums:
        unit.write(
            "INSERT INTO wallet AS held (program_id, member_id, currency, earned, balance, next_expiry_at)"
            " SELECT $1, new.member_id, new.currency, new.points, new.points, new.expiry"
            " FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[]) AS new (member_id, currency, points, expiry)"
            " ON CONFLICT (program_id, member_id, currency) DO UPDATE SET earned = held.earned + excluded.earned,"
            " balance = held.balance + excluded.balance, next_expiry_at = least(held.next_expiry_at, excluded.next_expiry_at)",
            unit.program,
            *columns_of([(*wallet, points, soonest.get(wallet)) for wallet, points in sums.items()], 4),
        )


_TOTALS = ("earned", "reversed", "spent", "expired", "debt", "balance")


async def _settle(unit: Unit, booked: Iterable[Booked], moved: set[_Wallet]) -> None:
    """Wallets with transfers of any kind; their next expiry is looked up, since lots may be empty now."""
    sums = {wallet: dict.fromkeys(_TOTALS, 0) for wallet in moved}
    for each in booked:
        for lot in each.earned:
            if (total := sums.get((each.member_id, lot.currency))) is not None:
                total["earned"] += lot.points
                total["balance"] += lot.points
        for transfer in each.transfers:
            _add(sums[transfer.member_id, transfer.currency], transfer)
    # A row to be inserted is checked by itself, and what a wallet loses is no wallet: so it is made first, and then changed.
    await unit.execute(
        "INSERT INTO wallet (program_id, member_id, currency) SELECT $1, new.member_id, new.currency"
        " FROM unnest($2::uuid[], $3::text[]) AS new (member_id, currency) ON CONFLICT DO NOTHING",
        unit.program,
        *columns_of(list(sums), 2),
    )
    await unit.execute(
        f"UPDATE wallet SET {', '.join(f'{name} = wallet.{name} + new.{name}' for name in _TOTALS)},"
        f" next_expiry_at = {_SOONEST} FROM unnest($2::uuid[], $3::text[],"
        " $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])"
        f" AS new (member_id, currency, {', '.join(_TOTALS)})"
        " WHERE wallet.program_id = $1 AND wallet.member_id = new.member_id AND wallet.currency = new.currency",
        unit.program,
        *columns_of([(*wallet, *total.values()) for wallet, total in sums.items()], 8),
    )


_TOTAL_OF = {"earn": "earned", "reverse": "reversed", "spend": "spent", "refund": "spent", "expire": "expired"}


def _add(total: dict[str, int], transfer: Transfer) -> None:
    """What a transfer adds to the totals of its wallet: those of what left it, and what came in by earning."""
    change = transfer.change
    total["balance"] += change
    name = _TOTAL_OF.get(transfer.kind)
    if name is not None:
        total[name] += change if name == "earned" else -change
    total["debt"] += transfer.points * ((transfer.debit == "debt") - (transfer.credit == "debt"))


async def _next_expiry(unit: Unit, member_ids: Iterable[UUID]) -> dict[UUID, datetime | None]:
    rows = await unit.fetch(
        "SELECT member_id, min(next_expiry_at) FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[]) GROUP BY 1",
        unit.program,
        list(member_ids),
    )
    return dict(tuple(row) for row in rows)
