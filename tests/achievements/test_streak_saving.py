"""What saves a streak: freezes that were bought, a run that is restored, and the pause of its definition."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from achievements import fold
from achievements.definitions import Mistaken, parse
from achievements.periods import rfc3339
from achievements.rulebook import Rulebook, ready
from achievements.saving import Refused
from achievements.states import Lost, MemberState, Run, StreakPart
from achievements.values import Input
from tests.achievements.diary import check, event, fact
from tests.achievements.programs import BEGIN, document, rulebook
from tests.test_repository import ROOT


def days(**more: Any) -> dict[str, Any]:
    return {"key": "days", "on": "purchase", "period": "day", **more}


def part_of(state: MemberState) -> StreakPart:
    part = state.parts["streaks/days"]
    assert isinstance(part, StreakPart)
    return part


def test_a_freeze_that_was_bought_stands_in_for_a_missed_period() -> None:
    bought = {"hold_at_most": 2, "price": {"points": 50}}
    state = check(
        rulebook(streaks=[days(freezes=bought)]),
        """
        2017-03-01 10:00 | purchase 1.00               | streak days 1
        2017-03-01 11:00 | !freeze_bought streak=days  |
        2017-03-01 11:00 | !freeze_bought streak=other |
        2017-03-03 00:00 |                             | streak days 1
        2017-03-04 00:00 |                             | streak days 0
        """,
    )
    assert (part_of(state).freezes_held, part_of(state).freezes_used) == (0, 1)


def test_a_freeze_can_be_bought_before_anything_counted() -> None:
    bought = {"start": 1, "hold_at_most": 2, "price": {"points": 50}}
    state = check(
        rulebook(streaks=[days(freezes=bought)]),
        """
        2017-03-01 09:00 | !freeze_bought streak=days |
        2017-03-02 00:00 |                            |
        2017-03-02 10:00 | purchase 1.00              | streak days 1
        2017-03-04 00:00 |                            | streak days 1
        2017-03-05 00:00 |                            | streak days 1
        2017-03-06 00:00 |                            | streak days 0
        """,
    )
    assert part_of(state).freezes_used == 2


def test_one_that_is_earned_takes_none_of_those_bought() -> None:
    # She bought two when two was the most, as late news then had it; the third that grows her streak gives no fourth.
    both = {"earn_every": 2, "hold_at_most": 1, "price": {"points": 50}}
    state = check(
        rulebook(streaks=[days(freezes=both)]),
        """
        2017-03-01 09:00 | !freeze_bought streak=days |
        2017-03-01 09:30 | !freeze_bought streak=days |
        2017-03-01 10:00 | purchase 1.00              | streak days 1
        2017-03-02 10:00 | purchase 1.00              | streak days 2
        """,
    )
    assert part_of(state).freezes_held == 2


def test_a_streak_without_freezes_may_get_them_for_a_price_and_keeps_them_without() -> None:
    plain, sold = (
        ready(parse(document(streaks=[days(**more)])))
        for more in ({}, {"freezes": {"hold_at_most": 1, "price": {"points": 5}}})
    )
    check(
        Rulebook(
            1, [(BEGIN, plain), (rfc3339("2017-03-01T16:00:00Z"), sold), (rfc3339("2017-03-01T20:00:00Z"), plain)]
        ),
        """
        2017-03-01 10:00 | purchase 1.00              | streak days 1
        2017-03-01 12:00 | !freeze_bought streak=days |
        2017-03-03 00:00 |                            | streak days 1
        2017-03-04 00:00 |                            | streak days 0
        """,
    )


RESTORE = {"within": 2}


def test_a_run_is_restored_as_if_what_was_missed_had_been_frozen() -> None:
    state = check(
        rulebook(streaks=[days(restore=RESTORE)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-02 10:00 | purchase 1.00                | streak days 2
        2017-03-04 00:00 |                              | streak days 0
        2017-03-05 10:00 | !streak_restored streak=days | streak days 2
        2017-03-05 11:00 | purchase 1.00                | streak days 3
        2017-03-07 00:00 |                              | streak days 0
        """,
    )
    assert part_of(state).lost == Lost((Run(3, 736389, 736394),), 1, (736393,))


def test_what_she_has_done_since_counts_too() -> None:
    check(
        rulebook(streaks=[days(restore=RESTORE)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-02 10:00 | purchase 1.00                | streak days 2
        2017-03-04 10:00 | purchase 1.00                | streak days 0; streak days 1
        2017-03-04 11:00 | !streak_restored streak=days | streak days 3
        2017-03-05 10:00 | purchase 1.00                | streak days 4
        2017-03-07 00:00 |                              | streak days 0
        """,
    )


def test_the_present_period_is_hers_to_meet_after_a_restore() -> None:
    check(
        rulebook(streaks=[days(restore=RESTORE, at_risk="20:00")]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-02 20:00 |                              | risk days 1
        2017-03-03 00:00 |                              | streak days 0
        2017-03-03 21:00 | !streak_restored streak=days | streak days 1; risk days 1
        2017-03-04 00:00 |                              | streak days 0
        2017-03-04 10:00 | !streak_restored streak=days | streak days 1
        2017-03-04 20:00 |                              | risk days 1
        2017-03-04 22:00 | purchase 1.00                | streak days 2
        """,
    )


def test_all_runs_that_broke_within_reach_become_one() -> None:
    diary = """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-02 10:00 | purchase 1.00                | streak days 2
        2017-03-04 10:00 | purchase 1.00                | streak days 0; streak days 1
        2017-03-06 10:00 | purchase 1.00                | streak days 0; streak days 1
        2017-03-06 11:00 | !streak_restored streak=days | streak days {}
        """
    check(rulebook(streaks=[days(restore={"within": 3})]), diary.format(4))
    check(rulebook(streaks=[days(restore={"within": 2})]), diary.format(2))


def test_what_a_run_gave_it_gives_once_and_what_it_passes_it_gives() -> None:
    milestones = [{"at": at, "rewards": [{"points": 10 * at}]} for at in (1, 2, 3, 4)]
    check(
        rulebook(streaks=[days(restore=RESTORE, milestones=milestones)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1; points +10 days
        2017-03-02 10:00 | purchase 1.00                | streak days 2; points +20 days
        2017-03-04 10:00 | purchase 1.00                | streak days 0; streak days 1; points +10 days
        2017-03-05 11:00 | !streak_restored streak=days | streak days 3; points +30 days
        2017-03-05 12:00 | purchase 1.00                | streak days 4; points +40 days
        """,
    )


def test_what_the_runs_between_gave_is_not_given_by_the_restored_one() -> None:
    milestones = [{"at": at, "rewards": [{"points": 10 * at}]} for at in (2, 3)]
    check(
        rulebook(streaks=[days(restore={"within": 3}, milestones=milestones)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-03 10:00 | purchase 1.00                | streak days 0; streak days 1
        2017-03-04 10:00 | purchase 1.00                | streak days 2; points +20 days
        2017-03-05 11:00 | !streak_restored streak=days | streak days 3; points +30 days
        """,
    )


def test_where_nothing_broke_as_is_known_now_a_restore_changes_nothing() -> None:
    state = check(
        rulebook(streaks=[days(restore=RESTORE)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-02 10:00 | purchase 1.00                | streak days 2
        2017-03-02 11:00 | !streak_restored streak=days |
        2017-03-04 00:00 |                              | streak days 0
        """,
    )
    assert part_of(state).restores == 0


def test_one_that_was_decided_stands_where_it_broke_earlier_than_was_known() -> None:
    check(
        rulebook(streaks=[days(restore=RESTORE)]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-09 00:00 |                              | streak days 0
        2017-03-09 10:00 | !streak_restored streak=days | streak days 1
        """,
    )


def test_weeks_are_restored_by_weeks() -> None:
    check(
        rulebook(streaks=[days(period="week", restore={"within": 1})]),
        """
        2017-03-01 10:00 | purchase 1.00                | streak days 1
        2017-03-08 10:00 | purchase 1.00                | streak days 2
        2017-03-20 00:00 |                              | streak days 0
        2017-03-26 23:00 | !streak_restored streak=days | streak days 2
        2017-03-27 00:00 |                              | streak days 0
        """,
    )


def _by_hand(active: set[int], restored: set[int], within: int, until: int) -> int:
    """The length at the end of a day, counted backwards: days on which something was done, up to one that was missed for good."""
    bridged: set[int] = set()
    since = 0
    for day in sorted(restored):
        kept = {each for each in active if each <= day} | bridged
        missed = [each for each in range(since, day) if each not in kept and each - 1 in kept]
        if missed:
            reached = [each for each in missed if day <= each + within] or missed[-1:]
            bridged |= set(range(reached[0], day)) - active
            since = day
    length, day = 0, until
    while day in active or day in bridged or day == until:
        length += day in active
        day -= 1
    return length


@given(st.sets(st.integers(1, 24)), st.sets(st.integers(1, 24), max_size=4), st.integers(1, 4))
def test_a_restore_by_hand(active: set[int], restored: set[int], within: int) -> None:
    book = rulebook("UTC", streaks=[days(restore={"within": within})])
    noon = rfc3339("2017-03-01T12:00:00Z")
    inputs: list[Input] = [
        event(f"e{day:02}", noon + timedelta(days=day), ["purchase", "1.00"]) for day in sorted(active)
    ]
    inputs += [fact(f"f{day:02}", noon + timedelta(days=day), ["!streak_restored", "streak=days"]) for day in restored]
    for until in (10, 17, 24):
        told = sorted((each for each in inputs if each.at <= noon + timedelta(days=until)), key=lambda it: it.order)
        part = fold.trace(book, MemberState.NOTHING, told, noon + timedelta(days=until)).state.parts.get("streaks/days")
        found = part.current if isinstance(part, StreakPart) else 0
        by_then = set(range(until + 1))
        assert found == _by_hand(active & by_then, restored & by_then, within, until)


def _refusals(restore: dict[str, Any], diary: str, *days_of_march: int, by_staff: bool = False) -> list[Refused | None]:
    book = rulebook(streaks=[days(restore=restore)])
    part, rule = part_of(check(book, diary)), book.latest.by_name["streaks/days"]
    return [rule.restore.refused(part, 736388 + day, by_staff=by_staff) for day in days_of_march]  # type: ignore[attr-defined]


ONCE = """
    2017-03-01 10:00 | purchase 1.00                | streak days 1
    2017-03-03 00:00 |                              | streak days 0
    """
TWICE = f"""{ONCE}
    2017-03-03 10:00 | !streak_restored streak=days {{}} | streak days 1
    2017-03-04 00:00 |                              | streak days 0
    """


def test_when_it_can_be_restored() -> None:
    late, used, never = Refused.TOO_LATE, Refused.USED_UP, Refused.NOT_OFFERED
    assert _refusals(RESTORE, ONCE, 3, 4, 5) == [None, None, late]
    assert _refusals(RESTORE, TWICE.format(""), 4, 5, 6) == [used, used, late]
    assert _refusals(RESTORE, TWICE.format(""), 4, 5, 6, by_staff=True) == [None, None, late]
    assert _refusals({**RESTORE, "per": 2}, TWICE.format(""), 4, 5, 6) == [used, None, late]
    assert _refusals({**RESTORE, "at_most": 2}, TWICE.format(""), 4) == [None]
    assert _refusals({**RESTORE, "at_most": 0}, ONCE, 3, 9) == [never, never]
    assert _refusals({**RESTORE, "at_most": 0}, ONCE, 3, by_staff=True) == [None]
    assert _refusals(RESTORE, TWICE.format("by_staff=1"), 4, 5) == [None, None]
    unbroken = "2017-03-01 10:00 | purchase 1.00 | streak days 1"
    assert _refusals(RESTORE, unbroken, 1, 2) == [Refused.NOT_BROKEN, Refused.NOT_BROKEN]


def test_a_late_event_makes_a_restore_needless() -> None:
    book = rulebook(streaks=[days(restore=RESTORE, milestones=[{"at": 3, "rewards": [{"points": 5}]}])])
    told: list[Input] = [
        event("e1", rfc3339("2017-03-01T15:00:00Z"), ["purchase", "1.00"]),
        event("e2", rfc3339("2017-03-02T15:00:00Z"), ["purchase", "1.00"]),
        fact("f1", rfc3339("2017-03-04T15:00:00Z"), ["!streak_restored", "streak=days"]),
    ]
    late = event("e0", rfc3339("2017-03-03T15:00:00Z"), ["purchase", "1.00"])
    until = rfc3339("2017-03-04T20:00:00Z")
    in_order = sorted([*told, late], key=lambda it: it.order)
    refolded = fold.refold(book, MemberState.NOTHING, told, in_order, until)
    part = part_of(refolded.state)
    assert (part.current, part.restores, part.lost) == (3, 0, None)
    assert [each.points for each in refolded.difference.new if hasattr(each, "points")] == [5]


def _paused_between(since: str, until: str, **more: Any) -> Rulebook:
    active, paused = (ready(parse(document(streaks=[days(**more, **life)]))) for life in ({}, {"status": "paused"}))
    if paused.standing != {"streaks/days": "paused"}:
        paused = ready(parse(document(streaks=[days(**more, status="paused")])), rfc3339(since))
    return Rulebook(1, [(BEGIN, active), (rfc3339(since), paused), (rfc3339(until), active)])


def test_nobody_loses_a_streak_while_its_definition_is_paused() -> None:
    # From the noon of the 2nd to the noon of the 5th, in New York.
    state = check(
        _paused_between("2017-03-02T17:00:00Z", "2017-03-05T17:00:00Z", freezes={"cooldown": 3}, at_risk="11:00"),
        """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-02 11:00 |               | risk days 1
        2017-03-03 11:00 | purchase 1.00 |
        2017-03-05 23:00 |               |
        2017-03-06 00:00 |               |
        2017-03-06 11:00 |               | risk days 1
        2017-03-06 23:00 | purchase 1.00 | streak days 2
        2017-03-08 00:00 |               | risk days 2; streak days 2
        2017-03-09 00:00 |               | risk days 2; streak days 0
        """,
    )
    assert part_of(state).freezes_used == 1


def test_a_week_is_not_missed_where_its_definition_was_paused_for_some_days_of_it() -> None:
    # Mondays are the 6th, 13th and 20th.
    check(
        _paused_between("2017-03-14T17:00:00Z", "2017-03-16T17:00:00Z", period="week"),
        """
        2017-03-06 10:00 | purchase 1.00 | streak days 1
        2017-03-15 10:00 | purchase 1.00 |
        2017-03-20 00:00 |               |
        2017-03-21 10:00 | purchase 1.00 | streak days 2
        2017-04-03 00:00 |               | streak days 0
        """,
    )
    check(
        _paused_between("2017-03-14T17:00:00Z", "2017-03-16T17:00:00Z", period="week"),
        """
        2017-03-06 10:00 | purchase 1.00 | streak days 1
        2017-03-17 10:00 | purchase 1.00 | streak days 2
        2017-03-27 00:00 |               | streak days 0
        """,
    )


def test_one_that_is_left_out_after_a_pause_breaks_as_ever() -> None:
    active, paused = (
        ready(parse(document(streaks=[days(status=status)])), rfc3339("2017-03-02T17:00:00Z"))
        for status in ("active", "paused")
    )
    gone = ready(parse(document()))
    editions = [(BEGIN, active), (rfc3339("2017-03-02T17:00:00Z"), paused), (rfc3339("2017-03-04T17:00:00Z"), gone)]
    diary = """
        2017-03-01 10:00 | purchase 1.00 | streak days 1
        2017-03-04 11:00 |               |
        2017-03-05 11:00 |               | streak days 0
        """
    check(Rulebook(1, editions), diary)
    check(Rulebook(2, [*editions, (rfc3339("2017-04-01T17:00:00Z"), active)]), diary)


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ({"freezes": {"cooldown": 3, "price": {"points": 5}}}, "streaks[0].freezes", "either"),
        ({"freezes": {"price": {"points": 5}}}, "streaks[0].freezes", "`price` needs `hold_at_most`"),
        ({"freezes": {"hold_at_most": 2, "price": {"points": 0}}}, "streaks[0].freezes.price.points", "1"),
        (
            {"freezes": {"hold_at_most": 2, "price": {"points": 5, "currency": "gold"}}},
            "streaks[0].freezes.price.currency",
            "gold",
        ),
        ({"restore": {"within": 0}}, "streaks[0].restore.within", "1"),
        ({"restore": {"within": 32}}, "streaks[0].restore.within", "31"),
        ({"restore": {}}, "streaks[0].restore", "within"),
        ({"restore": {"within": 1, "at_most": 0, "per": 3}}, "streaks[0].restore.per", "leave out `per`"),
        (
            {"restore": {"within": 1, "price": {"points": 5, "currency": "gold"}}},
            "streaks[0].restore.price.currency",
            "",
        ),
    ],
)
def test_mistakes(written: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(streaks=[days(**written)])))
    (mistake,) = raised.value.mistakes
    assert (mistake.path, words in mistake.message) == (path, True), mistake


def test_the_page_about_streaks_shows_a_program_without_a_mistake() -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/streaks.md").read_text(), re.DOTALL)
    assert block is not None
    assert ready(parse(YAML(typ="safe").load(block[1]))).by_name.keys() == {"streaks/weeks", "streaks/days"}
