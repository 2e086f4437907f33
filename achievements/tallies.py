"""What a backtest counts, member by member, and the report that it makes of it.

A tally holds numbers alone: by definition, by day, by group of members. It grows with those, not with the number of members, and
two of them add up, so that members can be counted apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import accumulate

import msgspec

CURVE_TARGETS = 100
"""About so many targets up to the one that was drafted; a curve goes to several times that."""
CURVE_TIMES = 4
CURVE_LEAST = 10


class Count(msgspec.Struct):
    """What one definition came to.

    `reached` and `best` are of a curve: in how many windows, and for how many members, this target was met and the next was not.
    """

    completions: int = 0
    winners: int = 0
    near_misses: int = 0
    by_day: dict[int, int] = {}
    by_group: dict[str, int] = {}
    points: dict[str, int] = {}
    rewards: dict[str, int] = {}
    overlap: dict[str, int] = {}
    reached: list[int] = []
    best: list[int] = []


class Tally(msgspec.Struct):
    """Everything that was counted of some members.

    `counts` are of the drafted definitions, by `section/key`; `spent` their points by currency and day; `elsewhere` what the
    others gave more than without the draft. `tiers` and `tiers_without` are members by `ladder/tier`.
    """

    members: int = 0
    events: int = 0
    refused: int = 0
    counts: dict[str, Count] = {}
    spent: dict[str, dict[int, int]] = {}
    elsewhere: dict[str, int] = {}
    tiers: dict[str, int] = {}
    tiers_without: dict[str, int] = {}
    refusals: list[str] = []

    def add(self, other: "Tally") -> None:
        """Count what another tally counted, of other members."""
        _add(self, other)
        del self.refusals[REFUSALS_TOLD:]


REFUSALS_TOLD = 5


def _add(one: msgspec.Struct, other: msgspec.Struct) -> None:
    for field in one.__struct_fields__:
        mine, theirs = getattr(one, field), getattr(other, field)
        if isinstance(mine, int):
            setattr(one, field, mine + theirs)
        elif isinstance(mine, dict):
            _add_all(mine, theirs)
        elif field == "refusals":
            mine.extend(theirs)
        else:
            mine[:] = [a + b for a, b in zip(mine or [0] * len(theirs), theirs or [0] * len(mine), strict=True)]


def _add_all(mine: dict[object, object], theirs: Mapping[object, object]) -> None:
    for key, value in theirs.items():
        held = mine.get(key)
        if held is None:
            mine[key] = value
        elif isinstance(held, msgspec.Struct) and isinstance(value, msgspec.Struct):
            _add(held, value)
        elif isinstance(held, dict) and isinstance(value, dict):
            _add_all(held, value)
        else:
            mine[key] = held + value  # type: ignore[operator]


class Spot(msgspec.Struct, frozen=True):
    """One target of a curve, and what it would have come to: completions, members who had any, points for them."""

    target: int
    completions: int
    winners: int
    points: dict[str, int]


class Found(msgspec.Struct, frozen=True):
    """What one drafted definition would have done.

    `near_misses` are members who never won and once were one step short: one event, day or value, or a tenth of a sum; None where
    nobody can be near. `by_group` counts completions by what members were at the time (`club: gold`); `overlap` those winners who also
    completed another definition. `curve` is None where there is none, and `no_curve` says why.
    """

    section: str
    key: str
    name: str
    completions: int
    winners: int
    near_misses: int | None
    by_day: dict[date, int]
    by_group: dict[str, int]
    points: dict[str, int]
    rewards: dict[str, int]
    overlap: dict[str, int]
    target: int | None
    curve: tuple[Spot, ...] | None
    no_curve: str | None


class Budget(msgspec.Struct, frozen=True):
    """A budget of points, what of it was given, and the day (in the program's zone) on which it was used up; None: never."""

    currency: str
    points: int
    given: int
    reached_on: date | None


class TierMembers(msgspec.Struct, frozen=True):
    """How many members hold a tier at the end, with the draft and without."""

    ladder: str
    tier: str
    members: int
    without: int


class Report(msgspec.Struct, frozen=True):
    """What a draft would have done from an instant up to, but not including, another.

    `points` is what the drafted definitions gave, by currency, and `elsewhere` what the others gave more (or less) because of them;
    `cost` the worth of both, where a value of a point was stated. `refused` events of the history are of no type that the program knows,
    or lack what theirs needs.
    """

    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    members: int
    events: int
    refused: int
    definitions: tuple[Found, ...]
    points: dict[str, int]
    elsewhere: dict[str, int]
    cost: dict[str, Decimal]
    budgets: tuple[Budget, ...]
    tiers: tuple[TierMembers, ...]


def curve_targets(target: int) -> tuple[int, ...]:
    """The targets of a curve: every one from 1, or evenly spaced ones and the drafted, up to several times the drafted."""
    most = max(target * CURVE_TIMES, CURVE_LEAST)
    step = -(-target // CURVE_TARGETS)
    return tuple(sorted({*range(step, most + 1, step), target}))


def curve(count: Count, targets: Sequence[int], points: Mapping[str, int]) -> tuple[Spot, ...]:
    """The curve of a count; `points` are those of one completion."""
    completions, winners = _from_here(count.reached, len(targets)), _from_here(count.best, len(targets))
    return tuple(
        Spot(target, done, won, {currency: each * done for currency, each in points.items()})
        for target, done, won in zip(targets, completions, winners, strict=True)
    )


def _from_here(met: Sequence[int], length: int) -> list[int]:
    """How many met each target, from how many met each and no more."""
    return list(accumulate(reversed(met or [0] * length)))[::-1]


def by_date(days: Mapping[int, int]) -> dict[date, int]:
    """Numbers by day, in order."""
    return {date.fromordinal(day): days[day] for day in sorted(days)}


def budget(currency: str, points: int, days: Mapping[int, int]) -> Budget:
    """What became of a budget, of the points given each day."""
    given, reached = 0, None
    for day in sorted(days):
        given += days[day]
        if given >= points and reached is None:
            reached = date.fromordinal(day)
    return Budget(currency, points, given, reached)


def tier_members(
    ladders: Iterable[tuple[str, Sequence[str]]], with_draft: Mapping[str, int], without: Mapping[str, int]
) -> tuple[TierMembers, ...]:
    """The members of each tier of the ladders, which are named with their tiers."""
    return tuple(
        TierMembers(ladder, tier, with_draft.get(f"{ladder}/{tier}", 0), without.get(f"{ladder}/{tier}", 0))
        for ladder, tiers in ladders
        for tier in tiers
    )
