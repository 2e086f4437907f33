"""A locked member's points in memory: what of her lots is at hand, what she has and owes, and what is done to them.

Nothing is read or written here. Her balances are known from the start; lots are brought as far as they are needed, and who
needs others than are at hand raises `LotsMissing`. Points never go below zero but by debt: taking back what was spent.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from achievements.lots import Lot, plan_expiry, plan_spending, plan_takeback
from achievements.outcomes import PointsEarned, PointsExpired
from engagement.records.bookings import Booked, Transfer
from engagement.records.ledger import AtHand, Spend


class LotsMissing(Exception):
    """Points are to come out of lots that are not at hand: bring all of them, and begin again."""


class NotCovered(Exception):
    """Points are to come out that are not there. Nothing of the unit may be written: some book is wrong, or was not asked."""


class Purse:
    """One member's lots and wallets on their way through a unit. `wallets` are (balance, debt) by currency."""

    def __init__(self, member_id: UUID, wallets: Mapping[str, tuple[int, int]], now: datetime) -> None:
        self.complete = False
        self.soonest: datetime | None = None
        self._member_id = member_id
        self._now = now
        self._balances = {currency: balance for currency, (balance, _) in wallets.items()} if wallets else {}
        self._debts = {currency: debt for currency, (_, debt) in wallets.items() if debt} if wallets else {}
        self._lots: dict[str, Lot] = {}
        self._earnings: dict[str, UUID] = {}
        self._earned: set[str] = set()
        self._changed: set[str] = set()
        self._transfers: list[Transfer] = []

    @property
    def booked(self) -> Booked:
        """What was done, to be written."""
        earned = [self._lots[name] for name in self._earned]
        changed = [self._lots[name] for name in self._changed - self._earned]
        return Booked(self._member_id, earned, changed, self._transfers)

    def bring(self, found: AtHand, *, complete: bool) -> None:
        """Lots as they are stored; `complete` says that all with points left are among them."""
        for lot in found.lots:
            self._hold(lot)
        self._earnings.update(found.earnings)
        self.complete = self.complete or complete

    def balance(self, currency: str) -> int:
        """What can be spent, less what is owed."""
        return self._balances.get(currency, 0)

    def earn(self, earned: PointsEarned, expires_at: datetime | None, at: datetime) -> None:
        """A new lot; what is owed is paid from it, where it has not ended at an instant."""
        known = self._lots.get(earned.lot)
        if known is None:
            lot = Lot(
                earned.lot,
                earned.currency,
                earned.points,
                earned.points,
                0,
                earned.at,
                expires_at,
                earned.event_id,
                earned.source,
            )
            self._earned.add(lot.id)
            self._balances[lot.currency] = self._balances.get(lot.currency, 0) + earned.points
        else:
            # Taken back before, and earned anew: it takes the new dates.
            points, left = known.points + earned.points, known.remaining + earned.points
            dates = {"earned_at": earned.at, "expires_at": expires_at, "event_id": earned.event_id}
            lot = replace(known, points=points, remaining=left, **dates)
            self._changed.add(lot.id)
            self._move(lot, "earn", earned.points, "issuance", "wallet", earned.at)
        self._hold(lot)
        if lot.currency in self._debts:
            self._pay(lot, at)

    def expire(self, until: datetime) -> list[PointsExpired]:
        """End the lots at hand whose time came up to an instant, each dated there; what ended, in order."""
        if self.soonest is None or self.soonest > until:
            return []
        ended: dict[tuple[datetime, str], int] = defaultdict(int)
        for lot in plan_expiry(self._lots.values(), until):
            at = lot.expires_at or until
            self._move(lot, "expire", lot.remaining, "wallet", "expired", at)
            self._put(replace(lot, remaining=0, expired=lot.expired + lot.remaining))
            ended[at, lot.currency] += lot.remaining
        ahead = (each.expires_at for each in self._lots.values() if each.remaining > 0 and each.expires_at is not None)
        self.soonest = min(ahead, default=None)
        return [PointsExpired(currency, points, at) for (at, currency), points in ended.items()]

    def spend(self, currency: str, points: int, at: datetime, *, source: str, event_id: str, fact_id: str) -> None:
        """Take points that the balance allows, in spending order, by a transfer for each lot; NotCovered where it does not."""
        if points > self.balance(currency):
            raise NotCovered(f"{points} {currency} are to be spent, and the balance is {self.balance(currency)}")
        if not self.complete:
            raise LotsMissing
        plan = plan_spending(self._of(currency), points, at)
        there = sum(each.points for each in plan)
        if there != points:
            raise NotCovered(f"{points} {currency} are to be spent, and the lots hold {there}")
        for lot, taken in plan:
            self._move(lot, "spend", taken, "wallet", "redeemed", at, source=source, event_id=event_id, fact_id=fact_id)
            self._put(replace(lot, remaining=lot.remaining - taken))

    def refund(self, spends: Iterable[Spend], present: datetime) -> None:
        """Give what was spent back to its lots, as if it had never been spent; what is owed is paid from it.

        What comes back beyond what a lot is worth was owed for its earning, which was taken back while it was spent: it pays
        that debt, also where the lot has ended.
        """
        for each in spends:
            lot = self._lots[each.lot_id]
            self._move(
                lot,
                "refund",
                each.points,
                "redeemed",
                "wallet",
                each.at,
                source=each.source,
                event_id=each.event_id,
                fact_id=each.fact_id,
                corrects=each.transfer_id,
            )
            lot = replace(lot, remaining=lot.remaining + each.points)
            self._put(lot)
            beyond = min(each.points, lot.remaining + lot.expired - lot.points)
            self._settle(lot, max(beyond, 0), present)
            self._pay(self._lots[lot.id], present)

    def reprice(self, worth: Mapping[str, int], present: datetime) -> None:
        """Make lots be worth other points than they were booked with, increases before decreases.

        More are booked where the lot was earned. Fewer are taken from the lot; what was spent of it from other lots with
        points at `present`, in spending order; and what is not there is owed.
        """
        for name, points in worth.items():
            if points > self._lots[name].points:
                self._raise(self._lots[name], points, present)
        lower = [self._lots[name] for name, points in worth.items() if points < self._lots[name].points]
        owed = [(lot, self._take_back(lot, worth[lot.id], present)) for lot in sorted(lower, key=_by_event)]
        for lot, points in owed:
            if points:
                self._recover(lot, points, present)

    def _raise(self, lot: Lot, points: int, present: datetime) -> None:
        more = points - lot.points
        earning = self._earnings.get(lot.id)
        self._move(lot, "earn", more, "issuance", "wallet", lot.earned_at, corrects=earning)
        self._put(replace(lot, points=points, remaining=lot.remaining + more))
        self._pay(self._lots[lot.id], present)

    def _take_back(self, lot: Lot, to: int, present: datetime) -> int:
        removed, unexpired, owed = plan_takeback(lot, to)
        corrects = self._earnings.get(lot.id)
        if unexpired:
            ended_at = lot.expires_at or present
            self._move(lot, "expire", unexpired, "expired", "wallet", ended_at, corrects=corrects)
        if removed + unexpired:
            self._move(lot, "reverse", removed + unexpired, "wallet", "issuance", present, corrects=corrects)
        left, ended = lot.remaining - removed, lot.expired - unexpired
        self._put(replace(lot, points=to, remaining=left, expired=ended))
        return owed

    def _recover(self, lot: Lot, owed: int, present: datetime) -> None:
        """Points of a lot that are not in it any more, from the others; the rest becomes debt."""
        if not self.complete:
            raise LotsMissing
        corrects = self._earnings.get(lot.id)
        for other, taken in plan_spending(self._of(lot.currency), owed, present):
            self._move(
                other,
                "reverse",
                taken,
                "wallet",
                "issuance",
                present,
                source=lot.source,
                event_id=lot.event_id,
                corrects=corrects,
            )
            self._put(replace(other, remaining=other.remaining - taken))
            owed -= taken
        if owed:
            self._debts[lot.currency] = self._debts.get(lot.currency, 0) + owed
            self._move(lot, "reverse", owed, "debt", "issuance", present, corrects=corrects)

    def _pay(self, lot: Lot, present: datetime) -> None:
        """Pay what is owed from points that came into a lot, where they can still be spent."""
        if not lot.ended(present):
            self._settle(lot, lot.remaining, present)

    def _settle(self, lot: Lot, at_most: int, present: datetime) -> None:
        """Pay what is owed out of a lot."""
        debt = self._debts.get(lot.currency, 0)
        paid = min(debt, at_most)
        if not paid:
            return
        # Dated when it becomes known: before the debt began there was nothing to pay.
        self._move(lot, "settle", paid, "wallet", "debt", max(present, self._now))
        self._put(replace(lot, remaining=lot.remaining - paid))
        self._debts[lot.currency] = debt - paid

    def _of(self, currency: str) -> Sequence[Lot]:
        return [each for each in self._lots.values() if each.currency == currency]

    def _hold(self, lot: Lot) -> None:
        self._lots[lot.id] = lot
        if lot.remaining > 0 and lot.expires_at is not None and (self.soonest is None or lot.expires_at < self.soonest):
            self.soonest = lot.expires_at

    def _put(self, lot: Lot) -> None:
        self._hold(lot)
        self._changed.add(lot.id)

    def _move(
        self,
        lot: Lot,
        kind: str,
        points: int,
        debit: str,
        credit: str,
        at: datetime,
        *,
        event_id: str | None = None,
        source: str | None = None,
        fact_id: str | None = None,
        corrects: UUID | None = None,
    ) -> None:
        # A debt that begins touches no lot.
        touched = None if debit == "debt" else lot.id
        cause = lot.event_id if event_id is None else event_id
        named = lot.source if source is None else source
        transfer = Transfer(
            self._member_id, lot.currency, kind, points, debit, credit, touched, at, cause, named, fact_id, corrects
        )
        self._transfers.append(transfer)
        self._balances[lot.currency] = self._balances.get(lot.currency, 0) + transfer.change


def _by_event(lot: Lot) -> tuple[datetime, str, str]:
    return (lot.earned_at, lot.event_id, lot.id)
