"""A locked member's points in memory: what of her lots is at hand, what she has and owes, and what is done to them.

Nothing is read or written here. Her balances are known from the start; lots are brought as far as they are needed, and who
needs others than are at hand raises `LotsMissing`. Points never go below zero but by debt: taking back what was spent.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from achievements.lots import Lot, Taken, plan_expiry, plan_spending, plan_takeback
from achievements.movements import HoldEnded, PointsReleased
from achievements.outcomes import PointsEarned, PointsExpired
from achievements.points import Dates
from engagement.actions.accounts import Accounts, LotsMissing, NotCovered
from engagement.records import holds
from engagement.records.holds import Hold
from engagement.records.ledger import Spend

Passed: TypeAlias = PointsExpired | PointsReleased | HoldEnded


class Given(NamedTuple):
    """Points that leave for another member, with the dates of the lot that they come from."""

    points: int
    earned_at: datetime
    expires_at: datetime | None


class Purse(Accounts):
    """One member's lots and wallets on their way through a unit."""

    def earn(self, earned: PointsEarned, dates: Dates, at: datetime) -> None:
        """A new lot; what is owed is paid from it, where it can be spent at an instant."""
        release_at = dates.release_at
        pending = dates.confirmed_by is not None if release_at is None else release_at > at
        known = self._lots.get(earned.lot)
        if known is None:
            lot = Lot(
                earned.lot,
                earned.currency,
                earned.points,
                earned.points,
                0,
                earned.at,
                dates.expires_at,
                earned.event_id,
                earned.source,
                pending=pending,
                release_at=release_at,
            )
            self._open(lot)
        else:
            # Taken back before, and earned anew: it takes the new dates.
            points, left = known.points + earned.points, known.remaining + earned.points
            news = {"earned_at": earned.at, "expires_at": dates.expires_at, "event_id": earned.event_id}
            # Points of it that came free of a hold since are there already, and are not kept waiting with the new ones.
            waits = pending and known.free == 0
            lot = replace(known, points=points, remaining=left, pending=waits, release_at=release_at, **news)
            self._move(lot, "earn", earned.points, "issuance", "wallet", earned.at)
            self._put(lot)
        if lot.currency in self._debts:
            self._pay(lot, at)

    def advance(self, until: datetime) -> list[Passed]:
        """Let time pass over the lots and holds at hand, each thing dated where it falls due; what happened, in order.

        At one instant points end first, then holds, and then points are released.
        """
        told: list[Passed] = []
        while self.soonest is not None and self.soonest <= until:
            # Where nothing but ends is ahead, one look at the lots is enough for all of them.
            instant = self.soonest if self._is_unsteady else until
            told += self._expire(instant)
            for hold in sorted((each for each in self._holds.values() if each.until <= instant), key=_by_end):
                told += self._end(hold, holds.EXPIRED, hold.until)
            told += self._release(instant)
            self._look_ahead()
        return told

    def spend(self, currency: str, points: int, at: datetime, *, source: str, event_id: str, fact_id: str) -> None:
        """Take points that the balance allows, in spending order, by a transfer for each lot; NotCovered where it does not."""
        for lot, taken in self._plan(currency, points, at):
            self._move(lot, "spend", taken, "wallet", "redeemed", at, source=source, event_id=event_id, fact_id=fact_id)
            self._put(replace(lot, remaining=lot.remaining - taken))

    def hold(self, hold_id: UUID, currency: str, points: int, source: str, at: datetime, until: datetime) -> Hold:
        """Set points aside that the balance allows, in spending order; NotCovered where it does not."""
        plan = self._plan(currency, points, at)
        for lot, taken in plan:
            self._put(replace(lot, held=lot.held + taken))
        parts = tuple((lot.id, taken) for lot, taken in plan)
        made = Hold(hold_id, self._member_id, currency, points, parts, source, at, until)
        self._hold(made)
        return made

    @property
    def open_holds(self) -> Mapping[UUID, Hold]:
        """The holds that hold something; all of them are at hand where all lots are."""
        return self._holds

    def capture(self, hold: Hold, points: int, at: datetime, fact_id: str) -> list[Passed]:
        """Spend so many of the points that are held, also from a lot that has ended meanwhile; the rest is free again."""
        left, rest = points, []
        for name, held in hold.lots:
            taken = min(left, held)
            left -= taken
            if taken:
                lot = self._at_hand(name)
                self._move(
                    lot, "spend", taken, "wallet", "redeemed", at, source=hold.source, event_id="", fact_id=fact_id
                )
                self._put(replace(lot, remaining=lot.remaining - taken, held=lot.held - taken))
            if held > taken:
                rest.append((name, held - taken))
        done = replace(hold, state=holds.CAPTURED, captured=points, ended_at=at, fact_id=fact_id)
        return self._let_go(done, rest, at)

    def void(self, hold: Hold, at: datetime) -> list[Passed]:
        """Give all that is held free again."""
        return self._end(hold, holds.VOIDED, at)

    def adjust(
        self, currency: str, points: int, at: datetime, expires_at: datetime | None, source: str, fact: str
    ) -> None:
        """Points that are given, as a lot of their own, or (below 0) taken, in spending order; NotCovered where they are not there."""
        if points > 0:
            self._receive("adjust", "adjustment", Given(points, at, expires_at), currency, at, source, fact)
            return
        for lot, taken in self._plan(currency, -points, at):
            self._move(lot, "adjust", taken, "wallet", "adjustment", at, source=source, event_id="", fact_id=fact)
            self._put(replace(lot, remaining=lot.remaining - taken))

    def give(self, currency: str, points: int, at: datetime, source: str, fact: str) -> list[Given]:
        """Points that go to another member, in spending order; NotCovered where they are not there."""
        given = []
        for lot, taken in self._plan(currency, points, at):
            self._move(lot, "transfer", taken, "wallet", "member", at, source=source, event_id="", fact_id=fact)
            self._put(replace(lot, remaining=lot.remaining - taken))
            given.append(Given(taken, lot.earned_at, lot.expires_at))
        return given

    def receive(self, currency: str, given: Sequence[Given], at: datetime, source: str, fact: str) -> None:
        """Points that come from another member: lots of their own, that end when those would have ended."""
        for position, each in enumerate(given):
            self._receive("transfer", "member", each, currency, at, source, fact, position)

    def refund(self, spends: Iterable[Spend], present: datetime, grace: datetime | None = None) -> None:
        """Give what was spent back to its lots, as if it had never been spent; what is owed is paid from it.

        What comes back to a lot that has ended can be spent until the instant `grace`, where there is one. What comes back beyond
        what a lot is worth was owed for its earning, which was taken back while it was spent: it pays that debt, also where the
        lot has ended.
        """
        for each in spends:
            lot = self._at_hand(each.lot_id)
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
            if grace is not None and grace > present and lot.ended(present):
                lot = replace(lot, expires_at=grace, extended=True)
            self._put(lot)
            self._come_back(lot, each.points, present)

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

    def settle(self, present: datetime) -> None:
        """Pay what is owed from what can be spent, in spending order: who owes has no points to spend."""
        if not self.complete:
            raise LotsMissing
        for currency, owed in list(self._debts.items()):
            for lot, points in plan_spending(self.lots_of(currency), owed, present):
                self._settle(lot, points, present)

    def confirm(self, event_id: str, at: datetime, waits: Callable[[Lot], bool]) -> list[PointsReleased]:
        """Release the points of an event whose lots wait for what has just confirmed it, as `waits` says of a lot."""
        if not self.complete:
            raise LotsMissing
        waiting = [each for each in self._lots.values() if each.pending and each.event_id == event_id and waits(each)]
        return self._free(waiting, at)

    def unconfirm(self, event_id: str, waits: Callable[[Lot], bool]) -> None:
        """Let what is left of the points of an event wait again, where their lots wait for what is taken back now: what is free of
        them at once, and what is set aside when it comes free.
        """
        if not self.complete:
            raise LotsMissing
        for lot in list(self._lots.values()):
            # A lot that is worth nothing any more holds what came back after others had paid for it: that waits for nothing.
            if lot.event_id == event_id and not lot.pending and lot.points and lot.remaining and waits(lot):
                self._put(replace(lot, pending=True))

    def _expire(self, until: datetime) -> list[Passed]:
        ended: dict[tuple[datetime, str], int] = defaultdict(int)
        for lot in plan_expiry(self._lots.values(), until):
            at = lot.expires_at or until
            ended[at, lot.currency] += self._end_lot(lot, lot.free, at)
        return [PointsExpired(currency, points, at) for (at, currency), points in ended.items()]

    def _end_lot(self, lot: Lot, points: int, at: datetime) -> int:
        """Let points of a lot come to their end."""
        self._move(lot, "expire", points, "wallet", "expired", at)
        # What has ended waits for nothing any more; what is set aside of it ends, or is spent.
        self._put(replace(lot, remaining=lot.remaining - points, expired=lot.expired + points, pending=False))
        return points

    def _release(self, until: datetime) -> list[Passed]:
        due = [
            each
            for each in self._lots.values()
            if each.pending and each.release_at is not None and each.release_at <= until
        ]
        return [*self._free(due, until)]

    def _free(self, lots: Iterable[Lot], at: datetime) -> list[PointsReleased]:
        told: dict[tuple[datetime, str], int] = defaultdict(int)
        for lot in lots:
            released_at = lot.release_at or at
            told[released_at, lot.currency] += lot.waiting
            self._put(replace(lot, pending=False))
            self._pay(self._lots[lot.id], released_at)
        return [PointsReleased(currency, points, at) for (at, currency), points in sorted(told.items()) if points]

    def _end(self, hold: Hold, state: str, at: datetime) -> list[Passed]:
        return self._let_go(replace(hold, state=state, ended_at=at), hold.lots, at)

    def _let_go(self, ended: Hold, parts: Iterable[tuple[str, int]], at: datetime) -> list[Passed]:
        """Give points of a hold that has ended free again; what has come to its end meanwhile does so now."""
        free, expired = 0, 0
        for name, points in parts:
            lot = self._at_hand(name)
            lot = replace(lot, held=lot.held - points)
            self._put(lot)
            free += points
            self._come_back(lot, points, at)
            lot = self._lots[name]
            if lot.ended(at):
                expired += self._end_lot(lot, min(points, lot.free), at)
        self._hold(ended)
        told: list[Passed] = [HoldEnded(str(ended.id), ended.currency, free, ended.source, ended.state, at)]
        return [*told, PointsExpired(ended.currency, expired, at)] if expired else told

    def _plan(self, currency: str, points: int, at: datetime) -> list[Taken]:
        if points > self.balance(currency):
            raise NotCovered(f"{points} {currency} are asked for, and the balance is {self.balance(currency)}")
        if not self.complete:
            raise LotsMissing
        plan = plan_spending(self.lots_of(currency), points, at)
        there = sum(each.points for each in plan)
        if there != points:
            raise NotCovered(f"{points} {currency} are asked for, and the lots hold {there}")
        return plan

    def _receive(
        self, kind: str, account: str, given: Given, currency: str, at: datetime, source: str, fact: str, n: int = 0
    ) -> None:
        points, earned_at, expires_at = given
        lot = Lot(f"{kind}/{fact}/{n}", currency, points, points, 0, earned_at, expires_at, "", source, kind=kind)
        self._open(lot)
        self._move(lot, kind, points, account, "wallet", at, fact_id=fact)
        self._pay(lot, at)

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
        self._put(replace(lot, points=to, remaining=left, expired=ended, pending=lot.pending and to > 0))
        return owed

    def _recover(self, lot: Lot, owed: int, present: datetime) -> None:
        """Points of a lot that are not in it any more, from the others; the rest becomes debt."""
        if not self.complete:
            raise LotsMissing
        corrects = self._earnings.get(lot.id)
        for other, taken in plan_spending(self.lots_of(lot.currency), owed, present):
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
            self._owe(lot.currency, owed)
            self._move(lot, "reverse", owed, "debt", "issuance", present, corrects=corrects)

    def _come_back(self, lot: Lot, points: int, present: datetime) -> None:
        """Pay what is owed from points that came back into a lot: first those beyond what it is worth."""
        beyond = min(points, lot.free + lot.expired - lot.points)
        self._settle(lot, max(beyond, 0), present)
        self._pay(self._lots[lot.id], present)

    def _pay(self, lot: Lot, present: datetime) -> None:
        """Pay what is owed from points that came into a lot, where they can still be spent."""
        if not lot.ended(present):
            self._settle(lot, lot.available, present)

    def _settle(self, lot: Lot, at_most: int, present: datetime) -> None:
        """Pay what is owed out of a lot."""
        paid = min(self._debts.get(lot.currency, 0), at_most)
        if not paid:
            return
        # Dated when it becomes known: before the debt began there was nothing to pay.
        self._move(lot, "settle", paid, "wallet", "debt", max(present, self._now))
        self._put(replace(lot, remaining=lot.remaining - paid))
        self._owe(lot.currency, -paid)


def _by_event(lot: Lot) -> tuple[datetime, str, str]:
    return (lot.earned_at, lot.event_id, lot.id)


def _by_end(hold: Hold) -> tuple[datetime, UUID]:
    return (hold.until, hold.id)
