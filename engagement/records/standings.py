"""Places on leaderboards, counted by PostgreSQL: the truth that Redis is a copy of, and what answers while Redis cannot.

The order: score, highest first; then who reached hers first, where the board's ties go by that; then the app's own id by code
point. Ties that share a rank share it in whatever order they stand.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from achievements.ranking import Ties
from engagement.records.outcomes import Score
from engagement.records.unit import Unit

Standing: TypeAlias = tuple[int, str, int, datetime, int]
"""Rank from 1, the app's own id, score, the instant it was reached, and its place from 1: what its rank is where none is shared."""

_OF_BOARD = "OVER (PARTITION BY held.board, held.period ORDER BY held.score DESC"
_BY_ID = f"row_number() {_OF_BOARD}, member.external_id)"
_BY_REACHED = f"row_number() {_OF_BOARD}, held.reached_at, member.external_id)"
_RANK: Mapping[Ties, str] = {
    "first_to_reach": _BY_REACHED,
    "ordinal": _BY_ID,
    "standard": f"rank() {_OF_BOARD})",
    "dense": f"dense_rank() {_OF_BOARD})",
}
_HELD = "board_score AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
_RANKED: Mapping[Ties, str] = {
    ties: f"SELECT {rank} AS rank, member.external_id, held.score, held.reached_at,"
    f" {_BY_REACHED if ties == 'first_to_reach' else _BY_ID} AS place FROM {_HELD}"
    " WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3"
    for ties, rank in _RANK.items()
}


async def top(unit: Unit, ties: Ties, board: str, period: str, first: int, offset: int) -> list[Standing]:
    """`first` places from the one after `offset` on, best first."""
    rows = await unit.fetch(
        f"{_RANKED[ties]} ORDER BY place OFFSET $4 LIMIT $5", unit.program, board, period, offset, first
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def around(
    unit: Unit, ties: Ties, board: str, period: str, external_id: str, before: int, size: int
) -> list[Standing]:
    """At most `size` places, best first, from `before` places above the member on; none where she is not on the board."""
    rows = await unit.fetch(
        # The member's place is looked up once; joined, it might be looked up for every row.
        f"WITH ranked AS MATERIALIZED ({_RANKED[ties]}),"
        " own AS MATERIALIZED (SELECT place FROM ranked WHERE external_id = $4)"
        " SELECT * FROM ranked WHERE place BETWEEN (SELECT place FROM own) - $5::int"
        " AND (SELECT place FROM own) - $5::int + $6::int - 1 ORDER BY place",
        unit.program,
        board,
        period,
        external_id,
        before,
        size,
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def ranks(unit: Unit, ties: Ties, wanted: Sequence[tuple[str, str, str]]) -> list[int | None]:
    """The rank for each (board, period, the app's own id), None where that member is not on that board.

    The boards are all of one way with ties.
    """
    boards, periods, external_ids = zip(*wanted, strict=True) if wanted else ((), (), ())
    rows = await unit.fetch(
        "WITH wanted AS (SELECT * FROM unnest($2::text[], $3::text[], $4::text[])"
        " WITH ORDINALITY AS each (board, period, external_id, n)),"
        f" ranked AS (SELECT held.board, held.period, member.external_id, {_RANK[ties]} AS rank FROM {_HELD}"
        " WHERE held.program_id = $1 AND (held.board, held.period) IN (SELECT board, period FROM wanted)),"
        " found AS MATERIALIZED (SELECT * FROM ranked WHERE external_id = ANY($4::text[]))"
        " SELECT found.rank FROM wanted LEFT JOIN found USING (board, period, external_id) ORDER BY wanted.n",
        unit.program,
        list(boards),
        list(periods),
        list(external_ids),
    )
    return [row["rank"] for row in rows]


async def total(unit: Unit, board: str, period: str) -> int:
    """How many members are on the board."""
    count: int = await unit.fetchval(
        "SELECT count(*) FROM board_score WHERE program_id = $1 AND board = $2 AND period = $3",
        unit.program,
        board,
        period,
    )
    return count


async def current(unit: Unit, scores: Sequence[Score]) -> list[Score]:
    """What is held now in the places of these scores; a score that was taken away since is left out."""
    rows = await unit.fetch(
        "SELECT held.board, held.period, member.external_id, held.member_id, held.score, held.reached_at, held.version"
        f" FROM {_HELD} WHERE held.program_id = $1 AND (held.board, held.period, held.member_id)"
        " IN (SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[]))",
        unit.program,
        [each.board for each in scores],
        [each.period for each in scores],
        [each.member_id for each in scores],
    )
    return [Score(*row) for row in rows]
