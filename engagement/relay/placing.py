"""How a leaderboard lies in Redis: its keys, the scripts that write and read it, and what their words mean.

A sorted set holds the places of each period of a board, and a hash beside it what is known of each member: the version of her
score and the instant she reached it. Redis orders by a double and then by bytes, so a place has the score negated as its
number. Where the first to reach a score stands first, it is named by the instant in microseconds and then the app's own id;
where ties go otherwise, by the id alone. So the order is exact: score, perhaps instant, and id by code point. Where ties share
a rank, it is one more than the places with a better score, or the better scores where ranks are dense: these are a sorted
set of their own, in which each score stands once. Every read costs a few look-ups in a sorted set, however large the board.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

from achievements.ranking import Contest, Ties
from engagement.records.outcomes import Score
from engagement.relay.redis import Command, Script


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """A score that no longer is, and the version in which it went."""

    board: str
    period: str
    external_id: str
    version: int
    group: str = ""


Where: TypeAlias = tuple[str, str, str]
"""A board, a period and a group."""

_Change: TypeAlias = tuple[Where, str, int, str, int]
"""One for the script: where, the app's own id, version, the instant as digits ("" where it is gone), negated score."""

FIRST: Final[Ties] = "first_to_reach"
"""The rule of every board that is not said to have another."""
LAYOUT: Final = 3
"""Another number where boards come to lie otherwise: what an older service filled is then filled anew."""
FILL_LEASE_SECONDS: Final = 10
"""How long a filling that makes no progress keeps others from starting one."""

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 20

# KEYS: the names of all boards' keys, the lease of the filling, then the places, the members and the scores of each board.
# ARGV: the token of the filling that sends this, or "" for news; its lease in milliseconds; then for each change the board's
# number, its rule for ties, the member, the version, the instant ("" where the score is gone) and the negated score.
# What is gone stays known with its version, or an older score that comes late would bring it back.
_CHANGE = Script("""
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
for position = 3, #KEYS do redis.call('SADD', KEYS[1], KEYS[position]) end
for at = 3, #ARGV, 6 do
  local places, members, scores = KEYS[3 * ARGV[at]], KEYS[1 + 3 * ARGV[at]], KEYS[2 + 3 * ARGV[at]]
  local ties, id, version, instant, number = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local known, before = string.match(redis.call('HGET', members, id) or '', '^(%d+):(%d*)$')
  if not known or tonumber(version) >= tonumber(known) then
    local old = id
    local new = id
    if ties == 'first_to_reach' then old, new = (before or '') .. id, instant .. id end
    local left = ties == 'dense' and redis.call('ZSCORE', places, old)
    if known and before ~= '' and (instant == '' or old ~= new) then redis.call('ZREM', places, old) end
    if instant ~= '' then
      redis.call('ZADD', places, number, new)
      if ties == 'dense' then redis.call('ZADD', scores, number, number) end
    end
    if left and redis.call('ZCOUNT', places, left, left) == 0 then redis.call('ZREMRANGEBYSCORE', scores, left, left) end
    redis.call('HSET', members, id, version .. ':' .. instant)
  end
end
return 1
""")

# KEYS: the mark, the lease, the names of all boards' keys. ARGV: the server's run, the token, its lease in milliseconds.
BEGIN = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return 'filled' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'busy' end
for _, key in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('UNLINK', key) end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 'begun'
""")

# KEYS: the mark, the lease. ARGV: the server's run, the token.
FINISH = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
""")

# KEYS: the names of all boards' keys, the lease of a filling. ARGV: the member. What is gone stays known with its version, which names
# her: that goes as well, and the name of a board that nobody is left on, since an attribute of hers may be its group. A filling that
# began before may still write her.
FORGET = Script("""
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('TYPE', key).ok == 'hash' then redis.call('HDEL', key, ARGV[1]) end
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', KEYS[1], key) end
end
return 1
""")

# How many ranks there are above a score, where ties share one.
_ABOVE = """
local function above(ties, places, scores, number)
  return redis.call('ZCOUNT', ties == 'dense' and scores or places, '-inf', '(' .. number)
end
"""

# How many places of a board have no less than its minimum, written as the greatest of its negated scores; +inf is none.
_RANKED = """
local function ranked(places, worst)
  return redis.call('ZCOUNT', places, '-inf', worst)
end
local function beyond(number, worst)
  return worst ~= '+inf' and tonumber(number) > tonumber(worst)
end
"""

# Some places of a board from `first` on: how many are before them, the ranks above the first of them, their names and numbers,
# and what is known of those whose names do not say when they got there.
_PAGE = (
    _ABOVE
    + _RANKED
    + """
local function page(ties, worst, first, last)
  last = math.min(last, ranked(KEYS[2], worst) - 1)
  if last < first then return {redis.call('GET', KEYS[1]) or '', first, first, {}, {}} end
  local found = redis.call('ZRANGE', KEYS[2], first, last, 'WITHSCORES')
  if #found == 0 or ties == 'first_to_reach' then return {redis.call('GET', KEYS[1]) or '', first, first, found, {}} end
  local ids = {}
  for at = 1, #found, 2 do ids[#ids + 1] = found[at] end
  local ranks = ties == 'ordinal' and first or above(ties, KEYS[2], KEYS[4], found[2])
  return {redis.call('GET', KEYS[1]) or '', first, ranks, found, redis.call('HMGET', KEYS[3], unpack(ids))}
end
"""
)

# Each of these returns the mark first, read in the same instant as the rest. KEYS: the mark, then those of the boards.
TOP = Script(_PAGE + "return page(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))")

AROUND = Script(
    _PAGE
    + """
local instant = string.match(redis.call('HGET', KEYS[3], ARGV[3]) or '', '^%d+:(%d+)$')
local name = ARGV[1] == 'first_to_reach' and (instant or '') .. ARGV[3] or ARGV[3]
local place = instant and redis.call('ZRANK', KEYS[2], name)
if not place or place >= ranked(KEYS[2], ARGV[2]) then return {redis.call('GET', KEYS[1]) or '', 0, 0, {}, {}} end
local first = place - ARGV[4]
return page(ARGV[1], ARGV[2], math.max(first, 0), first + ARGV[5] - 1)
"""
)

RANKS = Script(
    _ABOVE
    + _RANKED
    + """
local ranks = {}
for at = 1, #ARGV, 4 do
  local board, ties, worst, id = 3 * ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local places, members, scores = KEYS[board - 1], KEYS[board], KEYS[board + 1]
  local rank = false
  if ties == 'ordinal' then
    rank = redis.call('ZRANK', places, id)
    if rank and rank >= ranked(places, worst) then rank = false end
  elseif ties == 'first_to_reach' then
    local instant = string.match(redis.call('HGET', members, id) or '', '^%d+:(%d+)$')
    rank = instant and redis.call('ZRANK', places, instant .. id)
    if rank and rank >= ranked(places, worst) then rank = false end
  else
    local number = redis.call('ZSCORE', places, id)
    rank = number and not beyond(number, worst) and above(ties, places, scores, number)
  end
  ranks[#ranks + 1] = rank or -1
end
return {redis.call('GET', KEYS[1]) or '', ranks}
"""
)

TOTAL = Script(_RANKED + "return {redis.call('GET', KEYS[1]) or '', ranked(KEYS[2], ARGV[1])}")


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


def changes(
    program_id: int, scores: Sequence[Score], gone: Sequence[Gone], ties: Mapping[str, Ties], token: str = ""
) -> Command:
    """The command that writes scores and takes away what is gone; a filling names itself by its `token`.

    `ties` are those of the boards, by key; first to reach where it does not name one.
    """
    removed: list[_Change] = [
        ((each.board, each.period, each.group), each.external_id, each.version, "", 0) for each in gone
    ]
    written: list[_Change] = [
        (
            *((each.board, each.period, each.group), each.external_id),
            *(each.version, _digits(each.reached_at), -each.score),
        )
        for each in scores
    ]
    boards = numbered(where for where, *_ in (*removed, *written))
    keys = [key for each in boards for key in keys_of(program_id, *each)]
    # What is gone comes first: of one version, a score that is there outweighs one that went.
    words: list[str | int] = []
    for where, who, version, instant, number in (*removed, *written):
        words += (boards[where], ties.get(where[0], FIRST), who, version, instant, number)
    return _CHANGE((names(program_id), lease(program_id), *keys), token, FILL_LEASE_SECONDS * 1000, *words)


def numbered(boards: Iterable[Where]) -> dict[Where, int]:
    """Numbers from 1 for boards, by which scripts call them."""
    return {board: number for number, board in enumerate(dict.fromkeys(boards), 1)}


def worst(contest: Contest) -> str:
    """The greatest of the negated scores that are ranked."""
    return "+inf" if contest.minimum is None else str(-contest.minimum)


def mark(program_id: int) -> str:
    """The key that says for which run of the server a program's boards are complete, as this module lays them."""
    return f"{{p{program_id}}}:filled:{LAYOUT}"


def lease(program_id: int) -> str:
    """The key that whoever fills the boards holds."""
    return f"{{p{program_id}}}:filling"


def names(program_id: int) -> str:
    """The key under which the names of all keys of boards are."""
    return f"{{p{program_id}}}:boards"


def keys_of(program_id: int, board: str, period: str, group: str = "") -> tuple[str, str, str]:
    """The keys of a board's places, of its members, and of the scores on it."""
    # Neither a board's key nor a period holds a colon; whatever a group holds stands last.
    name = f"{board}:{period}:{group}"
    return (f"{{p{program_id}}}:places:{name}", f"{{p{program_id}}}:members:{name}", f"{{p{program_id}}}:scores:{name}")


def parse(ties: Ties, first: int, ranks: int, flat: Sequence[str], known: Sequence[str]) -> list[Place]:
    """Places from what a script says of a page: the first is place `first` + 1, and has `ranks` ranks above it."""
    pairs = zip(flat[::2], flat[1::2], strict=True)
    if ties == FIRST:
        return [
            _place(number, name[_DIGITS:], of, name[:_DIGITS]) for number, (name, of) in enumerate(pairs, first + 1)
        ]
    rows = [
        _place(number, name, of, said.partition(":")[2])
        for number, ((name, of), said) in enumerate(zip(pairs, known, strict=True), first + 1)
    ]
    return rows if ties == "ordinal" else shared(ties, ranks, rows)


def shared(ties: Ties, ranks: int, rows: Iterable[Place]) -> list[Place]:
    """Consecutive places with the ranks they share, where `ranks` ranks stand above the first; as given, each has its own."""
    found: list[Place] = []
    for each in rows:
        rank = ranks + 1
        if found and found[-1].score == each.score:
            rank = found[-1].rank
        elif found:
            rank = found[-1].rank + 1 if ties == "dense" else each.rank
        found.append(msgspec.structs.replace(each, rank=rank, shared=each.rank))
    return found


def _place(number: int, external_id: str, negated: Any, digits: str) -> Place:
    return Place(number, external_id, -int(float(negated)), _EPOCH + int(digits) * _MICROSECOND)


def _digits(instant: datetime) -> str:
    return f"{(instant - _EPOCH) // _MICROSECOND:0{_DIGITS}d}"
