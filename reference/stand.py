"""The service that the replays go through: one for all of them, on servers of its own, in a folder that goes with it."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engagement.cli.api_key import make_key
from engagement.cli.hosting import hosted
from engagement.cli.session import database, servers


@dataclass(frozen=True)
class Stand:
    """Where the service answers whom, where its database is, and a folder for what is exported."""

    url: str
    key: str
    database_url: str
    folder: Path


@contextmanager
def stand() -> Iterator[Stand]:
    """A service as `engagement serve` runs it, with an operator's key; all of it removed afterwards."""
    # The servers' own user passes through the folder.
    folder = Path(tempfile.mkdtemp(prefix="engagement-reference-"))
    folder.chmod(0o711)
    try:
        with servers(folder / "data") as found:
            key = asyncio.run(_operators_key(found.database_url))
            with hosted(found) as service:
                yield Stand(service.url, key, found.database_url, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _operators_key(url: str) -> str:
    async with database(url) as opened:
        return await make_key(opened, None, "reference", frozenset())
