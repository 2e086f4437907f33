"""How a command finds its servers: those of a folder, which it starts or joins, or yours, by URL from the environment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engagement import embedded
from engagement.cli.options import DEFAULT_DATA
from engagement.cli.stopping import Stop
from engagement.errors import NotFound
from engagement.records import programs
from engagement.records.database import migrate
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit
from engagement.settings import Settings


@dataclass(frozen=True)
class Servers:
    """Where PostgreSQL (as engagement_app) and Redis answer. `data` is the embedded servers' folder, None for yours."""

    database_url: str
    redis_url: str | None
    data: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The same for a child process."""
        found = {"DATABASE_URL": self.database_url}
        return found if self.redis_url is None else {**found, "REDIS_URL": self.redis_url}


@contextmanager
def servers(data: Path | None) -> Iterator[Servers]:
    """The servers for a command: the environment's unless `data` is given, else embedded ones with the newest schema."""
    settings = Settings()
    if data is None and settings.database_url:
        yield Servers(settings.database_url, settings.redis_url, None)
        return
    if data is None and settings.redis_url:
        raise Stop("REDIS_URL is set, but DATABASE_URL is not: set both, or neither to use embedded servers.")
    folder = data or DEFAULT_DATA
    with embedded.servers(folder) as endpoints:
        asyncio.run(migrate(endpoints.database_owner_url))
        yield Servers(endpoints.database_url, endpoints.redis_url, folder)


def metrics_token() -> str | None:
    """What readers of `/metrics` must show; None for nothing."""
    token = Settings().metrics_token
    return token.get_secret_value() if token else None


@asynccontextmanager
async def database(url: str, max_connections: int = 2) -> AsyncIterator[Database]:
    """The database at `url`, for one command."""
    opened = await Database.open(url, max_connections)
    try:
        yield opened
    finally:
        await opened.close()


async def program_named(opened: Database, key: str) -> Program:
    """The program with this key; `NotFound` names those that there are."""

    async def work(unit: Unit) -> Program:
        found = await programs.find(unit, key)
        if found is None:
            known = ", ".join(each.key for each in await programs.every(unit)) or "none yet"
            raise NotFound(f"There is no program `{key}`; there are: {known}.")
        return found

    return await opened.run(work, ALL)
