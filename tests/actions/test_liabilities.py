"""What is owed in points, what will end unspent of it, and what was spent on what: held against books kept by hand."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from achievements import periods
from achievements.breakage import Estimate
from engagement.actions import liabilities
from engagement.actions.liabilities import Breakage, Due, Liability
from engagement.actions.programs import Loaded, Sandbox
from engagement.errors import InvalidInput, NotFound
from engagement.records.liabilities import Spent
from engagement.records.unit import Database, Unit
from tests.achievements.programs import document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.shop import SHELF, open_shop, redeem, refund, use
from tests.actions.test_amend_events import amend
from tests.actions.test_decisions import spending

T = TypeVar("T")


async def read(house: House, work: Callable[[Unit, Loaded], Awaitable[T]]) -> T:
    async def loaded(unit: Unit) -> T:
        return await work(unit, await house.cache.load(unit))

    return await house.database.run(loaded, house.program, read_only=True)


async def liability(house: House, currency: str = "points") -> Liability:
    return await read(house, lambda unit, loaded: liabilities.liability(unit, loaded, currency))


async def broken(house: House, currency: str = "points") -> Breakage:
    return await read(house, lambda unit, loaded: liabilities.broken(unit, loaded, currency))


async def costs(house: House, since: str, until: str) -> list[Spent]:
    span: tuple[datetime, datetime] = (periods.rfc3339(since), periods.rfc3339(until))
    return await read(house, lambda unit, _: liabilities.reward_costs(unit, *span))


@pytest.fixture
async def shop(records: Database) -> House:
    """Three months, each with 200 points of which half are spent on the second day and half end on the tenth; then 60 more."""
    house = House(records)
    written = spending()
    written["earn_rules"][0]["earn"]["currency"] = "points"
    written["currencies"].append({"key": "gems"})
    written["spend_rules"][0]["spend"]["currency"] = "points"
    await house.apply(written, Sandbox(BEGIN))
    for month in (3, 4, 5):
        await house.send(
            purchase(f"p{month}", "ann", f"2017-0{month}-01T12:00:00Z", "200.00"),
            (f"c{month}", "ann", "coupon", f"2017-0{month}-02T15:00:00Z", {}),
        )
    await house.send(purchase("last", "bob", "2017-06-20T12:00:00Z", "60.00"))
    await house.advance("2017-06-20T13:00:00Z")
    return house


async def test_what_is_there_is_told_by_when_it_ends(shop: House) -> None:
    await shop.send(purchase("next", "ann", "2017-06-20T12:30:00Z", "5.00"))
    found = await liability(shop)
    assert found.due == (Due("2017-06", 65),)
    await shop.send(purchase("over", "ann", "2017-06-25T12:00:00Z", "7.00"))
    assert (await liability(shop)).due == (Due("2017-06", 65), Due("2017-07", 7))
    assert (await liability(shop)).points == 72
    await amend(shop, purchase("p5", "ann", "2017-05-01T12:00:00Z", "200.00"))
    found = await liability(shop)
    assert (found.points, found.held.debt) == (60, 88)
    assert (await liability(shop, "gems")).due == ()


async def test_points_that_have_ended_are_not_owed_booked_or_not(shop: House) -> None:
    async def skip(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = clock + $2 WHERE id = $1", unit.program, timedelta(days=30))

    await shop.database.run(skip, shop.program)
    assert (await liability(shop)).due == ()
    assert (await broken(shop)).outstanding == 0


async def test_what_will_end_is_what_ended_before(shop: House) -> None:
    found = await broken(shop)
    assert (found.outstanding, found.step_days, found.estimate) == (60, 1, Estimate(30, 30, 30))
    told = [(each.month, each.entered, sum(each.spent), sum(each.ended)) for each in found.cohorts]
    months = [("2017-03", 200, 100, 100), ("2017-04", 200, 100, 100), ("2017-05", 200, 100, 100)]
    assert told == [*months, ("2017-06", 60, 0, 0)]
    await amend(shop, ("c4", "ann", "coupon", "2017-04-02T15:00:00Z", {}))
    # Of 600 points 200 were spent at that age: two thirds are left.
    refunded = await broken(shop)
    assert refunded.estimate is not None
    assert (refunded.estimate.points, refunded.estimate.low < 40 < refunded.estimate.high) == (40, True)


async def test_a_young_program_tells_no_breakage(records: Database) -> None:
    house = House(records)
    await house.apply(spending(), Sandbox(BEGIN))
    await house.send(purchase("p", "ann", "2017-06-20T12:00:00Z", "60.00"))
    await house.advance("2017-06-20T13:00:00Z")
    found = await broken(house)
    assert (found.outstanding, found.estimate) == (60, None)


async def test_what_was_spent_is_told_by_what_for(shop: House) -> None:
    assert await costs(shop, "2017-03-01T00:00:00Z", "2017-05-01T00:00:00Z") == [Spent("hundred", "points", 2, 200)]
    await amend(shop, ("c4", "ann", "coupon", "2017-04-02T15:00:00Z", {}))
    assert await costs(shop, "2017-03-01T00:00:00Z", "2017-05-01T00:00:00Z") == [Spent("hundred", "points", 1, 100)]
    assert await costs(shop, "2018-03-01T00:00:00Z", "2018-05-01T00:00:00Z") == []
    with pytest.raises(InvalidInput):
        await costs(shop, "2017-05-01T00:00:00Z", "2017-05-01T00:00:00Z")


async def test_a_reward_costs_what_it_cost_when_it_was_redeemed(records: Database) -> None:
    def shelf(amount: str, currency: str) -> list[dict[str, object]]:
        cost = {"amount": amount, "currency": currency}
        mug: dict[str, object] = {"key": "mug", "kind": "product", "price": {"points": 100}, "cost": cost}
        return [mug, {"key": "sticker", "kind": "product", "cost": {"amount": "0.15", "currency": "EUR"}}]

    house = await open_shop(records, ("ann", "bob", "cid"), rewards=shelf("3.20", "EUR"))
    # Their facts have the same ids.
    back = [await redeem(house, "mug", each) for each in ("ann", "bob")][1]
    await redeem(house, "sticker")
    for amount, currency in (("3.55", "EUR"), ("4.00", "USD")):
        await house.apply(document("UTC", **{**SHELF, "rewards": shelf(amount, currency)}))
        await redeem(house, "mug", "cid")
    span = "2017-03-01T00:00:00Z", "2017-04-01T00:00:00Z"
    dollars = Spent("mug", "points", 1, 100, Decimal("4.00"), "USD")
    free = Spent("sticker", None, 1, 0, Decimal("0.15"), "EUR")
    assert await costs(house, *span) == [Spent("mug", "points", 3, 300, Decimal("9.95"), "EUR"), dollars, free]
    await refund(house, back)
    assert await costs(house, *span) == [Spent("mug", "points", 2, 200, Decimal("6.75"), "EUR"), dollars, free]


async def test_what_was_used_cost_what_it_did_though_the_points_were_given_back(records: Database) -> None:
    cost = {"amount": "5.00", "currency": "EUR"}
    off = {"key": "off", "kind": "discount", "price": {"points": 10}, "gives": [{"voucher": "ten"}], "cost": cost}
    house = await open_shop(records, rewards=[off])
    used, unused = [await redeem(house, "off") for _ in range(2)]
    await use(house, used.benefits[0].code)
    for each in (used, unused):
        await refund(house, each, forced=True)
    found = await costs(house, "2017-03-01T00:00:00Z", "2017-04-01T00:00:00Z")
    assert found == [Spent("off", None, 1, 0, Decimal("5.00"), "EUR")]


async def test_currencies_that_are_none_are_told(shop: House) -> None:
    for unknown in ("pearls", "\0"):
        for ask in (liability, broken):
            with pytest.raises(NotFound):
                await ask(shop, unknown)
