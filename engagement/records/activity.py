"""The feed: what each member was told, numbered without gaps. It serves screens, resumed subscriptions and repeated replies."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.outcomes import Effect
from engagement.records.rows import Rows
from engagement.records.unit import Unit


class Item(msgspec.Struct, frozen=True):
    """What one input, or time, changed: `at` is when that took effect, `booked_at` when it became known."""

    seq: int
    at: datetime
    booked_at: datetime
    event_id: str | None
    effects: tuple[Effect, ...]


_ITEMS = Rows(
    "activity",
    {
        "member_id": "uuid",
        "seq": "bigint",
        "at": "timestamptz",
        "booked_at": "timestamptz",
        "event_id": "text",
        "effects": "jsonb",
    },
)
_COLUMNS = "seq, at, booked_at, event_id, effects"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Effect, ...]).decode


def effects_of(written: str) -> tuple[Effect, ...]:
    """The effects of an item as they are stored."""
    return _decode(written)


async def append(unit: Unit, items: Sequence[tuple[UUID, Item]]) -> None:
    """Add items to the feeds of locked members."""
    _ITEMS.insert(
        unit,
        [
            (who, each.seq, each.at, each.booked_at, each.event_id, _encode(each.effects).decode())
            for who, each in items
        ],
    )


async def after(unit: Unit, member_id: UUID, seq: int, at_most: int) -> list[Item]:
    """A member's items after `seq`, oldest first."""
    return await _page(unit, "seq > $3 ORDER BY seq", member_id, seq, at_most)


async def before(unit: Unit, member_id: UUID, seq: int | None, at_most: int) -> list[Item]:
    """A member's items before `seq` (all of them, where None), newest first."""
    return await _page(unit, "($3::bigint IS NULL OR seq < $3) ORDER BY seq DESC", member_id, seq, at_most)


async def newest(unit: Unit, external_id: str) -> tuple[UUID, int] | None:
    """To whom the app's own id of a member leads, and the number of her newest item, 0 where there is none; None where she was erased."""
    row = await unit.fetchrow(
        "SELECT held.member_id, held.seq FROM member AS named JOIN member_state AS held ON held.program_id = $1"
        " AND held.member_id = coalesce(named.merged_into, named.id)"
        " WHERE named.program_id = $1 AND named.external_id = $2 AND NOT held.erased",
        unit.program,
        external_id,
    )
    return None if row is None else (row["member_id"], row["seq"])


async def with_gaps(unit: Unit, member_ids: Sequence[UUID], *, from_one: bool = True) -> list[UUID]:
    """Whose feeds do not run to the number in their state without gaps: from 1, or from where they were cut off."""
    rows = await unit.fetch(
        "SELECT member_id FROM member_state AS held, LATERAL (SELECT count(*) AS items, coalesce(max(seq), 0) AS last,"
        " coalesce(min(seq), 1) AS first"
        " FROM activity WHERE activity.program_id = $1 AND activity.member_id = held.member_id) AS feed"
        " WHERE held.program_id = $1 AND held.member_id = ANY($2::uuid[]) AND (held.seq <> feed.last OR feed.items <> feed.last - feed.first + 1 OR ($3 AND feed.first <> 1))",
        unit.program,
        list(member_ids),
        from_one,
    )
    return [row["member_id"] for row in rows]


async def _page(unit: Unit, where: str, member_id: UUID, seq: int | None, at_most: int) -> list[Item]:
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM activity WHERE program_id = $1 AND member_id = $2 AND {where} LIMIT $4",
        unit.program,
        member_id,
        seq,
        at_most,
    )
    return [Item(row["seq"], row["at"], row["booked_at"], row["event_id"], _decode(row["effects"])) for row in rows]
