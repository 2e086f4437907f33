"""What members have as of an instant, whether or not a worker has booked what time brought by then.

A wallet of which nothing is due is as it is stored. Where points have ended, were released or are held no more, a member's points live up to that
instant in memory, as they will when somebody books it: so what is told is what will be there. Nothing is written.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from achievements.lots import Lot
from engagement.actions.purse import Purse
from engagement.records import ledger
from engagement.records.bookings import Transfer
from engagement.records.ledger import AtHand, Expiry, Wallet
from engagement.records.unit import Unit


class Seen(NamedTuple):
    """A wallet, and what of it ends next."""

    wallet: Wallet
    next_expiry: Expiry | None


async def read(unit: Unit, member_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Seen]]:
    """The wallets of members at an instant, by currency."""
    return (await read_with_transfers(unit, member_ids, now))[0]


async def read_with_transfers(
    unit: Unit, member_ids: Sequence[UUID], now: datetime
) -> tuple[dict[UUID, list[Seen]], list[Transfer]]:
    """The wallets of members at an instant, by currency, and the transfers that are still to be booked for them."""
    stored = await ledger.wallets(unit, member_ids)
    due = sorted({each.member_id for each, due_at in stored if due_at is not None and due_at <= now})
    lived = await ledger.lots(unit, [(who, None) for who in due]) if due else {}
    ends = await ledger.next_expiries(unit, [who for who in member_ids if who not in lived])
    found: dict[UUID, list[Seen]] = {who: [] for who in member_ids}
    for wallet, _ in stored:
        if wallet.member_id not in lived:
            found[wallet.member_id].append(Seen(wallet, ends.get((wallet.member_id, wallet.currency))))
    transfers: list[Transfer] = []
    for who, there in lived.items():
        found[who], more = _lived([each for each, _ in stored if each.member_id == who], there, now)
        transfers += more
    return found, transfers


def _lived(wallets: Sequence[Wallet], there: AtHand, now: datetime) -> tuple[list[Seen], Sequence[Transfer]]:
    """The wallets of a member all of whose lots and holds are at hand, once she has lived up to an instant, and what that books."""
    purse = Purse(wallets[0].member_id, {each.currency: (each.balance, each.debt) for each in wallets}, now)
    purse.bring(there, complete=True)
    purse.advance(now)
    found = []
    for each in wallets:
        lots = purse.lots_of(each.currency)
        ended = sum(lot.expired for lot in lots) - sum(
            lot.expired for lot in there.lots if lot.currency == each.currency
        )
        wallet = replace(
            each,
            expired=each.expired + ended,
            balance=purse.balance(each.currency),
            pending=sum(lot.waiting for lot in lots),
            held=sum(lot.held for lot in lots),
            debt=purse.debt(each.currency),
        )
        found.append(Seen(wallet, _next_of(each.currency, lots)))
    return found, purse.booked.transfers


def _next_of(currency: str, lots: Iterable[Lot]) -> Expiry | None:
    ends = [(lot.expires_at, lot.free) for lot in lots if lot.free and lot.expires_at is not None]
    soonest = min((at for at, _ in ends), default=None)
    return None if soonest is None else Expiry(currency, sum(points for at, points in ends if at == soonest), soonest)
