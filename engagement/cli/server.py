"""uvicorn as our commands run it: what was under way is finished, and a stop that was asked for is no failure."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from engagement.api.transport import UVICORN_SETTINGS


class Server(uvicorn.Server):
    """Serves until SIGTERM or Ctrl-C, then finishes what is under way.

    SIGTERM is how a machine asks a service to stop: the command goes on to its own end, with status 0. Ctrl-C ends the
    command as it ends any.
    """

    def __init__(self, app: ASGIApp) -> None:
        # Our logging is set up already, and the service logs its requests itself.
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, **UVICORN_SETTINGS))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at either signal, and raise only Ctrl-C again afterwards."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals = [each for each in self._captured_signals if each != signal.SIGTERM]


class _Beside(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever this serves beside."""
        yield


@asynccontextmanager
async def serving_beside(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve beside the block, and stop with it."""
    server = _Beside(app)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
