"""Control groups through the service: counted in a table of their own, told to nobody, taken back with their cause."""

from typing import Any

import pytest

from achievements.controls import Share, seed_of
from engagement.actions import amend_events
from engagement.actions.amend_events import Amend
from engagement.actions.programs import Sandbox
from engagement.actions.read_screens import Reader
from engagement.errors import InvalidProgram
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_verify import discrepancies

SHARE = Share("corner/badges/first", 50)
HELD = next(name for name in map("member-{}".format, range(99)) if SHARE.has(seed_of(name)))
TREATED = next(name for name in map("member-{}".format, range(99)) if not SHARE.has(seed_of(name)))


def _document(percent: int | None) -> dict[str, Any]:
    control = {} if percent is None else {"control_group": percent}
    levels = [{"target": 1, "key": "one"}, {"target": 2, "key": "two", "rewards": [{"points": 9}]}]
    return document(badges=[{"key": "first", "on": "purchase", "levels": levels, **control}])


async def test_who_is_held_out_is_counted_and_hears_nothing(records: Database) -> None:
    house = House(records)
    await house.apply(_document(50), Sandbox(BEGIN))
    for member in (HELD, TREATED):
        sent = [purchase(f"p{day}", member, f"2017-03-0{day}T10:00:00Z") for day in (1, 3)]
        receipts = (await house.send(*sent)).receipts
        assert [bool(each.effects) for each in receipts] == [member == TREATED] * 2
        await house.send(purchase("p2", member, "2017-03-02T10:00:00Z"))
    found = "SELECT external_id, what, definition, points, event_id FROM held_out JOIN member ON member.program_id = $1"
    held = f"{found} AND member.id = held_out.member_id WHERE held_out.program_id = $1 ORDER BY what"
    assert await house.rows(held) == [
        (HELD, "badge/first/one", "badges/first", 0, "p1"),
        (HELD, "badge/first/two", "badges/first", 0, "p2"),
        (HELD, "points/badge/first/two/0", "badges/first", 9, "p2"),
    ]
    fed = "SELECT DISTINCT external_id FROM activity JOIN member ON member.program_id = $1 AND id = member_id"
    assert await house.rows(f"{fed} WHERE activity.program_id = $1") == [(TREATED,)]
    reader = Reader(house.database, house.cache)
    assert [len((await reader.screen(house.program, each)).badges) for each in (HELD, TREATED)] == [0, 1]
    for event in ("p1", "p2"):
        await amend_events.amend(
            house.database, house.cache, house.program, Amend(HELD, event), principal="shop", key=None
        )
    assert [row[1:] for row in await house.rows(held)] == [("badge/first/one", "badges/first", 0, "p3")]
    assert await discrepancies(house) == []


async def test_a_control_group_only_grows(records: Database) -> None:
    house = House(records)
    await house.apply(_document(None), Sandbox(BEGIN))
    await house.apply(_document(10))
    await house.apply(_document(20))
    for less in (10, None):
        with pytest.raises(InvalidProgram) as refused:
            await house.apply(_document(less))
        (mistake,) = refused.value.mistakes
        assert mistake.path == "badges[0].control_group"
        assert "only grows, and this one was 20 percent" in mistake.message
