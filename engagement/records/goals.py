"""Goals: the reward for which a member saves."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from engagement.records.unit import Unit


async def of_members(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The rewards for which members save, of those who do."""
    rows = await unit.fetch(
        "SELECT member_id, reward FROM goal WHERE program_id = $1 AND member_id = ANY($2::uuid[])",
        unit.program,
        list(member_ids),
    )
    return {row["member_id"]: row["reward"] for row in rows}


async def put(unit: Unit, member_id: UUID, reward: str, at: datetime) -> None:
    """Let a member save for a reward, and for no other."""
    await unit.execute(
        "INSERT INTO goal (program_id, member_id, reward, set_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (program_id, member_id) DO UPDATE SET reward = excluded.reward, set_at = excluded.set_at",
        unit.program,
        member_id,
        reward,
        at,
    )


async def clear(unit: Unit, member_id: UUID) -> bool:
    """Let a member save for nothing; whether she did."""
    return bool(
        await unit.execute("DELETE FROM goal WHERE program_id = $1 AND member_id = $2", unit.program, member_id)
    )
