"""The demo's page and GraphiQL in a real browser: what moves, what comes back, and what they keep to."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import build_schema, parse, validate
from playwright.async_api import Locator, Page, WebSocket, expect

from tests.api.conftest import House
from tests.web.cable import Cable
from tests.web.conftest import DESKTOP, PHONE, ROOT, Visit

expect.set_options(timeout=15_000)


def card(page: Page, member: str) -> Locator:
    return page.get_by_role("region", name=member, exact=True)


def points(page: Page, member: str) -> Locator:
    return card(page, member).locator(".balance", has_text="points")


def board(page: Page) -> Locator:
    return page.get_by_role("region", name="Leaderboard of the year")


async def places(page: Page, *expected: str) -> None:
    await expect(board(page).get_by_role("listitem")).to_have_text([re.compile(each, re.DOTALL) for each in expected])


async def test_page_moves_when_an_event_arrives(shop: House, visit: Visit) -> None:
    page = visit.page
    await page.goto(visit.url)
    await expect(card(page, "anna")).to_contain_text("Nothing recorded yet")
    await expect(board(page)).to_contain_text("Nobody has scored yet")
    await shop.bought("anna", "e1", 50)
    await expect(points(page, "anna")).to_contain_text("50 points")
    await expect(card(page, "anna").locator(".status")).to_have_text("Live")
    await places(page, "1.*anna.*50")
    await shop.bought("bert", "e1", 80)
    await places(page, "1.*bert.*80", "2.*anna.*50")
    # The second purchase of a month completes a challenge, for 7 points; the board counts what is earned without rewards.
    await shop.bought("anna", "e2", 1_000)
    await expect(card(page, "anna").locator(".news")).to_contain_text("Challenge completed: Two this month")
    await expect(points(page, "anna")).to_contain_text("1,057")
    await places(page, "1.*anna.*1,050", "2.*bert.*80")
    await expect(page.locator("#members")).to_have_text("2")
    await expect(page.locator("#now")).to_have_text("Nov 21, 2026")
    assert visit.complaints == []


async def test_page_catches_up_after_its_connection_was_cut(shop: House, visit: Visit, cable: Cable) -> None:
    page = visit.page
    cursors: list[Any] = []
    page.on("websocket", lambda socket: _note_cursors(socket, cursors))
    await shop.bought("anna", "e1", 50)
    await shop.bought("bert", "e1", 55)
    await page.goto(visit.url)
    await places(page, "1.*bert.*55", "2.*anna.*50")
    await expect(points(page, "anna")).to_contain_text("50 points")
    await expect(points(page, "bert")).to_contain_text("55 points")
    seen = (await shop.data('{ member(externalId: "anna") { cursor } }'))["member"]["cursor"]
    await cable.cut()
    await expect(card(page, "anna").locator(".status")).to_have_text("Reconnecting")
    await expect(board(page).locator(".status")).to_have_text("Reconnecting")
    # What was known stays to be seen.
    await expect(points(page, "anna")).to_contain_text("50 points")
    await shop.bought("anna", "e2", 10)
    cursors.clear()
    await cable.join()
    # What happened meanwhile is told for a few seconds; what came of it stays.
    await expect(card(page, "anna").locator(".news")).to_contain_text("Challenge completed")
    await expect(points(page, "anna")).to_contain_text("67 points")
    await places(page, "1.*anna.*60", "2.*bert.*55")
    # Also bert's, who missed nothing.
    await expect(page.locator(".status", has_text="Live")).to_have_count(4)
    assert seen in cursors


def _note_cursors(socket: WebSocket, cursors: list[Any]) -> None:
    def note(payload: str | bytes) -> None:
        message = msgspec.json.decode(payload)
        if message["type"] == "subscribe" and "memberUpdates" in message["payload"]["query"]:
            cursors.append(message["payload"]["variables"]["after"])

    socket.on("framesent", note)


async def test_page_that_comes_before_the_service_waits_for_it(shop: House, visit: Visit) -> None:
    page = visit.page
    await shop.bought("anna", "e1", 50)
    await page.route("**/demo/session", lambda route: route.abort())
    await page.goto(visit.url)
    await expect(page.get_by_role("alert")).to_contain_text("does not answer")
    await page.unroute("**/demo/session")
    await expect(points(page, "anna")).to_contain_text("50 points")
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_tokens_are_renewed_before_they_end(shop: House, visit: Visit, cable: Cable) -> None:
    page = visit.page
    await shop.bought("anna", "e1", 50)
    await page.clock.install()
    await page.goto(visit.url)
    await expect(points(page, "anna")).to_contain_text("50 points")
    sessions = [each for each in visit.asked if each.endswith("/demo/session")]
    assert len(sessions) == 1
    await page.clock.fast_forward(250_000)
    await cable.cut()
    await cable.join()
    async with page.expect_request("**/demo/session"):
        await page.clock.run_for(10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_page_is_accessible_and_fits(
    shelf: House, visit: Visit, axe: str, scheme: Any, size: tuple[int, int]
) -> None:
    page = visit.page
    await shelf.bought("anna", "e1", 50)
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await page.goto(visit.url)
    progress = card(page, "anna").get_by_role("progressbar", name="Two this month")
    await expect(progress).to_have_attribute("aria-valuenow", "50")
    await expect(progress).to_have_attribute("aria-valuetext", "1 of 2")
    await places(page, "1.*anna.*50")
    await expect(page.get_by_role("button", name="Redeem A coffee")).to_be_visible()
    await page.evaluate(axe)
    await fits(page)
    await page.get_by_role("button", name="Redeem An evening").click()
    await expect(page.get_by_role("dialog").get_by_role("radio")).to_have_count(2)
    await fits(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Redeem A coffee").click()
    await page.get_by_role("button", name="Redeem for 30 points").click()
    await expect(page.get_by_role("heading", name="It is yours")).to_be_focused()
    await fits(page)


async def fits(page: Page) -> None:
    """Nothing is wider than the page, and the audit finds nothing. It has to be there already."""
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = await page.evaluate("axe.run().then(({violations}) => violations)")
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_motion_is_a_choice(shop: House, visit: Visit, motion: Any) -> None:
    page = visit.page
    await shop.bought("anna", "e1", 50)
    await page.emulate_media(reduced_motion=motion)
    await page.goto(visit.url)
    await places(page, "1.*anna.*50")
    await page.evaluate(
        "window.moved = 0; const animate = Element.prototype.animate;"
        "Element.prototype.animate = function (...how) { moved++; return animate.apply(this, how) }; 0"
    )
    await shop.bought("bert", "e1", 80)
    await places(page, "1.*bert.*80", "2.*anna.*50")
    assert (await page.evaluate("moved") > 0) is (motion == "no-preference")


async def test_nothing_comes_from_elsewhere(shop: House, visit: Visit) -> None:
    await shop.bought("anna", "e1", 50)
    await visit.page.goto(visit.url)
    await expect(points(visit.page, "anna")).to_contain_text("50 points")
    await visit.page.goto(f"{visit.url}/graphiql")
    await expect(visit.page.locator(".graphiql-container")).to_be_visible()
    assert {each for each in visit.asked if not each.startswith((visit.url, "data:"))} == set()
    assert visit.complaints == []


async def test_graphiql_asks_with_the_credential_of_a_shown_member(shop: House, visit: Visit) -> None:
    page = visit.page
    await shop.bought("anna", "e1", 50)
    await page.goto(f"{visit.url}/graphiql")
    run = page.get_by_role("button", name=re.compile("Execute"))
    answer = page.locator(".result-window")
    # GraphiQL hears no click while it is still loading its editors and the schema; a person clicks again.
    for _ in range(10):
        await run.click()
        with suppress(AssertionError):
            await expect(answer).to_contain_text("externalId", timeout=3_000)
            break
    await expect(answer).to_contain_text('"externalId": "anna"')
    assert visit.complaints == []


def test_documents_are_of_the_schema() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    for file, count in (("documents.ts", 3), ("shop-documents.ts", 6)):
        text = Path(ROOT, "web/widgets/src", file).read_text()
        found = dict(re.findall(r"const (\w+) = /\* GraphQL \*/ `(.*?)`", text, re.DOTALL))
        documents = [each for each in found.values() if not each.lstrip().startswith("fragment")]
        assert len(documents) == count
        for document in documents:
            whole = document
            for name, text_of in found.items():
                whole = whole.replace(f"${{{name}}}", text_of)
            assert validate(schema, parse(whole)) == []
