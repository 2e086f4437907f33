"""Control groups: who is held out receives nothing, is counted all the same, and nobody is ever moved out."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.backtests import Backtest
from achievements.controls import Share, seed_of
from achievements.definitions import parse
from achievements.outcomes import AnyOutcome, ChallengeProgressed, HeldOut, Scored, StreakChanged
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.tallies import Tally
from achievements.values import Input
from tests.achievements.diary import check, event
from tests.achievements.histories import END, FIRST, histories
from tests.achievements.programs import BEGIN, EVERYTHING, document, rulebook

PERCENT = 40
EVERYBODYS = rulebook(**EVERYTHING)


def _seed(name: str, percent: int, *, held: bool) -> int:
    """The seed of a member who is in the control group of a definition, or is not."""
    share = Share(f"corner/{name}", percent)
    return next(seed for seed in range(10_000) if share.has(seed) is held)


@lru_cache
def _book(section: str, position: int, percent: int) -> tuple[Rulebook, str]:
    """Every kind at once, with one definition held out from some, and that definition's name."""
    sections = deepcopy(EVERYTHING)
    definition = sections[section][position % len(sections[section])]
    definition["control_group"] = percent
    return rulebook(**sections), f"{section}/{definition['key']}"


definitions = st.tuples(st.sampled_from(["earn_rules", "streaks", "challenges", "badges"]), st.integers(0, 5))


def test_who_is_held_out_is_counted_and_gets_nothing() -> None:
    sections: dict[str, list[dict[str, Any]]] = {
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"fixed": 1}}],
        "challenges": [
            {
                "key": "two",
                "control_group": 30,
                "objectives": [{"on": "purchase", "target": 2}],
                "rewards": [{"points": 9}],
            }
        ],
        "streaks": [{"key": "daily", "on": "purchase", "period": "day", "control_group": 30}],
    }
    book = rulebook(**sections)
    treated = MemberState(seed=_seed("challenges/two", 30, held=False))
    check(
        book,
        """
        2017-03-01 10:00 | purchase 5.00 | points +1 base; progress two 1
        2017-03-01 11:00 | purchase 5.00 | points +1 base; progress two 2; completed two; points +9 two
        """,
        treated,
    )
    held = MemberState(seed=_seed("challenges/two", 30, held=True))
    state = check(
        book,
        """
        2017-03-01 10:00 | purchase 5.00 | points +1 base
        2017-03-01 11:00 | purchase 5.00 | points +1 base; held completion/two/; held points/challenge/two//0
        """,
        held,
    )
    assert "challenges/two" not in state.parts
    assert (book.latest.offers("challenges/two", state, state.at), state.seed) == (False, held.seed)
    assert book.latest.offers("challenges/two", treated, state.at)


def test_who_is_held_out_later_keeps_what_she_had_and_gets_no_more() -> None:
    badge = {"key": "b", "on": "purchase", "levels": [{"target": 1}, {"target": 2}, {"target": 3}]}
    streak = {"key": "daily", "on": "purchase", "period": "day"}
    before = rulebook(badges=[badge], streaks=[streak])
    after = rulebook(badges=[{**badge, "control_group": 60}], streaks=[{**streak, "control_group": 60}])
    seed = next(
        each
        for each in range(1000)
        if all(Share(f"corner/{name}", 60).has(each) for name in ("badges/b", "streaks/daily"))
    )
    state = check(
        before,
        "2017-03-01 10:00 | purchase 5.00 | badge b 1; streak daily 1",
        MemberState(seed=seed),
    )
    state = check(
        after,
        """
        2017-03-01 12:00 | purchase 5.00 | held badge/b/1
        2017-03-03 00:00 |               | streak daily 0
        2017-03-03 10:00 | purchase 5.00 | held badge/b/2
        """,
        state,
    )
    assert state.parts["streaks/daily"].current == 0  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None)
@given(definitions, histories())
def test_a_control_group_never_receives_and_is_always_counted(chosen: tuple[str, int], inputs: list[Input]) -> None:
    book, name = _book(*chosen, PERCENT)
    state = MemberState(seed=_seed(name, PERCENT, held=True))
    plain = fold.trace(EVERYBODYS, state, inputs, END).outcomes
    controlled = fold.trace(book, state, inputs, END).outcomes
    wanted = {"/".join(each.identity) for each in plain.values() if _gives(name, each)}
    assert {each.what for each in controlled.values() if isinstance(each, HeldOut)} == wanted
    assert not [each for each in controlled.values() if _of(name, each)]
    treated = MemberState(seed=_seed(name, PERCENT, held=False))
    assert fold.trace(book, treated, inputs, END).outcomes == plain


def test_a_backtest_holds_out_whom_publishing_would() -> None:
    program = parse(document())
    draft = {"challenges": [{"key": "two", "objectives": [{"on": "visit", "target": 1}], "control_group": 30}]}
    backtest = Backtest(program, draft, BEGIN, END)
    tally = Tally()
    for held in (True, False, True):
        backtest.count(tally, [event("e1", FIRST, ["visit"])], _seed("challenges/two", 30, held=held))
    (found,) = backtest.report(tally).definitions
    assert (tally.members, found.winners) == (3, 1)


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 99), st.integers(1, 99))
def test_widening_moves_nobody_out(salt: str, member: str, one: int, other: int) -> None:
    seed = seed_of(member.encode(errors="replace").decode())
    narrow, wide = (Share(salt, percent).has(seed) for percent in sorted((one, other)))
    assert wide or not narrow


def test_a_share_is_as_large_as_it_says() -> None:
    for percent in (1, 10, 50):
        held = sum(Share("corner/challenges/two", percent).has(seed_of(f"member-{each}")) for each in range(20_000))
        assert abs(held - 200 * percent) < 400


def _gives(name: str, outcome: AnyOutcome) -> bool:
    return _of(name, outcome) and not isinstance(outcome, StreakChanged | ChallengeProgressed | Scored)


def _of(name: str, outcome: AnyOutcome) -> bool:
    """Whether an outcome is one of a definition."""
    section, key = name.split("/")
    if isinstance(outcome, HeldOut | Scored):
        return False
    identity = "/".join(outcome.identity)
    words = {
        "earn_rules": (f"points/earn/{key}/",),
        "streaks": (f"streak/{key}", f"points/streak/{key}/"),
        "challenges": tuple(f"{word}/{key}/" for word in ("progress", "completion", "milestone", "points/challenge")),
        "badges": (f"badge/{key}/", f"points/badge/{key}/"),
    }[section]
    return identity.startswith(words)
