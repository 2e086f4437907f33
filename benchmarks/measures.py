"""Each thing that is measured, on a stand. Rates come with the latencies and the use of the machine that went with them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from msgspec.structs import replace

from benchmarks import crowd, documents
from benchmarks.figures import Figure, median
from benchmarks.load import HOST, Load
from benchmarks.stand import REWARDS, Ran, Served, Stand, member_tokens, memory, processes, send
from benchmarks.synthetic import BEGINNING, Shoppers
from engagement.cli.client import Client

BATCH: Final = 500
CLIENTS: Final = 16
LANES: Final = 4
"""Requests of `BATCH` events that are under way side by side."""
SCREENS: Final = 400
"""Members whose screens are asked for in turn."""
SPENDERS: Final = tuple(f"spender-{number}" for number in range(400))
"""Members who redeem in turn, and are rich."""
AT_MOST: Final = 15_000
"""Events a second for which requests are prepared: more than any run has come to."""


@dataclass(frozen=True)
class Rate:
    """One kind of load: the document, how many events a request (0: none), how many clients, and how many rewards are redeemed."""

    name: str
    document: str
    batch: int
    clients: int
    rewards: int = 0


RATES: Final = (
    Rate("batch", documents.EFFECTS, BATCH, LANES),
    Rate("batch-ids", documents.IDS, BATCH, LANES),
    Rate("single", documents.EFFECTS, 1, CLIENTS),
    Rate("me", documents.ME, 0, CLIENTS),
    Rate("redeem", documents.REDEEM, 0, CLIENTS, len(REWARDS)),
    Rate("redeem-one", documents.REDEEM, 0, CLIENTS, 1),
)


class Shop:
    """A served grocer with its shoppers. Each load goes on where the one before ended."""

    def __init__(self, service: Served, members: int, start: int = 0) -> None:
        self._service = service
        self._shoppers = Shoppers(members)
        self.used = start

    def open(self, events: int) -> None:
        """Give the members a history."""
        self._send(Load(self._service.port, documents.IDS, LANES, 0, batch=BATCH), events)

    def run(self, rate: Rate, seconds: float) -> Ran:
        """One load."""
        load = Load(self._service.port, rate.document, rate.clients, seconds, batch=rate.batch)
        if rate.rewards:
            asyncio.run(self._enrich())
            load = replace(load, rewards=tuple(str(each["key"]) for each in REWARDS[: rate.rewards]), spenders=SPENDERS)
            return self._send(load, int(seconds * AT_MOST / 3))
        if rate.batch:
            return self._send(load, int(seconds * AT_MOST) if rate.batch > 1 else int(seconds * AT_MOST / 3))
        names = {event["member"] for event in self._shoppers.events(0, SCREENS)}
        return send(self._service, replace(load, tokens=asyncio.run(member_tokens(self._service, sorted(names)))))

    async def _enrich(self) -> None:
        """Let the spenders have points, once."""
        at = BEGINNING.isoformat()
        events = [
            {
                "id": f"rich-{each}",
                "member": each,
                "type": "purchase",
                "occurredAt": at,
                "properties": {"amount": "10000"},
            }
            for each in SPENDERS
        ]
        async with Client(f"http://{HOST}:{self._service.port}/graphql", self._service.key) as client:
            await client.settle(documents.IDS, {"input": {"events": events}}, "recordEvents")

    def _send(self, load: Load, events: int) -> Ran:
        whole = replace(load, key=self._service.key, members=self._shoppers.members, start=self.used, events=events)
        self.used += events
        return send(self._service, whole)


def told(rate: Rate, runs: Sequence[Ran], base: Figure | None) -> list[Figure]:
    """The figures of several runs of one load: its rate, then latencies and shares."""
    unit = "events/s" if rate.batch else "requests/s"
    counts = [run.sent.events or run.sent.requests for run in runs]
    found = [median(rate.name, [count / run.sent.seconds for count, run in zip(counts, runs, strict=True)], unit, base)]
    found.append(median(f"{rate.name} p50", [run.sent.p50 for run in runs], "ms"))
    found.append(median(f"{rate.name} p99", [run.sent.p99 for run in runs], "ms"))
    for name in ("api", "postgres", "valkey", "load"):
        used = [100 * getattr(run.shares, name) / run.sent.seconds for run in runs]
        found.append(median(f"{rate.name} cpu of {name}", used, "% of a core"))
    return found


def held(service: Served) -> list[Figure]:
    """Memory at the end of the loads."""
    found = processes()
    return [
        Figure(f"memory of {name}", memory(pids) / 2**20, "MiB")
        for name, pids in (
            ("api", [service.pid]),
            ("postgres", found.get("postgres", [])),
            ("valkey", found.get("valkey-server", [])),
        )
    ]


async def stored(on: Stand) -> tuple[int, int]:
    """The bytes of all tables with their indexes, and the events in them."""
    owner = await asyncpg.connect(on.endpoints.database_owner_url, server_settings={"app.program": "1"})
    try:
        size = await owner.fetchval(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return size, await owner.fetchval("SELECT count(*) FROM event")
    finally:
        await owner.close()


def grow(on: Stand, few: int, used: int, members: int) -> int:
    """Make a crowd of `few`, who shopped `used` times, into one of `members`; the number of its next event."""
    asyncio.run(crowd.multiply(on.endpoints.database_owner_url, few, members // few))
    return crowd.moment_after(few, used, members)
