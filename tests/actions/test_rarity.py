"""How rare badges are: exact for few members, and among a sample of many; looked up once in a while."""

import pytest

from engagement.actions.programs import Programs
from engagement.actions.read_screens import Reader
from engagement.records import outcomes
from engagement.records.unit import Unit
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies


async def test_the_share_of_members_who_hold_a_badge(house: House) -> None:
    events = [purchase(f"p{day}", who, f"2017-03-0{day}T12:00:00Z") for who in ("ann", "bob") for day in (1, 2)]
    await house.send(
        *events, purchase("p1", "cora", "2017-03-01T12:00:00Z"), purchase("p1", "dan", "2017-03-01T12:00:00Z")
    )

    async def rarity(programs: Programs) -> float:
        screen = await Reader(house.database, programs).screen(house.program, "ann")
        return next(each.rarity for each in screen.badges if each.key == "purchases")

    known = Programs()
    assert await rarity(known) == 0.5
    await house.send(purchase("p2", "cora", "2017-03-02T12:00:00Z"))
    assert await rarity(known) == 0.5
    assert await rarity(Programs()) == 0.75
    assert await discrepancies(house) == []


@pytest.mark.parametrize(("at_most", "members"), [(3, 3), (9, 4)])
async def test_of_more_members_a_sample_is_looked_at(house: House, at_most: int, members: int) -> None:
    for who in ("ann", "bob", "cora", "dan"):
        await house.send(*[purchase(f"p{day}", who, f"2017-03-0{day}T12:00:00Z") for day in (1, 2)])

    async def work(unit: Unit) -> tuple[int, dict[str, int]]:
        return await outcomes.badge_holders(unit, at_most)

    assert await house.database.run(work, house.program, read_only=True) == (members, {"purchases": members})
