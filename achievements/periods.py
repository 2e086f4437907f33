"""Days, weeks, months, quarters and years in a time zone: the only place that knows a calendar.

A period is an integer index, so that neighbours differ by one: a day is its ordinal (1 is 0001-01-01, a Monday), a week
counts Mondays (ISO 8601 weeks), a month is `year * 12 + month - 1`, and so on. LIFETIME has one period, 0. A period starts
at the first instant of its first local date, which need not be 00:00 where the clocks change at midnight.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Instants outside these years are refused at the edge, so that no arithmetic here can overflow."""


class Calendar(StrEnum):
    """A way to cut time into periods."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    LIFETIME = "lifetime"


# Asked for with every event, and to find them in their enumeration takes Python ten times as long.
DAY, LIFETIME = Calendar.DAY, Calendar.LIFETIME


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"`{name}` is no IANA time zone; write one like `Europe/Berlin`") from error


def local_day(instant: datetime, where: ZoneInfo) -> int:
    """The ordinal of the local date on which an instant falls. It never goes back: a date that has begun goes on, even where clocks
    are put back over its midnight.
    """
    local = instant.astimezone(where)
    day = local.toordinal()
    # In what clocks show for the second time, the next date may have begun the first time.
    return day + 1 if local.fold and start(DAY, day + 1, where) <= instant else day


# A fold asks for the same few days over and over.
@lru_cache(maxsize=65536)
def index(calendar: Calendar, day: int) -> int:
    """The period that holds a local day (an ordinal)."""
    match calendar:
        case Calendar.DAY:
            return day
        case Calendar.WEEK:
            return (day - 1) // 7
        case Calendar.LIFETIME:
            return 0
    local = date.fromordinal(day)
    match calendar:
        case Calendar.MONTH:
            return local.year * 12 + local.month - 1
        case Calendar.QUARTER:
            return local.year * 4 + (local.month - 1) // 3
    return local.year


def period_at(calendar: Calendar, instant: datetime, where: ZoneInfo) -> int:
    """The period that holds an instant."""
    return index(calendar, local_day(instant, where))


def first_day(calendar: Calendar, period: int) -> date:
    """The first local date of a period."""
    match calendar:
        case Calendar.DAY:
            return date.fromordinal(period)
        case Calendar.WEEK:
            return date.fromordinal(period * 7 + 1)
        case Calendar.MONTH:
            return date(period // 12, period % 12 + 1, 1)
        case Calendar.QUARTER:
            return date(period // 4, period % 4 * 3 + 1, 1)
        case Calendar.YEAR:
            return date(period, 1, 1)
    raise AssertionError("a lifetime has no first day")


@lru_cache(maxsize=65536)
def start(calendar: Calendar, period: int, where: ZoneInfo) -> datetime:
    """The first instant of a period, in UTC. The period before it ends there."""
    day = first_day(calendar, period)
    guess = datetime(day.year, day.month, day.day, tzinfo=where).astimezone(UTC)
    second = timedelta(seconds=1)
    if _shown(guess, where) == day.toordinal() and _shown(guess - second, where) < day.toordinal():
        return guess
    # The clocks change around this midnight: look for the second in which the date turns. A date that a zone left out
    # altogether starts, and ends, where the next one starts.
    low, high = guess - timedelta(hours=30), guess + timedelta(hours=30)
    while high - low > second:
        middle = low + (high - low) // 2
        if _shown(middle, where) >= day.toordinal():
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _shown(instant: datetime, where: ZoneInfo) -> int:
    """The ordinal of the date that calendars on the wall show."""
    return instant.astimezone(where).toordinal()


def clock(day: int, hour: time, where: ZoneInfo) -> datetime:
    """The instant, in UTC, at which clocks show an hour on a local day (its ordinal).

    Of an hour that they show twice the first; of one that they skip, as long after midnight as on any other day.
    """
    return datetime.combine(date.fromordinal(day), hour, tzinfo=where).astimezone(UTC)


def end(calendar: Calendar, period: int, where: ZoneInfo) -> datetime | None:
    """The first instant after a period; None for a lifetime."""
    return None if calendar is LIFETIME else start(calendar, period + 1, where)


@lru_cache(maxsize=65536)
def name(calendar: Calendar, period: int) -> str:
    """How a period is written: `2017-03-12`, `2017-W05`, `2017-01`, `2017-Q1`, `2017`; empty for a lifetime."""
    if calendar is LIFETIME:
        return ""
    first = first_day(calendar, period)
    match calendar:
        case Calendar.DAY:
            return first.isoformat()
        case Calendar.WEEK:
            year, week, _ = first.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case Calendar.MONTH:
            return f"{first.year:04d}-{first.month:02d}"
        case Calendar.QUARTER:
            return f"{first.year:04d}-Q{(first.month + 2) // 3}"
    return f"{first.year:04d}"


_WRITTEN = {
    Calendar.DAY: re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII),
    Calendar.WEEK: re.compile(r"(\d{4})-W(\d\d)", re.ASCII),
    Calendar.MONTH: re.compile(r"(\d{4})-(\d\d)", re.ASCII),
    Calendar.QUARTER: re.compile(r"(\d{4})-Q([1-4])", re.ASCII),
    Calendar.YEAR: re.compile(r"(\d{4})", re.ASCII),
    Calendar.LIFETIME: re.compile(r"", re.ASCII),
}


def parse(calendar: Calendar, written: str) -> int:
    """The index of a period that `name` wrote; ValueError for anything else."""
    found = _WRITTEN[calendar].fullmatch(written)
    if found is None:
        raise ValueError(f"`{written}` is no {calendar}; write one like `{_example(calendar)}`")
    numbers = [int(group) for group in found.groups()]
    if numbers and not FIRST_YEAR <= numbers[0] <= LAST_YEAR:
        raise ValueError(f"`{written}` lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    match calendar:
        case Calendar.LIFETIME:
            return 0
        case Calendar.DAY:
            return date(*numbers).toordinal()
        case Calendar.WEEK:
            return index(calendar, date.fromisocalendar(numbers[0], numbers[1], 1).toordinal())
        case Calendar.MONTH:
            return index(calendar, date(numbers[0], numbers[1], 1).toordinal())
        case Calendar.QUARTER:
            return numbers[0] * 4 + numbers[1] - 1
    return numbers[0]


def _example(calendar: Calendar) -> str:
    return name(calendar, index(calendar, date(2026, 11, 21).toordinal()))


def end_of_day_after(instant: datetime, days: int, where: ZoneInfo) -> datetime:
    """The end of the local day `days` days after the one on which an instant falls."""
    return start(DAY, local_day(instant, where) + days + 1, where)


def anniversary(day: int, not_before: int) -> int:
    """The first yearly return of a day that is after it and not before another; of 29 February, 1 March in other years."""
    first = date.fromordinal(day)
    year = max(date.fromordinal(not_before).year, first.year + 1)
    while (returned := _in_year(first, year)) < not_before:
        year += 1
    return returned


def _in_year(day: date, year: int) -> int:
    try:
        return day.replace(year=year).toordinal()
    except ValueError:
        return date(year, 3, 1).toordinal()


def rfc3339(text: str) -> datetime:
    """An instant written as RFC 3339 with its offset, in UTC, cut to microseconds; ValueError for anything else."""
    if not _INSTANT.fullmatch(text):
        raise ValueError("write an instant with its offset, like `2026-11-21T18:30:00Z`")
    try:
        instant = datetime.fromisoformat(_SURPLUS_DIGITS.sub(r"\1", text.upper())).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"`{text}` is no instant: {error}") from error
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"`{text}` lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SURPLUS_DIGITS = re.compile(r"(\.\d{6})\d+")
