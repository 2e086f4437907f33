"""Paying for what a command brings: the points and the fact, or neither."""

import asyncio
from datetime import datetime

import pytest

from achievements.outcomes import PointsSpent, Withdrawn
from achievements.parts import Price
from engagement.actions.programs import Sandbox
from engagement.actions.telling import listen
from engagement.errors import NotEnoughPoints
from engagement.records.unit import Database, Unit
from tests.achievements.programs import BEGIN, document
from tests.actions.books import books_balance
from tests.actions.conftest import House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

EARN = {"key": "base", "on": "purchase", "earn": {"per": "amount"}}


@pytest.fixture
async def shop(records: Database) -> House:
    """A sandbox in which points end after five days; ann has 30 from the 1st and 20 from the 3rd of March."""
    house = House(records)
    currency = {"key": "points", "expires": {"after_days": 5}}
    await house.apply(document(currencies=[currency], earn_rules=[EARN]), Sandbox(BEGIN))
    await house.send(
        purchase("p1", "ann", "2017-03-01T10:00:00Z", "30"), purchase("p2", "ann", "2017-03-03T10:00:00Z", "20")
    )
    return house


async def pay(house: House, points: int, member: str = "ann") -> tuple[datetime, tuple[object, ...]]:
    async def work(unit: Unit) -> tuple[datetime, tuple[object, ...]]:
        listener = await listen(unit, house.cache, member, pays=True)
        told = await listener.tell("bought", {"thing": "hat"}, price=Price(points, "points"), source="hat")
        await listener.save()
        return listener.at, told

    return await house.database.run(work, house.program)


async def spends(house: House) -> list[tuple[object, ...]]:
    return await house.rows(
        "SELECT points, lot_id, source, event_id FROM transfer WHERE program_id = $1 AND kind = 'spend' ORDER BY lot_id"
    )


async def test_what_is_paid_leaves_the_lots_that_end_first_with_the_fact(shop: House) -> None:
    at, told = await pay(shop, 35)
    assert told == (PointsSpent("points", 35, "hat", at, ""),)
    assert await spends(shop) == [(30, "earn/base/p1", "hat", ""), (5, "earn/base/p2", "hat", "")]
    assert await shop.rows("SELECT kind, data->'paid'->>'points' FROM fact WHERE program_id = $1") == [("bought", "35")]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_the_balance_does_not_allow_takes_nothing(shop: House) -> None:
    for member, missing in (("ann", 1), ("zoe", 51)):
        with pytest.raises(NotEnoughPoints) as refused:
            await pay(shop, 51, member)
        assert (refused.value.currency, refused.value.points, refused.value.missing) == ("points", 51, missing)
    assert await shop.rows("SELECT kind FROM fact WHERE program_id = $1") == []
    assert await spends(shop) == []


async def test_points_that_have_ended_pay_for_nothing(shop: House) -> None:
    async def clock(unit: Unit) -> None:
        # The clock alone: no worker has been by to end what ended.
        await unit.execute("UPDATE program SET clock = '2017-03-08T00:00:00Z' WHERE id = $1", unit.program)

    await shop.database.run(clock, shop.program)
    with pytest.raises(NotEnoughPoints) as refused:
        await pay(shop, 21)
    assert refused.value.missing == 1
    await pay(shop, 20)
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_is_taken_back_later_is_owed(shop: House) -> None:
    await pay(shop, 50)
    await shop.send(purchase("p0", "ann", "2017-03-02T10:00:00Z", "5"))
    await amend(shop, purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    assert await shop.rows("SELECT balance, debt, spent FROM wallet WHERE program_id = $1") == [(-25, 25, 50)]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_of_two_who_pay_at_once_with_the_same_points_one_does(shop: House) -> None:
    done = await asyncio.gather(pay(shop, 30), pay(shop, 30), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["NotEnoughPoints", "tuple"]
    assert sum(int(str(points)) for points, *_ in await spends(shop)) == 30
    assert await discrepancies(shop) == []


async def refund(house: House) -> tuple[object, ...]:
    """Give back what was paid for the hat."""
    ((fact,),) = await house.rows("SELECT id FROM fact WHERE program_id = $1 AND kind = 'bought'")

    async def work(unit: Unit) -> tuple[object, ...]:
        listener = await listen(unit, house.cache, "ann", pays=True)
        told = await listener.refund(str(fact), "returned", {"thing": "hat"})
        await listener.save()
        return told

    return await house.database.run(work, house.program)


async def left(house: House) -> list[tuple[object, ...]]:
    return await house.rows("SELECT id, remaining, expired FROM lot WHERE program_id = $1 ORDER BY id")


async def test_what_is_given_back_returns_to_its_lots(shop: House) -> None:
    at, _ = await pay(shop, 35)
    assert await refund(shop) == (Withdrawn(PointsSpent("points", 35, "hat", at, "")),)
    assert await left(shop) == [("earn/base/p1", 30, 0), ("earn/base/p2", 20, 0)]
    assert await shop.rows("SELECT balance, spent FROM wallet WHERE program_id = $1") == [(50, 0)]
    assert await discrepancies(shop) == []
    await books_balance(shop)


@pytest.mark.parametrize(("grace", "balance", "expired"), [(0, 20, 30), (3, 50, 0)])
async def test_what_returns_to_a_lot_that_has_ended_has_the_days_of_grace(
    shop: House, grace: int, balance: int, expired: int
) -> None:
    currency = {"key": "points", "expires": {"after_days": 5}, "refund_grace": grace}
    await shop.apply(document(currencies=[currency], earn_rules=[EARN]))
    await pay(shop, 30)
    # The first lot ends with the 6th of March, the second with the 8th.
    await shop.advance("2017-03-08T12:00:00Z")
    await refund(shop)
    assert await shop.rows("SELECT balance, expired FROM wallet WHERE program_id = $1") == [(balance, expired)]
    assert await discrepancies(shop) == []
    await books_balance(shop)
    await shop.advance("2017-03-12T03:59:59Z")
    # The days of grace are those after the 8th, in New York, in summer time from the 12th on.
    assert await shop.rows("SELECT balance FROM wallet WHERE program_id = $1") == [(30 if grace else 0,)]
    await shop.advance("2017-03-12T05:00:00Z")
    assert await shop.rows("SELECT balance FROM wallet WHERE program_id = $1") == [(0,)]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_has_ended_and_is_not_swept_yet_ends_once_where_something_comes_back(shop: House) -> None:
    await pay(shop, 10)

    async def later(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = '2017-03-20T00:00:00Z' WHERE id = $1", unit.program)

    await shop.database.run(later, shop.program)
    await refund(shop)
    assert await left(shop) == [("earn/base/p1", 0, 30), ("earn/base/p2", 0, 20)]
    assert await shop.rows("SELECT balance, expired, spent FROM wallet WHERE program_id = $1") == [(0, 50, 0)]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_comes_back_reaches_an_automatic_reward(shop: House) -> None:
    await pay(shop, 30)
    reward = {"key": "coffee", "at": 50, "currency": "points"}
    currency = {"key": "points", "expires": {"after_days": 50}}
    await shop.apply(document(currencies=[currency], earn_rules=[EARN], auto_rewards=[reward]))
    await shop.advance("2017-03-03T12:00:00Z")
    await refund(shop)
    assert await shop.rows("SELECT balance, spent FROM wallet WHERE program_id = $1") == [(0, 50)]
    assert await discrepancies(shop) == []
    await books_balance(shop)
