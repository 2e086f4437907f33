"""Draws over HTTP: all that it takes to draw again, what a member is told, and what of others she is not."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from engagement.records.unit import Unit
from tests.api.conftest import ADVANCE, APPLY, NOON, House, document, following
from tests.api.test_boards import ALIAS, LEAVE

DRAW = """query($key: String = "trip", $member: ID) { draw(key: $key, member: $member) {
  key name state startsAt endsAt closesAt drawnAt places entries commitment committedAt seed digest
  winners { place entry number member alias } own { member entries place entrant } } }"""
ENTRIES = """query($draw: String = "trip", $first: Int, $after: String) {
  drawEntries(draw: $draw, first: $first, after: $after) {
    edges { node { id count entrant } cursor } pageInfo { hasNextPage endCursor } } }"""
REDEEM = "mutation($input: RedeemRewardInput!) { redeemReward(input: $input) { __typename } }"
TRIP: dict[str, Any] = {
    "key": "trip",
    "name": "A trip",
    "ends": "2026-12-01T00:00:00Z",
    "close_after_hours": 0,
    "prizes": [{"rewards": [{"points": 500, "currency": "points"}]}, {"rewards": [{"voucher": "ten"}]}],
}
MANUAL = Path(__file__).parents[2] / "docs" / "draws.md"
LUCK = {"key": "luck", "kind": "draw", "gives": [{"draw": "trip", "entries": 3}]}


@pytest.fixture
async def raffle(house: House) -> House:
    """A draw of two places, in which ann and bob have 3 entries each, and cid 6."""
    shelf: dict[str, Any] = {"vouchers": [{"key": "ten"}], "draws": [TRIP], "rewards": [LUCK]}
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, **shelf)}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    await house.data(ADVANCE, {"input": {"to": NOON}})
    for member in ("ann", "bob", "cid", "cid"):
        given = {"member": member, "reward": "luck", "idempotencyKey": str(uuid4())}
        assert (await house.data(REDEEM, {"input": given}))["redeemReward"]["__typename"] == "RedemptionSuccess"
    return house


async def draw(house: House, key: str | None = None, **asked: object) -> dict[str, Any]:
    found: dict[str, Any] = (await house.data(DRAW, asked, key=key))["draw"]
    return found


def manual() -> Any:
    """What the manual gives to those who want to check a draw."""
    (written,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(written, known)
    return known["winners"]


async def test_anybody_can_draw_again_what_was_drawn(raffle: House) -> None:
    own = raffle.token("cid")
    before = await draw(raffle, own)
    assert (before["state"], before["places"], before["entries"], before["winners"]) == ("OPEN", 2, 12, None)
    assert (before["seed"], before["digest"], before["drawnAt"]) == (None, None, None)
    assert before["own"] == {"member": "cid", "entries": 6, "place": None, "entrant": None}
    assert (await raffle.refusal(ENTRIES, key=own))["code"] == "DRAW_NOT_DRAWN"
    assert (await draw(raffle, raffle.token("nobody")))["own"] is None
    await raffle.data(ADVANCE, {"input": {"to": TRIP["ends"]}})
    after = await draw(raffle)
    assert (after["state"], after["entries"], after["own"], after["drawnAt"]) == ("DRAWN", 12, None, TRIP["ends"])
    assert after["commitment"] == before["commitment"]
    entries: list[dict[str, Any]] = []
    page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
    assert len((await raffle.data(ENTRIES, {"first": 500}, key=own))["drawEntries"]["edges"]) == 4
    while page["pageInfo"]["hasNextPage"]:
        asked = {"first": 3, "after": page["pageInfo"]["endCursor"]}
        page = (await raffle.data(ENTRIES, asked, key=own))["drawEntries"]
        entries += [each["node"] for each in page["edges"]]
    won = [(each["entry"], each["number"]) for each in after["winners"]]
    assert won == manual()(before["commitment"], after["seed"], after["digest"], entries, 2)
    for falsified in (entries[1:], [*entries[:3], {**entries[3], "count": 9}]):
        with pytest.raises(AssertionError):
            manual()(before["commitment"], after["seed"], after["digest"], falsified, 2)
    # Each member finds herself in the list, and hears of her own place alone.
    for member in ("ann", "bob", "cid"):
        hers = await draw(raffle, raffle.token(member))
        (place,) = [each["place"] for each in after["winners"] if each["member"] == member] or [None]
        mine = [each["count"] for each in entries if each["entrant"] == hers["own"]["entrant"]]
        assert (hers["winners"], hers["own"]["place"], sum(mine)) == (None, place, 6 if member == "cid" else 3)
    assert (await draw(raffle, member="ann"))["own"]["member"] == "ann"


async def test_a_draw_is_drawn_by_itself_when_its_time_has_come(raffle: House) -> None:
    async def clock(unit: Unit) -> None:
        await unit.execute(f"UPDATE program SET clock = '{TRIP['ends']}' WHERE id = $1", unit.program)

    await raffle.service.database.run(clock, raffle.program.id)
    while not (found := await draw(raffle))["winners"]:
        assert found["state"] in ("ENDED", "DRAWN")
        await asyncio.sleep(0.1)
    assert (found["state"], len(found["winners"])) == ("DRAWN", 2)


async def test_who_won_hears_of_it_and_who_has_left_the_boards_is_not_named(raffle: House) -> None:
    names = ("ann", "bob", "cid")
    for member in names:
        await raffle.data(ALIAS, {"input": {"member": member, "alias": member.title(), "idempotencyKey": member}})
    await raffle.data(ADVANCE, {"input": {"to": TRIP["ends"]}})
    first, second = (await draw(raffle))["winners"]
    assert (first["alias"], second["alias"]) == (first["member"].title(), second["member"].title())
    feed = """{ activity(member: "%s", first: 3) { edges { node { effects {
      __typename ... on DrawWon { draw place entry } ... on BenefitChanged { key source } } } } } }"""
    items = (await raffle.data(feed % second["member"]))["activity"]["edges"]
    told = [effect for each in items for effect in each["node"]["effects"]]
    assert {"__typename": "DrawWon", "draw": "trip", "place": 2, "entry": second["entry"]} in told
    assert {"__typename": "BenefitChanged", "key": "ten", "source": "trip"} in told
    await raffle.data(LEAVE, {"input": {"member": first["member"], "idempotencyKey": "l"}})
    assert (await draw(raffle))["winners"][0] == first
    boards = await raffle.service.key(raffle.program.id, ["boards:read"])
    assert (await draw(raffle, boards))["winners"] == [{**first, "member": None, "alias": None}, second]
    assert (await raffle.refusal(DRAW, {"member": "ann"}, key=boards))["code"] == "FORBIDDEN"


async def test_who_follows_a_member_hears_at_once(raffle: House) -> None:
    everybody = {**TRIP, "prizes": [{"winners": 3, "rewards": [{"points": 5, "currency": "points"}]}]}
    program = document(raffle.program.key, vouchers=[{"key": "ten"}], draws=[everybody], rewards=[LUCK])
    await raffle.data(APPLY, {"input": {"document": program}})
    text = """subscription($after: String, $member: ID) { memberUpdates(after: $after, member: $member) {
      __typename ... on ActivityItem { effects { __typename ... on DrawWon { draw } } } } }"""
    async with following(raffle.service, raffle.token("ann"), text=text) as ann:
        await ann.update()
        await raffle.data(ADVANCE, {"input": {"to": TRIP["ends"]}})
        assert {"__typename": "DrawWon", "draw": "trip"} in (await ann.update(2))["effects"]


@pytest.mark.parametrize("key", ["none", "\0", "", "t" * 300])
async def test_a_draw_that_is_not_there_is_not_found(raffle: House, key: str) -> None:
    assert (await raffle.refusal(DRAW, {"key": key}))["code"] == "DRAW_NOT_FOUND"
    assert (await raffle.refusal(ENTRIES, {"draw": key}))["code"] == "DRAW_NOT_FOUND"
    assert (await draw(raffle, member=key))["own"] is None
    assert (await raffle.refusal(ENTRIES, {"first": 501}))["code"] == "INVALID_INPUT"
    assert (await raffle.refusal(ENTRIES, {"after": "x"}))["code"] == "INVALID_CURSOR"
