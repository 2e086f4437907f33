"""Documents that were seen before: parsed, validated and measured once, since an app sends the same few all day.

All of it took more than half of a small request. Only documents that passed are kept, by their text, for each schema; limits
that depend on the variables are checked every time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import DocumentNode, OperationDefinitionNode, execute
from graphql import ExecutionResult as CoreResult
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.utils.await_maybe import await_maybe

from engagement.api import failures
from engagement.api.context import Context
from engagement.api.failures import presentable
from engagement.api.limits import is_server
from engagement.api.replies import Learned

DOCUMENTS_MAX: Final = 500
DOCUMENT_CHARACTERS_MAX: Final = 20_000
"""What is longer is parsed each time: it is no app's everyday question."""
KEPT_CHARACTERS_MAX: Final = 500_000
"""Of all documents together; a parsed document takes about a hundred times its characters."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that passed, the query or mutation that is all of it (None: another, or several), and what is learned."""

    document: DocumentNode
    operation: OperationDefinitionNode | None
    learned: Learned

    @classmethod
    def of(cls, document: DocumentNode) -> "Kept":
        """A document seen for the first time."""
        operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
        only = operations[0] if len(operations) == 1 and operations[0].operation.value != "subscription" else None
        return cls(document, only, Learned())


Documents: TypeAlias = OrderedDict[tuple[str, bool], Kept]
"""By their text, and whether the limits of a server were asked of them; those used last stand at the end."""


class Schema(failures.Schema):
    """A schema that runs documents it knows without asking its extensions, which have all had their say about them."""

    def __init__(self, *types: Any, **settings: Any) -> None:
        super().__init__(*types, **settings)
        self.documents: Documents = OrderedDict()

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run a query or a mutation."""
        key = (query or "", is_server(getattr(context_value, "principal", None)))
        kept = self.documents.get(key)
        operation = None if kept is None or not kept.learned.within_limits else kept.operation
        name = None if operation is None or operation.name is None else operation.name.value
        if (
            kept is None
            or operation is None
            or operation_name not in (None, name)
            or not isinstance(context_value, Context)
            or operation.operation.value not in {each.value for each in allowed_operation_types or ()}
        ):
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        self.documents.move_to_end(key)
        context_value.learned = kept.learned
        context_value.answer.name, context_value.answer.kind = name, operation.operation.value
        result: CoreResult = await await_maybe(
            execute(
                self._schema,
                kept.document,
                root_value,
                context_value,
                variable_values,
                is_awaitable=cast("Any", optimized_is_awaitable),
                executor_class=self.execution_context_class,
                operation_extensions=operation_extensions,
            )
        )
        errors = result.errors and presentable(result.errors, request_id=context_value.request_id, sound_document=True)
        return ExecutionResult(result.data, errors)


class KnownDocuments(SchemaExtension):
    """Gets to know documents, and spares them a second parsing and validation. Stands after `Limits`, whose refusals come first."""

    def on_parse(self) -> Iterator[None]:
        """Take the document that its text stands for, where that is known."""
        kept = self._known.get(self._key)
        context = self.execution_context.context
        if kept is not None:
            self.execution_context.graphql_document = kept.document
            self._known.move_to_end(self._key)
            if isinstance(context, Context):
                context.learned = kept.learned
        yield

    def on_validate(self) -> Iterator[None]:
        """Let a known document pass, and get to know one that passes."""
        context = self.execution_context
        document = context.graphql_document
        kept = self._known.get(self._key)
        is_known = kept is not None and kept.document is document
        if is_known and context.pre_execution_errors is None:
            context.pre_execution_errors = []
        yield
        # Whoever shows no credential neither fills the memory nor drives out what others use.
        stranger = getattr(getattr(context.context, "principal", None), "kind", "anonymous") == "anonymous"
        if not is_known and not stranger and document is not None and not context.pre_execution_errors:
            self._keep(document)

    def _keep(self, document: DocumentNode) -> None:
        if len(self.execution_context.query or "") <= DOCUMENT_CHARACTERS_MAX:
            self._known[self._key] = Kept.of(document)
        while len(self._known) > DOCUMENTS_MAX or sum(len(text) for text, _ in self._known) > KEPT_CHARACTERS_MAX:
            self._known.popitem(last=False)

    @property
    def _known(self) -> Documents:
        return cast("Schema", self.execution_context.schema).documents

    @property
    def _key(self) -> tuple[str, bool]:
        # A server's document may have more tokens than another caller's.
        context = self.execution_context
        return context.query or "", is_server(getattr(context.context, "principal", None))
