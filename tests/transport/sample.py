"""A small schema that misbehaves in every way the transport must bear, and the server that serves it."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.schema.config import StrawberryConfig

from engagement.api.context import Context
from engagement.api.failures import CodedErrors, Schema
from engagement.api.limits import Limits
from engagement.api.transport import UVICORN_SETTINGS, graphql_app
from engagement.errors import Forbidden, InProgress, InvalidInput, Unauthenticated, Unavailable


@dataclass(frozen=True)
class Principal:
    name: str
    is_server: bool = False
    expires_at: datetime | None = None


@dataclass
class Seen:
    """What the server did, for tests to look at."""

    begun: list[str]
    written: list[str]
    ended: list[str]
    revoked: set[str]


SERVERS: list[uvicorn.Server] = []
SEEN = Seen([], [], [], set())

Info = strawberry.Info[Context[Principal], None]


@strawberry.type
class Tree:
    name: str = "leaf"

    @strawberry.field
    def child(self) -> "Tree":
        return Tree()

    @strawberry.field
    def children(self, first: int = 10) -> list["Tree"]:
        return [Tree() for _ in range(min(first, 3))]


@strawberry.input
class EventInput:
    id: str
    properties: strawberry.scalars.JSON | None = None


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def whoami(self, info: Info) -> str:
        return f"{info.context.principal.name} by {info.context.transport}"

    @strawberry.field
    def extensions(self, info: Info) -> strawberry.scalars.JSON | None:
        return cast("strawberry.scalars.JSON | None", info.input_extensions)

    @strawberry.field
    def tree(self) -> Tree:
        return Tree()

    @strawberry.field
    def trees(self, ids: list[strawberry.ID]) -> list[Tree]:
        return [Tree() for _ in ids]

    @strawberry.field
    def crash(self) -> str | None:
        raise ZeroDivisionError("the secret of the database")

    @strawberry.field
    def nothing(self) -> str:
        missing: Any = None
        return missing  # type: ignore[no-any-return]

    @strawberry.field
    def refused(self) -> str | None:
        raise InvalidInput("The name is too long.", "input.name")

    @strawberry.field
    def busy(self) -> str | None:
        raise InProgress("Another request holds this member.")

    @strawberry.field
    async def slow(self, name: str, wait: float = 3600.0) -> str:
        SEEN.begun.append(name)
        try:
            await asyncio.sleep(wait)
        finally:
            SEEN.ended.append(name)
        return name

    @strawberry.field
    def half(self, number: Decimal) -> Decimal:
        return number / 2


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, key: str, wait: float = 0.0) -> str:
        await asyncio.sleep(wait)
        SEEN.written.append(key)
        return key

    @strawberry.mutation
    def record(self, events: list[EventInput]) -> int:
        return len(events)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int = 3, wait: float = 0.0) -> AsyncGenerator[int, None]:
        for number in range(to):
            await asyncio.sleep(wait)
            yield number

    @strawberry.subscription
    async def forever(self, name: str) -> AsyncGenerator[str, None]:
        try:
            yield name
            await asyncio.sleep(3600)
        finally:
            SEEN.ended.append(name)

    @strawberry.subscription
    async def flood(self, name: str) -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            SEEN.ended.append(name)

    @strawberry.subscription
    async def failing(self, how: str) -> AsyncGenerator[int, None]:
        yield 1
        if how == "refused":
            raise Forbidden("This board is private.")
        raise ZeroDivisionError("the secret of the database")


async def authenticate(token: str | None, program: str | None) -> Principal:
    match token:
        case None:
            return Principal(f"anonymous of {program}")
        case "bad":
            raise Unauthenticated("The token is unknown.")
        case "down":
            raise Unavailable("The database cannot be reached.")
        case "broken":
            raise ZeroDivisionError("the secret of the database")
        case "server":
            return Principal("server", is_server=True)
        case "short":
            return Principal("short", expires_at=datetime.now(UTC) + timedelta(seconds=0.7))
    if token in SEEN.revoked:
        raise Unauthenticated("The token is revoked.")
    return Principal(token)


SCHEMA = Schema(
    Query,
    Mutation,
    Subscription,
    extensions=[CodedErrors, Limits],
    config=StrawberryConfig(disable_field_suggestions=True),
)


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Serve the sample on loopback in a thread of its own; yields the port."""
    app = graphql_app(SCHEMA, authenticate)
    routed = Starlette(routes=[Route("/graphql", app), WebSocketRoute("/graphql", app)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings: dict[str, Any] = {**UVICORN_SETTINGS, "timeout_graceful_shutdown": 2}
        server = uvicorn.Server(uvicorn.Config(routed, log_level="error", **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        SERVERS.append(server)
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            SERVERS.remove(server)


def connected(client_port: int) -> bool:
    """Say whether a server still holds the connection from that port of ours."""
    held = (each for server in SERVERS for each in server.server_state.connections)
    return client_port in [(getattr(each, "client", None) or ("", 0))[1] for each in held]
