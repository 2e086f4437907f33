"""Streaks over several measures: a period counts once enough of its objectives are met."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, ready
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document, rulebook

TYPES: list[dict[str, Any]] = [{"key": "workout"}, {"key": "reading", "properties": {"minutes": "int"}}]
WORKOUTS = {"on": "workout", "target": 3}
MINUTES = {"on": "reading", "measure": {"sum": "minutes"}, "target": 20}


def fit(**more: Any) -> dict[str, Any]:
    return {"key": "fit", "objectives": [WORKOUTS, MINUTES], "period": "week", **more}


def book(*streaks: dict[str, Any], **more: Any) -> Rulebook:
    return rulebook(event_types=TYPES, streaks=[*streaks], **more)


def test_a_week_counts_once_all_of_it_is_met() -> None:
    # Mondays are the 6th, 13th and 20th.
    check(
        book(fit()),
        """
        2017-03-06 10:00 | workout            |
        2017-03-07 10:00 | workout            |
        2017-03-08 10:00 | workout            |
        2017-03-08 11:00 | workout            |
        2017-03-12 23:30 | reading minutes=20 | streak fit 1
        2017-03-12 23:40 | reading minutes=20 |
        2017-03-13 10:00 | workout            |
        2017-03-14 10:00 | reading minutes=19 |
        2017-03-15 10:00 | workout            |
        2017-03-16 10:00 | workout            |
        2017-03-17 10:00 | reading minutes=1  | streak fit 2
        2017-03-20 10:00 | workout            |
        2017-03-21 10:00 | workout            |
        2017-03-21 10:00 | workout            |
        2017-03-26 23:59 |                    |
        2017-03-27 00:00 |                    | streak fit 0
        2017-03-27 10:00 | reading minutes=30 |
        """,
    )


def test_any_one_may_be_enough() -> None:
    check(
        book(fit(needs="any", period="day", objectives=[{**WORKOUTS, "target": 2}, MINUTES])),
        """
        2017-03-06 10:00 | workout            |
        2017-03-06 11:00 | workout            | streak fit 1
        2017-03-06 12:00 | reading minutes=20 |
        2017-03-07 10:00 | workout            |
        2017-03-07 11:00 | reading minutes=20 | streak fit 2
        2017-03-08 11:00 | reading minutes=19 |
        2017-03-09 00:00 |                    | streak fit 0
        """,
    )


def test_in_order_one_comes_after_the_other() -> None:
    check(
        book(fit(needs="in_order", period="day", objectives=[{**WORKOUTS, "target": 1}, MINUTES])),
        """
        2017-03-06 10:00 | reading minutes=20 |
        2017-03-06 11:00 | workout            |
        2017-03-06 12:00 | reading minutes=20 | streak fit 1
        """,
    )


def test_what_was_begun_in_a_period_is_worth_nothing_in_the_next() -> None:
    check(
        book(fit(period="day", objectives=[{**WORKOUTS, "target": 2}])),
        """
        2017-03-06 10:00 | workout |
        2017-03-07 10:00 | workout |
        2017-03-07 11:00 | workout | streak fit 1
        2017-03-08 10:00 | workout |
        2017-03-09 00:00 |         | streak fit 0
        2017-03-09 10:00 | workout |
        2017-03-09 10:00 | workout | streak fit 1
        """,
    )


def test_freezes_milestones_and_warnings_go_by_what_a_period_asks_for() -> None:
    objectives = [{**WORKOUTS, "target": 2}]
    saved = {"cooldown": 9}
    check(
        book(
            fit(
                period="day",
                objectives=objectives,
                freezes=saved,
                at_risk="20:00",
                milestones=[{"at": 2, "rewards": [{"points": 5}]}],
            )
        ),
        """
        2017-03-06 10:00 | workout |
        2017-03-06 20:00 |         |
        2017-03-06 21:00 | workout | streak fit 1
        2017-03-07 10:00 | workout |
        2017-03-07 20:00 |         | risk fit 1
        2017-03-08 00:00 |         | streak fit 1
        2017-03-08 10:00 | workout |
        2017-03-08 11:00 | workout | streak fit 2; points +5 fit
        """,
    )


def test_points_and_days_and_different_values_can_be_asked_for() -> None:
    objectives = [
        {"measure": {"points": "points"}, "target": 30},
        {"on": "purchase", "measure": {"distinct": "departments"}, "target": 3},
        {"on": "purchase", "measure": {"distinct": "local_day"}, "target": 2},
    ]
    check(
        rulebook(
            earn_rules=[{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
            streaks=[{"key": "wide", "objectives": objectives, "period": "week"}],
        ),
        """
        2017-03-06 10:00 | purchase 30.00 TEA,MILK | points +30 base
        2017-03-06 11:00 | purchase 1.00 BREAD     | points +1 base
        2017-03-07 10:00 | purchase 1.00 TEA       | points +1 base; streak wide 1
        2017-03-14 10:00 | purchase 90.00 A,B,C    | points +90 base
        2017-03-20 10:00 |                         | streak wide 0
        """,
    )


def test_points_of_rewards_count_where_it_says_so() -> None:
    objectives = [{"measure": {"points": "gems", "including": "rewards"}, "target": 5}]
    gems = {"key": "gems"}
    check(
        rulebook(
            currencies=[{"key": "points"}, gems],
            streaks=[
                {"key": "gems", "objectives": objectives, "period": "day"},
                {
                    "key": "visits",
                    "on": "visit",
                    "period": "day",
                    "milestones": [{"at": 1, "rewards": [{"points": 5, "currency": "gems"}]}],
                },
            ],
        ),
        """
        2017-03-06 10:00 | visit | streak visits 1; points +5 visits; streak gems 1
        2017-03-07 10:00 | visit | streak visits 2
        2017-03-08 10:00 |       | streak gems 0
        """,
    )


def test_a_target_that_changes_holds_for_all_from_then_on() -> None:
    three, two = (
        ready(parse(document(event_types=TYPES, streaks=[fit(objectives=[{**WORKOUTS, "target": target}])])))
        for target in (3, 2)
    )
    check(
        Rulebook(1, [(BEGIN, three), (rfc3339("2017-03-08T12:00:00Z"), two)]),
        """
        2017-03-06 10:00 | workout |
        2017-03-07 10:00 | workout |
        2017-03-09 10:00 | workout | streak fit 1
        2017-03-13 10:00 | workout |
        2017-03-14 10:00 | workout | streak fit 2
        """,
    )


def test_what_ended_and_lives_again_owes_nothing_from_before() -> None:
    alive = ready(parse(document(event_types=TYPES, streaks=[fit(period="day", objectives=[WORKOUTS])])))
    written = fit(period="day", objectives=[WORKOUTS], ends="2017-03-07T12:00:00Z")
    ended = ready(parse(document(event_types=TYPES, streaks=[written])), rfc3339("2017-03-07T12:00:00Z"))
    state = check(
        Rulebook(
            1, [(BEGIN, alive), (rfc3339("2017-03-07T12:00:00Z"), ended), (rfc3339("2017-05-01T00:00:00Z"), alive)]
        ),
        """
        2017-03-06 10:00 | workout |
        2017-03-06 10:00 | workout |
        2017-03-06 10:00 | workout | streak fit 1
        2017-05-02 10:00 | workout |
        """,
    )
    assert state.parts["streaks/fit"].current == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ({"on": "workout"}, "streaks[0].on", "either"),
        ({"objectives": []}, "streaks[0].on", "either"),
        ({"when": "event.minutes > 1"}, "streaks[0].when", "goes with `on"),
        ({"objectives": [], "on": "workout", "needs": "any"}, "streaks[0].needs", "goes with `objectives`"),
        ({"objectives": [WORKOUTS] * 6}, "streaks[0].objectives", "5 entries"),
        ({"objectives": [{**MINUTES, "measure": {"sum": "miles"}}]}, "streaks[0].objectives[0].measure", "miles"),
        ({"objectives": [{**WORKOUTS, "when": "event.x > 1"}]}, "streaks[0].objectives[0].when", "x"),
        (
            {
                "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 1}],
                "milestones": [{"at": 1, "rewards": [{"points": 1}]}],
            },
            "streaks[0].rewards",
            "count towards it",
        ),
    ],
)
def test_mistakes(written: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(event_types=TYPES, streaks=[fit(**written)])))
    (mistake,) = raised.value.mistakes
    assert (mistake.path, words in mistake.message) == (path, True), mistake
