"""Windows: the stretch of time that a measure looks at.

`lifetime` has no end. `{calendar: month}` starts anew with each period. `{days: 30}` rolls: the local day of the event and
the 29 before it; `{hours: 720}` rolls to the microsecond. `{from: …, until: …}` counts what happens between two instants,
the first included.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Annotated, TypeAlias

import msgspec

from achievements import periods
from achievements.localtime import LocalTime
from achievements.moment import Moment
from achievements.parts import Instant, Misfit, Shape, between
from achievements.periods import LIFETIME, Calendar
from achievements.states import Tally
from achievements.values import EXACT, Amount

DAYS_MAX = 400
HOURS_MAX = 2_160
ENTRIES_MAX = 1_000
"""Of a tally that rolls over hours. Beyond it, what was counted in one hour counts from the first of it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = 3_600_000_000


class WindowShape(Shape, frozen=True, kw_only=True):
    """A window other than `lifetime`."""

    calendar: Calendar | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=DAYS_MAX)] | None = None
    hours: Annotated[int, msgspec.Meta(ge=1, le=HOURS_MAX)] | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = None

    def __post_init__(self) -> None:
        dates = self.since is not None or self.until is not None
        if sum((self.calendar is not None, self.days is not None, self.hours is not None, dates)) != 1:
            raise ValueError(
                "a window is `lifetime` or exactly one of `calendar: day | week | month | quarter | year`,"
                " `days: N`, `hours: N`, or `from` with `until`"
            )
        if self.calendar is Calendar.LIFETIME:
            raise Misfit("calendar", "write `window: lifetime` for a window without end")
        if not dates:
            return
        if self.since is None or self.until is None:
            given, missing = ("from", "until") if self.until is None else ("until", "from")
            raise Misfit(given, f"a window between dates needs `{missing}` too")
        between(self.since, self.until)


Window: TypeAlias = WindowShape | str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A window ready to use: cut by a calendar, rolling over `length` (days, or microseconds), or between two instants.

    Where it `rolls`, what was counted leaves it again one by one.
    """

    calendar: Calendar = LIFETIME
    length: int = 0
    rolls: bool = False
    by_day: bool = False
    opens: datetime | None = None
    closes: datetime | None = None

    def period(self, moment: Moment) -> int | None:
        """The index of the period in which an event falls, in the member's own days; None for an event outside."""
        if self.calendar is not LIFETIME:
            return periods.index(self.calendar, moment.local_day)
        if self.opens is not None and self.closes is not None and not self.opens <= moment.event.at < self.closes:
            return None
        return 0

    def period_at(self, at: datetime, local: LocalTime) -> int:
        """The index of the period of any instant of a member; of dates, 0 for all of time."""
        return 0 if self.calendar is LIFETIME else periods.index(self.calendar, local.day(at))

    def mark(self, moment: Moment) -> int:
        """How the time of an event is written in a tally that rolls."""
        return moment.local_day if self.by_day else micros(moment.event.at)

    def mark_at(self, at: datetime, local: LocalTime) -> int:
        """The same for any instant of a member."""
        return local.day(at) if self.by_day else micros(at)


def span_of(window: Window) -> Span:
    """A definition's window made ready; Misfit for a word other than `lifetime`."""
    if isinstance(window, str):
        if window != Calendar.LIFETIME:
            raise Misfit(
                "window",
                "a window is `lifetime` or `{calendar: day | week | month | quarter | year}`, `{days: N}`, `{hours: N}` or"
                " `{from: …, until: …}`",
            )
        return Span()
    if window.calendar is not None:
        return Span(calendar=window.calendar)
    if window.days is not None:
        return Span(length=window.days, rolls=True, by_day=True)
    if window.hours is not None:
        return Span(length=window.hours * _HOUR, rolls=True)
    opens, closes = between(window.since, window.until)
    return Span(opens=opens, closes=closes)


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def together(one: Amount, other: Amount) -> Amount:
    """The sum of two amounts, with all their digits: Python by itself keeps 28 of them, and two amounts may lie further apart."""
    if isinstance(other, Decimal) or isinstance(one, Decimal):
        return EXACT.add(one, other)
    return one + other


def pruned(tally: Tally, horizon: int) -> Tally:
    """A rolling tally without what was counted at `horizon` or before."""
    cut = bisect_right(tally.marks, horizon)
    if not cut:
        return tally
    if tally.seen:
        return Tally(len(tally.seen) - cut, tally.seen[cut:], tally.marks[cut:])
    gone = reduce(together, tally.amounts[:cut])
    exact = isinstance(gone, Decimal) or isinstance(tally.amount, Decimal)
    amount = EXACT.subtract(tally.amount, gone) if exact else tally.amount - gone
    return Tally(amount, (), tally.marks[cut:], tally.amounts[cut:])


def added(tally: Tally, mark: int, amount: Amount, length: int) -> Tally:
    """A rolling tally with an amount more in it, and without what has left its window of `length` by then."""
    kept = pruned(tally, mark - length)
    if kept.marks and kept.marks[-1] == mark:
        amounts = (*kept.amounts[:-1], together(kept.amounts[-1], amount))
        return Tally(together(kept.amount, amount), (), kept.marks, amounts)
    if len(kept.marks) >= ENTRIES_MAX:
        kept = _by_hour(kept)
    return Tally(together(kept.amount, amount), (), (*kept.marks, mark), (*kept.amounts, amount))


def sighted(tally: Tally, mark: int, values: Iterable[str], length: int, most: int) -> Tally:
    """A rolling tally with different values in it, each under the last time that it was seen.

    It keeps the `most` values seen last. They leave the window last, so whether so many are in it stays exact.
    """
    kept = pruned(tally, mark - length)
    fresh = tuple(dict.fromkeys(values))[:most]
    again = set(fresh)
    pairs = [pair for pair in zip(kept.seen, kept.marks, strict=True) if pair[0] not in again]
    pairs = pairs[max(0, len(pairs) + len(fresh) - most) :]
    seen = (*(value for value, _ in pairs), *fresh)
    return Tally(len(seen), seen, (*(each for _, each in pairs), *(mark for _ in fresh)))


def _by_hour(tally: Tally) -> Tally:
    marks: list[int] = []
    amounts: list[Amount] = []
    for mark, amount in zip(tally.marks, tally.amounts, strict=True):
        if marks and marks[-1] // _HOUR == mark // _HOUR:
            amounts[-1] = together(amounts[-1], amount)
        else:
            marks.append(mark)
            amounts.append(amount)
    return Tally(tally.amount, (), tuple(marks), tuple(amounts))
