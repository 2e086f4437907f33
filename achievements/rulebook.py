"""Rules ready to apply, and which of them were in force when.

`ready` makes one program's definitions into `Rules` and finds the mistakes between them. A `Rulebook` strings such rules
along time: an input is judged by those in force at its instant, and before the first of them by none.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any, TypeAlias

import msgspec
from cel_expr_python import cel

from achievements import periods
from achievements.audience import Aimed
from achievements.challenges import Challenge, ChallengeReady
from achievements.compiling import Compiled, circles, compiled
from achievements.conditions import Audience
from achievements.controls import Share, keepers_of
from achievements.definitions import Program
from achievements.earning import EarnRule, EarnRuleReady, unboosted
from achievements.events import EventType
from achievements.lifecycle import Status, Stretch, stops_of, turns
from achievements.lots import Lot
from achievements.measures import counts_points
from achievements.moment import Judge, Keeper, Rule
from achievements.outcomes import PointsEarned
from achievements.parts import Definition
from achievements.points import Currency, Dates, Pending
from achievements.ranking import Leaderboard
from achievements.spending import AutoReward
from achievements.states import ConfirmedPart, MemberState
from achievements.streaks import StreakReady
from achievements.values import Event


class Rules:
    """Every rule of a program at one time, in the order in which an input meets them."""

    def __init__(self, compiled: Compiled, standing: Mapping[str, Status]) -> None:
        self.compiled = compiled
        self.standing = standing
        self.program = compiled.program
        self.zone = compiled.building.zone
        self.environments = compiled.building.environments
        self.program_time = compiled.program_time
        self.falling_due = compiled.falling_due
        self.ladders = compiled.ladders
        self.members = compiled.members
        self.aims = bool(compiled.audiences)
        """Whether any rule is for some members alone."""
        self.holds_out = bool(compiled.shares)
        """Whether any rule has a control group."""
        boosted = _boosted(compiled, standing)
        self.by_name = {**compiled.rules, **boosted}
        awake = [
            (name, rule, each)
            for name, rule in self.by_name.items()
            if standing.get(name, "active") == "active"
            for each in (_keepers(rule, compiled.shares.get(name)) if name in boosted else compiled.keepers[name])
        ]
        judges = [(name, rule, (each.name, _judge(each, compiled.audiences.get(name)))) for name, rule, each in awake]
        self.by_type = {
            event_type: tuple(judge for name, _, judge in judges if _looks_at(compiled.looks[name], event_type))
            for event_type in compiled.event_types
        }
        self.counting_rewards = tuple(judge for _, rule, judge in judges if rule.counts)
        hearing = [(each, rule.hears) for _, rule, each in awake]
        hearing += [(each, self.by_name[name].outlives) for name in standing for each in compiled.keepers.get(name, ())]
        self.by_fact = {
            kind: tuple((each.name, each) for each, kinds in hearing if kind in kinds)
            for kind in frozenset[str]().union(*(kinds for _, kinds in hearing))
        }
        self.settled = frozenset(
            each.name for name in standing if standing[name] == "ended" for each in compiled.keepers.get(name, ())
        )
        """The parts of definitions that have ended."""

    def activation(self, event: Event, state: MemberState) -> cel.Activation:
        """What conditions on an event read, of a member in the state before it."""
        environment = self.environments[event.type]
        seen = self.members.read(environment, state, event.at) if environment.reads else {}
        return environment.activation(event.properties, seen)

    def activation_of(self, state: MemberState, at: datetime) -> cel.Activation:
        """What conditions on a member alone read, of her in a state at an instant."""
        return self.members.activation(state, at)

    def judges(self, name: str, state: MemberState) -> bool:
        """Whether a definition (`section/key`) is active, and does not hold a member out: only then does it hear of her."""
        return name not in self.standing and not self.withholds(name, state)

    def withholds(self, name: str, state: MemberState) -> bool:
        """Whether a definition (`section/key`) is held out from a member."""
        share = self.compiled.shares.get(name)
        return share is not None and share.has(state.seed)

    def offers(self, name: str, state: MemberState, at: datetime) -> bool:
        """Whether a definition (`section/key`) is there for a member.

        It is where something counted for her, or it is active and she is in its audience and not held out.
        """
        if name in state.parts:
            return True
        return not self.withholds(name, state) and self.reaches(name, state, at)

    def reaches(self, name: str, state: MemberState, at: datetime) -> bool:
        """Whether a definition (`section/key`) is active, and a member in its audience."""
        if name in self.standing or name not in self.by_name:
            return False
        audience = self.compiled.audiences.get(name)
        return audience is None or self.members.in_audience(audience, state, at)

    def end_of_day_after(self, at: datetime, days: int) -> datetime:
        """The end of the program's day so many days after an instant's."""
        return periods.end_of_day_after(at, days, self.zone)

    @cached_property
    def event_types(self) -> Mapping[str, EventType]:
        """The event types by key."""
        return {each.key: each for each in self.program.sections.get("event_types", ()) if isinstance(each, EventType)}

    @cached_property
    def currencies(self) -> Mapping[str, Currency]:
        """The currencies by key."""
        return {each.key: each for each in self.program.sections.get("currencies", ()) if isinstance(each, Currency)}

    @cached_property
    def _pending(self) -> Mapping[str, Pending]:
        """How long points of an earn rule wait, by what the identities of its lots begin with; of a currency, by its key."""
        rules = (each for each in self.program.sections.get("earn_rules", ()) if isinstance(each, EarnRule))
        found = {f"earn/{each.key}": each.pending for each in rules if each.pending is not None}
        return found | {each.key: each.pending for each in self.currencies.values() if each.pending is not None}

    @property
    def has_pending(self) -> bool:
        """Whether points of any sort wait before they can be spent."""
        return bool(self._pending)

    def dates(self, lot: str, currency: str, earned_at: datetime) -> Dates:
        """When the points of a lot end and are released, whatever was confirmed."""
        rule = "/".join(lot.split("/", 2)[:2]) if self._pending else ""
        pending = self._pending.get(rule) or self._pending.get(currency) if rule else None
        return self.currencies[currency].dates(earned_at, self.zone, pending)

    def dates_of(self, earned: PointsEarned, state: MemberState) -> Dates:
        """When points end and are released, of a member in a state behind what earned them."""
        dates = self.dates(earned.lot, earned.currency, earned.at)
        if dates.confirmed_by is None:
            return dates
        part = state.parts.get(f"confirmations/{dates.confirmed_by}")
        known = isinstance(part, ConfirmedPart) and earned.event_id in part.events
        return Dates(dates.expires_at) if known else dates

    @cached_property
    def auto_rewards(self) -> tuple[AutoReward, ...]:
        """The automatic rewards as they were written, each with its currency named."""
        known = self.program.sections.get("auto_rewards", ())
        written = [
            each for each in known if isinstance(each, AutoReward) and f"auto_rewards/{each.key}" not in self.standing
        ]
        only = next(iter(self.currencies), None)
        return tuple(msgspec.structs.replace(each, currency=each.currency or only) for each in written)


class Rulebook:
    """Rules with the instants from which they are in force, oldest first; never empty."""

    def __init__(self, revision: int, editions: Sequence[tuple[datetime, Rules]]) -> None:
        self.revision = revision
        self._starts = [start for start, _ in editions]
        versioned = _versioned([rules for _, rules in editions])
        stops = stops_of((start, rules.standing) for start, rules in editions)
        self._editions = [_stopped(rules, each) for rules, each in zip(versioned, stops, strict=True)]
        self.latest, self.program_time = self._editions[-1], self._editions[-1].program_time
        programs = [made for made, _ in groupby(rules.compiled for rules in versioned)]
        # In force or not: a streak whose definition was left out for a while has still been broken when it is taken up again.
        # A later edition's rule stands for those before it, since what `due` rests on is fixed.
        self.falling_due = tuple(dict(each for made in programs for each in made.falling_due.items()).items())
        self.decides = any(rules.auto_rewards or rules.program.sections.get("spend_rules") for rules in self._editions)
        """Whether any of its rules asks for decisions on a balance."""
        challenges = [rule for each in programs for rule in each.rules.values() if isinstance(rule, ChallengeReady)]
        self.asks = self.decides or any(rule.limit is not None for rule in challenges)
        """Whether any asks for decisions at all."""
        self.confirms = any(rules.program.sections.get("confirmations") for rules in self._editions)
        """Whether points wait for events to be confirmed."""
        self.releases = any(rules.has_pending for rules in self._editions)
        """Whether points wait before they can be spent."""
        self.has_teams = any(rule.team is not None for rule in challenges)
        """Whether any is for teams."""
        self.holds_out = any(rules.holds_out for rules in self._editions)
        """Whether any of its rules has a control group."""
        boards = (each for made in programs for each in made.program.sections.get("leaderboards", ()))
        self.boards = {each.key: each for each in boards if isinstance(each, Leaderboard)}
        """The leaderboards that there are or were, by key, as they were last published."""
        self.ties = {key: each.ties for key, each in self.boards.items() if each.ties != "first_to_reach"}
        """What they make of equal scores, where the first to reach one does not stand first."""

    def at(self, instant: datetime) -> Rules | None:
        """The rules in force at an instant; None before the first."""
        if self._starts[-1] <= instant:
            return self.latest
        position = bisect_right(self._starts, instant)
        return self._editions[position - 1] if position else None

    def waits(self, confirmation: str, lot: Lot) -> bool:
        """Whether the points of a lot wait for a confirmation, by the rules of when they were earned."""
        rules = self.at(lot.earned_at) or self.latest
        if lot.kind != "earn" or lot.currency not in rules.currencies:
            return False
        return rules.dates(lot.id, lot.currency, lot.earned_at).confirmed_by == confirmation

    def event_types_at(self, at: datetime) -> Mapping[str, EventType]:
        """The event types in force at an instant, by key; before the first, when events count for nothing, the newest."""
        return (self.at(at) or self.latest).event_types

    def event(self, identity: str, event_type: str, at: datetime, properties: Mapping[str, object]) -> Event:
        """An event that was taken, as the rules in force at its instant see it."""
        known = self.event_types_at(at).get(event_type)
        return Event(identity, event_type, at, {} if known is None else known.read(properties)[0])

    @property
    def line(self) -> list[tuple[datetime, Program]]:
        """What the program was, each with the instant from which on, oldest first."""
        published = groupby(zip(self._starts, self._editions, strict=True), key=lambda each: each[1].program)
        return [(next(each)[0], program) for program, each in published]


def _stopped(rules: Rules, stops: Mapping[str, tuple[Stretch, ...]]) -> Rules:
    """Rules whose streaks know when their definitions were paused up to then."""
    others = {
        name: msgspec.structs.replace(rule, stopped=stretches)
        for name, stretches in stops.items()
        if isinstance(rule := rules.by_name.get(name), StreakReady)
    }
    return Rules(rules.compiled.replaced(others), rules.standing) if others else rules


Versions: TypeAlias = dict[str, list[tuple[Challenge, ChallengeReady]]]


def _versioned(editions: Sequence[Rules]) -> list[Rules]:
    """The editions, in which every challenge knows the versions of it in those before."""
    known: Versions = {}
    found: list[Rules] = []
    # Between two publications nothing has another version.
    for made, between in groupby(editions, key=lambda rules: rules.compiled):
        versioned = _with_earlier(made, known)
        found += [each if versioned is made else Rules(versioned, each.standing) for each in between]
    return found


def _with_earlier(rules: Compiled, known: Versions) -> Compiled:
    """Rules whose challenges know their earlier versions; `known` are those of the editions up to this one."""
    ready_now: dict[str, tuple[ChallengeReady, list[ChallengeReady]]] = {}
    for definition in rules.program.sections.get("challenges", ()):
        name = f"challenges/{definition.key}"
        rule, written = rules.rules[name], _what_counts(definition)
        assert isinstance(rule, ChallengeReady)
        versions = known.setdefault(name, [])
        if not versions or versions[-1][0] != written:
            versions.append((written, rule))
        if len(versions) > 1:
            ready_now[name] = (rule, [each if _still_gives(each, rules) else rule for _, each in versions[:-1]])
    if not ready_now:
        return rules
    counted = frozenset[str]().union(*(each.counts for each in rules.rules.values()))
    given = frozenset[str]().union(*(each.gives for each in rules.rules.values()))
    others = {
        name: msgspec.structs.replace(
            rule,
            version=len(earlier),
            earlier=tuple(msgspec.structs.replace(each, version=n) for n, each in enumerate(earlier)),
            gives=rule.gives.union(*(each.all_gives & counted for each in earlier)),
            counts=rule.counts.union(*(each.all_counts & given for each in earlier)),
        )
        for name, (rule, earlier) in ready_now.items()
    }
    if circles([others.get(name, rule) for name, rule in rules.rules.items()], dict.fromkeys(rules.rules, "")):
        # What was changed to end a circle, members cannot finish as it was.
        others = {name: msgspec.structs.replace(each, earlier=()) for name, each in others.items()}
    return rules.replaced(others)


def _what_counts(definition: Definition) -> Challenge:
    """A challenge without what only says something to people, for whom it is and when: changing that makes no other challenge."""
    assert isinstance(definition, Challenge)
    everybody: dict[str, Any] = {
        "audience": None,
        "control_group": None,
        "status": "active",
        "starts": None,
        "ends": None,
        "counts_from": None,
    }
    return msgspec.structs.replace(definition, name=None, description="", **everybody)


def _still_gives(challenge: ChallengeReady, rules: Compiled) -> bool:
    """Whether what it rewards with, and what it counts, is still defined; and it asks nothing of the member, which what is read of
    her now may not answer.
    """
    if any(
        each is not None and each.asks_of_member
        for objective in challenge.objectives
        for each in (objective.conditions or {}).values()
    ):
        return False
    rewards = (*challenge.rewards, *(reward for each in challenge.milestones for reward in each.rewards))
    currencies = {each.currency for each in rewards if each.points is not None}
    currencies |= {counts_points(each.measure) for each in challenge.objectives} - {None}
    return currencies <= {each.key for each in rules.program.sections.get("currencies", ())}


def editions(program: Program, since: datetime) -> list[tuple[datetime, Rules]]:
    """A program's rules from an instant on: anew from wherever one of its definitions begins or ends."""
    return stretches(compiled(program), since)


def stretches(made: Compiled, since: datetime, until: datetime | None = None) -> list[tuple[datetime, Rules]]:
    """The same of what was compiled, up to another instant."""
    ahead = turns(made.lives.values())
    later = sorted(turn for turn in ahead if since < turn and (until is None or turn < until))
    return [(at, Rules(made, made.standing(at))) for at in (since, *later)]


def ready(program: Program, at: datetime | None = None) -> Rules:
    """Make a program's definitions ready, as they stand at an instant (None: all of them active); Mistaken with every mistake
    between them.
    """
    made = compiled(program)
    return Rules(made, {} if at is None else made.standing(at))


def _keepers(rule: Rule, share: Share | None) -> tuple[Keeper, ...]:
    """Who meets inputs in the place of an earn rule with boosts, and what of these is counted apart."""
    return (*keepers_of(rule, share), *unboosted(rule, share))


def _judge(keeper: Keeper, audience: Audience | None) -> Judge:
    """Who judges events in a rule's place."""
    return keeper if audience is None else Aimed(keeper, audience)


def _looks_at(types: frozenset[str] | None, event_type: str) -> bool:
    return types is None or event_type in types


def _boosted(compiled: Compiled, standing: Mapping[str, Status]) -> Mapping[str, Rule]:
    """The earn rules that boosts may reach, with those that are active."""
    boosts = [each for name, each in compiled.boosts.items() if name not in standing]
    return {
        name: msgspec.structs.replace(rule, boosts=tuple(each for each in boosts if rule.key in each.earn_rules))
        for name, rule in compiled.rules.items()
        if boosts and isinstance(rule, EarnRuleReady)
    }
