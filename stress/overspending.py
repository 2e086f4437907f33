"""More is asked of a balance than it holds, by everything at once that moves points; and the last unit of a reward, by fifty."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from achievements.definitions import DEFINITIONS_MAX
from engagement.actions.programs import Sandbox
from engagement.cli.replaying import EPOCH
from stress.report import Report
from stress.tills import BEGIN, KEPT_DAYS, OK, PRICE, Bank, Play, Till, banking, in_turns, program

ROUNDS: Final = 1_000
CONNECTIONS: Final = 4
SPENDS: Final = 50
REDEEMERS: Final = 50

Job: TypeAlias = Callable[[Till], Awaitable[object]]

_WALLETS: Final = (
    "SELECT external_id, earned, spent, expired, adjusted, transferred, balance, held, debt FROM wallet"
    " JOIN member ON member.program_id = $1 AND member.id = member_id WHERE wallet.program_id = $1"
)


def overspend(seed: int) -> Report:
    """A balance of 100 and 50 times 10 spent of it, with earnings, ends, holds and transfers beside: never below zero."""
    return banking(seed, overspending(ROUNDS), kills=True)


def overspending(rounds: int) -> Play:
    """So many rounds of it."""

    async def work(bank: Bank, report: Report) -> None:
        await _overspend(bank, report, rounds)

    return Play("overspend", work, program(), Sandbox(EPOCH))


async def _overspend(bank: Bank, report: Report, rounds: int) -> None:
    spent, last = dict[str, int](), BEGIN
    async with AsyncExitStack() as stack:
        tills = [await stack.enter_async_context(bank.till()) for _ in range(CONNECTIONS)]
        for number in range(rounds):
            last = await _Round(bank, number, spent).play(tills)
    wallets = await bank.grocer.rows(_WALLETS)
    report.done = (
        f"{rounds:,} rounds of {SPENDS} spends of {PRICE} over {CONNECTIONS} connections, up to {last:%d %B %Y}"
    )
    report.equal("balances below zero, or debts", [row for row in wallets if row[6] < 0 or row[8]], [])
    report.equal("wallets in which other points are spent than tills were told", _wrong(wallets, spent), [])
    there = sum(row[4] for row in wallets)
    report.equal("points adjusted, in and out", there, 0)
    report.equal("points given, less those received", sum(row[5] for row in wallets), 0)
    report.equal("points still held", sum(row[7] for row in wallets), 0)
    report.told("points earned, spent, ended", tuple(sum(row[n] for row in wallets) for n in (1, 2, 3)))


def _wrong(wallets: list[tuple[object, ...]], spent: dict[str, int]) -> list[object]:
    return [row[0] for row in wallets if row[2] != spent.get(str(row[0]), 0)]


class _Round:
    """Two members of a round, and what is done to them at once."""

    def __init__(self, bank: Bank, number: int, spent: dict[str, int]) -> None:
        self._bank, self._spent = bank, spent
        self._a, self._b = f"a{number:04}", f"b{number:04}"
        self._begin = BEGIN + timedelta(days=number)
        # Half of what she has comes to its end in the middle of the round.
        self._end = self._begin + timedelta(hours=6)

    async def play(self, tills: list[Till]) -> datetime:
        old = self._end - timedelta(days=KEPT_DAYS)
        await tills[0].give("advanceTestClock", to=self._begin.isoformat())
        await tills[0].record(f"{self._a}-old", self._a, "buy", old, 50)
        await tills[0].record(f"{self._a}-new", self._a, "buy", self._begin, 50)
        await tills[0].record(f"{self._b}-new", self._b, "buy", self._begin, 30)
        jobs = [self._spend(n) for n in range(SPENDS)]
        jobs += [*(self._beside(n) for n in range(12)), self._pass_time]
        self._bank.chance.shuffle(jobs)
        await in_turns(tills, jobs)
        return self._end

    async def _pass_time(self, till: Till) -> None:
        await till.give("advanceTestClock", to=self._end.isoformat())

    def _spend(self, n: int) -> Job:
        """Ten points spent in one of the ways there are."""
        key = f"{self._a}-spend-{n}"

        async def spend(till: Till) -> None:
            done = False
            if n % 3 == 0:
                effects = await till.record(key, self._a, "coupon", self._end + timedelta(microseconds=n))
                done = any(each["__typename"] == "PointsSpent" for each in effects)
            elif n % 3 == 1:
                answer = await till.give("redeemReward", reward="mug", member=self._a, idempotencyKey=key)
                done = answer.code == OK
            else:
                done = await self._capture(till, key, self._a)
            if done:
                self._spent[self._a] = self._spent.get(self._a, 0) + PRICE

        return spend

    async def _capture(self, till: Till, key: str, member: str) -> bool:
        held = await till.give("holdPoints", member=member, points=PRICE, source="x", idempotencyKey=key)
        if held.code != OK:
            return False
        name = held.data["hold"]["id"]
        return (await till.give("captureHold", hold=name, idempotencyKey=f"{key}-c")).code == OK

    def _beside(self, n: int) -> Job:
        """What else happens to points meanwhile."""
        key = f"{self._a}-beside-{n}"

        async def beside(till: Till) -> None:
            if n % 4 == 0:
                await till.record(key, self._a, "buy", self._end + timedelta(seconds=1, microseconds=n), 10)
            elif n % 4 == 1:
                held = await till.give("holdPoints", member=self._a, points=15, source="x", idempotencyKey=key)
                if held.code == OK:
                    await till.give("voidHold", hold=held.data["hold"]["id"], idempotencyKey=f"{key}-v")
            else:
                pair = (self._a, self._b) if n % 4 == 2 else (self._b, self._a)
                giver, receiver = pair
                await till.give("transferPoints", **{"from": giver, "to": receiver}, points=5, idempotencyKey=key)

        return beside


def last_unit(seed: int) -> Report:
    """Fifty members race for the last unit of a reward, each round: one wins, and the others keep their points.

    Each round has a reward of its own, of which a program has so many at most: five runs are a thousand rounds.
    """
    return banking(seed, racing(DEFINITIONS_MAX), kills=True)


def racing(rounds: int) -> Play:
    """So many rounds of it."""
    last = {"kind": "product", "price": {"points": PRICE}, "stock": 1}

    async def work(bank: Bank, report: Report) -> None:
        await _last_unit(bank, report, rounds)

    return Play("last-unit", work, program([{"key": f"last-{n}", **last} for n in range(rounds)]), Sandbox(EPOCH))


async def _last_unit(bank: Bank, report: Report, rounds: int) -> None:
    winners = dict[str, list[str]]()
    members = [f"m{n:02}" for n in range(REDEEMERS)]
    async with AsyncExitStack() as stack:
        tills = [await stack.enter_async_context(bank.till()) for _ in range(CONNECTIONS)]
        await tills[0].give("advanceTestClock", to=BEGIN.isoformat())
        await in_turns(tills, [_endow(each, PRICE * rounds) for each in members])
        for number in range(rounds):
            bank.chance.shuffle(members)
            won = winners.setdefault(f"last-{number}", [])
            await in_turns(tills, [_race(each, f"last-{number}", won) for each in members])
    report.done = f"{rounds:,} rounds of {REDEEMERS} redeemers over {CONNECTIONS} connections"
    report.equal("rounds without exactly one winner", sum(len(each) != 1 for each in winners.values()), 0)
    wallets = await bank.grocer.rows(_WALLETS)
    wins = dict[str, int]()
    for won in winners.values():
        for each in won:
            wins[each] = wins.get(each, 0) + PRICE
    report.equal("wallets that paid for other than what was won", _wrong(wallets, wins), [])
    points = sum(row[6] for row in wallets)
    report.equal("points left", points, REDEEMERS * PRICE * rounds - PRICE * rounds)


def _endow(member: str, points: int) -> Job:
    return lambda till: till.record(f"{member}-first", member, "buy", BEGIN, points)


def _race(member: str, reward: str, won: list[str]) -> Job:
    async def redeem(till: Till) -> None:
        key = f"{member}-{reward}"
        if (await till.give("redeemReward", reward=reward, member=member, idempotencyKey=key)).code == OK:
            won.append(member)

    return redeem
