"""Badges through the API: made of others, hidden, and how rare they are."""

from typing import Any

import pytest

from tests.api.conftest import APPLY, NOON, House, Service, document, founded

BADGES: list[dict[str, Any]] = [
    {"key": "buyer", "on": "purchase", "levels": [{"target": 1, "key": "one"}]},
    {"key": "regular", "on": "purchase", "levels": [{"target": 2, "key": "one"}]},
    {
        "key": "secret",
        "name": "Both of them",
        "hidden": True,
        "of": [{"badge": "buyer"}, {"badge": "regular"}],
        "levels": [{"target": 2, "key": "full"}],
    },
]
HELD = "badges { key level hidden rarity next { current target } }"
ME = f"{{ me {{ {HELD} }} }}"
ANNA = f'{{ member(externalId: "anna") {{ {HELD} }} }}'


@pytest.fixture
async def club(service: Service) -> House:
    """A sandbox with these badges."""
    house = await founded(service, {"clock": NOON})
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, badges=BADGES)}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess"
    return house


async def test_a_hidden_badge_is_seen_by_its_member_once_she_holds_it(club: House) -> None:
    await club.bought("anna", "p1", 5)
    for member in ("bob", "cora"):
        await club.bought(member, "p1", 5)
        await club.bought(member, "p2", 5)
    hidden = {"key": "secret", "level": None, "hidden": True, "next": {"current": "1", "target": "2"}}
    me = (await club.data(ME, key=club.token("anna")))["me"]["badges"]
    assert [each["key"] for each in me] == ["buyer", "regular"]
    staff = (await club.data(ANNA))["member"]["badges"]
    assert {**hidden, "rarity": pytest.approx(2 / 3)} == staff[2]
    assert [each["rarity"] for each in staff] == [1.0, pytest.approx(2 / 3), pytest.approx(2 / 3)]
    answer = await club.bought("anna", "p2", 5)
    awarded = {each["badge"]: each["name"] for each in answer["effects"] if each["__typename"] == "BadgeAwarded"}
    assert awarded == {"regular": "regular", "secret": "Both of them"}
    me = (await club.data(ME, key=club.token("anna")))["me"]["badges"]
    assert [(each["key"], each["level"], each["next"]) for each in me][2] == ("secret", "full", None)


async def test_a_badge_that_nobody_holds_is_as_rare_as_can_be(club: House) -> None:
    text = (
        'mutation { setMemberTimezone(input: {member: "anna", timezone: "UTC", idempotencyKey: "k"}) { __typename } }'
    )
    await club.data(text)
    me = (await club.data(ME, key=club.token("anna")))["me"]["badges"]
    assert [(each["key"], each["rarity"]) for each in me] == [("buyer", 0.0), ("regular", 0.0)]
