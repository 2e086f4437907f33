"""Challenges for the first so many members: a place is asked for, and what was decided comes back as a fact."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

FIRST = {"key": "first", "objectives": [{"on": "purchase", "target": 2}], "limit": 3, "rewards": [{"points": 5}]}


def _book(**options: Any) -> Rulebook:
    return rulebook(challenges=[{**FIRST, **options}])


def test_with_a_place_it_is_completed_and_without_one_it_is_not() -> None:
    check(
        _book(),
        """
        2017-03-01 10:00 | purchase 1.00                       | progress first 1
        2017-03-01 11:00 | purchase 1.00                       | progress first 2; place first
        2017-03-01 11:00 | !place_taken challenge=first period= | completed first; points +5 first
        2017-03-01 12:00 | purchase 1.00                       |
        """,
    )
    check(
        _book(),
        """
        2017-03-01 10:00 | purchase 1.00                        | progress first 1
        2017-03-01 11:00 | purchase 1.00                        | progress first 2; place first
        2017-03-01 11:00 | !place_missed challenge=first period= |
        2017-03-01 12:00 | purchase 1.00                        |
        """,
    )


def test_every_window_has_places_of_its_own() -> None:
    check(
        _book(window={"calendar": "day"}),
        """
        2017-03-01 10:00 | purchase 1.00                                  |
        2017-03-01 11:00 | purchase 1.00                                  | place first 2017-03-01
        2017-03-01 11:01 | !place_missed challenge=first period=2017-03-01 |
        2017-03-02 10:00 | purchase 1.00                                  |
        2017-03-02 11:00 | purchase 1.00                                  | place first 2017-03-02
        2017-03-02 11:01 | !place_taken challenge=first period=2017-03-01  |
        2017-03-02 11:02 | !place_taken challenge=first period=2017-03-02  | completed first 2017-03-02
        """,
    )


def test_a_place_that_stands_is_used_when_the_targets_are_met() -> None:
    # An event before it was reversed: with what is left, the targets are met later than the place was given.
    check(
        _book(),
        """
        2017-03-01 10:00 | purchase 1.00                       | progress first 1
        2017-03-01 11:00 | !place_taken challenge=first period= |
        2017-03-01 12:00 | purchase 1.00                       | progress first 2; completed first; points +5 first
        """,
    )


def test_once_means_once_though_the_window_has_changed() -> None:
    check(
        _book(window={"calendar": "day"}, repeat="once"),
        """
        2017-03-01 10:00 | purchase 1.00                        |
        2017-03-01 11:00 | purchase 1.00                        | place first
        2017-03-01 11:01 | !place_missed challenge=first period= |
        2017-03-02 10:00 | purchase 1.00                        |
        2017-03-02 11:00 | purchase 1.00                        |
        """,
    )


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [
        ({"limit": 0}, "challenges[0].limit", "from 1"),
        ({"repeat": "on_completion"}, "challenges[0].limit", "on_completion"),
        (
            {"objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 9}], "rewards": []},
            "challenges[0].limit",
            "including: rewards",
        ),
    ],
)
def test_what_a_limit_does_not_go_with_is_a_mistake(options: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(challenges=[{**FIRST, **options}])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message
