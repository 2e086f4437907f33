import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from engagement.api.limits import SOCKET_MESSAGE_BYTES_MAX, SOCKET_OPERATIONS_MAX
from tests.transport.sample import SEEN, connected

PROTOCOL = Subprotocol("graphql-transport-ws")


@asynccontextmanager
async def raw(port: int, **settings: Any) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/graphql"
    async with connect(url, subprotocols=[PROTOCOL], max_size=None, **settings) as socket:
        yield socket


async def said(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def tell(socket: ClientConnection, message: Any) -> None:
    await socket.send(message if isinstance(message, str) else json.dumps(message))


@asynccontextmanager
async def known(port: int, payload: Any = None, **settings: Any) -> AsyncIterator[ClientConnection]:
    async with raw(port, **settings) as socket:
        await tell(socket, {"type": "connection_init", "payload": payload})
        assert await said(socket) == {"type": "connection_ack"}
        yield socket


async def closed(socket: ClientConnection) -> tuple[int, str]:
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    except ConnectionClosed:
        return socket.close_code or 0, socket.close_reason or ""


def subscribe(query: str, name: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "subscribe", "payload": {"query": query, **more}}


async def ended(name: str) -> bool:
    for _ in range(200):
        if name in SEEN.ended:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_query_and_a_subscription_share_a_socket(port: int) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe("subscription{count(to:2)}", "a"))
        await tell(socket, subscribe("{hello}", "b"))
        messages = [await said(socket) for _ in range(5)]
        assert [each for each in messages if each["id"] == "a"] == [
            {"id": "a", "type": "next", "payload": {"data": {"count": 0}}},
            {"id": "a", "type": "next", "payload": {"data": {"count": 1}}},
            {"id": "a", "type": "complete"},
        ]
        assert {"id": "b", "type": "next", "payload": {"data": {"hello": "hello world"}}} in messages


async def test_a_mutation_is_sent_to_http(port: int) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe('mutation{write(key:"by socket")}'))
        message = await said(socket)
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "USE_HTTP")
        await tell(socket, subscribe("{hello}"))
        assert (await said(socket))["type"] == "next"
    assert "by socket" not in SEEN.written


@pytest.mark.parametrize(
    ("payload", "headers", "name"),
    [
        (None, {}, "anonymous of None"),
        ({}, {"Engagement-Program": "grocer"}, "anonymous of grocer"),
        ({"Engagement-Program": "baker"}, {"Engagement-Program": "grocer"}, "anonymous of baker"),
        ({"Authorization": "Bearer ann"}, {}, "ann"),
        ({"authorization": "bearer ann"}, {"Authorization": "Bearer bob"}, "ann"),
        ({"token": "ann"}, {}, "ann"),
        ({"other": 1}, {"Authorization": "Bearer bob"}, "bob"),
    ],
)
async def test_the_credential_is_read_once(
    port: int, payload: dict[str, Any] | None, headers: dict[str, str], name: str
) -> None:
    async with known(port, payload, additional_headers=headers) as socket:
        await tell(socket, subscribe("{whoami}"))
        assert (await said(socket))["payload"]["data"] == {"whoami": f"{name} by websocket"}


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        ({"Authorization": "Bearer bad"}, 4403, "The token is unknown."),
        ({"Authorization": "Basic x"}, 4403, "Send the credential as `Authorization: Bearer …`."),
        ({"token": 5}, 4403, "The credentials of connection_init must be strings."),
        ({"token": "down"}, 1013, ""),
        ({"token": "broken"}, 1011, ""),
    ],
)
async def test_a_bad_credential_closes(port: int, payload: dict[str, Any], code: int, reason: str) -> None:
    async with raw(port) as socket:
        await tell(socket, {"type": "connection_init", "payload": payload})
        found, told = await closed(socket)
        assert (found, told.startswith(reason)) == (code, True), told


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no JSON", "{"),
        ("array", []),
        ("string", "x"),
        ("number", 42),
        ("null", "null"),
        ("nested", "[" * 50_000),
        ("no type", {}),
        ("unknown type", {"type": "start", "id": "1"}),
        ("type is a list", {"type": ["subscribe"]}),
        ("type is an object", {"type": {}}),
        ("connection_init payload", {"type": "connection_init", "payload": "x"}),
        ("ping payload", {"type": "ping", "payload": "x"}),
        ("pong payload", {"type": "pong", "payload": []}),
        ("complete without id", {"type": "complete"}),
        ("complete of a list", {"type": "complete", "id": []}),
        ("no id", {"type": "subscribe", "payload": {"query": "{hello}"}}),
        ("numeric id", {"type": "subscribe", "id": 1, "payload": {"query": "{hello}"}}),
        ("null id", {"type": "subscribe", "id": None, "payload": {"query": "{hello}"}}),
        ("empty id", {"type": "subscribe", "id": "", "payload": {"query": "{hello}"}}),
        ("list id", {"type": "subscribe", "id": [], "payload": {"query": "{hello}"}}),
        ("no payload", {"type": "subscribe", "id": "1"}),
        ("null payload", {"type": "subscribe", "id": "1", "payload": None}),
        ("string payload", {"type": "subscribe", "id": "1", "payload": "{hello}"}),
        ("no query", {"type": "subscribe", "id": "1", "payload": {}}),
        ("null query", subscribe(None)),  # type: ignore[arg-type]
        ("numeric query", subscribe(5)),  # type: ignore[arg-type]
        ("list variables", subscribe("{hello}", variables=[])),
        ("string variables", subscribe("{hello}", variables="{}")),
        ("string extensions", subscribe("{hello}", extensions="x")),
        ("numeric operationName", subscribe("{hello}", operationName=5)),
    ],
)
async def test_an_odd_message_closes_with_4400(
    port: int, caplog: pytest.LogCaptureFixture, case: str, message: Any
) -> None:
    async with known(port) as socket:
        await tell(socket, message)
        assert (await closed(socket))[0] == 4400, case
    assert not caplog.records


async def test_binary_messages_close_with_4400(port: int) -> None:
    async with known(port) as socket:
        await socket.send(b"{}")
        assert (await closed(socket))[0] == 4400


async def test_the_order_of_messages(port: int) -> None:
    async with raw(port) as socket:
        await tell(socket, subscribe("{hello}"))
        assert (await closed(socket))[0] == 4401
    async with known(port) as socket:
        await tell(socket, {"type": "connection_init"})
        assert (await closed(socket))[0] == 4429
    async with known(port) as socket:
        name = "é" * 200
        await tell(socket, subscribe('subscription{forever(name:"twice")}', name))
        assert (await said(socket))["type"] == "next"
        await tell(socket, subscribe("{hello}", name))
        code, reason = await closed(socket)
        assert (code, reason.startswith("Subscriber for é")) == (4409, True)


async def test_a_socket_must_introduce_itself_soon(port: int) -> None:
    async with raw(port) as socket:
        began = time.monotonic()
        assert (await closed(socket))[0] == 4408
        assert time.monotonic() - began > 4


@pytest.mark.parametrize("subprotocols", [None, [Subprotocol("graphql-ws")]])
async def test_other_subprotocols_are_refused(port: int, subprotocols: list[Subprotocol] | None) -> None:
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=subprotocols) as socket:
        assert (await closed(socket))[0] == 4406


async def test_any_page_may_connect(port: int) -> None:
    async with known(port, origin="https://shop.example") as socket:
        assert socket.subprotocol == PROTOCOL


async def test_pongs_carry_the_payload_of_the_ping(port: int) -> None:
    async with raw(port) as socket:
        await tell(socket, {"type": "ping", "payload": {"a": [1]}})
        assert await said(socket) == {"type": "pong", "payload": {"a": [1]}}
        await tell(socket, {"type": "ping"})
        assert await said(socket) == {"type": "pong"}
        await tell(socket, {"type": "pong"})
        await tell(socket, {"type": "complete", "id": "unknown"})
        await tell(socket, {"type": "ping", "payload": None})
        assert await said(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("query", "more", "code"),
    [
        ("{hello", {}, "GRAPHQL_PARSE_FAILED"),
        ("", {}, "BAD_REQUEST"),
        ("{absent}", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A{hello}", {"operationName": "B"}, "UNKNOWN_OPERATION"),
        ("query A{hello} query B{hello}", {}, "OPERATION_NAME_REQUIRED"),
        ("query($n:String!){hello(name:$n)}", {"variables": {"n": 5}}, "INVALID_INPUT"),
        ("subscription($n:Int!){count(to:$n)}", {"variables": {"n": "x"}}, "INVALID_INPUT"),
        ("{tree{" + "name " * 1001 + "}}", {}, "QUERY_TOO_COMPLEX"),
    ],
)
async def test_a_bad_operation_ends_alone(port: int, query: str, more: dict[str, Any], code: str) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe(query, **more))
        message = await said(socket)
        while message["type"] == "next":
            assert message["payload"]["data"] is None
            message = {"type": "error", "payload": message["payload"]["errors"]}
        assert message["type"] == "error"
        assert [each["extensions"]["code"] for each in message["payload"]] == [code]
        await tell(socket, subscribe("{hello}", "2"))
        messages = [await said(socket) for _ in range(2)]
        assert {"id": "2", "type": "next", "payload": {"data": {"hello": "hello world"}}} in messages


@pytest.mark.parametrize(("how", "code"), [("refused", "FORBIDDEN"), ("defect", "INTERNAL_SERVER_ERROR")])
async def test_errors_of_a_subscription_are_coded_and_masked(port: int, how: str, code: str) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe(f'subscription{{failing(how:"{how}")}}'))
        assert (await said(socket))["payload"] == {"data": {"failing": 1}}
        failure = await said(socket)
        assert [each["extensions"]["code"] for each in failure["payload"]["errors"]] == [code]
        assert "secret" not in json.dumps(failure)
        assert (await said(socket))["type"] == "complete"


async def test_extensions_reach_the_schema(port: int, client: httpx.AsyncClient) -> None:
    extensions = {"persistedQuery": {"version": 1}}
    async with known(port) as socket:
        await tell(socket, subscribe("{extensions}", extensions=extensions))
        assert (await said(socket))["payload"]["data"] == {"extensions": extensions}
    response = await client.post("/graphql", json={"query": "{extensions}", "extensions": extensions})
    assert response.json()["data"] == {"extensions": extensions}


async def test_operations_are_limited_per_socket(port: int) -> None:
    async with known(port) as socket:
        for number in range(SOCKET_OPERATIONS_MAX):
            await tell(socket, subscribe('subscription{forever(name:"many")}', str(number)))
            assert (await said(socket))["type"] == "next"
        await tell(socket, subscribe("{hello}", "more"))
        message = await said(socket)
        assert (message["id"], message["type"]) == ("more", "error")
        assert message["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await tell(socket, {"type": "complete", "id": "0"})
        await tell(socket, subscribe("{hello}", "more"))
        assert (await said(socket))["type"] == "next"


async def test_messages_are_limited(port: int) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe("x" * SOCKET_MESSAGE_BYTES_MAX))
        assert (await closed(socket))[0] == 1009
    async with known(port) as socket:
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await tell(socket, {"type": "pong"})
        assert (await closed(socket))[0] == 1008


async def test_complete_and_leaving_end_the_subscription(port: int) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe('subscription{forever(name:"completed")}'))
        await said(socket)
        await tell(socket, {"type": "complete", "id": "1"})
        assert await ended("completed")
        await tell(socket, subscribe('subscription{forever(name:"left")}'))
        await said(socket)
        socket.transport.abort()
    assert await ended("left")


async def test_the_socket_ends_with_its_credential(port: int) -> None:
    async with known(port, {"token": "short"}) as socket:
        await tell(socket, subscribe('subscription{forever(name:"expired")}'))
        assert (await closed(socket))[0] == 4403
    assert await ended("expired")


async def test_the_socket_ends_when_its_credential_is_revoked(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.api.credentials.RECHECK_SECONDS", 0.2)
    async with known(port, {"token": "soon revoked"}) as socket:
        await asyncio.sleep(0.5)
        await tell(socket, {"type": "ping"})
        assert await said(socket) == {"type": "pong"}
        SEEN.revoked.add("soon revoked")
        assert (await closed(socket))[0] == 4403


async def test_a_client_that_does_not_read_is_dropped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.api.websocket.SEND_SECONDS_MAX", 1.0)
    lazy = socket.create_connection(("127.0.0.1", port))
    lazy.setblocking(False)
    async with known(port, sock=lazy, max_queue=1, ping_interval=None) as client:
        await tell(client, subscribe('subscription{flood(name:"unread")}'))
        client.transport.pause_reading()
        assert connected(lazy.getsockname()[1])
        assert await ended("unread")
        await asyncio.sleep(0.2)
        assert not connected(lazy.getsockname()[1])
        client.transport.resume_reading()
        assert (await closed(client))[0] == 1006


async def test_the_gql_client(url: str) -> None:
    transport = WebsocketsTransport(url=url.replace("http", "ws", 1), init_payload={"token": "ann"})
    async with Client(transport=transport) as session:
        counted = [each["count"] async for each in session.subscribe(gql("subscription{count(to:3)}"))]
        assert counted == [0, 1, 2]
        assert await session.execute(gql("{whoami}")) == {"whoami": "ann by websocket"}


async def test_a_plain_request_beside_a_flood(client: httpx.AsyncClient, port: int) -> None:
    async with known(port) as socket:
        await tell(socket, subscribe('subscription{flood(name:"beside")}'))
        for _ in range(20):
            await said(socket)
        response = await client.post("/graphql", json={"query": "{hello}"}, timeout=5)
        assert response.status_code == 200
        # Reading what the flood has left before the closing handshake would take its time.
        socket.transport.abort()
    assert await ended("beside")


async def test_other_handshakes_are_no_trouble(port: int) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://127.0.0.1:{port}/elsewhere", subprotocols=[PROTOCOL]):
            pass
