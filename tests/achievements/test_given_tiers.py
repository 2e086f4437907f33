"""Tiers that are granted, by a reward or by the program's people: what is held beside what was earned."""

from datetime import UTC, datetime
from typing import Any

from achievements import fold
from achievements.outcomes import AnyOutcome
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.tiers import LadderReady
from tests.achievements.diary import check, event
from tests.achievements.programs import TIERS, rulebook

EARN = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
ROLLING = {"key": "t", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}


def _book(*rewards: dict[str, Any], zone: str = "America/New_York", **ladder: Any) -> Rulebook:
    level = {"target": 1, "key": "one", "rewards": list(rewards)}
    badges = [{"key": "first", "on": "visit", "levels": [level]}] if rewards else []
    return rulebook(zone, earn_rules=EARN, badges=badges, tier_ladders=[{**ROLLING, **ladder}])


def test_a_reward_gives_a_tier_until_the_end_of_a_day_and_another_badge_none() -> None:
    check(
        _book({"tier": "gold", "days": 2}),
        """
        2017-03-01 10:00 | purchase 1.00  |
        2017-03-01 11:00 | visit          | tier t bronze>gold 1
        2017-03-01 12:00 | visit          |
        2017-03-02 12:00 | purchase 99.00 |
        2017-03-03 23:59 |                |
        2017-03-04 00:00 |                | tier t gold>silver 100
        2017-03-06 00:00 |                | tier t silver>bronze 99
        """,
    )


def test_a_tier_given_for_good_stays_whatever_she_earns() -> None:
    check(
        _book({"tier": "silver"}),
        """
        2017-03-01 10:00 | visit           | tier t bronze>silver 0
        2017-03-02 10:00 | purchase 300.00 | tier t silver>gold 300
        2017-03-07 00:00 |                 | tier t gold>silver 0
        2027-03-07 00:00 |                 |
        """,
    )


def test_what_was_earned_goes_on_beneath_what_was_granted() -> None:
    # Gold is earned on the 1st and lost on the 6th beneath the gold that lasts until the 11th; by then nothing is left of it.
    check(
        _book(),
        """
        2017-03-01 10:00 | purchase 300.00                     | tier t bronze>gold 300
        2017-03-02 10:00 | !tier_granted ladder=t tier=gold days=8 |
        2017-03-04 10:00 | purchase 120.00                     |
        2017-03-11 00:00 |                                     | tier t gold>bronze 0
        """,
    )
    check(
        _book(),
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=silver days=1 | tier t bronze>silver 0
        2017-03-02 10:00 | purchase 120.00                       |
        2017-03-03 00:00 |                                       |
        2017-03-07 00:00 |                                       | tier t silver>bronze 0
        """,
    )


def test_what_is_outdone_changes_nothing_and_ends_unseen() -> None:
    state = check(
        _book(),
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=gold days=2   | tier t bronze>gold 0
        2017-03-01 11:00 | !tier_granted ladder=t tier=silver days=1 |
        2017-03-01 12:00 | !tier_granted ladder=t tier=gold days=1   |
        2017-03-01 13:00 | !tier_granted ladder=t tier=silver days=5 |
        2017-03-01 14:00 | !tier_granted ladder=t tier=bronze days=9 |
        2017-03-01 15:00 | !tier_granted ladder=u tier=gold days=9   |
        2017-03-04 00:00 |                                       | tier t gold>silver 0
        2017-03-07 00:00 |                                       | tier t silver>bronze 0
        """,
    )
    assert state.due is None


def test_a_grant_ends_at_the_first_instant_of_a_day_also_when_the_clocks_change() -> None:
    # In New York the clocks go forward on 12 March 2017; in Sao Paulo, 15 October 2017 begins at 01:00.
    for zone, told, ends in (
        ("America/New_York", "2017-03-11 12:00", datetime(2017, 3, 13, 4, tzinfo=UTC)),
        ("America/Sao_Paulo", "2017-10-13 12:00", datetime(2017, 10, 15, 3, tzinfo=UTC)),
    ):
        line = f"{told} | !tier_granted ladder=t tier=gold days=1 | tier t bronze>gold 0"
        state = check(_book(zone=zone), line)
        assert state.due == ends


def test_a_tier_of_a_lifetime_is_never_lost_and_one_granted_is() -> None:
    check(
        _book({"tier": "gold", "days": 1}, window="lifetime"),
        """
        2017-03-01 10:00 | purchase 120.00 | tier t bronze>silver 120
        2017-03-01 11:00 | visit           | tier t silver>gold 120
        2017-03-03 00:00 |                 | tier t gold>silver 120
        2030-03-03 00:00 |                 |
        """,
    )


def test_an_anniversary_is_of_what_was_earned() -> None:
    check(
        _book({"tier": "gold", "days": 30}, downgrade="at_anniversary"),
        """
        2017-03-01 10:00 | purchase 120.00 | tier t bronze>silver 120
        2017-06-01 10:00 | visit           | tier t silver>gold 0
        2017-07-02 00:00 |                 | tier t gold>silver 0
        2018-03-01 00:00 |                 | tier t silver>bronze 0
        """,
    )


def test_one_input_changes_a_ladder_once() -> None:
    # Points lift her, and in the same moment a reward of the badge lifts her further.
    badge = {
        "key": "b",
        "on": "purchase",
        "levels": [{"target": 1, "key": "one", "rewards": [{"tier": "gold", "days": 1}]}],
    }
    check(
        rulebook(earn_rules=EARN, badges=[badge], tier_ladders=[ROLLING]),
        "2017-03-01 10:00 | purchase 120.00 | tier t bronze>gold 120",
    )


def test_a_grant_that_is_given_anew_where_it_ends_changes_nothing() -> None:
    occasion = {"key": "year", "on": "anniversary", "rewards": [{"tier": "gold", "days": 364}]}
    state = check(
        rulebook(earn_rules=EARN, occasions=[occasion], tier_ladders=[ROLLING]),
        """
        2017-03-01 10:00 | purchase 1.00 |
        2018-03-01 00:00 |               | tier t bronze>gold 0
        2019-03-01 00:00 |               |
        2020-02-29 00:00 |               | tier t gold>bronze 0
        2020-03-01 00:00 |               | tier t bronze>gold 0
        """,
    )
    assert state.due == datetime(2021, 3, 1, 5, tzinfo=UTC)


def test_a_visit_that_never_was_granted_nothing() -> None:
    book = _book({"tier": "gold", "days": 3})
    at = [datetime(2017, 3, 1, hour, tzinfo=UTC) for hour in (10, 11)]
    inputs = [event("v", at[0], ["visit"]), event("p", at[1], ["purchase", "5.00"])]
    refolded = fold.refold(book, MemberState.NOTHING, inputs, inputs[1:], at[1])
    gone: list[AnyOutcome] = [each for each in refolded.difference.gone if each.identity[0] == "tier"]
    assert len(gone) == 1
    assert (refolded.difference.new, _tier(book, refolded.state)) == ((), "bronze")


def test_since_is_when_the_tier_was_first_held_without_a_break() -> None:
    book = _book()
    state = check(
        book,
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=gold days=2 | tier t bronze>gold 0
        2017-03-02 10:00 | purchase 300.00                     |
        2017-03-05 00:00 |                                     |
        """,
    )
    rule = book.latest.by_name["tier_ladders/t"]
    assert isinstance(rule, LadderReady)
    assert rule.since(state.parts[rule.name]) == datetime(2017, 3, 1, 15, tzinfo=UTC)
    assert rule.since(None) is None


def _tier(book: Rulebook, state: MemberState) -> str:
    rule = book.latest.by_name["tier_ladders/t"]
    assert isinstance(rule, LadderReady)
    return rule.tier(state.parts.get(rule.name))
