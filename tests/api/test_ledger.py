"""Points that are spent, refused, owed and paid, tiers, and own zones: as clients are told of them."""

from typing import Any

import pytest

from tests.api.conftest import APPLY, NOON, House, document, following
from tests.api.test_amendments import refused, reverse
from tests.api.test_members import ME, advance

SET = """mutation($input: SetMemberTimezoneInput!) { setMemberTimezone(input: $input) {
  __typename
  ... on SetMemberTimezoneSuccess { member timezone at changed replayed effects { __typename } }
  ... on UserError { code message field }
} }"""
LADDER = {
    "key": "year",
    "name": "Regulars",
    "measure": {"points": "points"},
    "window": {"days": 30},
    "tiers": [
        {"key": "bronze", "name": "Bronze"},
        {"key": "silver", "from": 100},
        {"key": "gold", "name": "Gold", "from": 300},
    ],
}


@pytest.fixture
async def shop(house: House) -> House:
    """A program with coupons, a reward at 50 gems, and tiers."""
    changes: dict[str, Any] = {
        "event_types": [{"key": "purchase", "properties": {"amount": "decimal"}}, {"key": "coupon"}],
        "spend_rules": [{"key": "twenty", "on": "coupon", "spend": {"points": 20, "currency": "points"}}],
        "tier_ladders": [LADDER],
        "challenges": [],
        "badges": [],
    }
    answer = await house.data(APPLY, {"input": {"document": document(house.program.key, **changes)}})
    assert answer["applyProgram"]["__typename"] == "ApplyProgramSuccess", answer
    await advance(house, NOON)
    return house


def coupon(identity: str, at: str = NOON) -> dict[str, object]:
    return {"id": identity, "member": "anna", "type": "coupon", "occurredAt": at}


async def told(house: House, event: dict[str, object]) -> list[dict[str, Any]]:
    (receipt,) = (await house.record(event))["receipts"]
    effects: list[dict[str, Any]] = receipt["effects"]
    return effects


async def points(house: House) -> dict[str, int]:
    me = (await house.data(ME, key=house.token("anna")))["me"]
    wallet = next(each for each in me["wallets"] if each["currency"] == "points")
    return {name: wallet[name] for name in ("earned", "reversed", "spent", "balance", "debt")}


async def test_spends_and_rejections_are_told_to_all(shop: House) -> None:
    await shop.bought("anna", "p1", 30)
    async with following(shop.service, shop.token("anna")) as updates:
        assert (await updates.update())["__typename"] == "Reset"
        spent = {
            "__typename": "PointsSpent",
            "currency": "points",
            "points": 20,
            "source": "twenty",
            "times": 1,
            "at": NOON,
        }
        assert await told(shop, coupon("q1")) == [spent]
        rejected = {
            "__typename": "SpendRejected",
            "currency": "points",
            "points": 20,
            "missing": 10,
            "source": "twenty",
            "at": NOON,
        }
        assert await told(shop, coupon("q2")) == [rejected]
        assert [(await updates.update())["effects"] for _ in range(2)] == [[spent], [rejected]]
    assert await told(shop, coupon("q2")) == [rejected]
    assert await points(shop) == {"earned": 30, "reversed": 0, "spent": 20, "balance": 10, "debt": 0}


async def test_what_was_spent_of_a_reversed_purchase_is_owed_and_paid(shop: House) -> None:
    await shop.bought("anna", "p1", 30)
    await shop.record(coupon("q1"))
    await reverse(shop, "p1")
    assert await points(shop) == {"earned": 30, "reversed": 30, "spent": 20, "balance": -20, "debt": 20}
    await shop.bought("anna", "p2", 50)
    assert await points(shop) == {"earned": 80, "reversed": 30, "spent": 20, "balance": 30, "debt": 0}


async def test_a_reversed_coupon_is_withdrawn_and_its_points_come_back(shop: House) -> None:
    await shop.bought("anna", "p1", 30)
    (spent,) = await told(shop, coupon("q1"))
    answer = await reverse(shop, "q1")
    assert answer["effects"] == [{"__typename": "OutcomeWithdrawn", "outcome": spent}]
    assert await points(shop) == {"earned": 30, "reversed": 0, "spent": 0, "balance": 30, "debt": 0}


async def test_a_screen_shows_the_tier_and_what_is_missing_to_the_next(shop: House) -> None:
    await shop.record(coupon("q0"))
    (lowest,) = (await shop.data(ME, key=shop.token("anna")))["me"]["tiers"]
    assert (lowest["tier"], lowest["tierName"], lowest["since"], lowest["fallsAt"]) == ("bronze", "Bronze", None, None)
    receipt = await shop.bought("anna", "p1", 120)
    change = {
        "__typename": "TierChanged",
        "ladder": "year",
        "from": "bronze",
        "to": "silver",
        "qualifying": 120,
        "at": NOON,
    }
    assert change in receipt["effects"]
    (tier,) = (await shop.data(ME, key=shop.token("anna")))["me"]["tiers"]
    assert tier == {
        "ladder": "year",
        "name": "Regulars",
        "tier": "silver",
        "tierName": "silver",
        "since": NOON,
        "qualifying": 120,
        "nextTier": "gold",
        "nextTierName": "Gold",
        "next": {"current": "120", "target": "300", "remaining": "180"},
        # Thirty days after the day of the purchase, at midnight in New York.
        "fallsAt": "2026-12-21T05:00:00Z",
    }
    await shop.bought("anna", "p2", 180)
    (highest,) = (await shop.data(ME, key=shop.token("anna")))["me"]["tiers"]
    assert (highest["tier"], highest["nextTier"], highest["nextTierName"], highest["next"]) == (
        "gold",
        None,
        None,
        None,
    )
    await advance(shop, "2026-12-21T05:00:00Z")
    (fallen,) = (await shop.data(ME, key=shop.token("anna")))["me"]["tiers"]
    assert (fallen["tier"], fallen["qualifying"], fallen["since"]) == ("bronze", 0, "2026-12-21T05:00:00Z")


async def test_a_reversal_takes_back_a_tier(shop: House) -> None:
    await shop.bought("anna", "p1", 120)
    answer = await reverse(shop, "p1")
    withdrawn = [
        each["outcome"]["__typename"] for each in answer["effects"] if each["__typename"] == "OutcomeWithdrawn"
    ]
    assert "TierChanged" in withdrawn
    (tier,) = (await shop.data(ME, key=shop.token("anna")))["me"]["tiers"]
    assert (tier["tier"], tier["since"], tier["qualifying"]) == ("bronze", None, 0)


async def zone(house: House, timezone: str, key: str, member: str = "anna") -> dict[str, Any]:
    given = {"input": {"member": member, "timezone": timezone, "idempotencyKey": key}}
    answer: dict[str, Any] = (await house.data(SET, given))["setMemberTimezone"]
    return answer


async def test_a_member_goes_by_her_own_zone(shop: House) -> None:
    await shop.bought("anna", "p1", 5)
    success = {"__typename": "SetMemberTimezoneSuccess", "member": "anna", "timezone": "Asia/Tokyo", "at": NOON}
    assert await zone(shop, "Asia/Tokyo", "k1") == {**success, "changed": True, "replayed": False, "effects": []}
    assert await zone(shop, "Asia/Tokyo", "k1") == {**success, "changed": True, "replayed": True, "effects": []}
    assert await zone(shop, "Asia/Tokyo", "k2") == {**success, "changed": False, "replayed": False, "effects": []}
    me = (await shop.data(ME, key=shop.token("anna")))["me"]
    assert me["timezone"] == "Asia/Tokyo"
    (streak,) = me["streaks"]
    assert (streak["timezone"], streak["periodEndsAt"]) == ("Asia/Tokyo", "2026-11-21T15:00:00Z")
    assert refused(await zone(shop, "Europe/Berlin", "k3")) == ("TooSoonError", "TOO_SOON", "timezone")
    assert refused(await zone(shop, "Europe/Berlin", "k1")) == (
        "IdempotencyKeyReusedError",
        "IDEMPOTENCY_KEY_REUSED",
        "idempotencyKey",
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"member": ""}, "member"),
        ({"member": "a\0"}, "member"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
        ({"idempotencyKey": "k" * 65}, "idempotencyKey"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_type(shop: House, given: dict[str, str], field: str) -> None:
    whole = {"member": "anna", "timezone": "Asia/Tokyo", "idempotencyKey": "k", **given}
    answer = (await shop.data(SET, {"input": whole}))["setMemberTimezone"]
    assert refused(answer) == ("InvalidInputError", "INVALID_INPUT", field)
