"""What a measure keeps of a member: enough to tell values apart, and no more."""

from datetime import timedelta
from decimal import Decimal, localcontext

import msgspec

from achievements import fold
from achievements.measures import mark_of
from achievements.outcomes import ChallengeCompleted, Emitted, PointsEarned
from achievements.states import MemberState, SegmentPart
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


def test_sums_of_money_keep_all_their_digits() -> None:
    spent = {"measure": {"sum": "amount"}, "on": "purchase"}
    measures = {"ever": spent, "hours": {**spent, "window": {"hours": 40}}, "lately": {**spent, "window": {"days": 3}}}
    book = rulebook(segments=[{"key": "big", "measures": measures, "when": "measure.ever > 1.0"}])
    # As far apart as events can have them: thirty digits in all.
    large, small = Decimal(999999999999999), Decimal("0.000000000000001")
    sent = [small, large, small, large, small, small]
    state = MemberState.NOTHING
    for number, amount in enumerate(sent):
        at = FIRST + timedelta(hours=20 * number)
        state, _ = fold.apply(book, state, Event(f"e{number}", "purchase", at, {"amount": amount}))
    part = state.parts["segments/big"]
    assert isinstance(part, SegmentPart)
    amounts = [tally.amount for _, tally in part.counted]
    with localcontext(prec=60):
        assert amounts == [sum(sent), sum(sent[-2:]), sum(sent[-4:])]
