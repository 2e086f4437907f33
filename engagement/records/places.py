"""How many of the places of a challenge are taken, window by window: a row of its own for each, to be locked."""

from collections.abc import Sequence

from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit

_TAKEN = Rows(
    "challenge_place",
    {"challenge": "text", "period": "text", "taken": "int"},
    "ON CONFLICT (program_id, challenge, period) DO UPDATE SET taken = challenge_place.taken + excluded.taken",
)


async def lock(unit: Unit, windows: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many places are taken in these windows of challenges; locked, in their order, until the unit ends."""
    rows = await unit.fetch(
        "WITH held AS (INSERT INTO challenge_place (program_id, challenge, period, taken)"
        " SELECT $1, asked.challenge, asked.period, 0 FROM unnest($2::text[], $3::text[]) AS asked (challenge, period)"
        " ON CONFLICT (program_id, challenge, period) DO UPDATE SET taken = challenge_place.taken"
        " RETURNING challenge, period, taken) SELECT * FROM held",
        unit.program,
        *columns_of(windows, 2),
    )
    return {(row["challenge"], row["period"]): row["taken"] for row in rows}


async def taken(unit: Unit, windows: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many places are taken in these windows of challenges, for reading; a window is left out where none ever was."""
    rows = await unit.fetch(
        "SELECT challenge, period, taken FROM challenge_place JOIN unnest($2::text[], $3::text[]) AS asked (challenge, period)"
        " USING (challenge, period) WHERE program_id = $1",
        unit.program,
        *columns_of(windows, 2),
    )
    return {(row["challenge"], row["period"]): row["taken"] for row in rows}


def take(unit: Unit, taken: Sequence[tuple[str, str, int]]) -> None:
    """Write how many places more are taken: (challenge, period, how many)."""
    _TAKEN.insert(unit, taken)
