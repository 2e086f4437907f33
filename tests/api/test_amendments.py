"""Reversals and amendments through the API: each answer, and that a follower and the boards hear of it."""

import secrets
from typing import Any

import pytest

from engagement.actions import refolding
from tests.api.conftest import NOON, TOLD, House, following
from tests.api.test_programs import advance, locked

_ANSWER = """ {
  __typename
  ... on %s {
    event member status replayed effects { ...Told ... on OutcomeWithdrawn { outcome { ...Told } } }
  }
  ... on UserError { code message field }
} }"""
REVERSE = "mutation($input: ReverseEventInput!) { reverseEvent(input: $input)" + _ANSWER % "ReverseEventSuccess" + TOLD
AMEND = "mutation($input: AmendEventInput!) { amendEvent(input: $input)" + _ANSWER % "AmendEventSuccess" + TOLD


async def reverse(house: House, event: str, member: str = "anna", **given: object) -> dict[str, Any]:
    data = await house.data(REVERSE, {"input": {"member": member, "event": event, **given}})
    answer: dict[str, Any] = data["reverseEvent"]
    return answer


async def amend(house: House, event: str, properties: object, member: str = "anna", **given: object) -> dict[str, Any]:
    data = await house.data(AMEND, {"input": {"member": member, "event": event, "properties": properties, **given}})
    answer: dict[str, Any] = data["amendEvent"]
    return answer


async def earned(house: House, member: str = "anna") -> int:
    text = "query($id: ID!) { member(externalId: $id) { wallets { currency balance } } }"
    wallets = (await house.data(text, {"id": member}))["member"]["wallets"]
    return next(int(each["balance"]) for each in wallets if each["currency"] == "points")


def refused(answer: dict[str, Any]) -> tuple[str, str, str | None]:
    return answer["__typename"], answer["code"], answer["field"]


async def test_reversal_tells_what_it_withdrew(house: House) -> None:
    bought = await house.bought("anna", "e1", "12.50")
    answer = await reverse(house, "e1")
    effects = answer.pop("effects")
    assert answer == {
        "__typename": "ReverseEventSuccess",
        "event": "e1",
        "member": "anna",
        "status": "APPLIED",
        "replayed": False,
    }
    withdrawn = [each["outcome"] for each in effects if each["__typename"] == "OutcomeWithdrawn"]
    for kind in ("PointsEarned", "BadgeAwarded"):
        (told,) = [each for each in bought["effects"] if each["__typename"] == kind]
        assert told in withdrawn
    assert await earned(house) == 0


async def test_amendment_tells_the_difference(house: House) -> None:
    await house.bought("anna", "e1", 100)
    answer = await amend(house, "e1", {"amount": 60})
    assert (answer["__typename"], answer["status"], answer["replayed"]) == ("AmendEventSuccess", "APPLIED", False)
    progress = [each for each in answer["effects"] if each["__typename"] == "ChallengeProgressed"]
    assert [each["current"] for each in progress[-1]["objectives"]] == ["60"]
    completed = {"__typename": "ChallengeCompleted", "challenge": "spend", "period": "", "at": NOON}
    assert {"__typename": "OutcomeWithdrawn", "outcome": completed} in answer["effects"]
    assert await earned(house) == 60


async def test_saying_the_same_again_gives_the_first_answer(house: House) -> None:
    await house.bought("anna", "e1", 10)
    first = await amend(house, "e1", {"amount": 6})
    assert (first["status"], first["replayed"], bool(first["effects"])) == ("APPLIED", False, True)
    assert await amend(house, "e1", {"amount": 6}) == {**first, "replayed": True}
    assert await amend(house, "e1", {"amount": 6}, idempotencyKey="k") == {**first, "replayed": True}
    first = await reverse(house, "e1")
    assert (first["status"], first["replayed"], bool(first["effects"])) == ("APPLIED", False, True)
    assert await reverse(house, "e1") == {**first, "replayed": True}
    assert await reverse(house, "e1", idempotencyKey="k") == {**first, "replayed": True}


async def test_word_ahead_of_its_event_waits(house: House) -> None:
    await house.bought("anna", "e0", 1)
    for replayed in (False, True):
        answer = await reverse(house, "e1")
        assert (answer["status"], answer["replayed"], answer["effects"]) == ("WAITING", replayed, [])
    assert (await amend(house, "e2", {"amount": 3}))["status"] == "WAITING"
    assert (await house.bought("anna", "e1", 10))["effects"] == []
    assert (await house.bought("anna", "e2", 10))["effects"][0]["points"] == 3


async def test_long_history_is_worked_out_in_the_background(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 2)
    for number in range(4):
        await house.bought("anna", f"e{number}", 10)
    answer = await reverse(house, "e0")
    assert (answer["status"], answer["effects"]) == ("PENDING", [])
    await advance(house, NOON)
    assert await earned(house) == 30 + 7


async def test_what_came_too_late_counts_for_nothing_either_way(real: House) -> None:
    await real.bought("anna", "e1", 10, "2024-01-01T00:00:00Z")
    for answer in (await amend(real, "e1", {"amount": 5}), await reverse(real, "e1")):
        assert (answer["status"], answer["effects"]) == ("TOO_LATE", [])


async def test_reversed_is_final(house: House) -> None:
    await house.bought("anna", "e1", 10)
    await reverse(house, "e1")
    assert refused(await amend(house, "e1", {"amount": 5})) == ("AlreadyReversedError", "ALREADY_REVERSED", "event")


async def test_unknown_member_is_not_found(house: House, real: House) -> None:
    await house.bought("anna", "e1", 10)
    not_found = ("NotFoundError", "NOT_FOUND", "member")
    for member in ("nobody", "x" * 200):
        assert refused(await reverse(house, "e1", member)) == not_found
        assert refused(await amend(house, "e1", {}, member)) == not_found
    # Another program's member is nobody here.
    assert refused(await reverse(real, "e1")) == not_found
    assert refused(await amend(real, "e1", {})) == not_found
    assert await earned(house) == 10


@pytest.mark.parametrize("properties", [5, "x", [], [{}], {"shop": "a\0b"}, {"shop": "x" * 20_000}])
async def test_properties_are_an_object(house: House, properties: object) -> None:
    await house.bought("anna", "e1", 10)
    answer = await amend(house, "e1", properties)
    assert refused(answer) == ("InvalidInputError", "INVALID_INPUT", "properties")


async def test_wrong_input_is_refused(house: House) -> None:
    await house.bought("anna", "e1", 10)
    wrong = await amend(house, "e1", {"amount": "much"})
    assert refused(wrong) == ("InvalidInputError", "INVALID_INPUT", "properties.amount")
    for name in ("", "x" * 201, "a\0b"):
        assert refused(await reverse(house, name)) == ("InvalidInputError", "INVALID_INPUT", "event")
        assert refused(await amend(house, name, {})) == ("InvalidInputError", "INVALID_INPUT", "event")
        assert refused(await reverse(house, "e1", name)) == ("InvalidInputError", "INVALID_INPUT", "member")
    keyed = await reverse(house, "e1", idempotencyKey="")
    assert refused(keyed) == ("InvalidInputError", "INVALID_INPUT", "idempotencyKey")
    assert await earned(house) == 10


async def test_idempotency_key_stands_for_one_input(house: House) -> None:
    await house.bought("anna", "e1", 10)
    await house.bought("anna", "e2", 10)
    reused = ("IdempotencyKeyReusedError", "IDEMPOTENCY_KEY_REUSED")
    await amend(house, "e1", {"amount": 5}, idempotencyKey="k")
    assert refused(await amend(house, "e1", {"amount": 6}, idempotencyKey="k"))[:2] == reused
    await reverse(house, "e1", idempotencyKey="k")
    assert refused(await reverse(house, "e2", idempotencyKey="k"))[:2] == reused


async def test_busy_member_says_try_again(house: House) -> None:
    await house.bought("anna", "e1", 10)
    async with locked(house, "member_state WHERE program_id = $1"):
        answer = await reverse(house, "e1")
    assert refused(answer)[:2] == ("TryAgainError", "IN_PROGRESS")
    async with locked(house, "member_state WHERE program_id = $1"):
        answer = await amend(house, "e1", {})
    assert refused(answer)[:2] == ("TryAgainError", "IN_PROGRESS")
    assert (await reverse(house, "e1"))["status"] == "APPLIED"


async def test_follower_hears_of_a_reversal(house: House) -> None:
    name = f"anna-{secrets.token_hex(3)}"
    await house.bought(name, "e1", 10)
    async with following(house.service, house.token(name)) as updates:
        assert (await updates.update())["__typename"] == "Reset"
        answer = await reverse(house, "e1", name)
        item = await updates.update(2)
        assert (item["__typename"], item["eventId"], item["effects"]) == ("ActivityItem", "e1", answer["effects"])


async def test_board_read_after_the_answer_shows_it(house: House) -> None:
    board = '{ leaderboard(key: "ever") { entries { member score rank } } }'
    await house.bought("anna", "e1", 10)
    await house.bought("bert", "e1", 5)
    answer = await amend(house, "e1", {"amount": 3})
    assert {each["rank"] for each in answer["effects"] if each["__typename"] == "LeaderboardScored"} == {2}
    entries = (await house.data(board))["leaderboard"]["entries"]
    assert entries == [{"member": "bert", "score": 5, "rank": 1}, {"member": "anna", "score": 3, "rank": 2}]
    await reverse(house, "e1", "bert")
    entries = (await house.data(board))["leaderboard"]["entries"]
    assert entries == [{"member": "anna", "score": 3, "rank": 1}]
