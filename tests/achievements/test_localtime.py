"""A member's days: every zone, both changes of the clocks, and changes of zone beside them."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold, periods
from achievements.localtime import WHOLE_DAY, LocalTime, of_member
from achievements.periods import Calendar
from achievements.states import MemberState, Part, StreakPart
from achievements.values import Event, Fact, Order, Rank
from tests.achievements.programs import rulebook

ZONES = sorted(available_timezones())
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
MICROSECOND = timedelta(microseconds=1)
QUARTER = timedelta(minutes=15)


def changes_of_the_clocks(name: str) -> list[datetime]:
    """The instants of a year at which the offset of a zone changes, to the hour."""
    zone, found = periods.zone(name), []
    day = YEAR[0]
    while day < YEAR[1]:
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset():
            hour = day
            while hour.astimezone(zone).utcoffset() == day.astimezone(zone).utcoffset():
                hour += timedelta(hours=1)
            found.append(hour)
        day += timedelta(days=1)
    return found


class Spent(NamedTuple):
    """What a member had of a local date: its first instant, and the first that is not in it any more."""

    begin: datetime
    end: datetime


def lived(before: LocalTime, after: LocalTime, changed_at: datetime) -> dict[int, Spent]:
    """The local dates of the days around a change of zone, minute by minute where they turn."""
    found: dict[int, Spent] = {}
    instant = changed_at - timedelta(days=4)
    while instant < changed_at + timedelta(days=4):
        local = before if instant < changed_at else after
        day = local.day(instant)
        assert not found or day >= max(found), "a local date never goes back"
        begin = found[day].begin if day in found else instant
        found[day] = Spent(begin, instant + timedelta(minutes=15))
        instant += timedelta(minutes=15)
    return found


@pytest.mark.parametrize("piece", range(8))
def test_no_date_is_lost_or_doubled_but_as_a_change_of_zone_says(piece: int) -> None:
    for number, name in enumerate(ZONES[piece::8]):
        around = changes_of_the_clocks(name) or [datetime(2026, 3, 29, 1, tzinfo=UTC)]
        other = ZONES[(number * 37 + 11 * piece) % len(ZONES)]
        for turn in around:
            # Within the hours of the change itself, at odd quarters.
            changed_at = turn + timedelta(minutes=15 * ((number * 7) % 160 - 80))
            before = LocalTime(periods.zone(name))
            own = before.moved(changed_at, other)
            days = lived(before, of_member(own), changed_at)
            dates = range(min(days), max(days) + 1)
            inner = [day for day in dates if min(days) < day < max(days)]
            for day in inner:
                length = days[day].end - days[day].begin if day in days else timedelta(0)
                touched = day not in days or days[day].begin <= changed_at <= days[day].end
                # Without a change of zone a date has its hours; with one, what is short of 24 is known to be.
                assert length >= WHOLE_DAY - timedelta(hours=2) or day in own.short, (name, other, changed_at, day)
                if touched and length < WHOLE_DAY:
                    assert day in own.short, (name, other, changed_at, day)
                if day in own.short:
                    assert touched, (name, other, changed_at, day)
                    assert length < WHOLE_DAY + timedelta(minutes=15)


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(0, 365 * 96))
def test_days_start_where_they_say(first: str, second: str, quarter: int) -> None:
    changed_at = YEAR[0] + timedelta(minutes=15 * quarter)
    own = LocalTime(periods.zone(first)).moved(changed_at, second)
    local = of_member(own)
    for day in range(own.day + 1, own.day + 4):
        start = local.start(Calendar.DAY, day)
        assert local.day(start) >= day
        assert local.day(start - MICROSECOND) < day or start == changed_at


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.sampled_from(ZONES), st.integers(20, 60)), max_size=6),
    st.integers(0, 300),
)
def test_who_acts_every_twelve_hours_keeps_her_streak_wherever_she_flies(
    home: str, flights: list[tuple[str, int]], day: int
) -> None:
    book = rulebook(home, streaks=[{"key": "daily", "on": "visit", "period": "day"}])
    state, at = MemberState.NOTHING, YEAR[0] + timedelta(days=day)
    part: Part | None = None
    changes, moved = [], at
    for name, hours in flights:
        moved += timedelta(hours=hours + 4)
        changes.append((moved, name))
    for number in range(40):
        at += timedelta(hours=12)
        while changes and changes[0][0] < at:
            moved, name = changes.pop(0)
            fact = Fact(f"z{number}", "zone", moved, Order(moved, Rank.FACT, f"z{number}"), {"timezone": name})
            state, _ = fold.apply(book, state, fact)
        before = fold.local_time(book, state).day(at)
        state, _ = fold.apply(book, state, Event(f"v{number}", "visit", at, {}))
        part = state.parts["streaks/daily"]
        assert isinstance(part, StreakPart)
        assert part.last == before
    assert isinstance(part, StreakPart)
    # Dates that a flight cut short may have had no visit, and are no days of the streak; none broke it.
    assert part.current == part.longest
    assert part.current >= 20 - 1 - 2 * len(flights)


@pytest.mark.parametrize(
    ("first", "second", "changed_at", "day", "short"),
    [
        # East over the date line: the 10th ends at once, after 15 hours, and the 11th has begun elsewhere: 13 hours are left.
        ("America/Los_Angeles", "Asia/Tokyo", "2026-03-10T22:00:00Z", "2026-03-11", ["2026-03-10", "2026-03-11"]),
        # West: the 11th goes on until Los Angeles has come to it and through it.
        ("Asia/Tokyo", "America/Los_Angeles", "2026-03-10T22:00:00Z", "2026-03-11", []),
        # A little way east within a date: 23 hours.
        ("Europe/London", "Europe/Berlin", "2026-06-10T12:00:00Z", "2026-06-10", ["2026-06-10"]),
        # From one end of the world to the other: two dates ahead, with one between that has no hours.
        (
            "Pacific/Pago_Pago",
            "Pacific/Kiritimati",
            "2026-06-10T10:30:00Z",
            "2026-06-11",
            ["2026-06-09", "2026-06-10", "2026-06-11"],
        ),
    ],
)
def test_what_a_flight_does_to_dates(first: str, second: str, changed_at: str, day: str, short: list[str]) -> None:
    own = LocalTime(periods.zone(first)).moved(periods.rfc3339(changed_at), second)
    assert periods.name(Calendar.DAY, own.day) == day
    assert [periods.name(Calendar.DAY, each) for each in own.short] == short


def test_short_dates_are_remembered_over_further_flights_but_not_without_end() -> None:
    local, at = LocalTime(periods.zone("UTC")), YEAR[0]
    own = local.moved(at, "Europe/Berlin")
    for number in range(100):
        at += timedelta(days=1)
        own = local.moved(at, "Asia/Tokyo" if number % 2 else "Europe/Berlin")
        local = of_member(own)
    assert len(own.short) == 32
    assert max(own.short) >= own.day - 2


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.sampled_from(ZONES), st.integers(1, 200)), min_size=1, max_size=6),
    st.integers(0, 300 * 96),
)
def test_a_date_is_short_that_had_less_than_a_day_however_often_she_flies(
    home: str, flights: list[tuple[str, int]], quarter: int
) -> None:
    instant, local = YEAR[0] + QUARTER * quarter, LocalTime(periods.zone(home))
    changes, lasted, touched = {}, dict[int, int](), set[int]()
    at = instant + timedelta(days=3)
    for name, quarters in flights:
        changes[at] = name
        at += QUARTER * quarters
    while instant < at + timedelta(days=3):
        if instant in changes:
            touched.add(local.day(instant))
            local = of_member(local.moved(instant, changes[instant]))
            touched.add(local.day(instant))
        day = local.day(instant)
        lasted[day] = lasted.get(day, 0) + 1
        instant += QUARTER
    for day in range(min(lasted) + 1, max(lasted)):
        hours = lasted.get(day, 0)
        assert (day in local.short) == (hours < 96 and (day in touched or not hours)), (day, hours)
