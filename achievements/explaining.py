"""Explanations in words: of what an event did to each definition, and of what a member still lacks.

Every sentence is written twice: for the staff, with keys and conditions; and for the member, by names alone. She is told nothing of
definitions that are not for her, of segments, and of a hidden badge before she holds it; then her text is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from achievements import fold, keeping, periods
from achievements.asked import PlaceAsked, SpendAsked
from achievements.badges import Badge, BadgeReady
from achievements.challenges import ChallengeReady
from achievements.ladders import TierLadder
from achievements.localtime import LocalTime
from achievements.measures import LOCAL_DAY, Measure
from achievements.outcomes import (
    BadgeAwarded,
    ChallengeCompleted,
    ChallengeProgressed,
    Contributed,
    Emitted,
    HeldOut,
    MilestoneReached,
    PointsEarned,
    RewardGiven,
    Scored,
    StreakChanged,
    TierChanged,
)
from achievements.parts import Definition
from achievements.periods import Calendar
from achievements.rulebook import Rulebook, Rules
from achievements.saving import Refused
from achievements.states import MemberState, StreakPart
from achievements.streaks import MeasuredStreakReady, StreakReady
from achievements.tiers import LadderReady
from achievements.tracing import Reason, Traced, traced
from achievements.values import Amount, Event

SHOWN_MEMBERS_NOT = frozenset({"segments", "spend_rules", "referrals", "occasions"})
"""Sections of which members are told nothing."""

_UNTOLD = frozenset({Reason.OTHER_TYPE, Reason.NOT_FOR_MEMBER, Reason.HELD_OUT})
"""Reasons that a member is not told of."""
_AHEAD = (ChallengeReady, BadgeReady, LadderReady, StreakReady)
"""What members can be ahead of something in."""
_TICK = timedelta(microseconds=1)


class Explained(msgspec.Struct, frozen=True):
    """One definition, explained: `told` is the staff's sentence, `told_member` the member's, None where she sees nothing of it."""

    section: str
    kind: str
    key: str
    name: str | None
    reason: Reason | None
    told: str
    told_member: str | None

    @property
    def counted(self) -> bool:
        """Whether the event counted for it."""
        return self.reason is Reason.COUNTED


def explain_event(rulebook: Rulebook, before: MemberState, event: Event) -> tuple[Explained, ...]:
    """For each definition in force, whether the next event of a member counts for it, and why not."""
    rules, after, trace = traced(rulebook, before, event)
    defined = {f"{section}/{each.key}": each for section, each in rules.program}
    return tuple(_explained(rules, defined[each.rule.name], each, event, after) for each in trace)


def _explained(rules: Rules, definition: Definition, each: Traced, event: Event, after: MemberState) -> Explained:
    if each.counted:
        told, told_member = (
            " ".join(_brought(rules, definition, each, own=False)),
            " ".join(_brought(rules, definition, each, own=True)),
        )
    else:
        told, told_member = _why_not(each, event, own=False), _why_not(each, event, own=True)
    section = each.rule.section
    unseen = section in SHOWN_MEMBERS_NOT or each.reason in _UNTOLD
    if unseen or _secret(definition, after):
        told_member = ""
    return Explained(section, definition.kind, definition.key, definition.name, each.reason, told, told_member or None)


def _secret(definition: Definition, state: MemberState) -> bool:
    """Whether it is a hidden badge that the member does not hold."""
    part: Any = keeping.with_badges(state).parts.get(f"badges/{definition.key}")
    return isinstance(definition, Badge) and definition.hidden and (part is None or not part.awarded)


def _why_not(each: Traced, event: Event, *, own: bool) -> str:
    match each.reason:
        case Reason.OTHER_TYPE:
            return f"It does not look at events of the type `{event.type}`."
        case Reason.CONDITION_NOT_MET | Reason.CONDITION_FAILED if own:
            return "This was not of the kind that counts."
        case Reason.CONDITION_NOT_MET:
            return _unmet(each.conditions, event)
        case Reason.CONDITION_FAILED:
            return f"Its condition could not be answered: {each.failure}."
        case Reason.IN_NO_GROUP if own:
            return "You were in none of its groups."
        case Reason.NOT_JOINED if own:
            return "You had not joined it."
        case Reason.IN_NO_TEAM if own:
            return "You were in no team."
    return _WHY_NOT[each.reason]


_WHY_NOT: Mapping[Reason, str] = {
    Reason.NOT_FOR_MEMBER: "The member was not in its audience.",
    Reason.HELD_OUT: "The member is in its control group: it is counted of her apart, and gives her nothing.",
    Reason.NOT_JOINED: "The member had not joined it.",
    Reason.IN_NO_TEAM: "The member was in no team.",
    Reason.OUTSIDE_WINDOW: "This was not in the time for which it runs.",
    Reason.ALREADY_COMPLETED: "It was completed before.",
    Reason.PLACES_TAKEN: "All its places were taken before.",
    Reason.ALREADY_COUNTED: "This period counted already, by something earlier.",
    Reason.IN_NO_GROUP: "The member was in none of its groups.",
    Reason.NO_POINTS: "This earned no points that count for it.",
    Reason.NOTHING_NEW: "This added nothing new to it.",
}


def _unmet(conditions: Sequence[str], event: Event) -> str:
    """The conditions that were not met, with what the event had of the properties that they name."""
    written = " and ".join(f"`{each}`" for each in conditions)
    read = [name for name in event.properties if any(f"event.{name}" in each for each in conditions)]
    values = ", ".join(f"{name} {_value(event.properties[name])}" for name in read)
    return f"Its condition is not met: {written}" + (f"; the event had {values}." if values else ".")


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(str(each) for each in value[:5])}{', …' if len(value) > 5 else ''}]"
    return str(value)[:80]


def _brought(rules: Rules, definition: Definition, each: Traced, *, own: bool) -> Iterable[str]:
    """A sentence for each thing that an event brought."""
    sentences = [_sentence(rules, definition, outcome, own=own) for outcome in each.emitted]
    if isinstance(each.rule, BadgeReady) and not any(isinstance(one, BadgeAwarded) for one in each.emitted):
        part: Any = each.after
        sentences.insert(0, f"It came to {_amount(part.tally.amount)}.")
    if isinstance(each.rule, MeasuredStreakReady) and not sentences:
        part = each.after
        pairs = zip((tally.amount for tally in part.counting[1]), each.rule.targets, strict=True)
        sentences.append(f"It came to {_of(pairs)}: this {each.rule.calendar.value} does not count yet.")
    return list(dict.fromkeys(filter(None, sentences))) or ["It was counted."]


def _sentence(rules: Rules, definition: Definition, outcome: Emitted, *, own: bool) -> str | None:
    match outcome:
        case StreakChanged():
            return f"It is now {outcome.current:,} long." if outcome.current else "It broke."
        case ChallengeProgressed():
            return f"It came to {_of(zip(outcome.current, outcome.target, strict=True))}."
        case Contributed():
            team = "your team" if own else f"the team `{outcome.team}`"
            return f"It came to {_amount(outcome.amount)} given to {team}, whose target is {outcome.target:,}."
        case ChallengeCompleted():
            return "It was completed" + (f" for {outcome.period}." if outcome.period else ".")
        case BadgeAwarded():
            return f"The level {_level(definition, outcome.level)} was awarded."
        case TierChanged():
            tiers = _tier(definition, outcome.tier_from), _tier(definition, outcome.tier_to)
            return f"From {tiers[0]} to {tiers[1]}, with {outcome.qualifying:,} points."
        case Scored():
            return f"The score{f' of {outcome.period}' if outcome.period else ''} is now {outcome.score:,}."
    return _sentence_of_gift(rules, outcome, own=own)


def _of(pairs: Iterable[tuple[Amount, Amount]]) -> str:
    """How far several objectives are."""
    return ", ".join(f"{_amount(now)} of {_amount(target)}" for now, target in pairs)


def _sentence_of_gift(rules: Rules, outcome: Emitted, *, own: bool) -> str | None:
    match outcome:
        case PointsEarned():
            return f"It gave {outcome.points:,} {_currency(rules, outcome.currency, own=own)}."
        case RewardGiven():
            return f"It gave a {outcome.sort}." if own else f"It gave {outcome.sort} `{outcome.key}`."
        case MilestoneReached():
            return "A milestone was reached." if own else f"Milestone `{outcome.milestone}` was reached."
        case PlaceAsked():
            return f"It asked for one of {outcome.limit:,} places."
        case HeldOut() if not own:
            return _sentence_of_withheld(outcome)
        case SpendAsked():
            return f"It asked for {outcome.points:,} {_currency(rules, outcome.currency, own=own)} to be spent."
    return None


def _sentence_of_withheld(outcome: HeldOut) -> str:
    """What a definition would have added or given, of which the event was not itself to be counted for it."""
    kept = f"The member is in the control group of `{outcome.definition}`"
    if outcome.what.startswith("reward/"):
        return f"{kept}, which it would have given."
    return (
        f"{kept}, which would have made it {abs(outcome.points):,} points {'more' if outcome.points > 0 else 'less'}."
    )


def explain_member(rulebook: Rulebook, state: MemberState, at: datetime) -> tuple[Explained, ...]:
    """For each definition with a target that is there for a member, how far she is and what is missing to the next step; the staff
    is told of those that are held out from her.

    The state was advanced to the instant.
    """
    rules, state = rulebook.at(at) or rulebook.latest, keeping.with_badges(state)
    found = []
    for name, rule in rules.by_name.items():
        definition = next(each for each in rules.program.sections[rule.section] if each.key == rule.key)
        told = _ahead(rulebook, rules, definition, rule, state, at) if rules.offers(name, state, at) else None
        member = None if _secret(definition, state) else told
        if (
            told is None
            and isinstance(rule, _AHEAD)
            and rules.withholds(name, state)
            and rules.reaches(name, state, at)
        ):
            told = _WHY_NOT[Reason.HELD_OUT]
        if told is not None:
            found.append(Explained(rule.section, definition.kind, rule.key, definition.name, None, told, member))
    return tuple(found)


def _ahead(
    rulebook: Rulebook, rules: Rules, definition: Definition, rule: object, state: MemberState, at: datetime
) -> str | None:
    match rule:
        case ChallengeReady():
            return _challenge_ahead(rulebook, rules, rule, state, at)
        case BadgeReady():
            part: Any = state.parts.get(rule.name)
            held = {level for level, _ in part.awarded} if part is not None else set()
            level = next((each for each in rule.levels_up if each.level not in held), None)
            if level is None:
                return "Every level is held."
            missing = max(0, level.target - rule.amount(part, state.parts))
            what = "of its parts" if rule.of else _things(rules, rule.measure, missing)
            return f"{_amount(missing)} more {what} until {_level(definition, level.level)}."
        case LadderReady():
            return _ladder_ahead(rules, definition, rule, state, at)
        case StreakReady():
            return _streak_ahead(rulebook, rules, rule, state, at)
    return None


def _challenge_ahead(rulebook: Rulebook, rules: Rules, rule: ChallengeReady, state: MemberState, at: datetime) -> str:
    local = fold.local_time(rulebook, state)
    part: Any = state.parts.get(rule.name)
    # Who has begun it before it was changed finishes it as it was.
    rule = rule.begun_under(part, rule.window(at, local))
    if rule.opt_in and (part is None or part.joined is None):
        return "It has to be joined first."
    if rule.team is not None and state.team is None:
        return "It takes a team, and the member is in none."
    ends_at = rule.ends_at(at, local)
    if rule.span.opens is not None and not (rule.span.opens <= at and (ends_at is None or at < ends_at)):
        return "It has not begun." if at < rule.span.opens else "It is over."
    completed = (
        part is not None
        and part.completions
        and (
            rule.repeat == "once" or (rule.repeat == "each_window" and part.completed_window == rule.window(at, local))
        )
    )
    window = rule.window(at, local)
    period = "" if rule.repeat == "once" else periods.name(rule.span.calendar, window)
    completed = completed or keeping.since(state, "completion", rule.key, period) is not None
    by = "" if ends_at is None else f", by the end of {_day(local.day(ends_at - _TICK))}"
    if completed:
        again = rule.repeat == "each_window"
        return "It is completed" + (
            f"; it begins anew after {_day(local.day(ends_at - _TICK))}." if again and ends_at else "."
        )
    if rule.missed(part, rule.window(at, local)):
        return "All its places were taken."
    if rule.team is not None:
        given = rule.amounts(part, at, local)[0] if part is not None and (part.team, part.joined) == state.team else 0
        return f"{_amount(given)} given to the team, whose target is {rule.targets[0]:,} {_things(rules, rule.objectives[0].measure, 2)}{by}."
    return f"{_lacking(rules, rule, rule.amounts(part, at, local))}{by}."


def _lacking(rules: Rules, rule: ChallengeReady | MeasuredStreakReady, amounts: Sequence[Amount]) -> str:
    """What is missing to the targets of a rule."""
    lacking = [
        f"{_amount(each.target - amount)} more {_things(rules, each.measure, each.target - amount)}"
        for each, amount in zip(rule.objectives, amounts, strict=True)
        if amount < each.target
    ]
    return {"any": " or ", "in_order": ", then ", "all": " and "}[rule.needs].join(lacking)


def _ladder_ahead(rules: Rules, definition: Definition, rule: LadderReady, state: MemberState, at: datetime) -> str:
    part: Any = state.parts.get(rule.name)
    held, points = rule.standing(part, at)
    position = rule.keys.index(held)
    ahead = "The highest tier is held."
    if position + 1 < len(rule.keys):
        missing = rule.starts[position + 1] - points
        ahead = f"{missing:,} more {_currency(rules, rule.currency, own=True)} until {_tier(definition, rule.keys[position + 1])}."
    if part is None or part.due is None:
        return ahead
    last = periods.local_day(part.due - _TICK, rule.zone)
    return f"{ahead} {_tier(definition, held)} is held up to {_day(last)}, if no more points come."


def _streak_ahead(rulebook: Rulebook, rules: Rules, rule: StreakReady, state: MemberState, at: datetime) -> str:
    local = fold.local_time(rulebook, state)
    part: Any = state.parts.get(rule.name)
    period = periods.index(rule.calendar, local.day(at))
    by = f"up to the end of {_day(local.day(local.start(rule.calendar, period + 1) - _TICK))}"
    what, begins, makes = "something that counts", "begins", "makes"
    if isinstance(rule, MeasuredStreakReady) and (lacking := _lacking(rules, rule, rule.amounts(part, period))):
        what, begins, makes = lacking, "begin", "make"
    if part is None or not part.current:
        told = [f"{what[0].upper()}{what[1:]} {begins} it, {by}."]
    elif part.last == period:
        told = [f"It is {part.current:,} long, and this {rule.calendar.value} is done."]
    else:
        told = [f"It is {part.current:,} long; {what} {makes} it {part.current + 1:,}, {by}."]
    if part is not None:
        told += _saved(rule, part, period, local)
    return " ".join(told)


def _saved(rule: StreakReady, part: StreakPart, period: int, local: LocalTime) -> Iterable[str]:
    """What saved the present run of a streak, or can still save the one that broke."""
    if part.current and part.frozen is not None and part.frozen >= (part.began or 0):
        yield f"A freeze stood in for {_period(rule.calendar, part.frozen)}."
    if part.restores:
        yield f"It was restored {'once' if part.restores == 1 else f'{part.restores:,} times'} so far."
    runs = () if rule.restore is None else rule.restore.reachable(part.lost, period)
    if rule.restore is None or not runs:
        return
    broke = f"It was {runs[0].length:,} long until {_period(rule.calendar, runs[0].missed)} was missed"
    match rule.restore.refused(part, period):
        case None:
            last = local.day(local.start(rule.calendar, runs[0].missed + rule.restore.within + 1) - _TICK)
            yield f"{broke}, and can be restored up to the end of {_day(last)}."
        case Refused.USED_UP:
            yield f"{broke}, and was restored as often as it can be."


def _period(calendar: Calendar, period: int) -> str:
    """A period as people write it; a week or a month as the calendar names it."""
    return _day(period) if calendar is Calendar.DAY else periods.name(calendar, period)


def _things(rules: Rules, measure: Measure, count: Amount) -> str:
    """What a measure counts, after a number."""
    several = count != 1
    if measure == "count":
        return "times" if several else "time"
    if measure.points is not None:
        return _currency(rules, measure.points, own=True)
    if measure.distinct == LOCAL_DAY:
        return "days" if several else "day"
    if measure.distinct is not None:
        return f"different {'values' if several else 'value'} of {measure.distinct}"
    return f"of {measure.sum}"


def _currency(rules: Rules, key: str, *, own: bool) -> str:
    known = rules.currencies.get(key)
    return (known.name or "points" if own else known.title) if known is not None else "points"


def _tier(definition: Definition, key: str) -> str:
    tiers = definition.tiers if isinstance(definition, TierLadder) else ()
    return next((each.name for each in tiers if each.key == key and each.name), key)


def _level(definition: Definition, key: str) -> str:
    levels = definition.levels if isinstance(definition, Badge) else ()
    return next((each.name for each in levels if each.level == key and each.name), key)


def _amount(amount: Amount) -> str:
    if isinstance(amount, Decimal) and amount != amount.to_integral_value():
        return f"{amount:,}"
    return f"{int(amount):,}"


def _day(day: int) -> str:
    """A local date as people write it: Sunday, 5 March 2017."""
    written = date.fromordinal(day)
    return f"{written:%A}, {written.day} {written:%B} {written.year}"
