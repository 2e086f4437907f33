"""Backtests in the service: a draft on what really happened, asked for now and folded by the worker.

What happened is read a stretch of members at a time and handed to processes of our own, which let everybody else go first. What they counted
is added up in the order of the members, so that a worker that comes after one that was killed goes on from there. Nothing is written but
the job. Inputs that arrive meanwhile count for members who are not folded yet.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import astuple

from achievements.backtests import Backtest
from achievements.definitions import Mistaken
from achievements.drafting import check_shape
from achievements.tallies import Report, Tally
from engagement.actions import jobs as doing
from engagement.actions.jobs import JobNotFound, Running
from engagement.actions.programs import Loaded, Programs
from engagement.actions.trying import Folding, Histories, Tried
from engagement.cores import Cores, available
from engagement.errors import InvalidInput, InvalidProgram
from engagement.records import histories, jobs, members
from engagement.records.histories import Stretch
from engagement.records.jobs import Job
from engagement.records.unit import Database, Unit

KIND: Final = "backtest"
NICENESS: Final = 19
"""Of the processes: whatever else the machine does goes first."""
NOTE_SECONDS: Final = 1.0
"""How often it is noted how far a backtest is, at most."""
AHEAD: Final = 4
"""So many stretches for each process are read beyond one that is not counted yet: then reading waits for that one."""
CHECK_SECONDS: Final = 20.0
READ_SECONDS: Final = 60.0
VALUE_MAX: Final = Decimal(1_000_000)
BUDGET_MAX: Final = 10**15


class StartBacktest(msgspec.Struct, frozen=True):
    """A draft (definitions in sections), and the stretch of time that it is tried on: from `since` up to, but not including, `until`.

    `values` are what a point is worth, `budgets` how many points there are to give, by currency.
    """

    draft: Any
    since: datetime
    until: datetime
    values: dict[str, Decimal] = {}
    budgets: dict[str, int] = {}


class Started(msgspec.Struct, frozen=True):
    """The job of a backtest, as it stands."""

    job: Job
    replayed: bool


class _Place(msgspec.Struct, frozen=True):
    """How far a backtest is: what the members up to one came to, under a revision of the program."""

    revision: int
    after: UUID
    members: int
    tally: Tally


async def start(
    database: Database, programs: Programs, program_id: int, command: StartBacktest, *, principal: str, key: str | None
) -> Started:
    """Ask for a backtest. Nothing of the program or its members is touched.

    Raises `InvalidProgram` with every mistake in the draft, as publishing it would tell it; `InvalidInput` where the stretch of time is none, or
    ends after the program's present, and for a currency, value or budget that is none; and what `Database.perform` and `jobs.ask` raise.
    """
    _check(command)
    job_id = uuid4()
    given = msgspec.to_builtins(command)

    async def work(unit: Unit) -> UUID:
        await unit.take_time(CHECK_SECONDS)
        loaded = await programs.load(unit)
        _check_present(loaded, command.until)
        _check_currencies(command, await asyncio.to_thread(_made, _tried(loaded, command)))
        return (await jobs.ask(unit, job_id, KIND, given)).id

    asked, replayed = await database.perform(
        work,
        program_id,
        principal=principal,
        operation="startBacktest",
        key=key,
        command=msgspec.json.encode(command, order="deterministic"),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(UUID).decode,
        deadline_seconds=CHECK_SECONDS,
    )
    return Started(await database.run(lambda unit: doing.read(unit, asked), program_id, read_only=True), replayed)


async def read(unit: Unit, job_id: UUID) -> Job:
    """The job of a backtest. Raises `JobNotFound`, also for a job of another kind."""
    job = await doing.read(unit, job_id)
    if job.kind != KIND:
        raise JobNotFound("No backtest of that id.")
    return job


def asked_of(job: Job) -> StartBacktest:
    """What a backtest was asked to try."""
    return msgspec.convert(job.input, StartBacktest)


def report_of(job: Job) -> Report | None:
    """What a backtest found; None while it has not."""
    # By way of JSON, in which days are keys.
    return None if job.result is None else msgspec.json.decode(msgspec.json.encode(job.result), type=Report)


async def run(running: Running) -> Report:
    """Do a backtest: what a worker does for this kind of job."""
    command = asked_of(running.job)
    loaded: Loaded = await running.database.run(running.programs.load, running.program_id, read_only=True)
    tried = _tried(loaded, command)
    backtest = await asyncio.to_thread(_made, tried)
    counting = _Counting(running, tried, loaded.program.revision)
    await counting.count()
    return backtest.report(counting.tally, values=command.values, budgets=command.budgets)


class _Counted(NamedTuple):
    """What a stretch came to: how many members, the last of them, and their tally."""

    members: int
    last: UUID | None
    tally: Tally


class _Counting:
    """Members read, folded and added up, on several cores.

    What is counted waits for all that comes before it; `_room` bounds how much of it may, however long one member's history takes.
    """

    def __init__(self, running: Running, tried: Tried, revision: int) -> None:
        self._running = running
        self._tried = tried
        self._revision = revision
        place = _place(running.job, revision)
        self.tally = Tally() if place is None else place.tally
        self._done = 0 if place is None else place.members
        self._after = self._read_after = None if place is None else place.after
        self._reading, self._adding = asyncio.Lock(), asyncio.Lock()
        self._read = self._added = 0
        self._waiting: dict[int, _Counted] = {}
        self._room = asyncio.Semaphore(AHEAD)
        self._total = self._done
        self._noted = time.monotonic()

    async def count(self) -> None:
        """Count whoever is not counted yet."""
        running = self._running
        self._total = await running.database.run(members.count, running.program_id, read_only=True)
        async with _cores(self._tried) as (cores, threads):
            free: asyncio.Queue[int] = asyncio.Queue()
            for position in range(len(cores)):
                free.put_nowait(position)
            self._room = asyncio.Semaphore(AHEAD * (len(cores) + 1))
            try:
                async with asyncio.TaskGroup() as together:
                    # One more than there are processes, so that the next stretch is there when one comes free.
                    for _ in range(len(cores) + 1):
                        together.create_task(self._work(cores, threads, free))
            except BaseExceptionGroup as group:
                # A refusal is told as it is, and the first says why the others were given up.
                raise group.exceptions[0] from group
        if self._after is not None:
            await self._note(self._after)

    async def _work(
        self, cores: Cores[Histories, Tally], threads: ThreadPoolExecutor, free: asyncio.Queue[int]
    ) -> None:
        while (found := await self._next()) is not None:
            number, stretch = found
            position, told = await free.get(), [astuple(each) for each in stretch.members]
            tally = await asyncio.get_running_loop().run_in_executor(threads, cores.ask, position, told)
            free.put_nowait(position)
            await self._add(number, _Counted(len(told), stretch.last, tally))

    async def _next(self) -> tuple[int, Stretch] | None:
        """The next stretch, with its number, once there is room for it; None after the last."""
        await self._room.acquire()
        async with self._reading:
            after, until, running = self._read_after, self._tried.until, self._running

            async def work(unit: Unit) -> Stretch:
                await unit.take_time(READ_SECONDS)
                return await histories.stretch(unit, after, until)

            stretch = await running.database.run(
                work, running.program_id, deadline_seconds=READ_SECONDS, read_only=True
            )
            if stretch.last is None:
                # Whoever waits for room finds that there is nothing more.
                self._room.release()
                return None
            self._read_after = stretch.last
            self._read += 1
            return self._read, stretch

    async def _add(self, number: int, counted: _Counted) -> None:
        """Add what a stretch came to once all before it are, and note from time to time how far that is."""
        async with self._adding:
            self._waiting[number] = counted
            while (found := self._waiting.pop(self._added + 1, None)) is not None:
                self.tally.add(found.tally)
                self._added += 1
                self._done += found.members
                self._after = found.last
                self._room.release()
            if self._after is not None and time.monotonic() - self._noted >= NOTE_SECONDS:
                await self._note(self._after)
                self._noted = time.monotonic()

    async def _note(self, after: UUID) -> None:
        running, done = self._running, self._done
        place = _Place(self._revision, after, done, self.tally)
        total = max(self._total, done)
        await running.database.run(lambda unit: running.note(unit, done, total, place), running.program_id)


@asynccontextmanager
async def _cores(tried: Tried) -> AsyncIterator[tuple[Cores[Histories, Tally], ThreadPoolExecutor]]:
    """Processes that fold, on all cores but one, and as many threads that wait for them."""
    count = max(1, available() - 1)
    threads = ThreadPoolExecutor(count, "backtest")
    cores: Cores[Histories, Tally] = await asyncio.to_thread(lambda: Cores(Folding, (tried,), count, NICENESS))
    try:
        yield cores, threads
    finally:
        # Where it was given up, threads still wait: a pipe is closed behind them.
        cores.interrupt()
        await asyncio.to_thread(_end, cores, threads)


def _end(cores: Cores[Any, Any], threads: ThreadPoolExecutor) -> None:
    threads.shutdown()
    cores.__exit__(None, None, None)


def _place(job: Job, revision: int) -> _Place | None:
    """Where to go on; from the beginning where the program was changed since, which may reach into the past."""
    if job.place is None:
        return None
    place = msgspec.json.decode(msgspec.json.encode(job.place), type=_Place)
    return place if place.revision == revision else None


def _tried(loaded: Loaded, command: StartBacktest) -> Tried:
    return Tried(loaded.rulebook.line, command.draft, command.since, command.until)


def _made(tried: Tried) -> Backtest:
    with _told():
        return Backtest(*tried)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Mistaken as error:
        raise InvalidProgram(tuple(error.mistakes)) from error


def _check(command: StartBacktest) -> None:
    with _told():
        check_shape(command.draft)
    if command.until <= command.since:
        raise InvalidInput("`to` comes after `from`.", "to")
    for currency, value in command.values.items():
        if not value.is_finite() or not 0 <= value <= VALUE_MAX:
            raise InvalidInput(f"The worth of a point of `{currency}` lies between 0 and {VALUE_MAX:,}.", "pointValues")
    for currency, budget in command.budgets.items():
        if not 1 <= budget <= BUDGET_MAX:
            raise InvalidInput(f"A budget of `{currency}` is 1 to {BUDGET_MAX:,} points.", "budgets")


def _check_present(loaded: Loaded, until: datetime) -> None:
    # In a sandbox, events may lie ahead of the clock.
    if not loaded.program.sandbox and until > loaded.now:
        raise InvalidInput("`to` lies ahead of the program's present: nothing has happened there yet.", "to")


def _check_currencies(command: StartBacktest, backtest: Backtest) -> None:
    known = backtest.book.latest.currencies
    named: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("pointValues", command.values),
        ("budgets", command.budgets),
    )
    for field, given in named:
        for currency in given:
            if currency not in known:
                there = ", ".join(known) or "none"
                raise InvalidInput(f"No currency `{currency[:80]}`; the program defines: {there}.", field)
