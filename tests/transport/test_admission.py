import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from engagement.api.limits import OPERATIONS_MAX, OPERATIONS_WAIT_SECONDS
from tests.transport.sample import SEEN


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


async def leave_after_sending(port: int, text: str, begun: Callable[[], bool] = lambda: True) -> None:
    """Send an operation and cut the connection, once it has begun."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"query": text})
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write((head + body).encode())
    await writer.drain()
    await until(begun)
    writer.transport.abort()


@asynccontextmanager
async def full(port: int, name: str) -> AsyncIterator[None]:
    """As many operations in work as there may be, none of which ends by itself."""
    names = [f"{name}-{number}" for number in range(OPERATIONS_MAX)]
    left = asyncio.Event()

    async def stay(each: str) -> None:
        await leave_after_sending(port, f'{{slow(name:"{each}")}}', left.is_set)

    async with asyncio.TaskGroup() as clients:
        for each in names:
            clients.create_task(stay(each))
        try:
            await until(lambda: set(names) <= set(SEEN.begun))
            yield
        finally:
            left.set()
    await until(lambda: set(names) <= set(SEEN.ended))


async def test_a_query_ends_when_its_client_leaves(port: int, client: httpx.AsyncClient) -> None:
    await leave_after_sending(port, '{slow(name:"left")}', lambda: "left" in SEEN.begun)
    await until(lambda: "left" in SEEN.ended)
    assert (await client.post("/graphql", json={"query": "{hello}"})).json() == {"data": {"hello": "hello world"}}


async def test_so_many_operations_are_in_work_and_the_next_is_told_to_come_back(
    port: int, client: httpx.AsyncClient
) -> None:
    async with (
        full(port, "full"),
        connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket,
    ):
        await socket.send('{"type": "connection_init"}')
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        begun = time.monotonic()
        await socket.send('{"id": "1", "type": "subscribe", "payload": {"query": "{hello}"}}')
        reply = await client.post("/graphql", json={"query": 'mutation{write(key:"too many")}'})
        assert OPERATIONS_WAIT_SECONDS - 0.1 < time.monotonic() - begun < OPERATIONS_WAIT_SECONDS + 5
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        [error] = reply.json()["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("OVERLOADED", True)
        told = json.loads(await socket.recv())
        assert (told["type"], told["payload"][0]["extensions"]["code"]) == ("error", "OVERLOADED")
    assert "too many" not in SEEN.written
    assert (await client.post("/graphql", json={"query": "{hello}"})).status_code == 200


async def test_who_waits_and_leaves_is_never_begun(port: int, client: httpx.AsyncClient) -> None:
    async with full(port, "waiting"):
        await leave_after_sending(port, 'mutation{write(key:"left while it waited")}')
        waiting = asyncio.create_task(client.post("/graphql", json={"query": 'mutation{write(key:"stayed")}'}))
        await asyncio.sleep(0.5)
    assert (await waiting).json() == {"data": {"write": "stayed"}}
    assert "left while it waited" not in SEEN.written


async def test_a_subscription_keeps_no_place(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send('{"type": "connection_init"}')
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        wanted = {"query": "subscription{count(to:1, wait:3600)}"}
        for number in range(19):
            await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": wanted}))
        async with full(port, "beside subscriptions"):
            pass
