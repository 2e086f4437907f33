"""PostgreSQL and Valkey of a run's own, which may be killed, frozen and started again as they were."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg

from engagement.embedded import Endpoints, child, servers
from engagement.records.database import migrate

HANG_SECONDS = 60.0


class Server:
    """One of the two, found while somebody else runs it; then it is ours to start and to end.

    `options` are those of its command line, which the kernel knows unless it writes another title there.
    """

    def __init__(self, folder: Path, program: str, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._program = program
        first = self._pids()[0]
        told = (Path("/proc") / str(first) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        options = options or [each.decode() for each in told[1:]]
        self._home = (Path("/proc") / str(first) / "cwd").readlink()
        self._command = [str((Path("/proc") / str(first) / "exe").readlink()), *options]
        lines = (Path("/proc") / str(first) / "status").read_text().splitlines()
        self._user, self._group = (next(x for x in lines if x.startswith(n)).split()[1] for n in ("Uid:", "Gid:"))
        self._started: list[subprocess.Popen[bytes]] = []

    def end(self, number: signal.Signals) -> None:
        """Send a signal that ends it to its first process, and wait until none is left."""
        os.kill(self._pids()[0], number)
        give_up = time.monotonic() + HANG_SECONDS
        while self._pids():
            for each in self._started:
                each.poll()
            assert time.monotonic() < give_up, f"{self._program} does not end"
            time.sleep(0.01)

    def start(self) -> None:
        """Start it; returns before it is ready."""
        log = str(self._home.parent / f"{self._program}.again.log")
        # It lives no longer than this process, whatever becomes of us.
        arguments = {"parent": os.getpid(), "death": int(signal.SIGKILL), "folder": str(self._home), "log": log}
        given = json.dumps({**arguments, "command": self._command})
        command = [sys.executable, "-I", "-S", child.__file__, "start", self._user, self._group, given]
        self._started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))

    def stop(self) -> None:
        """End it where it runs, whatever state it is in."""
        if self._pids():
            self.end(signal.SIGKILL if self._program == "valkey-server" else signal.SIGQUIT)
        for each in self._started:
            each.wait(HANG_SECONDS)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes are there, but do nothing, until the block ends."""
        # Its first process cannot make others while it is stopped itself.
        stopped: list[int] = []
        while new := [pid for pid in self._pids() if pid not in stopped]:
            for pid in new:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped += new
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """Its processes that run, the first one first."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    where = (entry / "cwd").readlink()
                    if (entry / "exe").readlink().name == self._program and where.is_relative_to(self._folder):
                        found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        return sorted(found, key=lambda pid: (found[pid] in found, pid))


class Both:
    """The two servers of a folder, and where they answer."""

    def __init__(self, folder: Path, endpoints: Endpoints) -> None:
        self.folder = folder
        self.database_url = endpoints.database_url
        self.redis_url = endpoints.redis_url
        sockets = Path(endpoints.redis_url.removeprefix("unix://")).parent
        self.postgres = Server(folder, "postgres")
        options = ("--port", "0", "--unixsocket", f"{sockets}/valkey.sock", "--unixsocketperm", "700")
        self.valkey = Server(folder, "valkey-server", (*options, "--save", "", "--appendonly", "no"))

    async def postgres_answers(self) -> None:
        """Wait until PostgreSQL takes a query."""
        give_up = time.monotonic() + HANG_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.database_url, timeout=1)
            except (OSError, asyncpg.PostgresError) as error:
                if time.monotonic() > give_up:
                    raise AssertionError("PostgreSQL does not come back") from error
                await asyncio.sleep(0.01)
            else:
                await connection.close()
                return

    async def valkey_answers(self) -> None:
        """Wait until Valkey takes a connection."""
        give_up = time.monotonic() + HANG_SECONDS
        while True:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self.redis_url.removeprefix("unix://"))
                return
            assert time.monotonic() < give_up, "Valkey does not come back"
            await asyncio.sleep(0.01)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, as the servers' own user has to."""
    with tempfile.TemporaryDirectory(prefix="stress-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@contextmanager
def both() -> Iterator[Both]:
    """Servers with the newest schema and nothing in it; gone with the block, in whatever state they are."""
    with open_folder() as folder:
        # Those who make the cluster look after it as long as they run it, and would start at once what is killed.
        with servers(folder / "data") as endpoints:
            asyncio.run(migrate(endpoints.database_owner_url))
            made = Both(folder, endpoints)
        made.postgres.start()
        made.valkey.start()
        try:
            asyncio.run(made.postgres_answers())
            asyncio.run(made.valkey_answers())
            yield made
        finally:
            made.postgres.stop()
            made.valkey.stop()
