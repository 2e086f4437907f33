"""Owning or joining the servers of one DIR: the lock, and what it says."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from engagement.embedded.keeper import Keeper
from engagement.embedded.places import CannotStart, Programs, find, installed
from engagement.embedded.processes import psql, valkey_answers

PATIENCE_SECONDS = 30.0  # for another process to become ready or to go


class Endpoints(msgspec.Struct, frozen=True):
    """Where the servers answer: URLs through unix sockets, for asyncpg and redis-py."""

    database_url: str
    """Database `engagement` as the role engagement_app, which serves."""
    database_owner_url: str
    """The same database as the role engagement_owner, which migrates and may create databases."""
    redis_url: str
    """Valkey; it keeps nothing over a restart."""
    owner: bool
    """Whether this process started the servers and will stop them."""


@contextmanager
def servers(data: Path) -> Iterator[Endpoints]:
    """The servers of the folder `data` (made if missing): started and afterwards stopped, or joined.

    Blocks for the start: about a second from nothing, then a fraction of it, longer only to recover from a crash. May be
    called from any thread, also inside a running event loop. One that dies meanwhile is started again. Raises `CannotStart` with what to do about it.
    """
    with _explained(data):
        data = _folder(data)
        programs = installed()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with _explained(data):
            lock = _lock(data)
        if lock is not None:
            break
        joined = _join(data / "servers.lock", programs)
        if joined is not None:
            yield joined
            return
        if time.monotonic() > deadline:
            raise CannotStart(f"{data} belongs to another process, whose servers do not answer: {_record(data)}")
        time.sleep(0.02)
    with lock:
        yield from _own(data, lock, programs)


def _own(data: Path, lock: BinaryIO, programs: Programs) -> Iterator[Endpoints]:
    _write(lock, {"owner": os.getpid()})
    with _explained(data):
        places = find(data, programs)
    process, keeper = os.getpid(), Keeper(places, programs)
    try:
        with _explained(data):
            keeper.start()
        _write(lock, {"owner": os.getpid(), "sockets": str(places.sockets)})
        yield _endpoints(places.sockets, owner=True)
    finally:
        # A fork of the owner that unwinds to here does not own anything.
        if os.getpid() == process:
            _write(lock, {})
            keeper.stop()


def _folder(data: Path) -> Path:
    data = data.absolute()
    if not data.exists():
        data.mkdir(parents=True, exist_ok=True)
        # Our own new folder, so that `nobody` can pass whatever root's umask is; what is inside is closed.
        data.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return data.resolve()


@contextmanager
def _explained(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(f"cannot keep the servers' data in {data}: {error}") from error


def _lock(data: Path) -> BinaryIO | None:
    """The lock on `data` for as long as the file stays open; None while another process has it."""
    descriptor = os.open(data / "servers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    lock = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    # A forked worker that outlives us must not hold the lock in our stead.
    os.register_at_fork(after_in_child=lock.close)
    return lock


def _write(lock: BinaryIO, record: dict[str, int | str]) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(record).encode())


def _record(data: Path) -> str:
    with suppress(OSError):
        return (data / "servers.lock").read_text()
    return ""


def _join(lock: Path, programs: Programs) -> Endpoints | None:
    """The servers of the process that holds `lock`, once both answer and it still says so."""
    with suppress(OSError, ValueError, KeyError):
        record = lock.read_text()
        sockets = Path(json.loads(record)["sockets"])
        if valkey_answers(sockets) and psql(programs, sockets, "engagement_app", "SELECT 1;").returncode == 0:
            return _endpoints(sockets, owner=False) if lock.read_text() == record else None
    return None


def _endpoints(sockets: Path, owner: bool) -> Endpoints:
    host = quote(str(sockets), safe="")
    return Endpoints(
        database_url=f"postgresql://engagement_app@/engagement?host={host}&port=5432",
        database_owner_url=f"postgresql://engagement_owner@/engagement?host={host}&port=5432",
        redis_url=f"unix://{sockets}/valkey.sock",
        owner=owner,
    )
