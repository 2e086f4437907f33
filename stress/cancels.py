"""F2: clients that leave in the middle, by the thousand, over HTTP and over sockets; the pool of connections stays whole."""

import asyncio
import random
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from stress.clients import FOLLOW, RECORD, feed, sender
from stress.grocery import Event, Grocer, founded, shopping
from stress.processes import Api, defects
from stress.report import Report
from stress.servers import Both, both

AT_ONCE: Final = 25
STAY_SECONDS_MAX: Final = 0.06
SETTLE_SECONDS: Final = 20.0
_POOL: Final = "engagement_database_connections_in_use"
_MEMBERS: Final = """{ members(first: 20) { edges { node { externalId wallets { balance } streaks { current } } } } }"""
_BUSY: Final = """SELECT count(*) FROM pg_stat_activity
  WHERE application_name = 'engagement' AND state <> 'idle' AND pid <> pg_backend_pid() AND $1 > 0"""


def cancel(seed: int, leaving: int = 2_000) -> Report:
    """F2: requests, queries and subscriptions whose clients go away at any moment."""
    with both() as servers:
        api = Api(servers, "api")
        try:
            return asyncio.run(_cancel(servers, api, seed, leaving))
        finally:
            api.stop()


async def _cancel(servers: Both, api: Api, seed: int, leaving: int) -> Report:
    report = Report(
        f"{leaving} clients that leave: mutations and queries cut off, subscriptions completed, sockets dropped"
    )
    await api.start()
    grocer = await founded(servers, "cancelled")
    events, chance = shopping(seed, 40, leaving), random.Random(seed)
    async with sender(grocer, api.url) as told:
        await feed(told, events[:40])
        done = await _storm(grocer, api, events, chance)
        report.told("left in the middle of", ", ".join(f"{count} {kind}" for kind, count in sorted(done.items())))
        report.equal("clients that left", sum(done.values()), leaving)
        report.within("until no connection was in use", await _settled(grocer, api), 1)
        # More at once than the pool has connections: each of them is of use again.
        answers = await asyncio.gather(*(told.ask(_MEMBERS) for _ in range(30)))
        report.equal("queries answered at once afterwards", sum(bool(each["members"]["edges"]) for each in answers), 30)
        await feed(told, events)
        stored = await grocer.stored_ids()
        report.told("cut-off events that were taken", told.replays)
    report.equal("events stored, each once", sorted(stored) == [each["id"] for each in events], wanted=True)
    report.equal("bookings, each once", sorted(await grocer.effects()) == sorted(stored), wanted=True)
    report.equal("engagement verify", grocer.verify(), f"{grocer.name}: 40 members, no difference.")
    report.equal("defects in the log", defects(api.log), [])
    return report


async def _storm(grocer: Grocer, api: Api, events: list[Event], chance: random.Random) -> dict[str, int]:
    """As many clients as events, some at once; how many of which kind."""
    kinds = {"mutations": _mutation, "queries": _query, "subscriptions": _complete, "sockets": _drop}
    turns, done = iter(events), dict.fromkeys(kinds, 0)

    async def client() -> None:
        for event in turns:
            kind = chance.choice(list(kinds))
            stay = chance.uniform(0.0, STAY_SECONDS_MAX)
            await kinds[kind](grocer, api, event, stay)
            done[kind] += 1

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return done


async def _post(grocer: Grocer, api: Api, body: object, stay: float) -> None:
    """Send a request and break its connection after a moment."""
    where = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    content = msgspec.json.encode(body)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {grocer.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(reader.read(1), stay)
    writer.transport.abort()


async def _mutation(grocer: Grocer, api: Api, event: Event, stay: float) -> None:
    await _post(grocer, api, {"query": RECORD, "variables": {"input": {"events": [event]}}}, stay)


async def _query(grocer: Grocer, api: Api, _event: Event, stay: float) -> None:
    await _post(grocer, api, {"query": _MEMBERS}, stay)


async def _complete(grocer: Grocer, api: Api, event: Event, stay: float) -> None:
    """Subscribe and say after a moment that it was enough."""
    await _subscribe(grocer, api, event, stay, politely=True)


async def _drop(grocer: Grocer, api: Api, event: Event, stay: float) -> None:
    """Subscribe and break the connection after a moment."""
    await _subscribe(grocer, api, event, stay, politely=False)


async def _subscribe(grocer: Grocer, api: Api, event: Event, stay: float, *, politely: bool) -> None:
    url = "ws" + api.url.removeprefix("http")
    with suppress(OSError, WebSocketException, TimeoutError):
        async with connect(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None, close_timeout=1
        ) as socket:
            await _say(socket, {"type": "connection_init", "payload": {"token": grocer.key}})
            await socket.recv()
            payload = {"query": FOLLOW, "variables": {"member": event["member"]}}
            await _say(socket, {"id": "1", "type": "subscribe", "payload": payload})
            await asyncio.sleep(stay)
            if politely:
                await _say(socket, {"id": "1", "type": "complete"})
            else:
                socket.transport.abort()


async def _say(socket: ClientConnection, message: object) -> None:
    await socket.send(msgspec.json.encode(message).decode())


async def _settled(grocer: Grocer, api: Api) -> float | None:
    """How long until neither the process nor PostgreSQL knows a connection in use; None where that does not come."""
    begun = time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as http:
        while time.monotonic() - begun < SETTLE_SECONDS:
            looked = time.monotonic()
            text = (await http.get(api.url.replace("/graphql", "/metrics"))).text
            in_use = next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{_POOL} "))
            ((busy,),) = await grocer.rows(_BUSY)
            if in_use == 0 and busy == 0:
                return looked - begun
            await asyncio.sleep(0.05)
    return None
