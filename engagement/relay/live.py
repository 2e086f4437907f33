"""Who waits for news of a member or of a leaderboard is woken when it has changed, by whichever process changed it.

A wake-up is a hint and no more. Redis loses messages whenever a connection breaks, and says nothing of it; so whoever is
woken reads the feed in PostgreSQL or the board, and everybody is woken every 5 seconds and after every reconnection as well.
"""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Connection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotAnswered

from engagement.relay.redis import DEADLINE_SECONDS, Link

POLL_SECONDS: Final = 5.0
"""The longest that anybody waits without looking."""
QUIET_SECONDS: Final = 2.0
"""After so long without a word the server is asked whether it is there, and given as long to answer."""
CONFIRM_SECONDS: Final = 0.25
STOP_SECONDS: Final = 0.25
RECONNECT_SECONDS: Final = (0.05, 1.0)
CHANNELS: Final = 1_000
"""How many channels are named in one command after a reconnection."""

_log = structlog.get_logger(__name__)


def channel(program_id: int, member_id: UUID) -> str:
    """Where it is said that a member's feed has grown; the message is the `seq` of its last item."""
    return f"{{p{program_id}}}:m:{member_id}"


def board_channel(program_id: int, board: str) -> str:
    """Where it is said that scores of a board have changed, in whichever period; the message is a number without meaning."""
    return f"{{p{program_id}}}:b:{board}"


class Wakes:
    """One listener's wake-ups. However many come before it looks, they are one: nothing is ever queued."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._seq: int | None = None
        self._lost = False

    async def next(self, timeout_seconds: float = POLL_SECONDS) -> int | None:
        """Wait for a wake-up, but no longer than this or 5 s.

        The highest `seq` that was heard of since the last call: a feed read up to there has nothing new. None where
        nothing was heard or something may have been missed: look.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_seconds, POLL_SECONDS)):
                await self._woken.wait()
        seq = None if self._lost else self._seq
        self.forget()
        return seq

    def hear(self, seq: int) -> None:
        """The feed has grown to `seq`."""
        self._seq = seq if self._seq is None else max(self._seq, seq)
        self._woken.set()

    def doubt(self) -> None:
        """Something may have been missed."""
        self._lost = True
        self._woken.set()

    def forget(self) -> None:
        """Start anew, as if nothing had been heard."""
        self._woken.clear()
        self._seq = None
        self._lost = False


class _Channel:
    """What is listened to: by whom, and whether the server has confirmed it."""

    def __init__(self) -> None:
        self.listeners: set[Wakes] = set()
        self.confirmed = asyncio.Event()

    def doubt(self) -> None:
        for each in self.listeners:
            each.doubt()


class Hub:
    """All listeners of this process, over one connection to Redis, which is made again whenever it breaks.

    Listening works, by looking every 5 s, before `start` and while Redis is away.
    """

    def __init__(self, redis: Link) -> None:
        self._redis = redis
        self._channels: dict[str, _Channel] = {}
        # What is to be said to the server; None while there is no connection.
        self._words: asyncio.Queue[tuple[str, ...]] | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect in the background, and stay connected."""
        self._listening = asyncio.create_task(self._listen(), context=contextvars.Context())

    async def stop(self) -> None:
        """Disconnect. Whoever still listens is woken, and then every 5 s."""
        if self._listening is not None:
            # Python 3.11 may lose a cancellation that comes just as something waited for is done.
            while not self._listening.done():
                self._listening.cancel()
                await asyncio.wait((self._listening,), timeout=STOP_SECONDS)
            self._listening = None

    def subscribe(self, program_id: int, member_id: UUID) -> contextlib.AbstractAsyncContextManager[Wakes]:
        """Listen for news of a member. Read her feed after this, not before: what is written from here on wakes."""
        return self._subscribe(channel(program_id, member_id))

    def subscribe_to_board(self, program_id: int, board: str) -> contextlib.AbstractAsyncContextManager[Wakes]:
        """Listen for changes of a board, in any of its periods. Read it after this, not before."""
        return self._subscribe(board_channel(program_id, board))

    @contextlib.asynccontextmanager
    async def _subscribe(self, name: str) -> AsyncIterator[Wakes]:
        wakes = Wakes()
        found = self._channels.get(name)
        if found is None:
            found = self._channels[name] = _Channel()
            found.listeners.add(wakes)
            self._say("SUBSCRIBE", name)
        else:
            found.listeners.add(wakes)
        try:
            if self._words is not None:
                # Where the confirmation comes too late for this, it wakes.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CONFIRM_SECONDS):
                        await found.confirmed.wait()
                        wakes.forget()
            yield wakes
        finally:
            found.listeners.discard(wakes)
            if not found.listeners:
                del self._channels[name]
                self._say("UNSUBSCRIBE", name)

    async def _listen(self) -> None:
        wait, longest = RECONNECT_SECONDS
        pause = wait
        while True:
            try:
                await self._connected()
            except (RedisError, OSError) as error:
                if self._words is not None:
                    pause = wait
                    _log.warning(
                        "live updates lost Redis; every listener looks for itself meanwhile", error=type(error).__name__
                    )
            except Exception:  # noqa: BLE001 — a defect here must not end what others rely on.
                _log.exception("live updates failed; every listener looks for itself meanwhile")
            finally:
                self._words = None
                for each in self._channels.values():
                    each.confirmed.clear()
                    each.doubt()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 — spreads load, hides nothing.
            pause = min(pause * 2, longest)

    async def _connected(self) -> None:
        connection = self._redis.dedicated()
        speaking = None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._words = asyncio.Queue()
            names = list(self._channels)
            for start in range(0, len(names), CHANNELS):
                self._say("SUBSCRIBE", *names[start : start + CHANNELS])
            speaking = asyncio.create_task(_speak(connection, self._words))
            await self._hear(connection)
        finally:
            await connection.disconnect(nowait=True)
            if speaking is not None:
                self._say()
                await asyncio.wait((speaking,))

    async def _hear(self, connection: Connection) -> None:
        asked = False
        while True:
            reply = await connection.read_response(timeout=QUIET_SECONDS)
            if reply is not None:
                asked = False
                self._understand(reply)
            elif asked:
                raise NotAnswered("no word from the server")
            else:
                asked = True
                self._say("PING")

    def _understand(self, reply: Any) -> None:
        # A server that nobody listens to answers PING with a plain word.
        if not isinstance(reply, list) or reply[1] not in self._channels:
            return
        kind, name, said = reply
        if kind == "message":
            for each in self._channels[name].listeners:
                each.hear(int(said))
        elif kind == "subscribe":
            self._channels[name].confirmed.set()
            self._channels[name].doubt()

    def _say(self, *words: str) -> None:
        if self._words is not None:
            self._words.put_nowait(words)


async def _speak(connection: Connection, words: asyncio.Queue[tuple[str, ...]]) -> None:
    """Say what is to be said, until that is nothing.

    A task of its own, since a listener cancelled in the middle of a word would break the connection for all.
    """
    # Who hears on this connection notices that it broke, and names every channel anew on the next.
    with contextlib.suppress(RedisError, OSError):
        # What is said on a broken connection would make it again, behind the back of the one who hears.
        while (said := await words.get()) and connection.is_connected:
            await connection.send_command(*said)
