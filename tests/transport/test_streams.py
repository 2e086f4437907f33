import asyncio
import json
import time
from contextlib import suppress

import httpx
import pytest

from engagement.api.limits import RECHECK_SECONDS
from tests.transport.sample import SEEN, connected

EVENTS = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


async def ask(client: httpx.AsyncClient, query: str, accept: str, token: str = "ann") -> httpx.Response:
    headers = {"Accept": accept, "Authorization": f"Bearer {token}"}
    return await client.post("/graphql", json={"query": query}, headers=headers)


async def test_events_end_their_lines_with_line_feeds(client: httpx.AsyncClient) -> None:
    response = await ask(client, "subscription{count(to:2)}", EVENTS)
    assert response.headers["content-type"] == EVENTS
    assert response.text == (
        ":\n\n"
        'event: next\ndata: {"data":{"count":0}}\n\n'
        'event: next\ndata: {"data":{"count":1}}\n\n'
        "event: complete\ndata:\n\n"
    )


@pytest.mark.parametrize("accept", [MULTIPART, f"application/json, {MULTIPART}"])
async def test_multipart(client: httpx.AsyncClient, accept: str) -> None:
    response = await ask(client, "subscription{count(to:1)}", accept)
    assert response.headers["content-type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    opening, beat, item, closing = response.text.split("--graphql")
    assert (opening, closing) == ("", "--\r\n")
    assert [part.strip().split("\r\n\r\n")[1] for part in (beat, item)] == ["{}", '{"payload":{"data":{"count":0}}}']


async def test_only_subscriptions_are_streamed(client: httpx.AsyncClient) -> None:
    response = await ask(client, "{whoami}", URQL)
    assert response.headers["content-type"].startswith("application/graphql-response+json")
    assert response.json() == {"data": {"whoami": "ann by http"}}
    response = await ask(client, 'mutation{write(key:"urql")}', EVENTS)
    assert response.json() == {"data": {"write": "urql"}}
    response = await ask(client, "subscription{count(to:1)}", URQL)
    assert response.headers["content-type"] == EVENTS


async def test_a_subscription_by_get(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": "subscription{count(to:1)}"}, headers={"Accept": EVENTS})
    assert '{"data":{"count":0}}' in response.text


async def test_errors_are_coded_and_masked(client: httpx.AsyncClient) -> None:
    for query, code in (
        ("subscription{absent}", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription{failing(how:"refused")}', "FORBIDDEN"),
        ('subscription{failing(how:"defect")}', "INTERNAL_SERVER_ERROR"),
    ):
        response = await ask(client, query, EVENTS)
        assert f'"code":"{code}"' in response.text
        assert "secret" not in response.text
        assert response.text.endswith("event: complete\ndata:\n\n")


async def test_silence_is_broken_by_heartbeats(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.api.streams.HEARTBEAT_SECONDS", 0.1)
    response = await ask(client, "subscription{count(to:1,wait:0.5)}", EVENTS)
    assert response.text.count(":\n\n") >= 4


async def test_leaving_ends_the_subscription(client: httpx.AsyncClient) -> None:
    body = {"query": 'subscription{forever(name:"stream left")}'}
    async with client.stream("POST", "/graphql", json=body, headers={"Accept": EVENTS}) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                assert json.loads(line[5:]) == {"data": {"forever": "stream left"}}
                break
    deadline = time.monotonic() + 10
    while "stream left" not in SEEN.ended:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_the_stream_ends_with_its_credential(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    response = await ask(client, 'subscription{forever(name:"stream expired")}', EVENTS, "short")
    assert '"code":"UNAUTHENTICATED"' in response.text
    # Long before the credential would have been looked at again.
    assert time.monotonic() - began < RECHECK_SECONDS / 2
    assert "stream expired" in SEEN.ended


async def test_the_stream_ends_when_its_credential_is_revoked(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engagement.api.credentials.RECHECK_SECONDS", 0.1)
    SEEN.revoked.discard("stream revoked soon")
    asking = asyncio.create_task(
        ask(client, 'subscription{forever(name:"stream revoked")}', EVENTS, "stream revoked soon")
    )
    await asyncio.sleep(0.4)
    assert not asking.done()
    SEEN.revoked.add("stream revoked soon")
    response = await asking
    assert '"code":"UNAUTHENTICATED"' in response.text
    assert "stream revoked" in SEEN.ended


async def test_a_client_that_does_not_read_is_dropped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.api.streams.SEND_SECONDS_MAX", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    body = json.dumps({"query": 'subscription{flood(name:"stream unread")}'})
    writer.write(
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: {EVENTS}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    own_port = writer.get_extra_info("sockname")[1]
    await asyncio.sleep(0.3)
    assert connected(own_port)
    deadline = time.monotonic() + 10
    while "stream unread" not in SEEN.ended or connected(own_port):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    with suppress(ConnectionResetError):
        assert not (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()
    with suppress(ConnectionResetError):
        await writer.wait_closed()
