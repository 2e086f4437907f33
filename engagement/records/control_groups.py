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
    table with the columns of key and instant, or None where every lot and reward counts.
    """

    prefix: str
    sort: str | None
    table: tuple[str, str, str] | None


SOURCES: Mapping[str, Source] = {
    "earn_rules": Source("earn", None, None),
    "streaks": Source("streak", None, None),
    "occasions": Source("occasion", None, None),
    "challenges": Source("challenge", "completion", ("completion", "challenge", "completed_at")),
    "badges": Source("badge", "badge", ("badge_award", "badge", "awarded_at")),
    "tier_ladders": Source("tier", "tier", ("tier_change", "ladder", "changed_at")),
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
    unit: Unit, who: Sequence[UUID], section: str, key: str, since: datetime | None, until: datetime | None
) -> Sum:
    """What members were given of a definition, from an instant on and before another, as it stands now."""
    source = SOURCES[section]
    if source.table is None:
        main = f"SELECT member_id FROM lots UNION ALL SELECT member_id FROM reward_given AS held WHERE {_within('given_at')} AND starts_with(reward, $5)"
    else:
        table, column, at = source.table
        main = f"SELECT member_id FROM {table} AS held WHERE {_within(at)} AND {column} = $6"
    row = await unit.fetch(
        f"WITH lots AS (SELECT member_id, points FROM lot AS held WHERE {_within('earned_at')} AND starts_with(id, $5) AND points > 0),"
        f" main AS ({main})"
        " SELECT (SELECT count(DISTINCT member_id) FROM main), (SELECT count(*) FROM main),"
        " (SELECT coalesce(sum(points), 0)::bigint FROM lots) WHERE $6::text <> ''",
        unit.program,
        who,
        since,
        until,
        f"{source.prefix}/{key}/",
        key,
    )
    return Sum(*row[0])


def _within(at: str) -> str:
    return (
        "held.program_id = $1 AND held.member_id = ANY($2::uuid[])"
        f" AND ($3::timestamptz IS NULL OR {at} >= $3) AND ($4::timestamptz IS NULL OR {at} < $4)"
    )
