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
LADDER = {"key": "club", "measure": {"points": "points"}, "tiers": [{"key": "low"}, {"key": "high", "from": 100_000}]}
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


async def test_members_grant_themselves_nothing(house: House) -> None:
    given = {"member": "anna", "ladder": "club", "tier": "high", "idempotencyKey": "k"}
    assert (await house.refusal(GRANT, {"input": given}, key=house.token("anna")))["code"] == "FORBIDDEN"
