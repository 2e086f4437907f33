"""A birthday, as clients are told of it: at its instant, by no event, with the automatic reward that its points reach."""

from typing import Any

from tests.api.conftest import APPLY, House, document
from tests.api.test_attributes import SET
from tests.api.test_members import advance

FEED = """{ activity(first: 9) { edges { node { at eventId effects {
  __typename ... on PointsEarned { source points } ... on PointsSpent { source points times }
} } } } }"""


async def test_a_birthday_is_told_when_it_comes(house: House) -> None:
    born = {"key": "born", "type": "date"}
    cake = {"key": "cake", "on": "birthday", "attribute": "born"}
    written = document(
        house.program.key,
        attributes=[born],
        occasions=[{**cake, "rewards": [{"points": 50, "currency": "points"}]}],
        auto_rewards=[{"key": "free", "currency": "points", "at": 40}],
    )
    applied = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert applied["__typename"] == "ApplyProgramSuccess", applied
    said: dict[str, Any] = {"member": "anna", "attributes": {"born": "1990-11-31"}, "idempotencyKey": "k1"}
    refused = (await house.data(SET, {"input": said}))["setMemberAttributes"]
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "attributes.born")
    await house.data(SET, {"input": {**said, "attributes": {"born": "1990-11-30"}, "idempotencyKey": "k2"}})
    await advance(house, "2026-12-01T00:00:00Z")
    (item,) = [each["node"] for each in (await house.data(FEED, key=house.token("anna")))["activity"]["edges"]]
    assert item == {
        "at": "2026-11-30T05:00:00Z",
        "eventId": None,
        "effects": [
            {"__typename": "PointsEarned", "source": "cake", "points": 50},
            {"__typename": "PointsSpent", "source": "free", "points": 40, "times": 1},
        ],
    }
