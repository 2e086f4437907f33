"""Merging members over HTTP: both ids lead to one, her feed tells it, and what cannot be merged says why."""

from typing import Any
from uuid import uuid4

from tests.api.conftest import START, House, following

MERGE = """mutation($input: MergeMembersInput!) { mergeMembers(input: $input) { __typename
  ... on MergeMembersSuccess { from into at replayed effects { __typename ... on MemberMerged { former } } }
  ... on MergeRefusedError { reason } ... on UserError { code field message } } }"""
WHO = "query($who: ID!) { member(externalId: $who) { externalId wallets { currency balance } } }"
BOARD = '{ leaderboard(key: "ever") { entries { member score } } }'
LISTED = "{ members { edges { node { externalId } } } }"


async def merge(house: House, former: str = "eve", into: str = "ann", **more: object) -> Any:
    wanted = {"from": former, "into": into, "idempotencyKey": str(uuid4()), **more}
    return (await house.data(MERGE, {"input": wanted}))["mergeMembers"]


async def test_two_ids_lead_to_one_member(house: House) -> None:
    await house.bought("ann", "e1", "100.00", START)
    await house.bought("eve", "e2", "30.00", START)
    async with following(house.service, house.token("ann")) as updates:
        assert (await updates.update())["__typename"] == "Reset"
        done = await merge(house, idempotencyKey="k")
        assert (done["from"], done["into"], done["replayed"]) == ("eve", "ann", False)
        assert done["effects"][0] == {"__typename": "MemberMerged", "former": "eve"}
        assert [each["__typename"] for each in (await updates.update())["effects"]] == ["MemberMerged"]
    assert (await merge(house, idempotencyKey="k"))["replayed"] is True
    whole = [(await house.data(WHO, {"who": who}))["member"] for who in ("ann", "eve")]
    assert whole[0] == whole[1]
    assert whole[0]["externalId"] == "ann"
    me = (await house.data("{ me { externalId } }", key=house.token("eve")))["me"]
    assert me == {"externalId": "ann"}
    assert [each["node"]["externalId"] for each in (await house.data(LISTED))["members"]["edges"]] == ["ann"]
    receipt = await house.bought("eve", "e3", "5.00", START)
    assert receipt["status"] == "APPLIED"
    entries = (await house.data(BOARD))["leaderboard"]["entries"]
    assert [each["member"] for each in entries] == ["ann"]
    assert entries[0]["score"] >= 135


async def test_what_cannot_be_merged_says_why(house: House) -> None:
    await house.bought("ann", "e1", "100.00", START)
    await house.bought("eve", "e1", "30.00", START)
    refused = await merge(house)
    assert (refused["__typename"], refused["reason"], refused["code"]) == (
        "MergeRefusedError",
        "SAME_EVENT",
        "MERGE_REFUSED",
    )
    for former, into, code, field in (
        ("nobody", "ann", "NOT_FOUND", "from"),
        ("ann", "nobody", "NOT_FOUND", "into"),
        ("ann", "ann", "INVALID_INPUT", "from"),
        ("x" * 5_000, "ann", "INVALID_INPUT", "from"),
        ("ann", "a\0", "INVALID_INPUT", "into"),
    ):
        refused = await merge(house, former, into)
        assert (refused["code"], refused["field"]) == (code, field)
    wanted = {"from": "eve", "into": "ann", "idempotencyKey": "k"}
    assert (await house.refusal(MERGE, {"input": wanted}, key=house.token("eve")))["code"] == "FORBIDDEN"
