"""Gives every error that leaves the service a code, and hides the ones that nobody planned.

A `Refusal` keeps its message, with `extensions {code, retryable, field}`. An error of the document itself (syntax,
validation, variables) gets a code of its kind. Anything else is a defect: the client reads an id, and the log holds the
rest under the same id.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, runtime_checkable
from uuid import uuid4

import strawberry
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.relay import GlobalIDValueError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext
from strawberry.types.execution import PreExecutionError, StreamExecutionResult

from engagement.errors import Refusal
from engagement.observer import INTERNAL, Answer

BAD_REQUEST: Final = "BAD_REQUEST"
INVALID_INPUT: Final = "INVALID_INPUT"
PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
QUERY_TOO_COMPLEX: Final = "QUERY_TOO_COMPLEX"
UNKNOWN_OPERATION: Final = "UNKNOWN_OPERATION"
USE_HTTP: Final = "USE_HTTP"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"

DOCUMENT_ERRORS_MAX: Final = 20
"""Errors of one document that are told; a hostile document would otherwise be answered by a far longer text."""

_PARSER_GAVE_UP: Final = "Parsing aborted."
"""How graphql-core ends its message when a document has too many tokens or is nested too deeply."""
_VALIDATION_GAVE_UP: Final = "Validation aborted."
"""What graphql-core says when comparing a document's fields would take too long."""

_log = logging.getLogger("engagement.api.failures")


class Schema(strawberry.Schema):
    """A schema that leaves logging to `CodedErrors`: refusals are no news, and a defect is logged once, with its id."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here."""


class CodedErrors(SchemaExtension):
    """Codes and masks the errors of every result: of a request, and of each item of a stream. List it first."""

    def __init__(self) -> None:
        self._executing = False
        self._streaming = False

    def on_operation(self) -> Iterator[None]:
        """Treat the one result of an operation that is no stream, whatever stage it ended in."""
        yield
        if not self._streaming:
            self._treat(self.execution_context.result)

    def on_validate(self) -> Iterator[None]:
        """Note what is asked for, now that it could be read, and before it may be refused."""
        asked = self.execution_context
        answer = getattr(asked.context, "answer", None)
        if isinstance(answer, Answer):
            answer.name = asked.operation_name
            with suppress(RuntimeError):
                answer.kind = asked.operation_type.value
        yield

    def on_execute(self) -> Iterator[None]:
        """Note that the document was sound: an error without a path is the variables' from here on."""
        self._executing = True
        yield

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Treat one item of a stream before it is sent."""
        self._streaming = True
        self._treat(result)
        yield

    def _treat(self, result: object) -> None:
        if isinstance(result, _HasErrors) and result.errors:
            request_id = getattr(self.execution_context.context, "request_id", None)
            result.errors = presentable(result.errors, request_id=request_id, sound_document=self._executing)


@runtime_checkable
class _HasErrors(Protocol):
    errors: list[GraphQLError] | None


def presentable(
    errors: Sequence[GraphQLError], *, request_id: str | None, sound_document: bool = False
) -> list[GraphQLError]:
    """Return the errors as a client may read them, each with `extensions.code`; logs the masked ones.

    `sound_document` says that parsing and validation had passed. Coded errors are left as they are, so it is safe to
    apply this twice.
    """
    told = list(errors) if any(each.path for each in errors) else list(errors[:DOCUMENT_ERRORS_MAX])
    return [_presentable(each, request_id, sound_document) for each in told]


def result_errors(result: Any, *, request_id: str) -> list[GraphQLError]:
    """Return the errors of a result for sending, including those that no extension saw."""
    errors: list[GraphQLError] = result.errors or []
    return presentable(errors, request_id=request_id, sound_document=not isinstance(result, PreExecutionError))


def masked(error: BaseException, *, request_id: str | None, path: Sequence[str | int] | None = None) -> GraphQLError:
    """Log a defect with a new id and return the error that carries only that id."""
    error_id = uuid4().hex
    where = ".".join(str(each) for each in path or ())
    _log.error(
        "unexpected failure %s in request %s at %s",
        error_id,
        request_id,
        where or "no field",
        exc_info=(type(error), error, error.__traceback__),
        extra={"error_id": error_id, "request_id": request_id},
    )
    message = f"Something went wrong on our side; it is in our log as {error_id}."
    return GraphQLError(message, extensions={"code": INTERNAL, "retryable": False, "id": error_id})


def outcome(told: str, errors: Sequence[GraphQLError]) -> str:
    """The code of an operation that was answered: that of the refusal `told` in its data, else of its first error."""
    if errors:
        return str((errors[0].extensions or {}).get("code", INTERNAL))
    return "OK" if told == Answer.UNANSWERED else told


def refusal_extensions(refusal: Refusal) -> dict[str, Any]:
    """Return what a client may know of a refusal besides its message."""
    return {"code": refusal.code, "retryable": refusal.retryable, "field": refusal.field}


def _presentable(error: GraphQLError, request_id: str | None, sound_document: bool) -> GraphQLError:
    if error.extensions and "code" in error.extensions:
        return error
    cause = _cause(error)
    if isinstance(cause, Refusal):
        return _relabelled(error, cause.message, refusal_extensions(cause))
    if code := _code(error, cause, sound_document):
        return _relabelled(error, _message(error, cause, code), {**(error.extensions or {}), "code": code})
    hidden = masked(cause or error, request_id=request_id, path=error.path)
    return _relabelled(error, hidden.message, hidden.extensions or {})


def _cause(error: GraphQLError) -> BaseException | None:
    """Return what was raised first, beneath the wrapping of the framework; `None` if it is a GraphQL error."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _code(error: GraphQLError, cause: BaseException | None, sound_document: bool) -> str | None:
    """Return the code of an error that a client caused, or `None` for a defect."""
    match cause:
        case MissingQueryError():
            return BAD_REQUEST
        case CannotGetOperationTypeError():
            return UNKNOWN_OPERATION
        case InvalidOperationTypeError():
            return USE_HTTP
        case GlobalIDValueError():
            return INVALID_INPUT
        case RecursionError() if not error.path:
            return QUERY_TOO_COMPLEX
        case None if isinstance(error, GraphQLSyntaxError):
            return QUERY_TOO_COMPLEX if error.message.endswith(_PARSER_GAVE_UP) else PARSE_FAILED
        case None if error.message == _VALIDATION_GAVE_UP:
            return QUERY_TOO_COMPLEX
        case None:
            return INVALID_INPUT if error.path or sound_document else VALIDATION_FAILED
    # The variables of a sound document are coerced before any resolver runs; a scalar refuses one by raising these.
    return INVALID_INPUT if sound_document and not error.path and isinstance(cause, (ValueError, TypeError)) else None


def _message(error: GraphQLError, cause: BaseException | None, code: str) -> str:
    if code == USE_HTTP:
        return "A mutation must be sent by HTTP POST: a closing socket would end it half way."
    if isinstance(cause, RecursionError):
        return "The request is nested too deeply."
    if isinstance(cause, GlobalIDValueError):
        return "This is not an id of this service."
    return error.message


def _relabelled(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(message, error.nodes, error.source, error.positions, error.path, extensions=extensions)
