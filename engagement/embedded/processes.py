"""The two servers: how each is started, asked and swept away. Nothing here remembers what runs."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engagement.embedded import child
from engagement.embedded.places import CannotStart, Places, Programs, User

MAJOR_VERSION = "18"
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
    # The server's log is kept, and an error's detail quotes the row that it is about.
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
VALKEY_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "dir": ".",
    # A slow command would be remembered with its words, and members' ids are among them.
    "slowlog-log-slower-than": "-1",
}

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

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Server:
    """One of the two. Its processes alone work in `folder`; `marks` are the files that it leaves where it is killed.

    It receives the signal `death` when the thread that started it ends. `answers` says whether it does, at this moment.
    """

    name: str
    folder: Path
    death: signal.Signals
    command: list[str]
    marks: tuple[Path, ...]
    answers: Callable[[], bool]


def postgresql(places: Places, ours: Programs) -> Server:
    """PostgreSQL; `ours` are the programs that we ourselves can run."""
    settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(places.sockets)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Server(
        "postgresql",
        places.cluster,
        # Not SIGINT, the clean "fast shutdown": PostgreSQL 18.4 hangs for ever when that comes while it recovers from
        # the crash of a backend (seen), and nobody would be left to help. What was committed is in its log either way.
        signal.SIGQUIT,
        [str(places.programs.postgres / "bin" / "postgres"), "-D", str(places.cluster), *options],
        (places.cluster / "postmaster.pid", *(places.sockets / f".s.PGSQL.5432{each}" for each in ("", ".lock"))),
        lambda: psql(ours, places.sockets, "engagement_app", "SELECT 1;").returncode == 0,
    )


def valkey(places: Places) -> Server:
    """Valkey."""
    path = places.sockets / "valkey.sock"
    settings = VALKEY_SETTINGS | {"unixsocket": str(path)}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    command = [str(places.programs.valkey), *options]
    return Server("valkey", places.valkey, signal.SIGKILL, command, (path,), lambda: valkey_answers(places.sockets))


def sweep(places: Places, server: Server) -> None:
    """End what is left of a dead server, and remove its marks."""
    stop(places, server.folder)
    for mark in server.marks:
        mark.unlink(missing_ok=True)


def clear(places: Places) -> None:
    """End what an earlier run left, then remove its marks. The lock says that nobody else is at it."""
    stop(places, places.home)
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(places.sockets / ".s.PGSQL.5432")) == 0:
            raise CannotStart(f"a PostgreSQL that this system does not show (in a container?) serves {places.home}")
    # What is left are files: PostgreSQL would refuse to start if their pid were by now some other process.
    for stale in (places.cluster / "postmaster.pid", *places.sockets.iterdir()):
        stale.unlink(missing_ok=True)
    for name in ("postgresql", "valkey"):
        with suppress(FileNotFoundError):
            (places.home / f"{name}.log").replace(places.home / f"{name}.previous.log")


def create_cluster(places: Places) -> None:
    """A new cluster, complete and on disk before it gets its name: a part of one is never mistaken for it."""
    unfinished = places.home / "postgresql-unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    settings = ("-c", "shared_buffers=256MB", "-c", "max_connections=100", "-c", "timezone=UTC")
    command = [str(places.programs.postgres / "bin" / "initdb"), "-D", str(unfinished), *INITDB, *settings]
    if launch(places, "postgresql", signal.SIGKILL, command).wait() != 0:
        raise CannotStart(f"PostgreSQL could not make its data folder: {end_of_log(places, 'postgresql')}")
    unfinished.rename(places.cluster)


def check_version(cluster: Path) -> None:
    """Raise `CannotStart` unless this is PostgreSQL's data, of the version that we run."""
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(f"{cluster} is not PostgreSQL's data; move it away, or choose another --data") from None
    if version != MAJOR_VERSION:
        raise CannotStart(
            f"{cluster} holds data of PostgreSQL {version}, this service runs {MAJOR_VERSION}: "
            "dump it with the old version and restore it here, or choose another --data"
        )


def launch(places: Places, name: str, death: signal.Signals, command: list[str]) -> Process:
    """Start `command` as the servers' user, to receive `death` when the calling thread ends; it writes `name`.log."""
    folder = places.valkey if name == "valkey" else places.home
    log = str(places.home / f"{name}.log")
    arguments = {"parent": os.getpid(), "death": int(death), "folder": str(folder), "log": log, "command": command}
    return _child(places.user, "start", **arguments)


def _child(user: User, verb: str, **arguments: object) -> Process:
    # A session of its own: Ctrl-C in a terminal is for us, who stop the servers when we have finished.
    return subprocess.Popen(  # noqa: S603 - a file of ours
        [sys.executable, "-I", "-S", child.__file__, verb, str(user.uid), str(user.gid), json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if verb == "stop" else None,
        start_new_session=True,
    )


def stop(places: Places, folder: Path) -> None:
    """End every server that works in `folder`, one of ours, whoever started it."""
    stopper = _child(places.user, "stop", folder=str(folder), patience=STOPPING_SECONDS)
    _, complaint = stopper.communicate()
    if stopper.returncode != 0:
        raise CannotStart(f"could not stop what runs in {folder}: {complaint.decode(errors='replace').strip()}")


def psql(programs: Programs, sockets: Path, role: str, script: str) -> subprocess.CompletedProcess[str]:
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


def valkey_answers(sockets: Path) -> bool:
    """Whether Valkey answers at these sockets."""
    # Four bytes of its protocol, rather than a client whose import takes longer than everything else here.
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(sockets / "valkey.sock"))
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"
    return False


def end_of_log(places: Places, name: str) -> str:
    """What the server `name` wrote last."""
    with suppress(OSError):
        descriptor = os.open(places.home / f"{name}.log", os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, errors="replace") as file:
            return file.read()[-2000:]
    return f"see {places.home / f'{name}.log'}"
