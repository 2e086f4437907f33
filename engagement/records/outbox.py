"""What has still to leave the house: written with what it tells of, deleted when it has left."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from engagement.records.rows import Rows
from engagement.records.unit import Unit

_MESSAGES = Rows("outbox", {"id": "uuid", "payload": "jsonb"})


def publish(unit: Unit, *payloads: bytes) -> None:
    """Leave JSON messages; after the commit they leave the house, and whoever sends them is woken with them."""
    rows = [(uuid7(), payload) for payload in payloads]
    _MESSAGES.insert(unit, [(each, payload.decode()) for each, payload in rows])
    unit.outbox += rows


async def delete(unit: Unit, ids: Sequence[UUID]) -> int:
    """Delete messages that have left, and say how many were still there.

    The commit does not wait for the disk: a deletion lost with the server means one more, harmless, sending.
    """
    await unit.execute("SET LOCAL synchronous_commit = off")
    return await unit.execute(
        "DELETE FROM outbox WHERE program_id = $1 AND id = ANY($2::uuid[])", unit.program, list(ids)
    )


async def claim(unit: Unit, older_than_seconds: float, at_most: int) -> list[tuple[UUID, bytes]]:
    """The oldest messages (id, JSON) of at least that age, nobody else's until the unit ends; those of others are skipped."""
    rows = await unit.fetch(
        "SELECT id, payload FROM outbox WHERE program_id = $1 AND created_at <= clock_timestamp() - make_interval(secs => $2)"
        " ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED",
        unit.program,
        older_than_seconds,
        at_most,
    )
    return [(row["id"], row["payload"].encode()) for row in rows]


async def oldest_seconds(unit: Unit) -> float:
    """The age of the oldest message of the unit's program; zero where there is none."""
    age: float | None = await unit.fetchval(
        "SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM outbox WHERE program_id = $1",
        unit.program,
    )
    return max(0.0, age or 0.0)
