"""Redeeming rewards: the points, the stock, the codes and the fact, or nothing of all that; whoever else is at it."""

import asyncio
from decimal import Decimal
from functools import partial

import pytest

from achievements.outcomes import PointsSpent
from achievements.redeeming import BenefitChanged, RedemptionChanged
from engagement.actions import redeeming
from engagement.errors import InvalidInput, NotEnoughPoints, NotFound, RewardRefused
from engagement.records.unit import Database
from tests.actions.conftest import House, purchase
from tests.actions.shop import all_is_well, balance, bring, insist, names, open_shop, redeem


@pytest.fixture
async def shop(records: Database) -> House:
    return await open_shop(records)


async def test_what_is_redeemed_is_paid_told_and_kept(shop: House) -> None:
    done = await redeem(shop, "off", key="k")
    (voucher,) = done.benefits
    assert voucher.code is not None
    assert voucher.code.startswith("TEN-")
    assert len(voucher.code) == len("TEN-") + 26
    assert [type(each) for each in done.effects] == [RedemptionChanged, BenefitChanged, PointsSpent]
    assert (done.redemption.state, done.redemption.points, done.redemption.paid) == ("fulfilled", 10, 10)
    assert str(voucher.until) == "2017-04-10 00:00:00+00:00"
    assert await balance(shop) == 290
    again = await redeem(shop, "off", key="k")
    assert again.replayed
    assert (again.redemption, again.benefits) == (done.redemption, done.benefits)
    assert await balance(shop) == 290
    feed = await shop.rows("SELECT effects->0->>0 FROM activity WHERE program_id = $1 ORDER BY seq DESC LIMIT 1")
    assert feed == [("redemption",)]
    await all_is_well(shop)


async def test_what_is_free_gives_all_that_it_says(shop: House) -> None:
    done = await redeem(shop, "gift", "newcomer")
    assert [(each.sort, each.key, each.count, str(each.until)) for each in done.benefits] == [
        ("entitlement", "lounge", 1, "2017-03-14 00:00:00+00:00"),
        ("draw", "bike", 3, "None"),
    ]
    assert done.redemption.currency is None
    await all_is_well(shop)


async def test_the_price_is_that_of_her_tier_and_the_cost_is_kept(shop: House) -> None:
    await shop.send(
        purchase("p1", "sue", "2017-03-01T10:00:00Z", "500"), purchase("p2", "gil", "2017-03-01T10:00:00Z", "1500")
    )
    assert (await redeem(shop, "mug", "sue")).redemption.points == 80
    done = (await redeem(shop, "mug", "gil")).redemption
    assert (done.points, done.cost, done.money) == (60, Decimal("3.20"), "EUR")
    await all_is_well(shop)


@pytest.mark.parametrize(
    ("reward", "reason"),
    [
        ("soon", "NOT_STARTED"),
        ("past", "ENDED"),
        ("later", "PAUSED"),
        ("rare", "NOT_FOR_YOU"),
        ("film", "OUT_OF_STOCK"),
    ],
)
async def test_what_stands_in_the_way_is_told_and_nothing_is_taken(shop: House, reward: str, reason: str) -> None:
    with pytest.raises(RewardRefused) as refused:
        await redeem(shop, reward)
    assert refused.value.reason.name == reason
    assert await balance(shop) == 300
    assert await shop.rows("SELECT id FROM redemption WHERE program_id = $1") == []


async def test_sessions_are_named_and_full_or_over_one_by_one(shop: House) -> None:
    with pytest.raises(InvalidInput, match="may, june"):
        await redeem(shop, "class")
    with pytest.raises(NotFound):
        await redeem(shop, "class", session="july")
    with pytest.raises(InvalidInput):
        await redeem(shop, "mug", session="may")
    done = await redeem(shop, "class", session="may")
    assert str(done.redemption.usable_until) == "2017-05-01 20:00:00+00:00"
    with pytest.raises(RewardRefused) as refused:
        await redeem(shop, "class", session="may")
    assert refused.value.reason.name == "SESSION_FULL"
    await redeem(shop, "class", session="june")
    await shop.advance("2017-06-01T18:00:00Z")
    with pytest.raises(RewardRefused) as refused:
        await redeem(shop, "class", session="june")
    assert refused.value.reason.name == "SESSION_OVER"
    await all_is_well(shop)


async def test_drafts_and_what_is_not_there_are_not_found(shop: House) -> None:
    for reward in ("idea", "none", "a\0b", "x" * 10_000):
        with pytest.raises(NotFound):
            await redeem(shop, reward)
    with pytest.raises(InvalidInput):
        await redeem(shop, "mug", "\0")
    with pytest.raises(NotEnoughPoints) as refused:
        await redeem(shop, "mug", "newcomer")
    assert refused.value.missing == 100
    assert await shop.rows("SELECT taken FROM reward_stock WHERE program_id = $1") == []


async def test_a_limit_counts_within_its_month(shop: House) -> None:
    await redeem(shop, "mug")
    await redeem(shop, "mug")
    with pytest.raises(RewardRefused) as refused:
        await redeem(shop, "mug")
    assert refused.value.reason.name == "LIMIT_REACHED"
    await shop.advance("2017-04-01T00:00:00Z")
    with pytest.raises(RewardRefused) as refused:
        await redeem(shop, "mug")
    assert refused.value.reason.name == "OUT_OF_STOCK"


async def test_of_many_who_race_for_the_last_one_has_it(records: Database) -> None:
    who = [f"m{n}" for n in range(20)]
    house = await open_shop(records, who)
    await redeem(house, "mug", "m0")
    asking = [insist(partial(redeem, house, "mug", each, key=each)) for each in who[1:]]
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert names(done) == {"Redeemed": 1, "RewardRefused": 18}
    assert await house.rows("SELECT taken FROM reward_stock WHERE program_id = $1") == [(2,)]
    assert await house.rows("SELECT sum(spent)::int FROM wallet WHERE program_id = $1") == [(200,)]
    await all_is_well(house)


async def test_a_member_who_asks_many_times_at_once_has_it_as_often_as_one_may(records: Database) -> None:
    rewards = [{"key": "pin", "kind": "product", "price": {"points": 10}, "limit": {"at_most": 2}}]
    house = await open_shop(records, rewards=rewards)
    asking = [insist(partial(redeem, house, "pin", key=f"k{n}")) for n in range(8)]
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert names(done) == {"Redeemed": 2, "RewardRefused": 6}
    assert await balance(house) == 280
    await all_is_well(house)


async def test_no_code_of_a_pool_is_handed_out_twice(records: Database) -> None:
    who = [f"m{n}" for n in range(8)]
    house = await open_shop(records, who)
    await bring(house, *(f"CODE-{n}" for n in range(5)))
    # Of the last codes, which others are just taking, nobody can say that there are none: then one is asked to come again.
    asking = [insist(partial(redeem, house, "film", each, key=each)) for each in who]
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert names(done) == {"Redeemed": 5, "RewardRefused": 3}
    had = [each.benefits[0].code for each in done if isinstance(each, redeeming.Redeemed)]
    assert sorted(map(str, had)) == [f"CODE-{n}" for n in range(5)]
    with pytest.raises(RewardRefused):
        await redeem(house, "film", "m0")
    await all_is_well(house)


async def test_who_dies_in_the_middle_leaves_nothing_behind(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await bring(shop, "ONE")

    async def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("engagement.actions.telling.Listener.save", die)
        for reward in ("film", "mug", "off"):
            with pytest.raises(RuntimeError):
                await redeem(shop, reward)
    for table in ("redemption", "benefit", "reward_stock"):
        assert await shop.rows(f"SELECT program_id FROM {table} WHERE program_id = $1") == []
    assert await balance(shop) == 300
    assert (await redeem(shop, "film")).benefits[0].code == "ONE"
    await all_is_well(shop)
