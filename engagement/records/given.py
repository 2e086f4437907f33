"""What definitions gave and somebody has to look at: what is to be issued, taken back, or owed and to be had by now."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from engagement.records import benefits
from engagement.records.benefits import Benefit
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Given(msgspec.Struct, frozen=True):
    """Something that a definition gave by the outcome `reward`, and in which state the member has it; None where she has not."""

    reward: str
    sort: str
    key: str
    source: str
    at: datetime
    until: datetime | None
    count: int
    held: str | None


async def waiting(unit: Unit, after: UUID | None, at_most: int) -> list[UUID]:
    """Members behind one (all, where None) of whom something is open, in order of their ids."""
    rows = await unit.fetch(
        "SELECT member_id FROM (SELECT member_id FROM reward_given WHERE program_id = $1 AND open"
        " UNION SELECT member_id FROM benefit WHERE program_id = $1 AND open"
        " UNION SELECT member_id FROM redemption WHERE program_id = $1 AND open) AS waiting"
        " WHERE $2::uuid IS NULL OR member_id > $2 ORDER BY member_id LIMIT $3",
        unit.program,
        after,
        at_most,
    )
    return [row["member_id"] for row in rows]


async def opened(unit: Unit, member_id: UUID) -> list[Given]:
    """What was given to a locked member and nobody has looked at."""
    rows = await unit.fetch(
        "SELECT gave.reward, gave.sort, gave.key, gave.source, gave.given_at, gave.until, gave.count, held.state"
        " FROM reward_given AS gave LEFT JOIN benefit AS held ON held.program_id = $1 AND held.member_id = $2"
        " AND held.reward = gave.reward WHERE gave.program_id = $1 AND gave.member_id = $2 AND gave.open"
        " ORDER BY gave.given_at, gave.reward",
        unit.program,
        member_id,
    )
    return [Given(*row) for row in rows]


async def orphaned(unit: Unit, member_id: UUID) -> list[Benefit]:
    """What a locked member has, and has not used, of outcomes that are gone."""
    return await benefits.select(
        unit,
        "held.member_id = $2 AND held.open AND held.state IN ('owed', 'issued') AND held.reward IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM reward_given AS gave WHERE gave.program_id = $1 AND gave.member_id = $2"
        " AND gave.reward = held.reward)",
        member_id,
    )


async def revive(unit: Unit, member_id: UUID, outcomes: Sequence[tuple[str, datetime | None]]) -> list[Benefit]:
    """Let a locked member have again what was void, of outcomes that are back, up to their ends."""
    if not outcomes:
        return []
    await unit.execute(
        "UPDATE benefit AS held SET state = CASE WHEN held.sort = 'voucher' AND held.hash IS NULL THEN 'owed' ELSE 'issued' END,"
        " until = back.until, ended_at = NULL, open = false FROM unnest($3::text[], $4::timestamptz[]) AS back (reward, until)"
        " WHERE held.program_id = $1 AND held.member_id = $2 AND held.reward = back.reward AND held.state = 'voided'",
        unit.program,
        member_id,
        *columns_of(outcomes, 2),
    )
    return await benefits.select(
        unit, "held.member_id = $2 AND held.reward = ANY($3::text[])", member_id, [reward for reward, _ in outcomes]
    )


async def issue_owed(unit: Unit, member_id: UUID) -> list[Benefit]:
    """Issue what a locked member is owed and has a code for by now."""
    provided = await benefits.select(
        unit, "held.member_id = $2 AND held.state = 'owed' AND held.hash IS NOT NULL", member_id
    )
    if not provided:
        return []
    ids = [each.id for each in provided]
    await unit.execute(
        "UPDATE benefit SET state = 'issued' WHERE program_id = $1 AND id = ANY($2::uuid[])", unit.program, ids
    )
    return await benefits.select(unit, "held.id = ANY($2::uuid[])", ids, order="held.issued_at, held.id")


async def close(unit: Unit, member_id: UUID) -> None:
    """Note that everything of a locked member was looked at, but for what has come by a code since: that is nobody's lock to keep."""
    await unit.execute(
        "UPDATE reward_given SET open = false WHERE program_id = $1 AND member_id = $2 AND open",
        unit.program,
        member_id,
    )
    await unit.execute(
        "UPDATE benefit SET open = false WHERE program_id = $1 AND member_id = $2 AND open AND NOT (state = 'owed' AND hash IS NOT NULL)",
        unit.program,
        member_id,
    )
