"""Leaderboards: the same from Redis as from PostgreSQL, whatever becomes of Redis."""

import asyncio
import random
import signal
from datetime import datetime, timedelta
from itertools import permutations
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from achievements.ranking import Contest
from engagement.records.outcomes import Score
from engagement.records.programs import Program
from engagement.records.unit import Database
from engagement.relay import placing
from engagement.relay.boards import Boards
from engagement.relay.placing import Gone, Place
from engagement.relay.redis import Down, Link
from tests.relay.conftest import Server, until
from tests.relay.scores import BOARD, CONTEST, NOON, score, truth

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4)
# Few scores and instants, so that many tie; the largest score that a double still tells from its neighbour.
held = st.tuples(
    st.sampled_from([0, 1, 2, -1, 2**53 - 1, 2**53]), st.sampled_from([NOON, NOON + MICROSECOND, NOON - SECOND])
)


async def filled(redis: Redis, program: Program) -> bool:
    """Whether the boards of a program are complete in Redis."""
    return bool(await redis.exists(placing.mark(program.id)))


async def reads(boards: Boards, program_id: int, board: tuple[str, str], everybody: list[Place]) -> list[object]:
    """What every kind of read says of a board that `everybody` is on."""
    size, contest = len(everybody), Contest(*board)
    ranks = [(contest, each.external_id) for each in everybody]
    return [
        await boards.top(program_id, contest, size + 1),
        await boards.top(program_id, contest, 3, 2),
        await boards.around(program_id, contest, everybody[size // 2].external_id, 4),
        await boards.around(program_id, contest, everybody[-1].external_id, 3),
        await boards.around(program_id, contest, "nobody at all", 3),
        await boards.ranks(
            program_id, [*ranks, (contest, "nobody at all"), (Contest("none", "2026"), everybody[0].external_id)]
        ),
        await boards.total(program_id, contest),
    ]


def expected(everybody: list[Place]) -> list[object]:
    """The same, cut out of the whole board."""
    size, middle = len(everybody), len(everybody) // 2
    return [
        everybody,
        everybody[2:5],
        everybody[max(middle - 2, 0) : middle + 2],
        everybody[max(size - 2, 0) :],
        [],
        [*range(1, size + 1), None, None],
        size,
    ]


@given(first=st.dictionaries(ids, held, min_size=1, max_size=30), later=st.dictionaries(ids, held, max_size=10))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_redis_and_sql_rank_alike(
    records: Database,
    program: Program,
    boards: Boards,
    offline: Boards,
    redis: Redis,
    first: dict[str, tuple[int, datetime]],
    later: dict[str, tuple[int, datetime]],
) -> None:
    await redis.flushall()
    # Members stay from one example to the next; a board of its own has only this example's.
    board = ("points", uuid4().hex)
    await score(records, program.id, first, 1, board)
    await boards.fill(program.id)
    who = await score(records, program.id, later, 2, board)
    await boards.apply(program.id, [Score(*board, each, who[each], *held, 2) for each, held in later.items()], [])
    everybody = await truth(records, program.id, board)
    assert await filled(redis, program)
    assert await reads(boards, program.id, board, everybody) == expected(everybody)
    assert await reads(offline, program.id, board, everybody) == expected(everybody)


async def test_nobody_has_scored(program: Program, boards: Boards, offline: Boards) -> None:
    await boards.fill(program.id)
    for each in (boards, offline):
        assert await each.top(program.id, CONTEST, 10) == []
        assert await each.around(program.id, CONTEST, "ada", 5) == []
        assert await each.ranks(program.id, [(CONTEST, "ada")]) == [None]
        assert await each.ranks(program.id, []) == []
        assert await each.total(program.id, CONTEST) == 0


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
async def test_changes_may_come_in_any_order_and_twice(
    program: Program, boards: Boards, order: tuple[int, ...]
) -> None:
    await boards.fill(program.id)
    ada, bob = uuid4(), uuid4()
    before = [Score(*BOARD, "ada", ada, 7, NOON, 9), Score(*BOARD, "bob", bob, 7, NOON + MICROSECOND, 1)]
    changes: list[tuple[list[Score], list[Gone]]] = [
        (before, []),
        ([Score(*BOARD, "bob", bob, 9, NOON + SECOND, 2)], [Gone(*BOARD, "ada", 10)]),
        ([Score(*BOARD, "ada", ada, 8, NOON - SECOND, 11)], [Gone(*BOARD, "ada", 11)]),
    ]
    for number in (*order, *order):
        await boards.apply(program.id, *changes[number])
    assert await boards.top(program.id, CONTEST, 10) == [
        Place(1, "bob", 9, NOON + SECOND),
        Place(2, "ada", 8, NOON - SECOND),
    ]


async def test_a_score_that_is_gone_stays_gone(program: Program, boards: Boards) -> None:
    await boards.fill(program.id)
    late = Score(*BOARD, "ada", uuid4(), 7, NOON, 1)
    await boards.apply(program.id, [], [Gone(*BOARD, "ada", 2)])
    await boards.apply(program.id, [late], [])
    assert await boards.total(program.id, CONTEST) == 0


async def test_the_first_reader_starts_the_filling(
    records: Database, program: Program, boards: Boards, redis: Redis
) -> None:
    await score(records, program.id, {"ada": (1, NOON)})
    assert await boards.total(program.id, CONTEST) == 1
    await until(lambda: filled(redis, program))


async def test_a_large_board_is_filled_by_many_at_once(
    records: Database, program: Program, server: Server, boards: Boards
) -> None:
    await score(records, program.id, {f"m{number}": (number % 50, NOON) for number in range(6_000)})
    others = [Link(server.url) for _ in range(3)]
    await asyncio.gather(*(Boards(each, records).fill(program.id) for each in others), boards.fill(program.id))
    assert await boards.top(program.id, CONTEST, 6_000) == await truth(records, program.id)
    for each in others:
        await each.close()


async def test_an_emptied_redis_is_filled_again(
    records: Database, program: Program, boards: Boards, redis: Redis
) -> None:
    await score(records, program.id, {f"m{number}": (number % 50, NOON) for number in range(2_000)})
    everybody = await truth(records, program.id)
    # Emptied at any moment, also in the middle of a filling, a reader never sees a part of a board.
    for _ in range(20):
        assert await boards.top(program.id, CONTEST, 2_000) == everybody
        await asyncio.sleep(random.uniform(0, 0.05))
        await redis.flushall()
    await boards.fill(program.id)
    assert await boards.top(program.id, CONTEST, 2_000) == everybody


async def test_a_filling_that_dies_is_taken_over(
    records: Database, program: Program, boards: Boards, redis: Redis
) -> None:
    await score(records, program.id, {"ada": (1, NOON)})
    await redis.set(f"{{p{program.id}}}:filling", "somebody", px=300)
    await boards.fill(program.id)
    assert await filled(redis, program)


async def test_another_run_of_the_server_is_filled_anew(
    records: Database, program: Program, boards: Boards, redis: Redis
) -> None:
    await score(records, program.id, {"ada": (1, NOON)})
    await boards.fill(program.id)
    # As after a failover or a restart from an old copy: complete by its own account, and with what no longer is so.
    await redis.set(placing.mark(program.id), "an earlier run")
    await boards.apply(program.id, [], [Gone(*BOARD, "ada", 1)])
    assert await boards.total(program.id, CONTEST) == 1
    await boards.fill(program.id)
    assert await boards.top(program.id, CONTEST, 1) == await truth(records, program.id)


async def test_a_killed_server_costs_no_wrong_answer(
    records: Database, program: Program, server: Server, boards: Boards, redis: Redis
) -> None:
    await score(records, program.id, {"ada": (1, NOON), "bob": (2, NOON)})
    await boards.fill(program.id)
    everybody = await truth(records, program.id)
    for _ in range(5):
        server.kill()
        assert await boards.top(program.id, CONTEST, 10) == everybody
        server.start()
        assert await boards.top(program.id, CONTEST, 10) == everybody

    async def back() -> bool:
        assert await boards.top(program.id, CONTEST, 10) == everybody
        return await filled(redis, program)

    await until(back)


async def test_a_frozen_server_costs_one_reader_its_patience(
    records: Database, program: Program, server: Server, link: Link, boards: Boards
) -> None:
    await score(records, program.id, {"ada": (1, NOON)})
    await boards.fill(program.id)
    server.signal(signal.SIGSTOP)
    for number in range(10):
        # The first finds out; the others do not ask.
        assert link.up == (number == 0)
        assert await boards.total(program.id, CONTEST) == 1
    server.signal(signal.SIGCONT)

    async def up() -> bool:
        return link.up

    await until(up)
    assert await boards.total(program.id, CONTEST) == 1


async def test_without_redis_a_write_says_so(program: Program, offline: Boards) -> None:
    with pytest.raises(Down):
        await offline.fill(program.id)
    with pytest.raises(Down):
        await offline.apply(program.id, [], [Gone(*BOARD, "ada", 1)])


async def test_cancelled_readers_get_nobody_elses_answer(records: Database, program: Program, boards: Boards) -> None:
    names = [f"m{number}" for number in range(50)]
    await score(records, program.id, {who: (number, NOON) for number, who in enumerate(names)})
    await boards.fill(program.id)

    async def ask(number: int) -> None:
        (place,) = await boards.around(program.id, CONTEST, names[number], 1)
        assert place.external_id == names[number]

    for _ in range(20):
        tasks = [asyncio.create_task(ask(number)) for number in range(50)]
        await asyncio.sleep(random.uniform(0, 0.01))
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in outcomes} <= {type(None), asyncio.CancelledError}
    assert await boards.total(program.id, CONTEST) == 50
