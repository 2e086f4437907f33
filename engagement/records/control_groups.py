"""What came of a definition, added up for some members: what was given to them, or what was counted of them in its control group."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from engagement.records.unit import Unit


class Sum(NamedTuple):
    """How many members reached something, how often in all, and the points that it brought."""

    reached: int
    outcomes: int
    points: int


class Source(NamedTuple):
    """Where the outcomes of a kind are: how the names of its lots and rewards begin, before the key; the sort that is counted, and its
    table with the columns of key and instant, or None where every lot and reward counts; and the column of that table which says what
    each is worth, where its lots do not.
    """

    prefix: str
    sort: str | None = None
    table: tuple[str, str, str] | None = None
    worth: str | None = None


SOURCES: Mapping[str, Source] = {
    "earn_rules": Source("earn"),
    # What a boost multiplies: the keys are those of its earn rules.
    "boosts": Source("earn"),
    "streaks": Source("streak"),
    "occasions": Source("occasion"),
    "challenges": Source("challenge", "completion", ("completion", "challenge", "completed_at")),
    "badges": Source("badge", "badge", ("badge_award", "badge", "awarded_at")),
    "tier_ladders": Source("tier", "tier", ("tier_change", "ladder", "changed_at")),
    "leaderboards": Source("leaderboard", "score", ("board_score", "board", "reached_at"), "score"),
}
"""The sections whose outcomes are kept, for those who have them and for those who are held out alike."""


async def members_after(unit: Unit, after: UUID | None, at_most: int) -> list[tuple[UUID, str]]:
    """Members by id, each with the app's own; ids are random, so the first of them are a sample."""
    rows = await unit.fetch(
        "SELECT id, external_id FROM member WHERE program_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        unit.program,
        after,
        at_most,
    )
    return [(row["id"], row["external_id"]) for row in rows]


async def counted(
    unit: Unit, who: Sequence[UUID], section: str, key: str, since: datetime | None, until: datetime | None
) -> Sum:
    """What was counted of members who are held out from a definition, from an instant on and before another."""
    row = await unit.fetch(
        "SELECT count(DISTINCT member_id) FILTER (WHERE main) AS reached, count(*) FILTER (WHERE main) AS outcomes,"
        " coalesce(sum(points), 0)::bigint AS points FROM (SELECT member_id, points, $4 = '' OR starts_with(what, $4) AS main"
        " FROM held_out WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND definition = $3"
        " AND ($5::timestamptz IS NULL OR held_at >= $5) AND ($6::timestamptz IS NULL OR held_at < $6)) AS held",
        unit.program,
        who,
        f"{section}/{key}",
        "" if (sort := SOURCES[section].sort) is None else f"{sort}/",
        since,
        until,
    )
    return Sum(*row[0])


async def given(
    unit: Unit, who: Sequence[UUID], section: str, keys: Sequence[str], since: datetime | None, until: datetime | None
) -> Sum:
    """What members were given of definitions, from an instant on and before another, as it stands now."""
    source = SOURCES[section]
    named = "starts_with({0}, $5) AND split_part({0}, '/', 2) = ANY($6::text[])"
    if source.table is None:
        main = f"SELECT member_id FROM lots UNION ALL SELECT member_id FROM reward_given AS held WHERE {_within('given_at')} AND {named.format('reward')}"
    else:
        table, column, at = source.table
        worth = source.worth or "0"
        main = f"SELECT member_id, {worth} AS points FROM {table} AS held WHERE {_within(at)} AND {column} = ANY($6::text[])"
    row = await unit.fetch(
        f"WITH lots AS (SELECT member_id, points FROM lot AS held WHERE {_within('earned_at')} AND {named.format('id')} AND points > 0),"
        f" main AS ({main})"
        " SELECT (SELECT count(DISTINCT member_id) FROM main), (SELECT count(*) FROM main),"
        f" (SELECT coalesce(sum(points), 0)::bigint FROM {'lots' if source.worth is None else 'main'})",
        unit.program,
        who,
        since,
        until,
        f"{source.prefix}/",
        keys,
    )
    return Sum(*row[0])


def _within(at: str) -> str:
    return (
        "held.program_id = $1 AND held.member_id = ANY($2::uuid[])"
        f" AND ($3::timestamptz IS NULL OR {at} >= $3) AND ($4::timestamptz IS NULL OR {at} < $4)"
    )
