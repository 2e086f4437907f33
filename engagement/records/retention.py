"""Removing what is kept for a while only, a bounded piece at a time."""

from datetime import datetime

from engagement.records.unit import Unit

ROWS_AT_ONCE = 5_000


async def drop_feed(unit: Unit, before: datetime) -> int:
    """Delete some items of feeds that were booked before an instant; how many. The newest of each member stays, by which her feed is numbered."""
    return await unit.execute(
        "DELETE FROM activity USING (SELECT item.member_id, item.seq FROM activity AS item JOIN member_state AS held"
        " ON held.program_id = $1 AND held.member_id = item.member_id WHERE item.program_id = $1 AND item.booked_at < $2"
        " AND item.seq < held.seq LIMIT $3) AS old"
        " WHERE program_id = $1 AND activity.member_id = old.member_id AND activity.seq = old.seq",
        *(unit.program, before, ROWS_AT_ONCE),
    )


async def drop_answers(unit: Unit, days: int) -> int:
    """Delete some answers to commands that are older than so many days, by the server's clock; how many."""
    return await unit.execute(
        "DELETE FROM idempotency WHERE program_id = $1 AND ctid IN (SELECT ctid FROM idempotency WHERE program_id = $1"
        " AND created_at < clock_timestamp() - $2 * interval '1 day' LIMIT $3)",
        *(unit.program, days, ROWS_AT_ONCE),
    )
