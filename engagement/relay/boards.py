"""Leaderboards in Redis: a copy of the scores in PostgreSQL, ordered for reading.

A sorted set holds, for each period of a board, its places, and a hash beside it what is known of each member: the version
of her score and the instant she reached it. Redis orders by a double and then by bytes, so a place has the score negated
as its number and is named by the instant in microseconds and then the app's own id: highest score first, then who came
first, then ids by code point, exactly. Boards that treat ties in another way are asked of PostgreSQL.

Whatever is written is absolute and carries its version, so it may be written twice, late or in any order. A mark per
program says that its boards are complete; it names the run of the server for which that was so, and a server that has
started anew is filled anew. Where the mark is missing or Redis is away, PostgreSQL answers.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
import structlog

from achievements.ranking import Ties
from engagement.errors import Refusal
from engagement.records import outcomes, standings
from engagement.records.outcomes import Score
from engagement.records.standings import Standing
from engagement.records.unit import Database, Unit
from engagement.relay.redis import Command, Down, Link, Script

Gone: TypeAlias = tuple[str, str, str, int]
"""A score that no longer is: board, period, the app's own id, and the version in which it went."""

_Change: TypeAlias = tuple[str, str, str, int, str, int]
"""One for the script: board, period, the app's own id, version, the instant as digits ("" where it is gone), negated score."""

FILL_SIZE: Final = 5_000
"""How many scores a filling reads at a time."""
WRITE_SIZE: Final = 500
"""How many scores a filling writes at a time: a few milliseconds in which Redis does nothing else."""
FILL_LEASE_SECONDS: Final = 10
"""How long a filling that makes no progress keeps others from starting one."""
FILL_WAIT_SECONDS: Final = 0.05

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 20

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# KEYS: the names of all boards' keys, the lease of the filling, then the places and the members of each board.
# ARGV: the token of the filling that sends this, or "" for news; its lease in milliseconds; then for each change the board's
# number, the member, the version, the instant ("" where the score is gone) and the negated score.
# What is gone stays known with its version, or an older score that comes late would bring it back.
_CHANGE = Script("""
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
for position = 3, #KEYS do redis.call('SADD', KEYS[1], KEYS[position]) end
for at = 3, #ARGV, 5 do
  local places, members = KEYS[1 + 2 * ARGV[at]], KEYS[2 + 2 * ARGV[at]]
  local id, version, instant = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local known, before = string.match(redis.call('HGET', members, id) or '', '^(%d+):(%d*)$')
  if not known or tonumber(version) >= tonumber(known) then
    if known and before ~= '' and before ~= instant then redis.call('ZREM', places, before .. id) end
    if instant ~= '' then redis.call('ZADD', places, ARGV[at + 4], instant .. id) end
    redis.call('HSET', members, id, version .. ':' .. instant)
  end
end
return 1
""")

# KEYS: the mark, the lease, the names of all boards' keys. ARGV: the server's run, the token, its lease in milliseconds.
_BEGIN = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return 'filled' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'busy' end
for _, key in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('UNLINK', key) end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 'begun'
""")

# KEYS: the mark, the lease. ARGV: the server's run, the token.
_FINISH = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
""")

# Each of these returns the mark first, read in the same instant as the rest.
_TOP = Script("""
return {redis.call('GET', KEYS[1]) or '', redis.call('ZRANGE', KEYS[2], ARGV[1], ARGV[2], 'WITHSCORES')}
""")

_AROUND = Script("""
local mark = redis.call('GET', KEYS[1]) or ''
local instant = string.match(redis.call('HGET', KEYS[3], ARGV[1]) or '', '^%d+:(%d+)$')
local place = instant and redis.call('ZRANK', KEYS[2], instant .. ARGV[1])
if not place then return {mark, 0, {}} end
local first = place - ARGV[2]
return {mark, math.max(first, 0), redis.call('ZRANGE', KEYS[2], math.max(first, 0), first + ARGV[3] - 1, 'WITHSCORES')}
""")

_RANKS = Script("""
local places = {}
for at = 1, #ARGV, 2 do
  local board, id = 2 * ARGV[at], ARGV[at + 1]
  local instant = string.match(redis.call('HGET', KEYS[1 + board], id) or '', '^%d+:(%d+)$')
  places[#places + 1] = instant and redis.call('ZRANK', KEYS[board], instant .. id) or -1
end
return {redis.call('GET', KEYS[1]) or '', places}
""")

_TOTAL = Script("""
return {redis.call('GET', KEYS[1]) or '', redis.call('ZCARD', KEYS[2])}
""")


class Place(msgspec.Struct, frozen=True):
    """A member's place in a period of a board. Ranks count from 1; `number` tells places apart where they share one.

    `reached_at` is UTC.
    """

    rank: int
    external_id: str
    score: int
    reached_at: datetime
    shared: int | None = None

    @property
    def number(self) -> int:
        """How many places it is from the top, itself counted."""
        return self.shared or self.rank


class Boards:
    """The leaderboards of all programs. Reads are of one round trip, and raise what `Database.run` raises where PostgreSQL answers."""

    def __init__(self, redis: Link, database: Database) -> None:
        self._redis = redis
        self._database = database
        self._fillings: dict[int, asyncio.Task[None]] = {}

    async def top(
        self, program_id: int, board: str, period: str, first: int, offset: int = 0, ties: Ties = "first_to_reach"
    ) -> list[Place]:
        """`first` places from the one after `offset` on, best first."""
        if first < 1:
            return []
        places, _ = _keys(program_id, board, period)
        found = None
        if ties == "first_to_reach":
            found = await self._read(program_id, _TOP, (places,), offset, offset + first - 1)
        if found is None:
            return _places(ties, await self._ask(program_id, standings.top, ties, board, period, first, offset))
        return _parse(offset, found[0])

    async def around(
        self, program_id: int, board: str, period: str, external_id: str, size: int, ties: Ties = "first_to_reach"
    ) -> list[Place]:
        """`size` places with the member's in the middle (of an even number, the lower one of the two); fewer at the ends.

        Empty where she is not on the board.
        """
        if size < 1:
            return []
        before = size // 2
        found = None
        if ties == "first_to_reach":
            found = await self._read(program_id, _AROUND, _keys(program_id, board, period), external_id, before, size)
        if found is None:
            asked = (ties, board, period, external_id, before, size)
            return _places(ties, await self._ask(program_id, standings.around, *asked))
        return _parse(found[0], found[1])

    async def ranks(
        self, program_id: int, wanted: Sequence[tuple[str, str, str]], ties: Mapping[str, Ties] | None = None
    ) -> list[int | None]:
        """The rank for each (board, period, the app's own id), None where that member is not on that board.

        `ties` are those of the boards, by key; first to reach where it does not name one.
        """
        by_ties: dict[Ties, list[tuple[str, str, str]]] = {}
        for each in wanted:
            by_ties.setdefault((ties or {}).get(each[0], "first_to_reach"), []).append(each)
        found: dict[tuple[str, str, str], int | None] = {}
        for way, some in by_ties.items():
            if way == "first_to_reach":
                ranks = await self._ranks(program_id, some)
            else:
                ranks = await self._ask(program_id, standings.ranks, way, some)
            found.update(zip(some, ranks, strict=True))
        return [found[each] for each in wanted]

    async def _ranks(self, program_id: int, wanted: Sequence[tuple[str, str, str]]) -> list[int | None]:
        """The ranks on boards where no two share one."""
        boards = _numbered((board, period) for board, period, _ in wanted)
        keys = tuple(key for each in boards for key in _keys(program_id, *each))
        arguments = (word for board, period, who in wanted for word in (boards[board, period], who))
        found = await self._read(program_id, _RANKS, keys, *arguments)
        if found is None:
            return await self._ask(program_id, standings.ranks, "first_to_reach", wanted)
        return [None if place < 0 else place + 1 for place in found[0]]

    async def total(self, program_id: int, board: str, period: str) -> int:
        """How many members are on the board."""
        places, _ = _keys(program_id, board, period)
        found = await self._read(program_id, _TOTAL, (places,))
        if found is None:
            return await self._ask(program_id, standings.total, board, period)
        return int(found[0])

    async def apply(self, program_id: int, scores: Sequence[Score], gone: Sequence[Gone]) -> None:
        """Write scores and take away what is gone, save where Redis knows something newer. Raises `Down`."""
        await self._redis.send(changes(program_id, scores, gone))

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
        mark, lease, names = _mark(program_id), _lease(program_id), _names(program_id)
        # The first connection learns of which run the server is.
        await self._redis.send(Command(("PING",)))
        (state,) = await self._redis.send(
            _BEGIN((mark, lease, names), self._redis.run_id, token, FILL_LEASE_SECONDS * 1000)
        )
        if state != "begun":
            return bool(state == "filled")
        run = self._redis.run_id
        after = None
        while copied := await self._ask(program_id, outcomes.scores_after, after, FILL_SIZE):
            for start in range(0, len(copied), WRITE_SIZE):
                some = copied[start : start + WRITE_SIZE]
                (kept,) = await self._redis.send(changes(program_id, some, (), token))
                if not kept:
                    # Redis was emptied, or we took too long and another process began anew.
                    return False
            after = (copied[-1].board, copied[-1].period, copied[-1].member_id)
        (finished,) = await self._redis.send(_FINISH((mark, lease), run, token))
        return bool(finished)

    async def _read(
        self, program_id: int, script: Script, keys: tuple[str, ...], *arguments: str | int
    ) -> list[Any] | None:
        """What Redis says, without the mark; None where PostgreSQL has to answer."""
        try:
            ((mark, *found),) = await self._redis.send(script((_mark(program_id), *keys), *arguments))
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


def changes(program_id: int, scores: Sequence[Score], gone: Sequence[Gone], token: str = "") -> Command:
    """The command that writes scores and takes away what is gone; a filling names itself by its `token`."""
    removed: list[_Change] = [(*each, "", 0) for each in gone]
    written: list[_Change] = [
        (each.board, each.period, each.external_id, each.version, _digits(each.reached_at), -each.score)
        for each in scores
    ]
    boards = _numbered((board, period) for board, period, *_ in (*removed, *written))
    keys = [key for each in boards for key in _keys(program_id, *each)]
    # What is gone comes first: of one version, a score that is there outweighs one that went.
    words: list[str | int] = []
    for board, period, who, version, instant, number in (*removed, *written):
        words += (boards[board, period], who, version, instant, number)
    return _CHANGE((_names(program_id), _lease(program_id), *keys), token, FILL_LEASE_SECONDS * 1000, *words)


def _numbered(boards: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {board: number for number, board in enumerate(dict.fromkeys(boards), 1)}


def _mark(program_id: int) -> str:
    return f"{{p{program_id}}}:filled"


def _lease(program_id: int) -> str:
    return f"{{p{program_id}}}:filling"


def _names(program_id: int) -> str:
    return f"{{p{program_id}}}:boards"


def _keys(program_id: int, board: str, period: str) -> tuple[str, str]:
    """The keys of a board's places and of its members."""
    return f"{{p{program_id}}}:places:{board}:{period}", f"{{p{program_id}}}:members:{board}:{period}"


def _digits(instant: datetime) -> str:
    return f"{(instant - _EPOCH) // _MICROSECOND:0{_DIGITS}d}"


def _parse(first: int, flat: Sequence[str]) -> list[Place]:
    """Places from what ZRANGE says: names and numbers in turn, the first of rank `first` + 1."""
    return [
        Place(rank, name[_DIGITS:], -int(float(number)), _EPOCH + int(name[:_DIGITS]) * _MICROSECOND)
        for rank, (name, number) in enumerate(zip(flat[::2], flat[1::2], strict=True), first + 1)
    ]


def _places(ties: Ties, rows: Sequence[Standing]) -> list[Place]:
    if ties in ("standard", "dense"):
        return [Place(*row) for row in rows]
    return [Place(*row[:4]) for row in rows]
