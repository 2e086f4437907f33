"""The service's link to Redis: every wait has a limit, nothing is repeated in silence, and a dead server costs nobody time.

Redis holds projections alone, so whatever fails here is a reason to ask PostgreSQL, never one to fail a request. The
library's own habits work against that: it repeats a command for some forty seconds on a frozen server and reconnects
without a word to one that has lost everything. So a command has one try, and every new connection asks the server which
run of itself it is.
"""

import asyncio
import contextvars
import hashlib
import random
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self

import structlog
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as NotAnswered

ANSWER_SECONDS: Final = 0.25
CONNECT_SECONDS: Final = 0.5
DEADLINE_SECONDS: Final = 0.5
"""The most that a try costs its caller, with the wait for a connection and the making of one."""
LATE_SECONDS: Final = 0.05
"""Our own loop was busy where it came so late to a timer: what Redis answered may lie unread."""
TRIES: Final = 3
"""So often is a command tried where the loop was late each time; where it was not, once."""
CONNECTIONS: Final = 32

PROBE_SECONDS: Final = (0.05, 1.0)
"""How long the breaker waits between two looks at a dead server: at first, and at most."""

LOST: Final = (NotConnected, NotAnswered, OSError)
"""What is raised where the server is gone, frozen or still loading. Python's own TimeoutError is an OSError."""

_log = structlog.get_logger(__name__)


class Down(Exception):
    """Redis did not do it, or nobody knows whether it did. Ask PostgreSQL; what was to be written stays in the outbox."""


class Command(NamedTuple):
    """One command as its words; `script` is the source that the server must know first, where it runs one."""

    words: tuple[str | int, ...]
    script: str | None = None


class Script:
    """A Lua script. Calling it with keys and arguments makes the command that runs it."""

    def __init__(self, source: str) -> None:
        self._source = source
        # Redis names a script so; nothing here is secret.
        self._name = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: tuple[str, ...], *arguments: str | int) -> Command:
        """The command for `Link.send`."""
        return Command(("EVALSHA", self._name, len(keys), *keys, *arguments), self._source)


class Link:
    """A pool of connections to the Redis at `url` (redis://, rediss:// or unix://), and the breaker in front of it.

    Connects when first used, so it can be made while Redis is away. After a command that found Redis gone or frozen, `up`
    is False and every command fails at once, until a look at the server in the background succeeds; then each of
    `returned` is called. `run_id` names the run of the server that the newest connection met: another run has lost, or
    may have lost, what the one before it held.
    """

    def __init__(self, url: str) -> None:
        self.run_id = ""
        self.returned: list[Callable[[], None]] = []
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            # The older protocol: replies have one shape on every server, and pub/sub comes as plain lists.
            protocol=2,
            decode_responses=True,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._greet,
        )
        self._client: Redis = Redis(connection_pool=self._pool)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._probe: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def up(self) -> bool:
        """Whether a command would be tried at all."""
        return self._probe is None and not self._closed

    async def send(self, *commands: Command) -> list[Any]:
        """The replies to `commands`, sent in one round trip; text is str. Takes at most half a second of a loop that is not late.

        Commands must bear being done twice. Raises `Down`, after which any of them may have been done or not.
        """
        if not self.up:
            raise Down("Redis is down")
        try:
            return await self._heard(commands)
        except LOST as error:
            self._break(error)
            raise Down(f"Redis is down: {type(error).__name__}") from error
        except RedisError as error:
            # Its words may quote the command's, and logs are kept.
            _log.warning("Redis refused a command", error=type(error).__name__)
            raise Down(f"Redis refused: {type(error).__name__}") from error

    def dedicated(self) -> Connection:
        """A connection outside the pool, not yet made, for who listens on it."""
        made: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return made

    async def close(self) -> None:
        """Drop every connection of the pool; nothing can be sent any more."""
        self._closed = True
        if self._probe is not None:
            self._probe.cancel()
        await self._client.aclose()
        await self._pool.disconnect()

    async def _heard(self, commands: tuple[Command, ...]) -> list[Any]:
        """The replies; tried again where our own loop was too busy to hear them, for which Redis must not be blamed."""
        for left in reversed(range(TRIES)):
            with _Clock() as clock:
                try:
                    async with asyncio.timeout(DEADLINE_SECONDS), self._free:
                        return await self._attempt(commands)
                except LOST:
                    if not left or not self.up or clock.worst < LATE_SECONDS:
                        raise
        raise AssertionError("the last try returns or raises")

    async def _attempt(self, commands: tuple[Command, ...]) -> list[Any]:
        try:
            return await self._pipeline(commands)
        except NoScriptError:
            # A server that has just started, or was told to forget its scripts.
            loading = [Command(("SCRIPT", "LOAD", each)) for each in {one.script for one in commands} if each]
            await self._pipeline((*loading,))
            return await self._pipeline(commands)

    async def _pipeline(self, commands: tuple[Command, ...]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for each in commands:
                pipeline.pipeline_execute_command(*each.words)  # type: ignore[no-untyped-call]
            replies: list[Any] = await pipeline.execute()
            return replies

    async def _greet(self, connection: Connection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        lines = str(await connection.read_response()).splitlines()
        named = [line.removeprefix("run_id:") for line in lines if line.startswith("run_id:")]
        if not named:
            raise NotConnected("the server does not say its run_id")
        self.run_id = named[0]

    def _break(self, error: BaseException) -> None:
        if self.up:
            _log.warning("Redis is lost; PostgreSQL answers meanwhile", error=type(error).__name__)
            # In an empty context: the caller's may be that of a unit.
            self._probe = asyncio.create_task(self._look(), context=contextvars.Context())

    async def _look(self) -> None:
        wait, longest = PROBE_SECONDS
        while True:
            await self._pool.disconnect(inuse_connections=False)
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self._pipeline((Command(("PING",)),))
            except (RedisError, OSError):
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 — spreads load, hides nothing.
                wait = min(wait * 2, longest)
            else:
                break
        self._probe = None
        _log.info("Redis is back")
        for tell in self.returned:
            tell()


class _Clock:
    """How late the running loop was for a timer at the worst, in seconds, while the block ran."""

    def __init__(self) -> None:
        self.worst = 0.0

    def __enter__(self) -> Self:
        self._wind()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _wind(self) -> None:
        # The loop's own time may stand still while a callback runs.
        self._due = time.monotonic() + LATE_SECONDS
        self._timer = asyncio.get_running_loop().call_later(LATE_SECONDS, self._strike)

    def _strike(self) -> None:
        self.worst = max(self.worst, time.monotonic() - self._due)
        self._wind()
