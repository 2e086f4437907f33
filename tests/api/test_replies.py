"""A compiled writer writes what graphql-core writes, for every sort of field, and leaves to it what it cannot write."""

from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from engagement.api import documents
from engagement.api.context import Context
from engagement.api.documents import KnownDocuments, Schema
from engagement.api.failures import CodedErrors
from engagement.api.limits import Limits
from engagement.api.principals import Principal
from engagement.api.replies import CompilingExecutor
from engagement.api.schema import schema


@strawberry.enum
class Colour(Enum):
    """Two values, named unlike what they hold."""

    RED = "r"
    BLUE = "b"


@strawberry.interface
class Named:
    """What has a name."""

    name: str


@strawberry.type
class Leaf(Named):
    """Every scalar, some of them missing."""

    id: strawberry.ID
    whole: int
    part: float
    sure: bool
    colour: Colour | None = None
    words: list[str | None] | None = None


@strawberry.type
class Branch(Named):
    """Lists, a union, and itself."""

    leaves: list[Leaf]
    twigs: "list[Twig]"
    parent: "Branch | None" = None


Twig = Annotated[Leaf | Branch, strawberry.union("Twig")]


@strawberry.type
class Lively(Named):
    """A field with a resolver of its own, and one with an argument."""

    @strawberry.field
    async def echo(self, loud: bool = False) -> str:
        """Its name."""
        return self.name.upper() if loud else self.name


LEAF = Leaf(name="l", id=strawberry.ID("7"), whole=3, part=0.5, sure=True, colour=Colour.BLUE, words=["a", None])
BARE = Leaf(name="bare", id=strawberry.ID("8"), whole=-3, part=2.0, sure=False)
WRONG = Leaf(name="wrong", id=strawberry.ID("9"), whole=2**40, part=1.0, sure=True)
HOLLOW = Leaf(name=None, id=strawberry.ID("9"), whole=2, part=1.0, sure=True)  # type: ignore[arg-type]
ODD = Leaf(name="odd", id=5, whole=True, part=1, sure=1)  # type: ignore[arg-type]
BRANCH = Branch(name="b", leaves=[LEAF, BARE], twigs=[LEAF, Branch(name="c", leaves=[], twigs=[])], parent=None)
BRANCH.parent = Branch(name="p", leaves=[], twigs=[BARE])


@strawberry.type
class Query:
    """Fields of the root, all of them waited for."""

    @strawberry.field
    async def branch(self) -> Branch:
        """A tree."""
        return BRANCH

    @strawberry.field
    async def nothing(self) -> Leaf | None:
        """Null."""
        return None

    @strawberry.field
    async def named(self, which: str = "leaf") -> Named | None:
        """An interface."""
        return {"leaf": LEAF, "wrong": WRONG, "hollow": HOLLOW, "odd": ODD}[which]

    @strawberry.field
    async def lively(self) -> Lively:
        """More than data."""
        return Lively(name="alive")

    @strawberry.field
    async def numbers(self) -> list[int]:
        """No object at all."""
        return [1, 2]


KEY = Principal("key", "key:1", 1)
DOCUMENTS = {
    "aliases, all scalars": "{ branch { called: name leaves { id whole part sure colour words name } __typename } }",
    "unions": "{ branch { twigs { __typename ... on Leaf { id } ... on Branch { name leaves { id } } ... on Named { n: name } } } }",
    "fragments": "{ branch { ...B parent { ...B } } } fragment B on Branch { name leaves { ...L } } fragment L on Leaf { id name }",
    "merged": "{ branch { parent { name } } branch { parent { leaves { id } twigs { ... on Leaf { whole } } } } }",
    "interface": "{ named { __typename name ... on Leaf { id colour } } other: named { name } }",
    "null": "{ nothing { id } numbers }",
    "resolvers": "{ lively { name echo loud: echo(loud: true) } branch { name } }",
    "introspection": "{ __schema { queryType { name fields { name } } } __typename branch { name } }",
    "directives": "{ branch { name @skip(if: true) leaves @include(if: true) { id } } }",
    "a value beyond its type": '{ named(which: "wrong") { name ... on Leaf { whole } } branch { name } }',
    "null where there is none": '{ named(which: "hollow") { name } branch { name } }',
    "values to coerce": '{ named(which: "odd") { ... on Leaf { id whole part sure } } }',
}


def forest() -> Schema:
    return Schema(
        Query,
        types=[Leaf, Branch],
        extensions=[CodedErrors, Limits, KnownDocuments],
        execution_context_class=CompilingExecutor,
    )


async def answered(
    trees: Schema, document: str, variables: dict[str, Any] | None = None
) -> tuple[Any, Any, Context[Any]]:
    context: Context[Any] = Context(KEY, "http", "r")
    result = await trees.execute(
        document, variables, context_value=context, allowed_operation_types=(OperationType.QUERY,)
    )
    # A masked error says under which random id it is in the log.
    errors = [(each.path, each.locations, (each.extensions or {})["code"]) for each in result.errors or ()]
    return result.data, errors, context


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_the_second_answer_is_the_first(document: str) -> None:
    trees = forest()
    data, errors, unknown = await answered(trees, document)
    assert unknown.learned is None
    for _ in range(2):
        again, failed, known = await answered(trees, document)
        assert known.learned is not None
        assert known.learned.writers
        assert again == data
        assert failed == errors
        # Also in the order of its fields.
        assert repr(again) == repr(data)


@pytest.mark.parametrize("name", ["aliases, all scalars", "unions", "fragments", "merged", "interface", "null"])
async def test_plain_fields_are_compiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = forest()
    data, _, _ = await answered(trees, DOCUMENTS[name])

    def refuse(*_: object) -> None:
        raise AssertionError("graphql-core was asked")

    await answered(trees, DOCUMENTS[name])
    monkeypatch.setattr(CompilingExecutor.__mro__[1], "complete_object_value", refuse)
    assert (await answered(trees, DOCUMENTS[name]))[0] == data


@pytest.mark.parametrize("name", ["resolvers", "introspection", "directives"])
async def test_what_is_more_than_data_is_left_alone(name: str) -> None:
    trees = forest()
    await answered(trees, DOCUMENTS[name])
    _, _, context = await answered(trees, DOCUMENTS[name])
    assert context.learned is not None
    assert None in context.learned.writers.values()


async def test_variables_decide_anew_each_time() -> None:
    trees = forest()
    document = "query Q($no: Boolean!) { branch { name leaves @skip(if: $no) { id } } }"
    for no in (True, False, True, False):
        data, _, _ = await answered(trees, document, {"no": no})
        assert ("leaves" in data["branch"]) != no


async def test_two_operations_may_share_a_fragment() -> None:
    trees = forest()
    document = "query A { ...F } query B { ...F branch { parent { name } } } fragment F on Query { branch { name } }"
    for _ in range(3):
        for operation, fields in (("A", ["name"]), ("B", ["name", "parent"])):
            result = await trees.execute(document, context_value=Context(KEY, "http", "r"), operation_name=operation)
            assert result.data is not None
            assert list(result.data["branch"]) == fields


async def test_few_documents_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENTS_MAX", 3)
    trees = forest()
    for number in range(9):
        await answered(trees, f"query Q{number} {{ numbers }}")
        await answered(trees, "{ branch { name } }")
    assert [text for text, _ in trees.documents] == [
        "query Q7 { numbers }",
        "query Q8 { numbers }",
        "{ branch { name } }",
    ]


async def test_strangers_documents_are_not_kept() -> None:
    trees = forest()
    for principal in (None, Principal("anonymous")):
        await trees.execute(
            "{ numbers }", context_value=Context(principal, "http", "r"), allowed_operation_types=(OperationType.QUERY,)
        )
    assert not trees.documents


async def test_documents_are_bounded_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "KEPT_CHARACTERS_MAX", 60)
    trees = forest()
    for number in range(9):
        await answered(trees, f"query Q{number} {{ numbers }}")
    assert [text for text, _ in trees.documents] == [f"query Q{number} {{ numbers }}" for number in (6, 7, 8)]


async def test_a_fragment_within_a_fragment_is_looked_at_once() -> None:
    # Walked as it is written, this would take 2 to the power of 28 steps.
    spread = "".join(f" fragment f{number} on Branch {{ ...f{number + 1} ...f{number + 1} }}" for number in range(28))
    document = "{ branch { ...f0 } }" + spread + " fragment f28 on Branch { __typename }"
    trees = forest()
    for _ in range(3):
        data, errors, _ = await answered(trees, document)
        assert (data, errors) == ({"branch": {"__typename": "Branch"}}, [])


async def test_a_known_document_asks_no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    trees, document = forest(), "query Tree { branch { name } }"
    for _ in range(2):
        await answered(trees, document)
    monkeypatch.setattr(Schema.__mro__[2], "execute", None)
    data, errors, context = await answered(trees, document)
    assert (data, errors) == ({"branch": {"name": "b"}}, [])
    assert (context.answer.name, context.answer.kind) == ("Tree", "query")


async def test_a_known_document_is_refused_where_another_kind_is_asked_for() -> None:
    trees = forest()
    for _ in range(3):
        await answered(trees, "{ branch { name } }")
    with pytest.raises(InvalidOperationTypeError):
        await trees.execute(
            "{ branch { name } }",
            context_value=Context(KEY, "http", "r"),
            allowed_operation_types=(OperationType.MUTATION,),
        )
    with pytest.raises(CannotGetOperationTypeError):
        await trees.execute(
            "{ branch { name } }",
            context_value=Context(KEY, "http", "r"),
            operation_name="Other",
            allowed_operation_types=(OperationType.QUERY,),
        )


def test_every_type_below_the_root_is_plain() -> None:
    """So that no document of the real schema is slow because of one field."""
    real = schema()
    core = real._schema
    roots = {"Query", "Mutation", "Subscription"}
    for name, of_type in core.type_map.items():
        if (
            name in roots
            or name.startswith("__")
            or not hasattr(of_type, "fields")
            or not hasattr(of_type, "interfaces")
        ):
            continue
        for field in of_type.fields.values():
            assert getattr(field.resolve, "_is_default", False), f"{name} has a resolver of its own"
            assert not field.args
    assert real.execution_context_class is CompilingExecutor
