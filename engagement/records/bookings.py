"""Writing the ledger: what was done to the lots of locked members in one unit, as transfers, lots and wallets.

What is booked is worked out in memory, under the members' locks. A wallet's totals follow from its transfers here, so they
cannot say anything else.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from achievements.lots import Lot
from engagement.records import holds
from engagement.records.holds import Hold
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


class Aside(NamedTuple):
    """What is set aside and waits in the lots of a wallet, and when the next thing of them falls due."""

    held: int
    pending: int
    due: datetime | None


class Booked(msgspec.Struct, frozen=True):
    """What a unit did to the points of one member: lots opened in it, older lots as they are now, further transfers, and holds
    that were made or ended.

    That a lot was earned is a transfer of its own kind, and follows from the lot. `asides` are those of all her wallets, where all her
    lots are at hand and the wallets that were moved are stored; else they are looked up.
    """

    member_id: UUID
    opened: Sequence[Lot]
    changed: Sequence[Lot]
    transfers: Sequence[Transfer]
    holds: Sequence[Hold] = ()
    asides: Mapping[str, Aside] | None = None

    @property
    def earned(self) -> list[Lot]:
        """The lots that were earned."""
        return [each for each in self.opened if each.kind == "earn"]

    @property
    def moved(self) -> set[tuple[UUID, str]]:
        """The wallets (member, currency) in which more was done than to earn."""
        changed, moved = ({each.currency for each in these} for these in (self.changed, self.transfers))
        # A reward may have been earned before and taken back: what is left in its lot waits for nothing, and says so of the whole lot.
        again = {each.currency for each in self.opened if each.pending and not each.id.startswith("earn/")}
        return {(self.member_id, currency) for currency in changed | moved | again}


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
        "held": "bigint",
        "pending": "boolean",
        "release_at": "timestamptz",
        "kind": "text",
    },
    # An outcome that was taken back and is earned anew: its lot was worth nothing, and takes the new dates.
    "ON CONFLICT (program_id, member_id, id) DO UPDATE SET points = lot.points + excluded.points,"
    " remaining = lot.remaining + excluded.remaining, expired = lot.expired + excluded.expired,"
    " earned_at = excluded.earned_at, expires_at = excluded.expires_at, event_id = excluded.event_id,"
    # What came free of a hold since is there already, and is not kept waiting with the new ones.
    " release_at = excluded.release_at, pending = excluded.pending AND lot.remaining = lot.held",
)


async def book(unit: Unit, booked: Iterable[Booked], booked_at: datetime) -> dict[UUID, datetime | None]:
    """Write what was done; when points next end, of those members of whom it is not simply sooner than before."""
    booked = [each for each in booked if each.opened or each.changed or each.transfers]
    _open(unit, [(each.member_id, lot) for each in booked for lot in each.opened])
    _earn(unit, [(each.member_id, lot) for each in booked for lot in each.earned], booked_at)
    _change(unit, [(each.member_id, lot) for each in booked for lot in each.changed])
    holds.save(unit, [hold for each in booked for hold in each.holds])
    transfers = [transfer for each in booked for transfer in each.transfers]
    _TRANSFERS.insert(unit, [(*msgspec.structs.astuple(each), booked_at) for each in transfers])
    moved = {wallet for each in booked for wallet in each.moved}
    _credit(unit, [(each.member_id, lot) for each in booked for lot in each.earned], moved)
    sums = _sums(booked, moved)
    known = {each.member_id: each.asides for each in booked if each.asides is not None and each.moved}
    _settle(unit, [(*each, *sums[each].values(), *known[each[0]][each[1]]) for each in sums if each[0] in known])
    soonest = {who: _soonest(asides.values()) for who, asides in known.items()}
    unknown = {each: total for each, total in sums.items() if each[0] not in known}
    return {**soonest, **await _look_and_settle(unit, unknown)} if unknown else soonest


def _soonest(asides: Iterable[Aside]) -> datetime | None:
    return min((each.due for each in asides if each.due is not None), default=None)


def _open(unit: Unit, lots: Sequence[tuple[UUID, Lot]]) -> None:
    """New lots."""
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
                each.held,
                each.pending,
                each.release_at,
                each.kind,
            )
            for who, each in lots
        ],
    )


def _earn(unit: Unit, lots: Sequence[tuple[UUID, Lot]], booked_at: datetime) -> None:
    """A transfer for each lot that was earned."""
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


def _change(unit: Unit, lots: Sequence[tuple[UUID, Lot]]) -> None:
    """Older lots as they are now."""
    if lots:
        unit.write(
            "UPDATE lot SET points = new.points, remaining = new.remaining, expired = new.expired, earned_at = new.earned_at,"
            " expires_at = new.expires_at, event_id = new.event_id, held = new.held, pending = new.pending,"
            " release_at = new.release_at, extended = new.extended FROM unnest($2::uuid[], $3::text[], $4::bigint[],"
            " $5::bigint[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bigint[], $11::boolean[],"
            " $12::timestamptz[], $13::boolean[]) AS new (member_id, id, points, remaining, expired, earned_at, expires_at,"
            " event_id, held, pending, release_at, extended)"
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
                        each.held,
                        each.pending,
                        each.release_at,
                        each.extended,
                    )
                    for who, each in lots
                ],
                12,
            ),
        )


def _credit(unit: Unit, lots: Sequence[tuple[UUID, Lot]], elsewhere: set[_Wallet]) -> None:
    """Wallets that did nothing but earn."""
    sums: dict[_Wallet, int] = defaultdict(int)
    waiting: dict[_Wallet, int] = defaultdict(int)
    soonest: dict[_Wallet, datetime] = {}
    for who, lot in lots:
        wallet = (who, lot.currency)
        if wallet in elsewhere:
            continue
        sums[wallet] += lot.points
        if lot.pending:
            waiting[wallet] += lot.points
        if lot.due is not None:
            soonest[wallet] = min(lot.due, soonest.get(wallet, lot.due))
    if sums:
        unit.write(
            "INSERT INTO wallet AS held (program_id, member_id, currency, earned, balance, pending, next_expiry_at)"
            " SELECT $1, new.member_id, new.currency, new.points, new.points, new.pending, new.expiry FROM"
            " unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])"
            " AS new (member_id, currency, points, pending, expiry)"
            " ON CONFLICT (program_id, member_id, currency) DO UPDATE SET earned = held.earned + excluded.earned,"
            " balance = held.balance + excluded.balance, pending = held.pending + excluded.pending,"
            " next_expiry_at = least(held.next_expiry_at, excluded.next_expiry_at)",
            unit.program,
            *columns_of(
                [(*wallet, points, waiting[wallet], soonest.get(wallet)) for wallet, points in sums.items()], 5
            ),
        )


_TOTALS = ("earned", "reversed", "spent", "expired", "adjusted", "transferred", "debt", "balance")

_SUMMED = ", ".join(f"{name} = wallet.{name} + new.{name}" for name in _TOTALS)
_ARRAYS = ", ".join(f"${place}::bigint[]" for place in range(4, 4 + len(_TOTALS)))
_NEW = f"member_id, currency, {', '.join(_TOTALS)}"
_THIS = "wallet.program_id = $1 AND wallet.member_id = new.member_id AND wallet.currency = new.currency"
# What an `Aside` says.
_LOOKED_UP = """
SELECT coalesce(sum(lot.held), 0)::bigint AS held,
       coalesce(sum(lot.remaining - lot.held) FILTER (WHERE lot.pending), 0)::bigint AS pending,
       least(min(lot.expires_at) FILTER (WHERE lot.remaining > lot.held), min(lot.release_at) FILTER (WHERE lot.pending),
             CASE WHEN sum(lot.held) > 0 THEN (
                 SELECT min(hold.until) FROM hold WHERE hold.program_id = $1 AND hold.member_id = new.member_id
                 AND hold.currency = new.currency AND hold.state = 'open'
             ) END) AS due
FROM lot WHERE lot.program_id = $1 AND lot.member_id = new.member_id AND lot.currency = new.currency AND lot.remaining > 0
"""


def _sums(booked: Iterable[Booked], moved: set[_Wallet]) -> dict[_Wallet, dict[str, int]]:
    """What becomes of the totals of wallets with transfers of any kind."""
    sums = {wallet: dict.fromkeys(_TOTALS, 0) for wallet in moved}
    for each in booked:
        for lot in each.earned:
            if (total := sums.get((each.member_id, lot.currency))) is not None:
                total["earned"] += lot.points
                total["balance"] += lot.points
        for transfer in each.transfers:
            _add(sums[transfer.member_id, transfer.currency], transfer)
    return sums


def _settle(unit: Unit, wallets: Sequence[tuple[object, ...]]) -> None:
    """Stored wallets, of which what is set aside, waits and falls due next is known."""
    width = 2 + len(_TOTALS) + len(Aside._fields)
    if wallets:
        unit.write(
            f"UPDATE wallet SET {_SUMMED}, held = new.held, pending = new.pending, next_expiry_at = new.due"
            f" FROM unnest($2::uuid[], $3::text[], {_ARRAYS}, ${width - 1}::bigint[], ${width}::bigint[], ${width + 1}::timestamptz[])"
            f" AS new ({_NEW}, held, pending, due) WHERE {_THIS}",
            unit.program,
            *columns_of(wallets, width),
        )


async def _look_and_settle(unit: Unit, sums: Mapping[_Wallet, Mapping[str, int]]) -> dict[UUID, datetime | None]:
    """Wallets of which that is looked up in the lots as they are written; when the next thing of those members falls due."""
    # A row to be inserted is checked by itself, and what a wallet loses is no wallet: so it is made first, and then changed.
    unit.write(
        "INSERT INTO wallet (program_id, member_id, currency) SELECT $1, new.member_id, new.currency"
        " FROM unnest($2::uuid[], $3::text[]) AS new (member_id, currency) ON CONFLICT DO NOTHING",
        unit.program,
        *columns_of(list(sums), 2),
    )
    await unit.execute(
        f"UPDATE wallet SET {_SUMMED}, held = there.held, pending = there.pending, next_expiry_at = there.due"
        f" FROM unnest($2::uuid[], $3::text[], {_ARRAYS}) AS new ({_NEW}), LATERAL ({_LOOKED_UP}) AS there WHERE {_THIS}",
        unit.program,
        *columns_of([(*wallet, *total.values()) for wallet, total in sums.items()], 2 + len(_TOTALS)),
    )
    return await _next_expiry(unit, {who for who, _ in sums})


_TOTAL_OF = {
    "earn": "earned",
    "reverse": "reversed",
    "spend": "spent",
    "refund": "spent",
    "expire": "expired",
    "adjust": "adjusted",
    "transfer": "transferred",
}
_INWARD = ("earned", "adjusted", "transferred")


def _add(total: dict[str, int], transfer: Transfer) -> None:
    """What a transfer adds to the totals of its wallet: those of what left it, and those of what came in."""
    change = transfer.change
    total["balance"] += change
    name = _TOTAL_OF.get(transfer.kind)
    if name is not None:
        total[name] += change if name in _INWARD else -change
    total["debt"] += transfer.points * ((transfer.debit == "debt") - (transfer.credit == "debt"))


async def _next_expiry(unit: Unit, member_ids: Iterable[UUID]) -> dict[UUID, datetime | None]:
    rows = await unit.fetch(
        "SELECT member_id, min(next_expiry_at) FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[]) GROUP BY 1",
        unit.program,
        list(member_ids),
    )
    return dict(tuple(row) for row in rows)
