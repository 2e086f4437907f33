"""Drawing: some time after a draw is over its winners follow from its seed and its entries, and each is given what she won, once.

In steps, each of them a transaction: entries are taken in, a piece at a time, when nothing is left to be done about what was given before
the end; the draw is closed when there are no more of them; the winners are drawn and kept, and the seed may be known; and each
of them hears of it. What is drawn rests on nothing but what was kept before. So whoever dies in between, who comes next goes on from
there, and of many who draw at once all draw the same.
"""

import asyncio
import functools
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from achievements.draws import DRAW_WON, Draw, Entry, Ticket, listed, lowest, ticket
from achievements.lifecycle import life_of
from achievements.redeeming import DrawWon
from engagement.actions import winners
from engagement.actions.programs import COUNT_ANEW, Loaded, Programs
from engagement.actions.telling import Listener
from engagement.actions.winners import Prizes
from engagement.records import closings, draws, members
from engagement.records.draws import Stored, Window, Winner
from engagement.records.unit import Database, Unit

ENTRIES_AT_ONCE = 5_000
"""So many benefits; each of them may be many entries."""
WINNERS_AT_ONCE = 50
DRAW_SECONDS = 120.0


Pages: TypeAlias = Callable[[UUID | None], Awaitable[list[Entry]]]
"""Reads some entries that take part, from the one behind another on."""


class Drawn(NamedTuple):
    """What follows from a seed: the winners' tickets, the first place first; how many entries took part, and the digest of their list."""

    won: list[Ticket]
    entries: int
    digest: bytes


def window_of(draw: Draw) -> Window:
    """Which entries take part in a draw."""
    life = life_of(draw)
    return Window(draw.key, life.starts, life.ends)


def closes_at(draw: Draw) -> datetime | None:
    """When a draw is closed at the earliest; None where it never is."""
    ends = life_of(draw).ends if draw.prizes else None
    return None if ends is None else ends + timedelta(hours=draw.close_after_hours)


def draws_of(loaded: Loaded) -> list[Draw]:
    """The draws of a program that are no drafts, in its order."""
    known = loaded.rulebook.latest.program.sections.get("draws", ())
    return [each for each in known if isinstance(each, Draw) and each.status != "draft"]


async def is_any(unit: Unit, cache: Programs) -> bool:
    """Whether the unit's program has a draw in which somebody can win."""
    return any(each.prizes for each in draws_of(await cache.load(unit)))


async def settle(database: Database, cache: Programs, program_id: int, *, skip_locked: bool = False) -> int:
    """Draw what is due of a program, and give what was won; how many draws and winners that were. Any number may do so at once.

    `skip_locked` leaves winners whom another process is busy with for the next time.
    """

    async def look(unit: Unit) -> tuple[list[Draw], bool]:
        loaded = await cache.load(unit)
        known = [each for each in draws_of(loaded) if each.prizes]
        due = [each for each in known if _is_due(each, loaded.now)]
        left = await draws.undrawn(unit, [each.key for each in due]) if due else set()
        owed = bool(known) and await draws.is_owed(unit, [each.key for each in known])
        return [each for each in due if each.key in left], owed

    due, owed = await database.run(look, program_id, read_only=True)
    count = 0
    for each in due:
        count += await draw(database, cache, program_id, each.key)
    while (owed or due) and (given := await give(database, cache, program_id, skip_locked=skip_locked)):
        count += given
    return count


async def draw(database: Database, cache: Programs, program_id: int, key: str) -> bool:
    """Close a draw that is due, and draw its winners; False where somebody else has, or something of it is left to be done."""
    last: UUID | None = None
    while True:
        take_in = functools.partial(_take_in, cache=cache, key=key, after=last)
        after, last = last, await database.run(take_in, program_id, deadline_seconds=DRAW_SECONDS)
        # One that was issued meanwhile may stand before the last: behind that, it is looked for from the beginning.
        if after is None and last is None:
            break
    stored = await database.run(lambda unit: draws.find(unit, key), program_id, read_only=True)
    if stored is None or stored.closed_at is None or stored.drawn_at is not None:
        return False

    async def page(after: UUID | None) -> list[Entry]:
        read = functools.partial(draws.page, key=key, after=after, at_most=ENTRIES_AT_ONCE)
        return await database.run(read, program_id, read_only=True)

    found = await _drawn(stored, page)
    award = functools.partial(_award, cache=cache, key=key, found=found)
    return await database.run(award, program_id, deadline_seconds=DRAW_SECONDS)


async def give(database: Database, cache: Programs, program_id: int, *, skip_locked: bool = False) -> int:
    """Give some winners what they won, and say how many; none where nobody waits for it, or others are at it.

    A draw that was left out of the program, or has no prizes now, gives nothing before they are back.
    """

    async def waiting(unit: Unit) -> list[Winner]:
        known = draws_of(await cache.load(unit, for_writing=True))
        keys = [each.key for each in known if each.prizes]
        return await draws.waiting(unit, keys, WINNERS_AT_ONCE, skip_locked=skip_locked)

    prizes = Prizes(waiting, _tell, draws.given)
    return await winners.tell(database, cache, program_id, prizes, skip_locked=skip_locked)


def _is_due(draw: Draw, now: datetime) -> bool:
    """Whether a draw may be closed. One that is paused is not, whatever it says of its end: nothing of it can be undone."""
    at = closes_at(draw)
    return at is not None and at <= now and draw.status == "active"


async def _take_in(unit: Unit, cache: Programs, key: str, after: UUID | None) -> UUID | None:
    """Let some entries take part behind one, and say which was the last; None where there are no more. Where there are none at all the draw is
    closed, unless it is not to be, or not yet.
    """
    await unit.take_time(DRAW_SECONDS)
    # Keeps definitions as they are meanwhile, as for whoever judges an input.
    loaded = await cache.load(unit, for_writing=True)
    known = next((each for each in draws_of(loaded) if each.key == key), None)
    stored = await draws.find(unit, key, locked=True)
    if known is None or stored is None or stored.closed_at is not None or not _is_due(known, loaded.now):
        return None
    window = window_of(known)
    assert window.until is not None, "what is due has an end"
    if not await closings.is_settled(unit, window.until, COUNT_ANEW) or not await draws.is_settled(unit, key):
        return None
    last = await draws.take_in(unit, window, loaded.now, after, ENTRIES_AT_ONCE)
    if last is None and after is None:
        await draws.close(unit, key, known.winners, loaded.now)
    return last


async def _drawn(stored: Stored, page: Pages) -> Drawn:
    """What follows from the seed of a closed draw, a page of its entries after the other."""
    won: list[Ticket] = []
    digest, entries, after = hashlib.sha256(), 0, None
    while found := await page(after):
        won = await asyncio.to_thread(lowest, stored.seed, found, stored.winners or 0, won)
        for each in found:
            digest.update(listed(each))
        entries, after = entries + sum(each.count for each in found), UUID(found[-1].id)
    return Drawn(won, entries, digest.digest())


async def _award(unit: Unit, cache: Programs, key: str, found: Drawn) -> bool:
    await unit.take_time(DRAW_SECONDS)
    loaded = await cache.load(unit, for_writing=True)
    stored = await draws.find(unit, key, locked=True)
    if stored is None or stored.drawn_at is not None:
        return False
    held = await members.lock_states(unit, [UUID(each.entrant) for each in found.won])
    if any(each.merged for each in held.values()):
        # Since her entries were read: they are another's now. They are read again the next time.
        return False
    await draws.award(unit, key, found.won, found.entries, found.digest, loaded.now)
    return True


async def _tell(listener: Listener, won: Winner) -> None:
    data = {"draw": won.draw, "place": won.place, "entry": str(won.entry)}
    # No id of a caller's holds such a space. A second fact of that id would break a constraint.
    identity = f"{DRAW_WON}\u00a0{won.draw}"
    told = DrawWon(won.draw, won.place, str(won.entry), listener.at)
    await listener.tell(DRAW_WON, data, identity=identity, beside=(told,))


async def falsified(unit: Unit, stored: Stored) -> list[tuple[str, str, str]]:
    """Where a draw whose winners are drawn is kept otherwise than it follows from its seed and entries: (what, stored, expected)."""
    checking = _Checking(stored, await draws.tickets(unit, stored))
    after = None
    while page := await draws.page(unit, stored.key, after, ENTRIES_AT_ONCE):
        await asyncio.to_thread(checking.read, page)
        after = UUID(page[-1].id)
    return [(f"draw {stored.key}", *each) for each in checking.wrong()]


class _Checking:
    """A draw, held against its entries while these are read. Whoever became a part of another since may have won beside her."""

    def __init__(self, stored: Stored, won: Sequence[Ticket]) -> None:
        self._stored = stored
        self._won = {each.entry: each for each in won}
        self._in_order = list(won) == sorted(won)
        # Where not all places were won, everybody won.
        self._last = won[-1] if len(won) == stored.winners else None
        self._first: dict[str, Ticket] = {}
        for each in won:
            self._first.setdefault(each.entrant, each)
        self._left = set(self._won)
        self._passed: list[Ticket] = []
        self._digest, self._entries = hashlib.sha256(), 0

    def read(self, page: Sequence[Entry]) -> None:
        """Look at some entries, in order of their ids."""
        for entry in page:
            self._digest.update(listed(entry))
            self._entries += entry.count
            drawn = ticket(self._stored.seed, entry)
            if self._won.get(entry.id) == drawn:
                self._left.discard(entry.id)
            elif self._last is None or drawn < self._last:
                first = self._first.get(entry.entrant)
                if first is None or drawn < first:
                    self._passed = sorted([*self._passed, drawn])[:1]

    def wrong(self) -> Iterator[tuple[str, str]]:
        """What is stored, and what follows, where these are not the same."""
        stored = self._stored
        if (stored.entries, stored.digest) != (self._entries, self._digest.digest()):
            was, now = (None if each is None else each.hex() for each in (stored.digest, self._digest.digest()))
            yield f"{stored.entries} entries, digest {was}", f"{self._entries} entries, digest {now}"
        for each in sorted(self._left):
            yield f"won by {each}/{self._won[each].number}", "another ticket"
        for passed in self._passed:
            yield "not won", f"won by {passed.entry}/{passed.number}"
        if not self._in_order:
            yield "places in another order", "those of the tickets"
