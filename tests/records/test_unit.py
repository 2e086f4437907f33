import asyncio
import contextvars
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import pytest

from engagement.errors import InProgress, InvalidInput, OutcomeUnknown, Overloaded, Unavailable
from engagement.records.models import ProgramRow
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit
from tests.records.conftest import published

trace = contextvars.ContextVar("trace", default="none")

HANGING_SECONDS = 20
"""Far longer than any deadline here, and shorter than what it ends would take."""


def in_use(records: Database) -> int:
    pool = records._client._pool
    return int(pool.get_size() - pool.get_idle_size())


async def settled(records: Database) -> None:
    if records._running:
        await asyncio.wait(records._running)


async def left(unit: Unit) -> int:
    count: int = await unit.fetchval("SELECT count(*) FROM outbox")
    return count


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A PostgreSQL backend that is there, but does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_what_work_raises_undoes_the_unit(records: Database, program: Program) -> None:
    async def refuse(unit: Unit) -> None:
        await published(unit, b"{}")
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await records.run(refuse, program.id)
    assert await records.run(left, program.id) == 0
    assert in_use(records) == 0


async def test_a_unit_sees_its_own_program_also_through_tortoise(records: Database, program: Program) -> None:
    async def rename(unit: Unit) -> str:
        await unit.execute("UPDATE program SET name = 'renamed'")
        row = await ProgramRow.filter(id=program.id).using_db(unit.db).get()
        return row.name

    assert await records.run(rename, program.id) == "renamed"
    assert await records.run(rename, ALL) == "renamed"
    seen = await records.run(lambda unit: unit.fetch("SELECT id FROM program"), program.id + 1)
    assert seen == []


async def test_units_do_not_nest(records: Database, program: Program) -> None:
    async def outer(_unit: Unit) -> int:
        return await records.run(left, program.id)

    with pytest.raises(RuntimeError, match="do not nest"):
        await records.run(outer, program.id)

    async def nested_transaction(unit: Unit) -> None:
        async with unit.db._in_transaction():
            pass

    with pytest.raises(asyncpg.InterfaceError, match="manually started transaction"):
        await records.run(nested_transaction, program.id)


async def test_a_hidden_error_is_not_taken_for_success(records: Database, program: Program) -> None:
    async def hide(unit: Unit) -> str:
        try:
            await unit.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            return "done"
        return "not reached"

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await records.run(hide, program.id)


async def test_a_read_only_unit_sees_one_snapshot_and_writes_nothing(records: Database, program: Program) -> None:
    async def read_twice(unit: Unit) -> tuple[int, int]:
        before = await left(unit)
        await asyncio.create_task(write(), context=contextvars.Context())
        return before, await left(unit)

    async def write() -> None:
        await records.run(lambda unit: published(unit, b"{}"), program.id)

    assert await records.run(read_twice, program.id, read_only=True) == (0, 0)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await records.run(lambda unit: published(unit, b"{}"), program.id, read_only=True)


async def test_a_deadlock_is_repeated_until_both_are_done(records: Database, program: Program) -> None:
    await records.run(lambda unit: published(unit, b"1", b"2"), program.id)
    both_hold_one = asyncio.Barrier(2)
    attempts: list[str] = []

    async def lock_both(unit: Unit, order: str) -> str:
        attempts.append(order)
        for nth in (1, 2):
            await unit.fetch("SELECT FROM outbox WHERE payload = ($1)::jsonb FOR UPDATE", order[nth - 1])
            if nth == 1 and len(attempts) <= 2:
                await both_hold_one.wait()
        return order

    done = await asyncio.gather(
        records.run(lambda unit: lock_both(unit, "12"), program.id),
        records.run(lambda unit: lock_both(unit, "21"), program.id),
    )
    assert [*done] == ["12", "21"]
    assert len(attempts) == 3


async def test_a_lock_that_does_not_come_is_in_progress(records: Database, program: Program) -> None:
    release = asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch("SELECT FROM program FOR UPDATE")
        await release.wait()

    holder = asyncio.create_task(records.run(hold, program.id))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    with pytest.raises(InProgress):
        await records.run(lambda unit: unit.fetch("SELECT FROM program FOR UPDATE"), program.id)
    assert time.monotonic() - started > 1.9
    release.set()
    await holder


async def test_without_a_free_connection_the_service_is_overloaded(records: Database, program: Program) -> None:
    release = asyncio.Event()

    async def hold(_unit: Unit) -> None:
        await release.wait()

    holders = [asyncio.create_task(records.run(hold, program.id)) for _ in range(4)]
    await asyncio.sleep(0.1)
    with pytest.raises(Overloaded):
        await records.run(left, program.id)
    release.set()
    await asyncio.gather(*holders)
    assert await records.run(left, program.id) == 0


async def test_a_caller_who_leaves_does_not_stop_the_work(records: Database, program: Program) -> None:
    begun, leave = asyncio.Event(), asyncio.Event()

    async def work(unit: Unit) -> None:
        begun.set()
        await leave.wait()
        await published(unit, b"{}")

    caller = asyncio.create_task(records.run(work, program.id))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    leave.set()
    await settled(records)
    assert await records.run(left, program.id) == 1


async def test_a_read_whose_caller_leaves_waits_for_no_connection(records: Database, program: Program) -> None:
    leave = asyncio.Event()

    async def busy(_unit: Unit) -> None:
        await leave.wait()

    async def read(_unit: Unit) -> None:
        raise AssertionError("nobody waits for it")

    holders = [asyncio.create_task(records.run(busy, program.id)) for _ in range(4)]
    caller = asyncio.create_task(records.run(read, program.id, read_only=True))
    await asyncio.sleep(0.3)
    assert records.pool.waiting == 1
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(0.1)
    assert records.pool.waiting == 0
    leave.set()
    await asyncio.gather(*holders)
    await settled(records)
    assert await records.run(left, program.id) == 0


async def test_two_thousand_cancelled_calls_leave_the_pool_whole(records: Database, program: Program) -> None:
    chance, finished = random.Random(7), 0

    async def work(unit: Unit) -> None:
        nonlocal finished
        await published(unit, b"{}")
        finished += 1

    async def cancelled() -> None:
        caller = asyncio.create_task(records.run(work, program.id))
        await asyncio.sleep(chance.random() * 0.01)
        caller.cancel()
        await asyncio.wait([caller])

    for _ in range(20):
        await asyncio.gather(*(cancelled() for _ in range(100)))
    await settled(records)
    assert in_use(records) == 0
    assert records.pool.in_use == 0
    assert finished > 0
    assert await records.run(left, program.id) == finished


async def test_a_statement_beyond_the_deadline_is_ended(records: Database, program: Program) -> None:
    async def sleep(unit: Unit) -> None:
        await published(unit, b"{}")
        await unit.execute("SELECT pg_sleep(30)")

    for _ in range(6):  # more often than there are connections
        started = time.monotonic()
        with pytest.raises(Unavailable, match="undone"):
            await records.run(sleep, program.id, deadline_seconds=0.2)
        assert time.monotonic() - started < HANGING_SECONDS
    assert in_use(records) == 0
    assert await records.run(left, program.id) == 0
    await asyncio.sleep(1.5)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(30)'"
    assert await records.run(lambda unit: unit.fetchval(sleeping), program.id) == 0


async def test_work_that_does_not_end_is_ended_at_the_deadline(records: Database, program: Program) -> None:
    async def stuck(unit: Unit) -> None:
        await published(unit, b"{}")
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="undone"):
        await records.run(stuck, program.id, deadline_seconds=0.2)
    assert in_use(records) == 0
    assert await records.run(left, program.id) == 0


async def test_a_frozen_server_does_not_hold_its_caller(records: Database, program: Program) -> None:
    async def freeze(unit: Unit) -> None:
        with frozen(await unit.fetchval("SELECT pg_backend_pid()")):
            await left(unit)

    started = time.monotonic()
    with pytest.raises(Unavailable):
        await records.run(freeze, program.id, deadline_seconds=0.5)
    assert time.monotonic() - started < HANGING_SECONDS
    assert in_use(records) == 0
    assert await records.run(left, program.id) == 0


async def test_a_rollback_without_an_answer_does_not_hold_its_caller(records: Database, program: Program) -> None:
    pids: list[int] = []

    async def freeze(unit: Unit) -> None:
        await published(unit, b"{}")
        pids.append(await unit.fetchval("SELECT pg_backend_pid()"))
        os.kill(pids[0], signal.SIGSTOP)
        raise InvalidInput("no")

    started = time.monotonic()
    try:
        with pytest.raises(Unavailable):
            await records.run(freeze, program.id, deadline_seconds=0.5)
    finally:
        os.kill(pids[0], signal.SIGCONT)
    assert time.monotonic() - started < HANGING_SECONDS
    assert in_use(records) == 0
    assert await records.run(left, program.id) == 0


async def test_a_commit_without_an_answer_is_an_unknown_outcome(records: Database, program: Program) -> None:
    pids: list[int] = []

    async def freeze(unit: Unit) -> None:
        await published(unit, b"{}")
        pids.append(await unit.fetchval("SELECT pg_backend_pid()"))
        os.kill(pids[0], signal.SIGSTOP)

    try:
        with pytest.raises(OutcomeUnknown):
            await records.run(freeze, program.id, deadline_seconds=0.5)
    finally:
        os.kill(pids[0], signal.SIGCONT)
    assert in_use(records) == 0
    assert await records.run(left, program.id) in (0, 1)


async def test_a_lost_connection_is_unavailable_and_replaced(records: Database, program: Program) -> None:
    async def end_own_backend(unit: Unit) -> None:
        await published(unit, b"{}")
        await unit.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async def go_on_regardless(unit: Unit) -> None:
        try:
            await end_own_backend(unit)
        except asyncpg.AdminShutdownError:
            await asyncio.sleep(0.1)
        await left(unit)

    for work in (end_own_backend, go_on_regardless):
        with pytest.raises(Unavailable):
            await records.run(work, program.id)
    assert in_use(records) == 0
    assert await records.run(left, program.id) == 0


async def test_where_nobody_answers_it_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Database.open("postgresql://engagement_app@/engagement?host=/nowhere")
    with pytest.raises(Unavailable):
        await Database.open("postgresql://engagement_app@127.0.0.1:1/engagement")


async def test_a_commit_wakes_the_relay_in_an_empty_context(records: Database, program: Program) -> None:
    heard: list[tuple[str, int, list[tuple[UUID, bytes]]]] = []

    def wake(of: int, rows: list[tuple[UUID, bytes]]) -> None:
        heard.append((trace.get(), of, rows))
        raise ValueError("the relay's own trouble")

    records.wake = wake
    trace.set("the caller's")
    await records.run(lambda unit: published(unit, b'{"n": 1}', b'{"n": 2}'), program.id)
    await records.run(left, program.id)
    ((context, of, rows),) = heard
    stored = await records.run(lambda unit: unit.fetch("SELECT id, payload FROM outbox ORDER BY id"), program.id)
    assert (context, of) == ("none", program.id)
    assert rows == [(row["id"], row["payload"].encode()) for row in stored]


async def test_an_operators_unit_goes_on_as_one_program_and_no_other(records: Database, program: Program) -> None:
    async def narrow(unit: Unit) -> int:
        await unit.narrow(program.id)
        await published(unit, b"{}")
        return await left(unit)

    assert await records.run(narrow, ALL) == 1
    with pytest.raises(RuntimeError, match="cannot become"):
        await records.run(lambda unit: unit.narrow(2), program.id)


async def test_nothing_of_a_unit_stays_in_its_connection(records: Database, program: Program) -> None:
    await records.run(left, program.id)
    client = records._client
    async with client.acquire_connection() as connection:
        assert await connection.fetchval("SELECT current_setting('app.program', true)") == ""
        assert await connection.fetchval("SHOW timezone") == "UTC"
        limits = [await connection.fetchval(f"SHOW {name}") for name in ("statement_timeout", "lock_timeout")]
    assert limits == ["5s", "2s"]
