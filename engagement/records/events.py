"""Events as they were sent. Append only: what an event gave is elsewhere, and changes as more is learned."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.amendments import Amendment
from achievements.states import MemberState
from achievements.values import Rank
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Row, Unit


class StoredEvent(msgspec.Struct, frozen=True):
    """An event with the bounds that time sets: `sent_at` is the instant as sent, `occurred_at` the one that counts.

    `properties` is the JSON object as sent; `seq` names the activity item that answered the event, where one did. `sent_for` is the
    member for whom it was sent, where she is a part of the one whose it is.
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
    sent_for: UUID | None = None


class Recorded(msgspec.Struct, frozen=True):
    """A stored event with its amendments, in order."""

    event: StoredEvent
    amendments: tuple[Amendment, ...] = ()


class Earlier(msgspec.Struct, frozen=True):
    """What is known of an event's id: the event that was sent under it, the effects (JSON) it was answered with, amendments."""

    event: StoredEvent | None
    effects: str | None
    amendments: tuple[Amendment, ...]


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
        "sent_for": "uuid",
    },
)


_HELD = ", ".join(f"held.{name}" for name in StoredEvent.__struct_fields__)
_AMENDMENTS = (
    "SELECT json_agg(json_build_array(n, kind, properties) ORDER BY n)::text AS amendments FROM amendment"
    " WHERE amendment.program_id = $1 AND amendment.member_id = {0}.member_id AND amendment.event_id = {0}.id"
)
_decode_amendments = msgspec.json.Decoder(tuple[Amendment, ...]).decode


def _stored(row: Row) -> StoredEvent:
    return StoredEvent(*(row[name] for name in StoredEvent.__struct_fields__))


def _amendments(written: str | None) -> tuple[Amendment, ...]:
    return () if written is None else _decode_amendments(written)


async def append(unit: Unit, events: Sequence[StoredEvent]) -> None:
    """Store events that are not stored yet."""
    _EVENTS.insert(unit, [msgspec.structs.astuple(event) for event in events])


async def answer(unit: Unit, member_id: UUID, answers: Sequence[tuple[str, int]]) -> None:
    """Name the activity items that answer some of a member's events, which had to wait."""
    if answers:
        await unit.execute(
            "UPDATE event SET seq = told.seq FROM unnest($3::text[], $4::bigint[]) AS told (id, seq)"
            " WHERE event.program_id = $1 AND event.member_id = $2 AND event.id = told.id",
            unit.program,
            member_id,
            *columns_of(answers, 2),
        )


async def earlier(unit: Unit, names: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Earlier]:
    """Which of these (member, event id) were heard of before: sent, or amended ahead of being sent."""
    rows = await unit.fetch(
        f"SELECT sent.member_id AS who, sent.id AS name, {_HELD}, item.effects, said.amendments"
        " FROM unnest($2::uuid[], $3::text[]) AS sent (member_id, id)"
        # OFFSET 0 keeps each look-up one of its own, by the key: without statistics the planner would hash whole tables.
        " LEFT JOIN LATERAL (SELECT * FROM event WHERE event.program_id = $1 AND event.member_id = sent.member_id"
        " AND event.id = sent.id OFFSET 0) AS held ON true"
        " LEFT JOIN LATERAL (SELECT effects FROM activity WHERE activity.program_id = $1"
        " AND activity.member_id = held.member_id AND activity.seq = held.seq OFFSET 0) AS item ON true"
        f" LEFT JOIN LATERAL ({_AMENDMENTS.format('sent')}) AS said ON true"
        " WHERE held.id IS NOT NULL OR said.amendments IS NOT NULL",
        unit.program,
        *columns_of(names, 2),
    )
    return {
        (row["who"], row["name"]): Earlier(
            None if row["id"] is None else _stored(row), row["effects"], _amendments(row["amendments"])
        )
        for row in rows
    }


async def since(unit: Unit, bases: Sequence[tuple[UUID, MemberState]], at_most: int) -> dict[UUID, list[Recorded]]:
    """Each member's events after a state, in order, those that came too late left out; at most so many of each member."""
    asked = [(who, *_after(base)) for who, base in bases]
    rows = await unit.fetch(
        f"SELECT {_HELD}, said.amendments FROM unnest($2::uuid[], $3::timestamptz[], $4::text[]) AS base (member_id, at, id),"
        " LATERAL (SELECT * FROM event WHERE event.program_id = $1 AND event.member_id = base.member_id AND NOT event.too_late"
        ' AND (base.at IS NULL OR (event.occurred_at, event.id) > (base.at, base.id COLLATE "C"))'
        " ORDER BY event.occurred_at, event.id LIMIT $5) AS held"
        f" LEFT JOIN LATERAL ({_AMENDMENTS.format('held')}) AS said ON true ORDER BY held.occurred_at, held.id",
        unit.program,
        *columns_of(asked, 3),
        at_most,
    )
    found: dict[UUID, list[Recorded]] = {who: [] for who, _ in bases}
    for row in rows:
        found[row["member_id"]].append(Recorded(_stored(row), _amendments(row["amendments"])))
    return found


_PAST_EVERY_ID = "\U0010ffff"
"""By code point after every id that an event can have."""


def _after(base: MemberState) -> tuple[datetime | None, str | None]:
    """The place after which a state's next event stands: behind a fact of a command, all of that instant are past."""
    if base.last is None:
        return None, None
    return base.last.at, _PAST_EVERY_ID if base.last.rank == Rank.FACT else base.last.id


async def amend(
    unit: Unit,
    member_id: UUID,
    event_id: str,
    amendment: Amendment,
    received_at: datetime,
    seq: int | None,
    sent_for: UUID | None = None,
) -> None:
    """Store a further word on an event; `seq` names the activity item that told what it changed. Where the event is not there yet,
    `sent_for` is whose it will be, as in `StoredEvent`.
    """
    await unit.execute(
        "INSERT INTO amendment (program_id, member_id, event_id, n, kind, properties, received_at, seq, sent_for)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9)",
        unit.program,
        member_id,
        event_id,
        amendment.n,
        amendment.kind,
        None if amendment.properties is None else msgspec.json.encode(amendment.properties).decode(),
        received_at,
        seq,
        sent_for,
    )


async def amendment_effects(unit: Unit, member_id: UUID, event_id: str, n: int) -> str | None:
    """The effects (JSON) that an amendment was answered with, where there were any."""
    effects: str | None = await unit.fetchval(
        "SELECT item.effects FROM amendment AS said JOIN activity AS item"
        " ON item.program_id = $1 AND item.member_id = said.member_id AND item.seq = said.seq"
        " WHERE said.program_id = $1 AND said.member_id = $2 AND said.event_id = $3 AND said.n = $4",
        unit.program,
        member_id,
        event_id,
        n,
    )
    return effects


async def instants(unit: Unit, member_id: UUID, ids: Iterable[str]) -> list[tuple[str, datetime]]:
    """Some of a member's events, which are stored, with their instants, in order."""
    rows = await unit.fetch(
        "SELECT id, occurred_at FROM event WHERE program_id = $1 AND member_id = $2 AND id = ANY($3::text[])"
        " ORDER BY occurred_at, id",
        unit.program,
        member_id,
        list(ids),
    )
    return [(row["id"], row["occurred_at"]) for row in rows]
