"""Granting tiers: a fact in the order of what happened, until it ends."""

import asyncio
from typing import Any

import pytest

from achievements.controls import Share, seed_of
from achievements.fees import Unsold
from achievements.outcomes import TierChanged
from achievements.parts import REWARD_DAYS_MAX
from achievements.periods import rfc3339
from engagement.actions import tiers
from engagement.actions.programs import Sandbox
from engagement.actions.tiers import BuyTier, GrantTier, RevokeTier, TierGranted, TierRevoked
from engagement.errors import IdempotencyKeyReused, InvalidInput, NotEnoughPoints, NotFound, TierRefused
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, TIERS, document
from tests.actions.books import books_balance
from tests.actions.conftest import House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

EARN = {"key": "base", "on": "purchase", "earn": {"fixed": 120}}
LADDER = {"key": "club", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}
PAUSED = {**LADDER, "key": "paused", "status": "paused"}


@pytest.fixture
async def club(records: Database) -> House:
    """A sandbox with a ladder, and one that is paused."""
    house = House(records)
    await house.apply(document(earn_rules=[EARN], tier_ladders=[LADDER, PAUSED]), Sandbox(BEGIN))
    return house


async def grant(
    house: House, tier: str = "gold", days: int | None = 2, key: str | None = None, **more: Any
) -> TierGranted:
    command = GrantTier(**{"member": "ann", "ladder": "club", "tier": tier, "days": days, **more})
    return await tiers.grant_tier(house.database, house.cache, house.program, command, principal="shop", key=key)


async def changes(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT tier_from, tier_to, changed_at FROM tier_change WHERE program_id = $1 ORDER BY changed_at"
    )


async def test_a_granted_tier_is_held_until_it_ends(club: House) -> None:
    await club.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    granted = await grant(club, key="k")
    until = rfc3339("2017-03-04T05:00:00Z")
    assert (granted.until, granted.held, granted.replayed) == (until, "gold", False)
    assert [(each.tier_from, each.tier_to) for each in granted.effects if isinstance(each, TierChanged)] == [
        ("silver", "gold")
    ]
    assert (await grant(club, key="k")).replayed
    with pytest.raises(IdempotencyKeyReused):
        await grant(club, "silver", key="k")
    assert (await grant(club, "silver", days=None)).effects == ()
    await club.advance("2017-03-20T10:00:00Z")
    assert await changes(club) == [
        ("bronze", "silver", rfc3339("2017-03-01T10:00:00Z")),
        ("silver", "gold", rfc3339("2017-03-01T10:00:00Z")),
        ("gold", "silver", until),
    ]
    assert await discrepancies(club) == []


async def test_what_comes_late_is_earned_beneath_a_grant(club: House) -> None:
    await club.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    await grant(club)
    await club.send(purchase("p4", "ann", "2017-03-04T10:00:00Z"))
    await club.send(purchase("p0", "ann", "2017-02-28T10:00:00Z"))
    await club.advance("2017-03-20T10:00:00Z")
    # Silver by what came late, gold by the grant; after it gold once more, by three purchases within five days.
    assert [(was[0], now[0], f"{at:%m-%d %H}") for was, now, at in await changes(club)] == [
        ("b", "s", "02-28 10"),
        ("s", "g", "03-01 10"),
        ("g", "s", "03-04 05"),
        ("s", "g", "03-04 10"),
        ("g", "s", "03-05 05"),
        ("s", "b", "03-09 05"),
    ]
    assert await discrepancies(club) == []


async def test_what_cannot_be_granted_is_refused(club: House) -> None:
    for more, field in (
        ({"tier": "platinum"}, "tier"),
        ({"tier": "bronze"}, "tier"),
        ({"days": 0}, "days"),
        ({"days": REWARD_DAYS_MAX + 1}, "days"),
        ({"member": ""}, "member"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await grant(club, **more)
        assert refused.value.field == field
    for ladder in ("none", "paused"):
        with pytest.raises(NotFound):
            await grant(club, ladder=ladder)
    assert (await grant(club, "silver", None, member="zoe")).held == "silver"


SOLD = {
    **LADDER,
    "key": "shop",
    "tiers": [
        {"key": "bronze"},
        {"key": "silver", "from": 500, "fee": {"points": 50, "for_days": 2}},
        {"key": "gold", "from": 900},
    ],
}
HELD = {**SOLD, "key": "held", "control_group": 50}
ROME = {**SOLD, "key": "rome", "audience": "has(member.city) && member.city == 'rome'"}


@pytest.fixture
async def shop(records: Database) -> House:
    """A sandbox with a ladder whose silver costs 50 points for two days; ann has 120."""
    house = House(records)
    written = document(
        earn_rules=[EARN],
        tier_ladders=[SOLD, ROME, HELD, {**SOLD, "key": "paused", "status": "paused"}],
        attributes=[{"key": "city", "type": "string"}],
    )
    await house.apply(written, Sandbox(BEGIN))
    await house.send(purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    return house


async def buy(house: House, tier: str = "silver", key: str | None = None, **more: Any) -> TierGranted:
    command = BuyTier(**{"member": "ann", "ladder": "shop", "tier": tier, **more})
    return await tiers.buy_tier(house.database, house.cache, house.program, command, principal="ann", key=key)


async def revoke(house: House, tier: str = "silver", key: str | None = None, **more: Any) -> TierRevoked:
    command = RevokeTier(**{"member": "ann", "ladder": "shop", "tier": tier, **more})
    return await tiers.revoke_tier(house.database, house.cache, house.program, command, principal="shop", key=key)


PURSE = "SELECT balance::int, spent::int FROM wallet WHERE program_id = $1"


async def test_a_tier_is_bought_and_renewed_from_its_end(shop: House) -> None:
    bought = await buy(shop, key="k")
    assert (bought.until, bought.held, bought.replayed) == (rfc3339("2017-03-04T05:00:00Z"), "silver", False)
    assert [type(each).__name__ for each in bought.effects] == ["PointsSpent", "TierChanged"]
    assert (await buy(shop, key="k")).replayed
    assert await shop.rows(PURSE) == [(70, 50)]
    renewed = await buy(shop)
    assert renewed.until == rfc3339("2017-03-06T05:00:00Z")
    assert [type(each).__name__ for each in renewed.effects] == ["PointsSpent"]
    await shop.advance("2017-03-20T10:00:00Z")
    assert await changes(shop) == [
        ("bronze", "silver", rfc3339("2017-03-01T10:00:00Z")),
        ("silver", "bronze", renewed.until),
    ]
    assert await shop.rows(PURSE) == [(20, 100)]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_is_not_sold_takes_nothing(shop: House) -> None:
    for tier, reason in (("gold", Unsold.NOT_FOR_SALE), ("silver", Unsold.HELD)):
        if reason is Unsold.HELD:
            await grant(shop, "gold", None, ladder="shop")
        with pytest.raises(TierRefused) as refused:
            await buy(shop, tier)
        assert refused.value.reason is reason
    with pytest.raises(NotEnoughPoints) as missing:
        await buy(shop, member="zoe")
    assert (missing.value.points, missing.value.missing) == (50, 50)
    for more in ({"tier": "bronze"}, {"tier": "none"}, {"member": ""}):
        with pytest.raises(InvalidInput):
            await buy(shop, **more)
    share = Share("corner/tier_ladders/held", 50)
    out = next(name for name in map(str, range(100)) if share.has(seed_of(name)))
    for ladder, member in (("none", "ann"), ("paused", "ann"), ("rome", "ann"), ("held", out)):
        with pytest.raises(NotFound):
            await buy(shop, ladder=ladder, member=member)
    with pytest.raises(NotFound):
        await revoke(shop, ladder="held", member=out)
    assert await shop.rows(PURSE) == [(120, 0)]
    assert await discrepancies(shop) == []


async def test_of_two_fees_that_the_purse_allows_once_one_is_paid(shop: House) -> None:
    await buy(shop)
    done = await asyncio.gather(buy(shop), buy(shop), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["NotEnoughPoints", "TierGranted"]
    assert await shop.rows(PURSE) == [(20, 100)]


async def test_what_was_bought_stands_when_its_points_are_taken_back(shop: House) -> None:
    await buy(shop)
    await amend(shop, purchase("p1", "ann", "2017-03-01T10:00:00Z"))
    await shop.send(purchase("p0", "ann", "2017-02-28T10:00:00Z"))
    assert await changes(shop) == [("bronze", "silver", rfc3339("2017-03-01T10:00:00Z"))]
    assert await discrepancies(shop) == []
    await books_balance(shop)


async def test_what_was_granted_or_bought_is_taken_back_and_no_fee_returned(shop: House) -> None:
    with pytest.raises(NotFound):
        await revoke(shop)
    await buy(shop)
    await grant(shop, "silver", 30, ladder="shop")
    revoked = await revoke(shop, key="k")
    assert (revoked.held, revoked.replayed) == ("bronze", False)
    assert [(each.tier_from, each.tier_to) for each in revoked.effects if isinstance(each, TierChanged)] == [
        ("silver", "bronze")
    ]
    assert (await revoke(shop, key="k")).replayed
    with pytest.raises(NotFound):
        await revoke(shop)
    assert await shop.rows(PURSE) == [(70, 50)]
    # It can be bought anew, and what has ended is not there to be taken back.
    await buy(shop)
    await shop.advance("2017-03-20T10:00:00Z")
    for more in ({}, {"tier": "gold"}, {"ladder": "paused"}, {"ladder": "none"}):
        with pytest.raises(NotFound):
            await revoke(shop, **more)
    with pytest.raises(InvalidInput):
        await revoke(shop, "bronze")
    assert await discrepancies(shop) == []
