"""Histories of members to be folded elsewhere: read a stretch at a time, and handed on as PostgreSQL wrote them.

Reading is all that is done here. A stretch is one short unit, so that nothing keeps a snapshot for long; and what is in it is decoded by
whoever folds it, since the process that reads has requests to answer.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from engagement.records.unit import Unit

STRETCH_MEMBERS_MAX: Final = 500
STRETCH_INPUTS: Final = 10_000
"""After so many inputs a stretch ends; that of a member who has more is longer."""


class Written(msgspec.Struct, frozen=True):
    """What is stored of a member, as JSON: lists of events (id, type, at, properties), of amendments (event id, n, kind, properties) and
    of facts (id, kind, at, rank, cause, n, data), in no order; None where there are none. Instants are microseconds since 1970.

    `seed` is what tells her apart in control groups.
    """

    seed: int
    events: str | None
    amendments: str | None
    facts: str | None


class Stretch(msgspec.Struct, frozen=True):
    """Members in order of id, and the last of them; None behind the last of all."""

    members: tuple[Written, ...]
    last: UUID | None


_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint"
_OWN = "FROM {0} AS held WHERE held.program_id = $1 AND held.member_id = who.member_id"
_READ = (
    "SELECT sent.lines AS events, said.lines AS amendments, known.lines AS facts"
    " FROM unnest($2::uuid[]) WITH ORDINALITY AS who (member_id, position),"
    f" LATERAL (SELECT json_agg(json_build_array(id, type, {_MICROSECONDS.format('occurred_at')}, properties))::text AS lines"
    f" {_OWN.format('event')} AND NOT too_late AND occurred_at < $3) AS sent,"
    " LATERAL (SELECT json_agg(json_build_array(event_id, n, kind, properties))::text AS lines"
    f" {_OWN.format('amendment')}) AS said,"
    f" LATERAL (SELECT json_agg(json_build_array(id, kind, {_MICROSECONDS.format('at')}, rank, cause, n, data))::text AS lines"
    f" {_OWN.format('fact')} AND at < $3) AS known"
    " ORDER BY who.position"
)


async def stretch(unit: Unit, after: UUID | None, until: datetime) -> Stretch:
    """The members that come after one (None: from the first), with what happened to them before an instant."""
    rows = await unit.fetch(
        "SELECT member_id, inputs, coalesce((state ->> 'seed')::bigint, 0) AS seed FROM member_state"
        " WHERE program_id = $1 AND ($2::uuid IS NULL OR member_id > $2) ORDER BY member_id LIMIT $3",
        unit.program,
        after,
        STRETCH_MEMBERS_MAX,
    )
    seeds: dict[UUID, int] = {}
    inputs = 0
    for row in rows:
        if inputs >= STRETCH_INPUTS:
            break
        seeds[row["member_id"]] = row["seed"]
        inputs += row["inputs"]
    read = await unit.fetch(_READ, unit.program, list(seeds), until)
    members = tuple(
        Written(seed, each["events"], each["amendments"], each["facts"])
        for seed, each in zip(seeds.values(), read, strict=True)
    )
    return Stretch(members, next(reversed(seeds), None))
