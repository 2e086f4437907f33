"""Clients that leave in the middle: whatever they had begun ends, and no connection to PostgreSQL stays behind."""

import asyncio
import random

import httpx
import msgspec

from tests.ops.conftest import RECORD, SCREEN, Running, Shop, Start, as_owner, purchase, record
from tests.ops.test_endpoints import measure

REQUESTS = 2_000
AT_ONCE = 50
SECONDS_MAX = 0.03
SECONDS_PATIENCE = 200


def request(number: int, key: str) -> bytes:
    """Every second one a mutation."""
    events = {"input": {"events": [purchase(f"cancelled-{number}", member=f"member-{number % 50}")]}}
    given = {"query": RECORD, "variables": events} if number % 2 else {"query": SCREEN}
    body = msgspec.json.encode(given)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def leave(running: Running, chance: random.Random, number: int, key: str) -> None:
    """Ask, and go away before the answer, mostly; sometimes in the middle of the request."""
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    whole = request(number, key)
    writer.write(whole if chance.random() < 0.95 else whole[: len(whole) // 2])
    await writer.drain()
    await asyncio.sleep(chance.uniform(0.0, SECONDS_MAX))
    writer.transport.abort()


async def test_cancelled_requests_leak_no_connection(shop: Shop, start: Start) -> None:
    # Without a worker: what is in use is in use for requests.
    running = start(shop, "serve", "--no-worker", LOG_LEVEL="warning")
    chance = random.Random(7)
    async with running.client(shop.key) as client:
        await record(client, purchase("first"))
        gate = asyncio.Semaphore(AT_ONCE)

        async def go(number: int) -> None:
            async with gate:
                await leave(running, chance, number, shop.key)

        await asyncio.gather(*(go(number) for number in range(REQUESTS)))
        await until_quiet(client)
        found = await measure(client)
        answers = await asyncio.gather(*(record(client, purchase(f"after-{each}")) for each in range(20)))
    assert found["engagement_database_connections_in_use",] == 0
    assert {answer["receipts"][0]["status"] for answer in answers} == {"APPLIED"}
    # They were real requests: most were run to their end, with or without their callers.
    assert requests_ended(found) > REQUESTS / 2
    owner = await as_owner(shop)
    held = await owner.fetch(
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND usename = 'engagement_app'"
    )
    assert len(held) <= found["engagement_database_connections_max",]
    # All or nothing: each event that was taken has been folded into its member.
    taken = await owner.fetchval("SELECT count(*) FROM event")
    folded = await owner.fetchval("SELECT count(*) FROM activity WHERE event_id IS NOT NULL")
    await owner.close()
    assert taken == folded > 20
    assert [line for line in running.lines() if line["level"] == "error"] == []


async def until_quiet(client: httpx.AsyncClient) -> None:
    """Until no request ends any more and none is at work; hanging shows as the end of patience."""
    before = -1.0
    async with asyncio.timeout(SECONDS_PATIENCE):
        while True:
            found = await measure(client)
            ended = requests_ended(found)
            at_work = found["engagement_database_connections_in_use",]
            if ended == before and at_work + found["engagement_database_connections_waiting",] == 0:
                return
            before = ended
            await asyncio.sleep(0.5)


def requests_ended(found: dict[tuple[str, ...], float]) -> float:
    return sum(value for name, value in found.items() if name[0] == "engagement_requests_total")
