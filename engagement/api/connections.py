"""uvicorn's protocols, able to drop a connection at once.

Their own `close` waits until everything written is read, which for a client that reads nothing is for ever.
"""

from typing import Any, Final, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_ABORT: Final = "engagement.abort"
_LINGER_SECONDS: Final = 10.0
"""How long a socket may take to say goodbye once its application is done."""


class AbortableHttp(HttpToolsProtocol):
    """HTTP; offers the abort to the application."""

    def on_message_begin(self) -> None:
        """Begin a request, whose scope knows how to abort its connection."""
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {**scope.get("extensions", {}), _ABORT: {"abort": self.transport.abort}}


class AbortableWebSocket(WebSocketsSansIOProtocol):
    """WebSocket; offers the abort to the application, and uses it on a connection that outlives the application."""

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


def abort(scope: Scope) -> None:
    """Drop the connection of `scope` at once, if its server can."""
    if offered := (scope.get("extensions") or {}).get(_ABORT):
        offered["abort"]()
