"""Whole tables of one program, piece by piece, for the analytics export.

Each reads through a cursor of the unit's transaction, so no statement returns or takes long however large the table is, and
all of them see the snapshot of a unit that is `read_only`.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import msgspec

from achievements.ranking import Leaderboard, Ties
from engagement.records import outcomes
from engagement.records.unit import Row, Unit

PIECE_ROWS = 5_000

# What a member has and what she owes are two accounts, and points that move between them leave her balance as it is.
_MOVEMENTS = """
SELECT held.id::text, member.external_id, held.currency, held.kind,
       CASE WHEN held.credit IN ('wallet', 'debt') THEN held.points ELSE -held.points END, held.at, held.event_id, held.source
FROM transfer AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id
WHERE held.program_id = $1 AND (held.debit IN ('wallet', 'debt')) <> (held.credit IN ('wallet', 'debt'))
"""
_COMPLETIONS = """
SELECT held.challenge, member.external_id, held.period, held.completed_at, held.event_id
FROM completion AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id
WHERE held.program_id = $1
"""
_AWARDS = """
SELECT held.badge, held.level, member.external_id, held.awarded_at, held.event_id
FROM badge_award AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id
WHERE held.program_id = $1
"""
_TIER_CHANGES = """
SELECT held.ladder, member.external_id, held.changed_at, held.tier_from, held.tier_to, held.qualifying
FROM tier_change AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id
WHERE held.program_id = $1
"""
_DECISIONS = """
SELECT held.id, member.external_id, held.kind, held.data ->> 'rule', held.data ->> 'currency', (held.data ->> 'points')::bigint,
       held.at, held.cause, held.booked_at, coalesce((held.data ->> 'times')::bigint, 1)
FROM fact AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id
WHERE held.program_id = $1 AND held.kind IN ('spent', 'spend_rejected', 'reward_taken')
"""
_BY_SCORE = "OVER (PARTITION BY held.hidden OR held.score < $5::bigint ORDER BY held.score DESC NULLS LAST"
_RANKS: Mapping[Ties, str] = {
    "first_to_reach": f"row_number() {_BY_SCORE}, held.reached_at, member.external_id)",
    "ordinal": f"row_number() {_BY_SCORE}, member.external_id)",
    "standard": f"rank() {_BY_SCORE})",
    "dense": f"dense_rank() {_BY_SCORE})",
}
_STANDINGS: Mapping[Ties, str] = {
    ties: f"""
SELECT $2::text, $3::text, member.external_id,
       CASE WHEN NOT held.hidden AND ($5::bigint IS NULL OR held.score >= $5) THEN {rank} END,
       held.score, held.reached_at, $4::text
FROM member LEFT JOIN board_score AS held
     ON held.program_id = $1 AND held.board = $2 AND held.period = $3 AND held."group" = $4 AND held.member_id = member.id
WHERE member.program_id = $1 AND ($4 = '' OR held.member_id IS NOT NULL)
"""
    for ties, rank in _RANKS.items()
}
_TOTALS = """
SELECT (SELECT count(*) FROM member WHERE program_id = $1),
       (SELECT count(*) FROM event WHERE program_id = $1),
       (SELECT coalesce(sum(earned), 0)::bigint FROM wallet WHERE program_id = $1),
       (SELECT coalesce(sum(expired), 0)::bigint FROM wallet WHERE program_id = $1),
       (SELECT coalesce(sum(spent), 0)::bigint FROM wallet WHERE program_id = $1),
       (SELECT count(*) FROM redemption WHERE program_id = $1 AND state = 'fulfilled'),
       (SELECT count(*) FROM badge_award WHERE program_id = $1),
       (SELECT count(*) FROM completion WHERE program_id = $1),
       (SELECT max(occurred_at) FROM event WHERE program_id = $1)
"""


class Totals(msgspec.Struct, frozen=True):
    """What a program holds: `points` issued in all, of them `expired` and `spent`, rewards of the shop that members took and have
    (`redemptions`), levels of `badges` awarded, challenges completed, and when the `latest` event occurred.
    """

    members: int
    events: int
    points: int
    expired: int
    spent: int
    redemptions: int
    badges: int
    completions: int
    latest: datetime | None


async def totals(unit: Unit) -> Totals:
    """The totals of the unit's program."""
    (row,) = await unit.fetch(_TOTALS, unit.program)
    return Totals(*row)


def movements(unit: Unit) -> AsyncIterator[list[Row]]:
    """Every movement of points: id, member, currency, kind, points (negative out of the wallet), instant, event, source."""
    return _pieces(unit, "export_movements", _MOVEMENTS)


def completions(unit: Unit) -> AsyncIterator[list[Row]]:
    """Every completion: challenge, member, period, instant, event."""
    return _pieces(unit, "export_completions", _COMPLETIONS)


def awards(unit: Unit) -> AsyncIterator[list[Row]]:
    """Every level of a badge that was awarded: badge, level, member, instant, event."""
    return _pieces(unit, "export_awards", _AWARDS)


def tier_changes(unit: Unit) -> AsyncIterator[list[Row]]:
    """Every move from tier to tier: ladder, member, instant, from, to, what counted then."""
    return _pieces(unit, "export_tier_changes", _TIER_CHANGES)


def decisions(unit: Unit) -> AsyncIterator[list[Row]]:
    """Every decision on a balance: id, member, kind, rule, currency, points, instant of its cause, that event, when taken, how often."""
    return _pieces(unit, "export_decisions", _DECISIONS)


async def standings(unit: Unit, boards: Mapping[str, Leaderboard]) -> AsyncIterator[list[Row]]:
    """Every member's place in each period and group in which anybody scored: board, period, member, rank, score, instant, group.

    Who did not score then has a row without rank, score and instant, on a board without groups; who is not ranked, one without a
    rank. `boards` are those that there are, or were, by key.
    """
    for board, period, group in await outcomes.boards(unit):
        contest = boards[board].contest(period, group)
        sql = _STANDINGS[contest.ties]
        async for rows in _pieces(unit, "export_standings", sql, *contest.place, contest.minimum):
            yield rows


async def _pieces(unit: Unit, cursor: str, sql: str, *values: object) -> AsyncIterator[list[Row]]:
    await unit.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {sql}", unit.program, *values)
    while rows := await unit.fetch(f"FETCH {PIECE_ROWS} FROM {cursor}"):
        yield rows
    await unit.execute(f"CLOSE {cursor}")
