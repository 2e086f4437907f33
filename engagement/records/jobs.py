"""Jobs: long work that is asked for now and done by a worker, a piece at a time.

Whoever works on one holds it for a while under a `turn` of its own. A worker that was killed, or was taken for dead, finds that
it holds nothing any more; another goes on from the `place` that was noted last. Cancelled is cancelled: nobody holds it then.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from engagement.errors import Overloaded, Refusal
from engagement.records.unit import Row, Unit

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]

OPEN_MAX: Final = 10
"""So many jobs of one program wait or run at once."""
KEPT_MAX: Final = 200
"""So many of a program's jobs that have ended are kept, the newest."""
LEASE_SECONDS: Final = 20.0
TRIES_MAX: Final = 5
"""A job that ended so many workers one after the other without coming any further is not begun again."""


class TooManyJobs(Overloaded):
    """The program has as many jobs under way as it may; cancel one, or wait."""

    code = "TOO_MANY_JOBS"


class NotHeld(Refusal):
    """The job was cancelled, or is another worker's by now: what was not noted of it is of no use."""

    code = "JOB_NOT_HELD"


class Job(msgspec.Struct, frozen=True):
    """A job as it stands: `done` of `total` (None: not known yet), the `result` of one that is done, the `problem` of one that failed.

    `place` is where it goes on, in the words of its kind. Instants are the server's, in UTC.
    """

    id: UUID
    kind: str
    input: Any
    state: State
    done: int
    total: int | None
    place: Any
    result: Any
    problem: str | None
    turn: int
    asked_at: datetime
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.ended_at is not None


_COLUMNS = "id, kind, input, state, done, total, place, result, problem, turn, asked_at, ended_at"


async def ask(unit: Unit, job_id: UUID, kind: str, given: object) -> Job:
    """Ask for a job; TooManyJobs where too many are open. The same id again is the same job."""
    known = await of_id(unit, job_id)
    if known is not None:
        return known
    opened = await unit.fetchval(
        "SELECT count(*) FROM job WHERE program_id = $1 AND state IN ('queued', 'running')", unit.program
    )
    if opened >= OPEN_MAX:
        raise TooManyJobs(f"{OPEN_MAX} jobs of this program are under way; cancel one with cancelJob, or wait.")
    await unit.execute(
        "DELETE FROM job WHERE program_id = $1 AND id IN (SELECT id FROM job WHERE program_id = $1 AND ended_at IS NOT NULL"
        " ORDER BY ended_at DESC, id OFFSET $2)",
        unit.program,
        KEPT_MAX,
    )
    row = await unit.fetchrow(
        f"INSERT INTO job (program_id, id, kind, input) VALUES ($1, $2, $3, $4) RETURNING {_COLUMNS}",
        unit.program,
        job_id,
        kind,
        msgspec.json.encode(given).decode(),
    )
    assert row is not None
    return _job(row)


async def of_id(unit: Unit, job_id: UUID) -> Job | None:
    """A job of the program, or None."""
    row = await unit.fetchrow(f"SELECT {_COLUMNS} FROM job WHERE program_id = $1 AND id = $2", unit.program, job_id)
    return None if row is None else _job(row)


async def cancel(unit: Unit, job_id: UUID) -> Job | None:
    """End a job that has not ended; the job as it is then, or None where there is none."""
    await unit.execute(
        "UPDATE job SET state = 'cancelled', leased_until = NULL, ended_at = clock_timestamp()"
        " WHERE program_id = $1 AND id = $2 AND ended_at IS NULL",
        unit.program,
        job_id,
    )
    return await of_id(unit, job_id)


async def take(unit: Unit, kinds: Collection[str] = (), *, among: bool = False) -> Job | None:
    """The job of the program that has waited longest, `among` some kinds or of all others, held from now on; None where none waits.

    One that its worker has let go counts as waiting; after too many of them without coming further it has failed.
    """
    await unit.execute(
        "UPDATE job SET state = 'failed', problem = $2, leased_until = NULL, ended_at = clock_timestamp()"
        " WHERE program_id = $1 AND state = 'running' AND leased_until < clock_timestamp() AND tries >= $3",
        unit.program,
        f"It was begun {TRIES_MAX} times, and each time the worker ended before it came any further.",
        TRIES_MAX,
    )
    row = await unit.fetchrow(
        "UPDATE job SET state = 'running', turn = turn + 1, tries = tries + 1, leased_until = clock_timestamp() + $2 * interval '1 second'"
        " WHERE program_id = $1 AND id = (SELECT id FROM job WHERE program_id = $1 AND (state = 'queued'"
        " OR (state = 'running' AND leased_until < clock_timestamp())) AND (kind = ANY($3::text[])) = $4 ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
        f" RETURNING {_COLUMNS}",
        unit.program,
        LEASE_SECONDS,
        list(kinds),
        among,
    )
    return None if row is None else _job(row)


async def hold(unit: Unit, job: Job) -> None:
    """Hold it for longer; NotHeld where it is not ours any more."""
    _held(
        await unit.execute(
            "UPDATE job SET leased_until = clock_timestamp() + $4 * interval '1 second' WHERE program_id = $1 AND id = $2"
            " AND turn = $3 AND state = 'running'",
            *(unit.program, job.id, job.turn, LEASE_SECONDS),
        )
    )


async def let_go(unit: Unit, job: Job) -> None:
    """Another worker may go on with it at once; nothing happens where it is not ours any more."""
    await unit.execute(
        "UPDATE job SET state = 'queued', tries = 0, leased_until = NULL WHERE program_id = $1 AND id = $2 AND turn = $3"
        " AND state = 'running'",
        *(unit.program, job.id, job.turn),
    )


async def note(unit: Unit, job: Job, done: int, total: int | None, place: object) -> None:
    """How far it is, with whatever else this unit does; NotHeld where it is not ours any more."""
    _held(
        await unit.execute(
            "UPDATE job SET done = $4, total = $5, place = $6, tries = 0 WHERE program_id = $1 AND id = $2 AND turn = $3"
            " AND state = 'running'",
            *(unit.program, job.id, job.turn, done, total, msgspec.json.encode(place).decode()),
        )
    )


async def finish(unit: Unit, job: Job, result: object) -> None:
    """It is done; NotHeld where it is not ours any more."""
    _held(
        await unit.execute(
            "UPDATE job SET state = 'done', result = $4, place = NULL, leased_until = NULL, ended_at = clock_timestamp(),"
            " done = coalesce(total, done) WHERE program_id = $1 AND id = $2 AND turn = $3 AND state = 'running'",
            *(unit.program, job.id, job.turn, msgspec.json.encode(result).decode()),
        )
    )


async def fail(unit: Unit, job: Job, problem: str) -> None:
    """It cannot be done; nothing happens where it is not ours any more."""
    await unit.execute(
        "UPDATE job SET state = 'failed', problem = $4, leased_until = NULL, ended_at = clock_timestamp()"
        " WHERE program_id = $1 AND id = $2 AND turn = $3 AND state = 'running'",
        *(unit.program, job.id, job.turn, problem),
    )


def _held(rows: int) -> None:
    if not rows:
        raise NotHeld("The job was cancelled, or another worker has taken it over.")


def _job(row: Row) -> Job:
    values = dict(row)
    for name in ("input", "place", "result"):
        values[name] = None if values[name] is None else msgspec.json.decode(values[name])
    return Job(**values)
