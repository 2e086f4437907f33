"""What leaves the outbox after a commit: scores go to the boards, and members' clients are told to look.

The process that committed sends its own messages at once, many in one round trip, and deletes them a moment later, many
in one transaction. What it could not send, since Redis was away or it died, stays in the outbox; a sweep sends it.
"""

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Coroutine, Sequence
from operator import attrgetter
from typing import Final
from uuid import UUID

import msgspec
import structlog

from achievements.ranking import Ties
from engagement.errors import Refusal
from engagement.records import outbox, programs, standings
from engagement.records.outcomes import Score
from engagement.records.unit import ALL, Database, Unit
from engagement.relay.live import board_channel, channel
from engagement.relay.placing import FORGET, Gone, changes, lease, names
from engagement.relay.redis import Command, Down, Link

BATCH: Final = 500
"""How many messages go to Redis in one round trip, and how many a sweep claims in one transaction."""
QUEUE: Final = 20_000
"""How many messages may wait in this process; more are left to the sweep."""
DELETE_AFTER_SECONDS: Final = 0.05
LEFT_AFTER_SECONDS: Final = 2.0
"""The age at which a message counts as left behind by its own process."""
STOP_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


class Message(msgspec.Struct, frozen=True):
    """The payload of an outbox row: one transaction's scores, scores that are gone, and members' last feed positions.

    `ties` are the rules of boards on which the first to reach a score does not stand first, by their keys.
    """

    scores: tuple[Score, ...] = ()
    gone: tuple[Gone, ...] = ()
    seqs: dict[UUID, int] = {}
    ties: dict[str, Ties] = {}


_decode = msgspec.json.Decoder(Message).decode


class Drain:
    """Sends this process's messages as they are committed (`wake`), and those that were left behind (`sweep`).

    It belongs to one event loop. When Redis comes back, it sweeps by itself.
    """

    def __init__(self, database: Database, redis: Link) -> None:
        self._database = database
        self._redis = redis
        self._queue: deque[tuple[int, UUID, bytes]] = deque()
        self._sent: dict[int, list[UUID]] = {}
        # Messages are numbered as they come and are dealt with in that order.
        self._taken = 0
        self._done = 0
        self._last: dict[int, int] = {}
        self._waiting: list[tuple[int, asyncio.Future[bool]]] = []
        self._sending: asyncio.Task[None] | None = None
        self._deleting: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._stopped = False
        redis.returned.append(self._recover)

    def wake(self, program_id: int, rows: list[tuple[UUID, bytes]]) -> None:
        """Send these rows of the outbox, committed a moment ago, in the background. Made for `Database.wake`."""
        if self._stopped or not self._redis.up or len(self._queue) + len(rows) > QUEUE:
            return
        self._queue.extend((program_id, each, payload) for each, payload in rows)
        self._taken += len(rows)
        self._last[program_id] = self._taken
        if self._sending is None:
            self._sending = _start(self._send())

    async def settled(self, program_id: int, timeout_seconds: float = 0.25) -> bool:
        """Wait until Redis has what this process was woken with for a program so far; at most that long.

        False where it has not, in time or at all: Redis is away, and PostgreSQL answers for it.
        """
        number = self._last.get(program_id, 0)
        if number <= self._done:
            return self._redis.up
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (number, waiter)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await waiter
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(entry)

    async def sweep(self, older_than_seconds: float = LEFT_AFTER_SECONDS) -> int:
        """Send what is left in the outboxes of all programs for that long, and say how many messages that were.

        Does nothing while Redis is away. Raises what `Database.run` raises.
        """
        swept = 0
        for program in await self._database.run(programs.every, ALL, read_only=True):
            batch = BATCH
            while batch == BATCH and self._redis.up:
                batch = await self._sweep(program.id, older_than_seconds)
                swept += batch
        return swept

    async def forget(self, program_id: int, external_id: str) -> bool:
        """Remove what is left of a member whose scores are gone; False where that has to wait, for a filling or for Redis."""
        try:
            (forgotten,) = await self._redis.send(FORGET((names(program_id), lease(program_id)), external_id))
        except Down:
            return False
        return bool(forgotten)

    async def stop(self) -> None:
        """Take nothing more, and send and delete what is at hand; what takes more than 2 s is left to a sweep."""
        self._stopped = True
        if self._recovering is not None:
            self._recovering.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while tasks := self._tasks():
                    await asyncio.wait(tasks)
        for task in self._tasks():
            task.cancel()
            await asyncio.wait((task,))

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [each for each in (self._sending, self._deleting, self._recovering) if each is not None]

    async def _send(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                await self._send_batch(batch)
                self._deal_with(len(batch), sent=True)
        except Down:
            pass
        except Exception:  # noqa: BLE001 — the rows are safe where they are.
            _log.exception("messages could not be sent; they stay in the outbox")
        finally:
            # What was not sent is left to the sweep, and nobody waits for it any longer.
            self._queue.clear()
            self._deal_with(self._taken - self._done, sent=False)
            self._last.clear()
            self._sending = None

    async def _send_batch(self, batch: Sequence[tuple[int, UUID, bytes]]) -> None:
        messages = [(program_id, _decode(payload)) for program_id, _, payload in batch]
        await self._redis.send(*_commands(messages))
        for program_id, each, _ in batch:
            self._sent.setdefault(program_id, []).append(each)
        if self._deleting is None:
            self._deleting = _start(self._delete())

    def _deal_with(self, count: int, *, sent: bool) -> None:
        self._done += count
        for number, waiter in self._waiting:
            if number <= self._done and not waiter.done():
                waiter.set_result(sent)

    async def _delete(self) -> None:
        try:
            while self._sent:
                # More will have come by then, and go in the same transaction.
                await asyncio.sleep(DELETE_AFTER_SECONDS)
                sent, self._sent = self._sent, {}
                for program_id, ids in sent.items():
                    await self._delete_of(program_id, ids)
        finally:
            self._deleting = None

    async def _delete_of(self, program_id: int, ids: Sequence[UUID]) -> None:
        async def delete(unit: Unit) -> int:
            return await outbox.delete(unit, ids)

        try:
            await self._database.run(delete, program_id)
        except Refusal as refusal:
            _log.warning("sent messages stay in the outbox and will be sent again", reason=refusal.message)
        except Exception:  # noqa: BLE001 — a second sending is harmless.
            _log.exception("sent messages stay in the outbox and will be sent again")

    async def _sweep(self, program_id: int, older_than_seconds: float) -> int:
        async def sweep(unit: Unit) -> int:
            claimed = await outbox.claim(unit, older_than_seconds, BATCH)
            messages = [_decode(payload) for _, payload in claimed]
            current = await _brought_up_to_date(unit, messages)
            # Redis is asked inside the unit, which keeps other sweeps off these rows: it takes half a second at most, and
            # doing it again is harmless.
            await self._redis.send(*_commands([(program_id, each) for each in current]))
            return await outbox.delete(unit, [each for each, _ in claimed])

        try:
            return await self._database.run(sweep, program_id)
        except Down:
            return 0

    def _recover(self) -> None:
        if self._recovering is None and not self._stopped:
            self._recovering = _start(self._sweep_all())

    async def _sweep_all(self) -> None:
        try:
            await self.sweep(older_than_seconds=0.0)
        except Refusal as refusal:
            _log.warning("the outbox waits for the next sweep", reason=refusal.message)
        except Exception:  # noqa: BLE001 — the next sweep will do it.
            _log.exception("the outbox waits for the next sweep")
        finally:
            self._recovering = None


async def _brought_up_to_date(unit: Unit, messages: Sequence[Message]) -> list[Message]:
    """Messages that waited, with the scores that hold now; what was taken away since is gone.

    Boards that were filled meanwhile no longer know what went before, so an old score would come back as a new one.
    """
    waited = sorted((each for message in messages for each in message.scores), key=attrgetter("version"))
    scores = {(each.board, each.period, each.group, each.member_id): each for each in waited}
    held = await standings.current(unit, list(scores.values())) if scores else []
    now = {(each.board, each.period, each.group, each.member_id) for each in held}
    gone = tuple(
        Gone(each.board, each.period, each.external_id, each.version, each.group)
        for key, each in scores.items()
        if key not in now
    )
    ties = {board: way for message in messages for board, way in message.ties.items()}
    return [*(msgspec.structs.replace(each, scores=()) for each in messages), Message(tuple(held), gone, ties=ties)]


def _commands(messages: Sequence[tuple[int, Message]]) -> list[Command]:
    """What messages, each with its program, say to Redis: the scores, then to whom it is said to look."""
    written: list[Command] = []
    told: list[Command] = []
    # A board is told once, however many of its scores changed. A dict keeps the order.
    boards: dict[tuple[int, str], None] = {}
    for program_id, message in messages:
        if message.scores or message.gone:
            written.append(changes(program_id, message.scores, message.gone, message.ties))
        told += (Command(("PUBLISH", channel(program_id, member), seq)) for member, seq in message.seqs.items())
        boards |= {(program_id, each.board): None for each in message.scores}
        boards |= {(program_id, each.board): None for each in message.gone}
    told += (Command(("PUBLISH", board_channel(*each), 0)) for each in boards)
    # The boards first: who is told to look finds the new score.
    return [*written, *told]


def _start(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    # In an empty context: the caller's may be that of a unit, which would refuse any other.
    return asyncio.create_task(work, context=contextvars.Context())
