"""A member is erased while traffic runs, with her screens open: afterwards PostgreSQL and Redis hold nothing of her."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from engagement.actions import erasing
from engagement.embedded import Endpoints
from tests.actions.erased import redis_dumped, tables_dumped
from tests.api.conftest import RECORD, House, following

ERASE = """mutation($input: EraseMemberInput!) { eraseMember(input: $input) {
  __typename
  ... on EraseMemberSuccess { member erasedAt done }
  ... on UserError { code message field }
} }"""
ALIAS = """mutation($input: SetMemberAliasInput!) { setMemberAlias(input: $input) {
  __typename ... on ShowMemberSuccess { alias } ... on UserError { code field }
} }"""
BOARD = """{ leaderboard(key: "ever") { entries { member alias } } }"""
HERS = ("ada-lovelace-1815", "Countess Ada", "analytical-order")


async def erase(house: House, member: str = HERS[0]) -> dict[str, Any]:
    data = await house.data(ERASE, {"input": {"member": member}})
    found: dict[str, Any] = data["eraseMember"]
    return found


async def traffic(house: House, lane: int, stop: asyncio.Event, codes: set[tuple[str, str]]) -> None:
    """Events of hers and of Bert, one request after the other; what became of them."""
    number = 0
    while not stop.is_set():
        number += 1
        events = [
            {"id": f"{name}-{lane}-{number}", "member": who, "type": "purchase", "properties": {"amount": 1}}
            for who, name in ((HERS[0], HERS[2]), ("bert", "b"))
        ]
        answer = (await house.data(RECORD, {"input": {"events": events}}))["recordEvents"]
        codes.update((each["member"], "taken") for each in answer["receipts"])
        codes.update((HERS[0], each["code"]) for each in answer["refused"])


async def test_a_member_is_erased_while_traffic_runs(
    house: House, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "SETTLE", timedelta(seconds=1))
    ada, alias, order = HERS
    await house.bought(ada, f"{order}-0", 20)
    await house.bought("bert", "b", 10)
    given = {"input": {"member": ada, "alias": alias, "idempotencyKey": "k"}}
    await house.data(ALIAS, given)
    assert alias in str(await house.data(BOARD))
    token = house.token(ada)
    stop = asyncio.Event()
    codes: set[tuple[str, str]] = set()

    async with following(house.service, token) as updates:
        await updates.update()
        lanes = [asyncio.create_task(traffic(house, lane, stop, codes)) for lane in range(3)]
        while (await updates.next())["payload"]["data"]["memberUpdates"]["__typename"] != "ActivityItem":
            pass
        erased = await erase(house)
        while (message := await updates.next())["type"] == "next" and "errors" not in message["payload"]:
            pass
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "MEMBER_ERASED"
    async with asyncio.timeout(60):
        while not (again := await erase(house))["done"]:
            assert again["member"] == erased["member"]
    stop.set()
    await asyncio.gather(*lanes)
    assert codes == {(ada, "taken"), (ada, "MEMBER_ERASED"), ("bert", "taken")}
    assert (await house.data(ALIAS, given))["setMemberAlias"] == {
        "__typename": "MemberErasedError",
        "code": "MEMBER_ERASED",
        "field": "member",
    }
    shown = str(await house.data(BOARD))
    assert "bert" in shown
    assert alias not in shown
    tables = await tables_dumped(house.service.database, house.program.id)
    assert [each for each in ("bert", *HERS, erased["member"]) if each in tables] == ["bert", erased["member"]]
    assert [each for each in HERS if each in await redis_dumped(endpoints.redis_url)] == []


async def test_who_may_erase_and_whom(house: House) -> None:
    await house.bought("anna", "e", 1)
    assert (await house.refusal(ERASE, {"input": {"member": "anna"}}, key=house.token("anna")))["code"] == "FORBIDDEN"
    reader = await house.service.key(house.program.id, ["members:read"])
    assert (await house.refusal(ERASE, {"input": {"member": "anna"}}, key=reader))["code"] == "FORBIDDEN"
    assert (await erase(house, "nobody"))["code"] == "NOT_FOUND"
    for wrong in ("", "x" * 201, "a\0b"):
        assert (await erase(house, wrong))["code"] == "INVALID_INPUT"
    assert (await erase(house, "anna"))["__typename"] == "EraseMemberSuccess"


async def test_her_token_is_worth_nothing_afterwards(house: House) -> None:
    await house.bought("cora", "e", 1)
    await erase(house, "cora")
    assert (await house.refusal("{ me { externalId } }", key=house.token("cora")))["code"] == "UNAUTHENTICATED"
