"""Backtests that end before their time: cancelled, or with a worker that was killed, and gone on with by another."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from engagement.actions import backtests, jobs
from engagement.actions.jobs import Running
from engagement.cores import Cores
from engagement.records import histories
from engagement.records.jobs import NotHeld
from engagement.records.unit import Unit
from tests.achievements.programs import EVERYTHING, document
from tests.actions.conftest import House, purchase
from tests.actions.test_backtests import KINDS, PATIENCE_SECONDS, ask, told
from tests.actions.test_jobs import let_lapse, stands
from tests.conftest import Urls


async def stretched(house: House, monkeypatch: pytest.MonkeyPatch, members: int = 6) -> None:
    """Members, each a stretch of its own of which it is noted how far it is.

    One process folds them, whatever the machine has: of several, one may answer for the fourth before another does for the third,
    and both are noted at once.
    """
    monkeypatch.setattr(backtests, "available", lambda: 1)
    monkeypatch.setattr(histories, "STRETCH_MEMBERS_MAX", 1)
    monkeypatch.setattr(backtests, "NOTE_SECONDS", 0.0)
    await house.send(
        *(
            purchase(f"p{day}", f"m{who}", f"2017-03-{day:02d}T10:00:00Z", "90.00")
            for who in range(members)
            for day in (1, 2, 3, 4)
        )
    )


async def test_another_worker_goes_on_where_one_was_killed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await stretched(house, monkeypatch)
    whole = await told(house, (await ask(house)).id)
    assert [whole.members, *(each.winners for each in whole.definitions)] == [6, 0, 6]
    asked = await ask(house)
    noting = Running.note

    async def killed_after_two(
        running: Running, unit: Unit, done: int, total: int | None, place: object = None
    ) -> None:
        await noting(running, unit, done, total, place)
        if done > 2:
            raise NotHeld("as if killed")

    monkeypatch.setattr(Running, "note", killed_after_two)
    assert await jobs.do_next(house.database, house.cache, house.program, KINDS)
    held = await stands(house, asked.id)
    assert (held.state, held.done, held.total) == ("running", 2, 6)
    monkeypatch.setattr(Running, "note", noting)
    read: list[int] = []
    stretch = histories.stretch

    async def counting(*given: Any) -> Any:
        found = await stretch(*given)
        read.append(len(found.members))
        return found

    monkeypatch.setattr(histories, "stretch", counting)
    await let_lapse(house)
    assert await told(house, asked.id) == whole
    assert sum(read) == 4
    # Once the program was changed, the past may be another: what was counted by then is counted anew.
    asked = await ask(house)
    monkeypatch.setattr(Running, "note", killed_after_two)
    assert await jobs.do_next(house.database, house.cache, house.program, KINDS)
    monkeypatch.setattr(Running, "note", noting)
    await house.apply(document(**EVERYTHING, segments=[{"key": "all", "when": "true"}]))
    await let_lapse(house)
    read.clear()
    assert await told(house, asked.id) == whole
    assert sum(read) == 6


def wait_for_end(pids: Iterable[int]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "they live on"
        time.sleep(0.01)


async def test_a_worker_that_is_killed_takes_its_processes_along(
    house: House, database: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stretched(house, monkeypatch)
    asked = await ask(house)
    command = (sys.executable, "-m", "tests.actions.dying", database.app, str(house.program))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        folding = [int(pid) for pid in (await process.stdout.readline()).split()]
        assert folding
        process.kill()
        await process.wait()
        await asyncio.to_thread(wait_for_end, folding)
    held = await stands(house, asked.id)
    assert (held.state, held.done, held.total) == ("running", 2, 6)
    await let_lapse(house)
    assert (await told(house, asked.id)).members == 6
    assert (await stands(house, asked.id)).turn == 2


async def test_a_cancelled_backtest_ends_with_its_processes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await stretched(house, monkeypatch)
    asked, began, made = await ask(house), asyncio.Event(), list[Cores[Any, Any]]()

    class Made(Cores[Any, Any]):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    async def endless(*_: Any) -> None:
        began.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(backtests, "Cores", Made)
    monkeypatch.setattr(backtests._Counting, "_add", endless)
    monkeypatch.setattr(jobs, "HOLD_SECONDS", 0.01)
    working = asyncio.create_task(jobs.do_next(house.database, house.cache, house.program, KINDS))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await began.wait()
        await jobs.cancel(house.database, house.program, asked.id)
        assert await working
    job = await stands(house, asked.id)
    assert (job.state, job.result) == ("cancelled", None)
    (cores,) = made
    assert not any(each.is_alive() for each in cores._processes)


async def test_one_long_history_does_not_let_all_others_pile_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await stretched(house, monkeypatch, 30)
    monkeypatch.setattr(backtests, "available", lambda: 3)
    at_most = backtests.AHEAD * 3
    read, first = list[int](), threading.Lock()
    there, further = threading.Event(), threading.Event()
    stretch, asking = histories.stretch, Cores[Any, Any].ask

    async def counting(*given: Any) -> Any:
        read.append(1)
        if len(read) >= at_most:
            (there if len(read) == at_most else further).set()
        return await stretch(*given)

    def slow(cores: Cores[Any, Any], position: int, task: Any) -> Any:
        # The first one takes until the others have been read as far as they may be, and longer.
        if first.acquire(blocking=False):
            assert there.wait(PATIENCE_SECONDS)
            assert not further.wait(0.3), "reading went on without it"
        return asking(cores, position, task)

    monkeypatch.setattr(histories, "stretch", counting)
    monkeypatch.setattr(Cores, "ask", slow)
    report = await told(house, (await ask(house)).id)
    assert [report.members, *(each.winners for each in report.definitions)] == [30, 0, 30]
