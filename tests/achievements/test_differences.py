"""What differs between two versions of a definition, and what of it counts."""

from typing import Any

import pytest

from achievements.differences import FieldChange, fields_changed

BADGE: dict[str, Any] = {
    "key": "regular",
    "levels": [{"target": 10, "key": "bronze"}, {"target": 50, "key": "silver", "rewards": [{"points": 100}]}],
}


def _with(**changes: Any) -> dict[str, Any]:
    return {**BADGE, **changes}


@pytest.mark.parametrize(
    ("after", "differs"),
    [
        (BADGE, []),
        (_with(name="Regular"), [("name", None, "Regular", False)]),
        (_with(when="event.amount > 0.0"), [("when", None, "event.amount > 0.0", True)]),
        (
            _with(levels=[{"target": 12, "key": "bronze", "name": "Face"}, BADGE["levels"][1]]),
            [("levels[bronze].target", 10, 12, True), ("levels[bronze].name", None, "Face", False)],
        ),
        (
            _with(levels=[BADGE["levels"][0], {**BADGE["levels"][1], "rewards": [{"points": 90}]}]),
            [("levels[silver].rewards[0].points", 100, 90, True)],
        ),
        (_with(levels=[BADGE["levels"][1]]), [("levels[bronze]", BADGE["levels"][0], None, True)]),
        (_with(levels=BADGE["levels"][::-1]), [("levels", ["bronze", "silver"], ["silver", "bronze"], True)]),
        (_with(on=["a"]), [("on", None, ["a"], True)]),
    ],
)
def test_fields_that_differ(after: dict[str, Any], differs: list[tuple[str, Any, Any, bool]]) -> None:
    found = fields_changed(BADGE, after)
    assert [(each.path, each.before, each.after, each.counts) for each in found] == differs
    back = [(each.path, each.after, each.before, each.counts) for each in fields_changed(after, BADGE)]
    assert sorted(back, key=str) == sorted(differs, key=str)


def test_a_property_that_is_called_name_counts() -> None:
    before, after = ({"properties": {"name": kind}} for kind in ("string", "int"))
    assert fields_changed(before, after) == (FieldChange("properties.name", "string", "int"),)
    assert fields_changed(before, after)[0].counts


def test_what_only_shows_a_reward_does_not_count() -> None:
    mug = {"key": "mug", "kind": "product", "price": {"points": 5}}
    shown = {**mug, "texts": {"de": {"name": "Tasse"}}, "image": "/mug.jpg", "category": "home"}
    assert [each.counts for each in fields_changed(mug, shown)] == [False] * 3
    told = {**shown, "texts": {"de": {"name": "Becher"}}, "price": {"points": 6}}
    assert {each.path: each.counts for each in fields_changed(shown, told)} == {
        "texts.de.name": False,
        "price.points": True,
    }
