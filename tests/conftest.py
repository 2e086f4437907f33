"""Real servers for the tests: started once for all workers, and a database of its own for each test that asks for one."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from engagement.embedded import Endpoints, servers
from engagement.records.database import migrate
from engagement.records.unit import Database
from tests import memory

TEMPLATE = "engagement_template"


_moved_in = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is made: the workers of a run find its folder in their environment."""
    if folder := memory.move_in():
        config.stash[_moved_in] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """After all workers have ended."""
    if folder := config.stash.get(_moved_in, None):
        shutil.rmtree(folder, ignore_errors=True)


class Urls(NamedTuple):
    """One test's database: as engagement_app, which serves, and as engagement_owner, which migrates."""

    app: str
    owner: str

    @property
    def superuser(self) -> str:
        """The same as the superuser, who makes dumps, and whom no policy binds."""
        return self.owner.replace("engagement_owner@", "postgres@")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def endpoints(shared: Path) -> Iterator[Endpoints]:
    """PostgreSQL and Valkey. The worker that comes first owns them, and leaves last."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    # Not in pytest's folder, which is closed to the servers' user where that is another.
    data = Path(tempfile.gettempdir()) / f"engagement-tests-{run}"
    with (shared / "servers-in-use").open("w") as use:
        fcntl.flock(use, fcntl.LOCK_SH)
        with servers(data) as found:
            yield found
            fcntl.flock(use, fcntl.LOCK_EX if found.owner else fcntl.LOCK_UN)
        if found.owner:
            shutil.rmtree(data)


@pytest.fixture(scope="session")
def template(endpoints: Endpoints, shared: Path) -> str:
    """The name of a database with the newest schema and nothing in it, for `CREATE DATABASE … TEMPLATE`."""
    with (shared / "template").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        asyncio.run(_make_template(endpoints.database_owner_url))
    return TEMPLATE


@pytest.fixture
async def empty_database(endpoints: Endpoints) -> AsyncIterator[Urls]:
    """A database without any schema."""
    async with _database(endpoints, "template1") as urls:
        yield urls


@pytest.fixture
async def database(endpoints: Endpoints, template: str) -> AsyncIterator[Urls]:
    """A database with the newest schema. A test that leaves connections to it open fails when it is dropped."""
    async with _database(endpoints, template) as urls:
        yield urls


@pytest.fixture
async def records(database: Urls) -> AsyncIterator[Database]:
    """The test's database opened as the service opens it, with at most 4 connections."""
    opened = await Database.open(database.app, max_connections=4)
    yield opened
    await opened.close()


async def _make_template(owner_url: str) -> None:
    administrator = await asyncpg.connect(owner_url)
    try:
        if not await administrator.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", TEMPLATE):
            await administrator.execute("CREATE DATABASE engagement_migrating")
            await migrate(_other(owner_url, "engagement_migrating"))
            # It gets its name when it is complete: a part of a template is never mistaken for one.
            await administrator.execute(f"ALTER DATABASE engagement_migrating RENAME TO {TEMPLATE}")
    finally:
        await administrator.close()


@asynccontextmanager
async def _database(endpoints: Endpoints, template: str) -> AsyncIterator[Urls]:
    name = f"test_{uuid.uuid4().hex}"
    administrator = await asyncpg.connect(endpoints.database_owner_url)
    try:
        await administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield Urls(_other(endpoints.database_url, name), _other(endpoints.database_owner_url, name))
        await administrator.execute(f"DROP DATABASE {name}")
    finally:
        await administrator.close()


def _other(url: str, name: str) -> str:
    return url.replace("@/engagement?", f"@/{name}?")
