"""Versions of a challenge: who has begun finishes under the one in which she began; whoever begins later goes by the new one."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from achievements import fold
from achievements.definitions import parse
from achievements.explaining import explain_event, explain_member
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.values import Event
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document

MARCH_3 = rfc3339("2017-03-03T05:00:00Z")
"""Midnight in New York."""


def editions(*programs: dict[str, Any], at: datetime = MARCH_3, **sections: Any) -> Rulebook:
    """A challenge in two versions, the second from an instant on."""
    starts = (BEGIN, at)
    return Rulebook(
        1,
        [
            (start, ready(parse(document(challenges=[each], **sections))))
            for start, each in zip(starts, programs, strict=True)
        ],
    )


def challenge(target: int, points: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "key": "some",
        "objectives": [{"on": "purchase", "target": target}],
        "rewards": [{"points": points}],
        **more,
    }


def test_who_has_begun_finishes_under_the_old_target_and_reward() -> None:
    check(
        editions(challenge(3), challenge(5, 99)),
        """
        2017-03-01 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | purchase 1.00 | progress some 2
        2017-03-05 10:00 | purchase 1.00 | progress some 3; completed some; points +10 some
        2017-03-06 10:00 | purchase 1.00 |
        """,
    )


def test_who_begins_later_goes_by_the_new_one() -> None:
    check(
        editions(challenge(3), challenge(2, 99)),
        """
        2017-03-03 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | purchase 1.00 | progress some 2; completed some; points +99 some
        """,
    )


def test_the_next_window_goes_by_the_new_one() -> None:
    month: dict[str, Any] = {"window": {"calendar": "month"}}
    check(
        editions(challenge(2, **month), challenge(1, 99, **month)),
        """
        2017-03-01 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | purchase 1.00 | progress some 2; completed some 2017-03; points +10 some
        2017-03-05 10:00 | purchase 1.00 |
        2017-04-01 10:00 | purchase 1.00 | progress some 1; completed some 2017-04; points +99 some
        """,
    )


def test_the_next_round_goes_by_the_new_one() -> None:
    again: dict[str, Any] = {"repeat": "on_completion"}
    check(
        editions(challenge(2, **again), challenge(1, 99, **again)),
        """
        2017-03-01 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | purchase 1.00 | progress some 2; completed some #1; points +10 some
        2017-03-04 11:00 | purchase 1.00 | progress some 1; completed some #2; points +99 some
        """,
    )


def test_what_counted_under_the_old_one_still_does_for_who_began() -> None:
    old = challenge(2)
    new = {**challenge(2, 99), "objectives": [{"on": "visit", "when": "event.mood > 0", "target": 2}]}
    check(
        editions(old, new),
        """
        2017-03-01 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | visit mood=3 |
        2017-03-05 10:00 | purchase 1.00 | progress some 2; completed some; points +10 some
        """,
    )
    check(
        editions(old, new),
        """
        2017-03-04 10:00 | purchase 1.00 |
        2017-03-04 11:00 | visit mood=3 | progress some 1
        2017-03-05 10:00 | visit mood=2 | progress some 2; completed some; points +99 some
        """,
    )


def test_a_condition_of_the_old_one_is_asked_of_later_events() -> None:
    of = {"on": "purchase", "when": "event.amount > 5.0 && 'DAIRY' in event.departments", "target": 2}
    check(
        editions({**challenge(2), "objectives": [of]}, challenge(9)),
        """
        2017-03-01 10:00 | purchase 6.00 DAIRY | progress some 1
        2017-03-04 10:00 | purchase 1.00 DAIRY |
        2017-03-05 10:00 | purchase 7.00 DAIRY | progress some 2; completed some; points +10 some
        """,
    )


def test_new_words_make_no_new_version() -> None:
    book = editions(challenge(3), challenge(3, name="Some more", description="Be quick."))
    assert book.latest.by_name["challenges/some"].earlier == ()  # type: ignore[attr-defined]


def test_a_circle_that_only_the_old_one_would_close_is_not_closed() -> None:
    def other(currency: str) -> dict[str, Any]:
        counts = {"measure": {"points": currency, "including": "rewards"}, "target": 1}
        return {"key": "other", "objectives": [counts], "repeat": "on_completion"}

    def program(gives: str, counts: str, other_gives: str) -> dict[str, Any]:
        objective = {"measure": {"points": counts, "including": "rewards"}, "target": 1}
        some = {"key": "some", "objectives": [objective], "rewards": [{"points": 1, "currency": gives}]}
        rest = {**other(gives), "rewards": [{"points": 1, "currency": other_gives}]}
        earn = {"key": "base", "on": "purchase", "earn": {"fixed": 1, "currency": "b"}}
        document_ = document(challenges=[{**some, "repeat": "on_completion"}, rest], earn_rules=[earn])
        return {**document_, "currencies": [{"key": each} for each in ("a", "b", "c", "d")]}

    first, second = (ready(parse(program(*each))) for each in (("a", "b", "c"), ("a", "d", "b")))
    book = Rulebook(1, [(BEGIN, first), (MARCH_3, second)])
    check(book, "2017-03-04 10:00 | purchase 1.00 |")


@pytest.mark.parametrize("gone", [True, False])
def test_a_currency_that_is_gone_is_given_by_no_version(*, gone: bool) -> None:
    first = {**document(challenges=[challenge(2)]), "currencies": [{"key": "points"}]}
    key = "coins" if gone else "points"
    second = {**document(challenges=[challenge(2, 7)]), "currencies": [{"key": key}]}
    book = Rulebook(1, [(BEGIN, ready(parse(first))), (MARCH_3, ready(parse(second)))])
    check(
        book,
        f"""
        2017-03-01 10:00 | purchase 1.00 | progress some 1
        2017-03-04 10:00 | purchase 1.00 | progress some 2; completed some; points +{7 if gone else 10} some
        """,
    )


def _changed(first: dict[str, Any], second: dict[str, Any], *more: dict[str, Any]) -> Rulebook:
    starts = [BEGIN, MARCH_3, rfc3339("2017-03-05T05:00:00Z")]
    return Rulebook(1, [(at, ready(parse(each))) for at, each in zip(starts, (first, second, *more), strict=False)])


def _named(target: int, **objective: Any) -> dict[str, Any]:
    return {"key": "some", "objectives": [{"on": "purchase", "target": target, **objective}]}


def test_a_property_of_another_type_counts_for_nothing_under_the_old_one() -> None:
    before = document(challenges=[_named(3, when="event.amount >= 10.0")])
    other = [{"key": "purchase", "properties": {"amount": "string"}}]
    after = {**document(challenges=[_named(3, when="event.amount == 'x'")]), "event_types": other}
    check(
        _changed(before, after),
        """
        2017-03-01 10:00 | purchase 20.00  | progress some 1
        2017-03-04 10:00 | purchase amount=x | failed some objectives[0].when
        """,
    )


def test_a_type_that_was_gone_in_between_counts_for_nothing_there() -> None:
    whole = document(challenges=[_named(3, when="event.amount > 1.0 || event.amount < 0.5")])
    visits = {"key": "some", "objectives": [{"on": "visit", "target": 3}]}
    without = {**document(challenges=[visits]), "event_types": [{"key": "visit", "properties": {}}]}
    check(
        _changed(whole, without, whole),
        """
        2017-03-01 10:00 | purchase 20.00 | progress some 1
        2017-03-04 10:00 | purchase 20.00 |
        2017-03-06 10:00 | purchase 20.00 | progress some 2
        """,
    )


def test_an_old_one_that_asks_of_the_member_gives_way_to_the_new() -> None:
    plan = {"attributes": [{"key": "plan", "type": "string"}]}
    before = document(challenges=[_named(2, when="member.plan == 'paid'")], **plan)
    after = document(challenges=[_named(3)], **plan)
    check(
        _changed(before, after),
        """
        2017-03-01 09:00 | !attributes plan=paid |
        2017-03-01 10:00 | purchase 20.00 | progress some 1
        2017-03-04 10:00 | purchase 20.00 | progress some 2
        2017-03-05 10:00 | purchase 20.00 | progress some 3; completed some
        """,
    )


def test_who_has_begun_is_told_what_she_lacks_by_the_old_one() -> None:
    book = _changed(
        document(challenges=[_named(3, when="event.amount > 5.0")]),
        document(challenges=[_named(9, when="event.amount > 1.0")]),
    )
    state = check(book, "2017-03-01 10:00 | purchase 9.00 | progress some 1")
    at = MARCH_3 + timedelta(hours=9)
    state, _ = fold.advance(book, state, at)
    (told,) = explain_member(book, state, at)
    assert told.told == "2 more times."
    (told,) = explain_event(book, state, Event("e9", "purchase", at, {"amount": Decimal(2)}))
    assert told.told == "Its condition is not met: `event.amount > 5.0`; the event had amount 2."
    (told,) = explain_member(book, MemberState(), at)
    assert told.told == "9 more times."
