"""The whole service on a port of this machine, once for each worker; and for each test a program of its own in it."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from engagement.actions import tokens
from engagement.api.pages import Pages
from engagement.api.principals import SCOPES
from engagement.api.transport import UVICORN_SETTINGS
from engagement.app import NO_PAGES, create_app
from engagement.embedded import Endpoints
from engagement.records import credentials, programs
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit
from engagement.worker import work
from tests.conftest import _database

START = "2026-11-01T12:00:00Z"
"""Where the test clock of a sandbox begins, and its definitions are in force."""
NOON = "2026-11-21T12:00:00Z"
"""A Saturday, later."""

ALL_SCOPES = tuple(sorted(SCOPES))


def document(key: str, **changes: Any) -> dict[str, Any]:
    """A program with one of everything."""
    return {
        "program": {"key": key, "name": "Corner Grocer", "timezone": "America/New_York"},
        "currencies": [{"key": "points", "name": "Points", "expires": {"after_days": 10}}, {"key": "gems"}],
        "event_types": [{"key": "purchase", "properties": {"amount": "decimal"}}],
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"currency": "points", "per": "amount"}}],
        "streaks": [{"key": "daily", "name": "Days", "on": "purchase", "period": "day"}],
        "challenges": [
            {
                "key": "month",
                "name": "Two this month",
                "objectives": [{"on": "purchase", "target": 2}],
                "window": {"calendar": "month"},
                "rewards": [{"points": 7, "currency": "points"}],
            },
            {"key": "spend", "objectives": [{"on": "purchase", "measure": {"sum": "amount"}, "target": 100}]},
        ],
        "badges": [
            {
                "key": "regular",
                "name": "Regular",
                "on": "purchase",
                "levels": [{"target": 1, "key": "bronze", "name": "Familiar face"}, {"target": 3, "key": "silver"}],
            }
        ],
        "leaderboards": [
            {"key": "monthly", "name": "This month", "measure": {"points": "points"}, "window": {"calendar": "month"}},
            {"key": "ever", "measure": {"points": "points"}},
        ],
        **changes,
    }


@dataclass(frozen=True)
class Service:
    """Where the service listens, and the back door to its database."""

    port: int
    client: httpx.AsyncClient
    database: Database
    operator: str

    async def ask(
        self,
        text: str,
        variables: Mapping[str, object] | None = None,
        *,
        key: str | None = None,
        program: str | None = None,
    ) -> dict[str, Any]:
        """The reply to an operation."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if program:
            headers["Engagement-Program"] = program
        body = msgspec.json.encode({"query": text, "variables": variables})
        reply = await self.client.post(
            "/graphql", content=body, headers={**headers, "Content-Type": "application/json"}
        )
        found: dict[str, Any] = reply.json()
        return found

    async def key(self, program_id: int | None, scopes: Iterable[str]) -> str:
        """A new API key."""
        return await self.database.run(lambda unit: credentials.create(unit, program_id, "test", scopes), ALL)


@dataclass(frozen=True)
class House:
    """A program, and ways to ask about it. `key` may do everything in it."""

    service: Service
    program: Program
    key: str

    async def ask(
        self, text: str, variables: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """The whole reply."""
        return await self.service.ask(text, variables, key=key or self.key)

    async def data(
        self, text: str, variables: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """What a sound operation gives."""
        reply = await self.ask(text, variables, key=key)
        assert "errors" not in reply, reply["errors"]
        data: dict[str, Any] = reply["data"]
        return data

    async def refusal(
        self, text: str, variables: Mapping[str, object] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """The one coded error of an operation that fails."""
        reply = await self.ask(text, variables, key=key)
        (error,) = reply["errors"]
        return {**error["extensions"], "message": error["message"], "path": error.get("path")}

    async def record(self, *events: Mapping[str, object]) -> dict[str, Any]:
        """The answer to events."""
        data = await self.data(RECORD, {"input": {"events": events}})
        answer: dict[str, Any] = data["recordEvents"]
        return answer

    async def bought(self, member: str, identity: str, amount: object, at: str = NOON) -> dict[str, Any]:
        """The receipt for a purchase."""
        answer = await self.record(
            {"id": identity, "member": member, "type": "purchase", "occurredAt": at, "properties": {"amount": amount}}
        )
        (receipt,) = answer["receipts"]
        found: dict[str, Any] = receipt
        return found

    def token(self, member: str, minutes: int = 5) -> str:
        """A member's token."""
        return tokens.mint(self.program, member, minutes)


TOLD = """
fragment Told on Effect {
  __typename
  ... on PointsEarned { currency points source at }
  ... on PointsExpired { currency points at }
  ... on PointsSpent { currency points source times at }
  ... on SpendRejected { currency points missing source at }
  ... on BadgeAwarded { badge level name at }
  ... on StreakChanged { streak current longest broken at }
  ... on ChallengeProgressed { challenge period objectives { current target fraction remaining } }
  ... on ChallengeCompleted { challenge period at }
  ... on MilestoneReached { challenge period milestone at }
  ... on TierChanged { ladder from to qualifying at }
  ... on LeaderboardScored { leaderboard period score rank }
}
"""

RECORD = (
    """mutation($input: RecordEventsInput!) { recordEvents(input: $input) {
  __typename
  ... on RecordEventsSuccess {
    receipts { index id member status replayed effects { ...Told ... on OutcomeWithdrawn { outcome { ...Told } } } }
    refused { index id code message field }
  }
  ... on UserError { code message field }
} }"""
    + TOLD
)

APPLY = """mutation($input: ApplyProgramInput!) { applyProgram(input: $input) {
  __typename
  ... on ApplyProgramSuccess { program { key name timezone sandbox now revision } changes { kind key change } replayed }
  ... on InvalidProgramError { mistakes { path message } }
  ... on UserError { code message field }
} }"""

ADVANCE = """mutation($input: AdvanceTestClockInput!) { advanceTestClock(input: $input) {
  __typename
  ... on AdvanceTestClockSuccess { now members replayed }
  ... on UserError { code message field }
} }"""


@asynccontextmanager
async def listening(database_url: str, redis_url: str, pages: Pages = NO_PAGES) -> AsyncIterator[int]:
    """The service on a free port, with a worker inside and these pages, until the block ends."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and each reply waits 40 ms for the client's acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        app = create_app(database_url, redis_url, work, pages=pages)
        settings: dict[str, Any] = {**UVICORN_SETTINGS, "timeout_graceful_shutdown": 2}
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", **settings))
        serving = asyncio.create_task(server.serve([listener]))
        async with asyncio.timeout(20):
            while not server.started:
                assert not serving.done(), "the service did not start"
                await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@pytest.fixture(scope="session")
async def service(endpoints: Endpoints, template: str) -> AsyncIterator[Service]:
    """The service, with a database of its own."""
    async with _database(endpoints, template) as urls:
        back_door = await Database.open(urls.app, max_connections=2)
        # Workers share a Redis and not their databases, so the programs of each need other numbers.
        await _number_programs_from(urls.owner, secrets.randbelow(2**30))
        operator = await back_door.run(lambda unit: credentials.create(unit, None, "operator", ()), ALL)
        async with (
            listening(urls.app, endpoints.redis_url) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
        ):
            yield Service(port, client, back_door, operator)
        await back_door.close()


@pytest.fixture
async def house(service: Service) -> House:
    """A sandbox whose clock stands at its start."""
    return await founded(service, sandbox={"clock": START})


@pytest.fixture
async def real(service: Service) -> House:
    """A program whose clock is the server's."""
    return await founded(service, sandbox=None)


async def founded(service: Service, sandbox: dict[str, str] | None, name: str | None = None) -> House:
    """A new program with one of everything."""
    name = name or f"grocer-{secrets.token_hex(6)}"
    given = {"input": {"document": document(name), "sandbox": sandbox}}
    reply = await service.ask(APPLY, given, key=service.operator)
    assert reply["data"]["applyProgram"]["__typename"] == "ApplyProgramSuccess", reply

    async def find(unit: Unit) -> Program:
        found = await programs.find(unit, name)
        assert found is not None
        return found

    program = await service.database.run(find, ALL)
    return House(service, program, await service.key(program.id, ALL_SCOPES))


class Following:
    """A subscription on a socket of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def next(self, seconds: float = 10) -> dict[str, Any]:
        """The next message about it."""
        message: dict[str, Any] = msgspec.json.decode(await asyncio.wait_for(self._socket.recv(), seconds))
        return message

    async def update(self, seconds: float = 10) -> dict[str, Any]:
        """The next update."""
        message = await self.next(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        found: dict[str, Any] = message["payload"]["data"]["memberUpdates"]
        return found

    async def refusal(self) -> str:
        """The code of the error that the next message tells."""
        message = await self.next()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        code: str = errors[0]["extensions"]["code"]
        return code

    async def closed(self) -> int:
        """The code with which the service closes the socket."""
        await asyncio.wait_for(self._socket.wait_closed(), 20)
        return self._socket.close_code or 0


FOLLOW = (
    """subscription($after: String, $member: ID) { memberUpdates(after: $after, member: $member) {
  __typename
  ... on ActivityItem { cursor at bookedAt eventId effects { ...Told ... on OutcomeWithdrawn { outcome { ...Told } } } }
  ... on Reset { cursor reason member { externalId cursor wallets { currency balance } } }
  ... on Heartbeat { cursor at }
} }"""
    + TOLD
)


@asynccontextmanager
async def following(
    service: Service, key: str, *, after: str | None = None, member: str | None = None, text: str = FOLLOW
) -> AsyncIterator[Following]:
    """Follow a member's updates."""
    url = f"ws://127.0.0.1:{service.port}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        await socket.send(msgspec.json.encode({"type": "connection_init", "payload": {"token": key}}).decode())
        assert msgspec.json.decode(await socket.recv()) == {"type": "connection_ack"}
        payload = {"query": text, "variables": {"after": after, "member": member}}
        await socket.send(msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload}).decode())
        yield Following(socket)


async def _number_programs_from(owner_url: str, number: int) -> None:
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute(f"ALTER TABLE program ALTER COLUMN id RESTART WITH {number + 1}")
    finally:
        await owner.close()
