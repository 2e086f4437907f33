"""SIGTERM: what is under way is finished, sockets and streams are told when to come back, and the process ends well."""

import asyncio
import time
from contextlib import suppress

import httpx
import msgspec

from tests.api.conftest import Service, following
from tests.ops.conftest import SECONDS, Running, Shop, Start, as_owner, purchase, record

CLIENTS = 16


async def ended(process: object) -> int:
    """The exit status."""
    status: int = await asyncio.to_thread(process.wait, SECONDS)  # type: ignore[attr-defined]
    return status


async def answered_live(running: Running) -> None:
    """Ask on a connection of its own."""
    async with running.client() as other:
        await other.get("/live")


async def refused(running: Running) -> None:
    """Wait until the service takes no new connection. One that it took while it closed may end without an answer."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await answered_live(running)
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                continue


async def stored(shop: Shop) -> set[str]:
    owner = await as_owner(shop)
    found = {row["id"] for row in await owner.fetch("SELECT id FROM event")}
    await owner.close()
    return found


async def test_mutations_under_way_are_finished_and_nothing_new_is_taken(shop: Shop, start: Start) -> None:
    running = start(shop)
    owner = await as_owner(shop)
    async with running.client(shop.key) as client:
        await record(client, purchase("first"))
        # As many connections stand open, so that requests are on their way as soon as they are sent.
        await asyncio.gather(*(client.get("/live") for _ in range(CLIENTS)))
        async with owner.transaction():
            # No batch can begin while the program's row is held.
            await owner.execute("SELECT FROM program WHERE id = $1 FOR UPDATE", shop.program.id)
            under_way = [asyncio.create_task(record(client, purchase(f"late-{each}"))) for each in range(CLIENTS)]
            await asyncio.sleep(0.5)
            # Whatever was there before this was read before it.
            await answered_live(running)
            running.terminate()
            await refused(running)
            assert not any(each.done() for each in under_way)
        answers = await asyncio.gather(*under_way)
    await owner.close()
    assert await ended(running.process) == 0
    assert {answer["receipts"][0]["status"] for answer in answers} == {"APPLIED"}
    assert await stored(shop) == {"first", *(f"late-{each}" for each in range(CLIENTS))}
    # What was recorded has left the house too.
    owner = await as_owner(shop)
    assert await owner.fetchval("SELECT count(*) FROM outbox") == 0
    await owner.close()


async def test_under_load_everything_recorded_was_answered(shop: Shop, start: Start) -> None:
    running = start(shop)
    answered: set[str] = set()
    plenty = asyncio.Event()

    async def send(name: int) -> None:
        async with running.client(shop.key) as client:
            with suppress(httpx.TransportError):
                for number in range(100_000):
                    identity = f"{name}-{number}"
                    answer = await record(client, purchase(identity, member=f"member-{name}"))
                    assert answer["receipts"][0]["status"] == "APPLIED"
                    answered.add(identity)
                    if len(answered) >= 20 * CLIENTS:
                        plenty.set()

    senders = [asyncio.create_task(send(each)) for each in range(CLIENTS)]
    async with asyncio.timeout(SECONDS):
        await plenty.wait()
    begun = time.monotonic()
    running.terminate()
    await asyncio.gather(*senders)
    assert await ended(running.process) == 0
    assert time.monotonic() - begun < 10
    assert await stored(shop) == answered
    assert [line for line in running.lines() if line["level"] == "error"] == []


async def test_sockets_and_streams_are_told_when_to_come_back(shop: Shop, start: Start) -> None:
    running = start(shop)
    async with running.client(shop.key) as client:
        await record(client, purchase("first"))
        service = Service(running.port, client, None, "")  # type: ignore[arg-type]
        updates = "subscription { memberUpdates { __typename } }"
        async with following(service, shop.token("ann")) as socket:
            await socket.update()
            headers = {"Authorization": f"Bearer {shop.token('ann')}", "Accept": "text/event-stream"}
            async with client.stream("POST", "/graphql", json={"query": updates}, headers=headers) as stream:
                texts = stream.aiter_text()
                while "next" not in await anext(texts):
                    pass
                begun = time.monotonic()
                running.terminate()
                told = "".join([text async for text in texts])
            assert await socket.closed() == 1001
            reason = socket._socket.close_reason
    assert 0 <= msgspec.json.decode(reason or "")["retryAfterMs"] <= 30_000
    # Without an end of its own, so that a client knows there was more to come.
    assert told.startswith("retry: ")
    assert "complete" not in told
    assert await ended(running.process) == 0
    assert time.monotonic() - begun < 5


async def test_a_client_that_does_not_listen_holds_nothing_up(shop: Shop, start: Start) -> None:
    running = start(shop)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        b"GET /graphql HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    assert b"101" in await reader.readline()
    begun = time.monotonic()
    running.terminate()
    assert await ended(running.process) == 0
    assert time.monotonic() - begun < 10
    writer.close()


async def test_a_worker_ends_well(shop: Shop, start: Start) -> None:
    running = start(shop, "worker")
    async with running.client() as client:
        assert (await client.get("/ready")).json()["status"] == "ready"
        while 'engagement_worker_rounds_total{outcome="done"} 0' in (await client.get("/metrics")).text:
            assert running.process.poll() is None
    running.terminate()
    assert await ended(running.process) == 0
    assert [line for line in running.lines() if line["level"] in {"warning", "error"}] == []
