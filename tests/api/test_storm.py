"""A storm of clients that do not wait for their answers, on a service in a process of its own."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from engagement.cli.hosting import hosted
from engagement.cli.session import Servers
from engagement.embedded import Endpoints
from engagement.records import credentials
from engagement.records.unit import ALL, Database
from tests.api.conftest import NOON, RECORD, START, House, Service, _number_programs_from, founded
from tests.conftest import Urls

LEFT = 2_000
AT_ONCE = 400
STAY_SECONDS_MAX = 0.03
READS = 40
READS_SECONDS_MAX = 12.0
"""Generous: a storm that runs to its end takes over half a minute."""

MEMBERS = """{ members(first: 50) { edges { node {
  externalId wallets { currency balance } badges { key level } streaks { current }
} } } }"""
SMALL = '{ member(externalId: "m0") { externalId } }'


@pytest.fixture
async def apart(endpoints: Endpoints, database: Urls) -> AsyncIterator[House]:
    """A grocer with fifty members, served by another process."""
    await _number_programs_from(database.owner, secrets.randbelow(2**30))
    back_door = await Database.open(database.app, max_connections=2)
    operator = await back_door.run(lambda unit: credentials.create(unit, None, "operator", ()), ALL)
    with hosted(Servers(database.app, endpoints.redis_url, None)) as served:
        address = urlsplit(served.url)
        async with httpx.AsyncClient(base_url=f"http://{address.netloc}", timeout=30, trust_env=False) as client:
            house = await founded(Service(address.port or 0, client, back_door, operator), {"clock": START})
            await house.record(*(purchase(f"m{number}", f"first-{number}") for number in range(50)))
            yield house
    await back_door.close()


def purchase(member: str, identity: str) -> dict[str, object]:
    given = {"id": identity, "member": member, "type": "purchase", "occurredAt": NOON}
    return {**given, "properties": {"amount": 3}}


async def leave(house: House, number: int, chance: random.Random) -> None:
    """Ask for what is much work, and go before the answer."""
    events = [purchase(f"m{chance.randrange(50)}", f"left-{number}-{each}") for each in range(5)]
    given = {"query": RECORD, "variables": {"input": {"events": events}}} if number % 3 else {"query": MEMBERS}
    body = msgspec.json.encode(given)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: storm\r\nAuthorization: Bearer {house.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", house.service.port)
    writer.write(head.encode() + body)
    await writer.drain()
    await asyncio.sleep(chance.uniform(0.0, STAY_SECONDS_MAX))
    writer.transport.abort()


async def test_small_reads_are_answered_soon_after_a_storm(apart: House) -> None:
    chance, gate = random.Random(5), asyncio.Semaphore(AT_ONCE)
    assert "errors" not in await apart.ask(MEMBERS)

    async def client(number: int) -> None:
        async with gate:
            await leave(apart, number, chance)

    await asyncio.gather(*(client(number) for number in range(LEFT)))
    begun = time.monotonic()
    for _ in range(READS):
        reply = await apart.ask(SMALL)
        assert "data" in reply or reply["errors"][0]["extensions"]["code"] == "OVERLOADED", reply
    print(f"{READS} small reads took {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < READS_SECONDS_MAX
    # More at once than the pool has connections, and than are let in: each place and each connection is of use again.
    together = await asyncio.gather(*(apart.ask(SMALL) for _ in range(150)))
    assert [each for each in together if each != {"data": {"member": {"externalId": "m0"}}}] == []
