"""The shop on the demo's page in a real browser: a member takes what there is, once, and is told why where she cannot."""

import asyncio
import re
from typing import Any

import msgspec
from playwright.async_api import Locator, Page, Route, expect

from tests.api.conftest import House
from tests.web.cable import Cable
from tests.web.conftest import Visit

MINE = """{ me { wallets { currency balance } goal { reward } } benefits { edges { node { code } } }
  redemptions { edges { node { reward } } } }"""


def store(page: Page) -> Locator:
    return page.get_by_role("region", name=re.compile("Rewards|Prämien"))


def reward(page: Page, name: str) -> Locator:
    return store(page).locator("li[data-reward]", has=page.get_by_role("heading", name=name, exact=True))


async def mine(house: House, member: str) -> tuple[int, list[str], list[str]]:
    """What she has left, the rewards that she took, and her codes."""
    found = await house.data(MINE, key=house.token(member))
    (points,) = (each["balance"] for each in found["me"]["wallets"] if each["currency"] == "points")
    taken = [each["node"]["reward"] for each in found["redemptions"]["edges"]]
    return points, taken, [each["node"]["code"] for each in found["benefits"]["edges"]]


async def test_a_member_redeems_by_keyboard_and_saves_towards_more(shelf: House, visit: Visit) -> None:
    page = visit.page
    await page.goto(visit.url)
    await expect(store(page)).to_contain_text("The shop opens with the first visit")
    await shelf.bought("anna", "e1", 100)
    await expect(store(page)).to_contain_text("You have 100")
    await expect(store(page).get_by_role("heading", level=3)).to_have_text(["Every day", "More", "My rewards"])
    await expect(reward(page, "A coffee").locator("img")).to_have_js_property("naturalWidth", 320)
    await page.get_by_role("button", name="Redeem A coffee").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="A coffee")).to_contain_text("You keep70 points")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="It is yours")).to_be_focused()
    points, taken, (code,) = await mine(shelf, "anna")
    assert (points, taken) == (70, ["coffee"])
    await expect(page.get_by_role("dialog").locator("code")).to_have_text(code)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Redeem A coffee")).to_be_focused()
    await expect(store(page)).to_contain_text("You have 70")
    await expect(page.get_by_role("list", name="My rewards")).to_contain_text(code)
    await expect(reward(page, "The hamper")).to_contain_text("430 points to go")
    await page.get_by_role("button", name="Save for it: The hamper").click()
    await expect(store(page).get_by_role("heading", name="Saving for The hamper")).to_be_focused()
    await shelf.bought("anna", "e2", 400)
    # Also the 7 points of the challenge.
    await expect(reward(page, "The hamper")).to_contain_text("23 points to go")
    await page.get_by_role("button", name="Stop saving").click()
    await expect(page.get_by_role("button", name="Save for it: The hamper")).to_be_visible()
    await page.locator("#shop").evaluate("shop => shop.locale = 'de'")
    await expect(store(page)).to_contain_text("Du hast 477")
    await expect(page.get_by_role("button", name="Ein Kaffee einlösen")).to_be_visible()
    # The one picture that does not load is no more than that.
    assert [each for each in visit.complaints if "404" not in each] == []


async def test_who_comes_too_late_is_told_so_and_pays_nothing(shelf: House, visit: Visit) -> None:
    page = visit.page
    for member in ("anna", "bert"):
        await shelf.bought(member, "e1", 100)
    await page.goto(visit.url)
    await expect(reward(page, "The mug")).to_contain_text("Only 1 left")
    await page.get_by_role("button", name="Redeem The mug").click()
    taken = 'mutation { redeemReward(input: {reward: "mug", idempotencyKey: "k"}) { __typename } }'
    assert (await shelf.data(taken, key=shelf.token("bert")))["redeemReward"] == {"__typename": "RedemptionSuccess"}
    await page.get_by_role("button", name="Redeem for 40 points").click()
    await expect(page.get_by_role("alert")).to_have_text("All gone for now. No points were taken.")
    await page.get_by_role("button", name="Close").click()
    await expect(reward(page, "The mug")).to_contain_text("All gone for now")
    # The button that she pressed is gone.
    await expect(reward(page, "The mug").get_by_role("heading")).to_be_focused()
    assert await mine(shelf, "anna") == (100, [], [])
    await page.get_by_label("The shop, as seen by").select_option("bert")
    await expect(page.get_by_role("list", name="My rewards")).to_have_text(re.compile("The mug.*Yours", re.DOTALL))
    await expect(store(page)).to_contain_text("You have 60")


async def test_what_was_cut_off_half_way_is_taken_once(shelf: House, visit: Visit, cable: Cable) -> None:
    page = visit.page
    sent: list[Any] = []
    cut = asyncio.Event()

    async def through_and_no_answer(route: Route) -> None:
        posted = msgspec.json.decode(route.request.post_data_buffer or b"")
        sent.append(posted["variables"]["input"])
        if cut.is_set():
            await route.continue_()
            return
        cut.set()
        await route.fetch()
        await cable.cut()
        await route.abort()

    await shelf.bought("anna", "e1", 100)
    await page.goto(visit.url)
    await page.route("**/graphql", through_and_no_answer)
    await page.get_by_role("button", name="Redeem A coffee").click()
    await page.get_by_role("button", name="Redeem for 30 points").click()
    await expect(page.get_by_role("alert")).to_contain_text("you never pay twice")
    assert (await mine(shelf, "anna"))[:2] == (70, ["coffee"])
    # Also who looks elsewhere first is still asked about this one.
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Redeem A coffee").click()
    await expect(page.get_by_role("alert")).to_contain_text("you never pay twice")
    await cable.join()
    await page.get_by_role("button", name="Try again").click()
    points, taken, (code,) = await mine(shelf, "anna")
    await expect(page.get_by_role("dialog").locator("code")).to_have_text(code)
    assert (points, taken) == (70, ["coffee"])
    assert len(sent) >= 4
    assert len({each["idempotencyKey"] for each in sent}) == 1
