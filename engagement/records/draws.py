"""Draws: their seeds, the entries that take part, and who won.

Entries are benefits. One that takes part is used up by that, so it can be neither taken back nor refunded from then on.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from achievements.draws import SEED_BYTES, Entry, Ticket, value_of
from engagement.records.rows import columns_of
from engagement.records.unit import Unit

USED_BY = "draw"
"""By what an entry that took part was used."""


class Stored(msgspec.Struct, frozen=True):
    """A draw: its seed and since when that was fixed; since when no entry is taken in, and for how many winners; since when they are drawn,
    among how many entries, and the SHA-256 of the list of these. Instants are in UTC; None where that is ahead.
    """

    key: str
    seed: bytes
    committed_at: datetime
    closed_at: datetime | None
    winners: int | None
    drawn_at: datetime | None
    entries: int | None
    digest: bytes | None


class Window(NamedTuple):
    """Which entries take part: given from `since` on (None: ever) and before `until`."""

    draw: str
    since: datetime | None
    until: datetime | None


class Winner(NamedTuple):
    """Who has to be told that she won, and at which place, by which entry."""

    member_id: UUID
    draw: str
    place: int
    entry: UUID


class Won(NamedTuple):
    """A place in a draw: by which entry, and whose it was, by the app's own id and her alias; whether she has left the leaderboards."""

    place: int
    entry: UUID
    number: int
    member: str
    alias: str | None
    hidden: bool


_COLUMNS = ", ".join(Stored.__struct_fields__)
_WHOLE = "(SELECT coalesce(whose.merged_into, whose.id) FROM member AS whose WHERE whose.program_id = $1 AND whose.id = held.member_id)"
"""What a member had is the whole's of which she is a part since. Looked up row by row: without statistics the planner would join whole tables."""
_ENTRY = "held.program_id = $1 AND held.sort = 'draw' AND held.key = $2"
_STANDS = (
    "held.state = 'issued' AND NOT held.open AND ($3::timestamptz IS NULL OR held.since >= $3)"
    " AND ($4::timestamptz IS NULL OR held.since < $4) AND (held.until IS NULL OR $4 IS NULL OR held.until > $4)"
)
"""What says of an entry that it would take part if it was taken in now."""
_HERS = (
    "held.member_id IN (SELECT whose.id FROM member AS whose WHERE whose.program_id = $1"
    " AND (whose.id = {0} OR whose.merged_into = {0}))"
)


async def commit(unit: Unit, keys: Sequence[str]) -> None:
    """Fix the seeds of draws, at the program's present, where they are not fixed yet: a seed is never another."""
    rows = [(key, secrets.token_bytes(SEED_BYTES)) for key in keys]
    if rows:
        await unit.execute(
            "INSERT INTO draw (program_id, key, seed, committed_at)"
            " SELECT $1, new.key, new.seed, coalesce(program.clock, now())"
            " FROM unnest($2::text[], $3::bytea[]) AS new (key, seed), program WHERE program.id = $1 ON CONFLICT DO NOTHING",
            unit.program,
            *columns_of(rows, 2),
        )


async def find(unit: Unit, key: str, *, locked: bool = False) -> Stored | None:
    """The draw of a key; None where none was published. `locked` until the unit ends."""
    row = await unit.fetchrow(
        f"SELECT {_COLUMNS} FROM draw WHERE program_id = $1 AND key = $2 {'FOR UPDATE' if locked else ''}",
        unit.program,
        key,
    )
    return None if row is None else Stored(**dict(row))


async def undrawn(unit: Unit, keys: Sequence[str]) -> set[str]:
    """Those of some draws whose winners are not drawn."""
    rows = await unit.fetch(
        "SELECT key FROM draw WHERE program_id = $1 AND key = ANY($2::text[]) AND drawn_at IS NULL",
        unit.program,
        list(keys),
    )
    return {row["key"] for row in rows}


async def drawn(unit: Unit) -> list[Stored]:
    """The draws whose winners are drawn, by key."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM draw WHERE program_id = $1 AND drawn_at IS NOT NULL ORDER BY key", unit.program
    )
    return [Stored(**dict(row)) for row in rows]


async def is_settled(unit: Unit, key: str) -> bool:
    """Whether nothing is left to be done about entries in a draw that definitions gave, or did not."""
    settled: bool = await unit.fetchval(
        "SELECT NOT EXISTS (SELECT FROM reward_given WHERE program_id = $1 AND open AND sort = 'draw' AND key = $2)"
        " AND NOT EXISTS (SELECT FROM benefit WHERE program_id = $1 AND open AND sort = 'draw' AND key = $2)",
        unit.program,
        key,
    )
    return settled


async def take_in(unit: Unit, window: Window, at: datetime, after: UUID | None, at_most: int) -> UUID | None:
    """Let some entries take part, from the one behind `after` on and at most so many; the last of them, None where there are no more."""
    last: UUID | None = await unit.fetchval(
        "WITH taken AS (UPDATE benefit SET state = 'used', ended_at = $5, used_by = $6 WHERE program_id = $1 AND state = 'issued'"
        f" AND NOT open AND id = ANY(ARRAY(SELECT held.id FROM benefit AS held WHERE {_ENTRY} AND {_STANDS}"
        " AND ($7::uuid IS NULL OR held.id > $7) ORDER BY held.id LIMIT $8)) RETURNING id)"
        " SELECT id FROM taken ORDER BY id DESC LIMIT 1",
        unit.program,
        *window,
        at,
        USED_BY,
        after,
        at_most,
    )
    return last


async def close(unit: Unit, key: str, winners: int, at: datetime) -> None:
    """Let no entry take part any more in a locked draw, in which so many can win."""
    await unit.execute(
        "UPDATE draw SET closed_at = $3, winners = $4 WHERE program_id = $1 AND key = $2",
        unit.program,
        key,
        at,
        winners,
    )


async def page(unit: Unit, key: str, after: UUID | None, at_most: int) -> list[Entry]:
    """Entries that take part, in order of their ids, from the one behind `after` on, each with its member, as she is now."""
    rows = await unit.fetch(
        f"SELECT held.id, {_WHOLE} AS member_id, held.count FROM benefit AS held"
        " WHERE held.program_id = $1 AND held.sort = 'draw' AND held.key = $2 AND held.state = 'used'"
        " AND ($3::uuid IS NULL OR held.id > $3) ORDER BY held.id LIMIT $4",
        unit.program,
        key,
        after,
        at_most,
    )
    return [Entry(str(row["id"]), str(row["member_id"]), row["count"]) for row in rows]


async def count(unit: Unit, window: Window, closed_at: datetime | None, member_id: UUID | None = None) -> int:
    """How many entries take part in a draw, or would if it was closed now; of one member, where she is named."""
    total: int = await unit.fetchval(
        f"SELECT coalesce(sum(held.count), 0)::bigint FROM benefit AS held WHERE {_ENTRY} AND held.state IN ('issued', 'used')"
        f" AND (held.state = 'used' OR $5::timestamptz IS NULL AND {_STANDS}) AND ($6::uuid IS NULL OR {_HERS.format('$6')})",
        unit.program,
        *window,
        closed_at,
        member_id,
    )
    return total


async def place(unit: Unit, key: str, member_id: UUID) -> int | None:
    """The place at which a member has won in a draw; None where she has not."""
    found: int | None = await unit.fetchval(
        "SELECT min(held.place) FROM draw_winner AS held WHERE held.program_id = $1 AND held.draw = $2"
        f" AND {_HERS.format('$3')}",
        unit.program,
        key,
        member_id,
    )
    return found


async def award(unit: Unit, key: str, won: Sequence[Ticket], entries: int, digest: bytes, at: datetime) -> None:
    """Keep who won in a locked draw, the first place first, among so many entries with a list of this digest."""
    rows = [(place, UUID(each.entrant), UUID(each.entry), each.number) for place, each in enumerate(won, 1)]
    await unit.execute(
        "INSERT INTO draw_winner (program_id, draw, place, member_id, entry, number)"
        " SELECT $1, $2, new.* FROM unnest($3::int[], $4::uuid[], $5::uuid[], $6::int[]) AS new",
        unit.program,
        key,
        *columns_of(rows, 4),
    )
    await unit.execute(
        "UPDATE draw SET drawn_at = $3, entries = $4, digest = $5 WHERE program_id = $1 AND key = $2",
        unit.program,
        key,
        at,
        entries,
        digest,
    )


async def is_owed(unit: Unit, keys: Sequence[str]) -> bool:
    """Whether a winner of one of these draws has still to be told."""
    owed: bool = await unit.fetchval(
        "SELECT EXISTS (SELECT FROM draw_winner WHERE program_id = $1 AND draw = ANY($2::text[]) AND given_at IS NULL)",
        unit.program,
        list(keys),
    )
    return owed


async def waiting(unit: Unit, keys: Sequence[str], at_most: int, *, skip_locked: bool = False) -> list[Winner]:
    """Who has still to be told that she won in one of these draws, nobody else's until the unit ends; one of each member."""
    rows = await unit.fetch(
        "SELECT member_id, draw, place, entry FROM draw_winner WHERE program_id = $1 AND draw = ANY($2::text[])"
        f" AND given_at IS NULL ORDER BY draw, place LIMIT $3 FOR UPDATE {'SKIP LOCKED' if skip_locked else ''}",
        unit.program,
        list(keys),
        at_most,
    )
    return list({row["member_id"]: Winner(*row) for row in rows}.values())


async def given(unit: Unit, winners: Sequence[Winner], at: datetime) -> None:
    """Note that winners were told, and given what they won."""
    await unit.execute(
        "UPDATE draw_winner AS held SET given_at = $2 FROM unnest($3::text[], $4::int[]) AS given (draw, place)"
        " WHERE held.program_id = $1 AND held.draw = given.draw AND held.place = given.place",
        unit.program,
        at,
        *columns_of([(each.draw, each.place) for each in winners], 2),
    )


async def winners(unit: Unit, key: str) -> list[Won]:
    """Who won in a draw, the first place first."""
    rows = await unit.fetch(
        "SELECT held.place, held.entry, held.number, whose.external_id, whose.alias, stands.hidden FROM (SELECT held.*,"
        f" {_WHOLE} AS whole FROM draw_winner AS held WHERE held.program_id = $1 AND held.draw = $2) AS held"
        " JOIN member AS whose ON whose.program_id = $1 AND whose.id = held.whole"
        " JOIN member_state AS stands ON stands.program_id = $1 AND stands.member_id = held.whole ORDER BY held.place",
        unit.program,
        key,
    )
    return [Won(*row) for row in rows]


async def told(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """In which draws members have won and were told so."""
    rows = await unit.fetch(
        f"SELECT whole, draw FROM (SELECT {_WHOLE} AS whole, held.draw FROM draw_winner AS held WHERE held.program_id = $1"
        " AND held.given_at IS NOT NULL) AS told WHERE whole = ANY($2::uuid[])",
        unit.program,
        list(member_ids),
    )
    found: dict[UUID, set[str]] = {each: set() for each in member_ids}
    for row in rows:
        found[row["whole"]].add(row["draw"])
    return found


async def tickets(unit: Unit, stored: Stored) -> list[Ticket]:
    """The tickets of those who won in a draw, the first place first, each with its member, as she is now."""
    rows = await unit.fetch(
        f"SELECT held.entry, held.number, {_WHOLE} AS member_id FROM draw_winner AS held"
        " WHERE held.program_id = $1 AND held.draw = $2 ORDER BY held.place",
        unit.program,
        stored.key,
    )
    return [
        Ticket(value_of(stored.seed, str(entry), number), str(entry), number, str(who)) for entry, number, who in rows
    ]
