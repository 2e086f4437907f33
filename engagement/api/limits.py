"""Refuses documents that would cost too much, before they are validated or run.

One pass over the document measures it; a fragment is measured once however often it is spread, so the pass is linear
in the document while its counts are those of the expanded one. Validation and execution see only what is within the
limits.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    ConstValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.specified_rules import recommended_rules
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from engagement.api.failures import QUERY_TOO_COMPLEX
from engagement.api.replies import Learned

BODY_BYTES_MAX: Final = 100 * 1024
BODY_BYTES_MAX_SERVER: Final = 2 * 1024 * 1024
BODY_SECONDS_MAX: Final = 30.0
"""How long a client may take to send its body."""

BODY_BYTES_DISCARDED_MAX: Final = 8 * 1024 * 1024
"""How much of a body beyond the limit is read and thrown away, so that its sender can read why it was refused."""

OPERATIONS_MAX: Final = 32
"""Queries and mutations that one process works on at a time: enough for a batch of events to be worth its transaction, few
enough for the last of them to be answered soon."""
OPERATIONS_WAIT_SECONDS: Final = 2.0
"""How long an operation waits to be begun before its caller is told to come back later."""

TOKENS_MAX: Final = 1_000
TOKENS_MAX_SERVER: Final = 5_000
DEPTH_MAX: Final = 12
FRAGMENT_NESTING_MAX: Final = 30
ALIASES_MAX: Final = 30
ROOT_FIELDS_MAX: Final = 10
DIRECTIVES_MAX: Final = 50
COST_MAX: Final = 5_000
"""Fields that a document can ask for, where the fields below a list count once for each item asked for."""
COST_MAX_SERVER: Final = 50_000
COMPARISONS_MAX: Final = 30_000
"""Work that validation may spend on whether fields of one name agree; it grows with the square of repeated fields."""

SOCKET_MESSAGE_BYTES_MAX: Final = 64 * 1024
SOCKET_MESSAGES_PER_SECOND_MAX: Final = 50
SOCKET_MESSAGES_BURST_MAX: Final = 200
SOCKET_OPERATIONS_MAX: Final = 20
SOCKET_INIT_SECONDS_MAX: Final = 5.0
SEND_SECONDS_MAX: Final = 10.0
"""How long one message to a client may take; a client that reads more slowly is dropped."""
RECHECK_SECONDS: Final = 30.0
"""How often the credential of an open socket or stream is checked again, so that a revoked one does not live on."""

_STACK_MAX: Final = 100
"""Levels that the pass itself goes down; more is over the limits in any case."""
_CEILING: Final = 10**9
"""Counts stop here, so that doubling fragments do not make huge integers."""
# The library's own way to lower its bound, which would let a short document take a tenth of a second.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = COMPARISONS_MAX

_INTROSPECTION: Final = frozenset({"__schema", "__type"})


class Measure(NamedTuple):
    """What a selection amounts to once its fragments are expanded."""

    depth: int = 0
    fragment_nesting: int = 0
    aliases: int = 0
    fields: int = 0
    """Fields at the top of the selection."""
    cost: int = 0

    def beside(self, other: "Measure") -> "Measure":
        """Return the measure of both selections together."""
        return Measure(
            max(self.depth, other.depth),
            max(self.fragment_nesting, other.fragment_nesting),
            min(self.aliases + other.aliases, _CEILING),
            min(self.fields + other.fields, _CEILING),
            min(self.cost + other.cost, _CEILING),
        )


class Limits(SchemaExtension):
    """Refuses a document over the limits, and one of several operations that does not say which to run."""

    def on_operation(self) -> Iterator[None]:
        """Bound the tokens that the parser reads."""
        self.execution_context.parse_options["max_tokens"] = TOKENS_MAX_SERVER if self._is_server else TOKENS_MAX
        yield

    def on_validate(self) -> Iterator[None]:
        """Measure the document; one over the limits is not validated at all."""
        context = self.execution_context
        document = context.graphql_document
        assert document is not None, "validation follows parsing"
        # The framework keeps the name that the client gave in this attribute alone; the public one guesses the first.
        named = context._provided_operation_name is not None  # noqa: SLF001
        core_schema = context.schema._schema  # noqa: SLF001  (Strawberry has no public way to graphql-core's schema)
        if not named and _operations(document) > 1:
            message = "The document has several operations: say which to run with `operationName`."
            context.pre_execution_errors = [GraphQLError(message, extensions={"code": "OPERATION_NAME_REQUIRED"})]
        elif excess := self._excess(document, core_schema, context.variables or {}):
            context.pre_execution_errors = [GraphQLError(excess, extensions={"code": QUERY_TOO_COMPLEX})]
        else:
            context.validation_rules = (*context.validation_rules, *recommended_rules)
        yield

    def on_execute(self) -> Iterator[None]:
        """Do not count a subscription, which may last for days, among the operations in work."""
        slot = getattr(self.execution_context.context, "slot", None)
        if slot is not None and self.execution_context.operation_type is OperationType.SUBSCRIPTION:
            slot.free()
        yield

    def _excess(self, document: DocumentNode, schema: GraphQLSchema, variables: Mapping[str, Any]) -> str | None:
        learned: Learned | None = getattr(self.execution_context.context, "learned", None)
        if learned is not None and learned.within_limits:
            return None
        measuring = _Measuring(document, schema, variables)
        excess = _excess_of(measuring, self._is_server)
        if learned is not None:
            learned.within_limits = excess is None and not measuring.varies
        return excess

    @property
    def _is_server(self) -> bool:
        return is_server(getattr(self.execution_context.context, "principal", None))


def is_server(principal: object) -> bool:
    """Say whether the wider limits of a server's key hold for this principal."""
    return bool(getattr(principal, "is_server", False))


def excess_of(
    document: DocumentNode, schema: GraphQLSchema, variables: Mapping[str, Any], server: bool = False
) -> str | None:
    """Return a sentence naming the first limit that the document breaks, or `None`."""
    return _excess_of(_Measuring(document, schema, variables), server)


def _excess_of(measuring: "_Measuring", server: bool) -> str | None:
    try:
        measured = measuring.largest()
    except _TooDeep:
        return f"The document is nested more than {DEPTH_MAX} levels deep."
    for name, value, most in (
        ("levels deep", measured.depth, DEPTH_MAX),
        ("levels of fragments within fragments", measured.fragment_nesting, FRAGMENT_NESTING_MAX),
        ("aliases", measured.aliases, ALIASES_MAX),
        ("fields at the root", measured.fields, ROOT_FIELDS_MAX),
        ("directives", measuring.directives, DIRECTIVES_MAX),
        ("as its cost", measured.cost, COST_MAX_SERVER if server else COST_MAX),
    ):
        if value > most:
            return f"The document has {value} {name}; at most {most} are allowed."
    return None


class _TooDeep(Exception):
    """The pass went down as far as it may."""


class _Measuring:
    """One pass over one document; afterwards `varies` says whether other variables could have come to something else."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema, variables: Mapping[str, Any]) -> None:
        self._document = document
        self._schema = schema
        self._variables = variables
        fragments = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
        self._fragments = {each.name.value: each for each in fragments}
        self._measured: dict[str, Measure] = {}
        self._defaults = _variable_defaults(document)
        self.directives = 0
        self.varies = False

    def largest(self) -> Measure:
        """Return the largest of each count over the operations; also visits fragments that none of them uses."""
        worst = Measure()
        for definition in self._document.definitions:
            self._count_directives(definition)
            if isinstance(definition, OperationDefinitionNode):
                for variable in definition.variable_definitions or ():
                    self._count_directives(variable)
                root = self._schema.get_root_type(definition.operation)
                measured = self._of_selections(definition.selection_set, root, 0)
                worst = Measure(*(max(pair) for pair in zip(worst, measured, strict=True)))
            elif isinstance(definition, FragmentDefinitionNode):
                self._of_fragment(definition.name.value, 0)
        return worst

    def _count_directives(self, node: Any) -> None:
        self.directives += len(getattr(node, "directives", None) or ())

    def _of_selections(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None, stack: int
    ) -> Measure:
        if stack > _STACK_MAX:
            raise _TooDeep
        total = Measure()
        for each in selections.selections if selections else ():
            self._count_directives(each)
            total = total.beside(self._of_selection(each, parent, stack + 1))
        return total

    def _of_selection(self, node: SelectionNode, parent: GraphQLNamedType | None, stack: int) -> Measure:
        match node:
            case FieldNode():
                return self._of_field(node, parent, stack)
            case InlineFragmentNode():
                named = self._schema.get_type(node.type_condition.name.value) if node.type_condition else parent
                return self._of_selections(node.selection_set, named, stack)
            case FragmentSpreadNode():
                return self._of_fragment(node.name.value, stack)
        raise AssertionError(f"{node.kind} is no selection")

    def _of_fragment(self, name: str, stack: int) -> Measure:
        if name not in self._measured:
            # A fragment that is being measured counts nothing within itself: validation refuses the cycle.
            self._measured[name] = Measure()
            if fragment := self._fragments.get(name):
                named = self._schema.get_type(fragment.type_condition.name.value)
                measured = self._of_selections(fragment.selection_set, named, stack)
                self._measured[name] = measured._replace(fragment_nesting=measured.fragment_nesting + 1)
        return self._measured[name]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType | None, stack: int) -> Measure:
        name = node.name.value
        field = parent.fields.get(name) if isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)) else None
        within = self._of_selections(node.selection_set, get_named_type(field.type) if field else None, stack)
        return Measure(
            # Introspection nests deeply by nature; a validation rule of its own bounds it.
            depth=1 if name in _INTROSPECTION else 1 + within.depth,
            fragment_nesting=within.fragment_nesting,
            aliases=within.aliases + (node.alias is not None),
            fields=1,
            cost=0 if name == "__typename" else min(1 + self._items(node, field) * within.cost, _CEILING),
        )

    def _items(self, node: FieldNode, field: GraphQLField | None) -> int:
        """Return how many items the field's arguments ask for: a page's size, or the length of a list."""
        given = {each.name.value: each.value for each in node.arguments or ()}
        sizes = [self._size(value, name in ("first", "last")) for name, value in given.items()]
        self.varies |= any(isinstance(value, VariableNode) and _counts(name, field) for name, value in given.items())
        if "first" not in given and "last" not in given and field and (first := field.args.get("first")):
            default = first.default.value if first.default else first.default_value
            sizes.append(default if isinstance(default, int) else 1)
        return max([1, *sizes])

    def _size(self, value: ValueNode, pages: bool) -> int:
        match value:
            case ListValueNode():
                return len(value.values)
            case IntValueNode() if pages:
                # A text of thousands of digits would be refused by `int`; validation refuses it as a value.
                return min(int(value.value[:10]), _CEILING)
            case VariableNode():
                name = value.name.value
                if name not in self._variables:
                    return max((self._size(each, pages) for each in self._defaults.get(name, ())), default=1)
                actual = self._variables[name]
                if isinstance(actual, list):
                    return len(actual)
                if pages and isinstance(actual, int):
                    return min(actual, _CEILING)
        return 1


def _counts(name: str, field: GraphQLField | None) -> bool:
    """Whether an argument says how many items are asked for: the size of a page, or a list of things to look up."""
    argument = None if field is None else field.args.get(name)
    return argument is None or name in ("first", "last") or is_list_type(get_nullable_type(argument.type))


def _variable_defaults(document: DocumentNode) -> Mapping[str, list[ConstValueNode]]:
    """Return what a variable stands for when it is not given; operations may differ, and any of them may be run."""
    defaults: dict[str, list[ConstValueNode]] = {}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            for each in operation.variable_definitions or ():
                if each.default_value is not None:
                    defaults.setdefault(each.variable.name.value, []).append(each.default_value)
    return defaults


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(each, OperationDefinitionNode) for each in document.definitions)
