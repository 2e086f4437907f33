"""Occasions over real servers: what time brings is booked at its instant, however the clock is moved."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engagement.actions import attributes, timezones
from engagement.actions.attributes import SetAttributes
from engagement.actions.programs import Sandbox
from engagement.actions.timezones import SetTimezone
from engagement.actions.verify import verify
from engagement.errors import InvalidInput
from engagement.records import migrations
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.conftest import Urls
from tests.records.test_schema import enter

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
LAST = "2018-06-01T00:00:00Z"
STEPS = ["2017-05-03T23:59:59Z", "2017-05-04T00:00:00Z", "2017-11-01T00:00:00Z", "2018-05-04T00:00:01Z", LAST]
TAKEN = "SELECT kind, at::text, rank, data ->> 'points' FROM fact WHERE program_id = $1 AND kind = 'reward_taken' ORDER BY at"
LOTS = "SELECT id, points, earned_at::text FROM lot WHERE program_id = $1 ORDER BY earned_at, id"


async def _say(house: House, born: str) -> None:
    command = SetAttributes("ann", {"born": born})
    await attributes.set_attributes(house.database, house.cache, house.program, command, principal="shop", key=None)


async def _begun(records: Database, key: str, **more: Any) -> House:
    """A sandbox in which Ann said her birthday and came once, on 1 March 2017."""
    house = House(records)
    born = [{"key": "born", "type": "date"}]
    program = document("UTC", attributes=born, vouchers=[{"key": "coffee"}], occasions=OCCASIONS, **more)
    await house.apply({**program, "program": {"key": key, "timezone": "UTC"}}, Sandbox(BEGIN))
    await house.advance("2017-03-01T10:00:00Z")
    await _say(house, "1990-05-04")
    with pytest.raises(InvalidInput):
        await _say(house, "1990-02-30")
    await house.send(purchase("e1", "ann", "2017-03-01T10:00:00Z"))
    return house


async def _lived(records: Database, key: str, steps: list[str], **more: Any) -> House:
    """The same, after some steps of the clock."""
    house = await _begun(records, key, **more)
    for step in steps:
        await house.advance(step)
    await _is_sound(house)
    return house


async def _is_sound(house: House) -> None:
    async for progress in verify(house.database, house.cache, house.program):
        assert progress.discrepancies == ()
    await books_balance(house)


async def test_time_brings_what_is_given_whatever_the_steps_of_the_clock(records: Database) -> None:
    house = await _lived(records, "once", [LAST])
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
    again = await _lived(records, "steps", STEPS)
    assert (await again.rows(LOTS), await again.outcomes()) == (lots, await house.outcomes())


def _reward(at: int) -> list[dict[str, Any]]:
    return [{"key": "free", "at": at}]


async def test_points_that_time_brings_are_spent_at_their_instant(records: Database) -> None:
    """The welcome's 10 and the birthday's 50 are 60; the years' 20 and the next birthday's 50 are 70."""
    house = await _lived(records, "once", [LAST], auto_rewards=_reward(60))
    taken = await house.rows(TAKEN)
    assert taken == [
        ("reward_taken", "2017-05-04 00:00:00+00", 0, "60"),
        ("reward_taken", "2018-05-04 00:00:00+00", 0, "60"),
    ]
    told = await house.rows("SELECT at::text, event_id, effects::text FROM activity WHERE program_id = $1")
    (effects,) = [each for at, event, each in told if at == "2017-05-04 00:00:00+00" and event is None]
    assert '"spent"' in effects
    assert '"points"' in effects
    again = await _lived(records, "steps", STEPS, auto_rewards=_reward(60))
    assert (await again.rows(TAKEN), await again.outcomes()) == (taken, await house.outcomes())


async def test_points_that_ended_before_are_not_counted_however_far_the_clock_is_moved_at_once(
    records: Database,
) -> None:
    """The first year's 60 are not 61, and are gone after 180 days."""
    house = await _lived(records, "once", [LAST], auto_rewards=_reward(61))
    taken = await house.rows(TAKEN)
    assert taken == [("reward_taken", "2018-05-04 00:00:00+00", 0, "61")]
    again = await _lived(records, "steps", STEPS, auto_rewards=_reward(61))
    assert (await again.rows(TAKEN), await again.outcomes()) == (taken, await house.outcomes())


async def test_what_is_late_is_decided_after_what_time_brought(records: Database) -> None:
    earn = [{"key": "base", "on": "purchase", "when": "event.amount > 10.0", "earn": {"fixed": 55}}]
    house = await _lived(records, "once", ["2017-06-01T00:00:00Z"], auto_rewards=_reward(60), earn_rules=earn)
    await house.send(purchase("late", "ann", "2017-05-01T10:00:00Z", "20.00"))
    await house.send(purchase("later", "ann", "2017-05-31T10:00:00Z", "20.00"))
    await house.advance("2017-06-02T00:00:00Z")
    await _is_sound(house)
    assert await house.rows(TAKEN) == [
        ("reward_taken", "2017-05-04 00:00:00+00", 0, "60"),
        ("reward_taken", "2017-05-31 10:00:00+00", 1, "60"),
    ]


async def test_points_that_a_change_of_zone_brings_are_spent_too(records: Database) -> None:
    """From the evening of 3 May in Pago Pago to the first hour of 5 May in Kiritimati: her birthday is then."""
    house = await _begun(records, "flown", auto_rewards=_reward(60))
    await _move(house, "Pacific/Pago_Pago")
    await house.advance("2017-05-04T10:30:00Z")
    assert await house.rows(TAKEN) == []
    await _move(house, "Pacific/Kiritimati")
    assert await house.rows(TAKEN) == [("reward_taken", "2017-05-04 10:30:00+00", 2, "60")]
    await _is_sound(house)


async def _move(house: House, zone: str) -> None:
    command = SetTimezone("ann", zone)
    await timezones.set_timezone(house.database, house.cache, house.program, command, principal="shop", key=None)


AS_IT_WAS = """
UPDATE {table} SET state = (state - 'told') || jsonb_build_object('parts', (
    SELECT jsonb_object_agg(key, CASE WHEN value ->> 0 = 'occasion' THEN jsonb_insert(value, '{{4}}', '0') ELSE value END)
    || '{{"occasions/hello": ["occasion", 736389, 0, null, 1, null]}}' FROM jsonb_each(state -> 'parts')
))"""


async def test_who_was_welcomed_before_states_told_what_she_did_stays_so(records: Database, database: Urls) -> None:
    house = await _begun(records, "once")
    await house.send(*(purchase(f"f{day}", "ann", f"2017-03-{day:02}T10:00:00Z") for day in range(2, 32)))
    await house.advance("2017-05-04T00:00:00Z")
    await _say(house, "1990-06-01")
    connection = await asyncpg.connect(database.owner)
    await enter(connection, str(house.program))
    told = "SELECT state ->> 'told' FROM member_state UNION ALL SELECT state ->> 'told' FROM member_snapshot"
    before = await connection.fetch(told)
    for table in ("member_state", "member_snapshot"):
        await connection.execute(AS_IT_WAS.format(table=table))
    await enter(connection, "")
    written = (Path(migrations.__file__).parent / "0012_what_members_did.sql").read_text(encoding="utf-8")
    await connection.execute(f"BEGIN;{written}COMMIT")
    await enter(connection, str(house.program))
    assert before == await connection.fetch(told)
    assert len(before) == 2
    await connection.close()
    await _is_sound(house)
