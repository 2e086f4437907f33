"""What the kinds of a whole loyalty program do, as diaries: boosts, bands, limits, spends, freezes, tiers and odd windows."""

from typing import Any

import pytest

from achievements import periods
from achievements.ranking import Entry, Ties, order_key, ranked
from tests.achievements.diary import check
from tests.achievements.programs import QUALIFYING, TIERS, rulebook

BASE = {"key": "base", "on": "purchase", "earn": {"per": "amount"}}
SCENARIOS: dict[str, tuple[dict[str, list[dict[str, Any]]], str]] = {
    "a condition that fails is not met, and each definition that asked is told of it once, whatever else it is asked for": (
        {
            "earn_rules": [
                {**BASE, "when": "event.amount > 0.0"},
                {"key": "one", "on": "purchase", "earn": {"fixed": 1}},
                {"key": "two", "on": "purchase", "earn": {"fixed": 2}},
            ],
            "boosts": [{"key": "triple", "factor": 3, "earn_rules": ["one", "two"], "when": "event.amount > 5.0"}],
            "challenges": [
                {
                    "key": "milk",
                    "objectives": [{"on": "purchase", "when": "event.departments[0] == 'DAIRY'", "target": 1}],
                    "window": {"calendar": "day"},
                    "repeat": "each_window",
                    "rewards": [{"points": 5}],
                }
            ],
            "badges": [
                {
                    "key": "rich",
                    "on": "purchase",
                    "when": "event.amount > 0.0",
                    "measure": {"points": "points", "including": "rewards"},
                    "levels": [{"target": 1000}],
                }
            ],
            "streaks": [{"key": "daily", "on": "purchase", "period": "day", "when": "event.amount > 0.0"}],
        },
        """
        2017-03-01 10:00 | purchase       | failed base when; failed triple when; failed milk objectives[0].when; failed rich when; failed daily when; points +1 one; points +2 two
        2017-03-01 10:01 | purchase 2.00 DAIRY | points +2 base; points +1 one; points +2 two; points +5 milk
        2017-03-02 10:02 | purchase 6.00 | failed milk objectives[0].when; points +6 base; points +3 one; points +6 two
        """,
    ),
    "bands count what lies within each, and are rounded once": (
        {
            "earn_rules": [
                {
                    "key": "banded",
                    "on": "purchase",
                    "earn": {"per": "amount", "bands": [{"from": 0, "rate": "0.5"}, {"from": 100, "rate": 2}]},
                }
            ]
        },
        """
        2017-03-01 10:00 | purchase 99.99  | points +49 banded
        2017-03-01 10:01 | purchase 100.00 | points +50 banded
        2017-03-01 10:02 | purchase 101.75 | points +53 banded
        2017-03-01 10:03 | purchase 1.99   |
        """,
    ),
    "points for each item of a list": (
        {"earn_rules": [{"key": "each", "on": "purchase", "earn": {"each": "departments", "points": 5}}]},
        """
        2017-03-01 10:00 | purchase 1.00 DAIRY,TEA,FUEL | points +15 each
        2017-03-01 10:01 | purchase 1.00                |
        """,
    ),
    "boosts: compound ones multiply, additive ones add up, of the highest one counts; points are rounded once": (
        {
            "earn_rules": [BASE],
            "boosts": [
                {"key": "a", "factor": "1.5", "stacking": "compound"},
                {"key": "b", "factor": "1.5", "stacking": "compound", "when": "event.amount >= 10.0"},
                {"key": "c", "factor": 2, "stacking": "additive", "when": "event.amount >= 20.0"},
                {"key": "d", "factor": "1.5", "stacking": "additive", "when": "event.amount >= 30.0"},
                {"key": "e", "factor": 3, "stacking": "highest", "when": "event.amount >= 40.0"},
                {"key": "f", "factor": 2, "stacking": "highest", "when": "event.amount >= 40.0"},
            ],
        },
        """
        2017-03-01 10:00 | purchase 5.00  | points +7 base
        2017-03-01 10:01 | purchase 10.00 | points +22 base
        2017-03-01 10:02 | purchase 20.00 | points +90 base
        2017-03-01 10:03 | purchase 30.00 | points +168 base
        2017-03-01 10:04 | purchase 40.00 | points +675 base
        """,
    ),
    "a boost has its dates, its rules and its audience, told by the tier held before": (
        {
            "earn_rules": [BASE, {"key": "other", "on": "purchase", "earn": {"fixed": 1}}],
            "boosts": [
                {
                    "key": "may",
                    "factor": 2,
                    "from": "2017-05-01T04:00:00Z",
                    "until": "2017-06-01T04:00:00Z",
                    "earn_rules": ["base"],
                },
                {"key": "vip", "factor": 10, "earn_rules": ["base"], "audience": "member.tiers['l'] == 'gold'"},
            ],
            "tier_ladders": [{"key": "l", "measure": {"points": "points"}, "window": {"days": 10}, "tiers": TIERS}],
        },
        """
        2017-04-30 23:59 | purchase 10.00  | points +10 base; points +1 other
        2017-05-01 00:00 | purchase 10.00  | points +20 base; points +1 other
        2017-05-31 23:59 | purchase 130.00 | points +260 base; points +1 other; tier l bronze>gold 261
        2017-06-01 00:00 | purchase 10.00  | points +100 base; points +1 other
        2017-06-10 00:00 |                 | tier l gold>silver 101
        2017-06-10 00:00 | purchase 10.00  | points +10 base; points +1 other
        2017-06-11 00:00 |                 | tier l silver>bronze 11
        """,
    ),
    "limits: for an event, and for a member within her month": (
        {
            "earn_rules": [
                {
                    **BASE,
                    "limits": {"per_event": 40, "per_member": {"points": 100, "window": {"calendar": "month"}}},
                }
            ]
        },
        """
        2017-03-01 10:00 | purchase 39.00 | points +39 base
        2017-03-02 10:00 | purchase 90.00 | points +40 base
        2017-03-31 23:59 | purchase 90.00 | points +21 base
        2017-03-31 23:59 | purchase 90.00 |
        2017-04-01 00:00 | purchase 90.00 | points +40 base
        """,
    ),
    "a spend rule asks once for each event that meets it": (
        {
            "earn_rules": [BASE],
            "spend_rules": [{"key": "coupon", "on": "visit", "spend": {"points": 100}}],
        },
        """
        2017-03-01 10:00 | purchase 50.00 | points +50 base
        2017-03-01 10:01 | visit          | spend 100 coupon
        2017-03-01 10:02 | visit          | spend 100 coupon
        """,
    ),
    "a freeze stands in for a missed week, the next one after its rest, also over a streak that broke": (
        {"streaks": [{"key": "weekly", **QUALIFYING, "period": "week", "freezes": {"cooldown": 4}}]},
        """
        2016-12-19 10:00 | purchase 1.00 | streak weekly 1
        2016-12-26 10:00 | purchase 1.00 | streak weekly 2
        2017-01-09 00:00 |               | streak weekly 2
        2017-01-15 23:59 | purchase 1.00 | streak weekly 3
        2017-01-23 00:00 |               | streak weekly 0
        2017-01-24 10:00 | purchase 1.00 | streak weekly 1
        2017-02-06 00:00 |               | streak weekly 1
        2017-02-13 00:00 |               | streak weekly 0
        """,
    ),
    "freezes that are earned, and held so many at a time": (
        {
            "streaks": [
                {
                    "key": "daily",
                    **QUALIFYING,
                    "period": "day",
                    "freezes": {"start": 1, "earn_every": 2, "hold_at_most": 1},
                }
            ]
        },
        """
        2017-03-09 10:00 | purchase 1.00 | streak daily 1
        2017-03-11 00:00 |               | streak daily 1
        2017-03-11 10:00 | purchase 1.00 | streak daily 2
        2017-03-13 00:00 |               | streak daily 2
        2017-03-14 00:00 |               | streak daily 0
        """,
    ),
    "a streak of months, over the end of a year with 53 weeks": (
        {
            "streaks": [
                {"key": "monthly", **QUALIFYING, "period": "month"},
                {"key": "weekly", **QUALIFYING, "period": "week"},
            ]
        },
        """
        2020-12-21 10:00 | purchase 1.00 | streak monthly 1; streak weekly 1
        2020-12-28 10:00 | purchase 1.00 | streak weekly 2
        2021-01-03 23:59 | purchase 1.00 | streak monthly 2
        2021-01-04 00:00 | purchase 1.00 | streak weekly 3
        2021-01-18 00:00 |               | streak weekly 0
        2021-03-01 00:00 |               | streak monthly 0
        """,
    ),
    "so much within 30 local days, to the day; and within 72 hours, to the second": (
        {
            "challenges": [
                {
                    "key": "days",
                    "objectives": [{"on": "purchase", "measure": {"sum": "amount"}, "target": 20}],
                    "window": {"days": 3},
                },
                {
                    "key": "hours",
                    "objectives": [{"on": "purchase", "measure": {"sum": "amount"}, "target": 20}],
                    "window": {"hours": 72},
                },
            ]
        },
        """
        2017-03-10 23:00 | purchase 10.00 | progress days 10.00; progress hours 10.00
        2017-03-14 00:00 | purchase 10.00 | progress days 10.00; progress hours 10.00
        2017-03-16 23:59 | purchase 9.99  | progress days 19.99; progress hours 19.99
        2017-03-17 00:00 | purchase 10.00 | progress days 19.99; progress hours 19.99
        2017-03-18 00:00 | purchase 0.01  | progress days 20.00; completed days; progress hours 20.00; completed hours
        2017-03-19 00:00 | purchase 10.00 |
        """,
    ),
    "a challenge that begins anew with each completion": (
        {
            "challenges": [
                {
                    "key": "three",
                    "objectives": [{"on": "visit", "target": 2}],
                    "repeat": "on_completion",
                    "rewards": [{"points": 5}],
                }
            ]
        },
        """
        2017-03-01 10:00 | visit | progress three 1
        2017-03-02 10:00 | visit | progress three 2; completed three #1; points +5 three
        2017-03-03 10:00 | visit | progress three 1
        2017-03-04 10:00 | visit | progress three 2; completed three #2; points +5 three
        """,
    ),
    "a challenge between two instants, the first included": (
        {
            "challenges": [
                {
                    "key": "spring",
                    "objectives": [{"on": "visit", "target": 2}],
                    "window": {"from": "2017-03-20T04:00:00Z", "until": "2017-06-21T04:00:00Z"},
                }
            ]
        },
        """
        2017-03-19 23:59 | visit |
        2017-03-20 00:00 | visit | progress spring 1
        2017-06-21 00:00 | visit |
        """,
    ),
    "tiers rise at once and fall at local midnight, on the day on which the points leave": (
        {
            "earn_rules": [BASE],
            "tier_ladders": [{"key": "t", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}],
        },
        """
        2017-03-08 23:59 | purchase 260.00 | points +260 base; tier t bronze>gold 260
        2017-03-10 12:00 | purchase 99.00  | points +99 base
        2017-03-12 23:59 | purchase 1.00   | points +1 base
        2017-03-13 00:00 |                 | tier t gold>silver 100
        2017-03-15 00:00 |                 | tier t silver>bronze 1
        2017-03-15 00:00 | purchase 99.00  | points +99 base; tier t bronze>silver 100
        """,
    ),
    "a tier of the year is kept to the end of the next": (
        {
            "earn_rules": [BASE],
            "tier_ladders": [
                {
                    "key": "t",
                    "measure": {"points": "points"},
                    "window": {"calendar": "year"},
                    "tiers": TIERS,
                    "downgrade": "at_period_end",
                    "grace_days": 31,
                }
            ],
        },
        """
        2017-03-08 10:00 | purchase 300.00 | points +300 base; tier t bronze>gold 300
        2018-06-01 10:00 | purchase 150.00 | points +150 base
        2019-02-01 00:00 |                 | tier t gold>silver 150
        2020-01-10 10:00 | purchase 100.00 | points +100 base
        2021-12-31 10:00 |                 |
        2022-02-01 00:00 |                 | tier t silver>bronze 0
        """,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    sections, diary = SCENARIOS[name]
    check(rulebook(**sections), diary)


AT = periods.rfc3339("2017-03-01T00:00:00Z")
ENTRIES = [
    Entry(member, score, AT.replace(hour=hour))
    for member, score, hour in [("d", 5, 1), ("c", 7, 3), ("a", 5, 2), ("b", 5, 1), ("e", 9, 0)]
]


@pytest.mark.parametrize(
    ("ties", "ranks"),
    [
        ("first_to_reach", "1e 2c 3b 4d 5a"),
        ("ordinal", "1e 2c 3a 4b 5d"),
        ("standard", "1e 2c 3a 3b 3d"),
        ("dense", "1e 2c 3a 3b 3d"),
    ],
)
def test_ways_to_break_ties(ties: Ties, ranks: str) -> None:
    placed = ranked(ties, ENTRIES)
    assert " ".join(f"{rank}{entry.member}" for rank, entry in placed) == ranks
    assert [order_key(ties, entry) for _, entry in placed] == sorted(order_key(ties, entry) for entry in ENTRIES)


def test_standard_leaves_gaps_and_dense_none() -> None:
    entries = [Entry(name, score, AT) for name, score in zip("abcde", [9, 7, 7, 5, 5], strict=True)]
    assert [rank for rank, _ in ranked("standard", entries)] == [1, 2, 2, 4, 4]
    assert [rank for rank, _ in ranked("dense", entries)] == [1, 2, 2, 3, 3]
