"""F5 and F6: Redis is killed, emptied, frozen, or was never there; PostgreSQL is the truth, and nobody notices but by speed."""

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
from redis.asyncio import Redis

from stress.clients import TOP, caught_up, feed, finish, followers, sender
from stress.grocery import Grocer, differences, founded, shopping
from stress.processes import Api, defects
from stress.report import Report
from stress.servers import Both, both
from stress.traffic import Traffic, traffic

BOARD_SECONDS: Final = 30.0
START_SECONDS: Final = 5.0
CALM_SECONDS: Final = 2.0
AFTER_SECONDS: Final = 1.0
_PLACES: Final = """SELECT external_id, score FROM board_score JOIN member ON member.program_id = $1 AND member.id = member_id
  WHERE board_score.program_id = $1 AND board = 'all-time' ORDER BY score DESC, reached_at, 1 LIMIT 100"""

Fault = Callable[[Both, float], Awaitable[None]]


def lose_redis(seed: int, away_seconds: float = 10.0, frozen_seconds: float = 60.0) -> Report:
    """F5: Redis is killed and comes back empty, is emptied by FLUSHALL, and is frozen, each in the middle of traffic."""
    with both() as servers:
        api = Api(servers, "api")
        try:
            return asyncio.run(_lose_redis(servers, api, seed, away_seconds, frozen_seconds))
        finally:
            api.stop()


async def _lose_redis(servers: Both, api: Api, seed: int, away_seconds: float, frozen_seconds: float) -> Report:
    report = Report(f"Redis killed for {away_seconds:g} s, emptied, and frozen for {frozen_seconds:g} s")
    await api.start()
    async with traffic(servers, api, seed, "projected") as flow:
        begun = time.monotonic()
        async with flow.flowing():
            await asyncio.sleep(CALM_SECONDS)
        calm = flow.told.slow(0.99, begun, time.monotonic())
        report.told("p99 of mutations before", f"{calm * 1000:.0f} ms")
        await _fault(report, flow, calm, "killed", _killed, away_seconds)
        await _fault(report, flow, calm, "emptied", _emptied, 0.0)
        await _fault(report, flow, calm, "frozen", _frozen, frozen_seconds)
        failed = [each for each in (*flow.told.log, *flow.reads) if each.code != "OK"]
        report.equal("failed mutations and queries", len(failed), 0)
        await flow.conclude(report)
    return report


async def _fault(report: Report, flow: Traffic, calm: float, name: str, fault: Fault, seconds: float) -> None:
    begun = time.monotonic()
    async with flow.flowing():
        await asyncio.sleep(AFTER_SECONDS / 2)
        await fault(flow.grocer.servers, seconds)
        returned = time.monotonic()
        await asyncio.sleep(AFTER_SECONDS)
    slow = flow.told.slow(0.99, begun, time.monotonic())
    report.ratio(f"{name}: p99 of mutations, times that before", slow / calm, 2)
    right = await _boards_right(flow.grocer, flow.api)
    report.within(
        f"{name}: until the boards in Redis were as PostgreSQL says", right and right - returned, BOARD_SECONDS
    )
    report.equal(
        f"{name}: what the API says of a board", await _told(flow.grocer, flow.api), await _places(flow.grocer)
    )


async def _killed(servers: Both, seconds: float) -> None:
    servers.valkey.end(signal.SIGKILL)
    await asyncio.sleep(seconds)
    servers.valkey.start()
    await servers.valkey_answers()


async def _emptied(servers: Both, _seconds: float) -> None:
    redis: Redis = Redis.from_url(servers.redis_url)
    await redis.flushall()
    await redis.aclose()


async def _frozen(servers: Both, seconds: float) -> None:
    with servers.valkey.frozen():
        await asyncio.sleep(seconds)


async def _boards_right(grocer: Grocer, api: Api) -> float | None:
    """When (monotonic) every board in Redis was as PostgreSQL says; None where that does not come."""
    begun = time.monotonic()
    while time.monotonic() - begun < 2 * BOARD_SECONDS:
        # Readers have boards filled that are not.
        await _told(grocer, api)
        if not await grocer.wrong_boards():
            return time.monotonic()
        await asyncio.sleep(0.1)
    return None


async def _told(grocer: Grocer, api: Api) -> list[tuple[int, str, int]]:
    async with sender(grocer, api.url) as asking:
        board = (await asking.ask(TOP))["leaderboard"]
    return [(each["rank"], each["member"], each["score"]) for each in board["entries"]]


async def _places(grocer: Grocer) -> list[tuple[int, str, int]]:
    return [(rank, member, score) for rank, (member, score) in enumerate(await grocer.rows(_PLACES), 1)]


def start_without_redis(seed: int, events: int = 2_000) -> Report:
    """F6: the API starts while there is no Redis; which comes later."""
    with both() as servers:
        servers.valkey.end(signal.SIGKILL)
        api = Api(servers, "api")
        try:
            return asyncio.run(_start_without_redis(servers, api, seed, events))
        finally:
            api.stop()


async def _start_without_redis(servers: Both, api: Api, seed: int, count: int) -> Report:
    report = Report("the API started without a Redis, which came later")
    report.within("start of the process", await api.start(), START_SECONDS)
    report.equal("/ready", await _ready(api), (200, "degraded", "down"))
    grocer, quiet = await founded(servers, "alone"), await founded(servers, "quiet")
    events = shopping(seed, 30, count)
    head, rest = events[: count // 2], events[count // 2 :]
    async with sender(grocer, api.url) as told:
        await feed(told, head)
        report.equal("failed mutations", [each.code for each in told.log if each.code != "OK"], [])
        same = await _told(grocer, api) == await _places(grocer)
        report.equal("a board as the API tells it is as PostgreSQL says", same, wanted=True)
        async with followers(grocer, api.url, sorted({each["member"] for each in head})[:3]) as phones:
            await feed(told, rest)
            report.within("until the phones had caught up, without Redis", await caught_up(grocer, phones), 6)
            servers.valkey.start()
            await servers.valkey_answers()
            came = time.monotonic()
            right = await _boards_right(grocer, api)
            report.within("until the boards in Redis were right, once it came", right and right - came, BOARD_SECONDS)
            await finish(grocer, api.url)
            await caught_up(grocer, phones)
            report.equal("gaps in what the phones saw", [each.out_of_order for each in phones if each.out_of_order], [])
        report.equal("/ready", await _ready(api), (200, "ready", "up"))
        report.equal("failed mutations in the end", [each.code for each in told.log if each.code != "OK"], [])
    async with sender(quiet, api.url) as undisturbed:
        await feed(undisturbed, events)
    await finish(quiet, api.url)
    outcomes = [await each.outcomes(of_one_order=True) for each in (grocer, quiet)]
    report.equal("differences from a feed with Redis", differences(*outcomes), "none")
    report.equal("engagement verify", grocer.verify(), "alone: 30 members, no difference.")
    report.equal("defects in the log", defects(api.log), [])
    return report


async def _ready(api: Api) -> tuple[int, str, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(api.url.replace("/graphql", "/ready"))
    return reply.status_code, json.loads(reply.content)["status"], json.loads(reply.content)["redis"]
