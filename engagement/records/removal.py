"""Removing an erased member from everything that was kept on her, a bounded piece at a time, and what becomes of each table.

The books stay, under her random id: points, what was given, and how boards and teams came out. What she did and was told is
deleted. Ids that the app chose for her events become random ones there, the same wherever they stand. Nobody else writes her rows any
more, so a piece may be done twice, and whoever was killed in between goes on.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from achievements.movements import MemberMerged, MemberUnmerged
from achievements.outcomes import Effect, ReferralQualified, Withdrawn
from achievements.states import MemberState, ReferralPart
from engagement.records import activity
from engagement.records.erasures import UnderWay
from engagement.records.unit import Unit

ROWS_AT_ONCE = 5_000

DELETED = (
    *("activity", "amendment", "consent", "event", "fact", "member_snapshot"),
    *("badge_award", "board_score", "completion", "goal", "held_out", "problem", "team_member", "tier_change"),
)
"""Tables in which nothing of an erased member is left."""
DELETED_AT_LAST = ("merge",)
"""Those that say who else's rows name her: they go when nobody's do any more."""
RENAMED: Mapping[str, tuple[str, ...]] = {
    "transfer": ("event_id", "fact_id"),
    "referral": ("event_id",),
    "reward_given": ("reward", "event_id"),
    "benefit": ("reward",),
    "redemption": ("fact",),
}
"""Tables of the books, with the columns in which ids of an app's choosing stand; lots go with their transfers."""
SOURCED = ("transfer", "lot", "hold")
"""Tables that say what points were for: in the key of a definition, which stays, or in words of an app, which do not."""
KEPT: Mapping[str, str] = {
    "board_final": "how a closed board came out, by her random id; a group that nobody else is left in gets a random name",
    "contribution": "what her teams have come to",
    "draw_winner": "how a draw came out, by her random id",
    "erasure": "that she was erased",
    "hold": "points that were set aside, renamed together with their lots",
    "lot": "points, renamed together with their transfers",
    "member_state": "a state of nothing, written when she was frozen",
    "team_share": "that a team's target was met, in windows that are over or not hers any more",
    "wallet": "what her points came to",
}
"""Tables that hold a member's rows and nothing of a person, and why they stay."""

MEANT = ("member", "former", "into", "giver", "receiver")
"""What stored answers call those whom their commands were about."""

PREFIX = "erased\u00a0"
"""Before each id that stands for one of an app's: no caller's id holds such a space."""


async def delete(unit: Unit, member_id: UUID, table: str) -> int:
    """Delete some rows of an erased member; how many."""
    return await unit.execute(
        f"DELETE FROM {table} WHERE program_id = $1 AND member_id = $2 AND ctid IN (SELECT ctid FROM {table}"
        " WHERE program_id = $1 AND member_id = $2 LIMIT $3)",
        *(unit.program, member_id, ROWS_AT_ONCE),
    )


async def rename(unit: Unit, erasure: UnderWay, table: str, columns: Iterable[str]) -> int:
    """Put other ids in some rows; how many."""
    columns = tuple(columns)
    changed = ", ".join(f"{each} = {_renamed(each)}" for each in columns)
    left = " OR ".join(map(_left, columns))
    return await unit.execute(
        f"UPDATE {table} SET {changed} WHERE program_id = $1 AND member_id = $2 AND ctid IN (SELECT ctid FROM {table}"
        f" WHERE program_id = $1 AND member_id = $2 AND ({left}) LIMIT $4)",
        *(unit.program, erasure.member_id, erasure.salt, ROWS_AT_ONCE),
    )


async def rename_lots(unit: Unit, erasure: UnderWay) -> int:
    """Put other ids in some lots, and in the transfers that name them; how many lots."""
    return await unit.execute(
        "WITH moving AS (SELECT id FROM lot WHERE program_id = $1 AND member_id = $2"
        f" AND NOT starts_with(id, '{PREFIX}') LIMIT $4), moved AS (UPDATE transfer SET lot_id = {_renamed('lot_id')}"
        " WHERE program_id = $1 AND member_id = $2 AND lot_id IN (SELECT id FROM moving))"
        f" UPDATE lot SET id = {_renamed('id')}, event_id = {_renamed('event_id')}"
        " WHERE program_id = $1 AND member_id = $2 AND id IN (SELECT id FROM moving)",
        *(unit.program, erasure.member_id, erasure.salt, ROWS_AT_ONCE),
    )


async def rename_holds(unit: Unit, erasure: UnderWay) -> int:
    """Put those ids in some holds as well; how many."""
    return await unit.execute(
        f"UPDATE hold SET fact_id = {_renamed('fact_id')}, lots = (SELECT jsonb_agg(jsonb_build_array({_renamed('part.lot')},"
        " part.points) ORDER BY number) FROM (SELECT held ->> 0 AS lot, (held ->> 1)::bigint AS points, number"
        " FROM jsonb_array_elements(lots) WITH ORDINALITY AS parts (held, number)) AS part)"
        " WHERE program_id = $1 AND member_id = $2 AND id IN (SELECT id FROM hold WHERE program_id = $1 AND member_id = $2"
        f" AND NOT starts_with(lots -> 0 ->> 0, '{PREFIX}') LIMIT $4)",
        *(unit.program, erasure.member_id, erasure.salt, ROWS_AT_ONCE),
    )


async def rename_sources(unit: Unit, erasure: UnderWay, table: str, but: str) -> int:
    """Put another word where some rows say what points were for in an app's own words; how many."""
    return await unit.execute(
        f"UPDATE {table} SET source = {_renamed('source')} WHERE program_id = $1 AND member_id = $2 AND ctid IN (SELECT ctid"
        f" FROM {table} WHERE program_id = $1 AND member_id = $2 AND {_left('source')}"
        " AND source <> $5 AND source NOT IN (SELECT key FROM definition WHERE program_id = $1) LIMIT $4)",
        *(unit.program, erasure.member_id, erasure.salt, ROWS_AT_ONCE, but),
    )


async def rename_groups(unit: Unit, erasure: UnderWay) -> int:
    """Put another word where an attribute is the group of nobody but members who are erased, on boards that are closed; how many."""
    renamed, left = _renamed('held."group"'), _left('own."group"')
    return await unit.execute(
        f'UPDATE board_final AS held SET "group" = {renamed} FROM (SELECT board, period, "group"'
        f" FROM board_final AS own WHERE program_id = $1 AND member_id = $2 AND {left} AND NOT EXISTS ("
        "SELECT FROM board_final AS others JOIN member_state AS whose ON whose.program_id = $1"
        " AND whose.member_id = others.member_id AND NOT whose.erased WHERE others.program_id = $1"
        ' AND others.board = own.board AND others.period = own.period AND others."group" = own."group") LIMIT $4) AS hers'
        " WHERE held.program_id = $1 AND held.board = hers.board AND held.period = hers.period"
        ' AND held."group" = hers."group"',
        *(unit.program, erasure.member_id, erasure.salt, ROWS_AT_ONCE),
    )


def _left(column: str) -> str:
    return f"({column} <> '' AND NOT starts_with({column}, '{PREFIX}'))"


def _renamed(column: str) -> str:
    return (
        f"CASE WHEN {column} = '' OR starts_with({column}, '{PREFIX}') THEN {column}"
        f" ELSE '{PREFIX}' || left(encode(sha256($3::bytea || convert_to({column}, 'UTF8')), 'hex'), 32) END"
    )


async def naming(unit: Unit, external_id: str, saying: Mapping[str, set[str]]) -> list[UUID]:
    """Members whose events, of some types, name another in one of some properties: as the one by whom they were brought."""
    found: set[UUID] = set()
    for event_type, names in saying.items():
        for name in names:
            for table in ("event", "amendment"):
                joined = (
                    "event AS held"
                    if table == "event"
                    else "amendment AS held JOIN event ON event.program_id = $1 AND event.member_id = held.member_id"
                    " AND event.id = held.event_id"
                )
                of_type = "held.type" if table == "event" else "event.type"
                rows = await unit.fetch(
                    f"SELECT DISTINCT held.member_id FROM {joined} WHERE held.program_id = $1 AND {of_type} = $2"
                    " AND held.properties ->> $3 = $4",
                    *(unit.program, event_type, name, external_id),
                )
                found.update(row["member_id"] for row in rows)
    return sorted(found)


async def once_one(unit: Unit, member_id: UUID) -> list[UUID]:
    """Members of whom an erased one was a part once, or who were a part of her: their feeds name her."""
    rows = await unit.fetch(
        "SELECT into_id FROM merge WHERE program_id = $1 AND member_id = $2"
        " UNION SELECT member_id FROM merge WHERE program_id = $1 AND into_id = $2",
        *(unit.program, member_id),
    )
    return [row[0] for row in rows]


async def forget_name(unit: Unit, member_id: UUID, erasure: UnderWay, saying: Mapping[str, set[str]]) -> None:
    """Put the random id where a locked member has named an erased one as the one who brought her, or was told that they are one, or were:
    in all that was kept of it.
    """
    old, new = erasure.external_id, erasure.instead
    for event_type, names in saying.items():
        for name in names:
            given = (unit.program, member_id, event_type, name, old, new)
            written = "properties = jsonb_set(held.properties, ARRAY[$4], to_jsonb($6::text))"
            await unit.execute(
                f"UPDATE event AS held SET {written} WHERE program_id = $1 AND member_id = $2 AND type = $3"
                " AND properties ->> $4 = $5",
                *given,
            )
            await unit.execute(
                f"UPDATE amendment AS held SET {written} FROM event WHERE held.program_id = $1 AND held.member_id = $2"
                " AND event.program_id = $1 AND event.member_id = $2 AND event.id = held.event_id AND event.type = $3"
                " AND held.properties ->> $4 = $5",
                *given,
            )
    await unit.execute(
        "UPDATE referral SET referrer = $4 WHERE program_id = $1 AND member_id = $2 AND referrer = $3",
        *(unit.program, member_id, old, new),
    )
    for table, number in (("member_state", "version"), ("member_snapshot", "inputs")):
        await _rewrite(unit, member_id, table, number, "state", old, lambda text: _state_without(text, old, new))
    await _rewrite(unit, member_id, "activity", "seq", "effects", old, lambda text: _feed_without(text, old, new))


_NOTES = (
    "hers.program_id = $1 AND hers.member_id = $2 AND hers.kind IN ('points_given', 'points_received')"
    " AND hers.data ->> 'note' <> '' AND held.program_id = $1 AND held.member_id <> $2 AND held.booked_at = hers.booked_at"
    " AND held.kind = CASE hers.kind WHEN 'points_given' THEN 'points_received' ELSE 'points_given' END"
    " AND held.data ->> 'note' = hers.data ->> 'note'"
    " AND (held.data -> 'moved' ->> 'points')::bigint = -(hers.data -> 'moved' ->> 'points')::bigint"
)
"""That of two facts the one is an erased member's, and the other what was told with the same note to whom she gave points, or who gave her some."""


async def noting(unit: Unit, member_id: UUID) -> list[UUID]:
    """Members who keep a note that came to an erased member, or from her, with points."""
    rows = await unit.fetch(
        f"SELECT DISTINCT held.member_id FROM fact AS hers, fact AS held WHERE {_NOTES}", unit.program, member_id
    )
    return sorted(row["member_id"] for row in rows)


async def forget_notes(unit: Unit, member_id: UUID, erased_id: UUID) -> None:
    """Remove what was written to an erased member, or by her, from what a locked member was told."""
    await unit.execute(
        "UPDATE fact AS held SET data = jsonb_set(held.data, '{note}', '\"\"') FROM fact AS hers"
        f" WHERE held.member_id = $3 AND {_NOTES}",
        *(unit.program, erased_id, member_id),
    )


async def _rewrite(
    unit: Unit, member_id: UUID, table: str, number: str, column: str, name: str, again: Callable[[str], str]
) -> None:
    """Write documents of a member again that hold a name."""
    rows = await unit.fetch(
        f"SELECT {number} AS number, {column} AS document FROM {table} WHERE program_id = $1 AND member_id = $2"
        f" AND position(to_jsonb($3::text)::text IN {column}::text) > 0",
        *(unit.program, member_id, name),
    )
    for row in rows:
        await unit.execute(
            f"UPDATE {table} SET {column} = $4 WHERE program_id = $1 AND member_id = $2 AND {number} = $3",
            *(unit.program, member_id, row["number"], again(row["document"])),
        )


_decode_state = msgspec.json.Decoder(MemberState).decode


def _state_without(text: str, old: str, new: str) -> str:
    state = _decode_state(text)
    parts = {
        name: msgspec.structs.replace(part, by=new) if isinstance(part, ReferralPart) and part.by == old else part
        for name, part in state.parts.items()
    }
    return msgspec.json.encode(msgspec.structs.replace(state, parts=parts)).decode()


def _feed_without(text: str, old: str, new: str) -> str:
    def named(outcome: ReferralQualified) -> ReferralQualified:
        return msgspec.structs.replace(outcome, referrer=new) if outcome.referrer == old else outcome

    def told(effect: Effect) -> Effect:
        if isinstance(effect, MemberMerged | MemberUnmerged):
            return msgspec.structs.replace(effect, member=new) if effect.member == old else effect
        if isinstance(effect, Withdrawn) and isinstance(effect.outcome, ReferralQualified):
            return Withdrawn(named(effect.outcome))
        return named(effect) if isinstance(effect, ReferralQualified) else effect

    return msgspec.json.encode([told(each) for each in activity.effects_of(text)]).decode()


async def forget_answers(unit: Unit, erasure: UnderWay) -> None:
    """Remove stored answers to commands of hers or about her, and put the random id into others that name her.

    A command about her that is sent again is refused; one whose answer was rewritten is answered no more, for its key is used.
    """
    old = erasure.external_id
    about_her = " OR ".join(f"result ->> '{each}' = $3" for each in MEANT)
    await unit.execute(
        f"DELETE FROM idempotency WHERE program_id = $1 AND (principal = $2 OR {about_her})",
        *(unit.program, f"member:{old}", old),
    )
    rows = await unit.fetch(
        "SELECT principal, operation, key, result FROM idempotency WHERE program_id = $1"
        " AND position(to_jsonb($2::text)::text IN result::text) > 0",
        *(unit.program, old),
    )
    for row in rows:
        await unit.execute(
            "UPDATE idempotency SET result = $5, input_hash = sha256(uuid_send(gen_random_uuid()))"
            " WHERE program_id = $1 AND principal = $2 AND operation = $3 AND key = $4",
            *(unit.program, row["principal"], row["operation"], row["key"], _other(row["result"], erasure)),
        )
    for column in ("input", "place", "result"):
        jobs = await unit.fetch(
            f"SELECT id, {column} AS document FROM job WHERE program_id = $1 AND ended_at IS NOT NULL"
            f" AND position(to_jsonb($2::text)::text IN {column}::text) > 0",
            *(unit.program, old),
        )
        for row in jobs:
            await unit.execute(
                f"UPDATE job SET {column} = $3 WHERE program_id = $1 AND id = $2",
                *(unit.program, row["id"], _other(row["document"], erasure)),
            )


def _other(document: str, erasure: UnderWay) -> str:
    """A document with the random id wherever a value is the one that the app had for her."""

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {other(name): other(each) for name, each in value.items()}
        if isinstance(value, list):
            return [other(each) for each in value]
        return erasure.instead if value == erasure.external_id else value

    return msgspec.json.encode(other(msgspec.json.decode(document))).decode()


async def is_on_its_way(unit: Unit, external_id: str) -> bool:
    """Whether something that names her has still to leave the house, or a job is under way that may do so when it ends."""
    there: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM outbox WHERE program_id = $1 AND position(to_jsonb($2::text)::text IN payload::text) > 0)"
        " OR EXISTS (SELECT FROM job WHERE program_id = $1 AND ended_at IS NULL"
        " AND position(to_jsonb($2::text)::text IN concat(input, place)) > 0)",
        *(unit.program, external_id),
    )
    return there
