"""What a purse keeps its books in: lots and holds at hand, balances and debts, and the transfers between them.

A balance is what can be spent, less what is owed: it follows from what is available in the lots, and from the debt.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from achievements.lots import Lot
from engagement.records.bookings import Aside, Booked, Transfer
from engagement.records.holds import Hold
from engagement.records.ledger import AtHand


class LotsMissing(Exception):
    """Points are to come out of lots that are not at hand: bring all of them, and begin again."""


class NotCovered(Exception):
    """Points are to come out that are not there. Nothing of the unit may be written: some book is wrong, or was not asked."""


class Accounts:
    """The books of one locked member. `wallets` are (balance, debt) by currency."""

    def __init__(self, member_id: UUID, wallets: Mapping[str, tuple[int, int]], now: datetime) -> None:
        self.complete = False
        self.soonest: datetime | None = None
        self._member_id = member_id
        self._now = now
        self._balances = {currency: balance for currency, (balance, _) in wallets.items()} if wallets else {}
        self._debts = {currency: debt for currency, (_, debt) in wallets.items() if debt} if wallets else {}
        self._stored = set(wallets)
        self._lots: dict[str, Lot] = {}
        self._holds: dict[UUID, Hold] = {}
        self._earnings: dict[str, UUID] = {}
        self._opened: set[str] = set()
        self._changed: set[str] = set()
        self._changed_holds: dict[UUID, Hold] = {}
        self._transfers: list[Transfer] = []

    @property
    def booked(self) -> Booked:
        """What was done, to be written."""
        opened = [self._lots[name] for name in self._opened]
        changed = [self._lots[name] for name in self._changed - self._opened]
        done = Booked(self._member_id, opened, changed, self._transfers, [*self._changed_holds.values()])
        moved = {currency for _, currency in done.moved}
        if not self.complete or not moved <= self._stored:
            return done
        currencies = moved | {each.currency for each in self._lots.values()}
        return replace(done, asides={each: self._aside(each) for each in currencies})

    def bring(self, found: AtHand, *, complete: bool) -> None:
        """Lots and open holds as they are stored; `complete` says that all with points left, and all holds, are among them.

        What is at hand already stays as it is: something may have been done to it since it was read.
        """
        for lot in found.lots:
            if lot.id not in self._lots:
                self._lots[lot.id] = lot
                self._stored.add(lot.currency)
                self._mind(lot)
        for hold in found.holds:
            if hold.id not in self._holds and hold.id not in self._changed_holds:
                self._holds[hold.id] = hold
                self._mind_instant(hold.until)
        self._earnings.update(found.earnings)
        self.complete = self.complete or complete

    def balance(self, currency: str) -> int:
        """What can be spent, less what is owed."""
        return self._balances.get(currency, 0)

    def debt(self, currency: str) -> int:
        """What is owed."""
        return self._debts.get(currency, 0)

    def lots_of(self, currency: str) -> Sequence[Lot]:
        """The lots of a currency that are at hand, as they are now."""
        return [each for each in self._lots.values() if each.currency == currency]

    def _aside(self, currency: str) -> Aside:
        lots = [each for each in self.lots_of(currency) if each.remaining]
        held = sum(each.held for each in lots)
        ahead = [each.expires_at for each in lots if each.free]
        ahead += [each.release_at for each in lots if each.pending]
        ahead += [each.until for each in self._holds.values() if held and each.currency == currency]
        due = min((each for each in ahead if each is not None), default=None)
        return Aside(held, sum(each.waiting for each in lots), due)

    @property
    def _is_unsteady(self) -> bool:
        """Whether something is ahead besides the ends of lots."""
        return bool(self._holds) or any(each.pending for each in self._lots.values())

    def _at_hand(self, name: str) -> Lot:
        lot = self._lots.get(name)
        if lot is None:
            raise LotsMissing
        return lot

    def _open(self, lot: Lot) -> None:
        self._opened.add(lot.id)
        self._put(lot)

    def _put(self, lot: Lot) -> None:
        """A lot as it is now; what can be spent follows."""
        was = self._lots.get(lot.id)
        change = lot.available - (0 if was is None else was.available)
        if change:
            self._balances[lot.currency] = self._balances.get(lot.currency, 0) + change
        self._lots[lot.id] = lot
        self._changed.add(lot.id)
        self._mind(lot)

    def _hold(self, hold: Hold) -> None:
        """A hold that was made, or has ended."""
        if hold.is_open:
            self._holds[hold.id] = hold
            self._mind_instant(hold.until)
        else:
            self._holds.pop(hold.id, None)
        self._changed_holds[hold.id] = hold

    def _owe(self, currency: str, points: int) -> None:
        """More of a currency is owed, or (below 0) less."""
        self._debts[currency] = self._debts.get(currency, 0) + points
        self._balances[currency] = self._balances.get(currency, 0) - points

    def _look_ahead(self) -> None:
        """When the next thing of those at hand falls due."""
        self.soonest = None
        for lot in self._lots.values():
            self._mind(lot)
        for hold in self._holds.values():
            self._mind_instant(hold.until)

    def _mind(self, lot: Lot) -> None:
        self._mind_instant(lot.due)

    def _mind_instant(self, at: datetime | None) -> None:
        if at is not None and (self.soonest is None or at < self.soonest):
            self.soonest = at

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
        self._transfers.append(
            Transfer(
                self._member_id, lot.currency, kind, points, debit, credit, touched, at, cause, named, fact_id, corrects
            )
        )
