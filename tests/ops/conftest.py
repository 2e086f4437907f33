"""The service as a process of its own, on the tests' servers, with a program and a key in it."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from engagement.actions import tokens
from engagement.actions.programs import Sandbox
from engagement.cli.api_key import make_key
from engagement.cli.apply import apply_directly
from engagement.cli.session import program_named
from engagement.embedded import Endpoints
from engagement.records.programs import Program
from engagement.records.unit import Database
from tests.api.conftest import ALL_SCOPES, _number_programs_from, document
from tests.conftest import Urls

RECORD = """mutation Record($input: RecordEventsInput!) { recordEvents(input: $input) {
  __typename ... on RecordEventsSuccess { receipts { id status } refused { id code } } ... on UserError { code }
} }"""
SCREEN = 'query Screen { member(externalId: "ann") { externalId wallets { balance } } }'
SECONDS = 60


@dataclass(frozen=True)
class Shop:
    """A program in a database of its own, and a key that may do everything in it."""

    urls: Urls
    redis_url: str
    program: Program
    key: str

    def token(self, member: str) -> str:
        return tokens.mint(self.program, member, 5)


@dataclass(frozen=True)
class Running:
    """A process of the service; `log` is what it wrote on stderr."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Nothing is encrypted here, and loading certificates takes longer than a test.
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=False)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def lines(self) -> list[dict[str, Any]]:
        """The log's lines; all but the announcement are JSON."""
        written = self.log.read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in written if not line.startswith(b"Serving at ")]


Start = Callable[..., Running]


@pytest.fixture
async def shop(database: Urls, endpoints: Endpoints) -> Shop:
    return await founded(database, endpoints, document("shop"))


async def founded(
    database: Urls, endpoints: Endpoints, written: dict[str, Any], sandbox: Sandbox | None = None
) -> Shop:
    """A program `shop` in an empty database."""
    await _number_programs_from(database.owner, secrets.randbelow(2**30))
    opened = await Database.open(database.app, max_connections=2)
    await apply_directly(opened, written, sandbox)
    program = await program_named(opened, "shop")
    key = await make_key(opened, "shop", "test", frozenset(ALL_SCOPES))
    await opened.close()
    return Shop(database, endpoints.redis_url, program, key)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `engagement serve` or `worker` on a shop's servers, and ends what is left of it after the test."""
    with ExitStack() as ending:

        def starting(shop: Shop, *command: str, **settings: str) -> Running:
            return ending.enter_context(_running(shop, command or ("serve",), settings))

        yield starting


@contextmanager
def _running(shop: Shop, command: tuple[str, ...], settings: dict[str, str]) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    given = {"DATABASE_URL": shop.urls.app, "REDIS_URL": shop.redis_url, **settings}
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engagement.cli.main", *command, "--port", str(port)],
            env={**os.environ, **given},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _await(port, process)
            yield Running(process, port, Path(log.name))
        finally:
            process.kill()
            process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client(timeout=5, trust_env=False, verify=False) as client:
        while process.poll() is None:
            try:
                client.get(f"http://127.0.0.1:{port}/live")
            except httpx.TransportError:
                continue
            return
    raise AssertionError("the process ended before it answered")


async def as_owner(shop: Shop) -> asyncpg.Connection:
    """A connection of the owner's that sees the shop's rows."""
    connection = await asyncpg.connect(shop.urls.owner)
    await connection.execute(f"SET app.program = '{shop.program.id}'")
    return connection


def purchase(identity: str, member: str = "ann", **more: object) -> dict[str, object]:
    return {"id": identity, "member": member, "type": "purchase", "properties": {"amount": "12.50"}, **more}


async def record(client: httpx.AsyncClient, *events: dict[str, object]) -> dict[str, Any]:
    """What recordEvents answers."""
    reply = await client.post("/graphql", json={"query": RECORD, "variables": {"input": {"events": events}}})
    body: dict[str, Any] = reply.json()
    assert "errors" not in body, body
    found: dict[str, Any] = body["data"]["recordEvents"]
    return found
