"""Owning or joining the servers of one DIR: the lock, starting, readiness, stopping."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from engagement.embedded import child
from engagement.embedded.places import CannotStart, Places, Programs, User, find, installed

MAJOR_VERSION = "18"
PATIENCE_SECONDS = 30.0  # for another process to become ready or to go
STARTING_SECONDS = 600.0  # after a crash PostgreSQL first replays up to max_wal_size; one that ended is noticed at once
STOPPING_SECONDS = 10.0  # to stop politely, before SIGKILL

# On the command line, so that neither the cluster's files nor ALTER SYSTEM can undo them. Durable first, then small.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
VALKEY_SETTINGS = {"port": "0", "unixsocketperm": "700", "save": "", "appendonly": "no", "dir": "."}

# The builtin C.UTF-8 sorts by code point, as C does, but knows letters beyond ASCII; no ICU, no system locale.
INITDB = (
    *("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-locale"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
)

# Run at every start: a start may have been killed between any two of these.
ENSURE_ROLES = r"""
SELECT 'CREATE ROLE engagement_owner LOGIN CREATEDB' WHERE to_regrole('engagement_owner') IS NULL \gexec
SELECT 'CREATE ROLE engagement_app LOGIN' WHERE to_regrole('engagement_app') IS NULL \gexec
ALTER ROLE engagement_owner NOSUPERUSER NOBYPASSRLS NOCREATEROLE;
ALTER ROLE engagement_app NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
SELECT 'CREATE DATABASE engagement OWNER engagement_owner'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'engagement') \gexec
"""
DURABILITY = "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit');"

Server = subprocess.Popen[bytes]


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
    called from any thread, also inside a running event loop. Raises `CannotStart` with what to do about it.
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
    # The parent-death signal comes when the *thread* that started a child ends. This one lives until they are stopped.
    with ThreadPoolExecutor(1, thread_name_prefix="embedded-servers") as keeper:
        _write(lock, {"owner": os.getpid()})
        with _explained(data):
            places = find(data, programs)
        process, running = os.getpid(), list[Server]()
        try:
            with _explained(data):
                keeper.submit(_start, places, programs, running).result()
            _write(lock, {"owner": os.getpid(), "sockets": str(places.sockets)})
            yield _endpoints(places.sockets, owner=True)
        finally:
            # A fork of the owner that unwinds to here does not own anything.
            if os.getpid() == process:
                _write(lock, {})
                keeper.submit(_end, places, running).result()


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
        if _valkey_answers(sockets) and _psql(programs, sockets, "engagement_app", "SELECT 1;").returncode == 0:
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


def _start(places: Places, ours: Programs, running: list[Server]) -> None:
    """Start both servers and wait until they are ready, whatever an earlier run left; add them to `running`.

    `ours` are the programs that we ourselves can run.
    """
    _clear(places)
    if not places.cluster.exists():
        _create_cluster(places)
    _check_version(places.cluster)
    sockets, binaries = places.sockets, places.programs.postgres / "bin"
    settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(places.cluster), *options]
    # Not SIGINT, the clean "fast shutdown": PostgreSQL 18.4 hangs for ever when that comes while it recovers from the
    # crash of a backend (seen), and nobody would be left to help. What was committed is in its log either way.
    running.append(postgres := _launch(places, "postgresql", signal.SIGQUIT, command))
    settings = VALKEY_SETTINGS | {"unixsocket": str(sockets / "valkey.sock")}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    running.append(valkey := _launch(places, "valkey", signal.SIGKILL, [str(places.programs.valkey), *options]))
    deadline = time.monotonic() + STARTING_SECONDS
    while (result := _psql(ours, sockets, "postgres", ENSURE_ROLES)).returncode == 2:  # no connection (yet)
        _still_starting(places, "postgresql", postgres, deadline)
    durability = _psql(ours, sockets, "engagement_app", DURABILITY)
    if result.returncode != 0 or durability.stdout.strip() != "on on":
        raise CannotStart(f"PostgreSQL is not as it should be: {result.stderr}{durability.stdout}{durability.stderr}")
    while not _valkey_answers(sockets):
        _still_starting(places, "valkey", valkey, deadline)


def _clear(places: Places) -> None:
    """End what an earlier run left, then remove its marks. The lock says that nobody else is at it."""
    _stop(places)
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(places.sockets / ".s.PGSQL.5432")) == 0:
            raise CannotStart(f"a PostgreSQL that this system does not show (in a container?) serves {places.home}")
    # What is left are files: PostgreSQL would refuse to start if their pid were by now some other process.
    for stale in (places.cluster / "postmaster.pid", *places.sockets.iterdir()):
        stale.unlink(missing_ok=True)
    for name in ("postgresql", "valkey"):
        with suppress(FileNotFoundError):
            (places.home / f"{name}.log").replace(places.home / f"{name}.previous.log")


def _create_cluster(places: Places) -> None:
    """A new cluster, complete and on disk before it gets its name: a part of one is never mistaken for it."""
    unfinished = places.home / "postgresql-unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    settings = ("-c", "shared_buffers=256MB", "-c", "max_connections=100", "-c", "timezone=UTC")
    command = [str(places.programs.postgres / "bin" / "initdb"), "-D", str(unfinished), *INITDB, *settings]
    if _launch(places, "postgresql", signal.SIGKILL, command).wait() != 0:
        raise CannotStart(f"PostgreSQL could not make its data folder: {_end_of_log(places, 'postgresql')}")
    unfinished.rename(places.cluster)


def _check_version(cluster: Path) -> None:
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(f"{cluster} is not PostgreSQL's data; move it away, or choose another --data") from None
    if version != MAJOR_VERSION:
        raise CannotStart(
            f"{cluster} holds data of PostgreSQL {version}, this service runs {MAJOR_VERSION}: "
            "dump it with the old version and restore it here, or choose another --data"
        )


def _launch(places: Places, name: str, death: signal.Signals, command: list[str]) -> Server:
    """Start `command` as the servers' user, to receive `death` when the calling thread ends; it writes `name`.log."""
    folder = places.valkey if name == "valkey" else places.home
    log = str(places.home / f"{name}.log")
    arguments = {"parent": os.getpid(), "death": int(death), "folder": str(folder), "log": log, "command": command}
    return _child(places.user, "start", **arguments)


def _child(user: User, verb: str, **arguments: object) -> Server:
    # A session of its own: Ctrl-C in a terminal is for us, who stop the servers when we have finished.
    return subprocess.Popen(  # noqa: S603 - a file of ours
        [sys.executable, "-I", "-S", child.__file__, verb, str(user.uid), str(user.gid), json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if verb == "stop" else None,
        start_new_session=True,
    )


def _stop(places: Places) -> None:
    """End every server that works in our folders, whoever started it."""
    stopper = _child(places.user, "stop", folder=str(places.home), patience=STOPPING_SECONDS)
    _, complaint = stopper.communicate()
    if stopper.returncode != 0:
        raise CannotStart(f"could not stop what runs in {places.home}: {complaint.decode(errors='replace').strip()}")


def _end(places: Places, running: list[Server]) -> None:
    """Stop `running` and everything else in our folders."""
    _stop(places)
    for server in running:
        server.wait()
    if places.sockets.parent != places.home:
        shutil.rmtree(places.sockets.parent, ignore_errors=True)


def _psql(programs: Programs, sockets: Path, role: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run `script`; the return code is 2 without a connection, 3 after an error in the script."""
    database = "postgres" if role == "postgres" else "engagement"
    command = [programs.psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(sockets), "-p", "5432", "-U", role, database]
    environment = {"LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603 - the wheel's own program
            command, input=script, capture_output=True, text=True, env=environment, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 2, "", "no answer within 10 s")


def _valkey_answers(sockets: Path) -> bool:
    # Four bytes of its protocol, rather than a client whose import takes longer than everything else here.
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(sockets / "valkey.sock"))
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"
    return False


def _still_starting(places: Places, name: str, server: Server, deadline: float) -> None:
    """Wait a moment for `server`. Raises `CannotStart` if it has ended or `deadline` (monotonic) has passed."""
    if server.poll() is not None:
        raise CannotStart(f"{name} ended while it started: {_end_of_log(places, name)}")
    if time.monotonic() > deadline:
        raise CannotStart(f"{name} was not ready within {STARTING_SECONDS:.0f} s: {_end_of_log(places, name)}")
    time.sleep(0.01)


def _end_of_log(places: Places, name: str) -> str:
    with suppress(OSError):
        descriptor = os.open(places.home / f"{name}.log", os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, errors="replace") as file:
            return file.read()[-2000:]
    return f"see {places.home / f'{name}.log'}"
