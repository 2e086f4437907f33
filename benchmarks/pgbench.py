"""pgbench's TPC-B on the servers of the stand, in a database of its own: what a ratio is a ratio to."""

import asyncio
import re
import subprocess
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks.stand import Stand
from engagement.embedded import places

CLIENTS: Final = 16
THREADS: Final = 2
SCALE: Final = 50
"""Times 100,000 accounts; more branches than clients, so that these do not queue for one row."""
_DATABASE: Final = "pgbench"


@dataclass(frozen=True)
class Pgbench:
    """The database, filled."""

    on: Stand

    def tps(self, seconds: int) -> float:
        """Transactions a second of one run."""
        told = _pgbench(self.on, "-c", CLIENTS, "-j", THREADS, "-T", seconds)
        found = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
        assert found, told
        return float(found[1])


def prepare(on: Stand, scale: int = SCALE) -> Pgbench:
    """Make and fill the database."""
    asyncio.run(_create(on.endpoints.database_owner_url))
    _pgbench(on, "-i", "-q", "-s", scale)
    return Pgbench(on)


async def _create(owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await owner.close()


def _pgbench(on: Stand, *options: object) -> str:
    url = urlsplit(on.endpoints.database_owner_url)
    (host,) = parse_qs(url.query)["host"]
    program = places.installed().postgres / "bin" / "pgbench"
    command = [str(program), "-h", host, "-p", "5432", "-U", str(url.username), *map(str, options), _DATABASE]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 — the wheel's own.
