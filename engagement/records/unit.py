"""The unit of work: one transaction of one program, done whole or not at all.

`Database.run` is the only way into PostgreSQL. It exists because the obvious way is unsafe in four respects: a caller who
goes away in the middle (a closed socket) would leave a connection out of the pool for ever; waiting has no limit; a frozen
server ignores a cancelled query; and two transactions that deadlock fail although a repeat would succeed. A caller learns
of these as a `Refusal` that says whether anything was done; a defect passes through as it is.
"""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import structlog
from asyncpg import exceptions as failed
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import TortoiseContext

from engagement.errors import (
    Again,
    InProgress,
    OutcomeUnknown,
    Overloaded,
    Refusal,
    Unavailable,
)
from engagement.records.database import serving
from engagement.records.keys import check_key, check_same, digest_of
from engagement.records.pool import Pool
from engagement.records.statements import Statement, together

ALL: Final = "*"
Scope: TypeAlias = int | Literal["*"]
"""Whose rows a unit sees: those of one program (its id), or with `ALL` every row of `program` and `credential` alone."""

Row: TypeAlias = asyncpg.Record
Wake: TypeAlias = Callable[[int, list[tuple[UUID, bytes]]], None]
"""Told after a commit which outbox rows (id, payload) of which program it left."""

DEADLINE_SECONDS: Final = 4.5
RETRIES: Final = 3

_BEGIN = {False: "BEGIN", True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_REPEATABLE = (failed.SerializationError, failed.DeadlockDetectedError, Again)
# TimeoutError, by which asyncpg reports a statement that took too long, is an OSError.
_LOST = (
    OSError,
    failed.PostgresConnectionError,
    failed.OperatorInterventionError,
    failed.IdleInTransactionSessionTimeoutError,
)

_inside = contextvars.ContextVar("inside_a_unit", default=False)
_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Unit:
    """One open transaction. Every statement sees and writes the rows of `program` alone; instants are UTC.

    jsonb comes and goes as text. Statements run one after another: two at once in one unit are a defect. `led` are former ids of
    members, by the app, that were looked up, and to whom each led.
    """

    def __init__(self, connection: Any, client: Any, program: Scope) -> None:
        self.program = program
        self.outbox: list[tuple[UUID, bytes]] = []
        self.led: dict[str, UUID] = {}
        self._connection = connection
        self._client = client
        self._written: list[Statement] = []

    @property
    def db(self) -> BaseDBAsyncClient:
        """The same transaction for Tortoise: `Row.filter(program_id=…).using_db(unit.db)`. Not before what is written is sent."""
        assert not self._written, "flush the unit first"
        wrapper = TransactionWrapper(self._client)
        wrapper._connection = self._connection  # noqa: SLF001 — Tortoise's own contexts hand it over in this way.
        return wrapper

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """All rows of `sql`, with `values` for $1, $2, …"""
        await self.flush()
        rows: list[Row] = await self._connection.fetch(sql, *values)
        return rows

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        """The first row of `sql`, or None."""
        await self.flush()
        return await self._connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:
        """The first column of the first row of `sql`, or None."""
        await self.flush()
        return await self._connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: object) -> int:
        """How many rows `sql` changed."""
        await self.flush()
        return _count(await self._connection.execute(sql, *values))

    def write(self, sql: str, *values: object) -> None:
        """Insert, update or delete, at the latest when something else is asked of the unit or it ends.

        What is written in a row goes in one statement (`together`), so none of it may rest on another part.
        """
        self._written.append((sql, values))

    async def flush(self) -> int:
        """Send what was written; how many rows the last part of it changed."""
        if not self._written:
            return 0
        sql, values = together(self._written)
        self._written.clear()
        return _count(await self._connection.execute(sql, *values))

    async def narrow(self, program: int) -> None:
        """Go on as one program: for an operator's unit that makes a program and then fills it."""
        if self.program != ALL:
            raise RuntimeError("a unit of one program cannot become a unit of another")
        await self.flush()
        await self._connection.execute(_scope(program))
        self.program = program

    async def take_time(self, seconds: float) -> None:
        """Let this unit think for longer between statements, and run longer ones, than the server's limits for all allow."""
        await self._connection.execute(
            f"SET LOCAL idle_in_transaction_session_timeout = '{seconds:g}s'; SET LOCAL statement_timeout = '{seconds:g}s'"
        )


Work: TypeAlias = Callable[[Unit], Awaitable[T]]


@dataclass
class _Call(Generic[T]):
    """One `run` under way, shared by its task and its timer."""

    work: Work[T]
    program: Scope
    begin: str
    seconds: float
    connection: Any = None
    waiting: bool = False
    committing: bool = False
    expired: bool = False
    timer: asyncio.TimerHandle | None = None


class Database:
    """A pool of connections as engagement_app, and the two ways to use one: `run` and `perform`.

    `wake`, set by whoever relays the outbox, is called after each commit that left rows in it, in an empty context; what
    it raises is logged and harms nobody, since a worker sends whatever is left. `pool` says how connections are used.
    """

    def __init__(self, context: TortoiseContext, max_connections: int) -> None:
        self.wake: Wake | None = None
        self._context = context
        self._client: Any = context.db()
        self.pool = Pool(max_connections)
        self._running: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, url: str, max_connections: int = 10) -> "Database":
        """Connect to `url`, a postgresql:// URL of engagement_app. Raises `Unavailable` where nobody answers."""
        context = TortoiseContext()
        with context:
            await context.init(config=serving(url, max_connections))
        try:
            await context.db().create_connection(with_db=True)
        except (*_LOST, failed.TooManyConnectionsError) as error:
            raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error
        return cls(context, max_connections)

    async def close(self) -> None:
        """Let what is under way finish (each unit has its deadline), then close the connections."""
        if self._running:
            await asyncio.wait(self._running)
        await self._context.close_connections()

    async def run(
        self,
        work: Work[T],
        program: Scope,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        read_only: bool = False,
    ) -> T:
        """What `work` returns, once its transaction is committed; what it raises rolls the transaction back.

        `work` may run up to 4 times (deadlocks), so it does nothing but through its unit. It runs to its end even where
        the caller is cancelled, but for a read that still waits for a connection. Writes are READ COMMITTED and rely on
        locks and constraints; `read_only` sees one snapshot.
        Raises `Overloaded` (no connection within 2 s), `InProgress` (a lock not granted within 2 s), `Unavailable`
        (nothing was done) and `OutcomeUnknown` (PostgreSQL was lost, or the deadline passed, during the commit).
        """
        if _inside.get():
            raise RuntimeError("units do not nest: pass the unit on instead of the database")
        call = _Call(work, program, f"{_BEGIN[read_only]}; {_scope(program)}", deadline_seconds)
        # The task keeps the context that is current here, where Tortoise finds its settings.
        with self._context:
            task = asyncio.create_task(self._supervise(call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        call.timer = asyncio.get_running_loop().call_later(deadline_seconds, _expire, call, task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if read_only and call.waiting:
                task.cancel()
            # Nobody will hear of a defect in what goes on without its caller, but for the log.
            task.add_done_callback(_report_abandoned)
            raise

    async def perform(
        self,
        work: Work[T],
        program: Scope,
        *,
        enter: Work[None] | None = None,
        principal: str,
        operation: str,
        key: str | None,
        command: bytes,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> tuple[T, bool]:
        """`run`, at most once per (`program`, `principal`, `operation`, `key`), and whether this is a stored result.

        `command` is the canonical input; the result is stored as JSON by `encode` in the transaction of its effect. A second
        request under the key waits for the first. A refusal stores nothing, so the key stays free. Without a key it is a
        plain `run`. `enter` is called first: it narrows a unit of `ALL` to the program whose keys count. Also raises `IdempotencyKeyReused` (another command) and `InvalidInput` (a key of the wrong form).
        """
        if key is not None:
            check_key(key)
        digest = digest_of(command)

        async def once(unit: Unit) -> tuple[T, bool]:
            if enter is not None:
                await enter(unit)
            if key is None:
                return await work(unit), False
            name = (unit.program, principal, operation, key)
            # Waits for a transaction that has inserted the same key, and inserts where that one rolls back.
            claimed = await unit.execute(
                "INSERT INTO idempotency (program_id, principal, operation, key, input_hash)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                *name,
                digest,
            )
            if not claimed:
                (stored,) = await unit.fetch(f"SELECT input_hash, result FROM idempotency WHERE {_NAMED}", *name)
                check_same(stored["input_hash"], digest)
                return decode(stored["result"].encode()), True
            result = await work(unit)
            unit.write(f"UPDATE idempotency SET result = $5 WHERE {_NAMED}", *name, encode(result).decode())
            return result, False

        return await self.run(once, program, deadline_seconds=deadline_seconds)

    async def _supervise(self, call: _Call[T]) -> T:
        _inside.set(True)
        try:
            result, unit = await self._attempts(call)
        except BaseException as error:
            refusal = _explain(error, call)
            if refusal is None:
                raise
            raise refusal from error
        finally:
            if call.timer is not None:
                call.timer.cancel()
        if unit.outbox and unit.program != ALL and self.wake is not None:
            try:
                contextvars.Context().run(self.wake, unit.program, unit.outbox)
            except Exception:  # noqa: BLE001 — the transaction is committed; its caller must hear so.
                _log.exception("wake failed; the worker will send what is in the outbox")
        return result

    async def _attempts(self, call: _Call[T]) -> tuple[T, Unit]:
        for attempt in range(RETRIES):
            try:
                return await self._attempt(call)
            except _REPEATABLE:
                await asyncio.sleep(random.uniform(0.0, 0.02 * 2**attempt))  # noqa: S311 — spreads load, hides nothing.
        return await self._attempt(call)

    async def _attempt(self, call: _Call[T]) -> tuple[T, Unit]:
        call.committing, call.waiting = False, True
        try:
            async with self.pool.place():
                call.waiting = False
                async with self._client.acquire_connection() as connection:
                    call.connection = connection
                    return await _transact(call, Unit(connection, self._client, call.program))
        finally:
            call.connection, call.waiting = None, False


async def _transact(call: _Call[T], unit: Unit) -> tuple[T, Unit]:
    connection = call.connection
    try:
        await connection.execute(call.begin)
        result = await call.work(unit)
        await unit.flush()
        call.committing = True
        ended: str = await connection.execute("COMMIT")
    except BaseException as error:
        if isinstance(error, failed.InternalClientError):
            # asyncpg lost track of the protocol: the server went away in the middle of an answer.
            _cut(connection)
            raise ConnectionError("the connection broke within a statement") from error
        if isinstance(error, failed.InterfaceError) and _is_closed(connection):
            raise ConnectionError("the connection broke between two statements") from error
        await _abandon(connection, error)
        raise
    if call.timer is not None:
        call.timer.cancel()
    if ended != "COMMIT":
        raise RuntimeError("the work hid an error of PostgreSQL, so nothing was committed")
    return result, unit


async def _abandon(connection: Any, error: BaseException) -> None:
    """End a failed transaction. A rollback waits for the server; where that may never answer, cut the connection."""
    if _is_closed(connection):
        return
    if isinstance(error, Exception) and not isinstance(error, _LOST):
        try:
            await connection.execute("ROLLBACK")
        except (*_LOST, failed.InterfaceError):
            _cut(connection)
    else:
        _cut(connection)


def _expire(call: _Call[Any], task: asyncio.Task[Any]) -> None:
    """End a unit at its deadline. Cancelling alone would wait for a frozen server to agree, so its connection goes first."""
    call.expired = True
    if call.connection is not None:
        _cut(call.connection)
    task.cancel()


def _explain(error: BaseException, call: _Call[Any]) -> Refusal | None:
    """What to tell the caller of a failed unit; None where the error says it best, or is a defect."""
    lost = isinstance(error, _LOST)
    if call.committing and (call.expired or lost):
        return OutcomeUnknown(
            "PostgreSQL was lost during the commit; repeat the request with the same key to learn more."
        )
    if call.expired:
        return Unavailable(f"Not done within {call.seconds:g} s, and undone; ask again later.")
    if isinstance(error, failed.TooManyConnectionsError):
        return Overloaded("PostgreSQL has no connection to spare; ask again later.")
    if isinstance(error, (failed.LockNotAvailableError, *_REPEATABLE)):
        return InProgress("Another request holds the same rows; ask again.")
    if lost:
        return Unavailable("PostgreSQL does not answer; nothing was done. Ask again later.")
    return None


def _report_abandoned(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, Refusal):
        _log.error("a unit failed after its caller had gone", exc_info=error)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except failed.InterfaceError:
        # The pool has already taken a broken connection back.
        return True


def _cut(connection: Any) -> None:
    with contextlib.suppress(failed.InterfaceError):
        connection.terminate()


def _count(tag: str) -> int:
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdecimal() else 0


def _scope(program: Scope) -> str:
    return f"SET LOCAL app.program = '{program if program == ALL else int(program)}'"


_NAMED = "program_id = $1 AND principal = $2 AND operation = $3 AND key = $4"
