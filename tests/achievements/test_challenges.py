"""Challenges with several objectives, milestones, and those that members join themselves."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.rulebook import ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

BUY = {"on": "purchase", "target": 2}
VISIT = {"on": "visit", "target": 1}


def _challenge(*objectives: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"key": "both", "objectives": list(objectives or (BUY, VISIT)), **options}


def test_all_of_the_objectives_are_needed_where_nothing_is_said() -> None:
    check(
        rulebook(challenges=[_challenge()]),
        """
        2017-03-01 10:00 | purchase 1.00 | progress both 1+0
        2017-03-01 11:00 | purchase 1.00 | progress both 2+0
        2017-03-01 12:00 | visit         | progress both 2+1; completed both
        """,
    )


def test_any_of_the_objectives_is_enough() -> None:
    check(
        rulebook(challenges=[_challenge(needs="any", rewards=[{"points": 5}])]),
        """
        2017-03-01 10:00 | purchase 1.00 | progress both 1+0
        2017-03-01 12:00 | visit         | progress both 1+1; completed both; points +5 both
        2017-03-01 13:00 | purchase 1.00 |
        """,
    )


def test_in_order_an_objective_counts_once_those_before_it_are_met() -> None:
    check(
        rulebook(challenges=[_challenge(BUY, VISIT, {"on": "purchase", "target": 1}, needs="in_order")]),
        """
        2017-03-01 09:00 | visit         |
        2017-03-01 10:00 | purchase 1.00 | progress both 1+0+0
        2017-03-01 10:30 | visit         |
        2017-03-01 11:00 | purchase 1.00 | progress both 2+0+0
        2017-03-01 11:30 | purchase 1.00 | progress both 3+0+0
        2017-03-01 12:00 | visit         | progress both 3+1+0
        2017-03-01 13:00 | purchase 1.00 | progress both 4+1+1; completed both
        """,
    )


def test_the_event_that_meets_one_objective_does_not_count_for_the_next() -> None:
    twice = _challenge({"on": "purchase", "target": 1}, {"on": "purchase", "target": 1}, needs="in_order")
    check(
        rulebook(challenges=[twice]),
        """
        2017-03-01 10:00 | purchase 1.00 | progress both 1+0
        2017-03-01 10:01 | purchase 1.00 | progress both 2+1; completed both
        """,
    )


def test_what_has_left_a_window_that_rolls_is_met_no_more() -> None:
    check(
        rulebook(challenges=[_challenge({"on": "purchase", "target": 1}, VISIT, window={"days": 2})]),
        """
        2017-03-01 10:00 | purchase 1.00 | progress both 1+0
        2017-03-03 10:00 | visit         | progress both 0+1
        2017-03-04 10:00 | purchase 1.00 | progress both 1+1; completed both
        """,
    )


MILESTONES = [
    {"at": 2, "rewards": [{"points": 5}]},
    {"at": 3, "key": "nearly", "rewards": [{"points": 7}]},
]


def test_milestones_are_reached_once_in_each_window() -> None:
    wanted = _challenge({"on": "purchase", "target": 4}, window={"calendar": "day"}, milestones=MILESTONES)
    check(
        rulebook(challenges=[{**wanted, "rewards": [{"points": 20}]}]),
        """
        2017-03-01 10:00 | purchase 1.00 |
        2017-03-01 11:00 | purchase 1.00 | milestone both 2; points +5 both
        2017-03-01 12:00 | visit         |
        2017-03-01 13:00 | purchase 1.00 | milestone both nearly; points +7 both
        2017-03-01 14:00 | purchase 1.00 | completed both 2017-03-01; points +20 both
        2017-03-02 10:00 | purchase 1.00 |
        2017-03-02 11:00 | purchase 1.00 | milestone both 2; points +5 both
        """,
    )


def test_milestones_are_reached_once_in_each_round_and_by_one_event_together() -> None:
    summed = {"on": "purchase", "measure": {"sum": "amount"}, "target": 10}
    wanted = _challenge(summed, repeat="on_completion", milestones=MILESTONES)
    check(
        rulebook(challenges=[wanted]),
        """
        2017-03-01 10:00 | purchase 1.00  | progress both 1.00
        2017-03-01 11:00 | purchase 10.00 | progress both 11.00; milestone both 2; milestone both nearly; completed both #1; points +5 both; points +7 both
        2017-03-01 13:00 | purchase 2.00  | progress both 2.00; milestone both 2; points +5 both
        """,
    )


def test_a_milestone_is_not_reached_again_where_the_measure_falls_below_it() -> None:
    book = rulebook(
        earn_rules=[{"key": "base", "on": "visit", "earn": {"fixed": 1}}],
        challenges=[
            _challenge(
                {"measure": {"points": "points"}, "target": 9},
                window={"days": 2},
                milestones=[{"at": 2, "rewards": [{"voucher": "tea"}]}],
            )
        ],
        vouchers=[{"key": "tea"}],
    )
    check(
        book,
        """
        2017-03-01 10:00 | visit | progress both 1
        2017-03-01 11:00 | visit | progress both 2; milestone both 2; reward voucher tea
        2017-03-04 11:00 | visit | progress both 1
        2017-03-04 12:00 | visit | progress both 2
        """,
    )


def test_what_is_joined_counts_from_joining_until_leaving() -> None:
    check(
        rulebook(challenges=[_challenge({"on": "purchase", "target": 3}, join="opt_in")]),
        """
        2017-03-01 10:00 | purchase 1.00           |
        2017-03-01 11:00 | !joined challenge=other |
        2017-03-01 12:00 | purchase 1.00           |
        2017-03-01 13:00 | !joined challenge=both  |
        2017-03-01 14:00 | purchase 1.00           | progress both 1
        2017-03-01 14:30 | !joined challenge=both  |
        2017-03-01 15:00 | !left challenge=both    |
        2017-03-01 16:00 | purchase 1.00           |
        2017-03-01 17:00 | !joined challenge=both  |
        2017-03-01 18:00 | purchase 1.00           | progress both 2
        2017-03-01 19:00 | purchase 1.00           | progress both 3; completed both
        2017-03-01 20:00 | !left challenge=both    |
        2017-03-01 21:00 | !joined challenge=both  |
        2017-03-01 22:00 | purchase 1.00           |
        """,
    )


def test_who_joined_takes_part_in_every_window_and_is_given_a_milestone_once() -> None:
    wanted = _challenge(
        {"on": "purchase", "target": 3}, window={"calendar": "day"}, join="opt_in", milestones=MILESTONES[:1]
    )
    check(
        rulebook(challenges=[wanted]),
        """
        2017-03-01 10:00 | !joined challenge=both |
        2017-03-01 11:00 | purchase 1.00          |
        2017-03-01 12:00 | purchase 1.00          | milestone both 2
        2017-03-01 13:00 | !left challenge=both   |
        2017-03-01 14:00 | !joined challenge=both |
        2017-03-01 15:00 | purchase 1.00          | completed both 2017-03-01
        2017-03-02 11:00 | purchase 1.00          |
        2017-03-02 12:00 | purchase 1.00          | milestone both 2
        2017-03-02 13:00 | !left challenge=both   |
        2017-03-03 11:00 | purchase 1.00          |
        2017-03-03 12:00 | purchase 1.00          |
        """,
    )


def test_nobody_joins_what_counts_for_everybody() -> None:
    state = check(
        rulebook(challenges=[_challenge(BUY)]),
        """
        2017-03-01 10:00 | !joined challenge=both |
        2017-03-01 11:00 | purchase 1.00          | progress both 1
        2017-03-01 11:30 | !left challenge=both   |
        2017-03-01 12:00 | purchase 1.00          | progress both 2; completed both
        """,
    )
    assert state.inputs == 4


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [
        ({"needs": "some"}, "challenges[0].needs", "all"),
        ({"join": "maybe"}, "challenges[0].join", "opt_in"),
        ({"milestones": [{"at": 1}]}, "challenges[0].milestones", "one objective"),
        ({"objectives": [BUY], "milestones": [{"at": 2}]}, "challenges[0].milestones", "below the target"),
        (
            {"objectives": [BUY | {"target": 9}], "milestones": [{"at": 2}, {"at": 2, "key": "x"}]},
            "challenges[0].milestones",
            "lowest first",
        ),
        (
            {"objectives": [BUY | {"target": 9}], "milestones": [{"at": 2}, {"at": 3, "key": "2"}]},
            "challenges[0].milestones",
            "same key",
        ),
        (
            {"objectives": [BUY], "milestones": [{"at": 1, "rewards": [{"voucher": "tea"}]}]},
            "challenges[0].milestones[0].rewards[0].voucher",
            "no voucher `tea`",
        ),
        (
            {
                "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 5}],
                "milestones": [{"at": 1, "rewards": [{"points": 1}]}],
            },
            "challenges[0].rewards",
            "count towards it",
        ),
    ],
)
def test_what_does_not_go_together_is_a_mistake(options: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(challenges=[_challenge(**{"objectives": [BUY, VISIT], **options})])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message
