import asyncio
import json
from typing import Any

import httpx
import pytest

from engagement.api.limits import BODY_BYTES_MAX, BODY_BYTES_MAX_SERVER
from tests.transport.sample import SEEN

GRAPHQL = "application/graphql-response+json"


async def post(client: httpx.AsyncClient, body: Any, accept: str = GRAPHQL, **headers: str) -> httpx.Response:
    return await client.post("/graphql", json=body, headers={"Accept": accept, **headers})


def code_of(response: httpx.Response) -> str:
    assert "json" in response.headers["content-type"]
    [error] = response.json()["errors"]
    assert "data" not in response.json() or response.json()["data"] is None
    code = error["extensions"]["code"]
    assert isinstance(code, str)
    return code


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json", GRAPHQL),
        (f"application/json, {GRAPHQL};q=0.9", "application/json"),
        (f"application/json;q=0.5, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=nonsense, ;;=,", "application/json"),
        ("text/html", "application/json"),
    ],
)
async def test_the_media_type_follows_accept(client: httpx.AsyncClient, accept: str | None, media_type: str) -> None:
    response = await client.post(
        "/graphql", json={"query": "{hello}"}, headers={} if accept is None else {"Accept": accept}
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["vary"] == "Accept"
    assert response.json() == {"data": {"hello": "hello world"}}


@pytest.mark.parametrize(
    ("case", "body", "code"),
    [
        ("syntax", {"query": "{hello"}, "GRAPHQL_PARSE_FAILED"),
        ("validation", {"query": "{absent}"}, "GRAPHQL_VALIDATION_FAILED"),
        ("variables", {"query": "query($n:String!){hello(name:$n)}", "variables": {"n": 5}}, "INVALID_INPUT"),
        ("scalar", {"query": "query($n:Decimal!){half(number:$n)}", "variables": {"n": "five"}}, "INVALID_INPUT"),
        ("operation", {"query": "query A{hello}", "operationName": "B"}, "UNKNOWN_OPERATION"),
        ("operations", {"query": "query A{hello} query B{hello}"}, "OPERATION_NAME_REQUIRED"),
    ],
)
async def test_a_request_that_is_not_run(client: httpx.AsyncClient, case: str, body: object, code: str) -> None:
    new = await post(client, body)
    assert (new.status_code, code_of(new), "data" in new.json()) == (400, code, False), case
    old = await post(client, body, "application/json")
    assert (old.status_code, code_of(old), old.json()["data"]) == (200, code, None), case


@pytest.mark.parametrize(
    ("case", "content"),
    [
        ("string", b'"x"'),
        ("number", b"5"),
        ("null", b"null"),
        ("true", b"true"),
        ("batch", b'[{"query":"{hello}"}]'),
        ("empty", b""),
        ("no utf-8", b'{"query":"\xff\xfe"}'),
        ("half a surrogate", b'{"query":"{hello}","variables":{"n":"\\ud800"}}'),
        ("nan", b'{"query":"{hello}","variables":{"n":NaN}}'),
        ("nested", b"[" * 50_000),
        ("nested variables", b'{"query":"{hello}","variables":{"n":' + b"[" * 3000 + b"]" * 3000 + b"}}"),
        ("long number", b'{"query":"{hello}","variables":{"n":' + b"1" * 5000 + b"}}"),
        ("no query", b"{}"),
        ("empty query", b'{"query":""}'),
        ("query", b'{"query":{}}'),
        ("variables", b'{"query":"{hello}","variables":[]}'),
        ("variables text", b'{"query":"{hello}","variables":"{}"}'),
        ("operationName", b'{"query":"{hello}","operationName":[]}'),
        ("extensions", b'{"query":"{hello}","extensions":5}'),
    ],
)
async def test_a_body_that_is_no_request(client: httpx.AsyncClient, case: str, content: bytes) -> None:
    response = await client.post("/graphql", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST"), case


async def test_null_members_are_as_if_absent(client: httpx.AsyncClient) -> None:
    body = {"query": "{hello}", "variables": None, "operationName": None, "extensions": None}
    assert (await post(client, body)).json() == {"data": {"hello": "hello world"}}


async def test_deep_variables_are_refused_without_a_crash(client: httpx.AsyncClient) -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    query = "mutation($e:[EventInput!]!){record(events:$e)}"
    response = await post(client, {"query": query, "variables": {"e": [{"id": "1", "properties": deep}]}})
    assert response.status_code == 200
    response = await post(client, {"query": query, "variables": {"e": deep}})
    assert response.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_forms_and_plain_text_are_refused(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await client.post("/graphql", content=b'{"query":"{hello}"}', headers=headers)
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql")
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, POST"


async def test_get_runs_queries_alone(client: httpx.AsyncClient) -> None:
    query = "query($n:String!){hello(name:$n)}"
    response = await client.get("/graphql", params={"query": query, "variables": '{"n":"Ann"}', "extensions": ""})
    assert response.json() == {"data": {"hello": "hello Ann"}}
    response = await client.get("/graphql", params={"query": 'mutation{write(key:"by get")}'})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "by get" not in SEEN.written
    response = await client.get("/graphql", params={"query": "{hello}", "variables": "{"})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")
    response = await client.get("/graphql", headers={"Accept": "text/html"})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_the_credential_is_read_from_the_headers(client: httpx.AsyncClient) -> None:
    anonymous = await post(client, {"query": "{whoami}"}, **{"Engagement-Program": "grocer"})
    assert anonymous.json()["data"] == {"whoami": "anonymous of grocer by http"}
    known = await post(client, {"query": "{whoami}"}, Authorization="bearer ann")
    assert known.json()["data"] == {"whoami": "ann by http"}


@pytest.mark.parametrize("credential", ["Bearer bad", "Basic YTpi", "Bearer", "x"])
async def test_a_bad_credential_is_refused_whatever_is_asked(client: httpx.AsyncClient, credential: str) -> None:
    response = await post(client, {"query": "{hello}"}, Authorization=credential)
    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_authentication_that_cannot_tell(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "{hello}"}, Authorization="Bearer down")
    assert (response.status_code, code_of(response), response.headers["retry-after"]) == (503, "UNAVAILABLE", "1")
    response = await post(client, {"query": "{hello}"}, Authorization="Bearer broken")
    assert (response.status_code, code_of(response)) == (500, "INTERNAL_SERVER_ERROR")
    assert "secret" not in response.text


def padded(size: int) -> bytes:
    body = json.dumps({"query": "{hello}"}).encode()
    return body[:-1] + b" " * (size - len(body)) + b"}"


@pytest.mark.parametrize(("token", "most"), [("member", BODY_BYTES_MAX), ("server", BODY_BYTES_MAX_SERVER)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_body_is_limited(client: httpx.AsyncClient, token: str, most: int, chunked: bool) -> None:
    async def ask(size: int) -> httpx.Response:
        async def chunks() -> Any:
            content = padded(size)
            for start in range(0, size, 16_384):
                yield content[start : start + 16_384]

        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await client.post("/graphql", content=chunks() if chunked else padded(size), headers=headers)

    assert (await ask(most)).status_code == 200
    for size in (most + 1, most + 5_000_000):
        response = await ask(size)
        assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_a_client_that_leaves_does_not_end_its_mutation(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/graphql", json={"query": 'mutation{write(key:"left",wait:0.5)}'}, timeout=0.1)
    assert "left" not in SEEN.written
    await asyncio.sleep(0.8)
    assert "left" in SEEN.written


async def test_a_subscription_by_plain_post(client: httpx.AsyncClient) -> None:
    for accept in (GRAPHQL, "application/json", "*/*"):
        response = await post(client, {"query": "subscription{count}"}, accept)
        assert (response.status_code, code_of(response)) == (400, "SUBSCRIPTION_NEEDS_STREAM")
