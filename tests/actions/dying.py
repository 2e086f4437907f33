"""A worker that a test kills in the middle of a backtest: `python -m tests.actions.dying URL PROGRAM`.

Once two members are counted and that is noted, it prints the ids of the processes that fold for it, and goes no further.
"""

import asyncio
import sys
from typing import Any
from unittest.mock import patch

from engagement.actions import backtests, jobs
from engagement.actions.programs import Programs
from engagement.cores import Cores
from engagement.records import histories
from engagement.records.unit import Database

STOP_AT = 2


class Told(Cores[Any, Any]):
    """Processes whose ids are told."""

    pids: tuple[int | None, ...] = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Told.pids = tuple(each.pid for each in self._processes)


async def main(url: str, program: int) -> None:
    """Do a backtest up to there."""
    noting = backtests._Counting._note

    async def note(counting: Any, after: Any) -> None:
        await noting(counting, after)
        if counting._done == STOP_AT:
            print(*Told.pids, flush=True)
            await asyncio.sleep(3600)

    database = await Database.open(url, max_connections=2)
    with (
        patch.object(backtests._Counting, "_note", note),
        patch.object(backtests, "Cores", Told),
        patch.object(backtests, "available", lambda: 1),
        patch.object(backtests, "NOTE_SECONDS", 0.0),
        patch.object(histories, "STRETCH_MEMBERS_MAX", 1),
    ):
        await jobs.do_next(database, Programs(), program, {backtests.KIND: backtests.run})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
