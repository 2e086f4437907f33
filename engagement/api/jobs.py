"""Jobs: long work that the worker does, as it stands and as it goes on."""

import asyncio
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import strawberry

from engagement.actions import jobs
from engagement.api.principals import PROGRAMS_WRITE, Info, mutation, query, still_valid, subscription
from engagement.api.refusals import NotFoundError, TryAgainError
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written, written_or_none
from engagement.errors import Refusal
from engagement.records import jobs as records

LOOK_SECONDS: Final = 0.5
"""How often a follower looks. Few people follow jobs, and a look is one row: nobody has to be told of each step."""

_JobId: TypeAlias = Annotated[
    strawberry.ID, strawberry.argument(name="id", description="The id that starting it answered.")
]


@strawberry.enum(description="Where a job stands.")
class JobState(Enum):
    """Two states before the end, and three ends."""

    QUEUED = strawberry.enum_value("queued", description="It waits for a worker.")
    RUNNING = strawberry.enum_value("running", description="A worker is at it.")
    DONE = strawberry.enum_value("done", description="It is done, and its result can be read.")
    FAILED = strawberry.enum_value("failed", description="It could not be done; `problem` says why.")
    CANCELLED = strawberry.enum_value("cancelled", description="Somebody cancelled it.")


@strawberry.type(description="Long work of a program that the worker does. The latest 200 that have ended are kept.")
class Job:
    """A job as it stands."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    kind: str = strawberry.field(description="What is done, like `backtest`.")
    state: JobState = strawberry.field(description="Where it stands.")
    done: float = strawberry.field(description="How much is done, in the unit of `total`.")
    total: float | None = strawberry.field(description="How much there is to do; null while that is not known.")
    problem: str | None = strawberry.field(description="Why it failed, where it did.")
    asked_at: DateTime = strawberry.field(description="When it was asked for, by the server's clock.")
    ended_at: DateTime | None = strawberry.field(description="When it ended, by the server's clock.")

    @classmethod
    def of(cls, job: records.Job) -> "Job":
        """As clients read it."""
        return cls(
            id=strawberry.ID(str(job.id)),
            kind=job.kind,
            state=JobState(job.state),
            done=float(job.done),
            total=None if job.total is None else float(job.total),
            problem=job.problem,
            asked_at=written(job.asked_at),
            ended_at=written_or_none(job.ended_at),
        )


@strawberry.type(description="The job has ended: cancelled now, or as it had ended before.")
class CancelJobSuccess:
    """What became of it."""

    job: Job = strawberry.field(description="The job as it is now.")


CancelJobResult: TypeAlias = Annotated[
    CancelJobSuccess | NotFoundError | TryAgainError,
    strawberry.union("CancelJobResult", description="What became of cancelling a job."),
]


@strawberry.type
class JobsQuery:
    """The field of the root about jobs."""

    @query("A job as it stands; `JOB_NOT_FOUND` where there is none.", PROGRAMS_WRITE)
    async def job(self, info: Info, job_id: _JobId) -> Job:
        """Read one."""
        return Job.of(await _read(info, job_id))


@strawberry.type
class JobsMutation:
    """The mutation of jobs."""

    @mutation(
        "Cancel a job that has not ended. What it did up to then stays where it stands by itself, as said where it is started.",
        PROGRAMS_WRITE,
    )
    async def cancel_job(self, info: Info, job_id: _JobId) -> CancelJobResult:
        """End it."""
        principal, resources = info.context.principal, resources_of(info)
        return CancelJobSuccess(job=Job.of(await jobs.cancel(resources.database, principal.program, job_id_of(job_id))))


@strawberry.type
class JobsSubscription:
    """The subscription of jobs."""

    @subscription(
        "A job as it stands, then whenever it has come further, twice a second at most; the last is how it ended.",
        PROGRAMS_WRITE,
    )
    async def job_progress(self, info: Info, job_id: _JobId) -> AsyncGenerator[Job, None]:
        """Follow it until it ends, the client leaves or its credential ends."""
        job = await _read(info, job_id)
        yield Job.of(job)
        while not job.ended:
            await asyncio.sleep(LOOK_SECONDS)
            still_valid(info.context.principal)
            try:
                now = await _read(info, job_id)
            except Refusal as refusal:
                # Where PostgreSQL is away for the moment, a follower sits that out.
                if not refusal.retryable:
                    raise
                continue
            if (now.state, now.done, now.total) != (job.state, job.done, job.total):
                yield Job.of(now)
            job = now


def job_id_of(text: str) -> UUID:
    """The id that a client names; what is no id names no job."""
    try:
        return UUID(text)
    except ValueError:
        raise jobs.JobNotFound("No job of that id: an id is what starting the job answered.") from None


async def _read(info: Info, job_id: str) -> records.Job:
    asked = job_id_of(job_id)
    found: records.Job = await resources_of(info).read(info.context.principal, lambda unit: jobs.read(unit, asked))
    return found
