"""GraphQL over HTTP at one path: `POST` for every operation, `GET` for queries; sockets are handed to `websocket`.

Follows the GraphQL-over-HTTP specification: `application/graphql-response+json` where the client accepts it, with
status 400 and no `data` for a request that was not run; `application/json` otherwise, with status 200 and `data: null`
for it. Whatever is wrong, the answer is JSON, and each error has `extensions.code`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Generic
from uuid import uuid4

import msgspec
import strawberry
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from engagement.api.admission import Admission, while_wanted
from engagement.api.connections import AbortableHttp, AbortableWebSocket
from engagement.api.context import Authenticate, Context, P
from engagement.api.credentials import Credentials, Watch
from engagement.api.failures import (
    BAD_REQUEST,
    UNKNOWN_OPERATION,
    CodedErrors,
    masked,
    outcome,
    refusal_extensions,
    result_errors,
)
from engagement.api.limits import (
    BODY_BYTES_DISCARDED_MAX,
    BODY_BYTES_MAX,
    BODY_BYTES_MAX_SERVER,
    BODY_SECONDS_MAX,
    SOCKET_MESSAGE_BYTES_MAX,
    Limits,
    is_server,
)
from engagement.api.negotiation import GRAPHQL_JSON, Accepted, StreamKind
from engagement.api.streams import stream_response
from engagement.api.websocket import serve_socket
from engagement.errors import Forbidden, Refusal, Unauthenticated
from engagement.observer import INTERNAL, NOBODY, Answer, Observer

UVICORN_SETTINGS: Final[Mapping[str, Any]] = {
    "http": AbortableHttp,
    "ws": AbortableWebSocket,
    "ws_max_size": SOCKET_MESSAGE_BYTES_MAX,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,
    "timeout_graceful_shutdown": 15,
}
"""What the server needs for the limits on connections to hold; merge it into `uvicorn.Config`."""

_GET_OPERATIONS: Final = (OperationType.QUERY,)
_POST_OPERATIONS: Final = (OperationType.QUERY, OperationType.MUTATION)


def graphql_app(schema: strawberry.Schema, authenticate: Authenticate[P], observer: Observer = NOBODY) -> ASGIApp:
    """Return the application for one path: HTTP `POST` and `GET`, and graphql-transport-ws sockets.

    Route both kinds to it: `Route("/graphql", app)` and `WebSocketRoute("/graphql", app)`. The schema must list
    `CodedErrors` first and `Limits` among its extensions; a schema without them is a defect. The observer hears of every
    operation when it is over, and of every socket and stream.
    """
    assert CodedErrors in schema.extensions[:1], "CodedErrors must be the first extension"
    assert Limits in schema.extensions, "Limits must be an extension"
    return _Endpoint(schema, authenticate, observer)


class _NotRun(Exception):
    """The request cannot be run; answered with this status whatever the client accepts."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = GraphQLError(message, extensions={"code": code})
        self.headers = headers or {}

    @classmethod
    def by_refusal(cls, refusal: Refusal) -> "_NotRun":
        """Say what authentication refused in the terms of HTTP."""
        status, headers = 400, {}
        if isinstance(refusal, Unauthenticated):
            status, headers = 401, {"WWW-Authenticate": 'Bearer realm="engagement"'}
        elif isinstance(refusal, Forbidden):
            status = 403
        elif refusal.retryable:
            status, headers = 503, {"Retry-After": "1"}
        answer = cls(status, refusal.code, refusal.message, headers)
        answer.error.extensions = refusal_extensions(refusal)
        return answer


@dataclass(frozen=True, slots=True)
class _Parameters:
    """A GraphQL request, with the types that the specification asks for."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None

    @classmethod
    def of(cls, given: object) -> "_Parameters":
        """Check a decoded body or query string; raises `_NotRun`."""
        if not isinstance(given, dict):
            raise _NotRun(400, BAD_REQUEST, "The body must be one JSON object; batches are not accepted.")
        for name, kind, called in (
            ("query", str, "a string"),
            ("variables", dict, "an object"),
            ("operationName", str, "a string"),
            ("extensions", dict, "an object"),
        ):
            if given.get(name) is not None and not isinstance(given[name], kind):
                raise _NotRun(400, BAD_REQUEST, f"`{name}` must be {called} or null.")
        return cls(given.get("query"), given.get("variables"), given.get("operationName"), given.get("extensions"))


class _Endpoint(Generic[P]):
    """Answers HTTP requests, and hands sockets on."""

    def __init__(self, schema: strawberry.Schema, authenticate: Authenticate[P], observer: Observer) -> None:
        self._schema = schema
        self._authenticate = authenticate
        self._observer = observer
        self._admission = Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await serve_socket(self._schema, self._authenticate, socket, self._observer, self._admission)
            return
        begun = time.perf_counter()
        answer = Answer(uuid4().hex)
        try:
            # A client that leaves before its body is here has asked for nothing.
            with suppress(ClientDisconnect):
                response = await self._answer(Request(scope, receive), answer)
                await response(scope, receive, send)
        finally:
            answer.seconds = time.perf_counter() - begun
            self._observer.answered(answer)

    async def _answer(self, request: Request, answer: Answer) -> ASGIApp:
        accepted = Accepted.of(request.headers.get("accept", ""))
        try:
            try:
                return await self._run(request, answer, accepted)
            except Refusal as refusal:
                raise _NotRun.by_refusal(refusal) from refusal
        except _NotRun as failure:
            answer.code = outcome(answer.code, [failure.error])
            body = {"errors": [failure.error.formatted]}
            return _respond(body, failure.status, accepted, answer.request_id, failure.headers)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  (a defect must be answered in JSON too)
            answer.code = INTERNAL
            body = {"errors": [masked(error, request_id=answer.request_id).formatted]}
            return _respond(body, 500, accepted, answer.request_id)

    async def _run(self, request: Request, answer: Answer, accepted: Accepted) -> ASGIApp:
        if request.method not in ("GET", "POST"):
            raise _NotRun(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", {"Allow": "GET, POST"})
        shown = Credentials.of_headers(request.headers)
        principal = await self._authenticate(shown.token, shown.program)
        answer.program_id = getattr(principal, "program_id", None)
        parameters = await _parameters(request, is_server(principal))
        context = Context(principal, "http", answer.request_id, request.headers.get("origin"), answer)
        try:
            # A mutation that has begun runs to its end; its client may come back and ask what became of it.
            async with while_wanted(request.receive, lambda: answer.kind != "mutation"):
                result = await self._execute(parameters, context, _allowed(request))
        except MissingQueryError:
            raise _NotRun(400, BAD_REQUEST, "The request has no `query`.") from None
        except CannotGetOperationTypeError as error:
            unknown = GraphQLError(error.as_http_error_reason(), extensions={"code": UNKNOWN_OPERATION})
            result = PreExecutionError(data=None, errors=[unknown])
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION and accepted.stream:
                watch = Watch(self._authenticate, shown, principal)
                return await self._stream(parameters, context, watch, accepted.stream)
            raise _disallowed(error) from None
        errors = result_errors(result, request_id=answer.request_id)
        answer.code = outcome(answer.code, errors)
        return _respond_result(result, errors, accepted, answer.request_id)

    async def _execute(
        self, parameters: _Parameters, context: Context[P], allowed: tuple[OperationType, ...]
    ) -> ExecutionResult:
        async with self._admission.slot():
            return await self._schema.execute(
                parameters.query,
                variable_values=parameters.variables,
                context_value=context,
                operation_name=parameters.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=parameters.extensions,
            )

    async def _stream(self, parameters: _Parameters, context: Context[P], watch: Watch[P], kind: StreamKind) -> ASGIApp:
        results = await self._schema.stream(
            parameters.query,
            variable_values=parameters.variables,
            context_value=replace(context, transport="stream"),
            operation_name=parameters.operation_name,
            allowed_operation_types=(OperationType.SUBSCRIPTION,),
            operation_extensions=parameters.extensions,
        )
        context.answer.transport = "stream"
        return stream_response(results, kind, watch, context.answer, self._observer)


def _allowed(request: Request) -> tuple[OperationType, ...]:
    return _GET_OPERATIONS if request.method == "GET" else _POST_OPERATIONS


def _disallowed(error: InvalidOperationTypeError) -> _NotRun:
    if error.operation_type is OperationType.MUTATION:
        return _NotRun(405, "METHOD_NOT_ALLOWED", "A mutation must be sent by POST.", {"Allow": "POST"})
    message = "A subscription needs a WebSocket (graphql-transport-ws), or an Accept header with text/event-stream."
    return _NotRun(400, "SUBSCRIPTION_NEEDS_STREAM", message)


async def _parameters(request: Request, server: bool) -> _Parameters:
    if request.method == "GET":
        given: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if given.get(name):
                given[name] = _decoded(given[name].encode(errors="replace"), f"`{name}`")
            else:
                given.pop(name, None)
        return _Parameters.of(given)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _NotRun(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json.")
    body = await _body(request, BODY_BYTES_MAX_SERVER if server else BODY_BYTES_MAX)
    return _Parameters.of(_decoded(body, "The body"))


async def _body(request: Request, bytes_max: int) -> bytes:
    """Read the body; nothing beyond the limit is kept, and not much of it is waited for."""
    size = 0
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= bytes_max:
                    body += chunk
                elif size > bytes_max + BODY_BYTES_DISCARDED_MAX:
                    break
    except TimeoutError:
        raise _NotRun(408, "BODY_TOO_SLOW", "The body took too long.", {"Connection": "close"}) from None
    if size > bytes_max:
        raise _NotRun(413, "BODY_TOO_LARGE", f"The body has more than {bytes_max} bytes.", {"Connection": "close"})
    return bytes(body)


def _decoded(text: bytes, called: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _NotRun(400, BAD_REQUEST, f"{called} is no valid JSON in UTF-8.") from None
    except RecursionError:
        raise _NotRun(400, BAD_REQUEST, f"{called} is nested too deeply.") from None


def _respond_result(
    result: ExecutionResult, errors: Sequence[GraphQLError], accepted: Accepted, request_id: str
) -> Response:
    body: dict[str, Any] = {"errors": [each.formatted for each in errors]} if errors else {}
    not_run = result.data is None and bool(errors) and not any(each.path for each in errors)
    status = 400 if not_run and accepted.media_type == GRAPHQL_JSON else 200
    if not_run and any(each.extensions and each.extensions["code"] == INTERNAL for each in errors):
        status = 500
    if status == 200:
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return _respond(body, status, accepted, request_id)


def _respond(
    body: Mapping[str, Any], status: int, accepted: Accepted, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        {"Vary": "Accept", "Cache-Control": "no-store", "X-Request-Id": request_id, **(headers or {})},
        f"{accepted.media_type}; charset=utf-8",
    )
