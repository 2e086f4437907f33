"""Programs and the published versions of their definitions.

What changes a program (its settings, its definitions, its clock) first takes `lock`, so that such changes queue.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from engagement.errors import InvalidInput, NotASandbox, NotFound
from engagement.records.models import DefinitionVersionRow, ProgramRow
from engagement.records.unit import Unit


class Program(msgspec.Struct, frozen=True):
    """A tenant. `timezone` is an IANA name; `horizon_days` is None where events are never too late.

    `clock` is the test clock of a sandbox (None in production); `revision` grows with every change of the definitions, and a
    process that meets a newer one than it knows reloads them. `token_secret` signs the tokens of members.
    """

    id: int
    key: str
    name: str
    timezone: str
    sandbox: bool
    clock: datetime | None
    horizon_days: int | None
    revision: int
    token_secret: bytes


class DefinitionVersion(msgspec.Struct, frozen=True):
    """One published version: in force from `active_from` up to, not including, `active_until` (None: open).

    `body` is the definition as JSON; from `counts_from` on it also counts what happened before it was in force. `revision` is that
    of the program by its publication, and `take_back` says that members lose by such a one what it does not give them.
    """

    kind: str
    key: str
    version: int
    body: bytes
    active_from: datetime
    active_until: datetime | None = None
    counts_from: datetime | None = None
    revision: int = 0
    take_back: bool = False


class Closing(msgspec.Struct, frozen=True):
    """The end of a definition's open version: at `active_until`, not before its `active_from`."""

    kind: str
    key: str
    active_until: datetime


_COLUMNS = ", ".join(Program.__struct_fields__)


async def create(
    unit: Unit,
    *,
    key: str,
    name: str,
    timezone: str,
    token_secret: bytes,
    sandbox: bool = False,
    clock: datetime | None = None,
    horizon_days: int | None = None,
) -> Program | None:
    """Make a program, in a unit of `ALL`, which then goes on as a unit of that program; None where its key is taken."""
    row = await unit.fetchrow(
        "INSERT INTO program (key, name, timezone, sandbox, clock, horizon_days, token_secret)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING RETURNING {_COLUMNS}",
        key,
        name,
        timezone,
        sandbox,
        clock,
        horizon_days,
        token_secret,
    )
    if row is None:
        return None
    program = Program(**row)
    await unit.narrow(program.id)
    return program


async def find(unit: Unit, key: str) -> Program | None:
    """The program with this key, where the unit may see it."""
    rows = await ProgramRow.filter(key=key).using_db(unit.db).values(*Program.__struct_fields__)
    return Program(**rows[0]) if rows else None


async def every(unit: Unit) -> list[Program]:
    """The programs that the unit may see, by id: all of them in a unit of `ALL`."""
    return [Program(*row) for row in await unit.fetch(f"SELECT {_COLUMNS} FROM program ORDER BY id")]


async def current(unit: Unit) -> Program:
    """The unit's own program."""
    return await _own(unit, "")


async def lock(unit: Unit) -> Program:
    """The unit's own program, which nobody else can lock or change before the unit ends; readers are not held up."""
    return await _own(unit, "FOR NO KEY UPDATE")


async def as_of(unit: Unit, *, shared: bool = False) -> tuple[Program, datetime]:
    """The unit's own program and what time it is in it: its test clock's in a sandbox, else the server's.

    `shared` keeps others from locking or changing it before the unit ends; many units can share it.
    """
    row = await unit.fetchrow(
        f"SELECT {_COLUMNS}, coalesce(clock, now()) AS now FROM program WHERE id = $1 {'FOR SHARE' if shared else ''}",
        unit.program,
    )
    if row is None:
        raise NotFound("This program does not exist.")
    *columns, now = row
    return Program(*columns), now


async def now(unit: Unit) -> datetime:
    """The server's time, at which the unit's transaction began."""
    instant: datetime = await unit.fetchval("SELECT now()")
    return instant


async def untouched_from(unit: Unit) -> datetime:
    """An instant from which nothing of the unit's program has been judged yet, under `lock`: new versions begin there.

    Whoever judges an input holds the program's row, so outside a sandbox that is the present. In a sandbox inputs may lie
    ahead of the clock.
    """
    instant: datetime = await unit.fetchval(
        "SELECT CASE WHEN sandbox THEN greatest(clock,"
        " (SELECT max(occurred_at) + interval '1 microsecond' FROM event WHERE program_id = $1))"
        " ELSE clock_timestamp() END FROM program WHERE id = $1",
        unit.program,
    )
    return instant


async def rename(unit: Unit, name: str) -> None:
    """Give the unit's program another name."""
    await unit.execute("UPDATE program SET name = $2 WHERE id = $1", unit.program, name)


async def bump_revision(unit: Unit) -> int:
    """Tell every process that the definitions changed; the new revision."""
    revision: int = await unit.fetchval(
        "UPDATE program SET revision = revision + 1 WHERE id = $1 RETURNING revision", unit.program
    )
    return revision


async def advance_clock(unit: Unit, to: datetime) -> None:
    """Set the test clock of the unit's sandbox to `to`. Raises `NotASandbox`, and `InvalidInput` for an earlier instant."""
    program = await lock(unit)
    if not program.sandbox:
        raise NotASandbox("Only a sandbox has a test clock.")
    if program.clock is not None and to < program.clock:
        raise InvalidInput(f"The test clock stands at {program.clock.isoformat()} and never goes back.", "to")
    await unit.execute("UPDATE program SET clock = $2 WHERE id = $1", unit.program, to)


async def versions(unit: Unit) -> list[DefinitionVersion]:
    """Every version ever published in the unit's program, open and past, by kind, key and version."""
    rows = DefinitionVersionRow.filter(program_id=unit.program).using_db(unit.db).order_by("kind", "key", "version")
    return [
        DefinitionVersion(
            *(row.kind, row.key, row.version, row.body.encode(), row.active_from, row.active_until, row.counts_from),
            *(row.revision, row.take_back),
        )
        for row in await rows
    ]


async def save_versions(unit: Unit, new: Sequence[DefinitionVersion], closed: Sequence[Closing]) -> None:
    """Publish: close open versions, then add new ones, under `lock`. At most one version of a definition stays open."""
    await unit.execute(
        "UPDATE definition_version AS held SET active_until = ended.active_until"
        " FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS ended (kind, key, active_until)"
        " WHERE held.program_id = $1 AND held.kind = ended.kind AND held.key = ended.key AND held.active_until IS NULL",
        unit.program,
        [each.kind for each in closed],
        [each.key for each in closed],
        [each.active_until for each in closed],
    )
    kinds, keys = [each.kind for each in new], [each.key for each in new]
    await unit.execute(
        "INSERT INTO definition (program_id, kind, key)"
        " SELECT $1, new.kind, new.key FROM unnest($2::text[], $3::text[]) AS new (kind, key) ON CONFLICT DO NOTHING",
        unit.program,
        kinds,
        keys,
    )
    await unit.execute(
        "INSERT INTO definition_version"
        " (program_id, kind, key, version, body, active_from, active_until, counts_from, revision, take_back)"
        " SELECT $1, new.kind, new.key, new.version, new.body::jsonb, new.active_from, new.active_until, new.counts_from,"
        " new.revision, new.take_back"
        " FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],"
        " $9::int[], $10::boolean[])"
        " AS new (kind, key, version, body, active_from, active_until, counts_from, revision, take_back)",
        unit.program,
        kinds,
        keys,
        [each.version for each in new],
        [each.body.decode() for each in new],
        [each.active_from for each in new],
        [each.active_until for each in new],
        [each.counts_from for each in new],
        [each.revision for each in new],
        [each.take_back for each in new],
    )


async def _own(unit: Unit, locking: str) -> Program:
    row = await unit.fetchrow(f"SELECT {_COLUMNS} FROM program WHERE id = $1 {locking}", unit.program)
    if row is None:
        raise NotFound("This program does not exist.")
    return Program(**row)
