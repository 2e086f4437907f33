"""Boosts that rewards give: for whom they multiply, and until when."""

from datetime import UTC, datetime
from typing import Any

import pytest

from achievements import fold
from achievements.boosts import GivenBoost
from achievements.definitions import Mistaken, parse
from achievements.rulebook import ready
from achievements.states import MemberState
from tests.achievements.diary import check, event
from tests.achievements.programs import document, rulebook

DOUBLE = {"key": "double", "factor": 2, "given": True, "earn_rules": ["base"]}
EARN = [
    {"key": "base", "on": "purchase", "earn": {"fixed": 10}},
    {"key": "other", "on": "purchase", "when": "event.amount > 50.0", "earn": {"fixed": 1}},
]


def _badge(*levels: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {
        "key": "visitor",
        "on": "visit",
        "levels": [
            {"target": at, "key": f"l{at}", "rewards": [{"boost": "double", "days": days}]} for at, days in levels
        ],
        **more,
    }


def test_a_boost_that_is_given_multiplies_from_the_next_event_on_until_it_ends() -> None:
    # For two days: the 1st, and the 2nd and 3rd to the end.
    check(
        rulebook(earn_rules=EARN, boosts=[DOUBLE], badges=[_badge((1, 2))]),
        """
        2017-03-01 10:00 | purchase 5.00  | points +10 base
        2017-03-01 11:00 | visit          | badge visitor l1; reward boost double until 2017-03-04 05:00
        2017-03-01 12:00 | purchase 60.00 | points +20 base; points +1 other
        2017-03-03 23:59 | purchase 5.00  | points +20 base
        2017-03-04 00:00 | purchase 5.00  | points +10 base
        """,
    )


def test_given_again_it_lasts_until_the_later_of_both() -> None:
    check(
        rulebook(earn_rules=EARN, boosts=[DOUBLE], badges=[_badge((1, 5), (2, 1))]),
        """
        2017-03-01 10:00 | visit         | badge visitor l1
        2017-03-02 10:00 | visit         | badge visitor l2
        2017-03-06 10:00 | purchase 5.00 | points +20 base
        2017-03-07 10:00 | purchase 5.00 | points +10 base
        """,
    )


def test_what_gives_it_does_not_earn_by_it_and_others_have_none() -> None:
    badge = {**_badge((1, 3)), "on": "purchase"}
    book = rulebook(earn_rules=EARN, boosts=[DOUBLE], badges=[badge])
    check(
        book,
        """
        2017-03-01 10:00 | purchase 5.00 | points +10 base; badge visitor l1
        2017-03-01 10:01 | purchase 5.00 | points +20 base
        """,
    )
    rule = book.latest.by_name["boosts/double"]
    assert isinstance(rule, GivenBoost)
    assert rule.held(MemberState.NOTHING, datetime(2017, 3, 1, tzinfo=UTC)) is None


def test_its_dates_and_conditions_hold_as_well() -> None:
    boost = {**DOUBLE, "when": "event.amount > 10.0", "until": "2017-03-02T05:00:00Z"}
    check(
        rulebook(earn_rules=EARN, boosts=[{**boost, "on": "purchase"}], badges=[_badge((1, 9))]),
        """
        2017-03-01 10:00 | visit          |
        2017-03-01 11:00 | purchase 5.00  | points +10 base
        2017-03-01 12:00 | purchase 20.00 | points +20 base
        2017-03-02 12:00 | purchase 20.00 | points +10 base
        """,
    )


def test_a_visit_that_never_was_gave_no_boost() -> None:
    book = rulebook(earn_rules=EARN, boosts=[DOUBLE], badges=[_badge((1, 3))])
    at = [datetime(2017, 3, 1, hour, tzinfo=UTC) for hour in (10, 11)]
    inputs = [event("v", at[0], ["visit"]), event("p", at[1], ["purchase", "5.00"])]
    refolded = fold.refold(book, MemberState.NOTHING, inputs, inputs[1:], at[1])
    ((was, now),) = refolded.difference.changed
    assert (getattr(was, "points", 0), getattr(now, "points", 0)) == (20, 10)


def test_a_boost_that_everybody_has_cannot_be_given() -> None:
    boost = {"key": "double", "factor": 2}
    with pytest.raises(Mistaken, match=r"badges\[0\].levels\[0\].rewards\[0\].boost: boost `double` is there without"):
        ready(parse(document(earn_rules=EARN, boosts=[boost], badges=[_badge((1, 3))])))
