"""Codes and entitlements at the counter: looked at, burned once, and brought in."""

import asyncio
from functools import partial

import msgspec
import pytest

from engagement.actions import benefits, erasing, exporting_members
from engagement.actions.benefits import BenefitUsed, CodeStanding
from engagement.actions.screens import MemberNotFound
from engagement.errors import BenefitRefused, InvalidInput, MemberErased, NotFound, RewardRefused
from engagement.records.unit import Database
from tests.actions.conftest import House
from tests.actions.shop import (
    all_is_well,
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
)


@pytest.fixture
async def shop(records: Database) -> House:
    return await open_shop(records)


async def validated(house: House, code: str) -> CodeStanding | None:
    return await house.database.run(
        lambda unit: benefits.validate_code(unit, house.cache, code), house.program, read_only=True
    )


async def test_a_code_is_good_once_and_looking_at_it_burns_nothing(shop: House) -> None:
    code = str((await redeem(shop, "off")).benefits[0].code)
    for _ in range(2):
        found = await validated(shop, code)
        assert found is not None
        assert (found.member, found.usable, found.benefit.key) == ("ann", True, "ten")
    first = await use(shop, code, "k")
    assert (first.member, first.benefit.state, first.benefit.used_by) == ("ann", "used", "key")
    assert (await use(shop, code, "k")).replayed
    with pytest.raises(BenefitRefused) as refused:
        await use(shop, code)
    assert refused.value.state == "used"
    found = await validated(shop, code)
    assert found is not None
    assert not found.usable
    await all_is_well(shop)


async def test_a_code_that_many_burn_at_once_is_burned_once(shop: House) -> None:
    code = (await redeem(shop, "off")).benefits[0].code
    asking = [insist(partial(use, shop, code, f"k{n}")) for n in range(6)]
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert names(done) == {"BenefitUsed": 1, "BenefitRefused": 5}
    await all_is_well(shop)


async def test_after_its_end_a_code_is_worth_nothing(shop: House) -> None:
    code = str((await redeem(shop, "off")).benefits[0].code)
    await shop.advance("2017-04-10T00:00:00Z")
    with pytest.raises(BenefitRefused) as refused:
        await use(shop, code)
    assert refused.value.state == "expired"


async def test_what_is_no_code_is_not_found(shop: House) -> None:
    await bring(shop, "FREE")
    for code in ("", "FREE", "nope", "a\0b", "x" * 5_000, " "):
        assert await validated(shop, code) is None
        with pytest.raises(NotFound):
            await use(shop, code)


async def test_entitlements_are_had_for_their_days_and_used_up_one_by_one(shop: House) -> None:
    await redeem(shop, "gift")
    await redeem(shop, "gift")
    assert (await use_up(shop, "lounge")).benefit.state == "used"
    await use_up(shop, "lounge")
    with pytest.raises(NotFound):
        await use_up(shop, "lounge")
    with pytest.raises(MemberNotFound):
        await use_up(shop, "lounge", "nobody")
    await redeem(shop, "gift")

    async def held() -> int:
        found = await shop.database.run(
            lambda unit: benefits.entitled(unit, shop.cache, "ann", "lounge"), shop.program, read_only=True
        )
        return len(found)

    assert await held() == 1
    await shop.advance("2017-03-14T00:00:00Z")
    assert await held() == 0
    await all_is_well(shop)


async def test_codes_are_brought_in_once(shop: House) -> None:
    done = await bring(shop, "A", "B", "A")
    assert (done.imported, done.duplicates) == (2, ("A",))
    again = await bring(shop, "B", "C")
    assert (again.imported, again.duplicates) == (1, ("B",))
    for wrong in (("",), (" A",), ("a\0",), ("x" * 201,), ()):
        with pytest.raises(InvalidInput):
            await bring(shop, *wrong)
    with pytest.raises(InvalidInput):
        await bring(shop, "D", voucher="ten")
    with pytest.raises(NotFound):
        await bring(shop, "D", voucher="none")
    assert (await bring(shop, *(f"N{n}" for n in range(1_000)))).imported == 1_000
    with pytest.raises(InvalidInput):
        await bring(shop, *(f"M{n}" for n in range(1_001)))


async def test_early_access_begins_and_ends_with_its_window(records: Database) -> None:
    window = {"from": "2017-03-20T08:00:00Z", "until": "2017-03-27T08:00:00Z"}
    first = {"key": "first", "kind": "early_access", "gives": [{"entitlement": "lounge"}], "window": window}
    house = await open_shop(records, rewards=[first])
    await redeem(house, "first")
    with pytest.raises(NotFound):
        await use_up(house, "lounge")
    await house.advance("2017-03-20T08:00:00Z")
    await use_up(house, "lounge")
    await redeem(house, "first")
    await house.advance("2017-03-27T08:00:00Z")
    with pytest.raises(NotFound):
        await use_up(house, "lounge")
    with pytest.raises(RewardRefused) as refused:
        await redeem(house, "first")
    assert refused.value.reason.name == "ENDED"
    await all_is_well(house)


async def test_of_an_erased_member_nothing_is_told_and_whoever_has_a_code_can_use_it(shop: House) -> None:
    done = await redeem(shop, "off")
    held = await reserve(shop, "mug")
    erased = await erasing.erase(shop.database, shop.cache, shop.program, "ann")
    code = str(done.benefits[0].code)
    standing = await validated(shop, code)
    assert standing is not None
    assert (standing.member, standing.usable) == (erased.member, True)
    burned = await asyncio.gather(*(insist(partial(use, shop, code)) for _ in range(2)), return_exceptions=True)
    assert names(burned) == {"BenefitUsed": 1, "BenefitRefused": 1}
    (used,) = (each for each in burned if isinstance(each, BenefitUsed))
    assert (used.member, used.benefit.state, used.effects) == (erased.member, "used", ())
    with pytest.raises(MemberErased):
        await redeem(shop, "off")
    with pytest.raises(MemberErased):
        await refund(shop, done)
    with pytest.raises(MemberErased):
        await capture(shop, held)


async def test_what_is_kept_on_a_member_tells_her_codes(shop: House) -> None:
    code = (await redeem(shop, "off")).benefits[0].code
    await redeem(shop, "gift")
    rows = [each async for each in exporting_members.everything(shop.database, shop.program, "ann")]
    told = [msgspec.json.decode(each.row) for each in rows if each.place.table == "benefit"]
    assert {(each["key"], each["code"]) for each in told} == {("ten", code), ("lounge", None), ("bike", None)}
