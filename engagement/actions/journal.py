"""Reading the journal whole, a piece at a time."""

from collections.abc import Callable, Sequence
from datetime import datetime

from engagement.records import journal
from engagement.records.journal import Entry, Place
from engagement.records.unit import Database, Unit

PIECE_ENTRIES = 5_000
SECONDS_MAX = 1_800.0


async def read(
    database: Database,
    program_id: int,
    since: datetime | None,
    until: datetime | None,
    keep: Callable[[Sequence[Entry], int], None],
) -> int:
    """Read what was booked from an instant on and before another (UTC; None: ever), from one snapshot; how many entries that were.

    Ends where something may still be booked; what is read later from its last entry on leaves nothing out.
    `keep` is given each piece, and how many entries there are in all. May take up to 30 minutes.
    """
    end = await until_settled(database, program_id, until)

    async def work(unit: Unit) -> int:
        await unit.take_time(SECONDS_MAX)
        total = await journal.count(unit, since, end)
        after: Place | None = None
        while True:
            piece = await journal.page(unit, since, end, after, PIECE_ENTRIES)
            if not piece:
                return total
            keep(piece, total)
            after = piece[-1].place

    return await database.run(work, program_id, read_only=True, deadline_seconds=SECONDS_MAX)


async def until_settled(database: Database, program_id: int, until: datetime | None) -> datetime:
    """Up to where the journal can be read now, at most to an instant."""
    settled = await database.run(journal.settled, program_id)
    return settled if until is None else min(until, settled)
