"""Granting a tier over GraphQL, and what a screen tells of it."""

from typing import Any

from tests.api.conftest import ADVANCE, APPLY, START, House, document
from tests.api.test_amendments import refused

GRANT = """mutation($input: GrantTierInput!) { grantTier(input: $input) {
  __typename
  ... on GrantTierSuccess { member ladder tier at until held replayed effects { ... on TierChanged { from to } } }
  ... on UserError { code message field }
} }"""
ME = "{ me { tiers { ladder tier since fallsAt nextTier } } }"
LADDER: dict[str, Any] = {
    "key": "club",
    "measure": {"points": "points"},
    "tiers": [{"key": "low"}, {"key": "high", "from": 100_000}],
}
UNTIL = "2026-11-03T05:00:00Z"


async def _granted(house: House, key: str, **more: Any) -> dict[str, Any]:
    given = {"member": "anna", "ladder": "club", "tier": "high", "days": 1, "idempotencyKey": key, **more}
    answer: dict[str, Any] = (await house.data(GRANT, {"input": given}))["grantTier"]
    return answer


async def test_a_tier_is_granted_shown_and_over(house: House) -> None:
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, tier_ladders=[LADDER])}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    success = {"__typename": "GrantTierSuccess", "member": "anna", "ladder": "club", "tier": "high", "at": START}
    granted = {**success, "until": UNTIL, "held": "high", "effects": [{"from": "low", "to": "high"}]}
    assert await _granted(house, "k1") == {**granted, "replayed": False}
    assert await _granted(house, "k1") == {**granted, "replayed": True}
    me = house.token("anna")
    standing = {"ladder": "club", "tier": "high", "since": START, "fallsAt": UNTIL, "nextTier": None}
    assert (await house.data(ME, key=me))["me"]["tiers"] == [standing]
    await house.data(ADVANCE, {"input": {"to": UNTIL, "idempotencyKey": "a"}})
    standing = {"ladder": "club", "tier": "low", "since": UNTIL, "fallsAt": None, "nextTier": "high"}
    assert (await house.data(ME, key=me))["me"]["tiers"] == [standing]
    assert refused(await _granted(house, "k2", tier="low")) == ("InvalidInputError", "INVALID_INPUT", "tier")
    assert refused(await _granted(house, "k3", ladder="none")) == ("NotFoundError", "NOT_FOUND", "ladder")


BUY = """mutation($input: BuyTierInput!) { buyTier(input: $input) {
  __typename
  ... on BuyTierSuccess { member ladder tier at until held replayed
    effects { __typename ... on TierChanged { from to } ... on PointsSpent { points source } } }
  ... on NotEnoughPointsError { currency points missing }
  ... on TierRefusedError { reason }
  ... on UserError { code message field }
} }"""
REVOKE = """mutation($input: RevokeTierInput!) { revokeTier(input: $input) {
  __typename
  ... on RevokeTierSuccess { member ladder tier at held replayed effects { ... on TierChanged { from to } } }
  ... on UserError { code message field }
} }"""
OFFERS = (
    "{ me { tiers { tier offers { tier name price { currency points } forDays until available reason missing } } } }"
)
FEE = {"points": 30, "currency": "points", "for_days": 1}
SHOP = {**LADDER, "tiers": [*LADDER["tiers"], {"key": "top", "from": 200_000, "name": "Top", "fee": FEE}]}


async def test_a_member_buys_a_tier_with_her_own_token(house: House) -> None:
    await house.data(APPLY, {"input": {"document": document(house.program.key, tier_ladders=[SHOP])}})
    me = house.token("anna")
    given = {"input": {"ladder": "club", "tier": "top", "idempotencyKey": "k"}}

    async def offer() -> dict[str, Any]:
        ((told,),) = [each["offers"] for each in (await house.data(OFFERS, key=me))["me"]["tiers"]]
        shown: dict[str, Any] = told
        return shown

    await house.bought("anna", "e1", 12, START)
    answer = (await house.data(BUY, given, key=me))["buyTier"]
    assert refused(answer) == ("NotEnoughPointsError", "NOT_ENOUGH_POINTS", None)
    assert (answer["currency"], answer["points"], answer["missing"]) == ("points", 30, 18)
    price = {"currency": "points", "points": 30}
    top = {"tier": "top", "name": "Top", "price": price, "forDays": 1, "until": UNTIL, "reason": None}
    assert await offer() == {**top, "available": False, "missing": 18}
    await house.bought("anna", "e2", 20, START)
    assert await offer() == {**top, "available": True, "missing": 0}
    bought = (await house.data(BUY, given, key=me))["buyTier"]
    assert bought == {
        "__typename": "BuyTierSuccess",
        "member": "anna",
        "ladder": "club",
        "tier": "top",
        "at": START,
        "until": UNTIL,
        "held": "top",
        "replayed": False,
        "effects": [
            {"__typename": "PointsSpent", "points": 30, "source": "club"},
            {"__typename": "TierChanged", "from": "low", "to": "top"},
        ],
    }
    assert (await house.data(BUY, given, key=me))["buyTier"] == {**bought, "replayed": True}
    high = {"input": {"ladder": "club", "tier": "high", "idempotencyKey": "h"}}
    answer = (await house.data(BUY, high, key=me))["buyTier"]
    assert (refused(answer), answer["reason"]) == (("TierRefusedError", "TIER_REFUSED", "tier"), "NOT_FOR_SALE")
    assert (await house.refusal(BUY, {"input": {**given["input"], "member": "bob"}}, key=me))["code"] == "FORBIDDEN"
    await _granted(house, "g", tier="top", days=None)
    assert await offer() == {**top, "until": None, "available": False, "reason": "HELD", "missing": 21}


async def test_a_grant_is_taken_back_by_the_program_alone(house: House) -> None:
    await house.data(APPLY, {"input": {"document": document(house.program.key, tier_ladders=[LADDER])}})
    given = {"input": {"member": "anna", "ladder": "club", "tier": "high", "idempotencyKey": "r"}}
    assert (await house.refusal(REVOKE, given, key=house.token("anna")))["code"] == "FORBIDDEN"
    assert refused((await house.data(REVOKE, given))["revokeTier"]) == ("NotFoundError", "NOT_FOUND", "tier")
    await _granted(house, "k1")
    revoked = (await house.data(REVOKE, given))["revokeTier"]
    success = {"__typename": "RevokeTierSuccess", "member": "anna", "ladder": "club", "tier": "high", "at": START}
    assert revoked == {**success, "held": "low", "replayed": False, "effects": [{"from": "high", "to": "low"}]}
    assert (await house.data(REVOKE, given))["revokeTier"] == {**revoked, "replayed": True}


async def test_members_grant_themselves_nothing(house: House) -> None:
    given = {"member": "anna", "ladder": "club", "tier": "high", "idempotencyKey": "k"}
    assert (await house.refusal(GRANT, {"input": given}, key=house.token("anna")))["code"] == "FORBIDDEN"
