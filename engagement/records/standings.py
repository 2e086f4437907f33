"""Places on leaderboards, counted by PostgreSQL: the truth that Redis is a copy of, and what answers while Redis cannot.

The order: score, highest first; then who reached hers first, where the board's ties go by that; then the app's own id by code
point. Ties that share a rank share it in whatever order they stand. A board is read once for an answer and never sorted as a
whole: its members are counted score by score, and only those of a page, or of a score asked about, are put in order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from achievements.ranking import Ties
from engagement.records.outcomes import Score
from engagement.records.unit import Unit

Standing: TypeAlias = tuple[str, int, datetime]
"""The app's own id, score, and the instant it was reached."""


class Page(NamedTuple):
    """Places in a row, best first: how many are before them, and how many ranks are above the first of them."""

    before: int
    above: int
    rows: list[Standing]


_HELD = "board_score AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
_BOARD = "held.program_id = $1 AND held.board = $2 AND held.period = $3"
_ORDER: Mapping[Ties, str] = {
    "first_to_reach": "held.reached_at, member.external_id",
    "ordinal": "member.external_id",
    "standard": "member.external_id",
    "dense": "member.external_id",
}
_ABOVE: Mapping[Ties, str] = {
    "first_to_reach": "$4",
    "ordinal": "$4",
    "standard": f"(SELECT count(*) FROM board_score AS held WHERE {_BOARD} AND score > (SELECT max(score) FROM page))",
    "dense": f"(SELECT count(DISTINCT score) FROM board_score AS held WHERE {_BOARD} AND score > (SELECT max(score) FROM page))",
}
_PAGE: Mapping[Ties, str] = {
    ties: f"WITH page AS MATERIALIZED (SELECT member.external_id, held.score, held.reached_at FROM {_HELD} WHERE {_BOARD}"
    f" ORDER BY held.score DESC, {_ORDER[ties]} OFFSET $4::bigint LIMIT $5)"
    f" SELECT page.*, {above} AS above FROM page"
    for ties, above in _ABOVE.items()
}
# Of each score how many have a better one, and how many better ones there are; of those with a score asked about, who of them
# is before whom.
_RANKED = (
    "WITH wanted AS (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS each (board, period, who, n)),"
    " own AS MATERIALIZED (SELECT wanted.n, held.board, held.period, held.score, held.member_id FROM wanted"
    " JOIN member ON member.program_id = $1 AND member.external_id = wanted.who JOIN board_score AS held"
    " ON held.program_id = $1 AND held.board = wanted.board AND held.period = wanted.period AND held.member_id = member.id),"
    " levels AS MATERIALIZED (SELECT board, period, score,"
    " (sum(count(*)) OVER (PARTITION BY board, period ORDER BY score DESC) - count(*))::bigint AS better,"
    " dense_rank() OVER (PARTITION BY board, period ORDER BY score DESC) AS level"
    " FROM board_score WHERE program_id = $1 AND (board, period) IN (SELECT board, period FROM own)"
    " GROUP BY board, period, score)"
)
_EQUALS = (
    # Found first and named then, else every member would be; `IS TRUE` keeps the board from being read once for every score.
    ", alike AS MATERIALIZED (SELECT board, period, member_id, score, reached_at FROM board_score"
    " WHERE program_id = $1 AND (board, period) IN (SELECT board, period FROM own)"
    " AND ((board, period, score) IN (SELECT board, period, score FROM own)) IS TRUE),"
    " equals AS MATERIALIZED (SELECT held.board, held.period, held.member_id,"
    " row_number() OVER (PARTITION BY held.board, held.period, held.score ORDER BY {order}) AS place"
    " FROM alike AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id)"
    " SELECT wanted.n, levels.better + equals.place AS rank FROM wanted LEFT JOIN own USING (n)"
    " LEFT JOIN levels ON (levels.board, levels.period, levels.score) = (own.board, own.period, own.score)"
    " LEFT JOIN equals ON (equals.board, equals.period, equals.member_id) = (own.board, own.period, own.member_id)"
    " ORDER BY wanted.n"
)
_SHARED = (
    " SELECT wanted.n, {rank} AS rank FROM wanted LEFT JOIN own USING (n)"
    " LEFT JOIN levels ON (levels.board, levels.period, levels.score) = (own.board, own.period, own.score) ORDER BY wanted.n"
)
_RANKS: Mapping[Ties, str] = {
    "first_to_reach": _RANKED + _EQUALS.format(order=_ORDER["first_to_reach"]),
    "ordinal": _RANKED + _EQUALS.format(order=_ORDER["ordinal"]),
    "standard": _RANKED + _SHARED.format(rank="levels.better + 1"),
    "dense": _RANKED + _SHARED.format(rank="levels.level"),
}


async def top(unit: Unit, ties: Ties, board: str, period: str, first: int, offset: int) -> Page:
    """`first` places from the one after `offset` on, best first."""
    rows = await unit.fetch(_PAGE[ties], unit.program, board, period, offset, first)
    return Page(offset, rows[0]["above"] if rows else offset, [(row[0], row[1], row[2]) for row in rows])


async def around(unit: Unit, ties: Ties, board: str, period: str, external_id: str, before: int, size: int) -> Page:
    """At most `size` places, best first, from `before` places above the member on; none where she is not on the board."""
    # Where ties share a rank, they still stand by id.
    order: Ties = ties if ties == "first_to_reach" else "ordinal"
    (place,) = await ranks(unit, order, [(board, period, external_id)])
    if place is None:
        return Page(0, 0, [])
    first = place - 1 - before
    offset = max(first, 0)
    return await top(unit, ties, board, period, max(first + size - offset, 0), offset)


async def ranks(unit: Unit, ties: Ties, wanted: Sequence[tuple[str, str, str]]) -> list[int | None]:
    """The rank for each (board, period, the app's own id), None where that member is not on that board.

    The boards are all of one way with ties.
    """
    boards, periods, external_ids = zip(*wanted, strict=True) if wanted else ((), (), ())
    rows = await unit.fetch(_RANKS[ties], unit.program, list(boards), list(periods), list(external_ids))
    return [row["rank"] for row in rows]


async def ties_of(unit: Unit) -> dict[str, Ties]:
    """What leaderboards make of equal scores, by their keys, in force or not: it stays as it is under a key."""
    rows = await unit.fetch(
        "SELECT DISTINCT key, body ->> 'ties' AS ties FROM definition_version"
        " WHERE program_id = $1 AND kind = 'leaderboard' AND body ? 'ties'",
        unit.program,
    )
    return {row["key"]: row["ties"] for row in rows}


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
