"""The fold with a trace: what one event did to each definition, and where it did nothing, why.

It is the fold itself that is watched: each rule is wrapped in something that notes its part before and after, and what it
added. Without a trace nothing is wrapped, so the fold pays nothing for it.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from achievements import fold, keeping, periods
from achievements.audience import Aimed
from achievements.challenges import ChallengeReady
from achievements.conditions import Conditions
from achievements.controls import Offered, Unboosted
from achievements.draws import DrawReady
from achievements.earning import EarnRuleReady
from achievements.moment import Judge, Moment, Rule
from achievements.outcomes import ConditionFailed, Emitted
from achievements.ranking import LeaderboardReady
from achievements.rewards import RewardReady
from achievements.rulebook import Rulebook, Rules
from achievements.spending import AutoRewardReady
from achievements.states import MemberState, Part
from achievements.streaks import StreakReady
from achievements.tiers import LadderReady
from achievements.values import Event


class Reason(StrEnum):
    """Whether an event counted for a definition, or why it did not."""

    COUNTED = "counted"
    OTHER_TYPE = "other_type"
    NOT_FOR_MEMBER = "not_for_member"
    HELD_OUT = "held_out"
    CONDITION_NOT_MET = "condition_not_met"
    CONDITION_FAILED = "condition_failed"
    NOT_JOINED = "not_joined"
    IN_NO_TEAM = "in_no_team"
    OUTSIDE_WINDOW = "outside_window"
    ALREADY_COMPLETED = "already_completed"
    PLACES_TAKEN = "places_taken"
    ALREADY_COUNTED = "already_counted"
    IN_NO_GROUP = "in_no_group"
    NO_POINTS = "no_points"
    NOTHING_NEW = "nothing_new"


class Traced(msgspec.Struct, frozen=True):
    """What an event did to one definition: its part before and after, and what it brought.

    `conditions` are those that were asked and not met, `failure` why one could not be answered.
    """

    rule: Rule
    reason: Reason
    before: Part | None
    after: Part | None
    emitted: tuple[Emitted, ...] = ()
    conditions: tuple[str, ...] = ()
    failure: str = ""

    @property
    def counted(self) -> bool:
        """Whether it did anything: exactly where the part or an outcome of the definition changed."""
        return self.reason is Reason.COUNTED


def traced(rulebook: Rulebook, before: MemberState, event: Event) -> tuple[Rules, MemberState, tuple[Traced, ...]]:
    """What the next event of a member does to each definition in force: the rules, her state after it, and the trace.

    What time brings until then is no part of it. Nothing is in force before the first definitions are.
    """
    state, _ = fold.advance(rulebook, before, event.at)
    watching = _Watching(rulebook)
    after, emitted = fold.apply(watching, state, event)
    rules = rulebook.at(event.at) or rulebook.latest
    failed = {(each.kind, each.key): each for each in emitted if isinstance(each, ConditionFailed)}
    kinds = {f"{section}/{definition.key}": definition.kind for section, definition in rules.program}
    found = []
    for name, rule in rules.by_name.items() if rulebook.at(event.at) is not None else ():
        watched = watching.watched.get(name)
        brought = () if watched is None else tuple(_said(state, watched.brought, emitted))
        parts = state.parts.get(name), after.parts.get(name)
        if parts[0] != parts[1] or brought:
            found.append(Traced(rule, Reason.COUNTED, *parts, (*brought, *watching.unboosted(rule))))
            continue
        if isinstance(rule, RewardReady | AutoRewardReady | DrawReady):
            # What no event of any type could count for says nothing of this one.
            continue
        failure = failed.get((kinds[name], rule.key))
        if watched is None or watched.moment is None:
            found.append(Traced(rule, Reason.OTHER_TYPE, *parts))
        else:
            reason, conditions = _why_not(watched.judge, rule, parts[0], watched.moment)
            if failure is not None and reason is not Reason.HELD_OUT:
                found.append(Traced(rule, Reason.CONDITION_FAILED, *parts, failure=failure.reason))
            else:
                found.append(Traced(rule, reason, *parts, conditions=conditions))
    return rules, after, tuple(found)


class _Watched:
    """A rule that is watched while it judges."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.moment: Moment | None = None
        self.brought: list[Emitted] = []

    def apply(self, part: Any, moment: Moment) -> Part | None:
        """What the rule does."""
        if self.moment is None:
            self.moment = moment
        # A ladder that rises once more takes back what it said before: what is new need not stand at the end.
        before = [*moment.emitted]
        known = {id(each) for each in before}
        after = self.judge.apply(part, moment)
        fresh = (each for each in moment.emitted if id(each) not in known)
        self.brought += [each for each in fresh if not isinstance(each, ConditionFailed)]
        return after


class _Watching(Rulebook):
    """A rulebook whose rules are watched, each by its name."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.__dict__.update(rulebook.__dict__)
        self.watched: dict[str, _Watched] = {}

    def at(self, instant: datetime) -> Rules | None:
        """The rules in force at an instant, watched."""
        rules = super().at(instant)
        if rules is None:
            return None
        watching = copy.copy(rules)
        watching.by_type = {kind: self._watched(judges) for kind, judges in rules.by_type.items()}
        watching.counting_rewards = self._watched(rules.counting_rewards)
        return watching

    def unboosted(self, rule: Rule) -> Iterator[Emitted]:
        """What boosts would have added to what a rule brought, which are held out from the member."""
        for each in self.watched.values():
            judge = each.judge.rule if isinstance(each.judge, Aimed) else each.judge
            if isinstance(judge, Unboosted) and judge.rule.name == rule.name:
                yield from each.brought

    def _watched(self, judges: Sequence[tuple[str, Judge]]) -> Any:
        return tuple((name, self.watched.setdefault(name, _Watched(judge))) for name, judge in judges)


def _said(before: MemberState, brought: Iterable[Emitted], emitted: Sequence[Emitted]) -> Iterator[Emitted]:
    """What of all that a rule brought stands in the end, beside what a member in the state before it keeps anyway."""
    return (one for each in brought for one in keeping.beyond(before, each) if one in emitted)


def _why_not(judge: Judge, rule: Rule, part: Any, moment: Moment) -> tuple[Reason, tuple[str, ...]]:
    """Why a rule that looked at an event left everything as it was, and the conditions that were not met."""
    if isinstance(judge, Aimed) and not moment.suits(judge.audience):
        return Reason.NOT_FOR_MEMBER, ()
    offered = judge.rule if isinstance(judge, Aimed) else judge
    if isinstance(offered, Offered) and offered.share.has(moment.state.seed):
        return Reason.HELD_OUT, ()
    if isinstance(rule, ChallengeReady):
        # By the version under which she began.
        rule = rule.begun_under(part, rule.span.period(moment))
    asked = [each for each in _conditions(rule) if moment.event.type in each]
    unmet = tuple(dict.fromkeys(each[moment.event.type].source for each in asked if not moment.meets(each)))  # type: ignore[union-attr]
    if isinstance(rule, ChallengeReady):
        held = _held_up(rule, part, moment)
        if held is not None:
            return held, ()
    if asked and unmet and all(not moment.meets(each) for each in asked):
        return Reason.CONDITION_NOT_MET, unmet
    match rule:
        case StreakReady():
            done = part is not None and part.last >= periods.index(rule.calendar, moment.local_day)
            return Reason.ALREADY_COUNTED if done else Reason.NOTHING_NEW, ()
        case LeaderboardReady() if rule.misses_group(part, moment):
            return Reason.IN_NO_GROUP, ()
        case EarnRuleReady() | LadderReady() | LeaderboardReady():
            return Reason.NO_POINTS, ()
    return Reason.NOTHING_NEW, ()


def _held_up(rule: ChallengeReady, part: Any, moment: Moment) -> Reason | None:
    """What keeps a challenge from counting anything at all."""
    if rule.repeat == "once" and part is not None and part.completions:
        return Reason.ALREADY_COMPLETED
    if rule.opt_in and (part is None or part.joined is None):
        return Reason.NOT_JOINED
    if rule.team is not None and moment.state.team is None:
        return Reason.IN_NO_TEAM
    window = rule.span.period(moment)
    if window is None:
        return Reason.OUTSIDE_WINDOW
    if rule.missed(part, window):
        return Reason.PLACES_TAKEN
    completed = rule.repeat == "each_window" and part is not None and part.completed_window == window
    return Reason.ALREADY_COMPLETED if completed else None


def _conditions(rule: Rule) -> Iterator[Conditions]:
    """The conditions that a rule asks: its own, or those of its objectives or measures."""
    for name in rule.__struct_fields__:
        value = getattr(rule, name)
        if isinstance(value, Conditions):
            yield value
    for each in (*getattr(rule, "objectives", ()), *getattr(rule, "measures", ())):
        conditions = getattr(each, "conditions", None)
        if conditions is not None:
            yield conditions
