"""Wake-ups: quick while Redis is there, and never more than 5 seconds late when it is not."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from engagement.relay import live
from engagement.relay.live import Hub, board_channel, channel
from engagement.relay.redis import Link
from tests.relay.conftest import Server, until

ADA, BOB = uuid4(), uuid4()
PATIENT_SECONDS = 60.0


@pytest.fixture
async def hub(link: Link, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """A hub that hears, and that doubts nothing because this machine is slow."""
    for patience in ("POLL_SECONDS", "QUIET_SECONDS", "CONFIRM_SECONDS"):
        monkeypatch.setattr(live, patience, PATIENT_SECONDS)
    made = Hub(link)
    await made.start()

    # Its connection being there is not enough: between that and its first word, whoever listens is told to look.
    async def hears() -> bool:
        async with made.subscribe(0, ADA) as probe:
            await redis.publish(channel(0, ADA), 1)
            return await probe.next(0.1) == 1

    await until(hears)
    yield made
    await made.stop()


async def test_who_listens_to_a_member_is_woken(hub: Hub, redis: Redis) -> None:
    async with hub.subscribe(1, ADA) as ada, hub.subscribe(1, ADA) as again, hub.subscribe(1, BOB) as bob:
        await redis.publish(channel(1, ADA), 7)
        assert await ada.next() == 7
        assert await again.next() == 7
        assert await bob.next(0.05) is None
        # Another program's member may have the same id.
        await redis.publish(channel(2, ADA), 8)
        assert await ada.next(0.05) is None


async def test_who_listens_to_a_board_is_woken(hub: Hub, redis: Redis) -> None:
    async with hub.subscribe_to_board(1, "monthly") as monthly, hub.subscribe_to_board(1, "ever") as ever:
        await redis.publish(board_channel(1, "monthly"), 0)
        assert await monthly.next() == 0
        assert await ever.next(0.05) is None


async def test_many_wake_ups_are_one(hub: Hub, redis: Redis) -> None:
    async with hub.subscribe(1, ADA) as ada:
        await redis.publish(channel(1, ADA), 3)
        await redis.publish(channel(1, ADA), 5)
        # Both have been heard when this, which comes after them on the same connection, has.
        async with hub.subscribe(1, BOB):
            pass
        assert await ada.next() == 5
        assert await ada.next(0.05) is None


async def test_what_is_published_after_subscribing_is_heard(hub: Hub, redis: Redis) -> None:
    for seq in range(1, 200):
        async with hub.subscribe(1, ADA) as ada:
            assert await redis.publish(channel(1, ADA), seq) == 1
            assert await ada.next() == seq


async def test_nobody_is_listened_to_for_nobody(hub: Hub, redis: Redis) -> None:
    async with hub.subscribe(1, ADA):
        async with hub.subscribe(1, ADA):
            pass
        assert await redis.pubsub_channels() == [channel(1, ADA)]

    async def silent() -> bool:
        return await redis.pubsub_channels() == []

    await until(silent)


async def test_listeners_that_leave_at_any_moment_disturb_nobody(hub: Hub, redis: Redis) -> None:
    async def listen() -> None:
        async with hub.subscribe(1, BOB) as bob:
            await bob.next()

    async with hub.subscribe(1, ADA) as ada:
        for seq in range(100):
            tasks = [asyncio.create_task(listen()) for _ in range(5)]
            await asyncio.sleep(random.choice([0, 0.0005]))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await redis.publish(channel(1, ADA), seq)
            assert await ada.next() == seq


@pytest.mark.parametrize("frozen", [False, True])
async def test_a_lost_server_is_doubted_and_found_again(
    hub: Hub, server: Server, redis: Redis, monkeypatch: pytest.MonkeyPatch, *, frozen: bool
) -> None:
    monkeypatch.setattr(live, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(live, "POLL_SECONDS", 60)
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(hub.subscribe(1, ADA))
        others = [await stack.enter_async_context(hub.subscribe(1, uuid4())) for _ in range(live.CHANNELS + 10)]
        if frozen:
            server.signal(signal.SIGSTOP)
        else:
            server.kill()
        began = time.monotonic()
        assert await ada.next(60) is None
        assert time.monotonic() - began < 30
        if frozen:
            server.signal(signal.SIGCONT)
        else:
            server.start()

        async def heard() -> bool:
            return await redis.publish(channel(1, ADA), 9) == 1

        await until(heard)
        # The reconnection itself is doubtful; then hints are heard as before.
        while await ada.next() is not None:
            pass
        assert await others[-1].next() is None
        await redis.publish(channel(1, ADA), 10)
        assert await ada.next() in {9, 10}


async def test_without_redis_everybody_looks_now_and_then(absent: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 0.1)
    link = Link(absent.url)
    hub = Hub(link)
    await hub.start()
    async with hub.subscribe(1, ADA) as ada:
        began = time.monotonic()
        assert await ada.next(60) is None
        assert time.monotonic() - began < 30
    await hub.stop()
    await link.close()
