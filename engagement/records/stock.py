"""How many of a reward, and of the places of its sessions, are taken: a row of its own for each, to be locked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from engagement.records.unit import Unit

Shelf: TypeAlias = tuple[str, str]
"""A reward, and a session of it; the reward itself, where that is empty."""


async def lock(unit: Unit, reward: str, sessions: Iterable[str]) -> dict[str, int]:
    """How many are taken of each of these sessions of a reward ("": of the reward itself); locked, in their order, until the unit ends."""
    rows = await unit.fetch(
        "WITH held AS (INSERT INTO reward_stock (program_id, reward, session, taken)"
        " SELECT $1, $2, asked.session, 0 FROM unnest($3::text[]) AS asked (session)"
        " ON CONFLICT (program_id, reward, session) DO UPDATE SET taken = reward_stock.taken"
        " RETURNING session, taken) SELECT * FROM held",
        unit.program,
        reward,
        sorted(set(sessions)),
    )
    return {row["session"]: row["taken"] for row in rows}


async def taken(unit: Unit, rewards: Sequence[str]) -> dict[Shelf, int]:
    """How many of rewards and of their sessions are taken, for reading; what nobody ever took is left out."""
    rows = await unit.fetch(
        "SELECT reward, session, taken FROM reward_stock WHERE program_id = $1 AND reward = ANY($2::text[])",
        unit.program,
        list(rewards),
    )
    return {(row["reward"], row["session"]): row["taken"] for row in rows}


def change(unit: Unit, reward: str, by: Mapping[str, int]) -> None:
    """Take more of a reward and its sessions, whose rows are locked, or give some back (below 0)."""
    unit.write(
        "UPDATE reward_stock AS held SET taken = held.taken + news.more"
        " FROM unnest($3::text[], $4::int[]) AS news (session, more)"
        " WHERE held.program_id = $1 AND held.reward = $2 AND held.session = news.session",
        unit.program,
        reward,
        list(by),
        list(by.values()),
    )
