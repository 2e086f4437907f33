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

    `keep` is given each piece, and how many entries there are in all. May take up to 30 minutes.
    """

    async def work(unit: Unit) -> int:
        await unit.take_time(SECONDS_MAX)
        total = await journal.count(unit, since, until)
        after: Place | None = None
        while True:
            piece = await journal.page(unit, since, until, after, PIECE_ENTRIES)
            if not piece:
                return total
            keep(piece, total)
            after = piece[-1].place

    return await database.run(work, program_id, read_only=True, deadline_seconds=SECONDS_MAX)
