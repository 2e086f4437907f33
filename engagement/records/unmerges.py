"""What a merge is undone by: what both members had just before it is kept, and given back under the locks of both.

Transfers are never changed here either. All that was booked of the whole since the merge is corrected by its opposite, at the same instant,
and what was hers is booked again as hers: so both are in the books where they were, and no figure of a closed period is another.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from engagement.records.members import Pending
from engagement.records.merges import STANDS, TOTALS
from engagement.records.rows import columns_of
from engagement.records.unit import Unit


class Named(msgspec.Struct, frozen=True, array_like=True):
    """A fact of hers: its id among those of the whole, and its id, the last part of its place, and its data (JSON, where that is another)
    before.
    """

    now: str
    id: str
    cause: str
    data: str | None


class Said(msgspec.Struct, frozen=True, array_like=True):
    """An event (`n` 0) or its n-th amendment, and the item of a feed that answered it."""

    event_id: str
    n: int
    seq: int | None

    @property
    def pending(self) -> Pending:
        """By what it is named."""
        return Pending(self.event_id, self.n)


class Before(msgspec.Struct, frozen=True):
    """What there was just before a merge, and is there of it: her own facts, the lots of hers that go by other names, the facts of the
    other, those that the merge told, what was said of events of both, who was a part of her, and the closed contests (board, period) in
    which the other was ranked.
    """

    facts: tuple[Named, ...]
    lots: Mapping[str, str]
    others: tuple[str, ...]
    told: tuple[str, ...]
    said: tuple[Said, ...] = ()
    parts: tuple[UUID, ...] = ()
    finals: tuple[tuple[str, str], ...] = ()


class Merge(msgspec.Struct, frozen=True):
    """That a member became a part of another: `stood_at` is where that one stood until then, `version` the one in which it was written."""

    id: UUID
    member_id: UUID
    into_id: UUID
    version: int
    revision: int
    at: datetime
    stood_at: datetime
    undone_at: datetime | None = None


async def keep(unit: Unit, merge: Merge, before: Before) -> None:
    """Write what a merge is undone by, before anything is moved. What is to be read of both, is read here."""
    await unit.execute(
        _KEEP,
        *(unit.program, merge.id, merge.member_id, merge.into_id, merge.version, merge.revision, merge.at),
        *(merge.stood_at, msgspec.json.encode(before).decode()),
    )


_KEEP = f"""
INSERT INTO merge (program_id, id, member_id, into_id, version, revision, at, stood_at, before)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb || jsonb_build_object(
    'said', (SELECT coalesce(jsonb_agg(jsonb_build_array(id, n, seq)), '[]') FROM (
        SELECT id, 0 AS n, seq FROM event WHERE program_id = $1 AND member_id IN ($3, $4)
        UNION ALL SELECT event_id, n, seq FROM amendment WHERE program_id = $1 AND member_id IN ($3, $4)
    ) AS said),
    'parts', (SELECT coalesce(jsonb_agg(id), '[]') FROM member WHERE program_id = $1 AND merged_into = $3),
    'finals', (SELECT coalesce(jsonb_agg(jsonb_build_array(board, period)), '[]') FROM board_final
               WHERE program_id = $1 AND member_id = $4),
    'moved', (SELECT coalesce(jsonb_agg(id), '[]') FROM transfer AS moved WHERE program_id = $1 AND member_id = $3 AND {STANDS}),
    'stayed', (SELECT coalesce(jsonb_agg(id), '[]') FROM transfer WHERE program_id = $1 AND member_id = $4),
    'lot', (SELECT coalesce(jsonb_agg(to_jsonb(lot)), '[]') FROM lot WHERE program_id = $1 AND member_id IN ($3, $4)),
    'redemption', (SELECT coalesce(jsonb_agg(jsonb_build_array(id, member_id, fact)), '[]') FROM redemption
                   WHERE program_id = $1 AND member_id = $3),
    'benefit', (SELECT coalesce(jsonb_agg(jsonb_build_array(id, member_id, reward)), '[]') FROM benefit
                WHERE program_id = $1 AND member_id IN ($3, $4)),
    'hold', (SELECT coalesce(jsonb_agg(to_jsonb(hold)), '[]') FROM hold WHERE program_id = $1 AND member_id IN ($3, $4)),
    'wallet', (SELECT coalesce(jsonb_agg(to_jsonb(wallet)), '[]') FROM wallet WHERE program_id = $1 AND member_id IN ($3, $4))
)
"""
_MERGE = ", ".join(f"merge.{name}" for name in Merge.__struct_fields__)


async def newest(unit: Unit, external_id: str) -> tuple[UUID | None, Merge | None] | None:
    """Whose part a member is, by the app's own id, and her newest merge; None where there is no such member."""
    row = await unit.fetchrow(
        f"SELECT member.merged_into, {_MERGE} FROM member LEFT JOIN merge ON merge.program_id = $1 AND merge.member_id = member.id"
        " WHERE member.program_id = $1 AND member.external_id = $2 ORDER BY merge.undone_at DESC, merge.id DESC LIMIT 1",
        unit.program,
        external_id,
    )
    if row is None:
        return None
    into, *values = row
    return into, None if values[0] is None else Merge(*values)


async def before(unit: Unit, merge_id: UUID) -> Before:
    """What there was before a merge that is not undone."""
    written: str = await unit.fetchval(
        "SELECT (before - '{moved,stayed,redemption,benefit,lot,hold,wallet}'::text[])::text FROM merge WHERE program_id = $1 AND id = $2",
        unit.program,
        merge_id,
    )
    return msgspec.json.decode(written, type=Before)


async def ties(unit: Unit, merge: Merge) -> set[str]:
    """What keeps a merge from being undone, by words: another one into the same member since (`later`), and points set aside since (`held`)."""
    row = await unit.fetchrow(
        "SELECT EXISTS (SELECT FROM merge WHERE program_id = $1 AND into_id = $3 AND undone_at IS NULL AND version > $4) AS later,"
        " EXISTS (SELECT FROM hold WHERE program_id = $1 AND member_id = $3 AND id NOT IN (SELECT (kept ->> 'id')::uuid"
        " FROM merge, jsonb_array_elements(before -> 'hold') AS kept WHERE merge.program_id = $1 AND merge.id = $2)) AS held",
        *(unit.program, merge.id, merge.into_id, merge.version),
    )
    assert row is not None, "a row of truths"
    return {name for name, there in row.items() if there}


async def finals_since(unit: Unit, merge: Merge, before: Before) -> list[tuple[str, str, str, int]]:
    """The contests (board, period, group) that were closed since, in which the whole was ranked, and with which score."""
    rows = await unit.fetch(
        'SELECT board, period, "group", score FROM board_final WHERE program_id = $1 AND member_id = $2'
        " AND (board, period) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]))",
        *(unit.program, merge.into_id, *columns_of(before.finals, 2)),
    )
    return [tuple(row) for row in rows]


async def any_used(unit: Unit, merge: Merge, rewards: Sequence[str]) -> bool:
    """Whether something was used that some definitions gave since."""
    used: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM benefit WHERE program_id = $1 AND member_id = $3 AND state = 'used' AND reward = ANY($4::text[])"
        " AND id NOT IN (SELECT (kept ->> 0)::uuid FROM merge, jsonb_array_elements(before -> 'benefit') AS kept"
        " WHERE merge.program_id = $1 AND merge.id = $2))",
        *(unit.program, merge.id, merge.into_id, list(rewards)),
    )
    return used


async def give_back_shop(unit: Unit, merge: Merge) -> None:
    """Let what each had redeemed and had of the shop just before they were one be hers again, as it stands by now."""
    # First the other's, whose names are to be hers again: hers have left them by then.
    for member in (merge.member_id, merge.into_id):
        await unit.execute(
            "UPDATE benefit SET member_id = $3, reward = kept ->> 2 FROM merge, jsonb_array_elements(before -> 'benefit') AS kept"
            " WHERE merge.program_id = $1 AND merge.id = $2 AND benefit.program_id = $1 AND benefit.id = (kept ->> 0)::uuid"
            " AND kept ->> 1 = $3::uuid::text",
            *(unit.program, merge.id, member),
        )
    await unit.execute(
        "UPDATE redemption SET member_id = $3, fact = kept ->> 2 FROM merge, jsonb_array_elements(before -> 'redemption') AS kept"
        " WHERE merge.program_id = $1 AND merge.id = $2 AND redemption.program_id = $1 AND redemption.id = (kept ->> 0)::uuid",
        *(unit.program, merge.id, merge.member_id),
    )


async def give_back_points(unit: Unit, merge: Merge, booked_at: datetime) -> None:
    """Put the points of both where they were just before they were one, in the books and beside them."""
    both = (unit.program, merge.member_id, merge.into_id)
    await unit.execute(_TRANSFERS, *both, merge.id, booked_at)
    await unit.execute("DELETE FROM lot WHERE program_id = $1 AND member_id IN ($2, $3)", *both)
    await unit.execute(f"INSERT INTO lot SELECT kept.* {_KEPT.format('lot')}", unit.program, merge.id)
    await unit.execute(
        "UPDATE hold AS held SET member_id = kept.member_id, lots = kept.lots, state = kept.state, captured = kept.captured,"
        f" ended_at = kept.ended_at, fact_id = kept.fact_id {_KEPT.format('hold')}"
        " AND held.program_id = $1 AND held.id = kept.id",
        *(unit.program, merge.id),
    )
    await unit.execute(
        f"UPDATE wallet SET {', '.join(f'{name} = 0' for name in TOTALS)}, next_expiry_at = NULL"
        " WHERE program_id = $1 AND member_id IN ($2, $3)",
        *both,
    )
    await unit.execute(
        f"UPDATE wallet AS held SET {', '.join(f'{name} = kept.{name}' for name in TOTALS)}, next_expiry_at = kept.next_expiry_at"
        f" {_KEPT.format('wallet')} AND held.program_id = $1 AND held.member_id = kept.member_id AND held.currency = kept.currency",
        *(unit.program, merge.id),
    )


# The rows of a table as they were just before merge $2.
_KEPT = "FROM merge, jsonb_populate_recordset(NULL::{0}, before -> '{0}') AS kept WHERE merge.program_id = $1 AND merge.id = $2"
_TRANSFERS = f"""
WITH kept AS MATERIALIZED (SELECT before FROM merge WHERE program_id = $1 AND id = $4),
undone AS MATERIALIZED (
    SELECT * FROM transfer AS moved WHERE program_id = $1 AND member_id = $3 AND {STANDS}
    AND id NOT IN (SELECT each.id::uuid FROM kept, jsonb_array_elements_text(before -> 'stayed') AS each (id))
),
moved AS MATERIALIZED (
    SELECT *, uuidv7() AS again FROM transfer WHERE program_id = $1 AND member_id = $2
    AND id IN (SELECT each.id::uuid FROM kept, jsonb_array_elements_text(before -> 'moved') AS each (id)) ORDER BY id
), booked AS (
INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, lot_id, at, booked_at, event_id, source,
                      fact_id, corrects)
SELECT $1::int, uuidv7(), $3::uuid, currency, kind, points, credit, debit, lot_id, at, $5::timestamptz, event_id, source, fact_id, id FROM undone
UNION ALL
SELECT $1, moved.again, $2, moved.currency, moved.kind, moved.points, moved.debit, moved.credit, moved.lot_id, moved.at, $5, moved.event_id,
       moved.source, moved.fact_id, first.again
FROM moved LEFT JOIN moved AS first ON first.id = moved.corrects
)
-- Where others are a part of her, what she had before that stands under its new ids.
UPDATE merge SET before = jsonb_set(before, '{{stayed}}', (
    SELECT coalesce(jsonb_agg(coalesce(moved.again, each.id::uuid)), '[]')
    FROM jsonb_array_elements_text(merge.before -> 'stayed') AS each (id) LEFT JOIN moved ON moved.id = each.id::uuid
)) WHERE program_id = $1 AND into_id = $2 AND undone_at IS NULL
"""


async def give_back_history(unit: Unit, merge: Merge, before: Before) -> None:
    """Let what she did, and what was sent for her since, be hers again; her facts take their ids and places of before, and what the merge
    told the other was never told.
    """
    both = (unit.program, merge.member_id, merge.into_id)
    whose = [merge.member_id, *before.parts]
    rows = [(each.event_id, each.n, each.seq) for each in before.said]
    said = columns_of(rows, 3)
    # An item of her feed answered what came before; what came since was told in the feed of the other.
    await unit.execute(
        "UPDATE event SET member_id = $2, sent_for = nullif(sent_for, $2), seq = (SELECT said.seq"
        " FROM unnest($5::text[], $6::int[], $7::bigint[]) AS said (id, n, seq) WHERE said.id = event.id AND said.n = 0)"
        " WHERE program_id = $1 AND member_id = $3 AND sent_for = ANY($4::uuid[])",
        *both,
        whose,
        *said,
    )
    await unit.execute(
        "UPDATE amendment SET member_id = $2, sent_for = nullif(sent_for, $2), seq = (SELECT said.seq"
        " FROM unnest($5::text[], $6::int[], $7::bigint[]) AS said (id, n, seq) WHERE said.id = event_id AND said.n = amendment.n)"
        " WHERE program_id = $1 AND member_id = $3 AND (EXISTS (SELECT FROM event WHERE event.program_id = $1 AND event.member_id = $2"
        " AND event.id = event_id) OR sent_for = ANY($4::uuid[]) AND NOT EXISTS (SELECT FROM event WHERE event.program_id = $1"
        " AND event.member_id = $3 AND event.id = event_id))",
        *both,
        whose,
        *said,
    )
    await unit.execute(
        "UPDATE fact SET member_id = $2, id = old.id, cause = old.cause, data = coalesce(old.data::jsonb, fact.data)"
        " FROM unnest($4::text[], $5::text[], $6::text[], $7::text[]) AS old (now, id, cause, data)"
        " WHERE fact.program_id = $1 AND fact.member_id = $3 AND fact.id = old.now",
        *both,
        *columns_of([msgspec.structs.astuple(each) for each in before.facts], 4),
    )
    await unit.execute(
        "DELETE FROM fact WHERE program_id = $1 AND member_id = $2 AND id = ANY($3::text[])",
        *(unit.program, merge.into_id, list(before.told)),
    )


async def part(unit: Unit, merge: Merge, before: Before, at: datetime) -> None:
    """Let her be found by her own id again, and whoever was a part of her be one; nothing is kept any more of what was before."""
    await unit.execute(
        "UPDATE member SET merged_into = CASE WHEN id <> $2 THEN $2 END WHERE program_id = $1 AND id = ANY($3::uuid[])",
        *(unit.program, merge.member_id, [merge.member_id, *before.parts]),
    )
    await unit.execute(
        "UPDATE member_state SET merged = false WHERE program_id = $1 AND member_id = $2", unit.program, merge.member_id
    )
    await unit.execute(
        "UPDATE merge SET before = NULL, undone_at = $3 WHERE program_id = $1 AND id = $2", unit.program, merge.id, at
    )
