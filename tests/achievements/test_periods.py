"""Calendars: every zone, both changes of the clocks, odd midnights, and how periods are written."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from achievements import periods
from achievements.periods import Calendar

ZONES = sorted(available_timezones())
CALENDARS = [Calendar.DAY, Calendar.WEEK, Calendar.MONTH, Calendar.QUARTER, Calendar.YEAR]


@pytest.mark.parametrize("year", [2026, 2027])
def test_each_day_of_each_zone_starts_where_the_one_before_ends(year: int) -> None:
    second = timedelta(seconds=1)
    days = range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal())
    for name in ZONES:
        zone = periods.zone(name)
        starts = [periods.start(Calendar.DAY, day, zone) for day in days]
        for day, start, following in zip(days, starts, starts[1:], strict=False):
            # A day of 24 hours after one of 24 hours has nothing odd about it.
            if following - start != timedelta(days=1):
                assert periods.local_day(start, zone) == periods.local_day(following - second, zone) == day, (name, day)
                assert periods.local_day(following, zone) == day + 1, (name, day)
            assert timedelta(hours=22) <= following - start <= timedelta(hours=26), (name, day)


@pytest.mark.parametrize(
    ("name", "day", "start"),
    [
        ("America/New_York", "2017-03-12", "2017-03-12T05:00:00Z"),
        ("America/New_York", "2017-03-13", "2017-03-13T04:00:00Z"),
        ("America/New_York", "2017-11-06", "2017-11-06T05:00:00Z"),
        # Midnight does not exist: the clocks go from 00:00 to 01:00.
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"),
        # Midnight comes twice; the day starts at the first.
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
        # A date that a zone left out: it starts and ends where the next one starts.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
    ],
)
def test_the_first_instant_of_a_day(name: str, day: str, start: str) -> None:
    assert periods.start(Calendar.DAY, periods.parse(Calendar.DAY, day), periods.zone(name)) == periods.rfc3339(start)


@given(st.sampled_from(CALENDARS), st.integers(date(1901, 1, 1).toordinal(), date(2199, 12, 31).toordinal()))
def test_what_is_written_can_be_read(calendar: Calendar, day: int) -> None:
    period = periods.index(calendar, day)
    assert periods.parse(calendar, periods.name(calendar, period)) == period
    assert periods.first_day(calendar, period).toordinal() <= day < periods.first_day(calendar, period + 1).toordinal()


def test_weeks_are_those_of_iso_8601() -> None:
    assert periods.name(Calendar.WEEK, periods.index(Calendar.WEEK, date(2021, 1, 3).toordinal())) == "2020-W53"
    assert periods.name(Calendar.WEEK, periods.index(Calendar.WEEK, date(2018, 12, 31).toordinal())) == "2019-W01"


@pytest.mark.parametrize(
    ("calendar", "written"),
    [
        (Calendar.MONTH, "2017-13"),
        (Calendar.MONTH, "2017-1"),
        (Calendar.WEEK, "2018-W53"),
        (Calendar.DAY, "2017-02-29"),
        (Calendar.YEAR, "0000"),
        (Calendar.YEAR, "٢٠١٧"),
        (Calendar.LIFETIME, "2017"),
    ],
)
def test_what_is_no_period_is_refused(calendar: Calendar, written: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        periods.parse(calendar, written)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2017-01-01T11:53:26Z", datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)),
        ("2012-12-29T11:57:50-06:00", datetime(2012, 12, 29, 17, 57, 50, tzinfo=UTC)),
        ("2017-01-01t11:53:26.123456789z", datetime(2017, 1, 1, 11, 53, 26, 123456, tzinfo=UTC)),
        ("2017-01-01 11:53:26.5+00:00", datetime(2017, 1, 1, 11, 53, 26, 500000, tzinfo=UTC)),
    ],
)
def test_instants_are_read_as_rfc_3339(written: str, instant: datetime) -> None:
    assert periods.rfc3339(written) == instant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2017-01-01",
        "2017-01-01T11:53:26",
        "1483271606",
        "2017-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2017-01-01T25:00:00Z",
        "2017-01-01T11:53:26+99:00",
        "2017-01-01T11:53:26Z\n",
    ],
)
def test_what_is_no_instant_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        periods.rfc3339(written)


def test_points_end_with_a_local_day() -> None:
    zone = periods.zone("America/New_York")
    earned = periods.rfc3339("2017-01-02T04:30:00Z")  # Still the first of January in New York.
    assert periods.end_of_day_after(earned, 180, zone) == periods.rfc3339("2017-07-01T04:00:00Z")


@pytest.mark.parametrize(
    ("name", "turn", "back_to", "day"),
    [
        # A minute into the 7th clocks were put back an hour, into the 6th; and three hours, two into the 5th.
        ("America/St_Johns", "2010-11-07T02:31:00Z", 23, "2010-11-07"),
        ("Antarctica/Casey", "2010-03-04T15:00:00Z", 23, "2010-03-05"),
    ],
)
def test_a_date_that_has_begun_goes_on_where_clocks_are_put_back_over_midnight(
    name: str, turn: str, back_to: int, day: str
) -> None:
    zone, at, second = periods.zone(name), periods.rfc3339(turn), timedelta(seconds=1)
    begun = periods.parse(Calendar.DAY, day)
    assert at.astimezone(zone).hour == back_to
    days = [periods.local_day(at + timedelta(minutes=10 * number), zone) for number in range(-20, 40)]
    assert days == sorted(days)
    start = periods.start(Calendar.DAY, begun, zone)
    assert start < at
    assert [periods.local_day(each, zone) - begun for each in (start - second, start, at - second, at)] == [-1, 0, 0, 0]
