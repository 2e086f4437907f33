"""Scenarios that read like a diary: what a member did, line by line, and what that changed.

    2017-03-01 10:00 | purchase 12.50      | points +12 base; streak daily 1
    2017-03-04 00:00 |                     | streak daily 0

A line is a local instant, an event (a purchase with its amount and departments, or any other type; nothing where only time
passes), and what it brings: points, streaks, progress, completions, badges and scores, in any order, and nothing else of
the kinds that the scenario asks about.
"""

from datetime import UTC, datetime
from decimal import Decimal

from achievements import fold
from achievements.rulebook import Rulebook
from achievements.values import (
    BadgeAwarded,
    ChallengeCompleted,
    ChallengeProgressed,
    ConditionFailed,
    Emitted,
    Event,
    MemberState,
    PointsEarned,
    Scored,
    SpendAsked,
    StreakChanged,
    TierChanged,
)


def told(outcome: Emitted) -> str:
    """An outcome, or a decision asked for, in the words of a diary."""
    match outcome:
        case PointsEarned():
            return f"points +{outcome.points} {outcome.source}"
        case StreakChanged():
            return f"streak {outcome.streak} {outcome.current}"
        case ChallengeProgressed():
            return f"progress {outcome.challenge} {'+'.join(str(each) for each in outcome.current)}"
        case ChallengeCompleted():
            return f"completed {outcome.challenge} {outcome.period}".rstrip()
        case BadgeAwarded():
            return f"badge {outcome.badge} {outcome.level}"
        case Scored():
            return f"score {outcome.board} {outcome.score}"
        case TierChanged():
            return f"tier {outcome.ladder} {outcome.tier_from}>{outcome.tier_to} {outcome.qualifying}"
        case SpendAsked():
            return f"spend {outcome.points} {outcome.rule}"
        case ConditionFailed():
            return f"failed {outcome.key} {outcome.path}"


def check(rulebook: Rulebook, diary: str) -> MemberState:
    """Live through a diary, and hold each line against what it says; the state at its end."""
    state = MemberState.NOTHING
    zone = rulebook.latest.zone
    lines = [line for line in diary.strip().splitlines() if line.strip()]
    kinds = {expected.split()[0] for line in lines for expected in _expected(line)}
    for number, line in enumerate(lines):
        when, what, _ = line.split("|")
        at = datetime.fromisoformat(when.strip()).replace(tzinfo=zone).astimezone(UTC)
        state, passed = fold.advance(rulebook, state, at)
        emitted: list[Emitted] = [*passed]
        if what.strip():
            state, more = fold.apply(rulebook, state, event(f"e{number:04d}", at, what.split()))
            emitted += more
        happened = sorted(each for each in map(told, emitted) if each.split()[0] in kinds)
        assert happened == sorted(_expected(line)), f"line {number + 1}: {line.strip()}"
    return state


def event(identity: str, at: datetime, words: list[str]) -> Event:
    """An event from its words: `purchase 12.50 DAIRY,BAKERY`, `visit`."""
    kind, *rest = words
    properties: dict[str, object] = {}
    if rest:
        properties["amount"] = Decimal(rest[0])
    if len(rest) > 1:
        properties["departments"] = rest[1].split(",")
    return Event(identity, kind, at, properties)


def _expected(line: str) -> list[str]:
    return [each.strip() for each in line.split("|")[2].split(";") if each.strip()]
