"""Following a member, over real sockets: in order, once, without a gap."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from engagement.api import pagination
from engagement.api import updates as module
from engagement.api.pagination import FeedCursor
from engagement.records import members
from engagement.records.unit import Unit
from tests.api.conftest import FOLLOW, NOON, START, House, following

ACTIVITY = """query($member: ID, $first: Int, $after: String) { activity(member: $member, first: $first, after: $after) {
  edges { cursor node { cursor at bookedAt eventId effects { __typename } } }
  pageInfo { hasNextPage endCursor } } }"""


async def cursor_of(house: House, member: str) -> str:
    data = await house.data("query($id: ID!) { member(externalId: $id) { cursor } }", {"id": member})
    cursor: str = data["member"]["cursor"]
    return cursor


async def test_feed_comes_newest_first_page_by_page(house: House) -> None:
    for number in range(5):
        await house.bought("anna", f"e{number}", 1)
    seen: list[str] = []
    after = None
    for has_next in (True, True, False):
        page = (await house.data(ACTIVITY, {"first": 2, "after": after}, key=house.token("anna")))["activity"]
        assert all(each["cursor"] == each["node"]["cursor"] for each in page["edges"])
        seen += [each["node"]["eventId"] for each in page["edges"]]
        assert page["pageInfo"]["hasNextPage"] is has_next
        after = page["pageInfo"]["endCursor"]
    assert seen == ["e4", "e3", "e2", "e1", "e0"]


async def test_feed_is_a_members_own(house: House) -> None:
    await house.bought("anna", "e1", 1)
    await house.bought("bert", "e1", 1)
    after = await cursor_of(house, "bert")
    assert (await house.refusal(ACTIVITY, {"member": "anna", "after": after}))["code"] == "INVALID_CURSOR"
    assert (await house.refusal(ACTIVITY, {"member": "bert"}, key=house.token("anna")))["code"] == "FORBIDDEN"
    assert (await house.refusal(ACTIVITY))["code"] == "INVALID_INPUT"
    assert (await house.refusal(ACTIVITY, {"member": "nobody"}))["code"] == "MEMBER_NOT_FOUND"
    assert (await house.refusal(ACTIVITY, {"member": "anna", "first": 101}))["code"] == "INVALID_INPUT"
    nulls = await house.data(ACTIVITY, {"member": "anna", "first": None, "after": None})
    assert nulls == await house.data(ACTIVITY, {"member": "anna"})


async def test_without_a_cursor_a_snapshot_comes_first_then_what_is_new(house: House) -> None:
    await house.bought("anna", "e1", 10)
    async with following(house.service, house.token("anna")) as updates:
        reset = await updates.update()
        assert (reset["__typename"], reset["reason"], reset["member"]["externalId"]) == ("Reset", "NO_CURSOR", "anna")
        assert reset["cursor"] == reset["member"]["cursor"] == await cursor_of(house, "anna")
        receipt = await house.bought("anna", "e2", 20)
        item = await updates.update(2)
        assert (item["__typename"], item["eventId"], item["at"]) == ("ActivityItem", "e2", NOON)
        assert item["effects"] == receipt["effects"]


async def test_with_a_cursor_everything_after_it_comes_in_order_then_live(house: House) -> None:
    await house.bought("anna", "e000", 1)
    after = await cursor_of(house, "anna")
    expected = [f"e{number:03}" for number in range(1, 251)]
    event = {"member": "anna", "type": "purchase", "occurredAt": NOON, "properties": {"amount": 1}}
    await house.record(*({**event, "id": each} for each in expected))
    async with following(house.service, house.key, after=after, member="anna") as updates:
        assert [(await updates.update())["eventId"] for _ in expected] == expected
        live = asyncio.gather(*(house.bought("anna", f"live{number}", number) for number in range(1, 21)))
        heard = {(await updates.update())["eventId"] for _ in range(20)}
        await live
        assert heard == {f"live{number}" for number in range(1, 21)}


async def test_other_members_are_not_heard(house: House) -> None:
    await house.bought("anna", "e1", 1)
    async with following(house.service, house.token("anna"), after=await cursor_of(house, "anna")) as updates:
        await house.bought("bert", "e1", 1)
        await house.bought("anna", "e2", 1)
        assert (await updates.update())["eventId"] == "e2"


async def test_who_is_too_far_behind_starts_afresh(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEHIND_MAX", 2)
    await house.bought("anna", "e1", 1)
    after = await cursor_of(house, "anna")
    for number in range(2, 5):
        await house.bought("anna", f"e{number}", 1)
    async with following(house.service, house.token("anna"), after=after) as updates:
        reset = await updates.update()
        assert (reset["__typename"], reset["reason"]) == ("Reset", "TOO_FAR_BEHIND")
        await house.bought("anna", "e5", 1)
        assert (await updates.update())["eventId"] == "e5"


async def test_place_that_the_feed_lost_starts_afresh(house: House) -> None:
    await house.bought("anna", "e1", 1)
    ahead = pagination.cursor_of(FeedCursor(await member_id(house, "anna"), 99))
    async with following(house.service, house.token("anna"), after=ahead) as updates:
        reset = await updates.update()
        assert (reset["__typename"], reset["reason"]) == ("Reset", "UNKNOWN_PLACE")


async def member_id(house: House, external_id: str) -> UUID:
    async def find(unit: Unit) -> UUID:
        found = await members.find(unit, external_id)
        assert found is not None
        return found.id

    return await house.service.database.run(find, house.program.id)


async def test_cursors_that_are_not_hers_are_refused(house: House) -> None:
    await house.bought("anna", "e1", 1)
    await house.bought("bert", "e1", 1)
    berts = await cursor_of(house, "bert")
    page = await house.data("{ members { edges { cursor } } }")
    for after in ("nonsense", berts, page["members"]["edges"][0]["cursor"]):
        async with following(house.service, house.token("anna"), after=after) as updates:
            assert await updates.refusal() == "INVALID_CURSOR"
    async with following(house.service, house.key, member="nobody") as updates:
        assert await updates.refusal() == "MEMBER_NOT_FOUND"


async def test_silence_is_broken_by_a_heartbeat(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.1)
    await house.bought("anna", "e1", 1)
    after = await cursor_of(house, "anna")
    async with following(house.service, house.token("anna"), after=after) as updates:
        assert await updates.update() == {"__typename": "Heartbeat", "cursor": after, "at": START}


async def test_nothing_is_sent_after_the_credential_has_expired(house: House) -> None:
    await house.bought("anna", "e1", 1)
    # With the leeway of a minute, 2 s are left.
    now = int(datetime.now(UTC).timestamp())
    claims = {"aud": house.program.key, "sub": "anna", "iat": now - 300, "exp": now - 58}
    key = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(house.program.token_secret))
    async with following(house.service, key) as updates:
        assert (await updates.update())["__typename"] == "Reset"
        assert await updates.closed() == 4403


async def test_updates_come_as_server_sent_events_too(house: House) -> None:
    await house.bought("anna", "e1", 1)
    headers = {"Authorization": f"Bearer {house.token('anna')}", "Accept": "text/event-stream"}
    client: httpx.AsyncClient = house.service.client
    async with client.stream("POST", "/graphql", json={"query": FOLLOW}, headers=headers) as response:
        lines = response.aiter_lines()
        data = [line async for line in _until(lines, "Reset")]
        assert "NO_CURSOR" in data[-1]
        await house.bought("anna", "e2", 1)
        data = [line async for line in _until(lines, "ActivityItem")]
        assert '"e2"' in data[-1]


async def _until(lines: AsyncIterator[str], word: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if word in line:
            return
