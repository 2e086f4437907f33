"""Boards whose ties share a rank, or go by id: read as the rules rank them, from Redis as from PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, get_args
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from achievements.ranking import Contest, Entry, Ties, ranked
from engagement.records import members, programs, standings
from engagement.records.outcomes import Score
from engagement.records.programs import DefinitionVersion, Program
from engagement.records.unit import Database, Unit
from engagement.relay.boards import Boards
from engagement.relay.drain import Drain
from engagement.relay.placing import Gone, Place
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


async def check(boards: Boards, program: int, contest: Contest, expected: Sequence[Place], size: int) -> None:
    """That every read of a board says what is expected, wherever its page begins and ends."""
    assert await boards.total(program, contest) == len(expected)
    assert await boards.top(program, contest, 100) == expected
    for offset in range(len(expected) + 1):
        assert await boards.top(program, contest, size, offset) == expected[offset : offset + size]
    for number in {0, len(expected) // 2, len(expected) - 1} if expected else ():
        around = await boards.around(program, contest, expected[number].external_id, size)
        assert around == expected[max(number - size // 2, 0) : number - size // 2 + size]
        assert [each.number for each in around] == [expected.index(each) + 1 for each in around]
    wanted = [(contest, each.external_id) for each in expected]
    ranks = await boards.ranks(program, [*wanted, (contest, "nobody at all")])
    assert ranks == [*(each.rank for each in expected), None]
    assert await boards.around(program, contest, "nobody at all", size) == []


@given(
    first=scores,
    later=scores,
    gone=st.sets(ids, max_size=3),
    hidden=st.sets(st.integers(0, 19), max_size=3),
    ties=st.sampled_from(WAYS),
    minimum=st.none() | st.integers(0, 2),
    size=st.integers(1, 4),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_board_is_read_as_the_rules_rank_it(
    records: Database,
    defined: Program,
    boards: Boards,
    offline: Boards,
    redis: Redis,
    first: dict[str, tuple[int, datetime]],
    later: dict[str, tuple[int, datetime]],
    gone: set[str],
    hidden: set[int],
    ties: Ties,
    minimum: int | None,
    size: int,
) -> None:
    def expected(held: dict[str, tuple[int, datetime]], without: Collection[str] = ()) -> list[Place]:
        least = -10 if minimum is None else minimum
        return ranking(ties, {who: of for who, of in held.items() if who not in without and of[0] >= least})

    await redis.flushall()
    board = (ties, uuid4().hex)
    contest = Contest(*board, "north", ties, minimum)
    await score(records, defined.id, first, 1, board, group="north")
    # Whoever competes in another group is nothing to this one.
    await score(records, defined.id, {"somebody": (1, NOON)}, 1, board, group="south")
    await boards.fill(defined.id)
    for each in (boards, offline):
        await check(each, defined.id, contest, expected(first), size)
    # What comes later moves some up and some down; those that are gone are not in the records either, or never were.
    who = await score(records, defined.id, later, 2, board, group="north")
    news = [Score(*board, each, who[each], *of, 2, "north") for each, of in later.items()]
    left = gone - later.keys() - {next(iter(first))}
    for _ in range(2):
        await boards.apply(defined.id, news, [Gone(*board, each, 2, "north") for each in left], TIES)
    held = {**first, **later}
    await check(boards, defined.id, contest, expected(held, left), size)
    await check(offline, defined.id, contest, expected(held), size)
    # Who leaves the boards is taken off them, and on no copy that is made anew.
    leaving = [each for number, each in enumerate(held) if number in hidden]
    for name in leaving:
        await boards.apply(defined.id, [], await leave(records, defined.id, name, board), TIES)
    await check(boards, defined.id, contest, expected(held, {*left, *leaving}), size)
    await redis.flushall()
    await boards.fill(defined.id)
    for reader in (boards, offline):
        await check(reader, defined.id, contest, expected(held, leaving), size)


async def leave(database: Database, program_id: int, who: str, board: tuple[str, str]) -> list[Gone]:
    """Take a member off the boards in the records; what that takes off one of them."""

    async def write(unit: Unit) -> list[Score]:
        ids = await members.ids_of(unit, [who])
        return await standings.show(unit, ids[who], 3, hidden=True)

    taken = await database.run(write, program_id)
    return [Gone(*board, who, each.version, each.group) for each in taken if (each.board, each.period) == board]


async def test_what_a_command_says_of_a_board_reaches_it_in_its_own_order(
    records: Database, defined: Program, boards: Boards, drain: Drain
) -> None:
    await boards.fill(defined.id)
    board = ("dense", "2026-11")
    held = {"bob": (5, NOON), "ada": (5, NOON + SECOND), "cyd": (4, NOON), "dan": (4, NOON)}
    await score(records, defined.id, held, 1, board, TIES)
    assert await drain.settled(defined.id, 60)
    await check(boards, defined.id, Contest(*board, ties="dense"), ranking("dense", held), 3)


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
    await check(boards, defined.id, Contest(*board, ties="ordinal"), ranking("ordinal", held), 1)
