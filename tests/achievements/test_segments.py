"""Segments: who is in one, from when on and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from achievements import fold
from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.values import Event
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

SEGMENTS: list[dict[str, Any]] = [
    {
        "key": "big",
        "measures": {
            "spent": {"on": "purchase", "measure": {"sum": "amount"}, "window": {"days": 3}},
            "orders": {"on": "purchase", "when": "event.amount > 1.0", "window": {"calendar": "month"}},
        },
        "when": "measure.spent >= 100.0 && measure.orders >= 2",
    },
    {"key": "recent", "measures": {"bought": {"on": "purchase", "window": {"hours": 2}}}, "when": "measure.bought > 0"},
    {"key": "testers", "list": True},
    {"key": "grown", "when": "member.age >= 18 || member.tiers['club'] == 'high'"},
]
LADDER = {"key": "club", "measure": {"points": "points"}, "tiers": [{"key": "low"}, {"key": "high", "from": 10}]}


def _book(*audiences: str) -> Rulebook:
    bonuses = [
        {"key": f"for-{number}", "on": "visit", "audience": each, "earn": {"fixed": 1}}
        for number, each in enumerate(audiences)
    ]
    return rulebook(
        attributes=[{"key": "age", "type": "int"}],
        segments=SEGMENTS,
        tier_ladders=[LADDER],
        earn_rules=[{"key": "base", "on": "purchase", "earn": {"fixed": 5}}, *bonuses],
    )


def _of(book: Rulebook, state: MemberState, at: datetime) -> tuple[str, ...]:
    advanced, _ = fold.advance(book, state, at)
    return book.latest.members.segments(advanced, at)


def test_a_segment_by_measures_is_left_as_they_leave_their_windows() -> None:
    book = _book("member.segments.big", "!member.segments.big")
    state = check(
        book,
        """
        2017-03-01 10:00 | purchase 60.00 | points +5 base
        2017-03-01 11:00 | visit          | points +1 for-1
        2017-03-02 10:00 | purchase 40.00 | points +5 base; tier club low>high 11
        2017-03-02 10:00 | visit          | points +1 for-0
        2017-03-03 23:59 | visit          | points +1 for-0
        2017-03-04 00:00 | visit          | points +1 for-1
        2017-03-30 10:00 | purchase 70.00 | points +5 base
        2017-03-31 10:00 | purchase 70.00 | points +5 base
        2017-03-31 11:00 | visit          | points +1 for-0
        2017-04-01 11:00 | visit          | points +1 for-1
        """,
    )
    bought = datetime(2017, 3, 31, 14, tzinfo=UTC)
    assert _of(book, state, state.at) == ("grown",)
    late = check(book, "2017-03-31 10:00 | purchase 9.00 | points +5 base")
    assert _of(book, late, bought + timedelta(hours=2) - timedelta(microseconds=1)) == ("recent",)
    assert _of(book, late, bought + timedelta(hours=2)) == ()


def test_who_is_on_a_list_is_said_one_by_one() -> None:
    check(
        _book("member.segments.testers"),
        """
        2017-03-01 10:00 | visit                                |
        2017-03-01 11:00 | !listed segment=testers listed=1     |
        2017-03-01 12:00 | visit                                | points +1 for-0
        2017-03-01 13:00 | !listed segment=others listed=0      |
        2017-03-01 14:00 | visit                                | points +1 for-0
        2017-03-01 15:00 | !listed segment=testers listed=0     |
        2017-03-01 16:00 | visit                                |
        """,
    )


def test_a_segment_that_cannot_be_told_is_told_of_by_who_asks() -> None:
    check(
        _book("member.segments.grown", "!member.segments.grown"),
        """
        2017-03-01 10:00 | visit              | failed for-0 audience; failed for-1 audience
        2017-03-01 11:00 | !attributes age=17 |
        2017-03-01 12:00 | visit              | points +1 for-1
        2017-03-01 13:00 | purchase 1.00      | points +5 base
        2017-03-01 14:00 | purchase 1.00      | points +5 base; tier club low>high 11
        2017-03-01 15:00 | visit              | points +1 for-0
        """,
    )


def test_a_condition_on_events_asks_too() -> None:
    earn = {"key": "extra", "on": "visit", "when": "event.mood > 0 && member.segments.recent", "earn": {"fixed": 1}}
    rules = rulebook(segments=[SEGMENTS[1]], earn_rules=[earn]).latest
    assert rules.environments["visit"].reads == {"member.segments.recent"}


@pytest.mark.parametrize(
    ("segment", "path", "words"),
    [
        ({"key": "big-spenders", "list": True}, "segments[0].key", "a property's name is"),
        ({"key": "a"}, "segments[0].when", "say who is in it"),
        ({"key": "a", "list": True, "when": "true"}, "segments[0].list", "said one by one"),
        ({"key": "a", "when": "measure.x > 1"}, "segments[0].when", "this segment has: none"),
        ({"key": "a", "when": "member.segments.a"}, "segments[0].when", "undeclared reference to 'member.segments.a'"),
        (
            {"key": "a", "measures": {"x": {"on": "purchase", "measure": {"sum": "amount"}}}, "when": "measure.x > 1"},
            "segments[0].when",
            "with a decimal point",
        ),
        (
            {"key": "a", "measures": {"x": {"on": "purchase", "measure": {"sum": "weight"}}}, "when": "true"},
            "segments[0].measures.x.measure",
            "no property `weight`",
        ),
        ({"key": "a", "measures": {"x": {}}, "when": "true"}, "segments[0].measures.x.on", "say which events count"),
        (
            {"key": "a", "measures": {"x": {"on": "purchase", "when": "event.mood > 0"}}, "when": "true"},
            "segments[0].measures.x.when",
            "undeclared reference to 'event.mood'",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(segment: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(segments=[segment])))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message


def test_a_segment_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(Mistaken, match=r"streaks\[0\].audience: at 1:16: .*`member.segments.testers`"):
        ready(
            parse(
                document(
                    segments=[SEGMENTS[2]],
                    streaks=[{"key": "s", "on": "visit", "period": "day", "audience": "member.segments.nobody"}],
                )
            )
        )


def test_what_measures_have_counted_is_theirs_in_whatever_order_they_are_written() -> None:
    measures = {
        "visits": {"on": "visit"},
        "spent": {"on": "purchase", "measure": {"sum": "amount"}},
        "a": {"on": "purchase"},
    }
    orders = ("visits", "spent", "a"), ("a", "visits", "spent")
    lines = [
        ready(parse(document(segments=[{"key": "seen", "measures": written, "when": "measure.visits > 1"}])))
        for written in ({name: measures[name] for name in order} for order in orders)
    ]
    second = datetime(2017, 3, 2, tzinfo=UTC)
    book = Rulebook(1, [(datetime(2017, 1, 1, tzinfo=UTC), lines[0]), (second, lines[1])])
    state = check(
        book,
        """
        2017-03-01 10:00 | purchase 60.00 |
        2017-03-01 11:00 | purchase 60.00 |
        2017-03-03 10:00 | visit          |
        """,
    )
    assert _of(book, state, state.at) == ()
    state, _ = fold.apply(book, state, Event("last", "visit", state.at + timedelta(hours=1), {}))
    assert _of(book, state, state.at) == ("seen",)
