from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    specified_directives,
)
from strawberry.types.base import get_object_definition

from engagement.api import schema as module
from engagement.api.principals import Guard
from engagement.api.schema import ROOTS, schema, sdl

ROOT = Path(__file__).resolve().parents[2]


def test_committed_schema_is_the_printed_one() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl(), "print it anew: engagement schema > schema.graphql"


def test_everything_is_described() -> None:
    core = build_schema(sdl())
    bare: list[str] = []
    for name, named in core.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        members: dict[str, Any] = {}
        if isinstance(named, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            members = dict(named.fields)
            for field_name, field in named.fields.items():
                arguments = getattr(field, "args", {})
                members |= {f"{field_name}({each})": argument for each, argument in arguments.items()}
        elif isinstance(named, GraphQLEnumType):
            members = dict(named.values)
        described = {name: named, **{f"{name}.{each}": member for each, member in members.items()}}
        bare += [each for each, member in described.items() if not member.description]
    assert bare == []


def test_what_a_union_tells_can_be_asked_for_together() -> None:
    # Fields of one name and of two types conflict in a document that asks for both without an alias.
    unions = [each for each in build_schema(sdl()).type_map.values() if isinstance(each, GraphQLUnionType)]
    conflicts = []
    for union in unions:
        seen: dict[str, str] = {}
        for member in union.types:
            for name, field in member.fields.items():
                if seen.setdefault(name, str(field.type)) != str(field.type):
                    conflicts.append(f"{union.name}: {member.name}.{name}")
    assert conflicts == []


def test_schema_defines_no_directive_of_its_own() -> None:
    known = {each.name for each in specified_directives}
    assert {each.name for each in build_schema(sdl()).directives} <= known


@pytest.mark.parametrize(
    "field",
    [field for root in ROOTS for field in get_object_definition(root, strict=True).fields],
    ids=lambda f: f.name,
)
def test_root_field_states_its_access(field: Any) -> None:
    (guard,) = [each for each in field.extensions if isinstance(each, Guard)]
    assert field.description.endswith(guard.access.told)
    assert guard.access.told.startswith("Needs ")


def test_root_field_without_access_stops_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    @strawberry.type
    class Open:
        @strawberry.field
        def secret(self) -> str:
            return "told"

    monkeypatch.setattr(module, "ROOTS", (*ROOTS, Open))
    with pytest.raises(AssertionError, match="secret states no access"):
        schema()
