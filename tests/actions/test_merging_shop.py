"""What goes along into another member, and back: what was redeemed and given, points set aside, debts, and what was agreed to."""

import asyncio
import functools
from typing import Any

import pytest

from engagement.actions import consents, giving, holds
from engagement.actions.consents import SetConsent
from engagement.actions.holds import CaptureHold, HoldPoints
from engagement.actions.redeeming import Redeemed
from engagement.errors import (
    BenefitRefused,
    HoldNotOpen,
    Inseparable,
    MergeRefused,
    NotEnoughPoints,
    RewardRefused,
    Unmergeable,
    UnmergeRefused,
)
from engagement.records import consents as kept_consents
from engagement.records.unit import Database
from tests.actions.conftest import House, purchase
from tests.actions.shop import all_is_well, balance, capture, open_shop, redeem, refund, reserve, use, use_up
from tests.actions.test_amend_events import amend
from tests.actions.test_merging import merge
from tests.actions.test_unmerging import stands, unmerge

THIRD = {
    "key": "third",
    "objectives": [{"on": "purchase", "target": 3}],
    "rewards": [{"voucher": "ten"}, {"entitlement": "lounge"}],
}


@pytest.fixture
async def shop(records: Database) -> House:
    """Ann and Eve, each with 300 points and one purchase in March."""
    more: dict[str, Any] = {"challenges": [THIRD], "purposes": [{"key": "news"}, {"key": "mail"}]}
    return await open_shop(records, ("ann", "eve"), **more)


async def all_of(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """What both have, with what they have of the shop and agreed to."""
    joined = "JOIN member ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1"
    found = await stands(house)
    for table, columns in (
        ("redemption", "held.id, reward, state, fact, paid, hold"),
        ("benefit", "held.id, sort, key, reward, state, used_by"),
        ("consent", "purpose, n, given, version, source, told_by, at, sent_for"),
    ):
        found[table] = await house.rows(f"SELECT external_id, {columns} FROM {table} AS held {joined} ORDER BY 1, 2, 3")
    return found


async def give(house: House) -> None:
    await giving.settle(house.database, house.cache, house.program)


async def test_what_she_redeemed_and_was_given_is_hers_as_one(shop: House) -> None:
    """It counts to the limits of the whole, her codes are good, and what was paid comes back to her purse."""
    for n in range(2):
        await shop.send(*[purchase(f"{who}{n}", who, "2017-03-09T10:00:00Z", "1.00") for who in ("ann", "eve")])
    await give(shop)
    off = await redeem(shop, "off", "eve")
    for who in ("ann", "eve"):
        await redeem(shop, "mug", who)
    place = await reserve(shop, "class", "eve", session="may")
    used = await redeem(shop, "off", "eve")
    await use(shop, used.benefits[0].code)
    before, points = await all_of(shop), await balance(shop) + await balance(shop, "eve")
    await merge(shop, key=None)
    await all_is_well(shop)
    await give(shop)
    assert len(await shop.rows("SELECT FROM benefit WHERE program_id = $1")) == len(before["benefit"])
    await unmerge(shop)
    await give(shop)
    assert await all_of(shop) == before
    await all_is_well(shop)
    await merge(shop, key=None)
    await give(shop)
    assert await balance(shop) == points
    with pytest.raises(RewardRefused):
        await redeem(shop, "mug", "eve")
    await use(shop, off.benefits[0].code)
    with pytest.raises(BenefitRefused):
        await use(shop, used.benefits[0].code)
    for _ in range(2):
        await use_up(shop, "lounge", "eve")
    await refund(shop, off, forced=True)
    await capture(shop, place)
    assert await balance(shop) == points + 10
    with pytest.raises(UnmergeRefused):
        await unmerge(shop)
    await give(shop)
    await all_is_well(shop)


async def test_what_was_given_to_both_together_is_taken_back_and_given_to_each(shop: House) -> None:
    """A challenge that Eve completes with events of hers among Ann's; Ann's own, given, withdrawn and used before, keep their names."""
    await shop.send(purchase("ann1", "ann", "2017-03-09T10:00:00Z"), purchase("ann2", "ann", "2017-03-09T11:00:00Z"))
    await give(shop)
    await amend(shop, purchase("ann2", "ann", "2017-03-09T11:00:00Z"))
    await give(shop)
    for n in range(2):
        await shop.send(purchase(f"eve{n}", "eve", "2017-03-09T10:00:00Z"))
    await give(shop)
    before = await all_of(shop)
    await merge(shop, key=None)
    await give(shop)
    await all_is_well(shop)
    await shop.send(purchase("eve3", "eve", "2017-03-10T11:00:00Z"))
    await give(shop)
    await all_is_well(shop)
    await unmerge(shop)
    await give(shop)
    await all_is_well(shop)
    after = await all_of(shop)
    assert after["benefit"] == before["benefit"]
    assert after["reward_given in full"] == before["reward_given in full"]


async def test_what_both_together_were_given_is_used_and_so_they_stay_one(shop: House) -> None:
    await merge(shop, key=None)
    await shop.send(purchase("eve1", "eve", "2017-03-10T11:00:00Z"))
    await give(shop)
    await use_up(shop, "lounge", "eve")
    with pytest.raises(UnmergeRefused) as refused:
        await unmerge(shop)
    assert refused.value.reason is Inseparable.DECIDED
    await all_is_well(shop)


async def test_who_redeems_while_it_is_undone_pays_before_or_after(shop: House) -> None:
    """On connections of their own, under both ids: with both purses, and then they stay one, or each with her own."""
    for _ in range(4):
        await merge(shop, key=None)
        done = await asyncio.gather(
            redeem(shop, "off", "eve"), unmerge(shop), redeem(shop, "off", "ann"), return_exceptions=True
        )
        await all_is_well(shop)
        redeemed = [each for each in (done[0], done[2]) if isinstance(each, Redeemed)]
        assert len(redeemed) == 2
        whose = dict(
            await shop.rows(
                "SELECT redemption.id, external_id FROM redemption JOIN member ON member.program_id = $1 AND member.id = member_id"
            )
        )
        if isinstance(done[1], UnmergeRefused):
            assert {whose[each.redemption.id] for each in redeemed} == {"ann"}
            break
        assert [whose[each.redemption.id] for each in redeemed] == ["eve", "ann"]


async def test_who_owes_pays_from_what_both_have_and_owes_again_alone(shop: House) -> None:
    for _ in range(2):
        await redeem(shop, "mug", "eve")
    await amend(shop, purchase("p-eve", "eve", "2017-03-01T10:00:00Z"))
    before = await all_of(shop)
    assert await balance(shop, "eve") == -200
    await merge(shop, key=None)
    assert await balance(shop) == 100
    assert await shop.rows("SELECT sum(debt)::int FROM wallet WHERE program_id = $1") == [(0,)]
    await all_is_well(shop)
    await unmerge(shop)
    assert await all_of(shop) == before
    await all_is_well(shop)
    # The other way about: Ann's points are Eve's, whose debt they pay.
    await merge(shop, "ann", "eve", key=None)
    assert await balance(shop, "eve") == 100
    await all_is_well(shop)
    for _ in range(10):
        await redeem(shop, "off", "ann")
    with pytest.raises(NotEnoughPoints):
        await redeem(shop, "off", "ann")


async def test_points_set_aside_stay_so_and_come_free_in_time(shop: House) -> None:
    where = (shop.database, shop.cache, shop.program)

    async def hold(member: str, points: int, seconds: int = 600) -> str:
        made = await holds.hold_points(
            *where, HoldPoints(member, points, "order", seconds=seconds), principal="shop", key=None
        )
        return str(made.hold.id)

    first, second = await hold("eve", 100), await hold("eve", 50, 60)
    before = await all_of(shop)
    await merge(shop, key=None)
    await all_is_well(shop)
    assert await balance(shop) == 450
    await unmerge(shop)
    assert await all_of(shop) == before
    await merge(shop, key=None)
    await shop.advance("2017-03-10T12:05:00Z")
    await unmerge(shop)
    await all_is_well(shop)
    assert await balance(shop, "eve") == 200
    with pytest.raises(HoldNotOpen):
        await holds.capture_hold(*where, CaptureHold(second), principal="shop", key=None)
    await merge(shop, key=None)
    await holds.capture_hold(*where, CaptureHold(first, 40), principal="shop", key=None)
    assert await balance(shop) == 560
    await all_is_well(shop)


async def test_the_latest_word_of_both_holds_and_each_has_her_own_again(shop: House) -> None:
    where = (shop.database, shop.cache, shop.program)

    async def said(member: str, purpose: str, *, given: bool, source: str = "form") -> None:
        command = SetConsent(member, purpose, given, source)
        await consents.set_consent(*where, command, told_by="member", principal="shop", key=None)

    async def holding(member: str) -> dict[str, tuple[bool, str]]:
        look = functools.partial(kept_consents.of_member, external_id=member, purpose=None, at_most=9)
        return {each.purpose: (each.given, each.source) for each in await shop.database.run(look, shop.program)}

    await said("eve", "news", given=True, source="paper")
    await said("ann", "mail", given=True)
    await shop.advance("2017-03-11T12:00:00Z")
    await said("ann", "news", given=False)
    await said("eve", "mail", given=False, source="phone")
    before = await all_of(shop)
    await merge(shop, key=None)
    assert await holding("ann") == await holding("eve") == {"news": (False, "form"), "mail": (False, "phone")}
    await unmerge(shop)
    assert await all_of(shop) == before
    await merge(shop, key=None)
    await shop.advance("2017-03-12T12:00:00Z")
    await said("eve", "news", given=True, source="desk")
    await said("ann", "mail", given=True, source="desk")
    assert await holding("ann") == await holding("eve") == {"news": (True, "desk"), "mail": (True, "desk")}
    await unmerge(shop)
    assert await holding("ann") == {"news": (False, "form"), "mail": (True, "desk")}
    assert await holding("eve") == {"news": (True, "desk"), "mail": (False, "phone")}


async def test_who_has_entries_in_a_draw_stays_by_herself(shop: House) -> None:
    await redeem(shop, "gift", "eve")
    with pytest.raises(MergeRefused) as refused:
        await merge(shop, key=None)
    assert refused.value.reason is Unmergeable.DRAW
