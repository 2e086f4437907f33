"""Control groups: who is held out receives nothing, is counted all the same, and nobody is ever moved out."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from random import Random
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.backtests import Backtest
from achievements.controls import Share, seed_of
from achievements.definitions import parse
from achievements.outcomes import (
    AnyOutcome,
    ChallengeProgressed,
    HeldOut,
    Identity,
    PointsEarned,
    RewardGiven,
    StreakChanged,
)
from achievements.rulebook import Rulebook
from achievements.states import BEGINNING, MemberState
from achievements.tallies import Tally
from achievements.values import Input
from tests.achievements.diary import check, event
from tests.achievements.histories import END, FIRST, Member, histories, told
from tests.achievements.programs import BEGIN, EVERYTHING, EXACT, TIERS, document, rulebook

Outcomes: TypeAlias = Mapping[Identity, AnyOutcome]

PERCENT = 40
LIMITED = {"per_member": {"points": 150, "window": {"calendar": "week"}}}
KINDS: dict[str, list[dict[str, Any]]] = {
    **EVERYTHING,
    "earn_rules": [
        EVERYTHING["earn_rules"][0],
        {**EVERYTHING["earn_rules"][1], "limits": LIMITED},
        {"key": "visits", "on": "visit", "earn": {"fixed": 3}},
    ],
    "challenges": [
        {
            "key": "gifted",
            "objectives": [{"on": "visit", "target": 2}],
            "window": {"calendar": "week"},
            "rewards": [{"boost": "gift", "days": 9}, {"tier": "gold", "ladder": "rolling", "days": 3}],
        },
        *EVERYTHING["challenges"],
    ],
    "boosts": [
        {"key": "spring", "factor": 2, "from": "2017-03-10T00:00:00Z", "until": "2017-04-20T00:00:00Z"},
        {"key": "less", "factor": "0.5", "stacking": "highest", "on": "purchase", "when": "event.amount >= 99.99"},
        {"key": "gift", "factor": 3, "given": True},
    ],
    "tier_ladders": [
        EXACT["tier_ladders"][0],
        *({**each, "measure": {"points": "points", "including": "rewards"}} for each in EXACT["tier_ladders"][1:4]),
    ],
}
"""Every kind that can have a control group, none of which rests on what itself brings."""
EVERYBODYS = rulebook(**KINDS)


def _seed(name: str, percent: int, *, held: bool) -> int:
    """The seed of a member who is in the control group of a definition, or is not."""
    share = Share(f"corner/{name}", percent)
    return next(seed for seed in range(10_000) if share.has(seed) is held)


@lru_cache
def _book(section: str, position: int, percent: int) -> tuple[Rulebook, str]:
    """Every kind at once, with one definition held out from some, and that definition's name."""
    sections = deepcopy(KINDS)
    definition = sections[section][position % len(sections[section])]
    definition["control_group"] = percent
    return rulebook(**sections), f"{section}/{definition['key']}"


definitions = st.sampled_from([(section, position) for section, each in KINDS.items() for position in range(len(each))])


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


def test_a_boost_that_is_held_out_adds_nothing_and_is_counted() -> None:
    limits = {"per_member": {"points": 25, "window": {"calendar": "month"}}}
    sections: dict[str, list[dict[str, Any]]] = {
        "earn_rules": [
            {"key": "base", "on": "purchase", "earn": {"fixed": 10}, "limits": limits},
            {"key": "seen", "on": "visit", "earn": {"fixed": 2}},
        ],
        "boosts": [
            {"key": "double", "factor": 2, "control_group": 30},
            {"key": "less", "factor": "0.5", "on": "visit", "control_group": 30},
            {"key": "gift", "factor": 3, "given": True, "earn_rules": ["seen"], "control_group": 30},
        ],
        "challenges": [
            {
                "key": "first",
                "objectives": [{"on": "purchase", "target": 1}],
                "rewards": [{"boost": "gift", "days": 2}],
            }
        ],
    }
    lines = """
        2017-03-01 10:00 | purchase 5.00 | {}
        2017-03-01 11:00 | purchase 5.00 | {}
        2017-03-01 12:00 | visit         | {}
        2017-03-01 13:00 | purchase 5.00 | {}
        """
    boosted = (
        "points +20 base; reward boost gift until 2017-03-04 05:00",
        "points +5 base",
        "points +6 seen",
        "",
    )
    check(rulebook(**sections), lines.format(*boosted), MemberState(seed=_apart(sections["boosts"])))
    held = (
        "points +10 base; held +10 boost/double/earn/base/e0000; held reward/challenge/first//0",
        "points +10 base; held -5 boost/double/earn/base/e0001",
        "points +2 seen; "
        + "; ".join(f"held {each}/earn/seen/e0002" for each in ("+2 boost/double", "-1 boost/less", "+4 boost/gift")),
        "points +5 base; held -5 boost/double/earn/base/e0003",
    )
    state = check(rulebook(**sections), lines.format(*held), MemberState(seed=_apart(sections["boosts"], held=True)))
    assert "boosts/gift" not in state.parts


def test_a_ladder_that_is_held_out_has_no_tier_for_her() -> None:
    ladder = {"key": "club", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}
    sections: dict[str, list[dict[str, Any]]] = {
        "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
        "boosts": [
            {"key": "all", "factor": 2, "audience": "member.tiers.club == 'bronze' || member.tiers.club == 'silver'"},
        ],
        "tier_ladders": [{**ladder, "control_group": 30}],
        "challenges": [
            {"key": "vip", "objectives": [{"on": "visit", "target": 1}], "rewards": [{"tier": "gold", "days": 2}]}
        ],
    }
    book = rulebook(**sections)
    check(
        book,
        """
        2017-03-01 10:00 | purchase 60.00 | points +120 base; tier club bronze>silver 120
        2017-03-02 10:00 | visit          | reward tier club/gold until 2017-03-05 05:00; tier club silver>gold 120
        """,
        MemberState(seed=_apart(sections["tier_ladders"], "tier_ladders")),
    )
    state = check(
        book,
        """
        2017-03-01 10:00 | purchase 60.00                        | points +60 base
        2017-03-01 11:00 | purchase 60.00                        | points +60 base; held tier/club/silver/2017-03-01T16:00:00+00:00/e0001
        2017-03-02 10:00 | visit                                 | held reward/challenge/vip//0; held tier/club/gold/2017-03-02T15:00:00+00:00/e0002
        2017-03-05 00:00 |                                       | held tier/club/silver/2017-03-05T05:00:00+00:00/
        2017-03-06 00:00 |                                       | held tier/club/bronze/2017-03-06T05:00:00+00:00/
        """,
        MemberState(seed=_apart(sections["tier_ladders"], "tier_ladders", held=True)),
    )
    rules = book.latest
    assert rules.members.tier(rules.ladders[0][1], state) is None
    assert not rules.offers("tier_ladders/club", state, state.at)


def test_a_tier_and_a_score_of_before_are_kept_and_grow_no_more() -> None:
    ladder = {"key": "club", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}
    board = {"key": "top", "measure": {"points": "points"}}
    base = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
    share = {"control_group": 60}
    before = rulebook(earn_rules=base, tier_ladders=[ladder], leaderboards=[board])
    after = rulebook(earn_rules=base, tier_ladders=[{**ladder, **share}], leaderboards=[{**board, **share}])
    names = ("tier_ladders/club", "leaderboards/top")
    seed = next(each for each in range(1000) if all(Share(f"corner/{name}", 60).has(each) for name in names))
    state = check(
        before,
        "2017-03-01 10:00 | purchase 120.00 | score top 120; tier club bronze>silver 120",
        MemberState(seed=seed),
    )
    assert after.latest.members.tier(after.latest.ladders[0][1], state) == "silver"
    state = check(
        after,
        """
        2017-03-02 10:00 | purchase 300.00 | held tier/club/gold/2017-03-02T15:00:00+00:00/e0000; held +300 score/top/
        2017-03-06 00:00 |                 | tier club silver>bronze 0
        """,
        state,
    )


def _apart(definitions: list[dict[str, Any]], section: str = "boosts", *, held: bool = False) -> int:
    """The seed of a member who is in the control groups of all of some definitions, or of none."""
    shares = [Share(f"corner/{section}/{each['key']}", 30) for each in definitions]
    return next(seed for seed in range(10_000) if all(share.has(seed) is held for share in shares))


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
    held = {each for each in controlled.values() if isinstance(each, HeldOut)}
    assert held == _withheld(name, plain, controlled)
    assert not [each for each in controlled.values() if _of(name, each)]
    treated = MemberState(seed=_seed(name, PERCENT, held=False))
    assert fold.trace(book, treated, inputs, END).outcomes == plain


@settings(max_examples=15, deadline=None)
@given(definitions, histories(), st.randoms(use_true_random=False))
def test_what_is_counted_does_not_rest_on_the_order_of_arrival(
    chosen: tuple[str, int], inputs: list[Input], random: Random
) -> None:
    book, name = _book(*chosen, PERCENT)
    member = Member(book)
    member.state = MemberState(seed=_seed(name, PERCENT, held=True))
    straight = fold.trace(book, member.state, inputs, END)
    for each in random.sample(inputs, len(inputs)):
        member.deliver([each])
    member.advance(END)
    assert told(member.outcomes) == told(straight.outcomes)


def test_a_backtest_holds_out_whom_publishing_would() -> None:
    program = parse(document())
    draft = {"challenges": [{"key": "two", "objectives": [{"on": "visit", "target": 1}], "control_group": 30}]}
    backtest = Backtest([(BEGINNING, program)], draft, BEGIN, END)
    tally = Tally()
    for held in (True, False, True):
        backtest.count(tally, [event("e1", FIRST, ["visit"])], _seed("challenges/two", 30, held=held))
    (found,) = backtest.report(tally).definitions
    assert (tally.members, found.winners) == (3, 1)


def test_a_backtest_counts_no_tier_of_who_is_held_out() -> None:
    ladder = {"key": "club", "measure": {"points": "points"}, "tiers": TIERS, "control_group": 30}
    program = parse(document(earn_rules=[{"key": "base", "on": "visit", "earn": {"fixed": 120}}]))
    backtest = Backtest([(BEGINNING, program)], {"tier_ladders": [ladder]}, BEGIN, END)
    tally = Tally()
    for held in (True, False, True):
        backtest.count(tally, [event("e1", FIRST, ["visit"])], _seed("tier_ladders/club", 30, held=held))
    report = backtest.report(tally)
    assert [(each.tier, each.members, each.without) for each in report.tiers if each.members] == [("silver", 1, 0)]
    assert report.definitions[0].winners == 1


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 99), st.integers(1, 99))
def test_widening_moves_nobody_out(salt: str, member: str, one: int, other: int) -> None:
    seed = seed_of(member.encode(errors="replace").decode())
    narrow, wide = (Share(salt, percent).has(seed) for percent in sorted((one, other)))
    assert wide or not narrow


def test_a_share_is_as_large_as_it_says() -> None:
    for percent in (1, 10, 50):
        held = sum(Share("corner/challenges/two", percent).has(seed_of(f"member-{each}")) for each in range(20_000))
        assert abs(held - 200 * percent) < 400


def _withheld(name: str, plain: Outcomes, controlled: Outcomes) -> set[HeldOut]:
    """What of a fold without control groups a definition brought, as it is counted of who is held out from it."""
    key = name.partition("/")[2]
    counted = {
        HeldOut.of(name, each)
        for each in plain.values()
        if _of(name, each) and not isinstance(each, StreakChanged | ChallengeProgressed)
    }
    if name.startswith("boosts/"):
        was, now = _earned(plain), _earned(controlled)
        for lot, one in {**was, **now}.items():
            more = (was[lot].points if lot in was else 0) - (now[lot].points if lot in now else 0)
            if more:
                counted.add(HeldOut(name, f"boost/{key}/{lot}", more, one.at, one.event_id))
    return counted


def _earned(outcomes: Outcomes) -> dict[str, PointsEarned]:
    """What earn rules gave, by lot."""
    points = (each for each in outcomes.values() if isinstance(each, PointsEarned))
    return {each.lot: each for each in points if each.lot.startswith("earn/")}


def _of(name: str, outcome: AnyOutcome) -> bool:
    """Whether an outcome is one of a definition, or gives what it says."""
    section, key = name.split("/")
    if isinstance(outcome, HeldOut):
        return False
    if isinstance(outcome, RewardGiven) and {"boosts": key, "tier_ladders": f"{key}/gold"}.get(section) == outcome.key:
        return True
    identity = "/".join(outcome.identity)
    words = {
        "earn_rules": (f"points/earn/{key}/",),
        "boosts": (),
        "streaks": (f"streak/{key}", f"points/streak/{key}/"),
        "challenges": tuple(
            f"{word}/{key}/" for word in ("progress", "completion", "milestone", "points/challenge", "reward/challenge")
        ),
        "badges": (f"badge/{key}/", f"points/badge/{key}/"),
        "tier_ladders": (f"tier/{key}/",),
        "leaderboards": (f"score/{key}/",),
    }[section]
    return identity.startswith(words) if words else False
