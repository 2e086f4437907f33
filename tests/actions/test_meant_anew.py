"""Counting the past anew of what says who is meant and when: segments, and occasions."""

from typing import Any

import pytest

from engagement.actions import attributes
from engagement.actions.attributes import SetAttributes
from engagement.actions.programs import Sandbox
from engagement.records.unit import Database
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.recounting import all_is_well, apply, balance, count_anew, day, has, preview_of, program, since

KEEN: dict[str, Any] = {"key": "keen", "measures": {"bought": {"on": "purchase"}}, "when": "measure.bought >= 2"}
BONUS: dict[str, Any] = {"key": "bonus", "on": "purchase", "audience": "member.segments.keen", "earn": {"fixed": 5}}
CAKE: dict[str, Any] = {"key": "cake", "on": "birthday", "attribute": "born", "rewards": [{"points": 50}]}
HELLO: dict[str, Any] = {"key": "hello", "on": "welcome", "rewards": [{"points": 3}]}


@pytest.fixture
async def shop(records: Database) -> House:
    """Ann, born on the fourth of May, bought three times in March, Bob twice, Cora once in February; by now it is June."""
    house = House(records)
    born = [{"key": "born", "type": "date"}]
    await house.apply(program(trio=None, regular=None, attributes=born), Sandbox(BEGIN))
    await house.send(purchase("c1", "cora", "2017-02-20T12:00:00Z"))
    await house.advance("2017-03-01T12:00:00Z")
    said = SetAttributes("ann", {"born": "1990-05-04"})
    await attributes.set_attributes(house.database, house.cache, house.program, said, principal="shop", key=None)
    await house.send(*(purchase(f"a{number}", "ann", day(number)) for number in (2, 3, 4)))
    await house.send(*(purchase(f"b{number}", "bob", day(number)) for number in (5, 6)))
    await house.advance("2017-06-01T00:00:00Z")
    return house


def _with(**sections: Any) -> dict[str, Any]:
    """The shop's program with more in it; of a section that it has, beside what is there."""
    whole = program(trio=None, regular=None, attributes=[{"key": "born", "type": "date"}])
    return {**whole, **{name: [*whole.get(name, ()), *there] for name, there in sections.items()}}


async def _balances(house: House) -> list[int]:
    return [await balance(house, who) for who in ("ann", "bob", "cora")]


async def test_a_segment_knows_what_was_before_it(shop: House) -> None:
    await apply(shop, _with(segments=[since(KEEN)], earn_rules=[since(BONUS)]))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 5, 20, 10], "two before the third"
    await all_is_well(shop)
    # Whoever bought once is keen by now, and was: of what that gives, the rule has nothing to say itself.
    wider = since({**KEEN, "when": "measure.bought >= 1"}, day(4, 0))
    previewed = await preview_of(shop, _with(segments=[wider], earn_rules=[since(BONUS)]))
    assert [(each.definition, each.points_gained) for each in previewed.definitions] == [
        ("earn_rules/bonus", {"points": 5})
    ]
    await apply(shop, _with(segments=[wider], earn_rules=[since(BONUS)]))
    await shop.send(purchase("late", "bob", day(5, 1)))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 5, 30 + 5 + 5, 10]
    # Where fewer are keen, everybody keeps what she has.
    narrower = since({**KEEN, "when": "measure.bought >= 9"})
    await apply(shop, _with(segments=[narrower], earn_rules=[since(BONUS)]))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 5, 30 + 5 + 5, 10]
    await all_is_well(shop)


async def test_occasions_come_that_would_have_come(shop: House) -> None:
    await apply(shop, _with(occasions=[since(CAKE), since(HELLO)]))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 50 + 3, 20 + 3, 10], "Cora came before it"
    lots = await has(shop, "lot", "held.id, points::int, earned_at::text", "ann")
    assert ("occasion/cake/2017-05-04/0", 50, "2017-05-04 04:00:00+00") in lots
    await all_is_well(shop)
    # One that gives less, and one that gives more: what was given stays, and what is more is given.
    more, less = ({**CAKE, "rewards": [{"points": 70}]}, {**HELLO, "rewards": [{"points": 1}]})
    await apply(shop, _with(occasions=[since(more), since(less)]))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 70 + 3, 20 + 3, 10]
    await all_is_well(shop)
    await shop.advance("2018-05-05T00:00:00Z")
    assert ("occasion/cake/2018-05-04/0", 70) in await has(shop, "lot", "held.id, points::int", "ann")
    ten = since({**CAKE, "rewards": [{"points": 10}]})
    await apply(shop, _with(occasions=[ten, since(less)]), take_back=True)
    await count_anew(shop)
    lots = await has(shop, "lot", "held.id, points::int", "ann")
    assert [each for each in lots if "cake" in each[0]] == [
        (f"occasion/cake/{year}-05-04/0", 10) for year in (2017, 2018)
    ]
    await all_is_well(shop)


async def test_what_names_a_new_segment_or_list_counts_as_far_back_as_that(shop: House) -> None:
    listed = since({"key": "testers", "list": True})
    bonus = since({**BONUS, "audience": "!member.segments.testers"}, day(4, 0))
    await apply(shop, _with(segments=[listed], earn_rules=[bonus]))
    await count_anew(shop)
    assert await _balances(shop) == [30 + 5, 20 + 10, 10]
    await all_is_well(shop)
