"""Boards whose ties share a rank, or go by id: read as the rules rank them, from Redis as from PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, get_args
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from achievements.ranking import Entry, Ties, ranked
from engagement.records import programs
from engagement.records.outcomes import Score
from engagement.records.programs import DefinitionVersion, Program
from engagement.records.unit import Database, Unit
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.placing import Place
from tests.relay.conftest import until
from tests.relay.scores import NOON, score

SECOND = timedelta(seconds=1)
WAYS: Final[tuple[Ties, ...]] = get_args(Ties)
TIES: Final[dict[str, Ties]] = {way: way for way in WAYS}
"""The boards of the tests are named by their ties."""

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4)
held = st.tuples(st.sampled_from([0, 1, 2, -1, 2**53]), st.sampled_from([NOON, NOON + SECOND, NOON - SECOND]))
scores = st.dictionaries(ids, held, min_size=1, max_size=20)


@pytest.fixture
async def defined(records: Database, program: Program) -> Program:
    """A program with a board for each way with ties."""

    async def publish(unit: Unit) -> None:
        bodies = {way: {"key": way, "measure": {"points": "points"}, "ties": way} for way in WAYS}
        new = [
            DefinitionVersion("leaderboard", way, 1, msgspec.json.encode(body), NOON) for way, body in bodies.items()
        ]
        await programs.save_versions(unit, new, [])

    await records.run(publish, program.id)
    return program


def ranking(ties: Ties, scores: dict[str, tuple[int, datetime]]) -> list[Place]:
    """The whole board, as the rules rank it."""
    shared = ties in ("standard", "dense")
    return [
        Place(rank, entry.member, entry.score, entry.reached_at, number if shared else None)
        for number, (rank, entry) in enumerate(ranked(ties, [Entry(who, *each) for who, each in scores.items()]), 1)
    ]


async def check(boards: Boards, program: int, board: tuple[Ties, str], expected: Sequence[Place], size: int) -> None:
    """That every read of a board says what is expected, wherever its page begins and ends."""
    ties = board[0]
    assert await boards.top(program, *board, 100, 0, ties) == expected
    for offset in range(len(expected) + 1):
        assert await boards.top(program, *board, size, offset, ties) == expected[offset : offset + size]
    for number in {0, len(expected) // 2, len(expected) - 1}:
        around = await boards.around(program, *board, expected[number].external_id, size, ties)
        assert around == expected[max(number - size // 2, 0) : number - size // 2 + size]
        assert [each.number for each in around] == [expected.index(each) + 1 for each in around]
    wanted = [(*board, each.external_id) for each in expected]
    ranks = await boards.ranks(program, [*wanted, (*board, "nobody at all")], TIES)
    assert ranks == [*(each.rank for each in expected), None]
    assert await boards.around(program, *board, "nobody at all", size, ties) == []


@given(first=scores, later=scores, gone=st.sets(ids, max_size=3), ties=st.sampled_from(WAYS), size=st.integers(1, 4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_board_is_read_as_the_rules_rank_it(
    records: Database,
    defined: Program,
    boards: Boards,
    offline: Boards,
    redis: Redis,
    first: dict[str, tuple[int, datetime]],
    later: dict[str, tuple[int, datetime]],
    gone: set[str],
    ties: Ties,
    size: int,
) -> None:
    await redis.flushall()
    board = (ties, uuid4().hex)
    await score(records, defined.id, first, 1, board)
    await boards.fill(defined.id)
    for each in (boards, offline):
        await check(each, defined.id, board, ranking(ties, first), size)
    # What comes later moves some up and some down; those that are gone are not in the records either, or never were.
    who = await score(records, defined.id, later, 2, board)
    news = [Score(*board, each, who[each], *of, 2) for each, of in later.items()]
    left = gone - later.keys() - {next(iter(first))}
    for _ in range(2):
        await boards.apply(defined.id, news, [(*board, each, 2) for each in left], TIES)
    whole = {who: of for who, of in {**first, **later}.items() if who not in left}
    await check(boards, defined.id, board, ranking(ties, whole), size)
    await check(offline, defined.id, board, ranking(ties, {**first, **later}), size)


async def test_what_a_command_says_of_a_board_reaches_it_in_its_own_order(
    records: Database, defined: Program, boards: Boards, drain: Drain
) -> None:
    await boards.fill(defined.id)
    board = ("dense", "2026-11")
    held = {"bob": (5, NOON), "ada": (5, NOON + SECOND), "cyd": (4, NOON), "dan": (4, NOON)}
    await score(records, defined.id, held, 1, board, TIES)
    assert await drain.settled(defined.id, 60)
    await check(boards, defined.id, ("dense", "2026-11"), ranking("dense", held), 3)


async def test_what_waited_while_redis_was_away_reaches_the_board_in_its_own_order(
    records: Database, defined: Program, boards: Boards, drain: Drain
) -> None:
    await boards.fill(defined.id)
    board = ("ordinal", "2026-11")
    held = {"bob": (5, NOON), "ada": (5, NOON + SECOND)}
    records.wake = None
    await score(records, defined.id, held, 1, board, TIES)

    async def swept() -> bool:
        return await drain.sweep(0.0) == 0

    await until(swept)
    await check(boards, defined.id, ("ordinal", "2026-11"), ranking("ordinal", held), 1)
