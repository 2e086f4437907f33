"""Clients over real HTTP and sockets that write down what they were told, and when."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from achievements import periods
from engagement.api.activity import feed_place_of
from engagement.cli.client import Client
from engagement.cli.feeding import advance
from stress.grocery import END, Event, Grocer

CLIENT_SECONDS: Final = 30.0
"""How long a client waits for an answer: far longer than one may take, so that a late one is seen as late."""
PATIENCE_SECONDS: Final = 120.0
OK: Final = "OK"
UNREACHABLE: Final = "UNREACHABLE"
"""No connection, or it broke before an answer."""

RECORD: Final = """mutation($input: RecordEventsInput!) { recordEvents(input: $input) { __typename
  ... on RecordEventsSuccess {
    receipts { id replayed effects { __typename ... on PointsEarned { points source } ... on BadgeAwarded { level } } }
    refused { id code }
  }
  ... on UserError { code message }
} }"""
TOP: Final = """{ leaderboard(key: "all-time", first: 100) { entries { rank member score } } }"""
FOLLOW: Final = """subscription($after: String, $member: ID!) { memberUpdates(after: $after, member: $member) { __typename
  ... on ActivityItem { cursor } ... on Reset { cursor reason } ... on Heartbeat { cursor }
} }"""


@dataclass(frozen=True)
class Asked:
    """One request: when it was sent (monotonic), how long until its answer, and the code of that; "OK" for a success."""

    at: float
    seconds: float
    code: str
    retryable: bool


@dataclass
class Sender:
    """A server that reports events, by one connection pool, to one API process or several."""

    http: httpx.AsyncClient
    urls: Sequence[str]
    log: list[Asked] = field(default_factory=list)
    acknowledged: dict[str, Any] = field(default_factory=dict)
    """The effects that were told of each event."""
    replays: int = 0
    contradictions: list[str] = field(default_factory=list)
    """Events of which a second answer said something else than the first."""
    refused: list[Any] = field(default_factory=list)

    async def record(self, events: Sequence[Event]) -> Asked:
        """One try to have events recorded."""
        begun = time.monotonic()
        code, retryable = await self._record(events)
        asked = Asked(begun, time.monotonic() - begun, code, retryable)
        self.log.append(asked)
        return asked

    async def record_until_taken(self, events: Sequence[Event]) -> None:
        """As many tries as it takes, as the service asks for them."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (asked := await self.record(events)).code != OK:
            assert asked.retryable, asked
            assert time.monotonic() < give_up, asked
            await asyncio.sleep(random.uniform(0.0, 0.05))

    async def ask(self, query: str) -> Any:
        """The data of a query."""
        reply = await self.http.post(random.choice(self.urls), json={"query": query})
        return reply.json()["data"]

    async def _record(self, events: Sequence[Event]) -> tuple[str, bool]:
        body = {"query": RECORD, "variables": {"input": {"events": events}}}
        try:
            reply = (await self.http.post(random.choice(self.urls), json=body)).json()
        except httpx.TimeoutException:
            return "NO_ANSWER", True
        except httpx.TransportError:
            return UNREACHABLE, True
        if errors := reply.get("errors"):
            extensions = errors[0].get("extensions", {})
            return extensions.get("code", "NO_CODE"), bool(extensions.get("retryable"))
        result = reply["data"]["recordEvents"]
        if result["__typename"] != "RecordEventsSuccess":
            return result["code"], result["__typename"] == "TryAgainError"
        self.refused += result["refused"]
        for receipt in result["receipts"]:
            self.replays += receipt["replayed"]
            if self.acknowledged.setdefault(receipt["id"], receipt["effects"]) != receipt["effects"]:
                self.contradictions.append(receipt["id"])
        return OK, False

    def codes(self, since: float = 0.0) -> dict[str, int]:
        """How often each code was told."""
        found: dict[str, int] = {}
        for each in self.log:
            if each.at >= since:
                found[each.code] = found.get(each.code, 0) + 1
        return found

    def slow(self, share: float, begun: float, ended: float) -> float:
        """The time that this share of the answers to requests of a stretch of time took at most."""
        taken = sorted(each.seconds for each in self.log if begun <= each.at < ended)
        return taken[min(int(share * len(taken)), len(taken) - 1)] if taken else 0.0


@asynccontextmanager
async def sender(grocer: Grocer, *urls: str) -> AsyncIterator[Sender]:
    """A sender for this grocer."""
    headers = {"Authorization": f"Bearer {grocer.key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx.AsyncClient(headers=headers, timeout=CLIENT_SECONDS, trust_env=False, limits=limits) as http:
        yield Sender(http, urls)


def lanes(events: Sequence[Event], count: int, size: int) -> list[list[list[Event]]]:
    """Events as requests of some size on lanes that may go side by side: a member's events are all on one, in order."""
    found: list[list[Event]] = [[] for _ in range(count)]
    for event in events:
        found[int(event["member"][1:]) % count].append(event)
    return [[lane[start : start + size] for start in range(0, len(lane), size)] for lane in found]


async def feed(to: Sender, events: Sequence[Event], count: int = 4, size: int = 20) -> None:
    """Have all events recorded, each member's in order."""

    async def drive(requests: list[list[Event]]) -> None:
        for request in requests:
            await to.record_until_taken(request)

    await asyncio.gather(*(drive(each) for each in lanes(events, count, size)))


async def finish(grocer: Grocer, url: str) -> None:
    """Let the year end."""
    async with Client(url, grocer.key) as client:
        await advance(client, periods.rfc3339(END))


class Follower:
    """A member's phone: follows her updates, and comes back after the last one it saw."""

    def __init__(self, grocer: Grocer, url: str, member: str) -> None:
        self.member = member
        self.connections = 0
        self.resets: list[str] = []
        self.out_of_order: list[tuple[int, int]] = []
        """Where the number that came was not the next one: what was seen before, and what came."""
        self.seen = 0
        self.begun = asyncio.Event()
        self._cursor: str | None = None
        self._key = grocer.key
        self._url = "ws" + url.removeprefix("http")

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                options: dict[str, Any] = {"proxy": None, "open_timeout": 5, "close_timeout": 1}
                async with connect(self._url, subprotocols=[Subprotocol("graphql-transport-ws")], **options) as socket:
                    await self._listen(socket)
            await asyncio.sleep(random.uniform(0.02, 0.2))

    async def _listen(self, socket: ClientConnection) -> None:
        await socket.send(msgspec.json.encode({"type": "connection_init", "payload": {"token": self._key}}).decode())
        async with asyncio.timeout(10):
            await socket.recv()
        payload = {"query": FOLLOW, "variables": {"after": self._cursor, "member": self.member}}
        await socket.send(msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload}).decode())
        self.connections += 1
        async for text in socket:
            message = msgspec.json.decode(text)
            if message["type"] == "ping":
                await socket.send('{"type":"pong"}')
            if message["type"] in {"error", "complete"} or (message.get("payload") or {}).get("errors"):
                return
            if message["type"] == "next":
                self._hear(message["payload"]["data"]["memberUpdates"])

    def _hear(self, update: dict[str, Any]) -> None:
        self._cursor = update["cursor"]
        seq = feed_place_of(update["cursor"]).seq
        if update["__typename"] == "Reset":
            self.resets.append(update["reason"])
            self.begun.set()
        elif seq != self.seen + (update["__typename"] == "ActivityItem"):
            self.out_of_order.append((self.seen, seq))
        self.seen = seq


@asynccontextmanager
async def followers(grocer: Grocer, url: str, members: Sequence[str]) -> AsyncIterator[list[Follower]]:
    """Phones of these members, all of which have begun."""
    found = [Follower(grocer, url, member) for member in members]
    tasks = [asyncio.create_task(each.follow()) for each in found]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(each.begun.wait() for each in found))
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def caught_up(grocer: Grocer, found: Sequence[Follower]) -> float | None:
    """How many seconds until every phone has seen the end of its member's feed; None where that does not come."""
    begun = time.monotonic()
    last = await grocer.last_seqs([each.member for each in found])
    while any(each.seen < last[each.member] for each in found):
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return None
        await asyncio.sleep(0.02)
    return time.monotonic() - begun
