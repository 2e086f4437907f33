"""The catalogue over HTTP: as it stands for whoever looks, in her words; and what she saves towards."""

import re
from typing import Any
from uuid import uuid4

import pytest
from ruamel.yaml import YAML

from tests.api.conftest import ADVANCE, APPLY, START, House, document
from tests.api.test_redemptions import redeem
from tests.test_repository import ROOT

SHELF: dict[str, Any] = {
    "tier_ladders": [
        {"key": "club", "measure": {"points": "points"}, "tiers": [{"key": "low"}, {"key": "high", "from": 200}]}
    ],
    "vouchers": [{"key": "cinema", "codes": "pool"}],
    "rewards": [
        {
            "key": "mug",
            "name": "A mug",
            "kind": "product",
            "category": "home",
            "image": "/mug.jpg",
            "texts": {"de": {"name": "Eine Tasse", "description": "Für Kaffee."}},
            "price": {"points": 100, "currency": "points"},
            "tier_prices": {"club/high": 60},
            "cost": {"amount": "3.20", "currency": "EUR"},
            "stock": 2,
            "limit": {"at_most": 1, "per": "month"},
        },
        {
            "key": "class",
            "kind": "experience",
            "sessions": [
                {"key": "s1", "starts": "2026-12-01T18:00:00Z", "ends": "2026-12-01T20:00:00Z", "capacity": 1},
            ],
        },
        {"key": "film", "kind": "voucher", "gives": [{"voucher": "cinema"}]},
        {"key": "vip", "kind": "product", "audience": "member.tiers['club'] == 'high'"},
        {"key": "later", "kind": "donation", "status": "paused"},
        {"key": "soon", "kind": "donation", "starts": "2027-01-01T00:00:00Z"},
        {"key": "gone", "kind": "donation", "ends": "2026-01-01T00:00:00Z"},
        {"key": "idea", "kind": "donation", "status": "draft"},
    ],
}
SEEN = """query($member: ID, $category: String, $kind: RewardKind, $locale: String, $first: Int = 50, $after: String) {
  rewards(member: $member, category: $category, kind: $kind, locale: $locale, first: $first, after: $after) {
    edges { node { key kind name description category image price { points currency } fullPrice { points } cost money left limitLeft
      sessions { key left blockedReason } canRedeem blockedReasons missing progress { current target fraction remaining } } }
    pageInfo { hasNextPage endCursor } } }"""
GOAL = """{ __typename ... on GoalSuccess { member reward changed } ... on UserError { code field } }"""
SET = f"mutation($input: SetGoalInput!) {{ setGoal(input: $input) {GOAL} }}"
CLEAR = f"mutation($input: ClearGoalInput!) {{ clearGoal(input: $input) {GOAL} }}"
ME = "{ me { goal { reward name price { points } progress { current target fraction remaining } } } }"


@pytest.fixture
async def shop(house: House) -> House:
    """A shop, in which ann has 50 points and zoe 300."""
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, **SHELF)}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    await house.bought("ann", "p1", "50.00", START)
    await house.bought("zoe", "p2", "300.00", START)
    return house


async def seen(house: House, *, key: str | None = None, **asked: object) -> dict[str, dict[str, Any]]:
    found = await house.data(SEEN, asked, key=key)
    return {each["node"]["key"]: each["node"] for each in found["rewards"]["edges"]}


async def test_everybody_sees_her_price_how_far_she_is_and_why_not(shop: House) -> None:
    hers = await seen(shop, key=shop.token("ann"))
    assert list(hers) == ["class", "film", "later", "mug", "soon", "vip"]
    mug = hers["mug"]
    assert mug["price"] == {"points": 100, "currency": "points"}
    assert mug["progress"] == {"current": "50", "target": "100", "fraction": 0.5, "remaining": "50"}
    assert (mug["canRedeem"], mug["blockedReasons"], mug["missing"]) == (False, ["NOT_ENOUGH_POINTS"], 50)
    assert (mug["left"], mug["limitLeft"], mug["cost"]) == (2, 1, None)
    reasons = {key: each["blockedReasons"] for key, each in hers.items() if key != "mug"}
    assert reasons == {
        "class": [],
        "film": ["OUT_OF_STOCK"],
        "later": ["PAUSED"],
        "soon": ["NOT_STARTED"],
        "vip": ["NOT_FOR_YOU"],
    }
    zoes = await seen(shop, member="zoe")
    assert (zoes["mug"]["price"]["points"], zoes["mug"]["fullPrice"]["points"]) == (60, 100)
    assert (zoes["mug"]["cost"], zoes["mug"]["money"]) == ("3.20", "EUR")
    assert [key for key, each in zoes.items() if each["canRedeem"]] == ["class", "mug", "vip"]
    nobody = await seen(shop)
    assert (nobody["mug"]["progress"], nobody["mug"]["missing"], nobody["vip"]["canRedeem"]) == (None, 0, True)


async def test_what_was_taken_is_seen_at_once(shop: House) -> None:
    assert (await redeem(shop, "mug", member="zoe"))["__typename"] == "RedemptionSuccess"
    assert (await redeem(shop, "class", member="zoe", session="s1"))["__typename"] == "RedemptionSuccess"
    zoes = await seen(shop, member="zoe")
    assert (zoes["mug"]["left"], zoes["mug"]["limitLeft"]) == (1, 0)
    assert zoes["mug"]["blockedReasons"] == ["LIMIT_REACHED"]
    assert zoes["class"]["sessions"] == [{"key": "s1", "left": 0, "blockedReason": "SESSION_FULL"}]
    assert zoes["class"]["blockedReasons"] == ["SESSION_FULL"]
    await shop.data(ADVANCE, {"input": {"to": "2026-12-01T18:00:00Z", "idempotencyKey": "a"}})
    assert (await seen(shop, member="zoe"))["class"]["blockedReasons"] == ["SESSION_OVER"]


async def test_the_catalogue_is_chosen_from_paged_and_in_her_words(shop: House) -> None:
    own = shop.token("ann")
    words = {
        locale: (await seen(shop, key=own, locale=locale))["mug"]["name"] for locale in ("de-AT", "fr", "", "x" * 999)
    }
    assert words == {"de-AT": "Eine Tasse", "fr": "A mug", "": "A mug", "x" * 999: "A mug"}
    assert list(await seen(shop, key=own, category="home")) == ["mug"]
    assert list(await seen(shop, key=own, kind="VOUCHER")) == ["film"]
    assert await seen(shop, key=own, category="\0") == {}
    keys: list[str] = []
    after = None
    while True:
        page = (await shop.data(SEEN, {"first": 4, "after": after}, key=own))["rewards"]
        keys += [each["node"]["key"] for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert keys == ["class", "film", "later", "mug", "soon", "vip"]
    assert (await shop.refusal(SEEN, {"member": "ann"}, key=shop.token("bob")))["code"] == "FORBIDDEN"
    assert (await shop.refusal(SEEN, {"member": "nobody"}))["code"] == "MEMBER_NOT_FOUND"
    assert (await shop.refusal(SEEN, {"after": "x"}))["code"] == "INVALID_CURSOR"


async def test_a_member_saves_towards_a_reward_and_sees_how_far_she_is(shop: House) -> None:
    own = shop.token("ann")

    async def ask(document: str, **given: object) -> dict[str, Any]:
        (answer,) = (await shop.data(document, {"input": {"idempotencyKey": str(uuid4()), **given}}, key=own)).values()
        found: dict[str, Any] = answer
        return found

    assert (await shop.data(ME, key=own))["me"]["goal"] is None
    assert await ask(SET, reward="mug") == {
        "__typename": "GoalSuccess",
        "member": "ann",
        "reward": "mug",
        "changed": True,
    }
    assert not (await ask(SET, reward="mug"))["changed"]
    progress = {"current": "50", "target": "100", "fraction": 0.5, "remaining": "50"}
    goal = {"reward": "mug", "name": "A mug", "price": {"points": 100}, "progress": progress}
    assert (await shop.data(ME, key=own))["me"]["goal"] == goal
    for wrong in ("none", "idea", "\0"):
        assert (await ask(SET, reward=wrong))["code"] == "NOT_FOUND"
    assert (await ask(CLEAR))["changed"]
    assert not (await ask(CLEAR))["changed"]
    assert (await shop.data(ME, key=own))["me"]["goal"] is None


async def test_what_the_page_shows_can_be_done(house: House) -> None:
    page = (ROOT / "docs/rewards.md").read_text()
    written = YAML(typ="safe").load(re.findall(r"```yaml\n(program.*?)```", page, re.DOTALL)[0])
    program = {**written, "program": document(house.program.key)["program"]}
    applied = await house.data(APPLY, {"input": {"document": program}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    await house.bought("ann", "p1", "150.00", START)
    look, redeemed = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    own = house.token("ann")
    shelf = (await house.data(look, key=own))["rewards"]["edges"]
    assert {each["node"]["name"] for each in shelf} >= {"Eine Tasse", "five"}
    done = (await house.data(redeemed, key=own))["redeemReward"]
    assert done["benefits"][0]["code"].startswith("BEAN-"), done
