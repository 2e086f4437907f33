"""What a process does for a backtest: decodes the histories of some members, and folds them.

It imports little, since it is imported in every process anew.
"""

import gc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from achievements.amendments import Amendment, latest
from achievements.backtests import Backtest
from achievements.definitions import Program
from achievements.keeping import KEPT
from achievements.tallies import Tally
from achievements.values import Fact, Input, Order

Histories: TypeAlias = Sequence[tuple[int, str | None, str | None, str | None]]
"""Members, each with her seed and her events, amendments and facts as they were read."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tried(NamedTuple):
    """A draft, beside what its program was along time, and from when to when it is tried: what a backtest is made of."""

    line: list[tuple[datetime, Program]]
    draft: object
    since: datetime
    until: datetime


class Folding:
    """Folds the members of one stretch after the other; one in each process."""

    def __init__(self, tried: Tried) -> None:
        self._backtest = Backtest(*tried)
        # The rules stay as they are. What a fold makes is no circle, so to look for those now and then is enough.
        gc.collect()
        gc.freeze()
        gc.disable()

    def __call__(self, members: Histories) -> Tally:
        """What some members come to together."""
        tally = Tally()
        for seed, events, amendments, facts in members:
            self._backtest.count(tally, self._inputs(events, amendments, facts), seed)
        gc.collect()
        return tally

    def _inputs(self, events: str | None, amendments: str | None, facts: str | None) -> list[Input]:
        said: dict[str, list[Amendment]] = {}
        for event_id, *word in sorted(_decoded(amendments), key=lambda each: each[:2]):
            said.setdefault(event_id, []).append(Amendment(*word))
        inputs: list[Input] = []
        for identity, event_type, at, sent in _decoded(events):
            properties = latest(sent, said.get(identity, ()))
            if properties is not None:
                inputs.append(self._backtest.book.event(identity, event_type, _instant(at), properties))
        for identity, kind, at, rank, cause, n, data in _decoded(facts):
            # What is kept where the past was counted anew is held beside what the rules say, which alone are tried.
            if kind == KEPT:
                continue
            instant = _instant(at)
            inputs.append(Fact(identity, kind, instant, Order(instant, rank, cause, n), data))
        return sorted(inputs, key=lambda each: each.order)


def _decoded(written: str | None) -> list[Any]:
    return [] if written is None else msgspec.json.decode(written)


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
