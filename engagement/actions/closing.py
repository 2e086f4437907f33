"""Closing leaderboards: the standings of a period become final, and whoever has won a prize is given it, once.

A period is closed some time after its end, when nothing is left to be done about what happened in it. One transaction notes that it is
closed, keeps its standings and names its winners; whoever notes it first does, however many try. Then each winner hears of it in a transaction of her own
and her board's rule gives her the prize: that she was told is noted with the fact, whose id says for what it is. So whatever
dies in between, who comes next goes on from there.

What comes to be known of the period later changes what a member has earned, and neither the standings nor a prize.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from achievements import periods
from achievements.lifecycle import life_of
from achievements.periods import Calendar
from achievements.prizes import PRIZE_WON
from achievements.ranking import Leaderboard
from engagement.actions import winners
from engagement.actions.programs import COUNT_ANEW, Loaded, Programs
from engagement.actions.telling import Listener
from engagement.actions.winners import TELL_SECONDS, Prizes
from engagement.records import closings
from engagement.records.closings import Winner
from engagement.records.unit import Database, Unit

WINNERS_AT_ONCE = 50
LOOK_BACK = timedelta(days=35)
"""How old a period that is due may be before the last that was closed: one that nobody had scored in by then, and somebody has now."""
CLOSE_SECONDS = TELL_SECONDS


class Due(NamedTuple):
    """A period of a board that may be closed, and when it was over."""

    board: Leaderboard
    period: str
    ended_at: datetime


async def settle(database: Database, cache: Programs, program_id: int, *, skip_locked: bool = False) -> int:
    """Close what is due of a program, and give the prizes that were won; how many periods and prizes that were.

    Any number may do so at once. `skip_locked` leaves winners whom another process is busy with for the next time.
    """

    async def look(unit: Unit) -> tuple[list[Due], bool]:
        return await _due(unit, await cache.load(unit)), await closings.is_owed(unit)

    due, owed = await database.run(look, program_id, read_only=True)
    count = 0
    for each in due:
        count += await close(database, cache, program_id, each)
    while (owed or due) and (given := await give(database, cache, program_id, skip_locked=skip_locked)):
        count += given
    return count


async def close(database: Database, cache: Programs, program_id: int, due: Due) -> bool:
    """Close one period and name its winners; False where somebody else has, or something of it is left to be done."""

    async def work(unit: Unit) -> bool:
        await unit.take_time(CLOSE_SECONDS)
        # Keeps definitions as they are meanwhile, as for whoever judges an input.
        loaded = await cache.load(unit, for_writing=True)
        if not await closings.is_settled(unit, due.ended_at, COUNT_ANEW):
            return False
        if not await closings.close(unit, due.board.key, due.period, loaded.now):
            return False
        ranked = await closings.freeze(unit, due.board.contest(due.period))
        if won := list(_won(due.board, ranked)):
            await closings.award(unit, due.board.key, due.period, won)
        return True

    return await database.run(work, program_id, deadline_seconds=CLOSE_SECONDS)


async def give(database: Database, cache: Programs, program_id: int, *, skip_locked: bool = False) -> int:
    """Give some of the prizes that were won, and say how many; none where nobody has to be given one, or others are at it."""

    async def waiting(unit: Unit) -> list[Winner]:
        return await closings.winners(unit, WINNERS_AT_ONCE, skip_locked=skip_locked)

    async def note(unit: Unit, told: Sequence[Winner], at: datetime) -> None:
        await closings.given(unit, told, at)

    prizes = Prizes(waiting, _tell, note)
    return await winners.tell(database, cache, program_id, prizes, skip_locked=skip_locked)


async def _tell(listener: Listener, won: Winner) -> None:
    data = {
        "board": won.board,
        "period": won.period,
        "group": won.group,
        "rank": won.rank,
        "contenders": won.contenders,
    }
    # No id of a caller's holds such spaces. A second fact of that id would break a constraint.
    identity = f"prize\u00a0{won.board}\u00a0{won.period}\u00a0{won.group}"
    await listener.tell(PRIZE_WON, data, identity=identity)


async def _due(unit: Unit, loaded: Loaded) -> list[Due]:
    """The periods that may be closed, of all boards that are not paused."""
    latest, found = loaded.rulebook.latest, []
    for board in latest.program.sections.get("leaderboards", ()):
        if isinstance(board, Leaderboard) and board.closes and life_of(board).status(loaded.now) in ("active", "ended"):
            for period in await closings.unclosed(unit, board.key, _since(board, loaded)):
                index = 0 if board.calendar is Calendar.LIFETIME else periods.parse(board.calendar, period)
                ended_at, closes_at = board.ends_at(index, latest.zone), board.closes_at(index, latest.zone)
                if ended_at is not None and closes_at is not None and closes_at <= loaded.now:
                    found.append(Due(board, period, ended_at))
    return [each for each in found if _promised(loaded, each)]


def _since(board: Leaderboard, loaded: Loaded) -> str:
    if board.calendar is Calendar.LIFETIME:
        return ""
    oldest = loaded.now - LOOK_BACK
    return periods.name(board.calendar, periods.period_at(board.calendar, oldest, loaded.rulebook.latest.zone))


def _promised(loaded: Loaded, due: Due) -> bool:
    """Whether it was said by the end of the period that it would be closed: what was over before that is left as it is."""
    then = loaded.rulebook.at(due.ended_at - timedelta(microseconds=1))
    boards = () if then is None else then.program.sections.get("leaderboards", ())
    return any(isinstance(each, Leaderboard) and each.key == due.board.key and each.closes for each in boards)


def _won(board: Leaderboard, ranked: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int, int, int]]:
    """The ranks that win something, in each group with so many who are ranked."""
    for group, contenders in ranked:
        if contenders >= (board.minimum_cohort or 1):
            for prize in board.prizes:
                if not prize.groups or group in prize.groups:
                    yield (group, contenders, *prize.ranks(contenders))
