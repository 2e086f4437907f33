"""Reserved rewards: captured, voided, or over by themselves, exactly one of these; and redemptions taken back."""

import asyncio
from functools import partial
from uuid import uuid4

import msgspec
import pytest

from engagement.actions import erasing, holds
from engagement.actions.holds import CaptureHold, VoidHold
from engagement.errors import InvalidInput, NotEnoughPoints, NotFound, RedemptionRefused, RewardRefused
from engagement.records.unit import Database, Unit
from tests.actions.conftest import House, purchase
from tests.actions.shop import (
    all_is_well,
    asked,
    balance,
    bring,
    capture,
    insist,
    names,
    open_shop,
    redeem,
    refund,
    reserve,
    use,
    use_up,
    void,
)
from tests.actions.test_verify import discrepancies

OVER = "2017-03-10T12:10:00Z"


@pytest.fixture
async def shop(records: Database) -> House:
    return await open_shop(records)


async def taken(house: House, reward: str = "mug") -> list[tuple[object, ...]]:
    return await house.rows("SELECT taken FROM reward_stock WHERE program_id = $1 AND reward = $2", reward)


async def pass_without_worker(house: House) -> None:
    """Move the clock alone: no worker has been by to give back what is over."""

    async def clock(unit: Unit) -> None:
        await unit.execute(f"UPDATE program SET clock = '{OVER}' WHERE id = $1", unit.program)

    await house.database.run(clock, house.program)


async def codes_of(house: House) -> list[tuple[object, ...]]:
    return await house.rows("SELECT code, state FROM reward_code WHERE program_id = $1 ORDER BY code")


async def test_what_is_reserved_is_paid_when_it_is_captured(shop: House) -> None:
    held = await reserve(shop, "mug")
    assert (held.redemption.state, held.redemption.paid, held.benefits) == ("reserved", 0, ())
    assert (await balance(shop), await taken(shop)) == (200, [(1,)])
    await all_is_well(shop)
    done = await capture(shop, held)
    assert (done.redemption.state, done.redemption.paid) == ("fulfilled", 100)
    assert (await balance(shop), await taken(shop)) == (200, [(1,)])
    with pytest.raises(RedemptionRefused) as refused:
        await capture(shop, held)
    assert refused.value.state == "fulfilled"
    await all_is_well(shop)


async def test_a_part_is_paid_and_the_rest_is_free_again(shop: House) -> None:
    held = await reserve(shop, "mug")
    for points in (0, 101, -1):
        with pytest.raises(InvalidInput):
            await capture(shop, held, points)
    assert (await capture(shop, held, 40)).redemption.paid == 40
    assert await balance(shop) == 260
    await all_is_well(shop)


async def test_what_is_given_up_is_back_with_its_code(shop: House) -> None:
    await bring(shop, "ONE")
    held = await reserve(shop, "film")
    assert await codes_of(shop) == [("ONE", "set_aside")]
    with pytest.raises(RewardRefused):
        await redeem(shop, "film")
    assert (await void(shop, held)).redemption.state == "voided"
    assert (await balance(shop), await codes_of(shop)) == (300, [("ONE", "free")])
    with pytest.raises(RedemptionRefused):
        await capture(shop, held)
    again = await reserve(shop, "film")
    (voucher,) = (await capture(shop, again)).benefits
    assert voucher.code == "ONE"
    assert await codes_of(shop) == [("ONE", "issued")]
    await all_is_well(shop)


async def test_what_comes_free_when_it_is_given_up_reaches_an_automatic_reward(records: Database) -> None:
    house = await open_shop(records, auto_rewards=[{"key": "thousand", "at": 1000}])
    held = await reserve(house, "mug")
    await house.send(purchase("more", "ann", "2017-03-10T11:00:00Z", "750"))
    assert await balance(house) == 950
    done = await void(house, held)
    assert [type(each).__name__ for each in done.effects] == ["HoldEnded", "PointsSpent", "RedemptionChanged"]
    assert await balance(house) == 50
    await all_is_well(house)


async def test_what_nobody_captures_is_over_by_itself(shop: House) -> None:
    await bring(shop, "ONE")
    held, other = await reserve(shop, "mug"), await reserve(shop, "film")
    free = await reserve(shop, "gift")
    await shop.advance(OVER)
    states = await shop.rows("SELECT DISTINCT state, ended_at::text FROM redemption WHERE program_id = $1")
    assert [state for state, _ in states] == ["expired"]
    assert (await balance(shop), await taken(shop), await codes_of(shop)) == (300, [(0,)], [("ONE", "free")])
    for each in (held, other, free):
        with pytest.raises(RedemptionRefused) as refused:
            await capture(shop, each)
        assert refused.value.state == "expired"
    told = (
        "SELECT effect ->> 1, effect ->> 3, at::text FROM activity, jsonb_array_elements(effects) AS effect"
        " WHERE program_id = $1 AND effect ->> 0 = 'redemption' AND effect ->> 3 <> 'reserved'"
    )
    over = [(str(each.redemption.id), "expired", "2017-03-10 12:10:00+00") for each in (held, other, free)]
    assert sorted(await shop.rows(told)) == sorted(over)
    await shop.advance("2017-03-10T13:00:00Z")
    assert len(await shop.rows(told)) == 3
    await all_is_well(shop)


async def test_the_last_one_is_to_be_had_again_once_it_is_over_before_any_worker_comes(records: Database) -> None:
    pin = {"key": "pin", "kind": "product", "price": {"points": 10}, "stock": 1}
    house = await open_shop(records, ("ann", "bob"), rewards=[pin])
    await reserve(house, "pin")
    with pytest.raises(RewardRefused):
        await redeem(house, "pin", "bob")

    await pass_without_worker(house)
    assert (await redeem(house, "pin", "bob")).redemption.state == "fulfilled"
    await house.advance("2017-03-10T12:11:00Z")
    assert await taken(house, "pin") == [(1,)]
    await all_is_well(house)


async def test_of_capturing_and_voiding_at_once_one_happens(shop: House) -> None:
    for _ in range(4):
        held = await reserve(shop, "off")
        asking = [insist(partial(end, shop, held)) for end in (capture, void, capture)]
        done = await asyncio.gather(*asking, return_exceptions=True)
        assert names(done) == {"Redeemed": 1, "RedemptionRefused": 2}
    await all_is_well(shop)


async def test_points_that_are_set_aside_buy_nothing_else(shop: House) -> None:
    held = await reserve(shop, "mug")
    await reserve(shop, "mug")
    with pytest.raises(RewardRefused) as refused:
        await reserve(shop, "mug")
    assert refused.value.reason.name == "LIMIT_REACHED"
    await redeem(shop, "off")
    assert await balance(shop) == 90
    nobody = msgspec.structs.replace(held, redemption=msgspec.structs.replace(held.redemption, id=uuid4()))
    with pytest.raises(NotFound):
        await capture(shop, nobody)
    with pytest.raises(InvalidInput):
        await reserve(shop, "off", seconds=0)
    with pytest.raises(NotEnoughPoints):
        await reserve(shop, "off", "newcomer")
    await all_is_well(shop)


async def test_a_refund_gives_the_points_back_to_their_lots_and_voids_what_she_has(shop: House) -> None:
    done = await redeem(shop, "off")
    back = await refund(shop, done)
    assert (back.redemption.state, back.redemption.paid) == ("refunded", 0)
    assert [each.state for each in back.benefits] == ["voided"]
    assert await balance(shop) == 300
    with pytest.raises(RedemptionRefused) as refused:
        await refund(shop, done)
    assert refused.value.state == "refunded"
    mug = await redeem(shop, "mug")
    await refund(shop, mug)
    assert await taken(shop) == [(0,)]
    await refund(shop, await redeem(shop, "gift"))
    await refund(shop, await capture(shop, await reserve(shop, "mug"), 40))
    assert await balance(shop) == 300
    await all_is_well(shop)


async def test_what_was_used_refuses_the_refund_but_by_force(shop: House) -> None:
    done = await redeem(shop, "off")
    await use(shop, done.benefits[0].code)
    with pytest.raises(RedemptionRefused) as refused:
        await refund(shop, done)
    assert refused.value.used
    back = await refund(shop, done, forced=True)
    assert [each.state for each in back.benefits] == ["used"]
    assert await balance(shop) == 300
    gift = await redeem(shop, "gift")
    await use_up(shop, "lounge")
    with pytest.raises(RedemptionRefused):
        await refund(shop, gift)
    assert [each.state for each in (await refund(shop, gift, forced=True)).benefits] == ["used", "voided"]
    await all_is_well(shop)


async def test_into_a_lot_that_has_ended_points_come_back_for_the_days_of_grace(records: Database) -> None:
    currency = {"key": "points", "expires": {"after_days": 180}, "refund_grace": 10}
    house = await open_shop(records, currencies=[currency])
    done = await redeem(house, "mug")
    await house.advance("2017-12-01T00:00:00Z")
    assert await balance(house) == 0
    await refund(house, done)
    assert await balance(house) == 100
    await house.advance("2017-12-20T00:00:00Z")
    assert await balance(house) == 0
    await all_is_well(house)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("UPDATE reward_stock SET taken = taken + 1 WHERE program_id = $1 AND session = ''", "stock of mug"),
        ("UPDATE redemption SET paid = paid - 1 WHERE program_id = $1", "redemption "),
    ],
)
async def test_a_row_that_was_changed_by_hand_is_named(shop: House, changed: str, what: str) -> None:
    await redeem(shop, "mug")

    async def by_hand(unit: Unit) -> int:
        return await unit.execute(changed, unit.program)

    assert await shop.database.run(by_hand, shop.program) == 1
    (found,) = await discrepancies(shop)
    assert found.what.startswith(what)


async def test_the_hold_of_a_reservation_is_ended_by_the_redemption_alone(shop: House) -> None:
    held = await reserve(shop, "mug")
    hold = str(held.redemption.hold)
    with pytest.raises(InvalidInput):
        await holds.capture_hold(shop.database, shop.cache, shop.program, CaptureHold(hold), **asked())
    with pytest.raises(InvalidInput):
        await holds.void_hold(shop.database, shop.cache, shop.program, VoidHold(hold), **asked())
    assert (await capture(shop, held)).redemption.paid == 100
    await all_is_well(shop)


async def test_what_an_erased_member_had_reserved_others_can_have_at_once(records: Database) -> None:
    house = await open_shop(records, ("ann", "bob"))
    await bring(house, "ONE")
    await reserve(house, "gift")
    await pass_without_worker(house)
    for reward in ("film", "mug", "mug"):
        await reserve(house, reward, seconds=30 * 86_400)
    await reserve(house, "class", session="may", seconds=30 * 86_400)
    with pytest.raises(RewardRefused):
        await redeem(house, "mug", "bob")
    await erasing.erase(house.database, house.cache, house.program, "ann")
    states = "SELECT reward, state, ended_at::time::text FROM redemption WHERE program_id = $1 ORDER BY reward, id"
    given_up = [(each, "voided", "12:10:00") for each in ("class", "film", "mug", "mug")]
    assert await house.rows(states) == sorted([*given_up, ("gift", "expired", "12:10:00")])
    assert await house.rows("SELECT DISTINCT state FROM hold WHERE program_id = $1") == [("voided",)]
    assert await house.rows("SELECT DISTINCT taken FROM reward_stock WHERE program_id = $1") == [(0,)]
    assert await codes_of(house) == [("ONE", "free")]
    await all_is_well(house)
    await redeem(house, "mug", "bob")
    await redeem(house, "class", "bob", "may")
    assert (await redeem(house, "film", "bob")).benefits[0].code == "ONE"
    await all_is_well(house)


async def test_who_is_erased_while_she_reserves_and_captures_leaves_nothing_set_aside(records: Database) -> None:
    pin = {"key": "pin", "kind": "product", "price": {"points": 10}, "stock": 20}
    who = [f"m{n}" for n in range(4)]
    house = await open_shop(records, who, rewards=[pin])
    held = [await reserve(house, "pin", each) for each in who]
    asking = [
        ask
        for member, one in zip(who, held, strict=True)
        for ask in (
            partial(reserve, house, "pin", member),
            partial(capture, house, one),
            partial(erasing.erase, house.database, house.cache, house.program, member),
        )
    ]
    done = await asyncio.gather(*map(insist, asking), return_exceptions=True)
    assert names(done)["Erased"] == len(who)
    assert names(done).keys() <= {"Erased", "Redeemed", "MemberErased"}
    assert await house.rows("SELECT count(*) FROM redemption WHERE program_id = $1 AND state = 'reserved'") == [(0,)]
    await all_is_well(house)
