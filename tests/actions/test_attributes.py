"""A member's attributes: facts from the program's present on, late events among them, and what is refused."""

from typing import Any

import pytest

from achievements.outcomes import PointsEarned
from engagement.actions import attributes
from engagement.actions.attributes import AttributesSet, SetAttributes
from engagement.actions.programs import Sandbox
from engagement.actions.read_screens import Reader
from engagement.errors import IdempotencyKeyReused, InvalidInput
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_verify import discrepancies

DOCUMENT = document(
    attributes=[{"key": "city", "type": "string"}, {"key": "limit", "type": "decimal"}, {"key": "n", "type": "int"}],
    earn_rules=[
        {"key": "rome", "on": "purchase", "when": "has(member.city) && member.city == 'rome'", "earn": {"fixed": 5}}
    ],
)


@pytest.fixture
async def city(records: Database) -> House:
    house = House(records)
    await house.apply(DOCUMENT, Sandbox(BEGIN))
    return house


async def tell(house: House, said: dict[str, Any], member: str = "ann", key: str | None = None) -> AttributesSet:
    return await attributes.set_attributes(
        house.database, house.cache, house.program, SetAttributes(member, said), principal="shop", key=key
    )


async def test_an_event_is_judged_by_what_was_known_at_its_instant(city: House) -> None:
    await city.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    await city.advance("2017-03-02T00:00:00Z")
    told = await tell(city, {"city": "rome", "limit": 12.50})
    assert (told.changed, told.attributes) == (True, {"city": "rome", "limit": "12.5"})
    assert (await tell(city, {"city": "rome", "limit": "12.5", "n": None})).changed is False
    await city.send(purchase("p2", "ann", "2017-03-03T10:00:00Z"))
    # What comes late finds what was known then: nothing before the 2nd of March, Rome after it.
    late = [purchase("p0", "ann", "2017-03-01T23:00:00Z"), purchase("p3", "ann", "2017-03-02T10:00:00Z")]
    receipts = (await city.send(*late)).receipts
    assert [sum(each.points for each in one.effects if isinstance(each, PointsEarned)) for one in receipts] == [0, 5]
    assert (await tell(city, {"city": None, "n": 3})).attributes == {"limit": "12.5", "n": 3}
    await city.send(purchase("p4", "ann", "2017-03-04T10:00:00Z"))
    shown = await Reader(city.database, city.cache).screen(city.program, "ann")
    assert (shown.attributes, shown.wallets[0].wallet.earned) == ({"limit": "12.5", "n": 3}, 10)
    assert await discrepancies(city) == []


async def test_a_key_gives_the_first_answer_again(city: House) -> None:
    first = await tell(city, {"n": 1}, "zoe", "k")
    assert (first.changed, first.replayed) == (True, False)
    again = await tell(city, {"n": 1}, "zoe", "k")
    assert (again.changed, again.replayed, again.attributes) == (True, True, {"n": 1})
    with pytest.raises(IdempotencyKeyReused):
        await tell(city, {"n": 2}, "zoe", "k")
    assert await city.rows("SELECT kind, data::text FROM fact WHERE program_id = $1") == [("attributes", '{"n": 1}')]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"town": "rome"}, "attributes.town"),
        ({"city": 5}, "attributes.city"),
        ({"n": 1.5}, "attributes.n"),
        ({"n": 1, "limit": "a lot"}, "attributes.limit"),
        ({"limit": -1}, "attributes.limit"),
        ({"city": "a\0b"}, "attributes"),
        ({"city": "x" * 9_000}, "attributes"),
    ],
)
async def test_what_is_no_attribute_is_refused(city: House, said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await tell(city, said)
    assert refused.value.field == field
    assert await city.rows("SELECT 1 FROM fact WHERE program_id = $1") == []
