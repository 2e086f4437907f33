"""A member's own zone: a fact from the program's present on, and what her periods make of it."""

from typing import Any

import pytest

from achievements.outcomes import StreakChanged
from achievements.periods import rfc3339
from engagement.actions import screens, timezones
from engagement.actions.read_screens import Reader
from engagement.actions.timezones import SetTimezone, TimezoneSet
from engagement.errors import IdempotencyKeyReused, InvalidInput, TooSoon
from engagement.records.unit import Database
from tests.actions.conftest import House, purchase
from tests.actions.test_amend_events import another
from tests.actions.test_verify import discrepancies


async def move(house: House, timezone: str, member: str = "ann", key: str | None = None) -> TimezoneSet:
    return await timezones.set_timezone(
        house.database, house.cache, house.program, SetTimezone(member, timezone), principal="shop", key=key
    )


async def screen(house: House, member: str = "ann") -> screens.Screen:
    return await Reader(house.database, house.cache).screen(house.program, member)


def daily(shown: screens.Screen) -> screens.StreakShown:
    return next(each for each in shown.streaks if each.key == "daily")


async def test_a_zone_holds_from_the_present_on_and_what_was_counted_stands(house: House) -> None:
    # Three evenings in New York are three days there; in Tokyo the same instants are mornings of the next days.
    await house.send(*[purchase(f"p{day}", "ann", f"2017-03-0{day}T23:00:00Z") for day in (1, 2, 3)])
    await house.advance("2017-03-04T01:00:00Z")
    assert (daily(await screen(house)).current, daily(await screen(house)).zone) == (3, "America/New_York")
    moved = await move(house, "Asia/Tokyo")
    assert (moved.changed, moved.at) == (True, rfc3339("2017-03-04T01:00:00Z"))
    shown = daily(await screen(house))
    assert (shown.current, shown.zone, shown.ends_at) == (3, "Asia/Tokyo", rfc3339("2017-03-04T15:00:00Z"))
    # The 4th of March in Tokyo is over at 15:00 UTC.
    (receipt,) = (await house.send(purchase("p4", "ann", "2017-03-04T14:59:59Z"))).receipts
    assert [each.current for each in receipt.effects if isinstance(each, StreakChanged) and each.streak == "daily"] == [
        4
    ]
    assert (await screen(house)).zone == "Asia/Tokyo"
    assert await house.rows("SELECT timezone FROM member WHERE program_id = $1") == [("Asia/Tokyo",)]
    assert await discrepancies(house) == []


async def test_who_comes_late_finds_the_zone_of_then(house: House, records: Database) -> None:
    other = await another(records, "straight")
    events = [purchase(f"p{day:02d}", "ann", f"2017-03-{day:02d}T23:00:00Z") for day in range(1, 15)]
    await house.send(*events[:3], *events[4:7])
    await other.send(*events[:7])
    for each in (house, other):
        await each.advance("2017-03-08T02:00:00Z")
        await move(each, "Asia/Tokyo")
    await house.send(*events[8:])
    # From before the change and from after it.
    await house.send(events[7], events[3])
    await other.send(*events[7:])
    for each in (house, other):
        await each.advance("2017-06-01T00:00:00Z")
        assert await discrepancies(each) == []
    found = [await each.outcomes() for each in (house, other)]
    assert found[0] == found[1]


async def test_what_happened_at_the_instant_of_a_change_comes_before_it(house: House) -> None:
    # A snapshot is taken at the change, the 32nd input; what comes late is folded in from there.
    days = [purchase(f"p{day:02d}", "ann", f"2017-03-{day:02d}T15:00:00Z") for day in range(1, 31)]
    await house.send(*days, purchase("zzz", "ann", "2017-03-30T15:00:00Z"))
    assert (await move(house, "Asia/Tokyo")).at == rfc3339("2017-03-30T15:00:00Z")
    assert await house.rows("SELECT inputs FROM member_snapshot WHERE program_id = $1") == [(32,)]
    await house.send(purchase("q", "ann", "2017-04-05T15:00:00Z"))
    await house.send(purchase("late", "ann", "2017-04-01T15:00:00Z"))
    assert await discrepancies(house) == []


async def test_a_member_is_known_by_her_zone_before_her_first_event(house: House) -> None:
    await move(house, "Pacific/Kiritimati", "zoe")
    await house.send(purchase("p1", "zoe", "2017-03-01T11:00:00Z"))
    shown = await screen(house, "zoe")
    assert (daily(shown).zone, daily(shown).ends_at) == ("Pacific/Kiritimati", rfc3339("2017-03-02T10:00:00Z"))
    assert await discrepancies(house) == []


async def test_once_a_day_and_no_oftener(house: House) -> None:
    await house.send(purchase("p1", "ann", "2017-03-01T11:00:00Z"))
    await house.advance("2017-03-02T00:00:00Z")
    assert (await move(house, "America/New_York")).changed is False
    await move(house, "Europe/Berlin")
    assert (await move(house, "Europe/Berlin")).changed is False
    await house.advance("2017-03-02T23:59:59Z")
    with pytest.raises(TooSoon, match="2017-03-03T00:00:00"):
        await move(house, "Asia/Tokyo")
    assert (await screen(house)).zone == "Europe/Berlin"
    await house.advance("2017-03-03T00:00:00Z")
    assert (await move(house, "Asia/Tokyo")).changed
    kinds = "SELECT kind, data ->> 'timezone' FROM fact WHERE program_id = $1 ORDER BY at"
    assert await house.rows(kinds) == [("zone", "Europe/Berlin"), ("zone", "Asia/Tokyo")]


async def test_points_end_before_a_change_of_zone_that_comes_after_them(house: House) -> None:
    # Events lie ahead of the clock of a sandbox: her present is where they have brought her.
    await house.send(purchase("p1", "ann", "2017-01-01T15:00:00Z"), purchase("p2", "ann", "2017-06-20T15:00:00Z"))
    moved = await move(house, "Asia/Tokyo")
    assert moved.at == rfc3339("2017-06-20T15:00:00Z")
    await house.send(purchase("p3", "ann", "2017-08-01T15:00:00Z"))
    assert await house.rows("SELECT expired FROM wallet WHERE program_id = $1") == [(10,)]
    assert await discrepancies(house) == []


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "a\0b", "x" * 65, "/etc/localtime"])
async def test_what_is_no_zone_is_refused(house: House, zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await move(house, zone)
    assert refused.value.field == "timezone"


@pytest.mark.parametrize("member", ["", "x" * 201, "a\0b"])
async def test_what_is_no_id_is_refused(house: House, member: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await move(house, "Asia/Tokyo", member)
    assert refused.value.field == "member"
    assert await house.rows("SELECT 1 FROM member WHERE program_id = $1") == []


async def test_a_key_gives_the_first_answer_again(house: House) -> None:
    first: Any = await move(house, "Asia/Tokyo", key="k")
    await house.advance("2017-03-02T00:00:00Z")
    again = await move(house, "Asia/Tokyo", key="k")
    assert (again.replayed, again.at, again.changed) == (True, first.at, True)
    with pytest.raises(IdempotencyKeyReused):
        await move(house, "Europe/Berlin", key="k")
