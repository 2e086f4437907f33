"""Keeping what a program keeps, and no longer: items of feeds, where it says for how long, and answers to commands."""

from datetime import timedelta

from achievements.retention import Retention
from engagement.actions.programs import Loaded, Programs
from engagement.records import retention
from engagement.records.unit import Database, Unit

ANSWERS_DAYS = 30
"""So long the answer to a command is kept under its idempotency key, where the program does not say."""
PIECE_SECONDS = 60.0


async def settle(database: Database, cache: Programs, program_id: int) -> int:
    """Remove what a program has kept for long enough, in pieces; how many rows. Any number may do so at once."""

    async def piece(unit: Unit) -> int:
        await unit.take_time(PIECE_SECONDS)
        loaded = await cache.load(unit)
        feed = days_of(loaded, "feed")
        dropped = await retention.drop_answers(unit, days_of(loaded, "answers") or ANSWERS_DAYS)
        if feed is not None:
            dropped += await retention.drop_feed(unit, loaded.now - timedelta(days=feed))
        return dropped

    count = 0
    while dropped := await database.run(piece, program_id, deadline_seconds=PIECE_SECONDS):
        count += dropped
    return count


def days_of(loaded: Loaded, kept: str) -> int | None:
    """For how many days a program says that it keeps something; None where it does not."""
    said = loaded.rulebook.latest.program.sections.get("retention", ())
    return next((each.days for each in said if isinstance(each, Retention) and each.key == kept), None)
