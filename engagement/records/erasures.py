"""Who was erased: what is known of it, and her own rows as they are then.

Frozen at once, under her lock; the person is removed from everything that was kept on her after that (`removal`). An id of an erased
member is known again by a digest, and by that alone.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from achievements.controls import seed_of
from achievements.states import MemberState
from engagement.errors import MemberErased
from engagement.records import codes
from engagement.records.unit import Unit

SALT_BYTES = 32


class Erasure(msgspec.Struct, frozen=True):
    """Of whom, since when (the server's time), and since when nothing of the person is left; None where that is under way."""

    member_id: UUID
    asked_at: datetime
    done_at: datetime | None


class UnderWay(msgspec.Struct, frozen=True):
    """An erasure that has still something to remove: the app's own id of the person, and what is there instead."""

    member_id: UUID
    external_id: str
    instead: str
    salt: bytes


_DIGEST = "sha256((SELECT erasure_key FROM program WHERE id = $1) || convert_to({}, 'UTF8'))"


async def erased_among(unit: Unit, external_ids: Sequence[str]) -> set[str]:
    """Which of some ids of the app's are those of members who were erased."""
    rows = await unit.fetch(
        "SELECT asked.name FROM unnest($2::text[]) AS asked (name) WHERE EXISTS (SELECT FROM erasure WHERE program_id = $1)"
        f" AND {_DIGEST.format('asked.name')} IN (SELECT digest FROM erasure WHERE program_id = $1)",
        unit.program,
        list(external_ids),
    )
    return {row["name"] for row in rows}


async def find(unit: Unit, external_id: str) -> Erasure | None:
    """The erasure of the member whom the app called so; None where there was none, or long ago."""
    row = await unit.fetchrow(
        "SELECT member_id, asked_at, done_at FROM erasure"
        f" WHERE program_id = $1 AND digest = {_DIGEST.format('$2::text')}",
        unit.program,
        external_id,
    )
    return None if row is None else Erasure(*row)


async def check_not_erased(unit: Unit, external_id: str) -> None:
    """Raise `MemberErased` for the id of a member who was."""
    if await erased_among(unit, [external_id]):
        raise MemberErased.of(external_id)


async def freeze(unit: Unit, member_id: UUID, external_id: str, instead: str) -> None:
    """Give a locked member another id, and a state in which nothing is of her; she is known as erased from then on."""
    await unit.execute(
        "INSERT INTO erasure (program_id, member_id, digest, external_id, salt)"
        f" VALUES ($1, $2, {_DIGEST.format('$3::text')}, $3, $4)",
        *(unit.program, member_id, external_id, secrets.token_bytes(SALT_BYTES)),
    )
    await unit.execute(
        "UPDATE member SET external_id = $3, alias = NULL, timezone = NULL WHERE program_id = $1 AND id = $2",
        *(unit.program, member_id, instead),
    )
    state = msgspec.json.encode(MemberState(seed=seed_of(instead))).decode()
    await unit.execute(
        "UPDATE member_state SET erased = true, hidden = true, state = $3, inputs = 0, due_at = NULL, pending = NULL,"
        " version = version + 1, seq = seq + 1 WHERE program_id = $1 AND member_id = $2",
        *(unit.program, member_id, state),
    )


async def leave(unit: Unit, member_id: UUID, at: datetime) -> None:
    """Take a locked member out of what others see or wait for: boards, teams, and what she has still to be told or given.

    What was given to her stays given; a code that she holds can be used still, one that was kept for her and not issued goes back to its
    pool. Her entries in draws that are ahead are void, since nobody could be told that she won.
    """
    mine = (unit.program, member_id)
    await unit.execute("DELETE FROM board_score WHERE program_id = $1 AND member_id = $2", *mine)
    await unit.execute("DELETE FROM team_member WHERE program_id = $1 AND member_id = $2", *mine)
    await unit.execute("UPDATE contribution SET open = false WHERE program_id = $1 AND member_id = $2 AND open", *mine)
    await unit.execute("UPDATE referral SET open = false WHERE program_id = $1 AND member_id = $2 AND open", *mine)
    await unit.execute("UPDATE reward_given SET open = false WHERE program_id = $1 AND member_id = $2 AND open", *mine)
    rows = await unit.fetch(
        "WITH hers AS MATERIALIZED (SELECT id, state = 'owed' OR state = 'issued' AND sort = 'draw' AS gone,"
        " CASE state WHEN 'owed' THEN hash END AS kept FROM benefit WHERE program_id = $1 AND member_id = $2 FOR UPDATE),"
        " ended AS (UPDATE benefit SET open = false, state = CASE WHEN gone THEN 'voided' ELSE state END,"
        " ended_at = CASE WHEN gone THEN $3 ELSE ended_at END, hash = CASE WHEN kept IS NULL THEN hash END FROM hers"
        " WHERE benefit.program_id = $1 AND benefit.id = hers.id AND (open OR gone))"
        " SELECT kept FROM hers WHERE kept IS NOT NULL",
        *(*mine, at),
    )
    codes.put_back(unit, [row["kept"] for row in rows])
    await unit.execute(
        "UPDATE board_final SET given_at = $3 WHERE program_id = $1 AND member_id = $2 AND contenders IS NOT NULL"
        " AND given_at IS NULL",
        *(*mine, at),
    )


async def under_way(unit: Unit, older_than: timedelta) -> list[UnderWay]:
    """The erasures of at least that age of which something is left to remove."""
    rows = await unit.fetch(
        "SELECT erasure.member_id, erasure.external_id, member.external_id AS instead, salt FROM erasure"
        " JOIN member ON member.program_id = $1 AND member.id = erasure.member_id"
        " WHERE erasure.program_id = $1 AND done_at IS NULL AND asked_at <= clock_timestamp() - $2::interval ORDER BY asked_at",
        unit.program,
        older_than,
    )
    return [UnderWay(*row) for row in rows]


async def finish(unit: Unit, member_id: UUID) -> None:
    """Nothing is left: forget whom it was about."""
    await unit.execute(
        "UPDATE erasure SET external_id = NULL, salt = NULL, done_at = clock_timestamp() WHERE program_id = $1 AND member_id = $2",
        unit.program,
        member_id,
    )


async def expire(unit: Unit, older_than: timedelta) -> int:
    """Forget erasures that were done so long ago that no event from before them is expected; how many."""
    return await unit.execute(
        "DELETE FROM erasure WHERE program_id = $1 AND done_at <= clock_timestamp() - $2::interval",
        unit.program,
        older_than,
    )
