import time
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query, parse

from engagement.api.limits import excess_of
from tests.transport.sample import SCHEMA


def nested(levels: int, inner: str = "name") -> str:
    return "{tree" + "{child" * (levels - 2) + "{" + inner + "}" + "}" * (levels - 1)


def doubling(fragments: int) -> str:
    parts = [f"fragment f{n} on Tree {{...f{n + 1} ...f{n + 1}}}" for n in range(fragments)]
    return f"{{tree{{...f0}}}} {' '.join(parts)} fragment f{fragments} on Tree {{name child{{name}}}}"


def chain(fragments: int) -> str:
    parts = [f"fragment f{n} on Tree {{...f{n + 1}}}" for n in range(fragments)]
    return f"{{tree{{...f0}}}} {' '.join(parts)} fragment f{fragments} on Tree {{name}}"


WITHIN = {
    "depth": nested(12),
    "aliases": "{tree{" + " ".join(f"a{n}:name" for n in range(30)) + "}}",
    "root fields": "{" + " ".join(f"a{n}:hello" for n in range(10)) + "}",
    "directives": "{tree{" + " ".join("name @include(if:true)" for _ in range(50)) + "}}",
    "fragments": chain(20),
    "cost": "{tree{children(first:100){children(first:20){name}}}}",
    "introspection": get_introspection_query(),
    "a cursor's page": "query($n:Int!){tree{children(first:$n){name}}}",
}
BEYOND = {
    "depth": nested(13),
    "aliases": "{tree{" + " ".join(f"a{n}:name" for n in range(31)) + "}}",
    "root fields": "{" + " ".join(f"a{n}:hello" for n in range(11)) + "}",
    "root fields by fragments": "{...f ...f} fragment f on Query {" + " ".join(f"a{n}:hello" for n in range(6)) + "}",
    "directives": "{tree{" + " ".join("name @include(if:true)" for _ in range(51)) + "}}",
    "directives in one place": "{hello " + "@include(if:true) " * 51 + "}",
    "directives of a variable": "query($n:String " + "@a " * 51 + "){hello(name:$n)}",
    "doubling fragments": doubling(20),
    "more doubling fragments": doubling(60),
    "aliases by fragments": "{tree{" + "...f " * 16 + "}} fragment f on Tree {a:name b:name}",
    "a chain of fragments": chain(31),
    "a long chain of fragments": chain(110),
    "depth by fragments": nested(8, "...f") + " fragment f on Tree {child{child{child{child{child{name}}}}}}",
    "pages": "{tree{children(first:100){children(first:100){name}}}}",
    "a page by variable": "query($n:Int!){tree{children(first:$n){name}}}",
    "a page by default": "query($n:Int=5001){tree{children(first:$n){name}}}",
    "pages by the field's default": "{tree{children{children{children{children{name}}}}}}",
    "a huge page": "{tree{children(first:" + "9" * 5000 + "){name}}}",
    "a list": "{trees(ids:[" + "1 " * 900 + "]){child{child{child{child{child{child{name}}}}}}}}",
    "a list by variable": "query($ids:[ID!]!){trees(ids:$ids){name child{name}}}",
    "tokens": "{tree{" + "name " * 1000 + "}}",
    "comments": "{hello" + " #\n" * 1500 + "}",
    "nested braces": "{a" * 400,
    "nested lists": "{trees(ids:" + "[" * 450 + "]" * 450 + ")}",
    "nested types": "query($a:" + "[" * 450 + "Int" + "]" * 450 + "){hello}",
    "fields that must be compared": "{tree{" + "name " * 950 + "}}",
    "introspection in circles": "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}",
}
VARIABLES: dict[str, dict[str, Any]] = {
    "a cursor's page": {"n": 100},
    "a page by variable": {"n": 100_000},
    "a list by variable": {"ids": ["1"] * 2000},
}


@pytest.mark.parametrize("case", WITHIN)
async def test_within_the_limits(client: httpx.AsyncClient, case: str) -> None:
    response = await client.post("/graphql", json={"query": WITHIN[case], "variables": VARIABLES.get(case)})
    assert "errors" not in response.json(), response.text


@pytest.mark.parametrize("case", BEYOND)
async def test_beyond_the_limits(client: httpx.AsyncClient, case: str) -> None:
    # What the whole process works for it, client and service: other processes on the machine do not count.
    began = time.process_time()
    response = await client.post("/graphql", json={"query": BEYOND[case], "variables": VARIABLES.get(case)})
    seconds = time.process_time() - began
    codes = {each["extensions"]["code"] for each in response.json()["errors"]}
    accepted = {"GRAPHQL_VALIDATION_FAILED"} if case == "introspection in circles" else {"QUERY_TOO_COMPLEX"}
    assert codes == accepted, response.text
    assert seconds < 0.5


@pytest.mark.parametrize("fragments", [20, 100, 600])
def test_the_pass_is_linear(fragments: int) -> None:
    document = parse(doubling(fragments))
    began = time.thread_time()
    assert excess_of(document, SCHEMA._schema, {})
    assert time.thread_time() - began < 0.1


async def test_a_cycle_of_fragments_is_left_to_validation(client: httpx.AsyncClient) -> None:
    query = "{tree{...a}} fragment a on Tree {name child{...b}} fragment b on Tree {child{...a}}"
    response = await client.post("/graphql", json={"query": query})
    assert response.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_servers_have_wider_limits(client: httpx.AsyncClient) -> None:
    query = "{tree{" + "#\n" * 2000 + "children(first:100){children(first:100){name}}}}"
    response = await client.post("/graphql", json={"query": query}, headers={"Authorization": "Bearer server"})
    assert "errors" not in response.json()


async def test_limits_hold_on_streams_too(client: httpx.AsyncClient) -> None:
    aliases = " ".join(f"a{number}:__typename" for number in range(31))
    headers = {"Accept": "text/event-stream"}
    response = await client.post("/graphql", json={"query": f"subscription{{{aliases}}}"}, headers=headers)
    assert "QUERY_TOO_COMPLEX" in response.text
