"""Which pages are served when, with which headers, and what a visitor of the demo may do."""

import re

import pytest

from engagement.api.pages import Pages
from engagement.cli.demo import GROCER
from engagement.cli.documents import read_program
from engagement.embedded import Endpoints
from tests.api.conftest import House, Service, founded
from tests.web.conftest import SHOWN, serving

PATHS = ("/", "/graphiql", "/demo/session")
pytestmark = pytest.mark.usefixtures("built")


async def statuses(service: Service) -> list[int]:
    return [(await service.client.get(path)).status_code for path in PATHS]


async def test_pages_are_served_only_where_they_are_asked_for(endpoints: Endpoints, template: str) -> None:
    for pages, expected in ((Pages(), [404, 404, 404]), (Pages(graphiql=True), [404, 200, 404])):
        async with serving(endpoints, template, pages) as service:
            assert await statuses(service) == expected


async def test_tokens_are_handed_out_for_a_sandbox_alone(endpoints: Endpoints, template: str) -> None:
    async with serving(endpoints, template, Pages(demo=SHOWN)) as service:
        assert await statuses(service) == [200, 404, 404]
        await founded(service, None, SHOWN.program)
        assert await statuses(service) == [200, 404, 404]


async def test_policy_lets_in_nothing_from_elsewhere(shop: House) -> None:
    client = shop.service.client
    for path in ("/", "/graphiql"):
        reply = await client.get(path)
        directives = dict(each.strip().split(" ", 1) for each in reply.headers["content-security-policy"].split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', reply.text)
        assert assets
        for asset in assets:
            found = await client.get(asset)
            assert found.status_code == 200
            assert "immutable" in found.headers["cache-control"]
    assert "unsafe" not in (await client.get("/")).headers["content-security-policy"]
    assert (await client.get("/static/assets/../.hash")).status_code == 404


async def test_pictures_of_the_demos_rewards_are_there_and_run_nothing(shop: House) -> None:
    pictures = {each["image"] for each in read_program(GROCER)["rewards"]}
    assert len(pictures) == 8
    for picture in pictures:
        found = await shop.service.client.get(picture)
        assert found.headers["content-type"] == "image/svg+xml"
        assert found.headers["content-security-policy"].startswith("default-src 'none'; style-src")
        assert not re.search(r"<script|\bon\w+=|href|url\(", found.text)
    assert (await shop.service.client.get("/static/rewards/../.hash")).status_code == 404


async def test_visitor_does_what_the_shown_members_may_and_nothing_else(shop: House) -> None:
    await shop.bought("anna", "e1", 5)
    await shop.bought("carl", "e1", 5)
    reply = await shop.service.client.get("/demo/session")
    assert reply.headers["cache-control"] == "no-store"
    session = reply.json()
    assert (session["board"], session["seconds"]) == ("ever", 300)
    tokens = {each["id"]: each["token"] for each in session["members"]}
    assert list(tokens) == ["anna", "bert"]
    token = tokens["anna"]
    assert (await shop.data("{ me { externalId } }", key=token))["me"] == {"externalId": "anna"}
    assert (await shop.data('{ leaderboard(key: "ever") { total } }', key=token))["leaderboard"] == {"total": 2}
    for text in (
        '{ member(externalId: "carl") { id } }',
        "{ members { edges { cursor } } }",
        'mutation { redeemReward(input: {member: "carl", reward: "mug", idempotencyKey: "k"}) { __typename } }',
        'mutation { setGoal(input: {member: "carl", reward: "mug", idempotencyKey: "k"}) { __typename } }',
        "mutation { recordEvents(input: {events: []}) { __typename } }",
        'mutation { advanceTestClock(input: {to: "2026-12-01T00:00:00Z"}) { __typename } }',
    ):
        assert (await shop.refusal(text, key=token))["code"] == "FORBIDDEN"
