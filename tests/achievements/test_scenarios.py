"""What each kind of definition does, as diaries: positives beside negatives."""

from typing import Any

import pytest

from tests.achievements.diary import check
from tests.achievements.programs import QUALIFYING, rulebook

SCENARIOS: dict[str, tuple[dict[str, list[dict[str, Any]]], str]] = {
    "points from money are floored once, and nothing comes of nothing": (
        {"earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]},
        """
        2017-03-01 10:00 | purchase 12.99 | points +12 base
        2017-03-01 11:00 | purchase 0.99  |
        2017-03-01 12:00 | purchase 0.00  |
        2017-03-01 13:00 | visit          |
        """,
    ),
    "a rate rounds as its rule says": (
        {
            "earn_rules": [
                {"key": "up", "on": "purchase", "earn": {"per": "amount", "rate": "0.1", "rounding": "ceiling"}},
                {"key": "half", "on": "purchase", "earn": {"per": "amount", "rate": "0.1", "rounding": "half_up"}},
                {"key": "even", "on": "purchase", "earn": {"per": "amount", "rate": "0.1", "rounding": "half_even"}},
            ]
        },
        """
        2017-03-01 10:00 | purchase 25.00 | points +3 up; points +3 half; points +2 even
        2017-03-01 10:01 | purchase 24.99 | points +3 up; points +2 half; points +2 even
        """,
    ),
    "a condition decides at its very edge": (
        {"earn_rules": [{"key": "big", "on": "purchase", "when": "event.amount >= 100.0", "earn": {"fixed": 50}}]},
        """
        2017-03-01 10:00 | purchase 99.99  |
        2017-03-01 10:01 | purchase 100.00 | points +50 big
        2017-03-01 10:02 | purchase        |
        """,
    ),
    "a daily streak grows once a local day and breaks when a whole one was missed": (
        {"streaks": [{"key": "daily", **QUALIFYING, "period": "day"}]},
        """
        2017-03-01 23:59 | purchase 1.00 | streak daily 1
        2017-03-02 00:00 | purchase 1.00 | streak daily 2
        2017-03-02 12:00 | purchase 1.00 |
        2017-03-03 12:00 | purchase 0.00 |
        2017-03-03 23:59 |               |
        2017-03-04 00:00 |               | streak daily 0
        2017-03-04 09:00 | purchase 1.00 | streak daily 1
        """,
    ),
    "the day on which the clocks change counts like any other": (
        {"streaks": [{"key": "daily", **QUALIFYING, "period": "day"}]},
        """
        2017-03-11 23:30 | purchase 1.00 | streak daily 1
        2017-03-12 23:30 | purchase 1.00 | streak daily 2
        2017-03-13 00:10 | purchase 1.00 | streak daily 3
        2017-03-15 00:00 |               | streak daily 0
        """,
    ),
    "a weekly streak runs from Monday to Sunday, over the end of a year": (
        {"streaks": [{"key": "weekly", **QUALIFYING, "period": "week"}]},
        """
        2017-12-24 23:00 | purchase 1.00 | streak weekly 1
        2017-12-25 01:00 | purchase 1.00 | streak weekly 2
        2018-01-01 00:00 | purchase 1.00 | streak weekly 3
        2018-01-15 00:00 |               | streak weekly 0
        """,
    ),
    "five days a month: days, not purchases, and anew each month": (
        {
            "challenges": [
                {
                    "key": "days",
                    "objectives": [{**QUALIFYING, "measure": {"distinct": "local_day"}, "target": 2}],
                    "window": {"calendar": "month"},
                    "rewards": [{"points": 10}],
                }
            ]
        },
        """
        2017-03-30 10:00 | purchase 1.00 | progress days 1
        2017-03-30 11:00 | purchase 1.00 |
        2017-03-31 23:59 | purchase 1.00 | progress days 2; completed days 2017-03; points +10 days
        2017-04-01 00:00 | purchase 1.00 | progress days 1
        2017-04-02 00:00 | purchase 1.00 | progress days 2; completed days 2017-04; points +10 days
        2017-04-03 00:00 | purchase 1.00 |
        """,
    ),
    "different departments, over a lifetime, once": (
        {
            "challenges": [
                {"key": "c3", "objectives": [{**QUALIFYING, "measure": {"distinct": "departments"}, "target": 3}]}
            ]
        },
        """
        2017-03-01 10:00 | purchase 1.00 DAIRY          | progress c3 1
        2017-03-01 11:00 | purchase 1.00 DAIRY          |
        2017-03-01 12:00 | purchase 1.00                |
        2017-09-01 12:00 | purchase 1.00 DAIRY,FUEL,TEA | progress c3 3; completed c3
        2017-09-02 12:00 | purchase 1.00 MEAT           |
        """,
    ),
    "several objectives are all to be met": (
        {
            "challenges": [
                {"key": "both", "objectives": [{"on": "visit", "target": 1}, {"on": "purchase", "target": 2}]}
            ]
        },
        """
        2017-03-01 10:00 | purchase 1.00 | progress both 0+1
        2017-03-01 11:00 | purchase 1.00 | progress both 0+2
        2017-03-01 12:00 | visit         | progress both 1+2; completed both
        """,
    ),
    "a badge gives each level once, several at a time where they come together": (
        {
            "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
            "badges": [
                {
                    "key": "hoard",
                    "on": "purchase",
                    "measure": {"points": "points"},
                    "levels": [{"target": 10}, {"target": 20, "key": "gold"}],
                }
            ],
        },
        """
        2017-03-01 10:00 | purchase 9.00  |
        2017-03-01 11:00 | purchase 50.00 | badge hoard 10; badge hoard gold
        2017-03-01 12:00 | purchase 50.00 |
        """,
    ),
    "points of a reward reach what counts them, also in an earlier stage, within the same event": (
        {
            "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
            "challenges": [
                {"key": "all", "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 30}]},
                {"key": "bare", "objectives": [{"measure": {"points": "points"}, "target": 30}]},
            ],
            "badges": [
                {"key": "first", "on": "purchase", "levels": [{"target": 1, "key": "one", "rewards": [{"points": 20}]}]}
            ],
            "leaderboards": [
                {"key": "bare", "measure": {"points": "points"}},
                {"key": "all", "measure": {"points": "points", "including": "rewards"}},
            ],
        },
        """
        2017-03-01 10:00 | purchase 10.00 | progress all 10; progress bare 10; progress all 30; completed all; score bare 10; score all 30
        2017-03-01 11:00 | purchase 20.00 | progress bare 30; completed bare; score bare 30; score all 50
        """,
    ),
    "a monthly board starts anew with the month of its zone": (
        {
            "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
            "leaderboards": [{"key": "monthly", "measure": {"points": "points"}, "window": {"calendar": "month"}}],
        },
        """
        2017-03-31 23:59 | purchase 5.00 | score monthly 5
        2017-04-01 00:00 | purchase 7.00 | score monthly 7
        2017-04-01 00:01 | purchase 0.50 |
        """,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    sections, diary = SCENARIOS[name]
    check(rulebook(**sections), diary)
