"""Events as they were sent. Append only: what an event gave is elsewhere, and changes as more is learned."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.values import MemberState
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit


class StoredEvent(msgspec.Struct, frozen=True):
    """An event with the bounds that time sets: `sent_at` is the instant as sent, `occurred_at` the one that counts.

    `properties` is the JSON object as sent; `seq` names the activity item that answered the event, where one did.
    """

    member_id: UUID
    id: str
    type: str
    occurred_at: datetime
    sent_at: datetime
    received_at: datetime
    properties: str
    too_late: bool = False
    seq: int | None = None


class Earlier(msgspec.Struct, frozen=True):
    """An event that was sent before, and the effects it was answered with (JSON), where there were any."""

    type: str
    sent_at: datetime
    occurred_at: datetime
    properties: str
    too_late: bool
    effects: str | None


_EVENTS = Rows(
    "event",
    {
        "member_id": "uuid",
        "id": "text",
        "type": "text",
        "occurred_at": "timestamptz",
        "sent_at": "timestamptz",
        "received_at": "timestamptz",
        "properties": "jsonb",
        "too_late": "boolean",
        "seq": "bigint",
    },
)


async def append(unit: Unit, events: Sequence[StoredEvent]) -> None:
    """Store events that are not stored yet."""
    await _EVENTS.insert(unit, [msgspec.structs.astuple(event) for event in events])


async def earlier(unit: Unit, names: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Earlier]:
    """Which of these (member, event id) were sent before."""
    rows = await unit.fetch(
        "SELECT held.member_id, held.id, held.type, held.sent_at, held.occurred_at, held.properties, held.too_late, item.effects"
        " FROM unnest($2::uuid[], $3::text[]) AS sent (member_id, id)"
        " JOIN event AS held ON held.program_id = $1 AND held.member_id = sent.member_id AND held.id = sent.id"
        " LEFT JOIN activity AS item ON item.program_id = $1 AND item.member_id = held.member_id AND item.seq = held.seq",
        unit.program,
        *columns_of(names, 2),
    )
    return {(row["member_id"], row["id"]): Earlier(*list(row)[2:]) for row in rows}


async def since(unit: Unit, bases: Sequence[tuple[UUID, MemberState]], at_most: int) -> dict[UUID, list[StoredEvent]]:
    """Each member's events after a state, in order, those that came too late left out; at most so many of each member."""
    asked = [
        (who, None if base.last is None else base.last.at, None if base.last is None else base.last.id)
        for who, base in bases
    ]
    rows = await unit.fetch(
        "SELECT later.* FROM unnest($2::uuid[], $3::timestamptz[], $4::text[]) AS base (member_id, at, id),"
        " LATERAL (SELECT member_id, id, type, occurred_at, sent_at, received_at, properties, too_late, seq FROM event AS held"
        " WHERE held.program_id = $1 AND held.member_id = base.member_id AND NOT held.too_late"
        ' AND (base.at IS NULL OR (held.occurred_at, held.id) > (base.at, base.id COLLATE "C"))'
        " ORDER BY held.occurred_at, held.id LIMIT $5) AS later",
        unit.program,
        *columns_of(asked, 3),
        at_most,
    )
    found: dict[UUID, list[StoredEvent]] = {who: [] for who, _ in bases}
    for row in rows:
        found[row["member_id"]].append(StoredEvent(*row))
    return found


async def first_of(unit: Unit, member_id: UUID, ids: Sequence[str]) -> datetime:
    """The earliest instant of some of a member's events, which are stored."""
    first: datetime = await unit.fetchval(
        "SELECT min(occurred_at) FROM event WHERE program_id = $1 AND member_id = $2 AND id = ANY($3::text[])",
        unit.program,
        member_id,
        list(ids),
    )
    return first
