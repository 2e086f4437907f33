"""The stand that measuring takes place on: servers, service and load of one run, in a folder that goes with it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from achievements.states import BEGINNING
from benchmarks.grocer import ROOT, grocer
from benchmarks.load import Load, Sent
from engagement import embedded
from engagement.actions import tokens
from engagement.actions.programs import Sandbox
from engagement.cli.api_key import make_key
from engagement.cli.apply import apply_directly
from engagement.cli.hosting import hosted
from engagement.cli.session import Servers, database, program_named
from engagement.records.database import migrate

SCOPES: Final = frozenset({"events:write", "members:read", "boards:read", "rewards:write"})
REWARDS: Final = [
    {"key": f"mug-{number}", "name": "A mug", "kind": "product", "price": {"points": 1}, "stock": 10_000_000}
    for number in range(50)
]
"""What the grocer has on the shelf here, enough of each."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stand:
    """PostgreSQL and Valkey that only this run uses, and the seconds that their start took."""

    endpoints: embedded.Endpoints
    seconds: float
    schema_seconds: float


@dataclass(frozen=True)
class Served:
    """The service under measurement, with the grocer's program active; `seconds` is what its start took."""

    port: int
    pid: int
    key: str
    database_url: str
    seconds: float


@dataclass(frozen=True)
class Shares:
    """CPU seconds of each process, or group of them."""

    api: float
    postgres: float
    valkey: float
    load: float = 0.0

    def __sub__(self, other: "Shares") -> "Shares":
        return Shares(self.api - other.api, self.postgres - other.postgres, self.valkey - other.valkey)


@dataclass(frozen=True)
class Ran:
    """A load that was sent, and who used how much of the machine meanwhile."""

    sent: Sent
    shares: Shares


@contextmanager
def stand() -> Iterator[Stand]:
    """Fresh servers, stopped and removed afterwards."""
    data = Path(tempfile.mkdtemp(prefix="engagement-bench-"))
    data.chmod(0o711)
    try:
        begun = time.perf_counter()
        with embedded.servers(data) as endpoints:
            started = time.perf_counter()
            asyncio.run(migrate(endpoints.database_owner_url))
            yield Stand(endpoints, started - begun, time.perf_counter() - started)
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def served(on: Stand) -> Iterator[Served]:
    """One API process with a worker inside, as `engagement serve` runs it."""
    found = Servers(on.endpoints.database_url, on.endpoints.redis_url, None)
    key = asyncio.run(_prepared(found.database_url))
    begun = time.perf_counter()
    with hosted(found) as service:
        seconds = time.perf_counter() - begun
        port = urlsplit(service.url).port
        assert port is not None
        yield Served(port, service.process.pid, key, found.database_url, seconds)


async def _prepared(url: str) -> str:
    async with database(url) as opened:
        document = {**grocer(), "rewards": REWARDS}
        await apply_directly(opened, document, Sandbox(BEGINNING.replace(year=1970)))
        return await make_key(opened, "grocer", "bench", SCOPES)


async def member_tokens(service: Served, members: list[str]) -> tuple[str, ...]:
    """Tokens of members, good for a quarter of an hour."""
    async with database(service.database_url) as opened:
        program = await program_named(opened, "grocer")
    return tuple(tokens.mint(program, member, tokens.LIFE_MINUTES_MAX) for member in members)


def send(service: Served, load: Load) -> Ran:
    """Send a load from a process of its own. Raises `CalledProcessError` where any reply was no success."""
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(load) + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        before = shares(service)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        line = process.stdout.readline()
        used = shares(service) - before
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    sent = msgspec.json.decode(line, type=Sent)
    if sent.again:
        print(
            f"{sent.again} of {sent.requests} requests were sent once more: too much for this machine now.",
            file=sys.stderr,
        )
    return Ran(sent, Shares(used.api, used.postgres, used.valkey, sent.cpu_seconds))


def shares(service: Served) -> Shares:
    """What each process has used so far."""
    found = processes()
    return Shares(_cpu([service.pid]), _cpu(found.get("postgres", ())), _cpu(found.get("valkey-server", ())))


def memory(pids: list[int]) -> int:
    """Bytes that processes hold, what they share counted once."""
    held = 0
    for pid in pids:
        # PostgreSQL's processes come and go, also between being found and being asked.
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    held += 1024 * int(line.split()[1])
    return held


def processes() -> dict[str, list[int]]:
    """The processes that descend from this one, by name."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                name, rest = _stat(int(entry.name))
            except OSError:
                continue
            children.setdefault(int(rest[1]), []).append((int(entry.name), name))
    found: dict[str, list[int]] = {}
    waiting = [os.getpid()]
    while waiting:
        for pid, name in children.get(waiting.pop(), ()):
            found.setdefault(name, []).append(pid)
            waiting.append(pid)
    return found


def _cpu(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        try:
            _, rest = _stat(pid)
        except OSError:
            continue
        total += int(rest[11]) + int(rest[12])
    return total / _TICKS


def _stat(pid: int) -> tuple[str, list[str]]:
    text = Path(f"/proc/{pid}/stat").read_text()
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()
