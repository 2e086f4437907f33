"""A boost that a reward gives, as apps see it."""

from tests.api.conftest import APPLY, START, House, document

ME = "{ me { boosts { key name description factor until } } }"
LATER = "2026-11-02T12:00:00Z"


async def test_a_boost_is_shown_while_it_lasts(house: House) -> None:
    level = {"target": 1, "key": "one", "rewards": [{"boost": "double", "days": 1}]}
    written = document(
        house.program.key,
        boosts=[{"key": "double", "name": "Twice", "factor": "2.0", "given": True}],
        badges=[{"key": "regular", "name": "Regular", "on": "purchase", "levels": [level]}],
    )
    applied = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert applied["__typename"] == "ApplyProgramSuccess", applied
    receipts = [await house.bought("anna", "e1", 5, START), await house.bought("anna", "e2", 5, LATER)]
    earned = [
        each["points"]
        for receipt in receipts
        for each in receipt["effects"]
        if each["__typename"] == "PointsEarned" and each["source"] == "base"
    ]
    assert earned == [5, 10]
    (boost,) = (await house.data(ME, key=house.token("anna")))["me"]["boosts"]
    until = "2026-11-03T05:00:00Z"
    assert boost == {"key": "double", "name": "Twice", "description": "", "factor": "2.0", "until": until}
    await house.bought("anna", "e3", 5, until)
    assert (await house.data(ME, key=house.token("anna")))["me"]["boosts"] == []
