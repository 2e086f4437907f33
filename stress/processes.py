"""The service's own processes: `engagement serve` and `engagement worker`, started as an operator would, and killed as nobody should."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from stress.servers import Both

HOST = "127.0.0.1"
HANG_SECONDS = 60.0
_UNCONFIGURED = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "ENGAGEMENT_KEY"}


def command(*arguments: str) -> list[str]:
    """The command line of `engagement` with these arguments."""
    return [sys.executable, "-m", "engagement.cli.main", *arguments]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what configures another service, and with `more`; `engagement` is found from any folder."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNCONFIGURED}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "COLUMNS": "120", **more}


class Api:
    """An API process that always comes back at the same port. `log` is what it said, over all its lives."""

    def __init__(self, servers: Both, name: str, *, worker: bool = True) -> None:
        self.log = servers.folder / f"{name}.log"
        self._urls = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
        self._options = () if worker else ("--no-worker",)
        # Bound and never listening: the port stays ours while the process is away, and connections to it are refused.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((HOST, 0))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://{HOST}:{self._reserved.getsockname()[1]}/graphql"

    async def start(self) -> float:
        """Start it; how many seconds until it answered."""
        begun = time.monotonic()
        with socket.create_server(self._reserved.getsockname(), backlog=512) as listening, self.log.open("ab") as log:
            number = listening.fileno()
            self._process = subprocess.Popen(  # noqa: ASYNC220 — a moment in which nothing else need happen.
                command("serve", "--descriptor", str(number), *self._options),
                # It ends when its standard input does, so it does not stay behind whatever becomes of us.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[number],
                env=environment(self._urls),
                start_new_session=True,
            )
        async with httpx.AsyncClient(timeout=1, trust_env=False) as client:
            while True:
                with suppress(httpx.TransportError):
                    await client.post(self.url, json={"query": "{ __typename }"})
                    return time.monotonic() - begun
                assert self._process.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() - begun < HANG_SECONDS, "the API does not start"
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._gone()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(HANG_SECONDS / 2)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._gone()
        self._reserved.close()

    def _gone(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.wait()
        self._process.stdin.close()
        self._process = None


@contextmanager
def worker(servers: Both, name: str) -> Iterator[Path]:
    """A worker without an API; what it says goes to the file."""
    log = servers.folder / f"{name}.log"
    urls = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    with log.open("ab") as told:
        process = subprocess.Popen(command("worker"), stdout=told, stderr=told, env=environment(urls))
    try:
        yield log
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(HANG_SECONDS / 2)
        process.kill()
        process.wait()


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `engagement` to its end."""
    return subprocess.run(
        command(*arguments), check=False, env=environment(more), capture_output=True, text=True, timeout=600
    )


def defects(*logs: Path) -> list[str]:
    """What the service itself calls a defect: lines of the level `error`, each kind once."""
    found = dict[str, None]()
    for log in logs:
        for line in log.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                told = msgspec.json.decode(line)
                if isinstance(told, dict) and told.get("level") in {"error", "critical"}:
                    found[f"{told.get('event')} {told.get('error') or told.get('exception') or ''}"] = None
                continue
            if line.startswith((b"Traceback", b"ERROR", b"[error")):
                found[line.decode(errors="replace")] = None
    return list(found)


def kill(pid: int) -> None:
    """SIGKILL to a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int, word: str) -> list[int]:
    """The children of a process whose command line has `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and word.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
