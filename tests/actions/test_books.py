"""Random streams of buying, spending, ending, taking back and amending: held against a simple model, and the law of the books."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from engagement.actions.programs import Sandbox
from engagement.records.unit import Database
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_decisions import WALLET, spending
from tests.actions.test_verify import discrepancies

START = datetime(2017, 3, 1, tzinfo=UTC)
KEPT = timedelta(days=10)
COUPON = 100
REWARD = 170


@dataclass
class Credit:
    event: str
    at: datetime
    worth: int
    left: int
    ended: int = 0


@dataclass
class Model:
    """What a person with a pencil would keep: credits in order, and five sums."""

    credits: list[Credit] = field(default_factory=list)
    debt: int = 0
    earned: int = 0
    reversed: int = 0
    spent: int = 0
    takings: dict[str, list[tuple[Credit, int]]] = field(default_factory=dict)

    @property
    def totals(self) -> tuple[int, ...]:
        ended = sum(each.ended for each in self.credits)
        left = sum(each.left for each in self.credits)
        return (self.earned, self.reversed, self.spent, ended, left - self.debt, self.debt)

    def until(self, now: datetime) -> None:
        for each in self.credits:
            if each.at + KEPT <= now:
                each.ended += each.left
                each.left = 0

    def take(self, points: int) -> list[tuple[Credit, int]]:
        taken = []
        for each in sorted(self.credits, key=lambda credit: (credit.at, credit.event)):
            part = min(points, each.left)
            if part:
                each.left -= part
                points -= part
                taken.append((each, part))
        return taken

    def pay(self, credit: Credit, at_most: int | None = None) -> None:
        paid = min(self.debt, credit.left if at_most is None else at_most)
        credit.left -= paid
        self.debt -= paid

    def reward(self) -> None:
        while sum(each.left for each in self.credits) - self.debt >= REWARD:
            self.take(REWARD)
            self.spent += REWARD

    def buy(self, event: str, at: datetime, points: int) -> None:
        self.until(at)
        if points:
            credit = Credit(event, at, points, points)
            self.credits.append(credit)
            self.earned += points
            self.pay(credit)
            self.reward()

    def coupon(self, event: str, at: datetime) -> None:
        self.until(at)
        if sum(each.left for each in self.credits) - self.debt >= COUPON:
            self.takings[event] = self.take(COUPON)
            self.spent += COUPON

    def give_back(self, event: str, now: datetime) -> None:
        for credit, points in self.takings.pop(event, []):
            credit.left += points
            self.spent -= points
            # What a credit holds beyond its worth was owed when it was taken back.
            self.pay(credit, max(0, min(points, credit.left + credit.ended - credit.worth)))
            if credit.at + KEPT > now:
                self.pay(credit)
        self.until(now)

    def amend(self, event: str, points: int, now: datetime) -> None:
        credit = next(each for each in self.credits if each.event == event)
        less, credit.worth = credit.worth - points, points
        if less < 0:
            self.earned -= less
            credit.left -= less
            if credit.at + KEPT > now:
                self.pay(credit)
            self.until(now)
            self.reward()
            return
        self.reversed += less
        here = min(credit.left, less)
        credit.left -= here
        unended = min(credit.ended, less - here)
        credit.ended -= unended
        owed = less - here - unended
        self.debt += owed - sum(part for _, part in self.take(owed))


def rewarding(key: str) -> dict[str, object]:
    return spending(key, auto_rewards=[{"key": "reward", "at": REWARD}])


class Stream:
    """Things that happen one after the other, told to a house in batches and to a model at once."""

    def __init__(self, house: House, random: Random) -> None:
        self.house, self.random, self.model = house, random, Model()
        self.now = START
        self.waiting: list[tuple[object, ...]] = []
        self.buys: list[tuple[object, ...]] = []
        self.coupons: list[tuple[object, ...]] = []

    async def deliver(self) -> None:
        if self.waiting:
            await self.house.send(*self.waiting)
            self.waiting = []

    async def arrive(self, now: datetime) -> None:
        """Let everybody's clock stand at an instant."""
        await self.deliver()
        await self.house.advance(now.isoformat())
        self.model.until(now)

    async def step(self, number: int) -> None:
        self.now += timedelta(hours=self.random.choice([0, 5, 12, 30, 90]), minutes=1)
        what = self.random.random()
        if what < 0.45:
            self._buy(f"p{number:03d}")
        elif what < 0.7:
            coupon: tuple[object, ...] = (f"c{number:03d}", "ann", "coupon", self.now.isoformat(), {})
            self.coupons.append(coupon)
            self.waiting.append(coupon)
            self.model.coupon(str(coupon[0]), self.now)
        elif what < 0.9 and self.buys:
            await self.arrive(self.now)
            await self._correct(self.random.choice(self.buys))
        elif self.coupons:
            await self.arrive(self.now)
            coupon = self.coupons.pop(self.random.randrange(len(self.coupons)))
            await amend(self.house, coupon)
            self.model.give_back(str(coupon[0]), self.now)

    def _buy(self, name: str) -> None:
        points = self.random.choice([0, 10, 35, 60, 120, 400])
        event = purchase(name, "ann", self.now, f"{points}.99")
        self.model.buy(name, self.now, points)
        self.waiting.append(event)
        if points:
            self.buys.append(event)

    async def _correct(self, event: tuple[object, ...]) -> None:
        """Reverse an event, or say that it earned other points."""
        points = self.random.choice([0, 20, 90, 500])
        reverse = points == 0 and self.random.random() < 0.7
        await amend(self.house, event, None if reverse else {"amount": f"{points}.50", "departments": []})
        self.model.amend(str(event[0]), points, self.now)
        if reverse:
            self.buys.remove(event)


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
async def test_a_stream_in_order_is_what_a_simple_model_says(records: Database, seed: int) -> None:
    house, random = House(records), Random(seed)
    await house.apply(rewarding("model"), Sandbox(BEGIN))
    stream, owed = Stream(house, random), 0
    for number in range(90):
        await stream.step(number)
        if random.random() < 0.6:
            await stream.deliver()
        if not stream.waiting:
            assert (await house.rows(WALLET) or [(0,) * 6]) == [stream.model.totals], f"after {number}"
        owed = max(owed, stream.model.debt)
    await stream.arrive(stream.now + timedelta(days=30))
    totals = stream.model.totals
    assert await house.rows(WALLET) == [totals]
    assert min(*totals[:4], owed) > 0, "a stream in which not everything happened shows little"
    await books_balance(house)
    assert await discrepancies(house) == []


@pytest.mark.parametrize("seed", range(2))
async def test_any_delivery_keeps_the_books_and_the_points_earned(records: Database, seed: int) -> None:
    random = Random(seed)
    events: list[tuple[object, ...]] = []
    for number in range(120):
        who, at = random.choice(["ann", "bob"]), START + timedelta(minutes=random.randrange(60 * 24 * 60))
        if random.random() < 0.3:
            events.append((f"c{number}", who, "coupon", at.isoformat(), {}))
        else:
            events.append(purchase(f"p{number}", who, at, f"{random.choice([0, 30, 90, 250])}.00"))
    houses = []
    for order in range(2):
        house = House(records)
        await house.apply(rewarding(f"order-{order}"), Sandbox(BEGIN))
        houses.append(house)
        size = random.choice([1, 9, 40])
        delivered = events + random.sample(events, 20)
        random.shuffle(delivered)
        for start in range(0, len(delivered), size):
            await house.send(*delivered[start : start + size])
        for event in Random(seed).sample(events, 15):
            await amend(house, event)
        await books_balance(house)
        await house.advance("2017-08-01T00:00:00Z")
        await books_balance(house)
        assert await discrepancies(house) == []
    net = "SELECT external_id, earned - reversed FROM wallet JOIN member ON member.program_id = $1 AND member.id = member_id"
    found = [await house.rows(f"{net} WHERE wallet.program_id = $1 ORDER BY 1") for house in houses]
    assert found[0] == found[1]
    decided = "SELECT count(*) FROM fact WHERE program_id = $1 AND kind LIKE 'spen%'"
    assert await houses[0].rows(decided) == [(sum(event[2] == "coupon" for event in events),)]
