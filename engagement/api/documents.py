"""Documents that were seen before: parsed and validated once, since an app sends the same few all day.

Parsing and validating took more than half of a small request. Only documents that passed are kept, by their text, for each
schema; limits that depend on the caller or the variables are checked every time.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension

from engagement.api.context import Context
from engagement.api.limits import is_server
from engagement.api.replies import Learned

DOCUMENTS_MAX: Final = 500
DOCUMENT_CHARACTERS_MAX: Final = 20_000
"""What is longer is parsed each time: it is no app's everyday question."""


class _Kept(NamedTuple):
    document: DocumentNode
    learned: Learned


_Documents: TypeAlias = OrderedDict[tuple[str, bool], _Kept]
_documents: "WeakKeyDictionary[Any, _Documents]" = WeakKeyDictionary()


class KnownDocuments(SchemaExtension):
    """Spares a document its second parsing and validation. Stands after `Limits`, whose refusals come first."""

    def on_parse(self) -> Iterator[None]:
        """Take the document that its text stands for, where that is known."""
        kept = self._documents.get(self._key)
        context = self.execution_context.context
        if kept is not None:
            self.execution_context.graphql_document = kept.document
            self._documents.move_to_end(self._key)
            if isinstance(context, Context):
                context.learned = kept.learned
        yield

    def on_validate(self) -> Iterator[None]:
        """Let a known document pass, and get to know one that passes."""
        context = self.execution_context
        document = context.graphql_document
        kept = self._documents.get(self._key)
        is_known = kept is not None and kept.document is document
        if is_known and context.pre_execution_errors is None:
            context.pre_execution_errors = []
        yield
        if not is_known and document is not None and not context.pre_execution_errors:
            if len(context.query or "") <= DOCUMENT_CHARACTERS_MAX:
                self._documents[self._key] = _Kept(document, Learned())
            while len(self._documents) > DOCUMENTS_MAX:
                self._documents.popitem(last=False)

    @property
    def _documents(self) -> _Documents:
        return _documents.setdefault(self.execution_context.schema, OrderedDict())

    @property
    def _key(self) -> tuple[str, bool]:
        # A server's document may have more tokens than another caller's.
        context = self.execution_context
        return context.query or "", is_server(getattr(context.context, "principal", None))
