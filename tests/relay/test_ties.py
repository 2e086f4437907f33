"""Boards whose ties share a rank, or go by id: read as the rules rank them."""

from datetime import datetime, timedelta
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from achievements.ranking import Entry, Ties, ranked
from engagement.records.programs import Program
from engagement.records.unit import Database
from engagement.relay.boards import Boards, Place
from tests.relay.scores import NOON, score

SECOND = timedelta(seconds=1)

held = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4),
    st.tuples(st.integers(1, 3), st.sampled_from([NOON, NOON + SECOND, NOON - SECOND])),
    min_size=1,
    max_size=20,
)


@given(scores=held, ties=st.sampled_from(["ordinal", "standard", "dense"]), size=st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_board_is_read_as_the_rules_rank_it(
    records: Database,
    program: Program,
    boards: Boards,
    scores: dict[str, tuple[int, datetime]],
    ties: Ties,
    size: int,
) -> None:
    board = ("points", uuid4().hex)
    await score(records, program.id, scores, board=board)
    entries = [Entry(who, *each) for who, each in scores.items()]
    shared = ties in ("standard", "dense")
    expected = [
        Place(rank, entry.member, entry.score, entry.reached_at, number if shared else None)
        for number, (rank, entry) in enumerate(ranked(ties, entries), 1)
    ]
    offset, middle = len(expected) // 2, expected[len(expected) // 2]
    assert await boards.top(program.id, *board, 100, 0, ties) == expected
    assert await boards.top(program.id, *board, size, offset, ties) == expected[offset : offset + size]
    around = await boards.around(program.id, *board, middle.external_id, size, ties)
    assert around == expected[max(offset - size // 2, 0) : offset - size // 2 + size]
    assert [each.number for each in around] == [expected.index(each) + 1 for each in around]
    wanted = [(*board, each.external_id) for each in expected]
    ranks = await boards.ranks(program.id, [*wanted, (*board, "nobody at all")], {"points": ties})
    assert ranks == [*(each.rank for each in expected), None]
