"""Challenges through the API: what a screen tells of them, and joining one with a key or as the member herself."""

from typing import Any

import pytest

from tests.api.conftest import APPLY, NOON, House, Service, document, founded

JOIN = """mutation($input: JoinChallengeInput!) { joinChallenge(input: $input) {
  __typename ... on JoinChallengeSuccess { member challenge at joinedAt changed replayed }
  ... on UserError { code field } } }"""
LATER = "2026-11-21T13:00:00Z"
LEAVE = JOIN.replace("joinChallenge", "leaveChallenge")
CHALLENGES = """{ me { challenges { key optIn joined joinedAt needs fraction limit placesLeft missed milestones { key name at reachedAt } } } }"""
SHOP: list[dict[str, Any]] = [
    {
        "key": "five",
        "objectives": [{"on": "purchase", "target": 5}],
        "join": "opt_in",
        "milestones": [{"at": 2, "key": "two", "name": "A good start", "rewards": [{"points": 3, "currency": "gems"}]}],
    },
    {"key": "open", "needs": "any", "objectives": [{"on": "purchase", "target": 2}, {"on": "purchase", "target": 4}]},
]


@pytest.fixture
async def club(service: Service) -> House:
    """A sandbox with a challenge to join and one for everybody."""
    house = await founded(service, {"clock": NOON})
    written = document(house.program.key, challenges=SHOP)
    applied = await house.data(APPLY, {"input": {"document": written}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess"
    return house


async def test_a_member_joins_by_her_own_token(club: House) -> None:
    me = club.token("anna")
    given = {"input": {"challenge": "five", "idempotencyKey": "k"}}
    success = {"__typename": "JoinChallengeSuccess", "member": "anna", "challenge": "five", "at": NOON}
    joined = {**success, "joinedAt": NOON, "changed": True, "replayed": False}
    assert (await club.data(JOIN, given, key=me))["joinChallenge"] == joined
    assert (await club.data(JOIN, given, key=me))["joinChallenge"] == {**joined, "replayed": True}
    answer = await club.bought("anna", "p1", 5, LATER)
    assert "MilestoneReached" not in [each["__typename"] for each in answer["effects"]]
    answer = await club.bought("anna", "p2", 5, LATER)
    assert "MilestoneReached" in [each["__typename"] for each in answer["effects"]]
    five, opened = (await club.data(CHALLENGES, key=me))["me"]["challenges"]
    milestone = {"key": "two", "name": "A good start", "at": "2", "reachedAt": LATER}
    assert five == {
        "key": "five",
        "optIn": True,
        "joined": True,
        "joinedAt": NOON,
        "needs": "ALL",
        "fraction": 0.4,
        "limit": None,
        "placesLeft": None,
        "missed": False,
        "milestones": [milestone],
    }
    assert opened == {
        "key": "open",
        "optIn": False,
        "joined": True,
        "joinedAt": None,
        "needs": "ANY",
        "fraction": 1.0,
        "limit": None,
        "placesLeft": None,
        "missed": False,
        "milestones": [],
    }
    left = (await club.data(LEAVE, given, key=me))["leaveChallenge"]
    assert (left["joinedAt"], left["changed"]) == (None, True)
    assert [each["joined"] for each in (await club.data(CHALLENGES, key=me))["me"]["challenges"]] == [False, True]


async def test_a_screen_tells_how_many_places_are_left_and_who_missed_hers(service: Service) -> None:
    house = await founded(service, {"clock": NOON})
    first = {
        "key": "first",
        "objectives": [{"on": "purchase", "target": 1}],
        "window": {"calendar": "month"},
        "repeat": "each_window",
        "limit": 2,
    }
    await house.data(APPLY, {"input": {"document": document(house.program.key, challenges=[first])}})

    async def shown(member: str) -> tuple[int, int, bool]:
        (told,) = (await house.data(CHALLENGES, key=house.token(member)))["me"]["challenges"]
        return told["limit"], told["placesLeft"], told["missed"]

    for member, left, missed in (("anna", 1, False), ("bob", 0, False), ("cora", 0, True)):
        answer = await house.bought(member, f"p-{member}", 5, LATER)
        assert ("ChallengeCompleted" in [each["__typename"] for each in answer["effects"]]) is not missed
        assert await shown(member) == (2, left, missed)
    await house.bought("cora", "next", 5, "2026-12-02T12:00:00Z")
    assert [await shown("anna"), await shown("cora")] == [(2, 0, False), (2, 1, False)]


async def test_a_member_joins_for_herself_alone(club: House) -> None:
    given = {"input": {"member": "bob", "challenge": "five", "idempotencyKey": "k"}}
    refusal = await club.refusal(JOIN, given, key=club.token("anna"))
    assert refusal["code"] == "FORBIDDEN"
    assert (await club.data(JOIN, given))["joinChallenge"]["member"] == "bob"
    nobody = {"input": {**given["input"], "member": None}}
    assert (await club.data(JOIN, nobody))["joinChallenge"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"challenge": "none"}, ("NotFoundError", "NOT_FOUND", "challenge")),
        ({"challenge": "open"}, ("InvalidInputError", "INVALID_INPUT", "challenge")),
        ({"member": "a\0"}, ("InvalidInputError", "INVALID_INPUT", "member")),
        ({"idempotencyKey": ""}, ("InvalidInputError", "INVALID_INPUT", "idempotencyKey")),
    ],
)
async def test_what_cannot_be_joined_is_refused_by_type(
    club: House, given: dict[str, str], error: tuple[str, str, str]
) -> None:
    whole = {"member": "anna", "challenge": "five", "idempotencyKey": "k", **given}
    answer = (await club.data(JOIN, {"input": whole}))["joinChallenge"]
    assert (answer["__typename"], answer["code"], answer["field"]) == error


async def test_nobody_joins_or_leaves_what_is_paused(club: House) -> None:
    given = {"input": {"member": "anna", "challenge": "five", "idempotencyKey": "k"}}
    assert (await club.data(JOIN, given))["joinChallenge"]["changed"]
    paused = document(club.program.key, challenges=[{**SHOP[0], "status": "paused"}])
    await club.data(APPLY, {"input": {"document": paused}})
    for text, name, key in ((LEAVE, "leaveChallenge", "l"), (JOIN, "joinChallenge", "m")):
        answer = await club.data(text, {"input": {**given["input"], "idempotencyKey": key}})
        assert answer[name]["code"] == "NOT_FOUND"
