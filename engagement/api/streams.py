"""Subscriptions over a plain HTTP response: server-sent events (graphql-sse, distinct connections) and multipart.

One result is fetched only after the one before it was sent, so a slow reader slows its own subscription and nothing is
buffered for it; one that reads nothing for long is dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

import msgspec
from graphql import GraphQLError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.schema.schema import StreamResult

from engagement.api.connections import abort, client_leaves, server_leaves
from engagement.api.context import P
from engagement.api.credentials import Watch
from engagement.api.failures import masked, outcome, refusal_extensions, result_errors
from engagement.api.limits import SEND_SECONDS_MAX
from engagement.api.negotiation import StreamKind
from engagement.errors import Unauthenticated
from engagement.observer import INTERNAL, Answer, Observer

HEARTBEAT_SECONDS: Final = 15.0
"""Silence after which a client and the proxies between are told that the stream is alive."""


class _EventStream:
    """Server-sent events with the line ends that every reader splits on."""

    media_type = "text/event-stream"
    opening = b":\n\n"
    heartbeat = b":\n\n"
    closing = b"event: complete\ndata:\n\n"

    @staticmethod
    def leaving(retry_ms: int) -> bytes:
        """Encode when to come back; readers of event streams heed it by themselves."""
        return b"retry: %d\n\n" % retry_ms

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

    @staticmethod
    def leaving(_retry_ms: int) -> bytes:
        """Encode nothing: the missing end says that there was more to come."""
        return b""

    @classmethod
    def item(cls, payload: Mapping[str, Any]) -> bytes:
        """Encode one result."""
        return cls._part % msgspec.json.encode({"payload": payload})


def stream_response(
    results: StreamResult, kind: StreamKind, watch: Watch[P], answer: Answer, observer: Observer
) -> ASGIApp:
    """Return the response that sends `results` as they come: until they end, the client goes, its credential ends, or the
    server is told to stop; then the client is told when to come back, and the stream breaks off without an end.
    """
    encoding = _EventStream if kind == "sse" else _Multipart

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def chunk(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        async def pump() -> None:
            await send(_start(encoding.media_type, answer.request_id))
            await chunk(encoding.opening)
            async with aclosing(_payloads(results, watch, answer)) as payloads:
                async for payload in payloads:
                    await chunk(encoding.heartbeat if payload is None else encoding.item(payload))
            await chunk(encoding.closing, more=False)

        observer.connected("stream", 1)
        gone = asyncio.create_task(client_leaves(receive))
        pumping = asyncio.create_task(pump())
        leaving = asyncio.create_task(server_leaves(scope))
        try:
            await asyncio.wait({pumping, gone, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if pumping.done() and isinstance(pumping.exception(), TimeoutError):
                abort(scope)
                await asyncio.wait({gone}, timeout=1.0)
            elif leaving.done() and not pumping.done():
                await _stopped(pumping)
                with suppress(TimeoutError):
                    await chunk(encoding.leaving(leaving.result()), more=False)
        finally:
            for task in (pumping, gone, leaving):
                await _stopped(task)
            observer.connected("stream", -1)

    return respond


async def _payloads(
    results: StreamResult, watch: Watch[P], answer: Answer
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
                    answer.code = refusal.code
                    yield {"errors": [{"message": refusal.message, "extensions": refusal_extensions(refusal)}]}
                    return
                if not upcoming.done():
                    yield None
            errors = result_errors(upcoming.result(), request_id=answer.request_id)
            answer.code = outcome(answer.code, errors)
            yield _payload(upcoming.result(), errors)
    except StopAsyncIteration:
        return
    except Exception as error:  # noqa: BLE001  (the status line is sent; a defect can only be told as an item)
        answer.code = INTERNAL
        yield {"errors": [masked(error, request_id=answer.request_id).formatted]}
    finally:
        await _stopped(ended)
        if upcoming:
            await _stopped(upcoming)
        await results.aclose()


def _payload(result: Any, errors: Sequence[GraphQLError]) -> Mapping[str, Any]:
    payload: dict[str, Any] = {"data": result.data}
    if errors:
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


async def _stopped(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its clean-up; what it raises was looked at before, or matters to nobody now."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
