"""The graphql-transport-ws protocol: queries and subscriptions over one socket.

The framework's handler keeps the protocol's states; this module checks every message before it gets there, runs each
operation with a context of its own, refuses mutations, ends a socket whose credential has ended, and drops a client that
does not read. Any Origin may connect: nothing that a browser sends by itself counts as a credential here.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Generic, cast
from uuid import uuid4

import msgspec
import strawberry
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    PingMessage,
    SubscribeMessage,
)
from strawberry.types.graphql import OperationType

from engagement.api.admission import Admission
from engagement.api.connections import abort
from engagement.api.context import Authenticate, Context, P
from engagement.api.credentials import Credentials, Watch
from engagement.api.failures import masked, outcome, refusal_extensions
from engagement.api.limits import (
    SEND_SECONDS_MAX,
    SOCKET_INIT_SECONDS_MAX,
    SOCKET_MESSAGES_BURST_MAX,
    SOCKET_MESSAGES_PER_SECOND_MAX,
    SOCKET_OPERATIONS_MAX,
)
from engagement.errors import Forbidden, Refusal, Unauthenticated
from engagement.observer import INTERNAL, Answer, Observer

_REASON_BYTES_MAX: Final = 123
"""A close frame has no room for more."""
_OPERATIONS: Final = (OperationType.QUERY, OperationType.SUBSCRIPTION)


async def serve_socket(
    schema: strawberry.Schema,
    authenticate: Authenticate[P],
    websocket: WebSocket,
    observer: Observer,
    admission: Admission,
) -> None:
    """Serve one socket until it ends; its queries are counted by `admission`."""
    if GRAPHQL_TRANSPORT_WS_PROTOCOL not in websocket.scope["subprotocols"]:
        await websocket.accept()
        await websocket.close(4406, "Subprotocol not acceptable")
        return
    await websocket.accept(subprotocol=GRAPHQL_TRANSPORT_WS_PROTOCOL)
    observer.connected("websocket", 1)
    try:
        await _Handler(schema, authenticate, websocket, observer, admission).handle()
    finally:
        observer.connected("websocket", -1)


class _Socket(AsyncWebSocketAdapter):
    """Reads and writes JSON messages; a write that takes too long ends the connection."""

    def __init__(self, websocket: WebSocket) -> None:
        # The base keeps a view for its JSON functions alone, which this class does not use.
        super().__init__(cast("Any", None))
        self._websocket = websocket

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield decoded messages until the socket ends; raises the framework's exceptions for what is no JSON text."""
        while self._is_open:
            try:
                text = await self._websocket.receive_text()
            except WebSocketDisconnect:
                return
            except KeyError as error:
                raise NonTextMessageReceived from error
            try:
                message = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                raise NonJsonMessageReceived from error
            yield message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message; raises `WebSocketDisconnected` if the socket is or becomes unusable."""
        text = msgspec.json.encode(message).decode()
        await self._within_deadline(self._websocket.send_text, text)

    async def close(self, code: int, reason: str) -> None:
        """Close, or do nothing if that was done."""
        if self._is_open:
            fitting = reason.encode(errors="replace")[:_REASON_BYTES_MAX].decode(errors="ignore")
            with suppress(WebSocketDisconnected):
                await self._within_deadline(self._websocket.close, code, fitting)

    @property
    def _is_open(self) -> bool:
        states = (self._websocket.application_state, self._websocket.client_state)
        return WebSocketState.DISCONNECTED not in states

    async def _within_deadline(self, send: Any, *arguments: Any) -> None:
        if not self._is_open:
            raise WebSocketDisconnected
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await send(*arguments)
        except TimeoutError:
            abort(self._websocket.scope)
            raise WebSocketDisconnected from None
        except (WebSocketDisconnect, RuntimeError) as error:
            # Starlette's RuntimeError: another task closed the socket while this one waited for its turn.
            raise WebSocketDisconnected from error


class _Operation(Operation[Any, None]):
    """One operation on a socket, with the extensions of its request."""

    __slots__ = ("extensions",)

    extensions: dict[str, object] | None


class _Handler(BaseGraphQLTransportWSHandler[Any, None], Generic[P]):
    """One socket. The framework's states, with strict messages, own contexts and an end."""

    def __init__(
        self,
        schema: strawberry.Schema,
        authenticate: Authenticate[P],
        websocket: WebSocket,
        observer: Observer,
        admission: Admission,
    ) -> None:
        super().__init__(
            view=cast("Any", None),  # The base asks it only to accept the connection, which is overridden below.
            websocket=_Socket(websocket),
            context=None,
            root_value=None,
            schema=schema,
            connection_init_wait_timeout=timedelta(seconds=SOCKET_INIT_SECONDS_MAX),
            max_subscriptions_per_connection=SOCKET_OPERATIONS_MAX,
        )
        self._authenticate = authenticate
        self._headers = websocket.headers
        self._observer = observer
        self._admission = admission
        self._watch: Watch[P] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._allowance = float(SOCKET_MESSAGES_BURST_MAX)
        self._counted_at = time.monotonic()

    async def shutdown(self) -> None:
        """Stop watching the credential, then everything else."""
        if self._watching:
            self._watching.cancel()
        await super().shutdown()

    async def handle_message(self, message: Message) -> None:
        """Let a sound message through; anything else closes the socket, as the protocol says."""
        if not self._within_rate():
            await self.websocket.close(1008, "Too many messages")
        elif complaint := _complaint(message):
            await self.handle_invalid_message(complaint)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Authenticate the socket once."""
        if self.connection_timed_out:
            return
        if self.connection_init_received:
            await self.websocket.close(4429, "Too many initialisation requests")
            return
        self.connection_init_received = True
        if self.connection_init_timeout_task:
            self.connection_init_timeout_task.cancel()
        try:
            credentials = Credentials.of_connection(message.get("payload") or {}, self._headers)
            principal = await self._authenticate(credentials.token, credentials.program)
        except (Unauthenticated, Forbidden) as refusal:
            await self.websocket.close(4403, refusal.message)
        except Refusal as refusal:
            await self.websocket.close(1013, refusal.message)
        except Exception as error:  # noqa: BLE001  (logged with an id; the client gets only that)
            await self.websocket.close(1011, masked(error, request_id=None).message)
        else:
            self._watch = Watch(self._authenticate, credentials, principal)
            self._watching = asyncio.create_task(self._close_when_ended(self._watch))
            await self.send_message({"type": "connection_ack"})
            self.connection_acknowledged = True

    async def handle_ping(self, message: PingMessage) -> None:
        """Answer with the payload of the ping."""
        payload = message.get("payload")
        await self.send_message({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, if the socket is known and not full."""
        if not self.connection_acknowledged:
            await self.websocket.close(4401, "Unauthorized")
            return
        if message["id"] in self.operations:
            await self.websocket.close(4409, f"Subscriber for {message['id']} already exists")
            return
        payload = message["payload"]
        operation = _Operation(
            self, message["id"], payload["query"], payload.get("variables"), payload.get("operationName")
        )
        operation.extensions = payload.get("extensions")
        if len(self.operations) >= SOCKET_OPERATIONS_MAX:
            text = f"A socket runs at most {SOCKET_OPERATIONS_MAX} operations at a time."
            error = GraphQLError(text, extensions={"code": "TOO_MANY_OPERATIONS", "retryable": True})
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
            return
        self.operations[message["id"]] = operation
        operation.task = asyncio.create_task(self._run(operation))
        operation.task.add_done_callback(self._task_done)

    async def _run(self, operation: _Operation) -> None:
        """Run one operation to its end. A mutation is refused: its client's leaving would end it half way."""
        assert self._watch is not None, "an operation starts on a known socket"
        begun = time.perf_counter()
        principal = self._watch.principal
        answer = Answer(uuid4().hex, "websocket", program_id=getattr(principal, "program_id", None))
        context = Context(principal, "websocket", answer.request_id, self._headers.get("origin"), answer)
        try:
            async with self._admission.slot() as slot:
                await self._send_results(operation, replace(context, slot=slot))
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except WebSocketDisconnected:
            return
        except Refusal as refusal:
            answer.code = refusal.code
            with suppress(WebSocketDisconnected):
                await operation.send_initial_errors(
                    [GraphQLError(refusal.message, extensions=refusal_extensions(refusal))]
                )
        except Exception as error:  # noqa: BLE001  (logged with an id; a bare `complete` would look like success)
            answer.code = INTERNAL
            with suppress(WebSocketDisconnected):
                await operation.send_initial_errors([masked(error, request_id=context.request_id)])
        finally:
            answer.seconds = time.perf_counter() - begun
            self._observer.answered(answer)

    async def _send_results(self, operation: _Operation, context: Context[P]) -> None:
        results = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
            operation_extensions=operation.extensions,
            allowed_operation_types=_OPERATIONS,
        )
        async with aclosing(_noted(results, context)) as noted:
            await self._send_result_stream(operation, noted)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004
        """Never close a socket over one bad document: its other operations are sound."""
        return None

    async def _close_when_ended(self, watch: Watch[P]) -> None:
        await watch.ended()
        await self.websocket.close(4403, "The credential has ended")

    def _within_rate(self) -> bool:
        now = time.monotonic()
        regained = (now - self._counted_at) * SOCKET_MESSAGES_PER_SECOND_MAX
        self._allowance = min(self._allowance + regained, SOCKET_MESSAGES_BURST_MAX) - 1
        self._counted_at = now
        return self._allowance >= 0


async def _noted(results: StreamResult, context: Context[P]) -> StreamResult:
    """The same results; the code of the newest is noted. A client that reads slowly keeps no place among those in work."""
    answer, slot = context.answer, context.slot
    async with aclosing(results):
        async for result in results:
            answer.code = outcome(answer.code, getattr(result, "errors", None) or ())
            if slot is not None:
                slot.free()
            yield result


def _complaint(message: object) -> str | None:
    """Say what is wrong with the shape of a message, or `None`."""
    if not isinstance(message, dict):
        return "A message must be an object"
    kind = message.get("type")
    payload = message.get("payload")
    if kind in ("connection_init", "ping", "pong"):
        return None if isinstance(payload, dict | None) else f"The payload of {kind} must be an object"
    if kind not in ("subscribe", "complete"):
        return "Unknown message type"
    if not isinstance(message.get("id"), str) or not message["id"]:
        return f"The id of {kind} must be a string that is not empty"
    return _subscribe_complaint(payload) if kind == "subscribe" else None


def _subscribe_complaint(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return "The payload of subscribe must be an object"
    if not isinstance(payload.get("query"), str):
        return "The query must be a string"
    if not isinstance(payload.get("operationName"), str | None):
        return "The operationName must be a string"
    for name in ("variables", "extensions"):
        if not isinstance(payload.get(name), dict | None):
            return f"The {name} must be an object"
    return None
