"""Holds that are captured at the very moment at which they end, while others make her live past it."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from stress.report import Report
from stress.tills import OK, Bank, Play, Till, banking, program

PAIRS: Final = 10_000
LANES: Final = 32
PAIRS_MIN: Final = 5
"""Of each member."""
SPREAD_SECONDS: Final = 0.005
STEP_SECONDS: Final = 0.002
POINTS: Final = 7
_ENDED: Final = "HOLD_NOT_OPEN"

_HOLDS: Final = "SELECT id::text, state, captured FROM hold WHERE program_id = $1"
_SPENT: Final = (
    "SELECT sum(spent)::int, sum(balance)::int, sum(held)::int, sum(debt)::int FROM wallet WHERE program_id = $1"
)


def expiring_holds(seed: int) -> Report:
    """Holds of a second, captured within 5 ms of their end while others make time pass: each is captured or expired, once."""
    return banking(seed, expiring(PAIRS), kills=True)


def expiring(pairs: int) -> Play:
    """So many of them."""

    async def work(bank: Bank, report: Report) -> None:
        await _expiring_holds(bank, report, pairs)

    return Play("expiring-holds", work, program())


async def _expiring_holds(bank: Bank, report: Report, pairs: int) -> None:
    lanes, told = min(LANES, pairs // PAIRS_MIN), _Told()
    members = [f"m{number:03}" for number in range(lanes)]
    async with AsyncExitStack() as stack:
        till = await stack.enter_async_context(bank.till())
        async with asyncio.TaskGroup() as group:
            for member in members:
                points = POINTS * (pairs // lanes + 2)
                group.create_task(till.record(f"{member}-first", member, "buy", datetime.now(UTC), points))
        async with asyncio.TaskGroup() as group:
            for lane, member in enumerate(members):
                group.create_task(_lane(bank, till, member, len(range(lane, pairs, lanes)), told))
        for member in members:
            # Whoever does anything has lived up to then, and what has ended is written.
            await _touch(till, member, f"{member}-last")
    report.done = f"{pairs:,} holds of {lanes} members, captured around their end"
    found = {name: (state, captured) for name, state, captured in await bank.grocer.rows(_HOLDS)}
    wanted = {name: ("captured", POINTS) if code == OK else ("expired", 0) for name, code in told.codes.items()}
    report.equal("holds that ended otherwise than was told", _otherwise(found, wanted), [])
    outcomes = Counter(told.codes.values())
    both = outcomes[OK], outcomes[_ENDED]
    report.holds("captured, and expired", both, "some of both", min(both) > 0, timed=True)
    report.equal("outcomes told, one for each pair", (sum(outcomes.values()), len(told.codes)), (pairs, pairs))
    ((spent, balance, held, debt),) = await bank.grocer.rows(_SPENT)
    report.equal("points spent", spent, POINTS * outcomes[OK])
    report.equal(
        "points left, held and owed", (balance, held, debt), (POINTS * (pairs // lanes + 2) * lanes - spent, 0, 0)
    )


def _otherwise(found: dict[str, tuple[str, int]], wanted: dict[str, tuple[str, int]]) -> list[str]:
    return [f"{name}: {found.get(name)}, told {each}" for name, each in wanted.items() if found.get(name) != each]


class _Told:
    """What was told of each capture; and how much before the end of a hold one has to be sent to come in just then."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.lead_seconds = 0.02

    def note(self, hold: str, code: str) -> None:
        """One more, by which the next is sent earlier, or later."""
        self.codes[hold] = code
        self.lead_seconds = max(self.lead_seconds + (STEP_SECONDS if code == _ENDED else -STEP_SECONDS), 0.0)


async def _lane(bank: Bank, till: Till, member: str, pairs: int, told: _Told) -> None:
    for number in range(pairs):
        key = f"{member}-{number}"
        held = await till.give(
            "holdPoints", member=member, points=POINTS, source="x", seconds=1, idempotencyKey=f"{key}-hold"
        )
        assert held.code == OK, held
        name, until = held.data["hold"]["id"], datetime.fromisoformat(held.data["hold"]["until"])
        early = until.timestamp() - datetime.now(UTC).timestamp() - told.lead_seconds
        async with asyncio.TaskGroup() as group:
            for touches in (False, True):
                around = early + bank.chance.uniform(-SPREAD_SECONDS, SPREAD_SECONDS)
                group.create_task(_at(around, till, member, key, name, told, touches=touches))


async def _at(seconds: float, till: Till, member: str, key: str, name: str, told: _Told, *, touches: bool) -> None:
    """After some seconds, capture a hold, or make its member live up to then."""
    await asyncio.sleep(max(seconds, 0.0))
    if touches:
        await _touch(till, member, key)
    else:
        told.note(name, (await till.give("captureHold", hold=name, idempotencyKey=f"{key}-capture")).code)


async def _touch(till: Till, member: str, key: str) -> None:
    held = await till.give("holdPoints", member=member, points=1, source="x", idempotencyKey=f"{key}-touch")
    await till.give("voidHold", hold=held.data["hold"]["id"], idempotencyKey=f"{key}-free")
