"""Leaderboards with groups: in which of them a member competes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from achievements import fold
from achievements.explaining import explain_event
from achievements.outcomes import Scored
from achievements.states import MemberState
from achievements.tracing import Reason
from tests.achievements.diary import check, event
from tests.achievements.programs import TIERS, rulebook

EARN = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
CITY = {"key": "city", "type": "string"}
BOARD = {"key": "b", "measure": {"points": "points"}, "window": {"calendar": "month"}, "group_by": "city"}
LADDER = {"key": "t", "measure": {"points": "points"}, "window": {"days": 400}, "tiers": TIERS}


def _check(diary: str, attribute: dict[str, Any] = CITY, **board: Any) -> None:
    check(rulebook(earn_rules=EARN, attributes=[attribute], leaderboards=[{**BOARD, **board}]), diary)


def test_whoever_moves_moves_with_the_next_period() -> None:
    _check(
        """
        2017-03-01 10:00 | !attributes city=rome  |
        2017-03-02 10:00 | purchase 5.00          | score b 5 in rome
        2017-03-03 10:00 | !attributes city=oslo  |
        2017-03-04 10:00 | purchase 5.00          | score b 10 in rome
        2017-04-01 10:00 | purchase 5.00          | score b 5 in oslo
        """
    )


def test_who_is_in_no_group_is_on_no_board_until_she_is_in_one() -> None:
    _check(
        f"""
        2017-03-01 10:00 | purchase 5.00                 |
        2017-03-02 10:00 | !attributes city={"x" * 101}  |
        2017-03-02 11:00 | purchase 5.00                 |
        2017-03-03 10:00 | !attributes city={"x" * 100}  |
        2017-03-04 10:00 | purchase 7.00                 | score b 7 in {"x" * 100}
        """
    )


def test_who_has_no_value_is_in_the_group_of_the_default() -> None:
    _check(
        """
        2017-03-01 10:00 | purchase 5.00 | score b 5 in rome
        """,
        {**CITY, "default": "rome"},
    )


def test_a_league_is_a_group_by_the_tier_held_before_the_first_event_of_a_period() -> None:
    check(
        rulebook(earn_rules=EARN, tier_ladders=[LADDER], leaderboards=[{**BOARD, "group_by": "tiers.t"}]),
        """
        2017-03-01 10:00 | purchase 150.00 | tier t bronze>silver 150; score b 150 in bronze
        2017-03-02 10:00 | purchase 5.00   | score b 155 in bronze
        2017-04-01 10:00 | purchase 5.00   | score b 5 in silver
        """,
    )


def test_an_explanation_says_that_she_is_in_no_group() -> None:
    rules = rulebook(earn_rules=EARN, attributes=[CITY], leaderboards=[BOARD])
    bought = event("e1", datetime(2017, 3, 1, 12, tzinfo=UTC), ["purchase", "5.00"])
    (board,) = [each for each in explain_event(rules, MemberState.NOTHING, bought) if each.key == "b"]
    assert board.reason is Reason.IN_NO_GROUP
    assert (board.told, board.told_member) == (
        "The member was in none of its groups.",
        "You were in none of its groups.",
    )
    nothing = event("e1", datetime(2017, 3, 1, 12, tzinfo=UTC), ["purchase", "0.10"])
    (board,) = [each for each in explain_event(rules, MemberState.NOTHING, nothing) if each.key == "b"]
    assert board.reason is Reason.NO_POINTS


@pytest.mark.parametrize("late", [True, False])
def test_learning_of_the_past_moves_a_score_to_the_group_that_it_began_in(late: bool) -> None:
    rules = rulebook(earn_rules=EARN, tier_ladders=[LADDER], leaderboards=[{**BOARD, "group_by": "tiers.t"}])
    days = [datetime(2017, month, day, 12, tzinfo=UTC) for month, day in ((2, 27), (3, 2))]
    first, second = event("e1", days[0], ["purchase", "100.00"]), event("e2", days[1], ["purchase", "5.00"])
    base = MemberState.NOTHING
    if late:
        found = fold.refold(rules, base, [second], [first, second], second.at).difference
        (gone,) = [each for each in found.gone if isinstance(each, Scored)]
        assert (gone.group, gone.score) == ("bronze", 5)
        new = {each.period: each.group for each in found.new if isinstance(each, Scored)}
    else:
        outcomes = fold.trace(rules, base, [first, second], second.at).outcomes.values()
        new = {each.period: each.group for each in outcomes if isinstance(each, Scored)}
    assert new == {"2017-02": "bronze", "2017-03": "silver"}
