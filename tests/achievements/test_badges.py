"""Badges made of others, and badges that are given."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.rulebook import ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

BUYER = {"key": "buyer", "on": "purchase", "levels": [{"target": 1, "key": "one"}, {"target": 3, "key": "two"}]}
GUEST = {"key": "guest", "on": "visit", "levels": [{"target": 1, "key": "one"}]}
TWICE = {"key": "twice", "objectives": [{"on": "purchase", "target": 2}]}


def _of(*parts: dict[str, Any], key: str = "all", **options: Any) -> dict[str, Any]:
    return {"key": key, "of": list(parts), "levels": [{"target": len(parts), "key": "full"}], **options}


def test_a_badge_of_others_is_awarded_with_the_last_of_them() -> None:
    whole = _of({"badge": "buyer"}, {"badge": "guest"}, {"challenge": "twice"})
    check(
        rulebook(challenges=[TWICE], badges=[whole, BUYER, GUEST]),
        """
        2017-03-01 10:00 | purchase 1.00 | badge buyer one
        2017-03-01 11:00 | visit         | badge guest one
        2017-03-01 11:30 | visit         |
        2017-03-01 12:00 | purchase 1.00 | completed twice; badge all full
        2017-03-01 13:00 | purchase 1.00 | badge buyer two
        """,
    )


def test_a_part_at_a_level_wants_that_level_and_levels_count_parts() -> None:
    whole = _of({"badge": "buyer", "level": "two"}, {"badge": "guest"})
    whole["levels"] = [{"target": 1, "key": "some"}, {"target": 2, "key": "full", "rewards": [{"points": 9}]}]
    check(
        rulebook(badges=[whole, BUYER, GUEST]),
        """
        2017-03-01 10:00 | purchase 1.00 | badge buyer one
        2017-03-01 11:00 | purchase 1.00 |
        2017-03-01 12:00 | purchase 1.00 | badge buyer two; badge all some
        2017-03-01 13:00 | visit         | badge guest one; badge all full; points +9 all
        """,
    )


def test_what_is_made_of_composites_comes_after_them_whatever_their_order() -> None:
    top, middle = _of({"badge": "middle"}, key="top"), _of({"badge": "guest"}, key="middle")
    check(
        rulebook(badges=[top, middle, GUEST]),
        """
        2017-03-01 10:00 | purchase 1.00 |
        2017-03-01 11:00 | visit         | badge guest one; badge middle full; badge top full
        2017-03-01 12:00 | visit         |
        """,
    )


def test_the_rewards_of_a_composite_count_where_rewards_do() -> None:
    saver = {
        "key": "saver",
        "measure": {"points": "points", "including": "rewards"},
        "on": ["purchase", "visit"],
        "levels": [{"target": 5, "key": "five"}],
    }
    whole = _of({"badge": "guest"})
    whole["levels"][0]["rewards"] = [{"points": 5}]
    check(
        rulebook(badges=[saver, whole, GUEST]),
        """
        2017-03-01 11:00 | visit | badge guest one; badge all full; points +5 all; badge saver five
        """,
    )


def test_a_badge_given_is_held_once_at_the_level_that_is_named() -> None:
    given = {**TWICE, "repeat": "on_completion", "rewards": [{"badge": "guest", "level": "two"}, {"badge": "guest"}]}
    guest = {**GUEST, "levels": [{"target": 1, "key": "one", "rewards": [{"points": 3}]}, {"target": 4, "key": "two"}]}
    check(
        rulebook(challenges=[given], badges=[guest]),
        """
        2017-03-01 10:00 | purchase 1.00 |
        2017-03-01 11:00 | purchase 1.00 | completed twice #1; reward badge guest; reward badge guest; badge guest one; badge guest two; points +3 guest
        2017-03-01 12:00 | visit         |
        2017-03-01 13:00 | purchase 1.00 |
        2017-03-01 14:00 | purchase 1.00 | completed twice #2; reward badge guest; reward badge guest
        """,
    )


def test_a_badge_given_by_a_badge_and_by_time_is_seen_by_what_is_made_of_it() -> None:
    given = {**GUEST, "levels": [{"target": 1, "key": "one", "rewards": [{"badge": "buyer", "level": "two"}]}]}
    check(
        rulebook(badges=[_of({"badge": "buyer", "level": "two"}), BUYER, given]),
        """
        2017-03-01 10:00 | visit         | badge guest one; reward badge buyer; badge buyer two; badge all full
        2017-03-01 11:00 | purchase 1.00 | badge buyer one
        """,
    )


def test_what_nothing_is_made_of_is_told_to_nobody() -> None:
    rules = rulebook(challenges=[TWICE], badges=[BUYER, GUEST]).latest
    assert rules.counting_rewards == ()
    assert {name: rule.gives for name, rule in rules.by_name.items() if rule.gives} == {}


PART: dict[str, Any] = {"badge": "guest"}


@pytest.mark.parametrize(
    ("badge", "path", "words"),
    [
        ({"of": [PART], "on": "visit"}, "badges[0].on", "made of"),
        ({}, "badges[0].on", "on: EVENT_TYPE"),
        ({"of": [PART], "when": "true"}, "badges[0].when", "goes with `on`"),
        ({"of": [PART], "measure": {"distinct": "local_day"}}, "badges[0].measure", "goes with `on`"),
        ({"of": [PART, PART]}, "badges[0].of", "twice"),
        ({"of": [PART], "levels": [{"target": 2}]}, "badges[0].levels", "number of parts, 1"),
        ({"of": [{"badge": "guest", "challenge": "twice"}]}, "badges[0].of[0]", "exactly one of"),
        ({"of": [{"challenge": "twice", "level": "one"}]}, "badges[0].of[0].level", "goes with `badge`"),
        ({"of": [{"badge": "none"}]}, "badges[0].of[0].badge", "no badge `none`"),
        ({"of": [{"badge": "guest", "level": "six"}]}, "badges[0].of[0].level", "the badge has: one"),
        ({"of": [{"challenge": "none"}]}, "badges[0].of[0].challenge", "no challenge `none`"),
        ({"of": [{"badge": "x"}]}, "badges[0].of", "count towards itself;"),
        (
            {"of": [{"challenge": "twice"}], "levels": [{"target": 1, "key": "l", "rewards": [{"points": 1}]}]},
            "badges[0].of",
            "through challenges/twice",
        ),
    ],
)
def test_what_makes_no_badge_is_a_mistake(badge: dict[str, Any], path: str, words: str) -> None:
    counting = {**TWICE, "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 9}]}
    written = document(challenges=[counting], badges=[{"key": "x", "levels": [{"target": 1}], **badge}, GUEST])
    with pytest.raises(Mistaken) as raised:
        ready(parse(written))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message


def test_every_composite_of_a_circle_is_named() -> None:
    badges = [_of({"badge": "b"}, key="a"), _of({"badge": "a"}, key="b"), _of({"badge": "a"}, key="c")]
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(badges=badges)))
    assert [each.path for each in raised.value.mistakes] == ["badges[0].of", "badges[1].of"]
    assert "through badges/b" in raised.value.mistakes[0].message
