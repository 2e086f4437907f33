"""The life of definitions: before, in and after it, to the instant."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from achievements import fold
from achievements.definitions import Mistaken, parse
from achievements.lifecycle import life_of
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, editions, ready
from achievements.states import MemberState
from achievements.values import Input
from tests.achievements.diary import check
from tests.achievements.histories import END, FIRST, Member, histories, told
from tests.achievements.programs import BEGIN, document
from tests.achievements.random_programs import documents


def book(**sections: Any) -> Rulebook:
    """A program in New York from its beginning on."""
    return Rulebook(1, editions(parse(document(**sections)), BEGIN))


def challenge(**more: Any) -> dict[str, Any]:
    return {"key": "three", "objectives": [{"on": "purchase", "target": 3}], **more}


def test_it_counts_from_its_start_up_to_its_end() -> None:
    # Noon in New York is 17:00 UTC in March, until the clocks change on the 12th.
    life = {"starts": "2017-03-02T17:00:00Z", "ends": "2017-03-05T12:00:00-05:00"}
    state = check(
        book(challenges=[challenge(**life)]),
        """
        2017-03-02 11:59 | purchase 1.00 |
        2017-03-02 12:00 | purchase 1.00 | progress three 1
        2017-03-05 11:59 | purchase 1.00 | progress three 2
        2017-03-05 12:00 | purchase 1.00 |
        """,
    )
    assert "challenges/three" in state.parts


@pytest.mark.parametrize("status", ["draft", "paused"])
def test_a_draft_and_what_is_paused_count_nothing(status: str) -> None:
    state = check(
        book(
            challenges=[challenge(status=status), challenge(key="other")],
            streaks=[{"key": "days", "on": "purchase", "period": "day", "status": status}],
            leaderboards=[{"key": "ever", "measure": {"points": "points"}, "status": status}],
            auto_rewards=[{"key": "cup", "at": 1, "currency": "points", "status": status}],
        ),
        """
        2017-03-01 10:00 | purchase 5.00 | progress other 1
        """,
    )
    assert set(state.parts) == {"challenges/other"}


def test_what_is_over_at_its_end_is_settled_and_nothing_falls_due_any_more() -> None:
    days = {"key": "days", "on": "purchase", "period": "day"}
    diary = """
        2017-03-01 10:00 | purchase 1.00 | streak days 1; streak ends 1
        2017-03-02 10:00 | purchase 1.00 | streak days 2; streak ends 2
        2017-03-03 10:00 | purchase 1.00 | streak days 3
        2017-03-09 10:00 |               | streak days 0
        """
    rules = book(streaks=[days, {**days, "key": "ends", "ends": "2017-03-03T05:00:00Z"}])
    state = check(rules, diary)
    assert state.parts["streaks/ends"].due is None  # type: ignore[union-attr]
    assert state.due is None


def test_its_last_day_is_judged_where_it_ends_after_it() -> None:
    days = {"key": "days", "on": "purchase", "period": "day", "ends": "2017-03-03T05:00:01Z"}
    check(
        book(streaks=[days]),
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-09 10:00 |               | streak days 0
        """,
    )


def test_time_in_steps_or_in_one_ends_alike_over_an_end() -> None:
    days = {"key": "days", "on": "purchase", "period": "day", "ends": "2017-03-03T05:00:00Z"}
    rules = book(streaks=[days])
    state = check(rules, "2017-03-01 10:00 | purchase 1.00 | streak days 1")
    at_once, _ = fold.advance(rules, state, rfc3339("2017-03-09T00:00:00Z"))
    steps: MemberState = state
    for day in range(2, 10):
        steps, _ = fold.advance(rules, steps, rfc3339(f"2017-03-0{day}T00:00:00Z"))
    assert at_once == steps


def test_others_may_name_what_is_no_longer_there() -> None:
    badge = {"key": "both", "of": [{"challenge": "three"}], "levels": [{"target": 1, "key": "one"}]}
    rules = book(challenges=[challenge(ends="2017-03-02T00:00:00Z")], badges=[badge])
    assert rules.at(rfc3339("2017-03-03T00:00:00Z")) is rules.latest


@pytest.mark.parametrize(
    ("life", "path"),
    [
        ({"starts": "2017-03-02T00:00:00Z", "ends": "2017-03-02T00:00:00Z"}, "challenges[0].ends"),
        ({"starts": "2017-13-02T00:00:00Z"}, "challenges[0].starts"),
        ({"ends": "2017-02-30T00:00:00Z"}, "challenges[0].ends"),
        ({"status": "over"}, "challenges[0].status"),
        ({"starts": "soon"}, "challenges[0].starts"),
    ],
)
def test_a_life_that_makes_no_sense_is_a_mistake(life: dict[str, str], path: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(challenges=[challenge(**life)])))
    assert [each.path for each in raised.value.mistakes] == [path]


@pytest.mark.parametrize(
    ("written", "at", "status"),
    [
        ({}, "2017-03-01T00:00:00Z", "active"),
        ({"status": "draft", "ends": "2017-01-01T00:00:00Z"}, "2017-03-01T00:00:00Z", "draft"),
        ({"starts": "2017-03-02T00:00:00Z"}, "2017-03-01T23:59:59Z", "scheduled"),
        ({"starts": "2017-03-02T00:00:00Z"}, "2017-03-02T00:00:00Z", "active"),
        ({"status": "paused", "starts": "2017-03-02T00:00:00Z"}, "2017-03-01T00:00:00Z", "scheduled"),
        ({"status": "paused"}, "2017-03-01T00:00:00Z", "paused"),
        ({"status": "paused", "ends": "2017-03-01T00:00:00Z"}, "2017-03-01T00:00:00Z", "ended"),
    ],
)
def test_where_it_stands(written: dict[str, str], at: str, status: str) -> None:
    (definition,) = parse(document(challenges=[challenge(**written)])).sections["challenges"]
    assert life_of(definition).status(rfc3339(at)) == status


def test_a_streak_that_lives_again_begins_anew() -> None:
    days = {"key": "days", "on": "purchase", "period": "day"}
    ended = ready(parse(document(streaks=[{**days, "ends": "2017-03-03T12:00:00Z"}])), rfc3339("2017-03-03T12:00:00Z"))
    alive = ready(parse(document(streaks=[days])))
    rules = Rulebook(
        1, [(BEGIN, alive), (rfc3339("2017-03-03T12:00:00Z"), ended), (rfc3339("2017-05-01T00:00:00Z"), alive)]
    )
    check(
        rules,
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-02 10:00 | purchase 1.00 | streak days 2
        2017-05-02 10:00 | purchase 1.00 | streak days 1
        2017-05-03 10:00 | purchase 1.00 | streak days 2
        2017-05-09 10:00 |               | streak days 0
        """,
    )


def test_a_ladder_that_lives_again_owes_nothing_from_before() -> None:
    points = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
    club = {
        "key": "club",
        "measure": {"points": "points"},
        "window": {"days": 30},
        "tiers": [{"key": "low"}, {"key": "gold", "from": 100}],
    }
    alive = ready(parse(document(earn_rules=points, tier_ladders=[club])))
    gone = rfc3339("2017-03-05T00:00:00Z")
    ended = ready(parse(document(earn_rules=points, tier_ladders=[{**club, "ends": "2017-03-05T00:00:00Z"}])), gone)
    rules = Rulebook(1, [(BEGIN, alive), (gone, ended), (rfc3339("2017-06-01T00:00:00Z"), alive)])
    state = check(
        rules,
        """
        2017-03-01 10:00 | purchase 100.00 | points +100 base
        2017-05-01 10:00 |                 |
        2017-06-02 10:00 | purchase 5.00   | points +5 base
        """,
    )
    assert state.due is None or state.due > state.at


_COUNTING = ("earn_rules", "boosts", "spend_rules", "streaks", "challenges", "badges", "tier_ladders", "leaderboards")


def _thinned(written: dict[str, Any], random: Random) -> dict[str, Any]:
    """A program of which some definitions are left out, some paused, and some end in the middle."""
    thinned = {**written}
    for section in _COUNTING:
        kept = [{**each} for each in written.get(section, ()) if random.random() < 0.7]
        for each in kept:
            if random.random() < 0.3:
                each["status"] = "paused"
            if random.random() < 0.3:
                each["ends"] = (FIRST + (END - FIRST) / 2).isoformat()
        thinned[section] = kept
    return thinned


@settings(max_examples=60, deadline=None)
@given(documents, histories(), st.randoms(use_true_random=False), st.integers(1, 6))
def test_any_delivery_ends_alike_whatever_comes_and_goes(
    written: dict[str, Any], inputs: list[Input], random: Random, batch: int
) -> None:
    whole, since, back = ready(parse(written)), FIRST + (END - FIRST) / 4, FIRST + (END - FIRST) * 3 / 4
    try:
        between = editions(parse(_thinned(written, random)), since)
    except Mistaken:
        # What is left out is named by what stays.
        reject()
    rules = Rulebook(1, [(BEGIN, whole), *(each for each in between if each[0] < back), (back, whole)])
    delivered = random.sample(inputs, len(inputs))
    member = Member(rules)
    for start in range(0, len(delivered), batch):
        member.deliver(delivered[start : start + batch])
        if random.random() < 0.3:
            member.advance(min(max(member.state.at, FIRST) + timedelta(days=random.randint(0, 9)), END))
    member.advance(END)
    straight = fold.trace(rules, MemberState.NOTHING, inputs, END)
    assert told(member.outcomes) == told(straight.outcomes)
    assert replace(member.state, at=END) == replace(straight.state, at=END)


@settings(max_examples=25, deadline=None)
@given(documents, histories(), st.randoms(use_true_random=False))
def test_what_is_compiled_once_for_all_its_stretches_judges_as_if_compiled_for_each(
    written: dict[str, Any], inputs: list[Input], random: Random
) -> None:
    try:
        program = parse(_thinned(written, random))
        together = editions(program, BEGIN)
    except Mistaken:
        # What is left out is named by what stays.
        reject()
    apart = [(at, ready(program, at)) for at, _ in together]
    once, each = (fold.trace(Rulebook(1, line), MemberState.NOTHING, inputs, END) for line in (together, apart))
    assert told(once.outcomes) == told(each.outcomes)
    assert (once.state, once.asked, once.failed) == (each.state, each.asked, each.failed)
