"""F9: every event is delivered one to five times, shuffled, at once, to two API processes with a worker beside them."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

from stress.clients import Sender, feed, finish, sender
from stress.grocery import Event, Grocer, differences, founded, shopping
from stress.processes import Api, defects, worker
from stress.report import Report
from stress.servers import Both, both

AT_ONCE: Final = 8
REQUEST_EVENTS_MAX: Final = 25
COPIES_MAX: Final = 5
SENT_SECONDS: Final = 30.0


def deliver_again(seed: int, events: int = 6_700) -> Report:
    """F9: each event 1 to 5 times, in any order, in parallel across two API processes, with a worker, on one database."""
    with both() as servers, worker(servers, "worker") as log:
        apis = [Api(servers, f"api-{number}", worker=False) for number in range(2)]
        try:
            report = asyncio.run(_deliver_again(servers, apis, seed, events))
        finally:
            for api in apis:
                api.stop()
        report.equal("defects in the logs", defects(log, *(each.log for each in apis)), [])
        return report


async def _deliver_again(servers: Both, apis: Sequence[Api], seed: int, count: int) -> Report:
    chance, events = random.Random(seed), shopping(seed, 60, count)
    deliveries = [each for each in events for _ in range(chance.randint(1, COPIES_MAX))]
    chance.shuffle(deliveries)
    report = Report(f"{count:,} events delivered {len(deliveries):,} times, shuffled, {AT_ONCE} requests at once")
    await asyncio.gather(*(each.start() for each in apis))
    shuffled, ordered = await founded(servers, "shuffled"), await founded(servers, "ordered")
    async with sender(shuffled, *(each.url for each in apis)) as told:
        await _deliver(told, deliveries, chance)
        codes = told.codes()
        report.told("answers", ", ".join(f"{count} {code}" for code, count in sorted(codes.items())))
        report.equal("answers that said it was known", told.replays, len(deliveries) - count)
        report.equal("events of which two answers differ", len(told.contradictions), 0)
        report.equal("events refused", len(told.refused), 0)
    async with sender(ordered, apis[0].url) as told:
        await feed(told, events, size=100)
    for each in (shuffled, ordered):
        await finish(each, apis[1].url)
    await _compare(report, shuffled, ordered, events)
    report.within("until the outbox was empty", await _all_sent(shuffled), 5)
    # Whoever reads has a board filled; both processes have to agree with PostgreSQL afterwards.
    report.equal("boards in Redis that are not as PostgreSQL says", await _wrong_boards(shuffled, apis), [])
    return report


async def _deliver(told: Sender, deliveries: Sequence[Event], chance: random.Random) -> None:
    requests, start = list[Sequence[Event]](), 0
    while start < len(deliveries):
        size = chance.randint(1, REQUEST_EVENTS_MAX)
        requests.append(deliveries[start : start + size])
        start += size
    turns = iter(requests)

    async def drive() -> None:
        for request in turns:
            await told.record_until_taken(request)

    await asyncio.gather(*(drive() for _ in range(AT_ONCE)))


async def _compare(report: Report, shuffled: Grocer, ordered: Grocer, events: Sequence[Event]) -> None:
    ids = [each["id"] for each in events]
    report.equal("events stored, each once", sorted(await shuffled.stored_ids()) == ids, wanted=True)
    report.equal("bookings, each once", sorted(await shuffled.effects()) == ids, wanted=True)
    outcomes = [await each.outcomes() for each in (shuffled, ordered)]
    report.equal("differences from one delivery in order", differences(*outcomes), "none")
    members = len({each["member"] for each in events})
    for each in (shuffled, ordered):
        report.equal(
            f"engagement verify, {each.name}", each.verify(), f"{each.name}: {members} members, no difference."
        )


async def _all_sent(grocer: Grocer) -> float | None:
    begun = time.monotonic()
    while (await grocer.rows("SELECT count(*) FROM outbox WHERE program_id = $1"))[0][0]:
        if time.monotonic() - begun > SENT_SECONDS:
            return None
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def _wrong_boards(grocer: Grocer, apis: Sequence[Api]) -> list[str]:
    begun, wrong = time.monotonic(), ["not looked at"]
    async with sender(grocer, *(each.url for each in apis)) as asking:
        while wrong and time.monotonic() - begun < SENT_SECONDS:
            await asking.ask('{ leaderboard(key: "all-time") { total } }')
            wrong = await grocer.wrong_boards()
    return wrong
