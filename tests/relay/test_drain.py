"""The outbox: emptied at once while all is well, and by a sweep after whatever went wrong."""

import asyncio
import signal
import time
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from engagement.records.programs import Program
from engagement.records.unit import Database
from engagement.relay.boards import Boards
from engagement.relay.drain import BATCH, Drain
from engagement.relay.live import board_channel, channel
from engagement.relay.redis import Link
from tests.relay.conftest import Server, until
from tests.relay.scores import BOARD, CONTEST, NOON, left, score, truth, withdraw

SECOND = timedelta(seconds=1)


async def agree(records: Database, boards: Boards, program: Program) -> bool:
    """Whether Redis and the tables hold the same board."""
    everybody = await truth(records, program.id)
    return await boards.top(program.id, CONTEST, len(everybody) + 1) == everybody


async def test_a_board_read_after_settling_shows_the_score(
    records: Database, program: Program, boards: Boards, drain: Drain
) -> None:
    await boards.fill(program.id)
    for version in range(1, 50):
        await score(records, program.id, {"ada": (version, NOON)}, version)
        assert await drain.settled(program.id)
        (place,) = await boards.top(program.id, CONTEST, 1)
        assert place.score == version
    await withdraw(records, program.id, "ada", 50)
    assert await drain.settled(program.id)
    assert await boards.total(program.id, CONTEST) == 0


@pytest.mark.usefixtures("drain")
async def test_what_was_sent_is_deleted(records: Database, program: Program) -> None:
    for version in range(1, 20):
        await score(records, program.id, {"ada": (version, NOON)}, version)

    async def empty() -> bool:
        return await left(records, program.id) == 0

    await until(empty)


async def test_stopping_sends_and_deletes_what_is_at_hand(
    records: Database, program: Program, boards: Boards, drain: Drain
) -> None:
    await boards.fill(program.id)
    await asyncio.gather(*(score(records, program.id, {f"m{number}": (number, NOON)}) for number in range(50)))
    await drain.stop()
    assert await left(records, program.id) == 0
    assert await agree(records, boards, program)
    # What comes later is left to a sweep.
    await score(records, program.id, {"ada": (1, NOON)})
    assert await left(records, program.id) == 1


async def test_members_listeners_are_told(records: Database, program: Program, redis: Redis, drain: Drain) -> None:
    ids = await score(records, program.id, {"ada": (1, NOON)}, 1)
    assert await drain.settled(program.id)
    async with redis.pubsub() as told:
        await told.subscribe(channel(program.id, ids["ada"]))
        await score(records, program.id, {"ada": (2, NOON)}, 2)

        async def heard() -> bool:
            message = await told.get_message(ignore_subscribe_messages=True, timeout=1.0)
            return message is not None and message["data"] == "2"

        await until(heard)


async def test_boards_listeners_are_told(records: Database, program: Program, redis: Redis, drain: Drain) -> None:
    await score(records, program.id, {"ada": (1, NOON)}, 1)
    assert await drain.settled(program.id)

    async def empty() -> bool:
        return await left(records, program.id) == 0

    await until(empty)
    async with redis.pubsub() as told:
        await told.subscribe(board_channel(program.id, BOARD[0]))

        async def heard() -> bool:
            return await told.get_message(ignore_subscribe_messages=True, timeout=1.0) is not None

        await score(records, program.id, {"ada": (2, NOON), "bob": (2, NOON)}, 2)
        await until(heard)
        # Several scores of a board are one piece of news.
        assert not await heard()
        await withdraw(records, program.id, "ada", 3)
        await until(heard)


async def test_a_sweep_sends_what_another_process_left(
    records: Database, program: Program, boards: Boards, link: Link
) -> None:
    await boards.fill(program.id)
    # Nobody was woken: the process died after its commit.
    for number in range(BATCH + 3):
        await score(records, program.id, {f"m{number % 7}": (number, NOON + number * SECOND)}, number)
    sweeper, other = Drain(records, link), Drain(records, link)
    assert await sweeper.sweep(older_than_seconds=60) == 0
    swept = await asyncio.gather(sweeper.sweep(older_than_seconds=0), other.sweep(older_than_seconds=0))
    # Each row by one of them alone.
    assert sum(swept) == BATCH + 3
    assert await left(records, program.id) == 0
    assert await agree(records, boards, program)


async def test_a_sweep_does_not_bring_back_what_is_gone(
    records: Database, program: Program, boards: Boards, link: Link, redis: Redis
) -> None:
    await score(records, program.id, {"ada": (1, NOON), "bob": (2, NOON)}, 1)
    drain = Drain(records, link)
    records.wake = drain.wake
    await withdraw(records, program.id, "ada", 2)
    assert await drain.settled(program.id)
    # The boards are filled by tables that know nothing of Ada, and Redis forgets that she was there.
    await redis.flushall()
    await boards.fill(program.id)
    await drain.sweep(older_than_seconds=0)
    assert await agree(records, boards, program)
    await drain.stop()


async def test_writing_goes_on_without_redis_and_nothing_is_lost(
    records: Database, program: Program, server: Server, link: Link, boards: Boards, drain: Drain
) -> None:
    await boards.fill(program.id)
    for kill in (True, False, True):
        if kill:
            server.kill()
        else:
            server.signal(signal.SIGSTOP)
        for number in range(20):
            # The first finds out; the others are told at once.
            assert link.up == (number == 0)
            await score(records, program.id, {f"m{number}": (number, NOON)}, time.monotonic_ns() // 1000)
            await drain.settled(program.id)
            assert await agree(records, boards, program)
        if kill:
            server.start()
        else:
            server.signal(signal.SIGCONT)

        async def recovered() -> bool:
            return await left(records, program.id) == 0 and await agree(records, boards, program)

        await until(recovered)


async def test_programs_do_not_wait_for_one_another_in_vain(records: Database, program: Program, drain: Drain) -> None:
    await score(records, program.id, {"ada": (1, NOON)})
    # A program that this process sent nothing for has nothing to wait for.
    assert await drain.settled(program.id + 1, timeout_seconds=0.0)
