"""Rules ready to apply, and which of them were in force when.

`ready` makes one program's definitions into `Rules` and finds the mistakes between them. A `Rulebook` strings such rules
along time: an input is judged by those in force at its instant, and before the first of them by none.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import msgspec
from cel_expr_python import cel

from achievements import periods
from achievements.attributes import Attribute
from achievements.audience import Aimed
from achievements.badges import BadgeReady
from achievements.boosts import Boost, BoostReady
from achievements.building import Building
from achievements.challenges import Challenge, ChallengeReady
from achievements.conditions import Audience
from achievements.controls import Share, keepers_of
from achievements.definitions import Mistaken, Program
from achievements.earning import EarnRule, EarnRuleReady
from achievements.events import EventType
from achievements.lifecycle import Status, Stretch, stops_of, turns
from achievements.localtime import LocalTime
from achievements.measures import counts_points
from achievements.members import Members
from achievements.moment import Judge, Keeper, Rule, completed, held
from achievements.parts import Definition, Granting, Mistake, event_types_of
from achievements.points import Currency
from achievements.ranking import Leaderboard
from achievements.segments import SegmentReady
from achievements.spending import AutoReward
from achievements.states import MemberState
from achievements.streaks import StreakReady
from achievements.tiers import LadderReady
from achievements.values import Event


class Rules:
    """Every rule of a program at one time, in the order in which an input meets them."""

    def __init__(
        self,
        program: Program,
        building: Building,
        rules: Sequence[Rule],
        audiences: Mapping[str, Audience],
        shares: Mapping[str, Share],
        standing: Mapping[str, Status],
    ) -> None:
        self.program = program
        self._made = (building, audiences, shares)
        self.standing = self._standing = standing
        self.zone = building.zone
        self.environments = environments = building.environments
        self._audiences = audiences
        self._shares = shares
        in_order = [(rule.name, rule) for rule in sorted(rules, key=lambda rule: rule.stage)]
        self.by_name = dict(in_order)
        self.aims = bool(audiences)
        """Whether any rule is for some members alone."""
        self.holds_out = bool(shares)
        """Whether any rule has a control group."""
        places = [(rule, each) for name, rule in in_order for each in keepers_of(rule, shares.get(name))]
        awake = [(rule, each) for rule, each in places if standing.get(rule.name, "active") == "active"]
        judges = [(rule, (each.name, _judge(each, audiences.get(rule.name)))) for rule, each in awake]
        # Beside the program's own there are those that a referral has for events of our own making. What only an earlier version
        # of a challenge names is of no type any more.
        own = (rule for rule in rules if not isinstance(rule, ChallengeReady))
        types = {*environments, *(each for rule in own for each in rule.event_types or ())}
        self.by_type = {
            event_type: tuple(judge for rule, judge in judges if _looks_at(rule, event_type)) for event_type in types
        }
        self.counting_rewards = tuple(judge for rule, judge in judges if rule.counts)
        heard = {kind for rule, _ in awake for kind in rule.hears}
        self.by_fact = {kind: tuple((each.name, each) for rule, each in awake if kind in rule.hears) for kind in heard}
        self.falling_due = {each.name: each for rule, each in places if rule.falls_due}
        self.settled = frozenset(each.name for rule, each in places if standing.get(rule.name) == "ended")
        """The parts of definitions that have ended."""
        self.program_time = LocalTime(self.zone)
        self.ladders = tuple((name, rule) for name, rule in in_order if isinstance(rule, LadderReady))
        self.members = Members(
            building.members,
            self.program_time,
            [rule for _, rule in self.ladders],
            [each for each in program.sections.get("attributes", ()) if isinstance(each, Attribute)],
            [rule for _, rule in in_order if isinstance(rule, SegmentReady)],
        )

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
        share = self._shares.get(name)
        return name not in self._standing and (share is None or not share.has(state.seed))

    def offers(self, name: str, state: MemberState, at: datetime) -> bool:
        """Whether a definition (`section/key`) is there for a member.

        It is where something counted for her, or it is active and she is in its audience and not held out.
        """
        if name in state.parts:
            return True
        if name in self._standing:
            return False
        share = self._shares.get(name)
        return (share is None or not share.has(state.seed)) and self.reaches(name, state, at)

    def reaches(self, name: str, state: MemberState, at: datetime) -> bool:
        """Whether a definition (`section/key`) is active, and a member in its audience."""
        if name in self._standing or name not in self.by_name:
            return False
        audience = self._audiences.get(name)
        return audience is None or self.members.in_audience(audience, state, at)

    def replaced(self, others: Mapping[str, Rule]) -> "Rules":
        """The same with other rules in the place of some, by their names."""
        building, audiences, shares = self._made
        rules = [others.get(name, rule) for name, rule in self.by_name.items()]
        return Rules(self.program, building, rules, audiences, shares, self._standing)

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
    def auto_rewards(self) -> tuple[AutoReward, ...]:
        """The automatic rewards as they were written, each with its currency named."""
        known = self.program.sections.get("auto_rewards", ())
        written = [
            each for each in known if isinstance(each, AutoReward) and f"auto_rewards/{each.key}" not in self._standing
        ]
        only = next(iter(self.currencies), None)
        return tuple(msgspec.structs.replace(each, currency=each.currency or only) for each in written)


class Rulebook:
    """Rules with the instants from which they are in force, oldest first; never empty."""

    def __init__(self, revision: int, editions: Sequence[tuple[datetime, Rules]]) -> None:
        self.revision = revision
        editions = _versioned(editions)
        self._starts = [start for start, _ in editions]
        stops = stops_of((start, rules.standing) for start, rules in editions)
        self._editions = [_stopped(rules, each) for (_, rules), each in zip(editions, stops, strict=True)]
        self.latest, self.program_time = self._editions[-1], self._editions[-1].program_time
        # In force or not: a streak whose definition was left out for a while has still been broken when it is taken up again.
        # A later edition's rule stands for those before it, since what `due` rests on is fixed.
        self.falling_due = tuple(dict(each for _, rules in editions for each in rules.falling_due.items()).items())
        self.decides = any(rules.auto_rewards or rules.program.sections.get("spend_rules") for rules in self._editions)
        """Whether any of its rules asks for decisions on a balance."""
        self.asks = self.decides or any(
            isinstance(rule, ChallengeReady) and rule.limit is not None
            for rules in self._editions
            for rule in rules.by_name.values()
        )
        """Whether any asks for decisions at all."""
        self.holds_out = any(rules.holds_out for rules in self._editions)
        """Whether any of its rules has a control group."""
        boards = (each for rules in self._editions for each in rules.program.sections.get("leaderboards", ()))
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


def _stopped(rules: Rules, stops: Mapping[str, tuple[Stretch, ...]]) -> Rules:
    """Rules whose streaks know when their definitions were paused up to then."""
    others = {
        name: msgspec.structs.replace(rule, stopped=stretches)
        for name, stretches in stops.items()
        if isinstance(rule := rules.by_name.get(name), StreakReady)
    }
    return rules.replaced(others) if others else rules


Versions: TypeAlias = dict[str, list[tuple[Challenge, ChallengeReady]]]


def _versioned(all_of_them: Sequence[tuple[datetime, Rules]]) -> list[tuple[datetime, Rules]]:
    """The editions, in which every challenge knows the versions of it in those before."""
    known: Versions = {}
    return [(start, _with_earlier(rules, known)) for start, rules in all_of_them]


def _with_earlier(rules: Rules, known: Versions) -> Rules:
    """Rules whose challenges know their earlier versions; `known` are those of the editions up to this one."""
    ready_now: dict[str, tuple[ChallengeReady, list[ChallengeReady]]] = {}
    for definition in rules.program.sections.get("challenges", ()):
        name = f"challenges/{definition.key}"
        rule, written = rules.by_name[name], _what_counts(definition)
        assert isinstance(rule, ChallengeReady)
        versions = known.setdefault(name, [])
        if not versions or versions[-1][0] != written:
            versions.append((written, rule))
        if len(versions) > 1:
            ready_now[name] = (rule, [each if _still_gives(each, rules) else rule for _, each in versions[:-1]])
    if not ready_now:
        return rules
    counted = frozenset[str]().union(*(each.counts for each in rules.by_name.values()))
    given = frozenset[str]().union(*(each.gives for each in rules.by_name.values()))
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
    if _circles([others.get(name, rule) for name, rule in rules.by_name.items()], dict.fromkeys(rules.by_name, "")):
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
    }
    return msgspec.structs.replace(definition, name=None, description="", **everybody)


def _still_gives(challenge: ChallengeReady, rules: Rules) -> bool:
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
    return currencies <= rules.currencies.keys()


def editions(program: Program, since: datetime) -> list[tuple[datetime, Rules]]:
    """A program's rules from an instant on: anew from wherever one of its definitions begins or ends."""
    later = sorted(turn for turn in turns(each for _, each in program) if turn > since)
    return [(at, ready(program, at)) for at in (since, *later)]


def ready(program: Program, at: datetime | None = None) -> Rules:
    """Make a program's definitions ready, as they stand at an instant (None: all of them active); Mistaken with every mistake
    between them.
    """
    building = _building(program)
    made = _Made([], [], {}, {}, {}, {})
    for section, definitions in program.sections.items():
        for position, definition in enumerate(definitions):
            building.path = f"{section}[{position}]"
            building.kind, building.key = definition.kind, definition.key
            _make(made, building, f"{program.head.key}/{section}", definition, at)
    mistakes = [*building.mistakes, *_circles(made.rules, made.paths)]
    if mistakes:
        raise Mistaken(mistakes)
    # What nobody gives, nobody has to look for, and of what nobody counts, nobody has to tell.
    given = frozenset[str]().union(*(rule.gives for rule in made.rules))
    counted = frozenset[str]().union(*(rule.counts for rule in made.rules))
    rules = [
        msgspec.structs.replace(_boosted(rule, made.boosts), counts=rule.counts & given, gives=rule.gives & counted)
        for rule in made.rules
    ]
    return Rules(program, building, rules, made.audiences, made.shares, made.standing)


class _Made(NamedTuple):
    """What is ready of a program: rules, boosts, and by the name of a rule for whom it is and where it is written; by the
    name of a definition where it stands, unless it is active.
    """

    rules: list[Rule]
    boosts: list[BoostReady]
    audiences: dict[str, Audience]
    shares: dict[str, Share]
    paths: dict[str, str]
    standing: dict[str, Status]


def _make(made: _Made, building: Building, section: str, definition: Definition, at: datetime | None) -> None:
    """Make the definition at hand ready, in a section of the program (`program/section`)."""
    status = building.status(definition, at)
    if status != "active":
        made.standing[f"{section.partition('/')[2]}/{definition.key}"] = status
    make = getattr(definition, "ready", None)
    ready_made = None if make is None else make(building)
    if isinstance(ready_made, Rule):
        made.rules.append(ready_made)
        made.paths[ready_made.name] = building.path
        audience = building.audience(getattr(definition, "audience", None))
        if audience is not None:
            made.audiences[ready_made.name] = audience
        if isinstance(definition, Granting) and definition.control_group is not None:
            made.shares[ready_made.name] = Share(f"{section}/{definition.key}", definition.control_group)
    elif isinstance(ready_made, BoostReady):
        if status == "active":
            made.boosts.append(ready_made)
        if ready_made.given is not None:
            made.rules.append(ready_made.given)
            made.paths[ready_made.given.name] = building.path


def _judge(keeper: Keeper, audience: Audience | None) -> Judge:
    """Who judges events in a rule's place."""
    return keeper if audience is None else Aimed(keeper, audience)


def _building(program: Program) -> Building:
    """What the definitions of a program can refer to."""
    known = [each for _, each in program]
    return Building(
        periods.zone(program.head.timezone),
        {each.key: each.properties for each in known if isinstance(each, EventType)},
        {each.key: event_types_of(each.on) for each in known if isinstance(each, EarnRule)},
        {section: {each.key: each.within for each in there} for section, there in program.sections.items()},
        {each.key: each.type for each in known if isinstance(each, Attribute)},
        {each.key for each in known if isinstance(each, Boost) and each.given},
    )


def _looks_at(rule: Rule, event_type: str) -> bool:
    types = rule.event_types
    return types is None or event_type in types


def _boosted(rule: Rule, boosts: Sequence[BoostReady]) -> Rule:
    """A rule with the boosts that may reach it."""
    if not isinstance(rule, EarnRuleReady):
        return rule
    return msgspec.structs.replace(rule, boosts=tuple(each for each in boosts if rule.key in each.earn_rules))


def _circles(rules: Sequence[Rule], paths: Mapping[str, str]) -> list[Mistake]:
    """Definitions whose rewards would count towards themselves, straight or through others."""
    by_name = {rule.name: rule for rule in rules}
    feeds = {rule.name: [other.name for other in rules if rule.gives & other.counts] for rule in rules}
    mistakes: list[Mistake] = []
    for name, fed in feeds.items():
        seen: set[str] = set()
        ahead = list(fed)
        while ahead:
            other = ahead.pop()
            if other not in seen:
                seen.add(other)
                ahead.extend(feeds[other])
        if name in seen:
            through = f" through {', '.join(sorted(seen - {name}))}" if len(seen) > 1 else ""
            mistakes.extend(_circle(by_name[name], paths[name], through))
    return mistakes


def _circle(rule: Rule, path: str, through: str) -> Iterator[Mistake]:
    """What is wrong with one definition of a circle; nothing with one that others would have to let alone."""
    if isinstance(rule, BadgeReady) and rule.of:
        yield Mistake(f"{path}.of", f"it would count towards itself{through}; leave out a part of it, or what it gives")
    elif not rule.gives <= {held(rule.key), completed(rule.key)}:
        mend = "leave out `including: rewards`, or give another currency"
        yield Mistake(f"{path}.rewards", f"its own rewards count towards it{through}; {mend}")
