"""A random stream of what can happen to points, done by the service and by the model at once: equal after every step."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from engagement.actions import adjustments, holds, transfers, wallets
from engagement.actions.adjustments import AdjustPoints
from engagement.actions.holds import CaptureHold, HoldPoints, VoidHold
from engagement.actions.programs import Sandbox
from engagement.actions.transfers import TransferPoints
from engagement.actions.wallets import Seen
from engagement.errors import HoldNotOpen, NotEnoughPoints
from engagement.records import members
from engagement.records.unit import Database, Unit
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House
from tests.actions.model import Credit, Person
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

START: Final = datetime(2017, 3, 1, tzinfo=UTC)
MEMBERS: Final = ("ann", "bob", "cid")
EARNS: Final = {"buy": "points", "dig": "gems", "find": "stars"}
"""The event types that earn, and what."""
EARNED_BY: Final = {currency: kind for kind, currency in EARNS.items()}
COUPON: Final = 100
TOLD_STEPS: Final = 25

_LOTS = (
    "SELECT external_id, currency, lot.kind, lot.event_id, points, remaining, held, expired, pending AND remaining > 0, earned_at, expires_at FROM lot"
    " JOIN member ON member.program_id = $1 AND member.id = member_id WHERE lot.program_id = $1"
)
_WALLETS = (
    "SELECT external_id, currency, earned, reversed, spent, expired, adjusted, transferred, balance, debt, held, pending FROM wallet"
    " JOIN member ON member.program_id = $1 AND member.id = member_id WHERE wallet.program_id = $1"
)


def program(key: str) -> dict[str, Any]:
    """Points that end after ten days, gems that wait for the end of the next day and end after a month, and stars that wait for a word."""
    amount = {"amount": "decimal"}
    written = document(
        "UTC",
        currencies=[
            {"key": "points", "expires": {"after_days": 10, "at": "same_time"}, "transfers": {}},
            {"key": "gems", "expires": {"after_days": 30}, "pending": {"after_days": 1}, "transfers": {}},
            {
                "key": "stars",
                "expires": {"after_days": 15, "at": "same_time"},
                "pending": {"confirmed_by": "word"},
                "transfers": {},
            },
        ],
        event_types=[
            *({"key": each, "properties": amount} for each in EARNS),
            {"key": "coupon"},
            {"key": "seen", "properties": {"found": "string"}},
        ],
        confirmations=[{"key": "word", "on": "seen", "naming": "found"}],
        earn_rules=[
            {"key": each, "on": each, "earn": {"currency": currency, "per": "amount"}}
            for each, currency in EARNS.items()
        ],
        spend_rules=[{"key": "hundred", "on": "coupon", "spend": {"currency": "points", "points": COUPON}}],
    )
    written["adjustment_reasons"] = [{"key": "goodwill"}]
    written["program"]["key"] = key
    return written


class Stream:
    """One program's stream: what its seed makes it be, whoever runs it."""

    def __init__(self, records: Database, seed: int) -> None:
        self.seed = seed
        self.steps = 0
        self.done: Counter[str] = Counter()
        self._house = House(records)
        self._random = Random(seed)
        self._clock = START
        self._people = {name: Person(BEGIN, START) for name in MEMBERS}
        self._log: list[str] = []
        self._buys: list[tuple[object, ...]] = []
        self._coupons: list[tuple[object, ...]] = []
        self._words: list[tuple[object, ...]] = []
        self._ended: list[tuple[str, str]] = []
        self._operations: list[tuple[float, Callable[[], Awaitable[object]]]] = [
            (3.0, self._wait),
            (4.0, self._event_next),
            (1.5, self._event_late),
            (1.0, self._again),
            (1.5, self._correct),
            (0.6, self._give_back),
            (1.0, self._confirm),
            (0.6, self._unconfirm),
            (2.0, self._hold),
            (1.2, self._capture),
            (0.6, self._void),
            (1.0, self._adjust),
            (1.2, self._transfer),
        ]

    async def run(self, steps: int) -> None:
        """Go so many steps; AssertionError, with the seed and the step, where service and model differ."""
        await self._house.apply(program(f"stream-{self.seed}"), Sandbox(BEGIN))
        await self._house.advance(START.isoformat())
        weights, operations = zip(*self._operations, strict=True)
        try:
            for _ in range(steps):
                self.steps += 1
                operation = self._random.choices(operations, weights)[0]
                self.done[operation.__name__.strip("_")] += 1
                await operation()
                await self._compare()
            await books_balance(self._house)
            assert await discrepancies(self._house) == []
        except Exception as error:
            told = "\n".join(self._log[-TOLD_STEPS:])
            raise AssertionError(f"seed {self.seed}, step {self.steps}: {error}\nthe last steps:\n{told}") from error

    async def _compare(self) -> None:
        found = sorted(map(_told, await self._house.rows(_LOTS)))
        wanted = sorted(
            _told(
                (
                    name,
                    currency,
                    each.kind,
                    each.event,
                    each.worth,
                    each.left,
                    each.held,
                    each.ended,
                    each.waits and each.left > 0,
                    each.at,
                    each.ends,
                )
            )
            for name, person in self._people.items()
            for currency, account in person.accounts.items()
            for each in account.credits
        )
        assert found == wanted, _difference(found, wanted)
        wallets = sorted(_told(each) for each in await self._house.rows(_WALLETS))
        known = sorted(
            _told((name, currency, *account.wallet))
            for name, person in self._people.items()
            for currency, account in person.accounts.items()
            if account.credits
        )
        assert wallets == known, _difference(wallets, known)

    def _say(self, *words: object) -> None:
        self._log.append(f"{self.steps}: {' '.join(map(str, words))}")

    def _someone(self) -> tuple[str, Person]:
        name = self._random.choice(MEMBERS)
        return name, self._people[name]

    async def _wait(self) -> None:
        hours = self._random.choice([1, 5, 12, 30, 90])
        self._clock += timedelta(hours=hours, microseconds=self.steps)
        self._say("wait until", self._clock)
        foreseen = await self._seen()
        await self._catch_up()
        assert foreseen == await self._seen(), "what is told before it is booked is what is booked"

    async def _seen(self) -> list[Seen]:
        """What is told of all wallets at the clock."""

        async def look(unit: Unit) -> list[Seen]:
            ids = await members.ids_of(unit, MEMBERS)
            found = await wallets.read(unit, [*ids.values()], self._clock)
            return [seen for who in sorted(found) for seen in found[who]]

        return await self._house.database.run(look, self._house.program, read_only=True)

    async def _catch_up(self) -> None:
        await self._house.advance(self._clock.isoformat())
        for person in self._people.values():
            person.catch_up(self._clock)

    async def _event_next(self) -> None:
        """One event or several, each after all that its member knows, and perhaps ahead of the clock."""
        events = []
        for n in range(self._random.choice([1, 1, 1, 2, 5])):
            name, person = self._someone()
            ahead = timedelta(minutes=self._random.choice([1, 30, 200]), microseconds=self.steps)
            events.append(self._event(f"e{self.steps:05d}-{n}", name, max(person.lived, self._clock) + ahead))
        await self._house.send(*events)

    async def _event_late(self) -> None:
        name, person = self._someone()
        before = timedelta(hours=self._random.choice([1, 20, 100, 400]), microseconds=self.steps)
        event = self._event(f"e{self.steps:05d}", name, max(person.lived, self._clock) - before)
        await self._house.send(event)
        await self._catch_up()

    def _event(self, identity: str, name: str, at: datetime) -> tuple[object, ...]:
        """An event of any type, that the model knows of already."""
        kind = self._random.choice(["buy", "buy", "dig", "find", "find", "coupon"])
        points = self._random.choice([0, 10, 35, 60, 120, 400])
        properties = {} if kind == "coupon" else {"amount": f"{points}.9"}
        event = (identity, name, kind, at.isoformat(), properties)
        self._say(*event)
        person = self._people[name]
        person.hear(at, self._clock)
        if kind == "coupon":
            self._coupons.append(event)
            person.spend("points", COUPON, identity)
            return event
        self._buys.append(event)
        if points:
            person.earn(EARNS[kind], _credit(kind, identity, at, points))
        return event

    async def _again(self) -> None:
        """What was sent is sent again."""
        if sent := [*self._buys, *self._coupons]:
            event = self._random.choice(sent)
            self._say("again", event[0])
            await self._house.send(event)

    async def _correct(self) -> None:
        """Reverse an event, or say that it earned other points."""
        if not self._buys:
            return
        event = self._random.choice(self._buys)
        points = self._random.choice([0, 0, 20, 90, 500])
        reverse = points == 0 and self._random.random() < 0.6
        self._say("reverse" if reverse else f"amend to {points}", event[0])
        identity, name, kind, written = map(str, event[:4])
        person = self._people[name]
        person.now = max(self._clock, person.lived)
        if identity in person.earnings:
            person.amend(identity, points)
        elif points:
            person.earn(EARNS[kind], _credit(kind, identity, datetime.fromisoformat(written), points))
        if reverse:
            self._buys.remove(event)
        else:
            self._buys[self._buys.index(event)] = (*event[:4], {"amount": f"{points}.5"})
        await amend(self._house, event, None if reverse else {"amount": f"{points}.5"})

    async def _give_back(self) -> None:
        if not self._coupons:
            return
        event = self._coupons.pop(self._random.randrange(len(self._coupons)))
        self._say("give back", event[0])
        person = self._people[str(event[1])]
        person.now = max(self._clock, person.lived)
        person.give_back(str(event[0]))
        await amend(self._house, event)

    async def _confirm(self) -> None:
        """Confirm what was found, once or again."""
        found = [each for each in self._buys if each[2] == "find"]
        if not found:
            return
        event = self._random.choice(found)
        name, order = str(event[1]), str(event[0])
        person = self._people[name]
        at = max(person.lived, self._clock) + timedelta(minutes=1, microseconds=self.steps)
        word = (f"w{self.steps:05d}", name, "seen", at.isoformat(), {"found": order})
        self._say("confirm", order)
        person.hear(at, self._clock)
        person.confirm(order, str(word[0]))
        self._words.append(word)
        await self._house.send(word)

    async def _unconfirm(self) -> None:
        if not self._words:
            return
        word = self._words.pop(self._random.randrange(len(self._words)))
        properties: Any = word[4]
        self._say("unconfirm", properties["found"])
        person = self._people[str(word[1])]
        person.now = max(self._clock, person.lived)
        person.unconfirm(properties["found"], str(word[0]))
        await amend(self._house, word)

    async def _hold(self) -> None:
        name, person = self._someone()
        currency = self._random.choice(["points", "gems", "stars"])
        points = self._random.choice([1, 15, 60, 150, 600])
        seconds = self._random.choice([1, 3_600, 90_000, 500_000])
        self._say("hold", points, currency, "of", name, "for", seconds, "s")
        command = HoldPoints(name, points, "order", currency, seconds)
        person.now = max(self._clock, person.lived)
        covered = person.accounts[currency].balance >= points
        made = await self._attempt(holds.hold_points, command, NotEnoughPoints, covered)
        if covered:
            person.lived = person.now
            person.hold(str(made.hold.id), currency, points, person.now + timedelta(seconds=seconds))

    async def _adjust(self) -> None:
        """Give points, or take some, as people of the program do."""
        name, person = self._someone()
        currency = self._random.choice(["points", "gems", "stars"])
        points = self._random.choice([5, 40, 200, -5, -40, -200])
        self._say("adjust by", points, currency, "of", name)
        person.now = max(self._clock, person.lived)
        covered = points > 0 or person.accounts[currency].balance >= -points
        command = AdjustPoints(name, points, "goodwill", currency)
        await self._attempt(adjustments.adjust_points, command, NotEnoughPoints, covered)
        if covered:
            person.lived = person.now
            ends = _credit(EARNED_BY[currency], "", person.now, points).ends
            fresh = Credit("adjust", "", f"adjust/{self.steps:06}", person.now, points, points, ends)
            person.adjust(currency, points, fresh)

    async def _transfer(self) -> None:
        """Let one member give another points."""
        (name, giver), (other, receiver) = self._random.sample([*self._people.items()], 2)
        currency = self._random.choice(["points", "gems", "stars"])
        points = self._random.choice([1, 30, 150, 500])
        if not all(each.earnings for each in (giver, receiver)):
            return
        self._say("give", points, currency, "of", name, "to", other)
        for each in (giver, receiver):
            each.now = max(self._clock, each.lived)
        covered = giver.accounts[currency].balance >= points
        command = TransferPoints(name, other, points, currency)
        await self._attempt(transfers.transfer_points, command, NotEnoughPoints, covered)
        if covered:
            giver.lived, receiver.lived = giver.now, receiver.now
            receiver.receive(currency, giver.give(currency, points), f"{self.steps:06}")

    async def _capture(self) -> None:
        await self._close("capture")

    async def _void(self) -> None:
        await self._close("void")

    async def _close(self, word: str) -> None:
        """Capture a hold or let it go; now and then one that has ended."""
        known = [(name, hold) for name, person in self._people.items() for hold in person.holds]
        chosen = self._ended if self._ended and self._random.random() < 0.15 else known
        if not chosen:
            return
        name, hold = self._random.choice(chosen)
        person = self._people[name]
        points = self._random.choice([None, 1, 10])
        person.now = max(self._clock, person.lived)
        there = person.holds.get(hold)
        if there is not None and points is not None:
            points = min(points, there.points)
        self._say(word, points if word == "capture" else "", "of", hold, "of", name)
        if word == "capture":
            await self._attempt(holds.capture_hold, CaptureHold(hold, points), HoldNotOpen, there is not None)
        else:
            await self._attempt(holds.void_hold, VoidHold(hold), HoldNotOpen, there is not None)
        self._ended.append((name, hold))
        if there is not None:
            person.lived = person.now
        if there is not None and word == "capture":
            person.capture(hold, points or there.points)
        elif there is not None:
            person.let_go(there, person.now)

    async def _attempt(
        self, action: Callable[..., Awaitable[Any]], command: object, refused: type[Exception], allowed: bool
    ) -> Any:
        """Give a command twice under one key; it is refused where the model does not allow it, and nothing happens then."""
        house, options = self._house, {"principal": "shop", "key": f"k{self.steps}"}
        if allowed:
            done = await action(house.database, house.cache, house.program, command, **options)
            again = await action(house.database, house.cache, house.program, command, **options)
            assert again.replayed, "the same key, and it was done again"
            return done
        with suppress(refused):
            await action(house.database, house.cache, house.program, command, **options)
            raise AssertionError(f"{command} was not refused")
        return None


def _credit(kind: str, event: str, at: datetime, points: int) -> Credit:
    if kind == "find":
        ends = at + timedelta(days=15)
        return Credit("earn", event, f"earn/{kind}/{event}", at, points, points, ends, awaits=True)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "buy":
        return Credit("earn", event, f"earn/{kind}/{event}", at, points, points, at + timedelta(days=10))
    ends, release = midnight + timedelta(days=31), midnight + timedelta(days=2)
    return Credit("earn", event, f"earn/{kind}/{event}", at, points, points, ends, release)


def _told(row: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(str, row))


def _difference(found: list[tuple[str, ...]], wanted: list[tuple[str, ...]]) -> str:
    only = sorted(set(found) ^ set(wanted))
    return "\n".join(f"{'the service' if each in found else 'the model'} has {' '.join(each)}" for each in only)
