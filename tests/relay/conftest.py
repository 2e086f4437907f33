"""A Valkey of its own for each test, which may kill, freeze or empty it; a program; and what relays to it."""

import asyncio
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from engagement.embedded.places import installed
from engagement.records import programs
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.redis import Link

LONG_SECONDS = 60


class Server:
    """A Valkey on a unix socket. It keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        options = ("--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no")
        self._process = subprocess.Popen(
            [installed().valkey, *options], stdout=subprocess.DEVNULL, cwd=self._socket.parent
        )
        give_up = time.monotonic() + LONG_SECONDS
        while not self._answers():
            assert time.monotonic() < give_up
            time.sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._socket))
            except OSError:
                return False
        return True

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; fail where it does not within a long time."""
    async with asyncio.timeout(LONG_SECONDS):
        while not await holds():  # noqa: ASYNC110 — what is waited for happens in another process.
            await asyncio.sleep(0.01)


@pytest.fixture
def absent() -> Iterator[Server]:
    """A server that has not been started."""
    # Not in pytest's folder, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        server = Server(Path(folder))
        yield server
        server.kill()


@pytest.fixture
def server(absent: Server) -> Server:
    """A running, empty server."""
    absent.start()
    return absent


@pytest.fixture
async def link(server: Server) -> AsyncIterator[Link]:
    """The service's link to it."""
    made = Link(server.url)
    yield made
    await made.close()


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    """A plain client, to look behind the service's back."""
    client: Redis = Redis.from_url(server.url, decode_responses=True, protocol=2)
    yield client
    await client.aclose()


@pytest.fixture
async def program(records: Database) -> Program:
    """An empty program."""

    async def create(unit: Unit) -> Program:
        made = await programs.create(unit, key="grocer", name="Grocer", timezone="UTC", token_secret=b"secret")
        assert made is not None
        return made

    return await records.run(create, ALL)


@pytest.fixture
async def boards(link: Link, records: Database) -> AsyncIterator[Boards]:
    """The boards, as yet unfilled."""
    made = Boards(link, records)
    yield made
    await made.stop()


@pytest.fixture
async def offline(tmp_path: Path, records: Database) -> AsyncIterator[Boards]:
    """The boards without any Redis, so that PostgreSQL answers."""
    link = Link(f"unix://{tmp_path}/nobody")
    yield Boards(link, records)
    await link.close()


@pytest.fixture
async def drain(link: Link, records: Database) -> AsyncIterator[Drain]:
    """A drain that the database wakes."""
    made = Drain(records, link)
    records.wake = made.wake
    yield made
    await made.stop()
