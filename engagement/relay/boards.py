"""Leaderboards in Redis: a copy of the scores in PostgreSQL, ordered for reading as `placing` says.

Whatever is written is absolute and carries its version, so it may be written twice, late or in any order. A mark per
program says that its boards are complete; it names the run of the server for which that was so, and a server that has
started anew is filled anew. Where the mark is missing or Redis is away, PostgreSQL answers.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

import structlog

from achievements.ranking import Contest, Ties
from engagement.errors import Refusal
from engagement.records import outcomes, standings
from engagement.records.outcomes import Score
from engagement.records.unit import Database, Unit
from engagement.relay import placing
from engagement.relay.placing import FILL_LEASE_SECONDS, Gone, Place
from engagement.relay.redis import Command, Down, Link, Script

FILL_SIZE: Final = 5_000
"""How many scores a filling reads at a time."""
WRITE_SIZE: Final = 500
"""How many scores a filling writes at a time: a few milliseconds in which Redis does nothing else."""
FILL_WAIT_SECONDS: Final = 0.05

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Boards:
    """The leaderboards of all programs. Reads are of one round trip, and raise what `Database.run` raises where PostgreSQL answers."""

    def __init__(self, redis: Link, database: Database) -> None:
        self._redis = redis
        self._database = database
        self._fillings: dict[int, asyncio.Task[None]] = {}

    async def top(self, program_id: int, contest: Contest, first: int, offset: int = 0) -> list[Place]:
        """`first` places from the one after `offset` on, best first."""
        if first < 1:
            return []
        asked = (contest.ties, placing.worst(contest), offset, offset + first - 1)
        found = await self._read(program_id, placing.TOP, placing.keys_of(program_id, *contest.place), *asked)
        if found is None:
            return _places(contest.ties, await self._ask(program_id, standings.top, contest, first, offset))
        return placing.parse(contest.ties, *found)

    async def around(self, program_id: int, contest: Contest, external_id: str, size: int) -> list[Place]:
        """`size` places with the member's in the middle (of an even number, the lower one of the two); fewer at the ends.

        Empty where she is not ranked.
        """
        if size < 1:
            return []
        before = size // 2
        asked = (contest.ties, placing.worst(contest), external_id, before, size)
        found = await self._read(program_id, placing.AROUND, placing.keys_of(program_id, *contest.place), *asked)
        if found is None:
            page = await self._ask(program_id, standings.around, contest, external_id, before, size)
            return _places(contest.ties, page)
        return placing.parse(contest.ties, *found)

    async def ranks(self, program_id: int, wanted: Sequence[tuple[Contest, str]]) -> list[int | None]:
        """The rank for each (contest, the app's own id), None where that member is not ranked in it."""
        boards = placing.numbered(contest.place for contest, _ in wanted)
        keys = tuple(key for each in boards for key in placing.keys_of(program_id, *each))
        words = ((boards[each.place], each.ties, placing.worst(each), who) for each, who in wanted)
        found = await self._read(program_id, placing.RANKS, keys, *(word for each in words for word in each))
        if found is not None:
            return [None if above < 0 else above + 1 for above in found[0]]
        ranks: dict[tuple[Contest, str], int | None] = {}
        for way in dict.fromkeys(contest.ties for contest, _ in wanted):
            some = [each for each in wanted if each[0].ties == way]
            ranks.update(zip(some, await self._ask(program_id, standings.ranks, way, some), strict=True))
        return [ranks[each] for each in wanted]

    async def total(self, program_id: int, contest: Contest) -> int:
        """How many members are ranked."""
        keys = placing.keys_of(program_id, *contest.place)
        found = await self._read(program_id, placing.TOTAL, keys, placing.worst(contest))
        if found is None:
            return await self._ask(program_id, standings.total, contest)
        return int(found[0])

    async def apply(
        self, program_id: int, scores: Sequence[Score], gone: Sequence[Gone], ties: Mapping[str, Ties] | None = None
    ) -> None:
        """Write scores and take away what is gone, save where Redis knows something newer. Raises `Down`."""
        await self._redis.send(placing.changes(program_id, scores, gone, ties or {}))

    async def fill(self, program_id: int) -> None:
        """Copy every score of a program, unless its boards are complete; waits where another process is at it.

        Others may apply news meanwhile. Raises `Down`, and what `Database.run` raises.
        """
        while not await self._fill(program_id, uuid4().hex):  # noqa: ASYNC110 — no event of ours knows what another process does.
            await asyncio.sleep(FILL_WAIT_SECONDS)

    async def stop(self) -> None:
        """Give up fillings under way; whoever reads next starts again."""
        tasks = list(self._fillings.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, program_id: int, token: str) -> bool:
        mark, lease, names = placing.mark(program_id), placing.lease(program_id), placing.names(program_id)
        # The first connection learns of which run the server is.
        await self._redis.send(Command(("PING",)))
        (state,) = await self._redis.send(
            placing.BEGIN((mark, lease, names), self._redis.run_id, token, FILL_LEASE_SECONDS * 1000)
        )
        if state != "begun":
            return bool(state == "filled")
        run = self._redis.run_id
        ties = await self._ask(program_id, standings.ties_of)
        after = None
        while copied := await self._ask(program_id, outcomes.scores_after, after, FILL_SIZE):
            for start in range(0, len(copied), WRITE_SIZE):
                some = copied[start : start + WRITE_SIZE]
                (kept,) = await self._redis.send(placing.changes(program_id, some, (), ties, token))
                if not kept:
                    # Redis was emptied, or we took too long and another process began anew.
                    return False
            after = (copied[-1].board, copied[-1].period, copied[-1].member_id)
        (finished,) = await self._redis.send(placing.FINISH((mark, lease), run, token))
        return bool(finished)

    async def _read(
        self, program_id: int, script: Script, keys: tuple[str, ...], *arguments: str | int
    ) -> list[Any] | None:
        """What Redis says, without the mark; None where PostgreSQL has to answer."""
        try:
            ((mark, *found),) = await self._redis.send(script((placing.mark(program_id), *keys), *arguments))
        except Down:
            return None
        if mark and mark == self._redis.run_id:
            return list(found)
        self._fill_soon(program_id)
        return None

    async def _ask(self, program_id: int, question: Callable[..., Awaitable[T]], *arguments: object) -> T:
        async def ask(unit: Unit) -> T:
            return await question(unit, *arguments)

        return await self._database.run(ask, program_id, read_only=True)

    def _fill_soon(self, program_id: int) -> None:
        if program_id not in self._fillings:
            # In an empty context: the caller's may be that of a unit, which would refuse the filling's own.
            task = asyncio.create_task(self.fill(program_id), context=contextvars.Context())
            self._fillings[program_id] = task
            task.add_done_callback(partial(self._filled, program_id))

    def _filled(self, program_id: int, task: asyncio.Task[None]) -> None:
        del self._fillings[program_id]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, (Down, Refusal)):
            _log.warning(
                "boards could not be filled; the next reader tries again", program=program_id, error=str(error)
            )
        elif error is not None:
            _log.error("boards could not be filled", program=program_id, exc_info=error)


def _places(ties: Ties, page: standings.Page) -> list[Place]:
    places = [Place(number, *row) for number, row in enumerate(page.rows, page.before + 1)]
    return placing.shared(ties, page.above, places) if ties in ("standard", "dense") else places
