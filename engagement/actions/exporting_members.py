"""All that is kept on one member, for her to read and to take with her: never written down again, so it has not to be forgotten."""

import functools
from collections.abc import AsyncIterator, Sequence

from engagement.errors import NotFound
from engagement.records import members, personal
from engagement.records.personal import Place, Row
from engagement.records.unit import Database, Unit

ROWS_AT_ONCE = 500


async def page(unit: Unit, member: str, after: Place | None, at_most: int) -> Sequence[Row]:
    """Some rows of a member, by the app's own id, from the one behind a place on. Raises `NotFound`."""
    found = None if "\0" in member else await members.find(unit, member)
    if found is None:
        raise NotFound(f"There is no member `{member}`.", "member")
    return await personal.page(unit, found.id, after, at_most)


async def everything(database: Database, program_id: int, member: str) -> AsyncIterator[Row]:
    """Every row of a member, read in pieces: what changes meanwhile may be in it or not. Raises `NotFound`."""
    after: Place | None = None
    while True:
        piece = functools.partial(page, member=member, after=after, at_most=ROWS_AT_ONCE)
        rows = await database.run(piece, program_id, read_only=True)
        for row in rows:
            yield row
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].place
