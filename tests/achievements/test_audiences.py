"""Audiences: whom a definition is for, and what becomes of what was counted when she leaves."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document, rulebook

ATTRIBUTES = [{"key": "plan", "type": "string", "default": "free"}, {"key": "age", "type": "int"}]
PAID = "member.plan == 'paid'"


def _book(**sections: list[dict[str, Any]]) -> Rulebook:
    return rulebook(attributes=ATTRIBUTES, **sections)


def test_an_earn_rule_a_streak_and_a_challenge_are_for_their_audience() -> None:
    book = _book(
        earn_rules=[
            {"key": "base", "on": "purchase", "earn": {"fixed": 1}},
            {"key": "paid", "on": "purchase", "audience": PAID, "earn": {"fixed": 5}},
        ],
        streaks=[{"key": "daily", "on": "purchase", "period": "day", "audience": PAID}],
        challenges=[
            {
                "key": "two",
                "audience": PAID,
                "objectives": [{"on": "purchase", "target": 2}],
                "rewards": [{"points": 7}],
            }
        ],
    )
    check(
        book,
        """
        2017-03-01 10:00 | purchase 5.00         | points +1 base
        2017-03-01 11:00 | !attributes plan=paid |
        2017-03-01 12:00 | purchase 5.00         | points +1 base; points +5 paid; streak daily 1; progress two 1
        2017-03-01 13:00 | !attributes plan=free |
        2017-03-01 14:00 | purchase 5.00         | points +1 base
        2017-03-03 00:00 |                       | streak daily 0
        2017-03-03 10:00 | !attributes plan=paid |
        2017-03-03 11:00 | purchase 5.00         | points +1 base; points +5 paid; streak daily 1; progress two 2; completed two; points +7 two
        """,
    )
    assert not book.latest.offers("challenges/two", MemberState.NOTHING, BEGIN)
    assert book.latest.offers("challenges/two", MemberState(attributes={"plan": "paid"}), BEGIN)
    assert book.latest.offers("earn_rules/base", MemberState.NOTHING, BEGIN)


def test_a_badge_and_a_board_that_count_rewards_are_for_their_audience_too() -> None:
    check(
        _book(
            badges=[
                {"key": "first", "on": "purchase", "levels": [{"target": 1, "key": "one", "rewards": [{"points": 9}]}]}
            ],
            leaderboards=[{"key": "paid", "measure": {"points": "points", "including": "rewards"}, "audience": PAID}],
            challenges=[
                {
                    "key": "saver",
                    "audience": PAID,
                    "objectives": [{"measure": {"points": "points", "including": "rewards"}, "target": 5}],
                }
            ],
        ),
        """
        2017-03-01 10:00 | purchase 5.00         | badge first one; points +9 first
        2017-03-01 11:00 | !attributes plan=paid |
        2017-03-01 12:00 | purchase 5.00         |
        """,
    )


def test_a_ladder_is_lost_at_its_time_whoever_she_is_by_then() -> None:
    ladder = {
        "key": "club",
        "measure": {"points": "points"},
        "window": {"days": 2},
        "tiers": [{"key": "low"}, {"key": "high", "from": 5}],
        "audience": PAID,
    }
    check(
        _book(
            earn_rules=[{"key": "base", "on": "purchase", "earn": {"fixed": 5}}],
            tier_ladders=[ladder],
            badges=[
                {
                    "key": "high",
                    "on": "purchase",
                    "audience": "member.tiers['club'] == 'high'",
                    "levels": [{"target": 1}],
                }
            ],
        ),
        """
        2017-03-01 10:00 | purchase 5.00         | points +5 base
        2017-03-01 11:00 | !attributes plan=paid |
        2017-03-01 12:00 | purchase 5.00         | points +5 base; tier club low>high 5
        2017-03-01 13:00 | !attributes plan=free |
        2017-03-01 14:00 | purchase 5.00         | points +5 base; badge high 1
        2017-03-03 00:00 |                       | tier club high>low 0
        """,
    )


def test_an_audience_that_cannot_be_told_is_told_of() -> None:
    check(
        _book(badges=[{"key": "grown", "on": "purchase", "audience": "member.age >= 18", "levels": [{"target": 1}]}]),
        """
        2017-03-01 10:00 | purchase 5.00      | failed grown audience
        2017-03-01 11:00 | !attributes age=18 |
        2017-03-01 12:00 | purchase 5.00      | badge grown 1
        """,
    )


@pytest.mark.parametrize(
    ("audience", "words"),
    [
        ("event.amount > 1.0", "at 1:6: .* told by the member alone"),
        ("member.plan", "a condition is true or false, this one is a STRING"),
        ("member.tiers['club'] == 'gold'", "no tier ladder `club`"),
        ("member.town == 'rome'", "`member.age`, `member.plan`"),
    ],
)
def test_an_audience_with_a_mistake_is_refused(audience: str, words: str) -> None:
    streak = {"key": "daily", "on": "purchase", "period": "day", "audience": audience}
    with pytest.raises(Mistaken, match=words) as raised:
        ready(parse(document(attributes=ATTRIBUTES, streaks=[streak])))
    assert [each.path for each in raised.value.mistakes] == ["streaks[0].audience"]
