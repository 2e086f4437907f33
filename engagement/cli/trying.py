"""What a process does for `engagement backtest`: reads a part of the file, and folds its members.

It imports little, since every process imports it anew.
"""

import gc
import resource
import time
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from achievements import periods
from achievements.backtests import Backtest
from achievements.controls import seed_of
from achievements.definitions import parse
from achievements.states import BEGINNING
from achievements.tallies import REFUSALS_TOLD, Tally

_OURS: Final = ("event_id", "member_id", "type", "occurred_at", "received_at")


class Counted(NamedTuple):
    """What a process made of one part: the tally, the CPU seconds for reading and for folding, and the KiB it held at most."""

    tally: Tally
    reading: float
    folding: float
    memory: int


class Folding:
    """Folds the members of one part after the other; one in each process."""

    def __init__(self, document: dict[str, Any], drafted: dict[str, Any], since: datetime, until: datetime) -> None:
        # A process that lives for a few parts makes no rubbish that is a circle; to look for it took a tenth of its time.
        gc.disable()
        self._backtest = Backtest([(BEGINNING, parse(document))], drafted, since, until)

    def __call__(self, part: Path) -> Counted:
        """What the members of a part come to."""
        begun = time.process_time()
        tally, folding = Tally(), 0.0
        lines = [msgspec.json.decode(line) for line in part.read_bytes().splitlines()]
        lines.sort(key=_member)
        for member, written in groupby(lines, key=_member):
            inputs = sorted(self._events(written, tally), key=lambda event: event.order)
            started = time.process_time()
            self._backtest.count(tally, inputs, seed_of(member))
            folding += time.process_time() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Counted(tally, time.process_time() - begun - folding, folding, memory)

    def _events(self, written: Any, tally: Tally) -> list[Any]:
        """A member's events; of those with the same id, the first."""
        found: dict[str, Any] = {}
        for each in written:
            identity = each["event_id"]
            if identity in found:
                continue
            properties = {key: value for key, value in each.items() if key not in _OURS}
            try:
                at = periods.rfc3339(each["occurred_at"])
                found[identity] = self._backtest.event(identity, each["type"], at, properties)
            except ValueError as error:
                tally.refused += 1
                if len(tally.refusals) < REFUSALS_TOLD:
                    tally.refusals.append(f"{identity}: {error}")
        return list(found.values())


def _member(written: dict[str, Any]) -> str:
    return str(written["member_id"])
