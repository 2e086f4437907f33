"""Redeeming rewards over HTTP: once for each key, for oneself with a member's token, and refused in a word."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import APPLY, NOON, House, document, following
from tests.api.test_amendments import refused

TAKEN = """__typename
  ... on RedemptionSuccess {
    redemption { id member reward session state currency points paid cost money at reservedUntil usableUntil endedAt }
    benefits { id sort key count code source redemption state until }
    replayed
    effects { __typename ... on RedemptionChanged { redemption reward redemptionState } ... on BenefitChanged { key benefitState source } }
  }
  ... on RewardRefusedError { reason }
  ... on NotEnoughPointsError { currency missing }
  ... on UserError { code message field }"""
REDEEM = f"mutation($input: RedeemRewardInput!) {{ redeemReward(input: $input) {{ {TAKEN} }} }}"
REDEMPTIONS = """query($member: ID, $after: String, $first: Int = 2, $reward: String) {
  redemptions(member: $member, after: $after, first: $first, reward: $reward) {
    edges { node { reward state points cost } cursor } pageInfo { hasNextPage endCursor } } }"""
SHELF: dict[str, Any] = {
    "vouchers": [{"key": "ten", "name": "Ten off", "prefix": "TEN-"}],
    "rewards": [
        {
            "key": "off",
            "name": "A discount",
            "kind": "discount",
            "price": {"points": 10, "currency": "points"},
            "gives": [{"voucher": "ten"}],
            "cost": {"amount": "1.50", "currency": "USD"},
        },
        {"key": "mug", "kind": "product", "price": {"points": 100, "currency": "points"}, "stock": 1},
        {"key": "later", "kind": "donation", "status": "paused"},
        {"key": "pin", "kind": "product", "reservable": True, "stock": 9},
    ],
}


@pytest.fixture
async def shop(house: House) -> House:
    """A shop, in which ann has 50 points."""
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, **SHELF)}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    await house.bought("ann", "p1", "50.00", NOON)
    return house


async def redeem(house: House, reward: str, *, key: str | None = None, **more: object) -> dict[str, Any]:
    """What redeeming answers; for ann, where no other is named and no token used."""
    who = {} if key else {"member": "ann"}
    given = {**who, "reward": reward, "idempotencyKey": str(uuid4()), **more}
    answer: dict[str, Any] = (await house.data(REDEEM, {"input": given}, key=key))["redeemReward"]
    return answer


async def test_what_a_member_has_is_told_by_its_name(shop: House) -> None:
    own = shop.token("ann")
    asks = (
        'mutation { redeemReward(input: {reward: "off", idempotencyKey: "k"}) { ... on RedemptionSuccess {'
        " redemption { name } benefits { name code } } } }"
    )
    done = (await shop.data(asks, key=own))["redeemReward"]
    assert (done["redemption"]["name"], done["benefits"][0]["name"]) == ("A discount", "Ten off")
    # Also once the shelf has neither any more: by their keys, then.
    standing = "query($code: String!) { validateCode(code: $code) { benefit { name } } }"
    has = "{ benefits { edges { node { name } } } redemptions { edges { node { name } } } }"
    code = {"code": done["benefits"][0]["code"]}
    for voucher, reward in (("Ten off", "A discount"), ("ten", "off")):
        found = await shop.data(has, key=own)
        assert found["benefits"]["edges"] == [{"node": {"name": voucher}}]
        assert found["redemptions"]["edges"] == [{"node": {"name": reward}}]
        assert (await shop.data(standing, code))["validateCode"]["benefit"]["name"] == voucher
        given = {"document": document(shop.program.key)}
        await shop.data(APPLY, {"input": given})
    use = 'mutation($code: String!) { useCode(input: {code: $code, idempotencyKey: "u"}) { ... on BenefitUsedSuccess { benefit { name } } } }'
    assert (await shop.data(use, code))["useCode"]["benefit"]["name"] == "ten"


async def test_a_member_redeems_for_herself_and_a_shop_for_her(shop: House) -> None:
    done = await redeem(shop, "off", key=shop.token("ann"), idempotencyKey="k")
    assert done["__typename"] == "RedemptionSuccess", done
    taken = done["redemption"]
    assert (taken["member"], taken["state"], taken["points"], taken["paid"], taken["cost"]) == (
        "ann",
        "FULFILLED",
        10,
        10,
        None,
    )
    (voucher,) = done["benefits"]
    assert (voucher["sort"], voucher["key"], voucher["state"], voucher["source"]) == ("VOUCHER", "ten", "ISSUED", "off")
    assert voucher["code"].startswith("TEN-")
    assert [each["__typename"] for each in done["effects"]] == ["RedemptionChanged", "BenefitChanged", "PointsSpent"]
    again = await redeem(shop, "off", key=shop.token("ann"), idempotencyKey="k")
    assert again == {**done, "replayed": True}
    by_shop = await redeem(shop, "off")
    assert (by_shop["redemption"]["cost"], by_shop["redemption"]["money"]) == ("1.50", "USD")
    assert by_shop["benefits"][0]["code"] != voucher["code"]


async def test_refusals_say_why_in_a_word(shop: House) -> None:
    assert (await redeem(shop, "later"))["reason"] == "PAUSED"
    missing = await redeem(shop, "mug")
    assert (missing["__typename"], missing["currency"], missing["missing"]) == ("NotEnoughPointsError", "points", 50)
    assert refused(await redeem(shop, "none")) == ("NotFoundError", "NOT_FOUND", "reward")
    assert refused(await redeem(shop, "off", member="\0")) == ("InvalidInputError", "INVALID_INPUT", "member")
    assert refused(await redeem(shop, "off", session="s")) == ("InvalidInputError", "INVALID_INPUT", "session")
    assert (await redeem(shop, "off", idempotencyKey="k"))["__typename"] == "RedemptionSuccess"
    reused = refused(await redeem(shop, "mug", idempotencyKey="k"))
    assert reused == ("IdempotencyKeyReusedError", "IDEMPOTENCY_KEY_REUSED", "idempotencyKey")
    other = await shop.refusal(
        REDEEM, {"input": {"member": "bob", "reward": "off", "idempotencyKey": "o"}}, key=shop.token("ann")
    )
    assert other["code"] == "FORBIDDEN"


async def test_redemptions_are_read_newest_first_and_page_by_page(shop: House) -> None:
    for _ in range(3):
        await redeem(shop, "off")
    first = (await shop.data(REDEMPTIONS, {"member": "ann"}))["redemptions"]
    assert [each["node"]["cost"] for each in first["edges"]] == ["1.50", "1.50"]
    assert first["pageInfo"]["hasNextPage"]
    rest = (await shop.data(REDEMPTIONS, {"after": first["pageInfo"]["endCursor"]}, key=shop.token("ann")))[
        "redemptions"
    ]
    assert [each["node"] for each in rest["edges"]] == [
        {"reward": "off", "state": "FULFILLED", "points": 10, "cost": None}
    ]
    none = (await shop.data(REDEMPTIONS, {"member": "ann", "reward": "m\0g"}))["redemptions"]
    assert none["edges"] == []
    assert (await shop.refusal(REDEMPTIONS, {"member": "ann", "after": "x"}))["code"] == "INVALID_CURSOR"


RESERVE = f"mutation($input: ReserveRewardInput!) {{ reserveReward(input: $input) {{ {TAKEN} }} }}"
ENDED = """__typename
  ... on RedemptionSuccess { redemption { state paid points } benefits { state } replayed }
  ... on RedemptionRefusedError { redemptionState used }
  ... on UserError { code message field }"""
CAPTURE = f"mutation($input: CaptureRedemptionInput!) {{ captureRedemption(input: $input) {{ {ENDED} }} }}"
VOID = f"mutation($input: VoidRedemptionInput!) {{ voidRedemption(input: $input) {{ {ENDED} }} }}"
REFUND = f"mutation($input: RefundRedemptionInput!) {{ refundRedemption(input: $input) {{ {ENDED} }} }}"


async def end(house: House, document: str, redemption: object, **more: object) -> dict[str, Any]:
    given = {"redemption": redemption, "idempotencyKey": str(uuid4()), **more}
    (answer,) = (await house.data(document, {"input": given})).values()
    found: dict[str, Any] = answer
    return found


async def reserved(house: House) -> str:
    given = {"member": "ann", "reward": "off", "seconds": 60, "idempotencyKey": str(uuid4())}
    done = (await house.data(RESERVE, {"input": given}))["reserveReward"]
    assert (done["redemption"]["state"], done["benefits"]) == ("RESERVED", [])
    return str(done["redemption"]["id"])


async def test_what_is_reserved_is_captured_or_voided_and_taken_back(shop: House) -> None:
    first = await reserved(shop)
    done = await end(shop, CAPTURE, first, points=4, idempotencyKey="c")
    assert (done["redemption"], done["benefits"]) == (
        {"state": "FULFILLED", "paid": 4, "points": 10},
        [{"state": "ISSUED"}],
    )
    assert (await end(shop, CAPTURE, first, points=4, idempotencyKey="c"))["replayed"]
    refused = await end(shop, VOID, first)
    assert (refused["__typename"], refused["redemptionState"]) == ("RedemptionRefusedError", "FULFILLED")
    back = await end(shop, REFUND, first)
    assert (back["redemption"]["state"], back["benefits"]) == ("REFUNDED", [{"state": "VOIDED"}])
    assert (await end(shop, VOID, await reserved(shop)))["redemption"]["state"] == "VOIDED"
    for redemption in ("none", str(uuid4()), "\0"):
        for asked in (CAPTURE, VOID, REFUND):
            assert (await end(shop, asked, redemption))["code"] == "NOT_FOUND"
    assert (await end(shop, CAPTURE, await reserved(shop), points=11))["code"] == "INVALID_INPUT"


async def test_a_members_token_takes_rewards_and_no_more(shop: House) -> None:
    own = shop.token("ann")
    given = {"redemption": await reserved(shop), "idempotencyKey": "k"}
    for asked in (CAPTURE, VOID, REFUND):
        assert (await shop.refusal(asked, {"input": given}, key=own))["code"] == "FORBIDDEN"
    reserving = {"reward": "off", "idempotencyKey": "r"}
    assert (await shop.refusal(RESERVE, {"input": reserving}, key=own))["code"] == "FORBIDDEN"


async def test_a_member_reserves_for_herself_what_members_can_and_gives_it_up(shop: House) -> None:
    own, other = shop.token("ann"), shop.token("bob")
    shelf = (await shop.data("{ rewards { edges { node { key reservable } } } }", key=own))["rewards"]["edges"]
    assert [each["node"]["key"] for each in shelf if each["node"]["reservable"]] == ["pin"]

    async def reserve(**more: object) -> dict[str, Any]:
        given = {"reward": "pin", "idempotencyKey": str(uuid4()), **more}
        answer: dict[str, Any] = (await shop.data(RESERVE, {"input": given}, key=own))["reserveReward"]
        return answer

    held = [(await reserve())["redemption"] for _ in range(3)]
    assert [(each["member"], each["state"]) for each in held] == [("ann", "RESERVED")] * 3
    # A few at a time and not for long, by herself; a server keeps to the limits of servers.
    assert refused(await reserve()) == ("InvalidInputError", "INVALID_INPUT", "member")
    assert refused(await reserve(seconds=901)) == ("InvalidInputError", "INVALID_INPUT", "seconds")
    given = {"member": "ann", "reward": "pin", "seconds": 901, "idempotencyKey": "s"}
    assert (await shop.data(RESERVE, {"input": given}))["reserveReward"]["redemption"]["state"] == "RESERVED"
    # Hers alone, and a server captures it.
    voiding = {"redemption": held[0]["id"], "idempotencyKey": "v"}
    theirs = (await shop.data(VOID, {"input": voiding}, key=other))["voidRedemption"]
    assert refused(theirs) == ("NotFoundError", "NOT_FOUND", "redemption")
    assert (await shop.refusal(CAPTURE, {"input": voiding}, key=own))["code"] == "FORBIDDEN"
    hers = (await shop.data(VOID, {"input": voiding}, key=own))["voidRedemption"]
    assert hers["redemption"]["state"] == "VOIDED"
    assert (await end(shop, CAPTURE, held[1]["id"]))["redemption"]["state"] == "FULFILLED"


async def test_who_follows_a_member_hears_what_became_of_it(shop: House) -> None:
    async with following(shop.service, shop.token("ann")) as updates:
        assert (await updates.update())["__typename"] == "Reset"
        await redeem(shop, "off")
        item = await updates.update(2)
        assert item["__typename"] == "ActivityItem"
        assert [each["__typename"] for each in item["effects"]] == [
            "RedemptionChanged",
            "BenefitChanged",
            "PointsSpent",
        ]
