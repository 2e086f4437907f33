"""Occasions over real servers: what time brings is booked at its instant, however the clock is moved."""

from typing import Any

import pytest

from engagement.actions import attributes
from engagement.actions.attributes import SetAttributes
from engagement.actions.programs import Sandbox
from engagement.actions.verify import verify
from engagement.errors import InvalidInput
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase

OCCASIONS: list[dict[str, Any]] = [
    {"key": "hello", "on": "welcome", "rewards": [{"points": 10}]},
    {
        "key": "cake",
        "on": "birthday",
        "attribute": "born",
        "rewards": [{"points": 50}, {"voucher": "coffee", "days": 7}],
    },
    {"key": "years", "on": "anniversary", "rewards": [{"points": 20}]},
]
LOTS = "SELECT id, points, earned_at::text FROM lot WHERE program_id = $1 ORDER BY earned_at, id"


async def _say(house: House, born: str) -> None:
    command = SetAttributes("ann", {"born": born})
    await attributes.set_attributes(house.database, house.cache, house.program, command, principal="shop", key=None)


async def _lived(records: Database, key: str, steps: list[str]) -> House:
    house = House(records)
    program = document(
        "UTC", attributes=[{"key": "born", "type": "date"}], vouchers=[{"key": "coffee"}], occasions=OCCASIONS
    )
    await house.apply({**program, "program": {"key": key, "timezone": "UTC"}}, Sandbox(BEGIN))
    await house.advance("2017-03-01T10:00:00Z")
    await _say(house, "1990-05-04")
    with pytest.raises(InvalidInput):
        await _say(house, "1990-02-30")
    await house.send(purchase("e1", "ann", "2017-03-01T10:00:00Z"))
    for step in steps:
        await house.advance(step)
    async for progress in verify(house.database, house.cache, house.program):
        assert progress.discrepancies == ()
    await books_balance(house)
    return house


async def test_time_brings_what_is_given_whatever_the_steps_of_the_clock(records: Database) -> None:
    last = "2018-06-01T00:00:00Z"
    house = await _lived(records, "once", [last])
    lots = await house.rows(LOTS)
    assert lots == [
        ("occasion/hello/0", 10, "2017-03-01 10:00:00+00"),
        ("occasion/cake/2017-05-04/0", 50, "2017-05-04 00:00:00+00"),
        ("occasion/years/2018-03-01/0", 20, "2018-03-01 00:00:00+00"),
        ("occasion/cake/2018-05-04/0", 50, "2018-05-04 00:00:00+00"),
    ]
    given = await house.rows(
        "SELECT key, given_at::text, until::text FROM reward_given WHERE program_id = $1 ORDER BY 2"
    )
    assert given == [
        ("coffee", "2017-05-04 00:00:00+00", "2017-05-12 00:00:00+00"),
        ("coffee", "2018-05-04 00:00:00+00", "2018-05-12 00:00:00+00"),
    ]
    steps = ["2017-05-03T23:59:59Z", "2017-05-04T00:00:00Z", "2017-11-01T00:00:00Z", "2018-05-04T00:00:01Z", last]
    again = await _lived(records, "steps", steps)
    assert (await again.rows(LOTS), await again.outcomes()) == (lots, await house.outcomes())
