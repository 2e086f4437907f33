"""Completions, badges, rewards, changes of tier, scores and referrals: what the fold says, kept in tables for queries and written by difference."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from achievements.outcomes import (
    AnyOutcome,
    BadgeAwarded,
    ChallengeCompleted,
    Contributed,
    HeldOut,
    ReferralQualified,
    RewardGiven,
    Scored,
    TierChanged,
)
from achievements.parts import BENEFITS
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit

_COMPLETIONS = Rows(
    "completion",
    {"member_id": "uuid", "challenge": "text", "period": "text", "completed_at": "timestamptz", "event_id": "text"},
    "ON CONFLICT (program_id, member_id, challenge, period)"
    " DO UPDATE SET completed_at = excluded.completed_at, event_id = excluded.event_id",
)
_CONTRIBUTIONS = Rows(
    "contribution",
    {
        "member_id": "uuid",
        "challenge": "text",
        "period": "text",
        "since": "timestamptz",
        "team": "text",
        "amount": "numeric",
        "window_index": "int",
        "target": "bigint",
        "minimum": "bigint",
    },
    "ON CONFLICT (program_id, member_id, challenge, period, since) DO UPDATE SET amount = excluded.amount",
)
_BADGES = Rows(
    "badge_award",
    {"member_id": "uuid", "badge": "text", "level": "text", "awarded_at": "timestamptz", "event_id": "text"},
    "ON CONFLICT (program_id, member_id, badge, level)"
    " DO UPDATE SET awarded_at = excluded.awarded_at, event_id = excluded.event_id",
)
_TIERS = Rows(
    "tier_change",
    {
        "member_id": "uuid",
        "ladder": "text",
        "changed_at": "timestamptz",
        "event_id": "text",
        "tier_from": "text",
        "tier_to": "text",
        "qualifying": "bigint",
    },
    "ON CONFLICT (program_id, member_id, ladder, changed_at, event_id)"
    " DO UPDATE SET tier_from = excluded.tier_from, tier_to = excluded.tier_to, qualifying = excluded.qualifying",
)
_REWARDS = Rows(
    "reward_given",
    {
        "member_id": "uuid",
        "reward": "text",
        "sort": "text",
        "key": "text",
        "source": "text",
        "given_at": "timestamptz",
        "event_id": "text",
        "until": "timestamptz",
        "count": "int",
    },
    "ON CONFLICT (program_id, member_id, reward) DO UPDATE SET sort = excluded.sort, key = excluded.key,"
    " source = excluded.source, given_at = excluded.given_at, event_id = excluded.event_id, until = excluded.until,"
    " count = excluded.count, open = excluded.open",
    made={"open": "new.sort IN ('voucher', 'entitlement', 'draw')"},
)
_HELD_OUT = Rows(
    "held_out",
    {
        "member_id": "uuid",
        "what": "text",
        "definition": "text",
        "points": "bigint",
        "held_at": "timestamptz",
        "event_id": "text",
    },
    "ON CONFLICT (program_id, member_id, what) DO UPDATE SET definition = excluded.definition, points = excluded.points,"
    " held_at = excluded.held_at, event_id = excluded.event_id",
)
_SCORES = Rows(
    "board_score",
    {
        "member_id": "uuid",
        "board": "text",
        "period": "text",
        "score": "bigint",
        "reached_at": "timestamptz",
        "version": "bigint",
        '"group"': "text",
    },
    "ON CONFLICT (program_id, board, period, member_id) DO UPDATE SET score = excluded.score,"
    ' reached_at = excluded.reached_at, version = excluded.version, "group" = excluded."group"',
    made={
        "hidden": "(SELECT whose.hidden FROM member_state AS whose"
        " WHERE whose.program_id = $1 AND whose.member_id = new.member_id)"
    },
)


_REFERRALS = Rows(
    "referral",
    {"member_id": "uuid", "referral": "text", "referrer": "text", "qualified_at": "timestamptz", "event_id": "text"},
    "ON CONFLICT (program_id, member_id, referral) DO UPDATE SET referrer = excluded.referrer,"
    " qualified_at = excluded.qualified_at, event_id = excluded.event_id, holds = true, open = true,"
    " refused = CASE WHEN referral.referrer = excluded.referrer THEN referral.refused END",
)


class Score(msgspec.Struct, frozen=True, array_like=True):
    """A member's score in a period of a board. `version` grows with each write, so that a projection knows the newer one."""

    board: str
    period: str
    external_id: str
    member_id: UUID
    score: int
    reached_at: datetime
    version: int
    group: str = ""


SCORE = (
    "held.board, held.period, member.external_id, held.member_id, held.score, held.reached_at, held.version,"
    ' held."group"'
)
"""The columns of a `Score`."""


async def save(unit: Unit, outcomes: Sequence[tuple[UUID, int, AnyOutcome]]) -> None:
    """Write outcomes of members, each with the version of her state; a later value of one replaces an earlier one."""
    latest: dict[type, dict[tuple[object, ...], tuple[object, ...]]] = {kind: {} for kind in _TABLES}
    for who, version, each in outcomes:
        kind = type(each)
        if kind in _TABLES:
            _, key, row_of = _TABLES[kind]
            row = row_of(who, version, each)
            latest[kind][row[:key]] = row
    for kind, (table, _, _) in _TABLES.items():
        table.insert(unit, list(latest[kind].values()))


_TABLES: Mapping[type, tuple[Rows, int, Callable[[UUID, int, Any], tuple[object, ...]]]] = {
    ChallengeCompleted: (
        _COMPLETIONS,
        3,
        lambda who, _, each: (who, each.challenge, each.period, each.at, each.event_id),
    ),
    Contributed: (
        _CONTRIBUTIONS,
        4,
        lambda who, _, each: (
            *(who, each.challenge, each.period, each.since),
            *(each.team, each.amount, each.window, each.target, each.minimum),
        ),
    ),
    BadgeAwarded: (_BADGES, 3, lambda who, _, each: (who, each.badge, each.level, each.at, each.event_id)),
    TierChanged: (
        _TIERS,
        4,
        lambda who, _, each: (
            *(who, each.ladder, each.at, each.event_id or ""),
            *(each.tier_from, each.tier_to, each.qualifying),
        ),
    ),
    RewardGiven: (
        _REWARDS,
        2,
        lambda who, _, each: (
            *(who, each.reward, each.sort, each.key, each.source),
            *(each.at, each.event_id, each.until, each.count),
        ),
    ),
    ReferralQualified: (
        _REFERRALS,
        2,
        lambda who, _, each: (who, each.referral, each.referrer, each.at, each.event_id),
    ),
    HeldOut: (
        _HELD_OUT,
        2,
        lambda who, _, each: (who, each.what, each.definition, each.points, each.at, each.event_id),
    ),
    Scored: (
        _SCORES,
        3,
        lambda who, version, each: (
            *(who, each.board, each.period, each.score),
            *(each.reached_at, version, each.group),
        ),
    ),
}
"""Where outcomes are kept: the table, how many columns at its beginning are its key, and an outcome's row."""


_GONE: Mapping[type, tuple[str, Mapping[str, str], Callable[[Any], tuple[object, ...]]]] = {
    ChallengeCompleted: ("completion", {"challenge": "text", "period": "text"}, lambda it: (it.challenge, it.period)),
    Contributed: (
        "contribution",
        {"challenge": "text", "period": "text", "since": "timestamptz"},
        lambda it: (it.challenge, it.period, it.since),
    ),
    BadgeAwarded: ("badge_award", {"badge": "text", "level": "text"}, lambda it: (it.badge, it.level)),
    RewardGiven: ("reward_given", {"reward": "text"}, lambda it: (it.reward,)),
    HeldOut: ("held_out", {"what": "text"}, lambda it: (it.what,)),
    TierChanged: (
        "tier_change",
        {"ladder": "text", "changed_at": "timestamptz", "event_id": "text"},
        lambda it: (it.ladder, it.at, it.event_id or ""),
    ),
    # Whose score stands in another group by now has it still.
    Scored: (
        "board_score",
        {"board": "text", "period": "text", '"group"': "text"},
        lambda it: (it.board, it.period, it.group),
    ),
}
"""Where outcomes are deleted that never were: the table, the columns by which one is found, and their values."""


async def remove(unit: Unit, outcomes: Sequence[tuple[UUID, AnyOutcome]]) -> None:
    """Take away outcomes that never were."""
    for kind, (table, columns, key_of) in _GONE.items():
        rows = [(who, *key_of(each)) for who, each in outcomes if isinstance(each, kind)]
        if rows:
            arrays = ", ".join(f"${position}::{sort}[]" for position, sort in enumerate(columns.values(), 3))
            same = " AND ".join(f"held.{name} = gone.{name}" for name in columns)
            await unit.execute(
                f"DELETE FROM {table} AS held USING unnest($2::uuid[], {arrays}) AS gone (who, {', '.join(columns)})"
                f" WHERE held.program_id = $1 AND held.member_id = gone.who AND {same}",
                unit.program,
                *columns_of(rows, 1 + len(columns)),
            )
    given = [(who, each.reward) for who, each in outcomes if isinstance(each, RewardGiven) and each.sort in BENEFITS]
    if given:
        # What the member has by it is taken back by whoever settles it.
        await unit.execute(
            "UPDATE benefit AS held SET open = true FROM unnest($2::uuid[], $3::text[]) AS gone (who, reward)"
            " WHERE held.program_id = $1 AND held.member_id = gone.who AND held.reward = gone.reward",
            unit.program,
            *columns_of(given, 2),
        )
    referrals = [(who, each.referral) for who, each in outcomes if isinstance(each, ReferralQualified)]
    if referrals:
        # What was given for it is taken back by whoever settles it.
        await unit.execute(
            "UPDATE referral AS held SET holds = false, open = true FROM unnest($2::uuid[], $3::text[]) AS gone (who, referral)"
            " WHERE held.program_id = $1 AND held.member_id = gone.who AND held.referral = gone.referral",
            unit.program,
            *columns_of(referrals, 2),
        )


async def of_members(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, list[AnyOutcome]]:
    """The completions, badges, rewards, changes of tier, scores and referrals of members as they are stored."""
    found: dict[UUID, list[AnyOutcome]] = {who: [] for who in member_ids}
    for table, columns, kind in (
        ("completion", "challenge, period, completed_at, event_id", ChallengeCompleted),
        (
            "contribution",
            "challenge, period, team, since, amount, window_index, target, minimum",
            Contributed,
        ),
        ("badge_award", "badge, level, awarded_at, event_id", BadgeAwarded),
        ("reward_given", "sort, key, source, reward, given_at, event_id, until, count", RewardGiven),
        ("held_out", "definition, what, points, held_at, event_id", HeldOut),
        ("tier_change", "ladder, tier_from, tier_to, changed_at, qualifying, nullif(event_id, '')", TierChanged),
        ("board_score", 'board, period, score, reached_at, "group"', Scored),
        ("(SELECT * FROM referral WHERE holds)", "referral, referrer, qualified_at, event_id", ReferralQualified),
    ):
        rows = await unit.fetch(
            f"SELECT member_id, {columns} FROM {table} AS held WHERE program_id = $1 AND member_id = ANY($2::uuid[])",
            unit.program,
            list(member_ids),
        )
        for row in rows:
            who, *values = row
            found[who].append(kind(*values))
    return found


async def badge_holders(unit: Unit, at_most: int) -> tuple[int, dict[str, int]]:
    """Of so many members in order of their ids, or fewer where there are not more: how many they are (0 where none holds any
    badge), and how many hold each badge.
    """
    rows = await unit.fetch(
        "WITH sampled AS MATERIALIZED (SELECT id FROM member WHERE program_id = $1 ORDER BY id LIMIT $2)"
        " SELECT held.badge, count(DISTINCT held.member_id) AS holders, (SELECT count(*) FROM sampled) AS members"
        " FROM sampled JOIN badge_award AS held ON held.program_id = $1 AND held.member_id = sampled.id GROUP BY held.badge",
        unit.program,
        at_most,
    )
    return rows[0]["members"] if rows else 0, {row["badge"]: row["holders"] for row in rows}


async def scores(unit: Unit, board: str, period: str) -> list[Score]:
    """Every score of one period of a board, of all its groups and ranked or not, best first: by score, then who reached it first, then the app's own id."""
    rows = await unit.fetch(
        f"SELECT {SCORE}"
        " FROM board_score AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
        " WHERE held.program_id = $1 AND held.board = $2 AND held.period = $3"
        " ORDER BY held.score DESC, held.reached_at, member.external_id",
        unit.program,
        board,
        period,
    )
    return [Score(*row) for row in rows]


async def boards(unit: Unit) -> list[tuple[str, str, str]]:
    """Every period, and group, of every board in which somebody scored."""
    rows = await unit.fetch(
        'SELECT DISTINCT board, period, "group" FROM board_score WHERE program_id = $1', unit.program
    )
    return [(row["board"], row["period"], row["group"]) for row in rows]


async def scores_after(unit: Unit, after: tuple[str, str, UUID] | None, at_most: int) -> list[Score]:
    """What is ranked, by board, period and member, from the one after `after` on: to fill the boards piece by piece."""
    rows = await unit.fetch(
        f"SELECT {SCORE}"
        " FROM board_score AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
        " WHERE held.program_id = $1 AND NOT held.hidden AND ($2::text IS NULL OR (held.board, held.period, held.member_id) > ($2, $3, $4::uuid))"
        " ORDER BY held.board, held.period, held.member_id LIMIT $5",
        unit.program,
        *(after or (None, None, None)),
        at_most,
    )
    return [Score(*row) for row in rows]
