"""The law of backtests: whatever the draft, a new definition or a new version of one, it is what publishing it then would have given."""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from achievements import fold
from achievements.backtests import Backtest, unlimited
from achievements.definitions import Mistaken, Program, parse
from achievements.drafting import with_draft
from achievements.outcomes import AnyOutcome, BadgeAwarded, ChallengeCompleted, PointsEarned
from achievements.rulebook import Rulebook, ready
from achievements.states import BEGINNING, MemberState
from achievements.trials import origin_of
from achievements.values import Input
from tests.achievements.histories import histories
from tests.achievements.programs import EVERYTHING, EXACT, document
from tests.achievements.random_programs import DEFINITIONS, documents
from tests.achievements.test_backtests import report_of, spans

TICK = timedelta(microseconds=1)
known = st.sampled_from([document(**EVERYTHING), document(**EXACT)])


def _cheaper(challenge: dict[str, Any]) -> dict[str, Any]:
    targets = [{**each, "target": max(2, each["target"] - 1)} for each in challenge["objectives"]]
    return {**challenge, "objectives": targets, "rewards": [{"points": 77}]}


def _generous(badge: dict[str, Any]) -> dict[str, Any]:
    *levels, last = badge["levels"]
    return {**badge, "levels": [*levels, {"key": str(last["target"]), **last, "rewards": [{"points": 55}]}]}


OTHERWISE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "segments": lambda each: each if "list" in each else {**each, "when": "measure.lately >= 1"},
    "earn_rules": lambda each: {**each, "limits": {"per_event": 7}},
    "boosts": lambda each: {**each, "factor": 5},
    "streaks": lambda each: {**each, "milestones": [{"at": 1, "rewards": [{"points": 11}]}]},
    "challenges": _cheaper,
    "badges": _generous,
    "tier_ladders": lambda each: {**each, "audience": "member.age > 1"},
    "occasions": lambda each: {**each, "rewards": [{"points": 33}]},
}


@st.composite
def drafts(draw: st.DrawFn, written: dict[str, Any]) -> dict[str, Any]:
    """One definition, under a key that no other has, or otherwise than it is."""
    section, random = draw(st.sampled_from(["challenges", *OTHERWISE])), draw(st.randoms(use_true_random=False))
    there = [each for each in written.get(section, ()) if "team" not in each]
    if draw(st.booleans()) and there:
        return {section: [OTHERWISE[section](deepcopy(Random(random.random()).choice(there)))]}
    section = section if section in DEFINITIONS else "challenges"
    return {section: [{"key": "drafted", **draw(DEFINITIONS[section])}]}


@settings(max_examples=30, deadline=None)
@given(st.data(), known | documents, st.lists(histories(), min_size=1, max_size=2), spans)
def test_it_is_what_publishing_the_draft_then_would_have_given(
    data: st.DataObject, written: dict[str, Any], members: list[list[Input]], span: tuple[datetime, datetime]
) -> None:
    draft = data.draw(drafts(written))
    program, since, until = parse(written), *span
    try:
        whole, _ = with_draft(program, draft)
    except Mistaken:
        assume(False)
    report = report_of(Backtest([(BEGINNING, program)], draft, since, until), members)
    ((section, (body,)),) = draft.items()
    place, found = (section, body["key"]), report.definitions[0]
    # Places are for all members together, and these are folded one by one: in a backtest there is one for everybody.
    (outcomes, tiers), (others, tiers_without) = (
        _lived([(BEGINNING, program), *changed], members, span) for changed in ([(since, whole)], [])
    )
    assert found.points == _points(outcomes, lambda origin: origin == place)
    elsewhere = _points(outcomes, lambda origin: origin != place)
    elsewhere.subtract(_points(others, lambda origin: origin != place))
    assert report.elsewhere == {currency: more for currency, more in elsewhere.items() if more}
    assert {f"{each.ladder}/{each.tier}": each.members for each in report.tiers if each.members} == tiers
    assert {f"{each.ladder}/{each.tier}": each.without for each in report.tiers if each.without} == tiers_without
    if section in ("challenges", "badges"):
        completed = sum(_completes(each, *place) for each in outcomes)
        assert (found.completions, sum(found.by_day.values())) == (completed, completed)


def _lived(
    line: Sequence[tuple[datetime, Program]], members: Sequence[Sequence[Input]], span: tuple[datetime, datetime]
) -> tuple[list[AnyOutcome], Counter[str]]:
    """What members had under a line of programs within a span, and how many of them stood on each tier in the end."""
    book = Rulebook(1, [(start, ready(unlimited(program))) for start, program in line])
    (since, until), outcomes, tiers = span, list[AnyOutcome](), Counter[str]()
    for inputs in members:
        before = [each for each in inputs if each.at < until]
        trace = fold.trace(book, MemberState.NOTHING, before, until - TICK)
        dated = ((getattr(each, "at", None), each) for each in trace.outcomes.values())
        outcomes += [each for at, each in dated if at is not None and at >= since]
        # Who is held out of a ladder is on none of its tiers.
        for _, rule in book.latest.ladders:
            if (tier := book.latest.members.tier(rule, trace.state)) is not None:
                tiers[f"{rule.key}/{tier}"] += 1
    return outcomes, tiers


def _points(outcomes: Sequence[AnyOutcome], wanted: Callable[[tuple[str, str]], bool]) -> Counter[str]:
    found = Counter[str]()
    for each in outcomes:
        if isinstance(each, PointsEarned) and wanted(origin_of(each.lot)):
            found[each.currency] += each.points
    return found


def _completes(outcome: AnyOutcome, section: str, key: str) -> bool:
    match outcome:
        case ChallengeCompleted():
            return (section, key) == ("challenges", outcome.challenge)
        case BadgeAwarded():
            return (section, key) == ("badges", outcome.badge)
    return False
