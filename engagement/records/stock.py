"""How many of a reward, and of the places of its sessions, are taken: a row of its own for each, to be locked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from engagement.records.rows import columns_of
from engagement.records.unit import Row, Unit

Shelf: TypeAlias = tuple[str, str]
"""A reward, and a session of it; the reward itself, where that is empty."""


async def lock(unit: Unit, shelves: Iterable[Shelf], *, skip_locked: bool = False) -> dict[Shelf, int]:
    """How many are taken of each of these; locked, in their order, until the unit ends. `skip_locked` leaves out those that another holds."""
    wanted = sorted(set(shelves))
    found = await _locked(unit, wanted, skip_locked=skip_locked)
    fresh = [each for each in wanted if each not in found]
    if fresh:
        rows = await unit.fetch(
            "WITH made AS (INSERT INTO reward_stock (program_id, reward, session, taken)"
            " SELECT $1, asked.reward, asked.session, 0 FROM unnest($2::text[], $3::text[]) AS asked (reward, session)"
            " ON CONFLICT DO NOTHING RETURNING reward, session, taken) SELECT * FROM made",
            unit.program,
            *columns_of(fresh, 2),
        )
        found |= _by_shelf(rows)
        # Whoever else made one of them meanwhile has committed by now: the insert waited for it.
        others = [each for each in fresh if each not in found]
        if others and not skip_locked:
            found |= await _locked(unit, others, skip_locked=False)
    return found


async def _locked(unit: Unit, shelves: Sequence[Shelf], *, skip_locked: bool) -> dict[Shelf, int]:
    rows = await unit.fetch(
        "SELECT held.reward, held.session, held.taken FROM unnest($2::text[], $3::text[]) AS asked (reward, session)"
        " JOIN reward_stock AS held ON held.program_id = $1 AND held.reward = asked.reward AND held.session = asked.session"
        f" ORDER BY held.reward, held.session FOR NO KEY UPDATE OF held {'SKIP LOCKED' if skip_locked else ''}",
        unit.program,
        *columns_of(shelves, 2),
    )
    return _by_shelf(rows)


def _by_shelf(rows: Iterable[Row]) -> dict[Shelf, int]:
    return {(row["reward"], row["session"]): row["taken"] for row in rows}


async def taken(unit: Unit, rewards: Sequence[str]) -> dict[Shelf, int]:
    """How many of rewards and of their sessions are taken, for reading; what nobody ever took is left out."""
    rows = await unit.fetch(
        "SELECT reward, session, taken FROM reward_stock WHERE program_id = $1 AND reward = ANY($2::text[])",
        unit.program,
        list(rewards),
    )
    return _by_shelf(rows)


def change(unit: Unit, by: Mapping[Shelf, int]) -> None:
    """Take more of these, whose rows are locked, or give some back (below 0)."""
    if by:
        unit.write(
            "UPDATE reward_stock AS held SET taken = held.taken + news.more"
            " FROM unnest($2::text[], $3::text[], $4::int[]) AS news (reward, session, more)"
            " WHERE held.program_id = $1 AND held.reward = news.reward AND held.session = news.session",
            unit.program,
            *columns_of([(*each, more) for each, more in by.items()], 3),
        )
