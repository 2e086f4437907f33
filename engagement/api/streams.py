"""Subscriptions over a plain HTTP response: server-sent events (graphql-sse, distinct connections) and multipart.

One result is fetched only after the one before it was sent, so a slow reader slows its own subscription and nothing is
buffered for it; one that reads nothing for long is dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.schema.schema import StreamResult

from engagement.api.context import Context, P
from engagement.api.failures import masked, refusal_extensions, result_errors
from engagement.api.limits import SOCKET_SEND_SECONDS_MAX
from engagement.api.negotiation import StreamKind
from engagement.errors import Unauthenticated

HEARTBEAT_SECONDS: Final = 15.0
"""Silence after which a client and the proxies between are told that the stream is alive."""


class _EventStream:
    """Server-sent events with the line ends that every reader splits on."""

    media_type = "text/event-stream"
    opening = b":\n\n"
    heartbeat = b":\n\n"
    closing = b"event: complete\ndata:\n\n"

    @staticmethod
    def item(payload: Mapping[str, Any]) -> bytes:
        """Encode one result."""
        return b"event: next\ndata: " + msgspec.json.encode(payload) + b"\n\n"


class _Multipart:
    """Multipart, `subscriptionSpec=1.0`. The boundary follows a part at once, for readers wait for it."""

    media_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    _part = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%b\r\n--graphql"
    opening = b"--graphql" + _part % b"{}"
    heartbeat = _part % b"{}"
    closing = b"--\r\n"

    @classmethod
    def item(cls, payload: Mapping[str, Any]) -> bytes:
        """Encode one result."""
        return cls._part % msgspec.json.encode({"payload": payload})


def stream_response(results: StreamResult, kind: StreamKind, context: Context[P]) -> ASGIApp:
    """Return the response that sends `results` as they come: until they end, the client goes or its credential ends."""
    encoding = _EventStream if kind == "sse" else _Multipart

    async def respond(_scope: Scope, receive: Receive, send: Send) -> None:
        async def chunk(body: bytes, more: bool = True) -> None:
            async with asyncio.timeout(SOCKET_SEND_SECONDS_MAX):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        async def pump() -> None:
            await send(_start(encoding.media_type, context.request_id))
            await chunk(encoding.opening)
            async with aclosing(_payloads(results, context)) as payloads:
                async for payload in payloads:
                    await chunk(encoding.heartbeat if payload is None else encoding.item(payload))
            await chunk(encoding.closing, more=False)

        await _first_of(asyncio.create_task(pump()), asyncio.create_task(_disconnected(receive)))

    return respond


async def _payloads(results: StreamResult, context: Context[P]) -> AsyncGenerator[Mapping[str, Any] | None, None]:
    """Yield each result as it is sent, and `None` after each silence; ends at the expiry of the credential."""
    expires_at: datetime | None = getattr(context.principal, "expires_at", None)
    async with aclosing(results):
        while True:
            upcoming = asyncio.ensure_future(anext(results))
            try:
                while not (await asyncio.wait({upcoming}, timeout=_patience(expires_at)))[0]:
                    if expires_at and datetime.now(UTC) >= expires_at:
                        expired = Unauthenticated("The credential has expired.")
                        yield {"errors": [{"message": expired.message, "extensions": refusal_extensions(expired)}]}
                        return
                    yield None
                yield _payload(upcoming.result(), context)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001  (the status line is sent; a defect can only be told as an item)
                yield {"errors": [masked(error, request_id=context.request_id).formatted]}
                return
            finally:
                if not upcoming.done():
                    upcoming.cancel()
                    await asyncio.wait({upcoming})


def _payload(result: Any, context: Context[P]) -> Mapping[str, Any]:
    payload: dict[str, Any] = {"data": result.data}
    if errors := result_errors(result, request_id=context.request_id):
        payload["errors"] = [each.formatted for each in errors]
    return payload


def _patience(expires_at: datetime | None) -> float:
    if expires_at is None:
        return HEARTBEAT_SECONDS
    return min(HEARTBEAT_SECONDS, max((expires_at - datetime.now(UTC)).total_seconds(), 0.0) + 0.001)


def _start(media_type: str, request_id: str) -> Message:
    headers = {
        "Content-Type": media_type,
        "Cache-Control": "no-store, no-transform",
        "Vary": "Accept",
        "X-Accel-Buffering": "no",
        "X-Request-Id": request_id,
    }
    raw = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": raw}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(pump: "asyncio.Task[None]", gone: "asyncio.Task[None]") -> None:
    """Wait for either, stop the other, and let the subscription's own clean-up finish."""
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (pump, gone):
            each.cancel()
        for each in (pump, gone):
            with suppress(asyncio.CancelledError, TimeoutError, OSError):
                await each
