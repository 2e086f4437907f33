"""What went wrong with definitions at run time: for each of them, how often a condition of it failed, and where last.

Batches that fail at the same definition at the same time do not wait for one another: each counts in a lane of its own, of a
few that are added up when they are read.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.outcomes import ConditionFailed
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit

_PROBLEMS = Rows(
    "problem",
    {
        "kind": "text",
        "key": "text",
        "count": "bigint",
        "at": "timestamptz",
        "path": "text",
        "reason": "text",
        "member_id": "uuid",
        "event_id": "text",
    },
    "ON CONFLICT (program_id, kind, key, lane) DO UPDATE SET count = problem.count + excluded.count,"
    + ", ".join(
        f" {name} = CASE WHEN excluded.at >= problem.at THEN excluded.{name} ELSE problem.{name} END"
        for name in ("at", "path", "reason", "member_id", "event_id")
    ),
    # A server process is in one transaction at a time.
    made={"lane": "pg_backend_pid() % 16"},
)


class Problem(msgspec.Struct, frozen=True):
    """A definition in force of which a condition failed `count` times since it was last changed.

    The rest is of the latest event with which it did: its instant and id, whose it was (the app's own id), the condition's place
    in the definition, and why.
    """

    kind: str
    key: str
    count: int
    at: datetime
    path: str
    reason: str
    member: str
    event_id: str


def note(unit: Unit, failed: Sequence[tuple[UUID, ConditionFailed]]) -> None:
    """Count conditions that failed, each with its member. Without any, nothing is written."""
    counts = Counter((each.kind, each.key) for _, each in failed)
    last = {(each.kind, each.key): (who, each) for who, each in sorted(failed, key=lambda pair: pair[1].at)}
    # Always in one order, so that two who share a lane wait for one another and never in a circle.
    _PROBLEMS.insert(
        unit,
        [
            (*name, counts[name], each.at, each.path, each.reason, who, each.event_id)
            for name, (who, each) in sorted(last.items(), key=lambda item: item[0])
        ],
    )


async def forget(unit: Unit, definitions: Sequence[tuple[str, str]]) -> None:
    """Forget what was counted of definitions, by kind and key."""
    await unit.execute(
        "DELETE FROM problem USING unnest($2::text[], $3::text[]) AS gone (kind, key)"
        " WHERE problem.program_id = $1 AND problem.kind = gone.kind AND problem.key = gone.key",
        unit.program,
        *columns_of(definitions, 2),
    )


async def of_program(unit: Unit) -> list[Problem]:
    """The problems of the definitions in force, by kind and key: at most one for each."""
    rows = await unit.fetch(
        "SELECT DISTINCT ON (kind, key) kind, key, sum(count) OVER (PARTITION BY kind, key)::bigint AS count, at, path, reason,"
        " member.external_id AS member, event_id FROM problem"
        " JOIN member ON member.program_id = $1 AND member.id = problem.member_id"
        " WHERE problem.program_id = $1 AND EXISTS (SELECT FROM definition_version AS held WHERE held.program_id = $1"
        " AND held.kind = problem.kind AND held.key = problem.key AND held.active_until IS NULL)"
        " ORDER BY kind, key, at DESC, lane",
        unit.program,
    )
    return [Problem(**row) for row in rows]
