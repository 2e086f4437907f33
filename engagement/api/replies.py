"""Replies written by functions that are compiled once for each known document.

Below the root every field is plain data, so what graphql-core works out anew for each field of each object (its resolver,
its arguments, its path, whether it has to be waited for) is the same every time. Here a selection becomes one function from
the resolver's object to what goes out as JSON. It writes what graphql-core would write; where a value does not fit its type,
a directive decides, or a field has a resolver of its own, graphql-core does it, errors and all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    SelectionNode,
    Undefined,
    is_abstract_type,
    is_leaf_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

Writer: TypeAlias = Callable[[Any], Any]
"""Turns an object into its part of the reply. Raises anything at all where it cannot."""

Writers: TypeAlias = dict[tuple[int, ...], Writer | None]
"""Of one document that is kept: the writer of each field of its root, by the identities of the nodes that ask for it; None
where there can be none."""


@dataclass(slots=True)
class Learned:
    """What earlier requests found out about a document that is kept.

    `within_limits` says that it keeps them whatever its variables are; `writers` write its replies.
    """

    within_limits: bool = False
    writers: Writers = field(default_factory=dict)


_DEFINITION: Final = "strawberry-definition"
_INT_MAX: Final = 2**31 - 1


class CompilingExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, which writes what a field of the root returned by a compiled function where it can."""

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        """Write the value of a field, by its writer or else step by step."""
        if path.prev is None and result is not None:
            write = self._writer(return_type, field_details_list)
            if write is not None:
                try:
                    return write(result)
                except Exception:  # noqa: BLE001, S110 — graphql-core finds the same, and knows how to say it.
                    pass
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)

    def _writer(self, return_type: GraphQLOutputType, details: list[Any]) -> Writer | None:
        writers: Writers | None = getattr(getattr(self.context_value, "learned", None), "writers", None)
        if writers is None:
            return None
        key = tuple(id(each.node) for each in details)
        if key not in writers:
            writers[key] = self._compiled(return_type, details)
        return writers[key]

    def _compiled(self, return_type: GraphQLOutputType, details: list[Any]) -> Writer | None:
        if not all(not node.directives for node in self._reached([each.node for each in details])):
            return None
        try:
            return _value(self, return_type, details)
        except _NotPlain:
            return None

    def _reached(self, nodes: list[SelectionNode]) -> Iterator[SelectionNode]:
        """All that is selected, each fragment once: a document may spread one a million times."""
        ahead, spread = list(nodes), set[str]()
        while ahead:
            node = ahead.pop()
            yield node
            selections = getattr(node, "selection_set", None)
            if isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                selections = self.fragment_definitions[node.name.value].selection_set
            ahead += selections.selections if selections else ()


class _NotPlain(Exception):
    """A field below is more than data."""


def _value(executor: CompilingExecutor, of_type: GraphQLOutputType, details: list[Any]) -> Writer:
    # None fits no writer of `_inner`.
    if isinstance(of_type, GraphQLNonNull):
        return _inner(executor, of_type.of_type, details)
    return _optional(_inner(executor, of_type, details))


def _inner(executor: CompilingExecutor, of_type: Any, details: list[Any]) -> Writer:
    if isinstance(of_type, GraphQLList):
        return _list(_value(executor, of_type.of_type, details))
    if is_leaf_type(of_type):
        return _leaf(of_type)
    if is_abstract_type(of_type):
        return _by_class(
            {
                _definition(each).origin: _object(executor, each, details)
                for each in executor.schema.get_possible_types(of_type)
            }
        )
    return _object(executor, of_type, details)


def _optional(write: Writer) -> Writer:
    return lambda value: None if value is None else write(value)


def _list(write: Writer) -> Writer:
    def items(value: Any) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise TypeError("no list")
        return [write(each) for each in value]

    return items


def _by_class(writers: Mapping[type, Writer]) -> Writer:
    return lambda value: writers[type(value)](value)


def _object(executor: CompilingExecutor, of_type: GraphQLObjectType, details: list[Any]) -> Writer:
    fields: list[tuple[str, str, Writer]] = []
    head: dict[str, Any] = {}
    order: list[str] = []
    for name, asked in executor.collect_subfields(of_type, details)[0].items():
        order.append(name)
        if asked[0].node.name.value == "__typename":
            head[name] = of_type.name
        else:
            fields.append((name, *_plain(executor, of_type, asked)))
    origin = _definition(of_type).origin
    # Names stand in the reply in the order in which they were asked for.
    template = dict.fromkeys(order) | head

    def write(value: Any) -> dict[str, Any]:
        if type(value) is not origin:
            raise TypeError("another type")
        written = template.copy()
        for name, attribute, inner in fields:
            written[name] = inner(getattr(value, attribute))
        return written

    return write


def _plain(executor: CompilingExecutor, parent: GraphQLObjectType, asked: list[Any]) -> tuple[str, Writer]:
    node: FieldNode = asked[0].node
    defined = parent.fields.get(node.name.value)
    if defined is None or defined.args or not getattr(defined.resolve, "_is_default", False):
        raise _NotPlain
    return defined.extensions[_DEFINITION].python_name, _value(executor, defined.type, asked)


def _definition(of_type: Any) -> Any:
    if _DEFINITION not in of_type.extensions:
        raise _NotPlain
    return of_type.extensions[_DEFINITION]


def _leaf(of_type: GraphQLLeafType) -> Writer:
    if isinstance(of_type, GraphQLEnumType):
        return _enum(of_type)
    coerce = of_type.coerce_output_value

    def coerced(value: Any) -> Any:
        found = coerce(value)
        if found is None or found is Undefined:
            raise ValueError("null where there is none")
        return found

    match of_type.name:
        case "ID" | "String" | "DateTime" | "Decimal":
            return lambda value: value if type(value) is str else coerced(value)
        case "Boolean":
            return lambda value: value if type(value) is bool else coerced(value)
        case "Int":
            return lambda value: value if type(value) is int and -_INT_MAX <= value <= _INT_MAX else coerced(value)
        case "Float":
            return lambda value: value if type(value) is float and isfinite(value) else coerced(value)
    return coerced


def _enum(of_type: GraphQLEnumType) -> Writer:
    known: dict[Enum, str] = {}

    def write(value: Enum) -> str:
        if value not in known:
            found = of_type.coerce_output_value(value)
            if not isinstance(found, str):
                raise TypeError("no value of the enum")
            known[value] = found
        return known[value]

    return write
