"""Lists: put on and taken off by commands, and judged by at the instant of each event."""

import pytest

from achievements.outcomes import PointsEarned
from engagement.actions import lists
from engagement.actions.lists import ListedSet, SetListed
from engagement.actions.programs import Sandbox
from engagement.actions.read_screens import Reader
from engagement.errors import InvalidInput
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_verify import discrepancies

DOCUMENT = document(
    segments=[
        {"key": "testers", "list": True},
        {"key": "recent", "measures": {"n": {"on": "purchase", "window": {"hours": 1}}}, "when": "measure.n > 0"},
    ],
    earn_rules=[{"key": "test", "on": "purchase", "audience": "member.segments.testers", "earn": {"fixed": 5}}],
)


async def put(house: House, listed: bool, segment: str = "testers", key: str | None = None) -> ListedSet:
    return await lists.set_listed(
        house.database, house.cache, house.program, SetListed("ann", segment, listed), principal="shop", key=key
    )


async def test_who_is_on_a_list_is_judged_as_at_the_time(records: Database) -> None:
    house = House(records)
    await house.apply(DOCUMENT, Sandbox(BEGIN))
    await house.advance("2017-03-02T00:00:00Z")
    assert (await put(house, listed=False)).changed is False
    assert (await put(house, listed=True, key="k")).changed is True
    assert (await put(house, listed=True, key="k")).replayed is True
    assert (await put(house, listed=True)).changed is False
    await house.send(purchase("p2", "ann", "2017-03-03T10:00:00Z"))
    late = [purchase("p0", "ann", "2017-03-01T23:00:00Z"), purchase("p3", "ann", "2017-03-02T10:00:00Z")]
    receipts = (await house.send(*late)).receipts
    assert [sum(each.points for each in one.effects if isinstance(each, PointsEarned)) for one in receipts] == [0, 5]
    reader = Reader(house.database, house.cache)
    assert (await reader.screen(house.program, "ann")).segments == ("recent", "testers")
    await house.advance("2017-03-03T11:00:00Z")
    assert (await put(house, listed=False)).changed is True
    assert (await reader.screen(house.program, "ann")).segments == ()
    for wrong in ("recent", "nobody"):
        with pytest.raises(InvalidInput, match="it has: testers"):
            await put(house, listed=True, segment=wrong)
    assert await discrepancies(house) == []
