"""Merging members over HTTP: both ids lead to one, her feed tells it, and what cannot be merged says why."""

from typing import Any
from uuid import uuid4

from tests.api.conftest import START, House, following

MERGE = """mutation($input: MergeMembersInput!) { mergeMembers(input: $input) { __typename
  ... on MergeMembersSuccess { from into at replayed effects { __typename ... on MemberMerged { former } } }
  ... on MergeRefusedError { reason } ... on UserError { code field message } } }"""
UNMERGE = """mutation($input: UnmergeMembersInput!) { unmergeMembers(input: $input) { __typename
  ... on UnmergeMembersSuccess { from into at replayed effects { ...Told } othersEffects { ...Told } }
  ... on UnmergeRefusedError { reason } ... on UserError { code field message } } }
  fragment Told on Effect { __typename ... on MemberUnmerged { other } ... on OutcomeWithdrawn { outcome { __typename } } }"""
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


async def unmerge(house: House, former: str = "eve", **more: object) -> Any:
    return (await house.data(UNMERGE, {"input": {"from": former, "idempotencyKey": str(uuid4()), **more}}))[
        "unmergeMembers"
    ]


async def test_a_merge_is_undone_and_each_is_found_and_followed_by_herself(house: House) -> None:
    await house.bought("ann", "e1", "100.00", START)
    await house.bought("eve", "e2", "30.00", START)
    refused = await unmerge(house)
    assert (refused["__typename"], refused["reason"], refused["code"]) == (
        "UnmergeRefusedError",
        "NOT_MERGED",
        "UNMERGE_REFUSED",
    )
    alone = [(await house.data(WHO, {"who": who}))["member"] for who in ("ann", "eve")]
    await merge(house)
    async with (
        following(house.service, house.token("eve")) as hers,
        following(house.service, house.token("ann")) as mine,
    ):
        assert [(await each.update())["member"]["externalId"] for each in (hers, mine)] == ["ann", "ann"]
        await house.bought("eve", "e3", "5.00", START)
        assert [(await each.update())["eventId"] for each in (hers, mine)] == ["e3", "e3"]
        done = await unmerge(house, idempotencyKey="k")
        assert (done["from"], done["into"], done["replayed"]) == ("eve", "ann", False)
        assert done["effects"][0] == {"__typename": "MemberUnmerged", "other": "ann"}
        assert {"__typename": "PointsEarned"} in done["effects"]
        assert done["othersEffects"][0] == {"__typename": "MemberUnmerged", "other": "eve"}
        assert {"__typename": "OutcomeWithdrawn", "outcome": {"__typename": "PointsEarned"}} in done["othersEffects"]
        # Who followed the whole by her own id follows herself from then on.
        reset = await hers.update()
        assert (reset["__typename"], reset["reason"], reset["member"]["externalId"]) == ("Reset", "OTHER_MEMBER", "eve")
        assert [each["__typename"] for each in (await mine.update())["effects"]] == ["MemberUnmerged"]
    assert (await unmerge(house, idempotencyKey="k"))["replayed"] is True
    assert (await unmerge(house))["effects"] == []
    after = [(await house.data(WHO, {"who": who}))["member"] for who in ("ann", "eve")]
    assert after[0] == alone[0]
    balance = {each["currency"]: each["balance"] for each in after[1]["wallets"]}
    before = {each["currency"]: each["balance"] for each in alone[1]["wallets"]}
    # The second of the month completes a challenge, as it would have.
    assert balance["points"] == before["points"] + 5 + 7
    entries = (await house.data(BOARD))["leaderboard"]["entries"]
    assert {each["member"] for each in entries} == {"ann", "eve"}
    for former, code in (("nobody", "NOT_FOUND"), ("x" * 5_000, "INVALID_INPUT"), ("a\0", "INVALID_INPUT")):
        assert (await unmerge(house, former))["code"] == code
    wanted = {"from": "eve", "idempotencyKey": "k"}
    assert (await house.refusal(UNMERGE, {"input": wanted}, key=house.token("eve")))["code"] == "FORBIDDEN"


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
