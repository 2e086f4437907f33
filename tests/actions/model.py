"""What a person with a pencil would keep of everybody's points: credits in plain lists, and nothing that the service is made of.

Each operation is done at an instant; whatever time has brought to a member up to it is done first, instant by instant.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

Sums = dict[str, int]
"""A wallet by the words of its columns."""


@dataclass
class Credit:
    """Points that came together: `left` counts those that are `held` too; one that `waits` cannot be spent before `release`, or before a
    word, where that is what it `awaits`.
    """

    kind: str
    event: str
    name: str
    at: datetime
    worth: int
    left: int
    ends: datetime | None
    release: datetime | None = None
    awaits: bool = False
    waits: bool = False
    held: int = 0
    ended: int = 0

    @property
    def free(self) -> int:
        """What is neither gone nor set aside."""
        return self.left - self.held

    @property
    def spendable(self) -> int:
        """What can be spent of it."""
        return 0 if self.waits else self.free

    def over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.ends is not None and self.ends <= now


@dataclass
class Reserved:
    """Points set aside: how many of which credits, until when."""

    name: str
    currency: str
    parts: list[tuple[Credit, int]]
    until: datetime

    @property
    def points(self) -> int:
        """How many in all."""
        return sum(points for _, points in self.parts)


class Moved(NamedTuple):
    """Points that went to another member, and when they were earned and end."""

    points: int
    at: datetime
    ends: datetime | None


@dataclass
class Account:
    """One member's points of one currency."""

    credits: list[Credit] = field(default_factory=list)
    debt: int = 0
    sums: Sums = field(default_factory=lambda: defaultdict(int))

    @property
    def balance(self) -> int:
        """What can be spent, or (below 0) is owed."""
        return sum(each.spendable for each in self.credits) - self.debt

    @property
    def wallet(self) -> tuple[int, ...]:
        """Earned, reversed, spent, expired, adjusted, transferred, what is in it less what is owed, owed, held, waiting."""
        names = ("earned", "reversed", "spent", "adjusted", "transferred")
        earned, reversed_, spent, adjusted, transferred = (self.sums[name] for name in names)
        ended, left = sum(each.ended for each in self.credits), sum(each.left for each in self.credits)
        held = sum(each.held for each in self.credits)
        waiting = sum(each.free for each in self.credits if each.waits)
        books = (earned, reversed_, spent, ended, adjusted, transferred)
        return (*books, left - self.debt, self.debt, held, waiting)

    def plan(self, points: int, now: datetime) -> list[tuple[Credit, int]]:
        """Which credits so many points come out of: the first to end first, then the oldest."""
        plan = []
        for each in sorted(self.credits, key=_turn):
            part = 0 if each.over(now) else min(points, each.spendable)
            if part:
                points -= part
                plan.append((each, part))
        return plan

    def take(self, points: int, now: datetime) -> list[tuple[Credit, int]]:
        """Take so many points, or all that there are."""
        plan = self.plan(points, now)
        for credit, part in plan:
            credit.left -= part
        return plan

    def pay(self, credit: Credit, at_most: int) -> None:
        """Pay what is owed out of a credit."""
        paid = min(self.debt, max(at_most, 0))
        credit.left -= paid
        self.debt -= paid

    def came(self, credit: Credit, now: datetime) -> None:
        """Something came into a credit, or came free in it: what is owed is paid from what can be spent."""
        if not credit.over(now):
            self.pay(credit, credit.spendable)

    def came_back(self, credit: Credit, points: int, now: datetime) -> None:
        """So many points came back into a credit; those beyond what it is worth pay first, even where it is over."""
        self.pay(credit, min(points, credit.free + credit.ended - credit.worth))
        self.came(credit, now)

    def end(self, credit: Credit, points: int) -> None:
        """Points of a credit come to their end."""
        credit.left -= points
        credit.ended += points
        credit.waits = False

    def worth(self, credit: Credit, points: int, now: datetime) -> None:
        """Make an earning be of other points than it was."""
        less, credit.worth = credit.worth - points, points
        if less <= 0:
            self.sums["earned"] -= less
            credit.left -= less
            self.came(credit, now)
            return
        self.sums["reversed"] += less
        credit.waits = credit.waits and points > 0
        here = min(credit.free, less)
        credit.left -= here
        unended = min(credit.ended, less - here)
        credit.ended -= unended
        owed = less - here - unended
        self.debt += owed - sum(part for _, part in self.take(owed, now))


@dataclass
class Person:
    """A member: her accounts, her holds, and the instant up to which she has lived. What is asked of her is done `now`."""

    lived: datetime
    now: datetime
    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    holds: dict[str, Reserved] = field(default_factory=dict)
    spends: dict[str, tuple[str, list[tuple[Credit, int]]]] = field(default_factory=dict)
    earnings: dict[str, tuple[str, Credit]] = field(default_factory=dict)
    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def hear(self, at: datetime, clock: datetime) -> None:
        """Hear of an event: at its instant where it comes next, and else when it becomes known."""
        if at > self.lived:
            self.live(at)
        else:
            self.now = max(clock, self.lived)

    def live(self, until: datetime) -> None:
        """Live up to an instant."""
        self.pass_until(until)
        self.lived = self.now = until

    def catch_up(self, clock: datetime) -> None:
        """Live up to the clock, where anything fell due."""
        due = self._next()
        if due is not None and due <= clock:
            self.live(clock)

    def pass_until(self, now: datetime) -> None:
        """Let time pass. At one instant credits end first, then holds, and then points are released."""
        while (instant := self._next()) is not None and instant <= now:
            self._at(instant)

    def _next(self) -> datetime | None:
        instants = [each.until for each in self.holds.values()]
        for account in self.accounts.values():
            for each in account.credits:
                if each.ends is not None and each.free:
                    instants.append(each.ends)
                if each.waits and each.left and each.release is not None:
                    instants.append(each.release)
        return min(instants, default=None)

    def _at(self, instant: datetime) -> None:
        for account in self.accounts.values():
            for each in account.credits:
                if each.over(instant) and each.free:
                    account.end(each, each.free)
        for hold in sorted(self.holds.values(), key=lambda each: (each.until, each.name)):
            if hold.until <= instant:
                self.let_go(hold, hold.until)
        for account in self.accounts.values():
            for each in account.credits:
                if each.waits and each.release is not None and each.release <= instant:
                    each.waits = False
                    account.came(each, each.release)

    def earn(self, currency: str, credit: Credit) -> None:
        """Points of an event, in order or late; those whose end has passed are over at once."""
        account = self.accounts[currency]
        account.credits.append(credit)
        account.sums["earned"] += credit.worth
        credit.waits = self._must_wait(credit)
        self.earnings[credit.event] = (currency, credit)
        account.came(credit, self.now)
        self.pass_until(self.now)

    def amend(self, event: str, points: int) -> None:
        """An event earned other points than it did."""
        currency, credit = self.earnings[event]
        if points > 0 and credit.worth == 0:
            # Earned anew: it waits as if it were new, unless some of it is there already.
            credit.waits = credit.free == 0 and self._must_wait(credit)
        self.accounts[currency].worth(credit, points, self.now)
        self.pass_until(self.now)

    def _must_wait(self, credit: Credit) -> bool:
        if credit.awaits:
            return not self.words[credit.event]
        return credit.release is not None and credit.release > self.now

    def confirm(self, event: str, word: str) -> None:
        """Hear a word that confirms an event: what awaits it can be spent."""
        self.words[event].add(word)
        currency, credit = self.earnings.get(event, ("", None))
        if credit is not None and credit.waits:
            credit.waits = False
            self.accounts[currency].came(credit, self.now)

    def unconfirm(self, event: str, word: str) -> None:
        """Such a word is taken back: where there is no other one, what is left of the event waits again."""
        self.words[event].discard(word)
        _, credit = self.earnings.get(event, ("", None))
        if credit is not None and not self.words[event] and credit.worth and credit.left:
            credit.waits = True

    def spend(self, currency: str, points: int, name: str) -> bool:
        """Spend, where the balance allows it; whether it did."""
        account = self.accounts[currency]
        if account.balance < points:
            return False
        self.spends[name] = (currency, account.take(points, self.now))
        account.sums["spent"] += points
        return True

    def give_back(self, name: str) -> None:
        """Take a spend back, if there was one."""
        currency, parts = self.spends.pop(name, ("", []))
        for credit, points in parts:
            credit.left += points
            self.accounts[currency].sums["spent"] -= points
            self.accounts[currency].came_back(credit, points, self.now)
        self.pass_until(self.now)

    def adjust(self, currency: str, points: int, credit: Credit) -> None:
        """Give points as a credit of their own, or (below 0) take some that are there."""
        account = self.accounts[currency]
        account.sums["adjusted"] += points
        if points > 0:
            account.credits.append(credit)
            account.came(credit, self.now)
        else:
            account.take(-points, self.now)

    def give(self, currency: str, points: int) -> list[Moved]:
        """Points that are there, and go to another member."""
        account = self.accounts[currency]
        account.sums["transferred"] -= points
        return [Moved(part, each.at, each.ends) for each, part in account.take(points, self.now)]

    def receive(self, currency: str, moved: list[Moved], name: str) -> None:
        """Points of another member, which keep their dates."""
        account = self.accounts[currency]
        for n, (points, at, ends) in enumerate(moved):
            account.sums["transferred"] += points
            credit = Credit("transfer", "", f"transfer/{name}/{n}", at, points, points, ends)
            account.credits.append(credit)
            account.came(credit, self.now)
        self.pass_until(self.now)

    def hold(self, name: str, currency: str, points: int, until: datetime) -> None:
        """Set points aside that are there."""
        plan = self.accounts[currency].plan(points, self.now)
        for credit, part in plan:
            credit.held += part
        self.holds[name] = Reserved(name, currency, plan, until)

    def capture(self, name: str, points: int) -> None:
        """Spend so many of the points that are held; the rest comes free."""
        hold, rest = self.holds[name], []
        self.accounts[hold.currency].sums["spent"] += points
        for credit, held in hold.parts:
            taken = min(points, held)
            points -= taken
            credit.left -= taken
            credit.held -= taken
            if held > taken:
                rest.append((credit, held - taken))
        hold.parts = rest
        self.let_go(hold, self.now)

    def let_go(self, hold: Reserved, now: datetime) -> None:
        """What is held comes free, and ends where its time has passed meanwhile."""
        account = self.accounts[hold.currency]
        for credit, points in hold.parts:
            credit.held -= points
            account.came_back(credit, points, now)
            if credit.over(now):
                account.end(credit, min(points, credit.free))
        self.holds.pop(hold.name)


def _turn(credit: Credit) -> tuple[bool, float, datetime, str, str]:
    return (credit.ends is None, credit.ends.timestamp() if credit.ends else 0, credit.at, credit.event, credit.name)
