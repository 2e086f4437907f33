"""Scenarios that read like a diary: what a member did, line by line, and what that changed.

    2017-03-01 10:00 | purchase 12.50      | points +12 base; streak daily 1
    2017-03-04 00:00 |                     | streak daily 0

A line is a local instant, an event (a purchase with its amount and departments, or any type with its properties; a fact after an exclamation
mark, as in `!tier_granted ladder=club days=30`; nothing where only time passes), and what it brings: points, streaks, progress,
completions, milestones, badges, rewards and scores, in any order, and nothing else of the kinds that the scenario asks about.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from achievements import fold
from achievements.asked import PlaceAsked, SpendAsked
from achievements.outcomes import (
    BadgeAwarded,
    ChallengeCompleted,
    ChallengeProgressed,
    ConditionFailed,
    Contributed,
    Emitted,
    HeldOut,
    MilestoneReached,
    PointsEarned,
    PrizeWon,
    ReferralQualified,
    RewardGiven,
    Scored,
    StreakAtRisk,
    StreakChanged,
    TierChanged,
)
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.values import Event, Fact, Input, Order, Rank

_WORDS: Mapping[type, Callable[[Any], str]] = {
    PointsEarned: lambda it: f"points +{it.points} {it.source}",
    StreakChanged: lambda it: f"streak {it.streak} {it.current}",
    StreakAtRisk: lambda it: f"risk {it.streak} {it.current}",
    ChallengeProgressed: lambda it: f"progress {it.challenge} {'+'.join(str(each) for each in it.current)}",
    ChallengeCompleted: lambda it: f"completed {it.challenge} {it.period}".rstrip(),
    Contributed: lambda it: f"gives {it.challenge} {it.amount} {it.team}",
    MilestoneReached: lambda it: f"milestone {it.challenge} {it.milestone}",
    BadgeAwarded: lambda it: f"badge {it.badge} {it.level}",
    Scored: lambda it: f"score {it.board} {it.score}" + (f" in {it.group}" if it.group else ""),
    PrizeWon: lambda it: f"prize {it.board} {it.rank}/{it.contenders}",
    TierChanged: lambda it: f"tier {it.ladder} {it.tier_from}>{it.tier_to} {it.qualifying}",
    ReferralQualified: lambda it: f"referral {it.referral} by {it.referrer}",
    RewardGiven: lambda it: f"reward {it.sort} {it.key}" + (f" until {it.until:%Y-%m-%d %H:%M}" if it.until else ""),
    HeldOut: lambda it: f"held {f'{it.points:+} ' if it.what.startswith(('boost/', 'score/')) else ''}{it.what}",
    PlaceAsked: lambda it: f"place {it.challenge} {it.period}".rstrip(),
    SpendAsked: lambda it: f"spend {it.points} {it.rule}",
    ConditionFailed: lambda it: f"failed {it.key} {it.path}",
}


def told(outcome: Emitted) -> str:
    """An outcome, or a decision asked for, in the words of a diary."""
    return _WORDS[type(outcome)](outcome)


def check(rulebook: Rulebook, diary: str, state: MemberState = MemberState.NOTHING) -> MemberState:
    """Live through a diary, and hold each line against what it says; the state at its end."""
    zone = rulebook.latest.zone
    lines = [line for line in diary.strip().splitlines() if line.strip()]
    kinds = {expected.split()[0] for line in lines for expected in _expected(line)}
    for number, line in enumerate(lines):
        when, what, _ = line.split("|")
        at = datetime.fromisoformat(when.strip()).replace(tzinfo=zone).astimezone(UTC)
        state, passed = fold.advance(rulebook, state, at)
        emitted: list[Emitted] = [*passed]
        if what.strip():
            state, more = fold.apply(rulebook, state, happened(f"e{number:04d}", at, what.split()))
            emitted += more
        brought = sorted(each for each in map(told, emitted) if each.split()[0] in kinds)
        assert brought == sorted(_expected(line)), f"line {number + 1}: {line.strip()}"
    return state


def happened(identity: str, at: datetime, words: list[str]) -> Input:
    """An event or a fact from its words."""
    return fact(identity, at, words) if words[0].startswith("!") else event(identity, at, words)


def fact(identity: str, at: datetime, words: list[str]) -> Fact:
    """A fact of a command from its words: `!joined challenge=five`; numbers are numbers, and `null` is nothing."""
    pairs = dict(word.split("=", 1) for word in words[1:])
    data = {
        name: int(value) if value.isdecimal() else None if value == "null" else value for name, value in pairs.items()
    }
    return Fact(identity, words[0][1:], at, Order(at, Rank.FACT, identity), data)


def event(identity: str, at: datetime, words: list[str]) -> Event:
    """An event from its words: `purchase 12.50 DAIRY,BAKERY`, `visit`, `lesson language=fr mistakes=0 weekend=false`."""
    kind, *rest = words
    properties: dict[str, object] = {}
    if rest and "=" in rest[0]:
        properties = {name: _read(value) for name, value in (word.split("=", 1) for word in rest)}
    elif rest:
        properties["amount"] = Decimal(rest[0])
        if len(rest) > 1:
            properties["departments"] = rest[1].split(",")
    return Event(identity, kind, at, properties)


def _read(value: str) -> object:
    """A property as it is written: a whole number, a decimal with its point, true or false, a list with its commas, a word."""
    if value in ("true", "false"):
        return value == "true"
    if value.isdecimal():
        return int(value)
    if value.replace(".", "", 1).isdecimal():
        return Decimal(value)
    return [each for each in value.split(",") if each] if "," in value else value


def _expected(line: str) -> list[str]:
    return [each.strip() for each in line.split("|")[2].split(";") if each.strip()]
