"""Places on leaderboards, counted by PostgreSQL: the truth that Redis is a copy of, and what answers while Redis cannot.

The order: score, highest first; then who reached hers first, where the board's ties go by that; then the app's own id by code
point. Ties that share a rank share it in whatever order they stand. A board is read once for an answer and never sorted as a
whole: its members are counted score by score, and only those of a page, or of a score asked about, are put in order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from achievements.ranking import Contest, Ties
from engagement.records.outcomes import SCORE, Score
from engagement.records.rows import columns_of
from engagement.records.unit import Unit

Standing: TypeAlias = tuple[str, int, datetime]
"""The app's own id, score, and the instant it was reached."""


class Page(NamedTuple):
    """Places in a row, best first: how many are before them, and how many ranks are above the first of them."""

    before: int
    above: int
    rows: list[Standing]


_HELD = "board_score AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
_RANKED_ROWS = "NOT held.hidden AND ($5::bigint IS NULL OR held.score >= $5)"
_BOARD = f'held.program_id = $1 AND held.board = $2 AND held.period = $3 AND held."group" = $4 AND {_RANKED_ROWS}'
ORDER: Mapping[Ties, str] = {
    "first_to_reach": "held.reached_at, member.external_id",
    "ordinal": "member.external_id",
    "standard": "member.external_id",
    "dense": "member.external_id",
}
"""How those with equal scores stand, by what a board makes of them."""
RANK: Mapping[Ties, str] = {
    "first_to_reach": "row_number()",
    "ordinal": "row_number()",
    "standard": "rank()",
    "dense": "dense_rank()",
}
"""The rank of each, by score and, where none is shared, that order."""
_ABOVE: Mapping[Ties, str] = {
    "first_to_reach": "$6",
    "ordinal": "$6",
    "standard": f"(SELECT count(*) FROM board_score AS held WHERE {_BOARD} AND score > (SELECT max(score) FROM page))",
    "dense": f"(SELECT count(DISTINCT score) FROM board_score AS held WHERE {_BOARD} AND score > (SELECT max(score) FROM page))",
}
_PAGE: Mapping[Ties, str] = {
    ties: f"WITH page AS MATERIALIZED (SELECT member.external_id, held.score, held.reached_at FROM {_HELD} WHERE {_BOARD}"
    f" ORDER BY held.score DESC, {ORDER[ties]} OFFSET $6::bigint LIMIT $7)"
    f" SELECT page.*, {above} AS above FROM page"
    for ties, above in _ABOVE.items()
}
_PLACE = 'board, period, "group"'
_SAME = " AND ".join(f"{{0}}.{name} = {{1}}.{name}" for name in ("board", "period", '"group"'))
# Of each score how many have a better one, and how many better ones there are; of those with a score asked about, who of them
# is before whom. Whoever has less than the minimum of a board is not on it, and behind everybody who is.
_RANKED = (
    f"WITH wanted AS (SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])"
    f" WITH ORDINALITY AS each ({_PLACE}, minimum, who, n)),"
    f' own AS MATERIALIZED (SELECT wanted.n, held.board, held.period, held."group", held.score, held.member_id FROM wanted'
    " JOIN member ON member.program_id = $1 AND member.external_id = wanted.who JOIN board_score AS held"
    f" ON held.program_id = $1 AND {_SAME.format('held', 'wanted')} AND held.member_id = member.id"
    " WHERE NOT held.hidden AND (wanted.minimum IS NULL OR held.score >= wanted.minimum)),"
    f" levels AS MATERIALIZED (SELECT {_PLACE}, score,"
    f" (sum(count(*)) OVER (PARTITION BY {_PLACE} ORDER BY score DESC) - count(*))::bigint AS better,"
    f" dense_rank() OVER (PARTITION BY {_PLACE} ORDER BY score DESC) AS level"
    f" FROM board_score WHERE program_id = $1 AND ({_PLACE}) IN (SELECT {_PLACE} FROM own) AND NOT hidden"
    f" GROUP BY {_PLACE}, score)"
)
_LEVEL = f"LEFT JOIN levels ON {_SAME.format('levels', 'own')} AND levels.score = own.score"
_EQUALS = (
    # Found first and named then, else every member would be; `IS TRUE` keeps the board from being read once for every score.
    f", alike AS MATERIALIZED (SELECT {_PLACE}, member_id, score, reached_at FROM board_score"
    f" WHERE program_id = $1 AND ({_PLACE}) IN (SELECT {_PLACE} FROM own) AND NOT hidden"
    f" AND (({_PLACE}, score) IN (SELECT {_PLACE}, score FROM own)) IS TRUE),"
    f" equals AS MATERIALIZED (SELECT {_PLACE}, held.member_id,"
    f" row_number() OVER (PARTITION BY {_PLACE}, held.score ORDER BY {{order}}) AS place"
    " FROM alike AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id)"
    f" SELECT wanted.n, levels.better + equals.place AS rank FROM wanted LEFT JOIN own USING (n) {_LEVEL}"
    f" LEFT JOIN equals ON {_SAME.format('equals', 'own')} AND equals.member_id = own.member_id ORDER BY wanted.n"
)
_SHARED = f" SELECT wanted.n, {{rank}} AS rank FROM wanted LEFT JOIN own USING (n) {_LEVEL} ORDER BY wanted.n"
_RANKS: Mapping[Ties, str] = {
    "first_to_reach": _RANKED + _EQUALS.format(order=ORDER["first_to_reach"]),
    "ordinal": _RANKED + _EQUALS.format(order=ORDER["ordinal"]),
    "standard": _RANKED + _SHARED.format(rank="levels.better + 1"),
    "dense": _RANKED + _SHARED.format(rank="levels.level"),
}


async def top(unit: Unit, contest: Contest, first: int, offset: int) -> Page:
    """`first` places from the one after `offset` on, best first."""
    rows = await unit.fetch(_PAGE[contest.ties], unit.program, *contest.place, contest.minimum, offset, first)
    return Page(offset, rows[0]["above"] if rows else offset, [(row[0], row[1], row[2]) for row in rows])


async def around(unit: Unit, contest: Contest, external_id: str, before: int, size: int) -> Page:
    """At most `size` places, best first, from `before` places above the member on; none where she is not ranked."""
    # Where ties share a rank, they still stand by id.
    order: Ties = contest.ties if contest.ties == "first_to_reach" else "ordinal"
    (place,) = await ranks(unit, order, [(contest, external_id)])
    if place is None:
        return Page(0, 0, [])
    first = place - 1 - before
    offset = max(first, 0)
    return await top(unit, contest, max(first + size - offset, 0), offset)


async def ranks(unit: Unit, ties: Ties, wanted: Sequence[tuple[Contest, str]]) -> list[int | None]:
    """The rank for each (contest, the app's own id) by one way with ties; None where that member is not ranked in it."""
    asked = [(*contest.place, contest.minimum, who) for contest, who in wanted]
    rows = await unit.fetch(_RANKS[ties], unit.program, *columns_of(asked, 5))
    return [row["rank"] for row in rows]


async def ties_of(unit: Unit) -> dict[str, Ties]:
    """What leaderboards make of equal scores, by their keys, in force or not: it stays as it is under a key."""
    rows = await unit.fetch(
        "SELECT DISTINCT key, body ->> 'ties' AS ties FROM definition_version"
        " WHERE program_id = $1 AND kind = 'leaderboard' AND body ? 'ties'",
        unit.program,
    )
    return {row["key"]: row["ties"] for row in rows}


async def total(unit: Unit, contest: Contest) -> int:
    """How many members are ranked."""
    sql = f"SELECT count(*) FROM board_score AS held WHERE {_BOARD}"
    count: int = await unit.fetchval(sql, unit.program, *contest.place, contest.minimum)
    return count


async def current(unit: Unit, scores: Sequence[Score]) -> list[Score]:
    """What is ranked now in the places of these scores; a score that was taken away since is left out."""
    rows = await unit.fetch(
        f"SELECT {SCORE} FROM {_HELD} WHERE held.program_id = $1 AND NOT held.hidden"
        " AND (held.board, held.period, held.member_id) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[]))",
        unit.program,
        [each.board for each in scores],
        [each.period for each in scores],
        [each.member_id for each in scores],
    )
    return [Score(*row) for row in rows]


class Own(NamedTuple):
    """A member's own score in a period of a board, ranked or not."""

    group: str
    score: int
    reached_at: datetime
    hidden: bool


async def own(unit: Unit, board: str, period: str, external_id: str) -> Own | None:
    """What a member has in a period of a board; None where she has not scored in it."""
    row = await unit.fetchrow(
        f'SELECT held."group", held.score, held.reached_at, held.hidden FROM {_HELD}'
        " WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3 AND member.external_id = $4",
        unit.program,
        board,
        period,
        external_id,
    )
    return None if row is None else Own(*row)


async def show(unit: Unit, member_id: UUID, version: int, *, hidden: bool) -> list[Score]:
    """Rank all scores of a locked member, or none of them; what they are, in this version."""
    rows = await unit.fetch(
        "WITH held AS (UPDATE board_score SET hidden = $3, version = $4 WHERE program_id = $1 AND member_id = $2 RETURNING *)"
        f" SELECT {SCORE} FROM held JOIN member ON member.program_id = $1 AND member.id = held.member_id",
        unit.program,
        member_id,
        hidden,
        version,
    )
    return [Score(*row) for row in rows]
