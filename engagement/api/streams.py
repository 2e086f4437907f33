"""Subscriptions over a plain HTTP response: server-sent events (graphql-sse, distinct connections) and multipart.

One result is fetched only after the one before it was sent, so a slow reader slows its own subscription and nothing is
buffered for it; one that reads nothing for long is dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.schema.schema import StreamResult

from engagement.api.connections import abort
from engagement.api.context import P
from engagement.api.credentials import Watch
from engagement.api.failures import masked, refusal_extensions, result_errors
from engagement.api.limits import SEND_SECONDS_MAX
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


def stream_response(results: StreamResult, kind: StreamKind, watch: Watch[P], request_id: str) -> ASGIApp:
    """Return the response that sends `results` as they come: until they end, the client goes or its credential ends."""
    encoding = _EventStream if kind == "sse" else _Multipart

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def chunk(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        async def pump() -> None:
            await send(_start(encoding.media_type, request_id))
            await chunk(encoding.opening)
            async with aclosing(_payloads(results, watch, request_id)) as payloads:
                async for payload in payloads:
                    await chunk(encoding.heartbeat if payload is None else encoding.item(payload))
            await chunk(encoding.closing, more=False)

        gone = asyncio.create_task(_disconnected(receive))
        pumping = asyncio.create_task(pump())
        try:
            await asyncio.wait({pumping, gone}, return_when=asyncio.FIRST_COMPLETED)
            if pumping.done() and isinstance(pumping.exception(), TimeoutError):
                abort(scope)
                await asyncio.wait({gone}, timeout=1.0)
        finally:
            await _stopped(pumping)
            await _stopped(gone)

    return respond


async def _payloads(
    results: StreamResult, watch: Watch[P], request_id: str
) -> AsyncGenerator[Mapping[str, Any] | None, None]:
    """Yield each result as it is sent, and `None` after each silence; ends with the credential."""
    ended = asyncio.create_task(watch.ended())
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            upcoming = asyncio.ensure_future(anext(results))
            while not upcoming.done():
                await asyncio.wait({upcoming, ended}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    refusal = Unauthenticated("The credential has ended.")
                    yield {"errors": [{"message": refusal.message, "extensions": refusal_extensions(refusal)}]}
                    return
                if not upcoming.done():
                    yield None
            yield _payload(upcoming.result(), request_id)
    except StopAsyncIteration:
        return
    except Exception as error:  # noqa: BLE001  (the status line is sent; a defect can only be told as an item)
        yield {"errors": [masked(error, request_id=request_id).formatted]}
    finally:
        await _stopped(ended)
        if upcoming:
            await _stopped(upcoming)
        await results.aclose()


def _payload(result: Any, request_id: str) -> Mapping[str, Any]:
    payload: dict[str, Any] = {"data": result.data}
    if errors := result_errors(result, request_id=request_id):
        payload["errors"] = [each.formatted for each in errors]
    return payload


def _start(media_type: str, request_id: str) -> Message:
    headers = {
        "content-type": media_type,
        "cache-control": "no-store, no-transform",
        "vary": "Accept",
        "x-accel-buffering": "no",
        "x-request-id": request_id,
    }
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": raw}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stopped(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its clean-up; what it raises was looked at before, or matters to nobody now."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
