"""Doing jobs: one at a time in a worker, held while it is worked on, and given up at once when it was cancelled.

A kind of job is a function that does its work in pieces and notes after each how far it is (`Running.note`), in the piece's own
unit: killed in between, it goes on from there. What it returns is the job's result.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog

from engagement.actions.programs import Programs
from engagement.errors import NotFound, Refusal
from engagement.records import jobs
from engagement.records.jobs import Job, NotHeld
from engagement.records.unit import Database, Unit

HOLD_SECONDS: Final = jobs.LEASE_SECONDS / 4
PROBLEM_OF_A_DEFECT: Final = "It failed for a reason that the operator's logs tell."

_log = structlog.get_logger(__name__)


class JobNotFound(NotFound):
    """No job of that id in the program, or none any more."""

    code = "JOB_NOT_FOUND"


class Running:
    """A job that this worker holds, and what its work needs."""

    def __init__(self, database: Database, programs: Programs, program_id: int, job: Job) -> None:
        self.database = database
        self.programs = programs
        self.program_id = program_id
        self.job = job

    async def note(self, unit: Unit, done: int, total: int | None, place: object = None) -> None:
        """How far it is and where to go on, written with what the unit did; NotHeld where that must not be done any more."""
        await jobs.note(unit, self.job, done, total, place)


Kind: TypeAlias = Callable[[Running], Awaitable[Any]]
Kinds: TypeAlias = Mapping[str, Kind]


async def cancel(database: Database, program_id: int, job_id: UUID) -> Job:
    """Cancel a job; one that has ended stays as it ended. Raises `JobNotFound`."""
    return _found(await database.run(lambda unit: jobs.cancel(unit, job_id), program_id))


async def read(unit: Unit, job_id: UUID) -> Job:
    """A job as it stands. Raises `JobNotFound`."""
    return _found(await jobs.of_id(unit, job_id))


async def do_next(
    database: Database,
    programs: Programs,
    program_id: int,
    kinds: Kinds,
    lane: Collection[str] = (),
    *,
    among: bool = False,
) -> bool:
    """Do the program's job that has waited longest, to its end: `among` those of a lane's kinds, or all others; False where none waits.

    What a kind refuses is the job's problem, told as it is; a defect is logged, and told without its words.
    """
    job = await database.run(lambda unit: jobs.take(unit, lane, among=among), program_id)
    if job is None:
        return False
    running = Running(database, programs, program_id, job)
    work = asyncio.ensure_future(_work(running, kinds))
    holding = asyncio.create_task(_hold(running, work))
    try:
        await work
    except asyncio.CancelledError:
        # Where the work was cancelled by itself, it is not ours any more.
        if _asked_to_stop():
            work.cancel()
            await asyncio.wait((work,))
            with suppress(Refusal):
                await database.run(lambda unit: jobs.let_go(unit, job), program_id)
            raise
    finally:
        holding.cancel()
        work.cancel()
        await asyncio.wait((holding, work))
    return True


def _asked_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _work(running: Running, kinds: Kinds) -> None:
    job = running.job
    try:
        if job.kind not in kinds:
            raise NotFound(f"This worker knows no jobs of the kind {job.kind}.")
        result = await kinds[job.kind](running)
        await running.database.run(lambda unit: jobs.finish(unit, job, result), running.program_id)
    except NotHeld:
        _log.info("a job was taken away", job=str(job.id), kind=job.kind)
    except Refusal as refusal:
        if refusal.retryable:
            # PostgreSQL is away, say: the job is let go, and goes on when its lease has run out.
            raise
        message = refusal.message
        await running.database.run(lambda unit: jobs.fail(unit, job, message), running.program_id)
    except Exception:  # noqa: BLE001 — one defect must not stop the worker for everybody.
        _log.exception("a job failed", job=str(job.id), kind=job.kind)
        await running.database.run(lambda unit: jobs.fail(unit, job, PROBLEM_OF_A_DEFECT), running.program_id)


async def _hold(running: Running, work: "asyncio.Future[None]") -> None:
    """Hold the job while it is worked on; end the work where it is held no more."""
    while True:
        await asyncio.sleep(HOLD_SECONDS)
        try:
            await running.database.run(lambda unit: jobs.hold(unit, running.job), running.program_id)
        except NotHeld:
            work.cancel()
            return
        except Refusal as refusal:
            _log.warning("a job could not be held", job=str(running.job.id), code=refusal.code)


def _found(job: Job | None) -> Job:
    if job is None:
        raise JobNotFound("No job of that id; one that ended long ago is not kept.")
    return job
