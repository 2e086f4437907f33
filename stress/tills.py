"""Tills: clients that move points by keys of their own, and come again with the same key until they are answered."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

import httpx

from engagement.actions.programs import Sandbox
from stress.grocery import Grocer, founded_by
from stress.processes import Api, defects
from stress.report import Report
from stress.servers import Both, both

APIS: Final = 2
BEGIN: Final = datetime(2017, 3, 1, 12, tzinfo=UTC)
PRICE: Final = 10
KEPT_DAYS: Final = 10
ANSWER_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 120.0
OK: Final = "OK"
EXPECTED: Final = frozenset({OK, "NOT_ENOUGH_POINTS", "HOLD_NOT_OPEN", "REWARD_REFUSED"})
"""What a till may be told. Whatever asks to come again is no answer, and anything else is a defect."""
KILL_EVERY_SECONDS: Final = (4.0, 20.0)
SCOPES: Final = frozenset(
    {"events:write", "members:read", "points:write", "rewards:write", "members:write", "clock:write"}
)

_HOLD: Final = "... on HoldSuccess { replayed hold { id until state captured } }"
_SUCCESSES: Final = {
    "holdPoints": _HOLD,
    "captureHold": _HOLD,
    "voidHold": _HOLD,
    "adjustPoints": "... on AdjustPointsSuccess { replayed change }",
    "transferPoints": "... on TransferPointsSuccess { replayed points }",
    "redeemReward": "... on RedemptionSuccess { replayed redemption { id } }",
    "recordEvents": "... on RecordEventsSuccess { receipts { id effects { __typename } } refused { code } }",
    "advanceTestClock": "... on AdvanceTestClockSuccess { members }",
}

Work: TypeAlias = Callable[["Bank", Report], Awaitable[None]]


class Play(NamedTuple):
    """What is done in a program of its own, which has a name, a document, and the real clock where it is no sandbox."""

    name: str
    work: Work
    document: dict[str, Any]
    sandbox: Sandbox | None = None


class Answer(NamedTuple):
    """The code of an answer, "OK" for a success, and what it said."""

    code: str
    data: dict[str, Any]


def program(rewards: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A point a dollar for ten days, coupons of ten points, and whatever else moves points; these `rewards`, or a mug."""
    return {
        "program": {"key": "bank", "name": "Bank", "timezone": "UTC"},
        "currencies": [{"key": "points", "expires": {"after_days": KEPT_DAYS, "at": "same_time"}, "transfers": {}}],
        "event_types": [{"key": "buy", "properties": {"amount": "decimal"}}, {"key": "coupon"}],
        "earn_rules": [{"key": "base", "on": "buy", "earn": {"per": "amount"}}],
        "spend_rules": [{"key": "ten", "on": "coupon", "spend": {"points": PRICE}}],
        "adjustment_reasons": [{"key": "goodwill"}],
        "rewards": [*rewards] or [{"key": "mug", "kind": "product", "price": {"points": PRICE}}],
    }


@dataclass
class Bank:
    """A program whose points are moved, the processes that serve it, and all that tills were told."""

    grocer: Grocer
    apis: Sequence[Api]
    chance: random.Random
    seconds: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    kills: int = 0

    @asynccontextmanager
    async def till(self, *urls: str) -> AsyncIterator["Till"]:
        """A client with one connection to each process."""
        headers = {"Authorization": f"Bearer {self.grocer.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
            yield Till(self, http, itertools.cycle(urls or [each.url for each in self.apis]))

    async def kill_now_and_then(self) -> None:
        """Kill one process after the other, and start it again, until cancelled."""
        for api in itertools.cycle(self.apis):
            await asyncio.sleep(self.chance.uniform(*KILL_EVERY_SECONDS))
            api.kill()
            self.kills += 1
            await asyncio.shield(api.start())

    def tell(self, report: Report, begun: float) -> None:
        """What tills were told, how fast, and that there was nothing among it which should not be."""
        taken, answers = sorted(self.seconds), ", ".join(f"{n:,} {code}" for code, n in sorted(self.codes.items()))
        report.told("answers", answers)
        report.told("answers/s", round(self.codes.total() / (time.monotonic() - begun)))
        report.told("the slowest 1 in 100 of the answers took", f"{taken[len(taken) * 99 // 100] * 1000:.0f} ms")
        report.told("kills -9 in the middle", self.kills)
        report.equal("answers that nobody should get", sorted(set(self.codes) - EXPECTED), [])


@dataclass
class Till:
    """A client that moves points."""

    bank: Bank
    http: httpx.AsyncClient
    urls: "itertools.cycle[str]"

    async def give(self, name: str, /, **given: object) -> Answer:
        """A mutation, again and again under its key until there is an answer to it."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            begun = time.monotonic()
            answer = await self.give_once(name, **given)
            if answer is not None:
                self.bank.seconds.append(time.monotonic() - begun)
                self.bank.codes[answer.code] += 1
                return answer
            assert time.monotonic() < give_up, f"{name} {given} is not answered"
            await asyncio.sleep(random.uniform(0.0, 0.05))

    async def give_once(self, name: str, /, **given: object) -> Answer | None:
        """One try; None where it has to be repeated."""
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = (
            f"mutation($input: {kind}!) {{ {name}(input: $input)"
            f" {{ __typename {_SUCCESSES[name]} ... on UserError {{ code message }} }} }}"
        )
        try:
            sent = {"query": query, "variables": {"input": given}}
            reply = (await self.http.post(next(self.urls), json=sent)).json()
        except httpx.TransportError:
            return None
        if errors := reply.get("errors"):
            told = errors[0].get("extensions", {})
            return None if told.get("retryable") else Answer(str(told.get("code") or errors[0]["message"]), {})
        result = reply["data"][name]
        if result["__typename"] == "TryAgainError":
            return None
        return Answer(result.get("code", OK), result)

    async def record(self, identity: str, member: str, kind: str, at: datetime | str, amount: int | None = None) -> Any:
        """Record one event; its effects."""
        occurred_at = at if isinstance(at, str) else _z(at)
        event: dict[str, object] = {"id": identity, "member": member, "type": kind, "occurredAt": occurred_at}
        if amount is not None:
            event["properties"] = {"amount": str(amount)}
        answer = await self.give("recordEvents", events=[event])
        assert not answer.data.get("refused"), answer
        return answer.data["receipts"][0]["effects"]


def _z(at: datetime) -> str:
    return at.isoformat()


async def in_turns(tills: Sequence[Till], jobs: Sequence[Callable[[Till], Awaitable[object]]]) -> None:
    """Do all jobs, each till one after the other."""
    turns = iter(jobs)

    async def drive(till: Till) -> None:
        for job in turns:
            await job(till)

    async with asyncio.TaskGroup() as group:
        for till in tills:
            group.create_task(drive(till))


def banking(seed: int, *plays: Play, kills: bool, processes: int = APIS) -> Report:
    """Let points be moved, play after play, against API processes with workers, killed now and then where asked; verify all."""
    with both() as servers:
        apis = [Api(servers, f"api-{number}") for number in range(processes)]
        try:
            report = asyncio.run(_banking(servers, apis, seed, plays, kills=kills))
        finally:
            for api in apis:
                api.stop()
        report.equal("defects in the logs", defects(*(each.log for each in apis)), [])
        return report


async def _banking(servers: Both, apis: Sequence[Api], seed: int, plays: Sequence[Play], *, kills: bool) -> Report:
    await asyncio.gather(*(each.start() for each in apis))
    report, done = Report(), []
    for play in plays:
        grocer = await founded_by(servers, play.name, play.document, play.sandbox, SCOPES)
        bank, begun = Bank(grocer, apis, random.Random(seed)), time.monotonic()
        killing = asyncio.create_task(bank.kill_now_and_then()) if kills else None
        try:
            await play.work(bank, report)
        finally:
            if killing is not None:
                killing.cancel()
                await asyncio.gather(killing, return_exceptions=True)
        done.append(report.done)
        bank.tell(report, begun)
        verified = await asyncio.to_thread(grocer.verify)
        report.holds("engagement verify", verified, "no difference", verified.endswith("no difference."))
    report.done = "; ".join(done)
    return report
