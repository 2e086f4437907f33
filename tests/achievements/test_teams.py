"""Challenges of teams: what a member gives is counted for the team that she is in, and a fact says that the target was met."""

from typing import Any

import pytest

from achievements import periods
from achievements.definitions import Mistaken, parse
from achievements.drafting import with_draft
from achievements.rulebook import Rulebook, ready
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document, rulebook

STEPS = {
    "key": "steps",
    "objectives": [{"on": "purchase", "target": 10}],
    "window": {"calendar": "month"},
    "team": {"minimum": 2},
    "rewards": [{"points": 5}],
}


def _book(**options: Any) -> Rulebook:
    return rulebook(challenges=[{**STEPS, **options}])


def test_what_she_does_counts_for_the_team_that_she_is_in() -> None:
    check(
        _book(),
        """
        2017-03-01 09:00 | purchase 1.00   |
        2017-03-01 10:00 | !team team=red  |
        2017-03-01 11:00 | purchase 1.00   | gives steps 1 red
        2017-03-02 11:00 | purchase 1.00   | gives steps 2 red
        2017-03-03 10:00 | !team team=blue |
        2017-03-03 11:00 | purchase 1.00   | gives steps 1 blue
        2017-03-04 10:00 | !team team=red  |
        2017-03-04 11:00 | purchase 1.00   | gives steps 1 red
        2017-03-05 10:00 | !team team=     |
        2017-03-05 11:00 | purchase 1.00   |
        """,
    )


def test_alone_she_completes_nothing_and_with_her_team_once() -> None:
    met = "!team_target_met challenge=steps period=2017-03 team=red window=24206"
    check(
        _book(objectives=[{"on": "purchase", "target": 2}]),
        f"""
        2017-03-01 10:00 | !team team=red |
        2017-03-01 11:00 | purchase 1.00  | gives steps 1 red
        2017-03-01 12:00 | purchase 1.00  | gives steps 2 red
        2017-03-01 13:00 | purchase 1.00  | gives steps 3 red
        2017-03-01 14:00 | {met}          | completed steps 2017-03; points +5 steps
        2017-03-01 15:00 | {met}          |
        2017-03-01 16:00 | purchase 1.00  |
        2017-04-01 11:00 | purchase 1.00  | gives steps 1 red
        """,
    )


def test_she_is_told_of_a_window_that_is_over_and_goes_on_in_the_next() -> None:
    met = "!team_target_met challenge=steps period=2017-03 team=red window=24206"
    check(
        _book(),
        f"""
        2017-03-31 10:00 | !team team=red |
        2017-03-31 11:00 | purchase 1.00  | gives steps 1 red
        2017-04-01 11:00 | purchase 1.00  | gives steps 1 red
        2017-04-01 12:00 | {met}          | completed steps 2017-03; points +5 steps
        2017-04-01 13:00 | purchase 1.00  | gives steps 2 red
        """,
    )


def test_a_window_before_one_that_is_won_is_won_too_and_neither_twice() -> None:
    # What came late met the target of March when that of April had been met.
    march = "!team_target_met challenge=steps period=2017-03 team=red window=24206"
    april = "!team_target_met challenge=steps period=2017-04 team=red window=24207"
    check(
        _book(),
        f"""
        2017-03-31 10:00 | !team team=red |
        2017-03-31 11:00 | purchase 1.00  | gives steps 1 red
        2017-04-01 11:00 | purchase 1.00  | gives steps 1 red
        2017-04-01 12:00 | {april}        | completed steps 2017-04; points +5 steps
        2017-04-01 13:00 | {march}        | completed steps 2017-03; points +5 steps
        2017-04-01 14:00 | purchase 1.00  |
        2017-04-01 15:00 | {april}        |
        2017-05-01 11:00 | purchase 1.00  | gives steps 1 red
        """,
    )


def test_who_began_a_window_is_rewarded_as_it_was_then() -> None:
    before, after = _book().latest, _book(rewards=[{"points": 9}]).latest
    march = "!team_target_met challenge=steps period=2017-03 team=red window=24206"
    april = "!team_target_met challenge=steps period=2017-04 team=red window=24207"
    changed = periods.rfc3339("2017-03-10T00:00:00Z")
    check(
        Rulebook(1, [(BEGIN, before), (changed, after)]),
        f"""
        2017-03-01 10:00 | !team team=red |
        2017-03-01 11:00 | purchase 1.00  | gives steps 1 red
        2017-03-20 11:00 | purchase 1.00  | gives steps 2 red
        2017-03-20 12:00 | {march}        | completed steps 2017-03; points +5 steps
        2017-04-01 11:00 | purchase 1.00  | gives steps 1 red
        2017-04-01 12:00 | {april}        | completed steps 2017-04; points +9 steps
        """,
    )


def test_a_met_target_stands_though_nothing_of_hers_is_left() -> None:
    check(
        _book(),
        """
        2017-03-01 10:00 | !team team=red |
        2017-03-02 10:00 | !team_target_met challenge=steps period=2017-03 team=red window=24206 | completed steps 2017-03; points +5 steps
        """,
    )


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"objectives": [{"on": "purchase", "target": 1}]}, "challenges[0].team"),
        ({"objectives": [*STEPS["objectives"], {"on": "purchase", "target": 3}]}, "challenges[0].objectives"),
        (
            {"objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 9}]},
            "challenges[0].team",
        ),
        ({"window": {"days": 7}}, "challenges[0].window"),
        ({"window": "lifetime", "repeat": "on_completion"}, "challenges[0].repeat"),
        ({"repeat": "once"}, "challenges[0].repeat"),
        ({"join": "opt_in"}, "challenges[0].join"),
        ({"limit": 3}, "challenges[0].limit"),
        ({"milestones": [{"at": 5}]}, "challenges[0].milestones"),
        ({"control_group": 10}, "challenges[0].control_group"),
    ],
)
def test_what_a_team_cannot_have_is_a_mistake(options: dict[str, Any], path: str) -> None:
    with pytest.raises(Mistaken) as caught:
        ready(parse(document(challenges=[{**STEPS, **options}])))
    assert [each.path for each in caught.value.mistakes] == [path]


def test_a_draft_of_a_team_is_not_tried() -> None:
    with pytest.raises(Mistaken) as caught:
        with_draft(parse(document()), {"challenges": [STEPS]})
    assert [each.path for each in caught.value.mistakes] == ["challenges[0].team"]
