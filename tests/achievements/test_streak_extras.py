"""Streaks: what a run gives on its way, days on which nobody has to do anything, and a word before it is too late."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, ready
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document, rulebook


def days(**more: Any) -> dict[str, Any]:
    return {"key": "days", "on": "purchase", "period": "day", **more}


def test_a_milestone_gives_once_in_each_run() -> None:
    check(
        rulebook(
            streaks=[days(milestones=[{"at": 2, "rewards": [{"points": 5}]}, {"at": 3, "rewards": [{"points": 7}]}])]
        ),
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-02 10:00 | purchase 1.00 | streak days 2; points +5 days
        2017-03-02 11:00 | purchase 1.00 |
        2017-03-03 10:00 | purchase 1.00 | streak days 3; points +7 days
        2017-03-04 10:00 | purchase 1.00 | streak days 4
        2017-03-08 10:00 | purchase 1.00 | streak days 0; streak days 1
        2017-03-09 10:00 | purchase 1.00 | streak days 2; points +5 days
        """,
    )


def test_a_run_over_a_freeze_is_one_run() -> None:
    check(
        rulebook(streaks=[days(freezes={"cooldown": 9}, milestones=[{"at": 2, "rewards": [{"points": 5}]}])]),
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-03 10:00 | purchase 1.00 | streak days 1; streak days 2; points +5 days
        """,
    )


def test_what_lies_in_a_pause_is_not_missed_and_does_not_count() -> None:
    check(
        rulebook(streaks=[days(pauses=[{"from": "2017-12-24", "until": "2017-12-26"}])]),
        """
        2017-12-23 10:00 | purchase 1.00 | streak days 1
        2017-12-27 23:00 |               |
        2017-12-27 23:30 | purchase 1.00 | streak days 2
        2017-12-29 00:00 |               | streak days 0
        """,
    )
    check(
        rulebook(streaks=[days(pauses=[{"from": "2017-12-24", "until": "2017-12-26"}])]),
        """
        2017-12-23 10:00 | purchase 1.00 | streak days 1
        2017-12-25 10:00 | purchase 1.00 | streak days 2
        2017-12-28 00:00 |               | streak days 0
        """,
    )


def test_a_week_is_paused_where_all_of_it_is() -> None:
    weeks = days(period="week", pauses=[{"from": "2017-07-03", "until": "2017-07-12"}])
    check(
        rulebook(streaks=[weeks]),
        """
        2017-06-28 10:00 | purchase 1.00 | streak days 1
        2017-07-16 23:00 |               |
        2017-07-17 00:00 |               | streak days 0
        """,
    )


def test_who_has_done_nothing_yet_is_told_at_the_hour_once() -> None:
    # The clocks go forward on the 12th, and back on the 5th of November.
    check(
        rulebook(streaks=[days(at_risk="20:00")]),
        """
        2017-03-11 10:00 | purchase 1.00 | streak days 1
        2017-03-12 19:59 |               |
        2017-03-12 20:00 |               | risk days 1
        2017-03-12 21:00 | purchase 1.00 | streak days 2
        2017-03-13 12:00 | purchase 1.00 | streak days 3
        2017-03-13 23:00 |               |
        2017-03-14 20:00 |               | risk days 3
        2017-03-14 23:59 |               |
        2017-03-15 00:00 |               | streak days 0
        2017-03-20 00:00 |               |
        2017-11-04 10:00 | purchase 1.00 | streak days 1
        2017-11-05 20:00 |               | risk days 1
        """,
    )


def test_a_week_is_at_risk_on_its_last_day() -> None:
    check(
        rulebook(streaks=[days(period="week", at_risk="18:30", freezes={"cooldown": 2})]),
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-12 18:29 |               |
        2017-03-12 18:30 |               | risk days 1
        2017-03-13 00:00 |               | streak days 1
        2017-03-19 18:30 |               | risk days 1
        2017-03-20 00:00 |               | streak days 0
        """,
    )


def test_a_pause_that_is_published_in_time_saves_who_waits() -> None:
    plain, paused = (
        ready(parse(document(streaks=[days(pauses=pauses)])))
        for pauses in ([], [{"from": "2017-03-02", "until": "2017-03-03"}])
    )
    diary = """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-04 10:00 | purchase 1.00 | streak days 2
        """
    check(Rulebook(1, [(BEGIN, plain), (rfc3339("2017-03-02T12:00:00Z"), paused)]), diary)
    too_late = diary.replace("| streak days 2", "| streak days 0; streak days 1")
    check(Rulebook(1, [(BEGIN, plain), (rfc3339("2017-03-03T12:00:00Z"), paused)]), too_late)


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ({"milestones": [{"at": 3, "rewards": [{"points": 1}]}] * 2}, "streaks[0].milestones", "lowest first"),
        ({"milestones": [{"at": 3, "rewards": []}]}, "streaks[0].milestones[0].rewards", "1 to 10 entries"),
        ({"milestones": [{"at": 0, "rewards": [{"points": 1}]}]}, "streaks[0].milestones[0].at", "1"),
        (
            {"milestones": [{"at": 3, "rewards": [{"voucher": "tea"}]}]},
            "streaks[0].milestones[0].rewards[0].voucher",
            "tea",
        ),
        ({"pauses": [{"from": "2017-02-30", "until": "2017-03-01"}]}, "streaks[0].pauses[0].from", "day"),
        ({"pauses": [{"from": "2017-03-02", "until": "2017-03-01"}]}, "streaks[0].pauses[0].until", "not before"),
        ({"pauses": [{"from": "2017-03-02", "until": "2018-03-01"}]}, "streaks[0].pauses[0].until", "92 days"),
        ({"at_risk": "25:00"}, "streaks[0].at_risk", "like `20:00`"),
        ({"pauses": [{"from": "soon", "until": "2017-03-01"}]}, "streaks[0].pauses[0].from", "like `2026-11-21`"),
    ],
)
def test_mistakes(written: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(streaks=[days(**written)])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message


def test_a_date_that_a_zone_left_out_is_not_missed() -> None:
    # Samoa went from the 29th to the 31st.
    check(
        rulebook("Pacific/Apia", streaks=[days()]),
        """
        2011-12-28 10:00 | purchase 1.00 | streak days 1
        2011-12-29 10:00 | purchase 1.00 | streak days 2
        2011-12-31 23:00 | purchase 1.00 | streak days 3
        2012-01-02 00:00 |               | streak days 0
        """,
    )
