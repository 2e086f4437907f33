"""A cable between a browser and the service that can be pulled out and put in again."""

import asyncio
from contextlib import suppress


class Cable:
    """Forwards what comes to a port of this machine to another, until it is cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def join(self) -> None:
        """Let new connections through."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in self._lines:
            line.transport.abort()
        # Who forwards notices by itself.
        while self._lines:  # noqa: ASYNC110 — every line takes itself off the list.
            await asyncio.sleep(0.01)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._to)
        lines = {writer, onward_writer}
        self._lines |= lines
        try:
            await asyncio.gather(_pass_on(reader, onward_writer), _pass_on(onward_reader, writer))
        finally:
            for line in lines:
                line.transport.abort()
            self._lines -= lines


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
        writer.write_eof()
