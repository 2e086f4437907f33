"""Jobs: done once to their end, whoever is killed, cancelled or late on the way."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engagement.actions import jobs
from engagement.actions.jobs import JobNotFound, Running
from engagement.embedded import Endpoints
from engagement.errors import InvalidInput
from engagement.records import jobs as records
from engagement.records.jobs import Job, TooManyJobs
from engagement.records.unit import Unit
from tests.actions.conftest import House
from tests.conftest import Urls

PATIENCE_SECONDS = 60.0
WORKER = Path(__file__).with_name("counting_worker.py")


async def ask(house: House, kind: str = "count", given: object = None, job_id: UUID | None = None) -> Job:
    wanted = job_id or uuid.uuid4()
    return await house.database.run(lambda unit: records.ask(unit, wanted, kind, given), house.program)


async def stands(house: House, job_id: UUID) -> Job:
    return await house.database.run(lambda unit: jobs.read(unit, job_id), house.program, read_only=True)


async def do(house: House, **kinds: Any) -> bool:
    return await jobs.do_next(house.database, house.cache, house.program, kinds)


async def let_lapse(house: House) -> None:
    """As if its worker had been dead for long."""

    async def work(unit: Unit) -> None:
        await unit.execute(
            "UPDATE job SET leased_until = now() - interval '1 second' WHERE program_id = $1 AND state = 'running'",
            unit.program,
        )

    await house.database.run(work, house.program)


async def count(running: Running, stop_at: int | None = None) -> dict[str, int]:
    """Count to what was asked for, one a unit."""
    total = int(running.job.input)
    for done in range((running.job.place or 0) + 1, total + 1):

        async def step(unit: Unit, done: int = done) -> None:
            await running.note(unit, done, total, done)

        await running.database.run(step, running.program_id)
        if done == stop_at:
            raise ConnectionResetError("killed")
    return {"counted": total - (running.job.place or 0)}


async def test_a_job_is_done_and_tells_how_far_it_is(house: House) -> None:
    asked = await ask(house, given=3)
    assert (asked.state, asked.done, asked.total) == ("queued", 0, None)
    assert await do(house, count=count)
    done = await stands(house, asked.id)
    assert (done.state, done.done, done.total, done.result, done.place) == ("done", 3, 3, {"counted": 3}, None)
    assert done.ended
    assert not await do(house, count=count)
    assert (await ask(house, given=9, job_id=asked.id)) == done


async def test_another_worker_goes_on_where_the_one_before_it_was_killed(house: House) -> None:
    asked = await ask(house, given=5)
    taken = await house.database.run(records.take, house.program)
    assert taken is not None
    dead = Running(house.database, house.cache, house.program, taken)
    with pytest.raises(ConnectionResetError):
        await count(dead, stop_at=2)
    assert not await do(house, count=count)
    await let_lapse(house)
    assert await do(house, count=count)
    done = await stands(house, asked.id)
    assert (done.state, done.turn, done.result) == ("done", 2, {"counted": 3})
    # Who was only taken for dead finds that nothing of its work is wanted.
    with pytest.raises(records.NotHeld):
        await count(dead)


@asynccontextmanager
async def worker(
    urls: Urls, redis_url: str, *arguments: str, script: Path = WORKER
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own; killed in the end."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), *arguments),
        env={**os.environ, "DATABASE_URL": urls.app, "REDIS_URL": redis_url},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def test_a_worker_killed_in_the_middle_of_a_piece_has_done_nothing_of_it(
    house: House, database: Urls, endpoints: Endpoints
) -> None:
    asked = await ask(house, given=5)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with worker(database, endpoints.redis_url, "3") as killed:
            assert killed.stdout is not None
            # Its log lines come first.
            await killed.stdout.readuntil(b"\nhanging in 3\n")
        assert killed.returncode == -signal.SIGKILL
        held = await stands(house, asked.id)
        assert (held.state, held.done, held.turn) == ("running", 2, 1)
        await let_lapse(house)
        async with worker(database, endpoints.redis_url):
            while not (done := await stands(house, asked.id)).ended:  # noqa: ASYNC110 — another process ends it.
                await asyncio.sleep(0.05)
    assert (done.state, done.done, done.turn, done.result) == ("done", 5, 2, {"counted": 3})


async def test_what_ends_every_worker_is_given_up(house: House) -> None:
    asked = await ask(house, given=1)
    for _ in range(records.TRIES_MAX):
        assert await house.database.run(records.take, house.program) is not None
        await let_lapse(house)
    assert not await do(house, count=count)
    failed = await stands(house, asked.id)
    assert failed.state == "failed"
    assert failed.problem is not None
    assert f"begun {records.TRIES_MAX} times" in failed.problem


async def test_what_comes_further_each_time_goes_on(house: House) -> None:
    asked = await ask(house, given=99)
    for done in range(1, records.TRIES_MAX + 2):
        taken = await house.database.run(records.take, house.program)
        assert taken is not None
        assert taken.place == (done - 1 or None)
        with pytest.raises(ConnectionResetError):
            await count(Running(house.database, house.cache, house.program, taken), stop_at=done)
        await let_lapse(house)
    assert (await stands(house, asked.id)).state == "running"


async def test_a_cancelled_job_is_worked_on_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HOLD_SECONDS", 0.05)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: Running) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    asked = await ask(house, "endless")
    working = asyncio.create_task(do(house, endless=endless))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        assert (await jobs.cancel(house.database, house.program, asked.id)).state == "cancelled"
        await ended.wait()
        assert await working
    assert (await stands(house, asked.id)).state == "cancelled"
    assert (await jobs.cancel(house.database, house.program, asked.id)).state == "cancelled"


async def test_a_worker_that_is_asked_to_stop_lets_its_job_go(house: House) -> None:
    begun = asyncio.Event()

    async def endless(_: Running) -> None:
        begun.set()
        await asyncio.sleep(3600)

    asked = await ask(house, "endless")
    working = asyncio.create_task(do(house, endless=endless))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert (await stands(house, asked.id)).state == "queued"


async def test_what_is_refused_is_told_and_a_defect_is_not(house: House) -> None:
    async def refuse(_: Running) -> None:
        raise InvalidInput("Say from when on.")

    async def break_(_: Running) -> None:
        raise ZeroDivisionError("the password is in here")

    first, second, third = [await ask(house, kind) for kind in ("refuse", "break", "unheard of")]
    for _ in range(3):
        assert await do(house, refuse=refuse, **{"break": break_})
    assert (await stands(house, first.id)).problem == "Say from when on."
    assert (await stands(house, second.id)).problem == jobs.PROBLEM_OF_A_DEFECT
    assert (await stands(house, third.id)).problem == "This worker knows no jobs of the kind unheard of."


async def test_only_so_many_are_open_and_so_many_are_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT_MAX", 2)
    many = [await ask(house, given=1) for _ in range(records.OPEN_MAX)]
    with pytest.raises(TooManyJobs):
        await ask(house, given=1)
    while await do(house, count=count):
        pass
    await ask(house, given=1)
    for gone in many[:-2]:
        with pytest.raises(JobNotFound):
            await stands(house, gone.id)
    assert (await stands(house, many[-1].id)).state == "done"


async def test_two_workers_do_each_job_once(house: House) -> None:
    done: list[UUID] = []

    async def once(running: Running) -> None:
        await asyncio.sleep(0)
        done.append(running.job.id)

    asked = [await ask(house, "once") for _ in range(6)]

    async def work() -> None:
        while await do(house, once=once):
            pass

    await asyncio.gather(work(), work())
    assert sorted(done) == sorted(each.id for each in asked)
