import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.node import run
from tests.transport.sample import serving

COUNTED = [{"count": 0}, {"count": 1}, {"count": 2}]
KNOWN = {"whoami": "ann by http"}
ASKED = {
    "token": "ann",
    "query": "{ whoami }",
    "subscription": "subscription { count(to: 1000000, wait: 0.01) }",
    "items": 3,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as port:
        yield f"http://127.0.0.1:{port}/graphql"


async def ask(script: str, url: str) -> dict[str, Any]:
    answer = await run(script, url, json.dumps(ASKED))
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("token", [(), ("ann",)])
async def test_every_audit_of_graphql_over_http_passes(url: str, token: tuple[str, ...]) -> None:
    results = await run("audits.mjs", url, *token)
    assert len(results) == 61
    assert [each for each in results if each["status"] != "ok"] == []


async def test_graphql_ws(url: str) -> None:
    by_socket = {"whoami": "ann by websocket"}
    expected = {"query": by_socket, "items": COUNTED, "code": "GRAPHQL_VALIDATION_FAILED", "again": by_socket}
    assert await ask("graphql-ws.mjs", url) == expected


async def test_apollo_client(url: str) -> None:
    expected = {"query": KNOWN, "items": COUNTED, "multipart": COUNTED, "code": "GRAPHQL_VALIDATION_FAILED"}
    assert await ask("apollo.mjs", url) == expected


async def test_urql(url: str) -> None:
    expected = {"query": KNOWN, "items": COUNTED, "events": COUNTED, "code": "GRAPHQL_VALIDATION_FAILED"}
    assert await ask("urql.mjs", url) == expected
