"""Closed periods of leaderboards: the standings that are final, and who has won a prize and was given it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from achievements.ranking import Contest
from engagement.records import standings
from engagement.records.rows import columns_of
from engagement.records.standings import Standing
from engagement.records.unit import Unit


class Winner(NamedTuple):
    """A prize that has to be given: whom, for which rank among how many who were ranked."""

    member_id: UUID
    board: str
    period: str
    group: str
    rank: int
    contenders: int


class Final(NamedTuple):
    """A member's place in a closed contest. Places count from 1 and are hers alone; a rank can be shared."""

    place: int
    rank: int
    standing: Standing


async def unclosed(unit: Unit, board: str, since: str) -> list[str]:
    """The periods of a board in which somebody scored and that are not closed, in order; of old ones those from `since` on.

    Those after the last that was closed are found however old they are. Each costs a look-up, whatever the size of the board.
    """
    rows = await unit.fetch(
        "WITH RECURSIVE bounds AS (SELECT least($3, coalesce(max(period), '')) AS first FROM board_close"
        " WHERE program_id = $1 AND board = $2), scored AS ("
        " (SELECT period FROM board_score, bounds WHERE program_id = $1 AND board = $2 AND period >= bounds.first"
        " ORDER BY period LIMIT 1) UNION ALL SELECT (SELECT period FROM board_score"
        " WHERE program_id = $1 AND board = $2 AND period > scored.period ORDER BY period LIMIT 1) FROM scored"
        " WHERE scored.period IS NOT NULL)"
        " SELECT period FROM scored WHERE period IS NOT NULL AND NOT EXISTS (SELECT FROM board_close AS closed"
        " WHERE closed.program_id = $1 AND closed.board = $2 AND closed.period = scored.period) ORDER BY period",
        unit.program,
        board,
        since,
    )
    return [row["period"] for row in rows]


async def is_settled(unit: Unit, until: datetime, counting: str) -> bool:
    """Whether nothing is left to be done about what happened before an instant: nobody is due, nothing waits to be folded in, and no job
    of the kind `counting` counts members anew.
    """
    settled: bool = await unit.fetchval(
        "SELECT NOT EXISTS (SELECT FROM member_state WHERE program_id = $1 AND due_at <= $2)"
        " AND NOT EXISTS (SELECT FROM member_state AS held, jsonb_array_elements(held.pending) AS waiting, event"
        " WHERE held.program_id = $1 AND held.pending IS NOT NULL AND event.program_id = $1"
        " AND event.member_id = held.member_id AND event.id = waiting ->> 0 AND event.occurred_at < $2)"
        " AND NOT EXISTS (SELECT FROM job WHERE program_id = $1 AND kind = $3 AND state IN ('queued', 'running'))",
        unit.program,
        until,
        counting,
    )
    return settled


async def close(unit: Unit, board: str, period: str, at: datetime) -> bool:
    """Close a period; False where somebody else has. Waits for whoever is at it."""
    return bool(
        await unit.execute(
            "INSERT INTO board_close (program_id, board, period, closed_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            unit.program,
            board,
            period,
            at,
        )
    )


async def freeze(unit: Unit, contest: Contest) -> list[tuple[str, int]]:
    """Keep the standings of a period as they are, of all its groups; each group, and how many are ranked in it."""
    rank, order = standings.RANK[contest.ties], standings.ORDER[contest.ties]
    rows = await unit.fetch(
        "WITH ranked AS (INSERT INTO board_final"
        ' (program_id, board, period, member_id, "group", place, rank, score, reached_at)'
        ' SELECT $1, held.board, held.period, held.member_id, held."group",'
        f' row_number() OVER (PARTITION BY held."group" ORDER BY held.score DESC, {order}),'
        f' {rank} OVER (PARTITION BY held."group" ORDER BY held.score DESC{f", {order}" if rank == "row_number()" else ""}),'
        " held.score, held.reached_at FROM board_score AS held"
        " JOIN member ON member.program_id = $1 AND member.id = held.member_id"
        " WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3"
        " AND NOT held.hidden AND ($4::bigint IS NULL OR held.score >= $4)"
        ' RETURNING "group") SELECT "group", count(*) AS ranked FROM ranked GROUP BY "group"',
        unit.program,
        contest.board,
        contest.period,
        contest.minimum,
    )
    return [(row["group"], row["ranked"]) for row in rows]


async def award(unit: Unit, board: str, period: str, won: Sequence[tuple[str, int, int, int]]) -> None:
    """Note who of a closed period has won: (group, how many are ranked, the first and the last rank of a prize)."""
    await unit.execute(
        "UPDATE board_final AS held SET contenders = won.contenders"
        " FROM unnest($4::text[], $5::int[], $6::int[], $7::int[]) AS won (name, contenders, first, last)"
        ' WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3 AND held."group" = won.name'
        " AND held.rank BETWEEN won.first AND won.last",
        unit.program,
        board,
        period,
        *columns_of(won, 4),
    )


async def is_owed(unit: Unit) -> bool:
    """Whether somebody has to be given a prize yet."""
    owed: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM board_final WHERE program_id = $1 AND contenders IS NOT NULL AND given_at IS NULL)",
        unit.program,
    )
    return owed


async def winners(unit: Unit, at_most: int, *, skip_locked: bool = False) -> list[Winner]:
    """Who has to be given a prize yet, nobody else's until the unit ends; one of each member. `skip_locked` leaves out those of others."""
    rows = await unit.fetch(
        'SELECT member_id, board, period, "group", rank, contenders FROM board_final'
        " WHERE program_id = $1 AND contenders IS NOT NULL AND given_at IS NULL"
        f" ORDER BY board, period, member_id LIMIT $2 FOR UPDATE {'SKIP LOCKED' if skip_locked else ''}",
        unit.program,
        at_most,
    )
    return list({row["member_id"]: Winner(*row) for row in rows}.values())


async def given(unit: Unit, winners: Sequence[Winner], at: datetime) -> None:
    """Note that prizes were given."""
    await unit.execute(
        "UPDATE board_final AS held SET given_at = $2"
        " FROM unnest($3::text[], $4::text[], $5::uuid[]) AS given (board, period, member_id)"
        " WHERE held.program_id = $1 AND held.board = given.board AND held.period = given.period"
        " AND held.member_id = given.member_id",
        unit.program,
        at,
        *columns_of([(each.board, each.period, each.member_id) for each in winners], 3),
    )


async def closed_at(unit: Unit, board: str, period: str) -> datetime | None:
    """When a period was closed; None where it is not."""
    at: datetime | None = await unit.fetchval(
        "SELECT closed_at FROM board_close WHERE program_id = $1 AND board = $2 AND period = $3",
        unit.program,
        board,
        period,
    )
    return at


async def total(unit: Unit, contest: Contest) -> int:
    """How many were ranked in a closed contest."""
    count: int = await unit.fetchval(
        'SELECT count(*) FROM board_final WHERE program_id = $1 AND board = $2 AND period = $3 AND "group" = $4',
        unit.program,
        *contest.place,
    )
    return count


async def places(unit: Unit, contest: Contest, first: int, last: int) -> list[Final]:
    """The places of a closed contest from one to another; who has left the boards since is left out."""
    rows = await unit.fetch(
        "SELECT held.place, held.rank, member.external_id, held.score, held.reached_at FROM board_final AS held"
        " JOIN member ON member.program_id = $1 AND member.id = held.member_id JOIN member_state AS whose"
        " ON whose.program_id = $1 AND whose.member_id = held.member_id AND NOT whose.hidden"
        ' WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3 AND held."group" = $4'
        " AND held.place BETWEEN $5 AND $6 ORDER BY held.place",
        unit.program,
        *contest.place,
        first,
        last,
    )
    return [Final(row[0], row[1], (row[2], row[3], row[4])) for row in rows]


async def own(unit: Unit, board: str, period: str, external_id: str) -> tuple[str, Final] | None:
    """A member's group and place in a closed period; None where she was not ranked."""
    row = await unit.fetchrow(
        'SELECT held."group", held.place, held.rank, member.external_id, held.score, held.reached_at FROM board_final AS held'
        " JOIN member ON member.program_id = $1 AND member.id = held.member_id"
        " WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3 AND member.external_id = $4",
        unit.program,
        board,
        period,
        external_id,
    )
    return None if row is None else (row[0], Final(row[1], row[2], (row[3], row[4], row[5])))
