"""A service of a command's own: `engagement serve` as a child process, so that asking and answering use two cores."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx
import msgspec

from engagement.api.pages import Shown
from engagement.cli.session import Servers
from engagement.cli.stopping import Stop

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOPPING_SECONDS = 20.0


@dataclass(frozen=True)
class Hosted:
    """A service that answers at `url`."""

    url: str
    process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Until it ends by itself, which it should not; Stop then."""
        status = self.process.wait()
        raise Stop(f"The service ended with status {status}.")


@contextmanager
def hosted(servers: Servers, port: int = 0, show: Shown | None = None) -> Iterator[Hosted]:
    """A service with a worker on these servers, at `port` of this machine (0: any free one), until the block ends.

    With something to show it serves the pages too.

    The child takes over a listening socket, so the port cannot be lost in between, and ends when its standard input does:
    however this process ends, it does not stay behind.
    """
    with listener(HOST, port) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}/graphql"
        descriptor = listening.fileno()
        pages = [] if show is None else ["--dev", "--show", msgspec.json.encode(show).decode()]
        process = subprocess.Popen(  # noqa: S603 — ourselves.
            [sys.executable, "-m", "engagement.cli.main", "serve", "--descriptor", str(descriptor), *pages],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
            # A line for each request would bury what the command prints.
            env={"LOG_LEVEL": "warning", **os.environ, **servers.environment},
            # Ctrl-C is for us, who stop the child when we have finished.
            start_new_session=True,
        )
    try:
        _await_ready(url, process)
        yield Hosted(url, process)
    finally:
        _stop(process)


@contextmanager
def listener(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; Stop where the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        # The error's own text repeats the address, but where a name is unknown it alone says so.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise Stop(
            f"Port {port} of {host} is not free ({reason}): stop what listens there, or choose another with --port."
        ) from error
    except OverflowError as error:
        raise Stop(f"{port} is no port.") from error
    with listening:
        yield listening


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                client.post(url, json={"query": "{ __typename }"})
                return
    if process.poll() is None:
        raise Stop(f"The service was not ready within {READY_SECONDS:.0f} s.")
    raise Stop("The service could not start; it says why above.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
