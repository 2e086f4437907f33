"""Mutations whose replies are lost on the way, and which are sent again and again: each has one effect."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from engagement.actions.programs import Sandbox
from engagement.cli.replaying import EPOCH
from stress.processes import HOST
from stress.report import Report
from stress.tills import BEGIN, OK, PRICE, Answer, Bank, Play, Till, banking, in_turns, program

MUTATIONS: Final = 10_000
CONNECTIONS: Final = 8
MEMBERS: Final = 50
DROPPED_SHARE: Final = 0.2
COPIES: Final = (2, 5)
PIECE_BYTES: Final = 65_536

Job: TypeAlias = Callable[[Till], Awaitable[object]]

# How many effects of each kind the books tell, for what tills were told of: one for each key.
_EFFECTS: Final = {
    "holdPoints": "SELECT count(*) FROM hold WHERE program_id = $1",
    "captureHold": "SELECT count(DISTINCT (member_id, fact_id)) FROM transfer WHERE program_id = $1 AND kind = 'spend' AND source = 'hold'",
    "redeemReward": "SELECT count(*) FROM redemption WHERE program_id = $1",
    "adjustPoints": "SELECT count(*) FROM transfer WHERE program_id = $1 AND kind = 'adjust'",
    "transferPoints": "SELECT count(*) FROM fact WHERE program_id = $1 AND kind = 'points_given'",
    "recordEvents": "SELECT count(*) FROM event WHERE program_id = $1",
}


class Proxy:
    """Stands between clients and an API process, and loses some of its replies: the connection breaks instead."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self.replies = self.dropped = 0
        self._host, self._port = str(urlsplit(url).hostname), int(urlsplit(url).port or 0)
        self._chance = chance

    async def serve(self, client: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        """One connection, with one of its own behind it."""
        try:
            replies, asking = await asyncio.open_connection(self._host, self._port)
        except OSError:
            answering.transport.abort()
            return
        requests = asyncio.create_task(self._pass_on(client, asking))
        try:
            await self._answer(replies, answering)
        finally:
            requests.cancel()
            for writer in (asking, answering):
                writer.transport.abort()

    async def _pass_on(self, client: asyncio.StreamReader, asking: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await client.read(PIECE_BYTES):
                asking.write(piece)
                await asking.drain()
        asking.transport.abort()

    async def _answer(self, replies: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await replies.read(PIECE_BYTES):
                # Replies here are of one piece, or nearly: to lose one is to lose a piece of it.
                self.replies += 1
                if self._chance.random() < DROPPED_SHARE:
                    self.dropped += 1
                    return
                answering.write(piece)
                await answering.drain()


@asynccontextmanager
async def proxies(bank: Bank) -> AsyncIterator[dict[str, Proxy]]:
    """One before each process, by the address at which it answers."""
    async with AsyncExitStack() as stack:
        found = {}
        for api in bank.apis:
            proxy = Proxy(api.url, bank.chance)
            server = await asyncio.start_server(proxy.serve, HOST, 0)
            stack.push_async_callback(_close, server)
            found[f"http://{HOST}:{server.sockets[0].getsockname()[1]}/graphql"] = proxy
        yield found


async def _close(server: asyncio.Server) -> None:
    server.close()
    await asyncio.sleep(0)


def dropped_replies(seed: int) -> Report:
    """10,000 mutations, each sent 2 to 5 times with one key through proxies that lose a fifth of the replies: one effect each."""
    return banking(seed, dropping(MUTATIONS), kills=True)


def dropping(mutations: int) -> Play:
    """So many of them."""

    async def work(bank: Bank, report: Report) -> None:
        async with proxies(bank) as between:
            await _Sending(bank, mutations).send(report, between)

    return Play("dropped-replies", work, program(), Sandbox(EPOCH))


class _Sending:
    """What was sent, and what came of each."""

    def __init__(self, bank: Bank, mutations: int) -> None:
        self._bank, self._mutations = bank, mutations
        self._done: Counter[str] = Counter()
        self._contradictions: list[str] = []
        self._copies = 0

    async def send(self, report: Report, between: dict[str, Proxy]) -> None:
        async with AsyncExitStack() as stack:
            tills = [await stack.enter_async_context(self._bank.till(*between)) for _ in range(CONNECTIONS)]
            await tills[0].give("advanceTestClock", to=BEGIN.isoformat())
            jobs = [self._job(number) for number in range(self._mutations)]
            await in_turns(tills, [self._earn(number) for number in range(MEMBERS)])
            await in_turns(tills, jobs)
        dropped = sum(each.dropped for each in between.values()), sum(each.replies for each in between.values())
        report.done = f"{self._mutations:,} mutations and those they need, sent {self._copies:,} times"
        report.told("replies lost, of all", "{:,} of {:,}".format(*dropped))
        report.holds("replies were lost", dropped[0], "more than none", dropped[0] > 0)
        report.equal("keys of which two answers differ", self._contradictions, [])
        for name, sql in _EFFECTS.items():
            ((found,),) = await self._bank.grocer.rows(sql)
            report.equal(f"effects of {name}, and keys that had one", (found, self._done[name]), (found, found))

    def _earn(self, number: int) -> Job:
        event = {"id": f"first-{number}", "member": f"m{number:02}", "type": "buy", "occurredAt": BEGIN.isoformat()}
        properties = {"amount": str(50 * PRICE)}
        return lambda till: self._again(
            till, "recordEvents", f"first-{number}", events=[{**event, "properties": properties}]
        )

    def _job(self, number: int) -> Job:
        """A mutation of some kind, and what has to come before it."""
        key, member = f"k{number}", f"m{self._bank.chance.randrange(MEMBERS):02}"
        other = f"m{(int(member[1:]) + 1) % MEMBERS:02}"
        kind = self._bank.chance.choice(["hold", "capture", "redeem", "adjust", "give", "buy"])

        async def do(till: Till) -> None:
            of = {"member": member, "idempotencyKey": key}
            if kind in {"hold", "capture"}:
                held = await self._again(till, "holdPoints", key, points=2, source="hold", **of)
                if held.code == OK:
                    name = held.data["hold"]["id"]
                    done = "captureHold" if kind == "capture" else "voidHold"
                    await self._again(till, done, f"{key}-end", hold=name, idempotencyKey=f"{key}-end")
            elif kind == "redeem":
                await self._again(till, "redeemReward", key, reward="mug", **of)
            elif kind == "adjust":
                await self._again(till, "adjustPoints", key, change=PRICE, reason="goodwill", **of)
            elif kind == "give":
                ends = {"from": member, "to": other}
                await self._again(till, "transferPoints", key, points=1, idempotencyKey=key, **ends)
            else:
                event = {"id": key, "member": member, "type": "buy", "occurredAt": BEGIN.isoformat()}
                await self._again(till, "recordEvents", key, events=[{**event, "properties": {"amount": "3"}}])

        return do

    async def _again(self, till: Till, name: str, key: str, **given: object) -> Answer:
        """Send a mutation a few times, some of them at once; what it was answered, which all answers have to agree on."""
        copies = self._bank.chance.randint(*COPIES)
        self._copies += copies
        at_once = self._bank.chance.choice([1, copies])
        tried = [await till.give_once(name, **given) for _ in range(copies - at_once)]
        tried += await asyncio.gather(*(till.give_once(name, **given) for _ in range(at_once)))
        answers = [each for each in tried if each is not None] or [await till.give(name, **given)]
        self._bank.codes.update(each.code for each in answers)
        if len({_said(each) for each in answers}) > 1:
            self._contradictions.append(f"{name} {key}")
        self._done[name] += answers[0].code == OK
        return answers[0]


def _said(answer: Answer) -> str:
    """An answer without what tells a repeat."""
    return str((answer.code, {name: each for name, each in answer.data.items() if name not in {"replayed", "message"}}))
