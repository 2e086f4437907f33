"""Codes and entitlements over HTTP: read by whoever has them, and looked at, burned and brought in by a shop alone."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import APPLY, NOON, House, document
from tests.api.test_redemptions import redeem

SHELF: dict[str, Any] = {
    "vouchers": [{"key": "cinema", "codes": "pool"}],
    "entitlements": [{"key": "lounge", "days": 3}],
    "rewards": [
        {"key": "film", "kind": "voucher", "gives": [{"voucher": "cinema"}]},
        {"key": "pass", "kind": "product", "gives": [{"entitlement": "lounge"}]},
    ],
}
IMPORT = """mutation($input: ImportCodesInput!) { importCodes(input: $input) { __typename
  ... on ImportCodesSuccess { imported duplicates replayed } ... on UserError { code message field } } }"""
USED = """__typename ... on BenefitUsedSuccess { member benefit { key state code } replayed effects { __typename } }
  ... on BenefitRefusedError { benefitState } ... on UserError { code message field }"""
USE = f"mutation($input: UseCodeInput!) {{ useCode(input: $input) {{ {USED} }} }}"
USED_UP = USED.replace("... on BenefitRefusedError { benefitState }", "")
USE_UP = f"mutation($input: UseEntitlementInput!) {{ useEntitlement(input: $input) {{ {USED_UP} }} }}"
VALID = "query($code: String!) { validateCode(code: $code) { valid member benefit { key state } } }"
ENTITLED = """query($member: ID, $entitlement: String = "lounge") {
  hasEntitlement(member: $member, entitlement: $entitlement) { entitled count until } }"""
BENEFITS = """query($member: ID, $after: String) { benefits(member: $member, first: 1, after: $after) {
  edges { node { sort key code state source } } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
async def shop(house: House) -> House:
    """A shop with two codes."""
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, **SHELF)}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    await house.bought("ann", "p1", "50.00", NOON)
    done = await ask(house, IMPORT, voucher="cinema", codes=["ONE", "TWO", "ONE"])
    assert (done["imported"], done["duplicates"]) == (2, ["ONE"])
    return house


async def ask(house: House, document: str, **given: object) -> dict[str, Any]:
    (answer,) = (await house.data(document, {"input": {"idempotencyKey": str(uuid4()), **given}})).values()
    found: dict[str, Any] = answer
    return found


async def test_a_shop_looks_at_a_code_and_burns_it_once(shop: House) -> None:
    code = (await redeem(shop, "film"))["benefits"][0]["code"]
    assert code == "ONE"
    found = (await shop.data(VALID, {"code": code}))["validateCode"]
    assert found == {"valid": True, "member": "ann", "benefit": {"key": "cinema", "state": "ISSUED"}}
    used = await ask(shop, USE, code=code, idempotencyKey="u")
    assert (used["member"], used["benefit"]["state"], used["effects"]) == (
        "ann",
        "USED",
        [{"__typename": "BenefitChanged"}],
    )
    assert (await ask(shop, USE, code=code, idempotencyKey="u"))["replayed"]
    refused = await ask(shop, USE, code=code)
    assert (refused["__typename"], refused["benefitState"]) == ("BenefitRefusedError", "USED")
    for wrong in ("TWO", "", "\0", "x" * 3_000):
        assert (await ask(shop, USE, code=wrong))["code"] == "NOT_FOUND"
        assert not (await shop.data(VALID, {"code": wrong}))["validateCode"]["valid"]


async def test_an_entitlement_is_shown_to_whoever_asks_and_used_up_by_a_shop(shop: House) -> None:
    await redeem(shop, "pass")
    own = shop.token("ann")
    held = (await shop.data(ENTITLED, key=own))["hasEntitlement"]
    assert (held["entitled"], held["count"]) == (True, 1)
    assert (await ask(shop, USE_UP, member="ann", entitlement="lounge"))["benefit"]["state"] == "USED"
    assert not (await shop.data(ENTITLED, {"member": "ann"}))["hasEntitlement"]["entitled"]
    assert not (await shop.data(ENTITLED, {"member": "ann", "entitlement": "\0"}))["hasEntitlement"]["entitled"]
    for wrong in ({"member": "ann", "entitlement": "lounge"}, {"member": "nobody", "entitlement": "lounge"}):
        assert (await ask(shop, USE_UP, **wrong))["__typename"] == "NotFoundError"


async def test_a_member_reads_her_own_and_burns_nothing(shop: House) -> None:
    await redeem(shop, "film")
    await redeem(shop, "pass")
    own = shop.token("ann")
    first = (await shop.data(BENEFITS, key=own))["benefits"]
    assert [each["node"]["key"] for each in first["edges"]] == ["lounge"]
    rest = (await shop.data(BENEFITS, {"after": first["pageInfo"]["endCursor"]}, key=own))["benefits"]
    (node,) = [each["node"] for each in rest["edges"]]
    assert node == {"sort": "VOUCHER", "key": "cinema", "code": "ONE", "state": "ISSUED", "source": "film"}
    other = shop.token("bob")
    assert (await shop.refusal(BENEFITS, {"member": "ann"}, key=other))["code"] == "FORBIDDEN"
    for asked, given in (
        (USE, {"code": "ONE"}),
        (USE_UP, {"member": "ann", "entitlement": "lounge"}),
        (IMPORT, {"voucher": "cinema", "codes": ["X"]}),
    ):
        refusal = await shop.refusal(asked, {"input": {"idempotencyKey": "k", **given}}, key=own)
        assert refusal["code"] == "FORBIDDEN"
    assert (await shop.refusal(VALID, {"code": "ONE"}, key=own))["code"] == "FORBIDDEN"
