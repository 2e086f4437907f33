"""What a measure keeps of a member: enough to tell values apart, and no more."""

from datetime import timedelta
from decimal import Decimal

import msgspec

from achievements import fold
from achievements.measures import mark_of
from achievements.outcomes import ChallengeCompleted, Emitted, PointsEarned
from achievements.states import MemberState
from achievements.values import Event
from tests.achievements.histories import FIRST
from tests.achievements.programs import rulebook

LONG = ["x" * 999 + end for end in "abc"]


def test_long_values_are_told_apart_and_not_kept() -> None:
    several = {"measure": {"distinct": "departments"}, "on": "purchase", "target": 4}
    book = rulebook(
        event_types=[
            {"key": "purchase", "properties": {"departments": "list[string]", "name": "string", "amount": "decimal"}}
        ],
        earn_rules=[{"key": "once", "on": "purchase", "earn": {"fixed": 1}, "limits": {"once_per": "name"}}],
        confirmations=[{"key": "arrived", "on": "purchase", "naming": "name"}],
        challenges=[
            {"key": "ever", "objectives": [several]},
            {"key": "lately", "objectives": [several], "window": {"days": 9}},
        ],
    )
    state, brought = MemberState.NOTHING, list[Emitted]()
    for number, name in enumerate((*LONG, *LONG, "short", "short")):
        properties = {"departments": [name, *LONG[:2]], "name": name, "amount": Decimal(number)}
        event = Event(f"e{number}", "purchase", FIRST + timedelta(hours=number), properties)
        state, emitted = fold.apply(book, state, event)
        brought += emitted
    assert [each.event_id for each in brought if isinstance(each, PointsEarned)] == ["e0", "e1", "e2", "e6"]
    assert [each.event_id for each in brought if isinstance(each, ChallengeCompleted)] == ["e6", "e6"]
    assert len(msgspec.json.encode(state)) < 1_500


def test_a_digest_is_no_value_that_stands_for_itself() -> None:
    marks = [mark_of(each) for each in (*LONG, "a" * 64, "a" * 65, "", "\ud800" * 65)]
    assert len(set(marks)) == len(marks)
    assert [mark_of(each) for each in marks[3:4]] == marks[3:4]
    assert all(mark_of(each) != each for each in marks if len(each) > 64)
