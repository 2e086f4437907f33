"""uvicorn's protocols, able to drop a connection at once, and to take leave when the server is told to stop.

Their own `close` waits until everything written is read, which for a client that reads nothing is for ever. When the server
stops, requests under way finish; sockets and streams, which would not, are told when to come back, each at another moment,
so that not all of them meet the next server at once.
"""

import asyncio
import random
from typing import Any, Final, cast

import msgspec
from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

RETRY_SECONDS_MAX: Final = 30.0
"""Over how long clients are asked to spread their return."""
GOING_AWAY: Final = 1001

_ABORT: Final = "engagement.abort"
_LEAVING: Final = "engagement.leaving"
_GOODBYE_SECONDS: Final = 5.0
"""How long a client may take to answer the closing of its socket when the server stops."""
_LINGER_SECONDS: Final = 10.0
"""How long a socket may take to say goodbye once its application is done."""


class AbortableHttp(HttpToolsProtocol):
    """HTTP; offers the abort to the application, and tells a stream that the server stops."""

    _leaving: asyncio.Event

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self._leaving = asyncio.Event()

    def on_message_begin(self) -> None:
        """Begin a request, whose scope knows how to abort its connection and when the server stops."""
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        offered = {_ABORT: {"abort": self.transport.abort}, _LEAVING: {"event": self._leaving}}
        scope["extensions"] = {**scope.get("extensions", {}), **offered}

    def shutdown(self) -> None:
        """Let a request under way finish; a stream is told to."""
        super().shutdown()
        self._leaving.set()


class AbortableWebSocket(WebSocketsSansIOProtocol):
    """WebSocket; offers the abort to the application, and uses it on a connection that outlives the application.

    When the server stops, the socket is closed with 1001 and a reason that says when to come back: {"retryAfterMs": …}.
    """

    def shutdown(self) -> None:
        """Take leave, and give the client a moment to hear it."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()
            return
        self.stop_keepalive()
        reason = msgspec.json.encode({"retryAfterMs": _retry_ms()}).decode()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY, "reason": reason})
        self.conn.send_close(GOING_AWAY, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # Closing at once could cost the client the words just written, where it has sent something that nobody read.
        self.close_timer = self.loop.call_later(_GOODBYE_SECONDS, self.transport.abort)

    async def run_asgi(self) -> None:
        """Run the application, then see to it that the connection ends."""
        extensions = cast("dict[str, Any]", self.scope["extensions"])
        extensions[_ABORT] = {"abort": self.transport.abort}
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(_LINGER_SECONDS, self._abort_unless_gone)

    def _abort_unless_gone(self) -> None:
        if not self.disconnected:
            self.transport.abort()


async def server_leaves(scope: Scope) -> int:
    """Wait until the server is told to stop; when the client should come back, in milliseconds from then."""
    offered = (scope.get("extensions") or {}).get(_LEAVING)
    await (offered["event"] if offered else asyncio.Event()).wait()
    return _retry_ms()


async def client_leaves(receive: Receive) -> None:
    """Wait until the client of a request is gone. What is left of its body is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _retry_ms() -> int:
    return int(random.uniform(0.0, RETRY_SECONDS_MAX) * 1000)  # noqa: S311 — spreads load, hides nothing.


def abort(scope: Scope) -> None:
    """Drop the connection of `scope` at once, if its server can."""
    if offered := (scope.get("extensions") or {}).get(_ABORT):
        offered["abort"]()
