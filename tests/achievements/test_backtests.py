"""Backtests: the law that they are what publishing would have given, and by hand what they report."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.backtests import Backtest
from achievements.definitions import Mistaken, Program, parse
from achievements.outcomes import AnyOutcome, PointsEarned
from achievements.pruning import links, pruned
from achievements.rulebook import Rulebook, ready
from achievements.states import BEGINNING, MemberState
from achievements.tallies import Report, Tally
from achievements.trials import origin_of
from achievements.values import Input
from tests.achievements import diary
from tests.achievements.histories import FIRST, histories
from tests.achievements.programs import EVERYTHING, EXACT, QUALIFYING, document
from tests.achievements.random_programs import DEFINITIONS, documents

some = settings(max_examples=30, deadline=None)
TICK = timedelta(microseconds=1)
known = st.sampled_from([document(**EVERYTHING), document(**EXACT)])


spans = st.tuples(st.integers(0, 60), st.integers(1, 40)).map(
    lambda days: (FIRST + timedelta(days=days[0], hours=7), FIRST + timedelta(days=days[0] + days[1], hours=3))
)


def report_of(backtest: Backtest, members: Sequence[Sequence[Input]], **more: Any) -> Report:
    """The report of members who were counted apart and added up."""
    whole = Tally()
    for inputs in members:
        tally = Tally()
        backtest.count(tally, inputs)
        whole.add(tally)
    together = Tally()
    for inputs in members:
        backtest.count(together, inputs)
    assert msgspec.to_builtins(whole) == msgspec.to_builtins(together)
    return backtest.report(whole, **more)


@some
@given(documents, DEFINITIONS["challenges"], st.lists(histories(), min_size=1, max_size=2), spans, st.booleans())
def test_the_curve_is_what_each_target_would_have_given(
    written: dict[str, Any],
    challenge: dict[str, Any],
    members: list[list[Input]],
    span: tuple[datetime, datetime],
    replaces: bool,
) -> None:
    challenge = {**challenge, "key": "drafted", "objectives": challenge["objectives"][:1]}
    challenge.pop("join", None)
    assume(challenge["repeat"] != "on_completion")
    challenge.pop("milestones", None)
    if replaces:
        # A new version of what the program has: windows that were completed under the old one stay so.
        plain = [each for each in written["badges"] if "of" not in each]
        written = {**written, "challenges": [challenge], "badges": plain}
    program, curve = parse(written), dict[int, tuple[int, int]]()
    for target in (1, 2, 4):
        objective = {**challenge["objectives"][0], "target": target}
        tried = Backtest([(BEGINNING, program)], {"challenges": [{**challenge, "objectives": [objective]}]}, *span)
        found = report_of(tried, members).definitions[0]
        assert found.curve is not None
        told = {spot.target: (spot.completions, spot.winners) for spot in found.curve[:10]}
        curve = curve or told
        assert (told, told[target]) == (curve, (found.completions, found.winners))


@some
@given(known | documents, histories())
def test_a_pruned_program_comes_to_the_same(written: dict[str, Any], inputs: list[Input]) -> None:
    program = parse(written)
    whole = _trace(program, inputs)
    found = links((program,))
    for section, definition in program:
        part = pruned(program, found, [(section, definition.key)])
        assert list(part), "what is asked for stays"
        name = f"{section}/{definition.key}"
        alone = _trace(part, inputs)
        assert alone.state.parts.get(name) == whole.state.parts.get(name), name
        assert _earned(alone.outcomes, section, definition.key) == _earned(whole.outcomes, section, definition.key)


def _trace(program: Program, inputs: Sequence[Input]) -> fold.Trace:
    book = Rulebook(1, [(BEGINNING, ready(program))])
    return fold.trace(book, MemberState.NOTHING, inputs, FIRST + timedelta(days=90))


def _earned(outcomes: Mapping[Any, AnyOutcome], section: str, key: str) -> list[AnyOutcome]:
    earned = [each for each in outcomes.values() if isinstance(each, PointsEarned)]
    return [each for each in earned if origin_of(each.lot) == (section, key)]


def test_what_nobody_reads_is_left_out() -> None:
    program = parse(document(**EVERYTHING))
    part = pruned(program, links((program,)), [("challenges", "days")])
    kept = {f"{section}/{each.key}" for section, each in part if section not in ("currencies", "event_types")}
    assert kept == {"challenges/days"}
    part = pruned(program, links((program,)), [("challenges", "saver")])
    assert {"earn_rules/base", "earn_rules/big", "challenges/days", "badges/purchases"} <= {
        f"{section}/{each.key}" for section, each in part
    }
    assert not part.sections["streaks"]


FIVE: dict[str, list[dict[str, Any]]] = {
    "challenges": [
        {
            "key": "days",
            "name": "Three days this month",
            "objectives": [{**QUALIFYING, "measure": {"distinct": "local_day"}, "target": 3}],
            "window": {"calendar": "month"},
            "rewards": [{"points": 30}, {"voucher": "tea", "days": 7}],
        }
    ]
}
CLUB: dict[str, list[dict[str, Any]]] = {
    "earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
    "badges": [{"key": "visits", "on": "visit", "levels": [{"target": 1}]}],
    "tier_ladders": [
        {
            "key": "club",
            "measure": {"points": "points", "including": "rewards"},
            "tiers": [{"key": "bronze"}, {"key": "silver", "from": 60}],
        }
    ],
    "vouchers": [{"key": "tea"}],
    "segments": [
        {
            "key": "spenders",
            "measures": {"spent": {"on": "purchase", "measure": {"sum": "amount"}}},
            "when": "measure.spent > 20.0",
        }
    ],
}


def _member(name: str, *lines: str) -> list[Input]:
    """The inputs of a member: `03-01 purchase 12.50`, at noon in UTC."""
    made: list[Input] = []
    for number, line in enumerate(lines):
        day, *words = line.split()
        at = datetime.fromisoformat(f"2017-{day} 12:00").replace(tzinfo=UTC)
        made.append(diary.event(f"{name}{number}", at, words))
    return made


ADA = _member("a", "02-27 purchase 5", "03-01 purchase 20", "03-02 purchase 20", "03-03 purchase 1", "03-04 visit")
BOB = _member("b", "03-01 purchase 70", "03-05 purchase 1", "03-05 purchase 2", "04-01 purchase 9")
EVE = _member("e", "03-31 purchase 1", "04-02 purchase 1", "04-03 purchase 1", "04-04 purchase 1", "05-01 purchase 1")
MARCH_APRIL = (datetime(2017, 2, 28, 5, tzinfo=UTC), datetime(2017, 5, 1, 4, tzinfo=UTC))


def _tried(draft: dict[str, Any], **more: Any) -> Report:
    return report_of(Backtest([(BEGINNING, parse(document(**CLUB)))], draft, *MARCH_APRIL), [ADA, BOB, EVE], **more)


def test_winners_near_misses_and_what_they_cost() -> None:
    report = _tried(FIVE, values={"points": Decimal("0.05")}, budgets={"points": 60})
    (found,) = report.definitions
    assert (report.members, report.events) == (3, 12)
    assert (found.completions, found.winners, found.near_misses) == (2, 2, 1)
    assert found.by_day == {date(2017, 3, 3): 1, date(2017, 4, 4): 1}
    assert found.by_group == {"club: bronze": 2, "segment: spenders": 1}
    assert found.overlap == {"badges/visits": 1}
    assert (found.points, found.rewards) == ({"points": 60}, {"voucher/tea": 2})
    assert (report.points, report.cost) == ({"points": 60}, {"points": Decimal("3.00")})
    assert (report.budgets[0].given, report.budgets[0].reached_on) == (60, date(2017, 4, 4))


def test_the_curve_of_every_target() -> None:
    (found,) = _tried(FIVE).definitions
    assert found.curve is not None
    told = [(spot.target, spot.completions, spot.winners, spot.points["points"]) for spot in found.curve]
    assert told[:4] == [(1, 5, 3, 150), (2, 3, 3, 90), (3, 2, 2, 60), (4, 0, 0, 0)]
    assert (found.target, told[-1][0]) == (3, 12)


def test_what_was_begun_in_a_window_that_is_over_bears_on_no_later_one() -> None:
    # Completed once, in any month: what she did in March is over with it, and April goes by the draft.
    once = {
        "key": "once",
        "objectives": [{"on": "purchase", "target": 9}],
        "window": {"calendar": "month"},
        "repeat": "once",
    }
    program = parse(document(**{**CLUB, "challenges": [once]}))
    draft = {"challenges": [{**once, "objectives": [{"on": "purchase", "target": 2}]}]}
    span = (datetime(2017, 4, 1, 4, tzinfo=UTC), datetime(2017, 5, 1, 4, tzinfo=UTC))
    (found,) = report_of(Backtest([(BEGINNING, program)], draft, *span), [EVE]).definitions
    assert found.curve is not None
    assert [(spot.target, spot.completions) for spot in found.curve][:4] == [(1, 1), (2, 1), (3, 1), (4, 0)]
    assert (found.completions, found.winners) == (1, 1)


def test_tiers_with_the_draft_and_without() -> None:
    report = _tried(FIVE)
    told = {each.tier: (each.without, each.members) for each in report.tiers}
    # Ada has 46 points of her own; with the 30 of the challenge she is lifted.
    assert told == {"bronze": (2, 1), "silver": (1, 2)}
    assert report.elsewhere == {}


def test_a_boost_shows_in_what_others_give() -> None:
    report = _tried({"boosts": [{"key": "double", "factor": 2}]})
    assert report.elsewhere == {"points": 20 + 20 + 1 + 70 + 1 + 2 + 9 + 4}
    assert report.definitions[0].completions == 0
    assert report.definitions[0].no_curve == "only a challenge has a curve"


def test_a_streak_a_ladder_and_an_earn_rule_can_be_drafted() -> None:
    report = _tried(
        {
            "streaks": [{"key": "daily", "on": "purchase", "period": "day", "freezes": {"cooldown": 1}}],
            "earn_rules": [{"key": "visits", "on": "visit", "earn": {"fixed": 7}}],
            "tier_ladders": [
                {
                    "key": "fast",
                    "measure": {"points": "points"},
                    "tiers": [{"key": "slow"}, {"key": "fast", "from": 40}],
                }
            ],
        }
    )
    found = {each.section: (each.completions, each.winners) for each in report.definitions}
    assert found == {"streaks": (10, 3), "earn_rules": (1, 1), "tier_ladders": (2, 2)}
    assert {(each.ladder, each.tier): each.members for each in report.tiers}[("fast", "fast")] == 2


def test_a_streak_that_asks_for_several_things_is_tried_with_what_was_restored() -> None:
    fit = {
        "key": "fit",
        "objectives": [{"on": "purchase", "target": 1}, {"on": "visit", "target": 2}],
        "needs": "any",
        "period": "day",
        "milestones": [{"at": 3, "rewards": [{"points": 9}]}],
        "restore": {"within": 2, "price": {"points": 5}},
    }
    at = datetime(2017, 3, 7, 12, tzinfo=UTC)
    restored = diary.fact("f", at, ["!streak_restored", "streak=fit"])
    late = _member("l", "03-07 purchase 1")[0]
    report = report_of(
        Backtest([(BEGINNING, parse(document(**CLUB)))], {"streaks": [fit]}, *MARCH_APRIL),
        [[*BOB[:3], restored], [*BOB[:3], late]],
    )
    # Of the first, the 1st and the 5th counted; two days of the 1st and the 5th make no third. Of the second, the 7th too.
    (found,) = report.definitions
    assert (found.completions, found.points) == (2 + 3, {})
    on = {**fit, "milestones": [{"at": 2, "rewards": [{"points": 9}]}], "restore": {"within": 5}}
    report = report_of(
        Backtest([(BEGINNING, parse(document(**CLUB)))], {"streaks": [on]}, *MARCH_APRIL), [[*BOB[:3], restored]]
    )
    (found,) = report.definitions
    assert (found.completions, found.points) == (2, {"points": 9})


def test_a_price_reads_nothing() -> None:
    saved = {"key": "days", "on": "purchase", "period": "day", "restore": {"within": 2, "price": {"points": 5}}}
    saved["restore"]["price"]["currency"] = "points"  # type: ignore[index]
    program = parse(document(**EVERYTHING | {"streaks": [saved]}))
    part = pruned(program, links((program,)), [("streaks", "days")])
    assert [f"{section}/{each.key}" for section, each in part if section not in ("currencies", "event_types")] == [
        "streaks/days"
    ]
    measured = {"key": "days", "objectives": [{"measure": {"points": "points"}, "target": 9}], "period": "day"}
    program = parse(document(**EVERYTHING | {"streaks": [measured]}))
    part = pruned(program, links((program,)), [("streaks", "days")])
    assert {"earn_rules/base", "earn_rules/big"} <= {f"{section}/{each.key}" for section, each in part}


def test_who_has_begun_finishes_as_it_was() -> None:
    program = parse(document(**CLUB, **FIVE))
    challenge = FIVE["challenges"][0]
    draft = {"challenges": [{**challenge, "objectives": [{**challenge["objectives"][0], "target": 2}]}]}
    since = datetime(2017, 3, 2, 5, tzinfo=UTC)
    (found,) = report_of(Backtest([(BEGINNING, program)], draft, since, MARCH_APRIL[1]), [ADA, BOB, EVE]).definitions
    # Ada began on the first of March, under a target of three, and so did Bob; Eve's in April is two.
    assert sorted(found.by_day) == [date(2017, 3, 3), date(2017, 4, 3)]
    curve = {spot.target: spot.completions for spot in found.curve or ()}
    assert (curve[2], curve[3], curve[4]) == (2, 2, 1)


@pytest.mark.parametrize(
    ("draft", "paths"),
    [
        ({}, ["draft"]),
        ({"program": {"key": "x"}, "challenges": [{"key": "a"}]}, ["program"]),
        (
            {"challenges": [{"key": "a", "objectives": [{"on": "visit", "target": 0}]}]},
            ["challenges[0].objectives[0].target"],
        ),
        ({"badges": [{"key": "b", "on": "swim", "levels": [{"target": 1}]}]}, ["badges[0].on"]),
        (
            {
                "badges": [
                    {"key": "visits", "on": "visit", "measure": {"distinct": "local_day"}, "levels": [{"target": 1}]}
                ]
            },
            ["badges[0].measure"],
        ),
        (
            {"tier_ladders": [{**CLUB["tier_ladders"][0], "tiers": [{"key": "low"}, {"key": "high", "from": 5}]}]},
            ["tier_ladders[0].thresholds"],
        ),
    ],
)
def test_mistakes_have_their_place_in_the_draft(draft: dict[str, Any], paths: list[str]) -> None:
    with pytest.raises(Mistaken) as mistaken:
        Backtest([(BEGINNING, parse(document(**CLUB)))], draft, *MARCH_APRIL)
    assert [each.path for each in mistaken.value.mistakes] == paths


def test_nothing_lies_between_an_instant_and_itself() -> None:
    with pytest.raises(Mistaken, match="`to` comes after `from`"):
        Backtest([(BEGINNING, parse(document(**CLUB)))], FIVE, MARCH_APRIL[1], MARCH_APRIL[1])


def test_a_challenge_without_a_curve_says_why() -> None:
    challenge = FIVE["challenges"][0]
    twice = {**challenge, "objectives": [*challenge["objectives"], {"on": "visit", "target": 1}]}
    rounds = {**challenge, "repeat": "on_completion", "window": "lifetime"}
    joined = {**challenge, "join": "opt_in"}
    reasons = [_tried({"challenges": [each]}).definitions[0].no_curve or "" for each in (twice, rounds, joined)]
    told = ("several objectives", "counts anew", "members join")
    assert all(words in reason for words, reason in zip(told, reasons, strict=True)), reasons


def test_events_that_the_program_would_refuse_are_told_of() -> None:
    tried = Backtest([(BEGINNING, parse(document(**CLUB)))], FIVE, *MARCH_APRIL)
    with pytest.raises(ValueError, match="no event type `swim`"):
        tried.event("e1", "swim", MARCH_APRIL[0], {})
    with pytest.raises(ValueError, match=r"properties\.amount"):
        tried.event("e1", "purchase", MARCH_APRIL[0], {"amount": "-1"})
