"""Making a whole program ready: each definition compiled, and the mistakes between them.

That rests on what is written, and not on when: where each definition stands at an instant is asked of what was compiled.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from achievements import periods
from achievements.attributes import Attribute
from achievements.badges import BadgeReady
from achievements.boosts import Boost, BoostReady, offered
from achievements.building import Building
from achievements.challenges import ChallengeReady
from achievements.conditions import Audience
from achievements.controls import Share, keepers_of
from achievements.definitions import Mistaken, Program
from achievements.earning import EarnRule
from achievements.events import EventType
from achievements.lifecycle import ALWAYS, Life, Status
from achievements.localtime import LocalTime
from achievements.members import Members
from achievements.moment import Keeper, Rule, completed, held
from achievements.parts import Definition, Granting, Mistake, event_types_of
from achievements.ranking import LeaderboardReady
from achievements.segments import SegmentReady
from achievements.tiers import LadderReady


class Compiled:
    """A program's definitions ready to apply, wherever they stand. `rules` are in the order in which an input meets them.

    By the name of a definition (`section/key`): `boosts`, for whom rules are (`audiences`) and from whom they are held out
    (`shares`), the `lives` of those that are not always active, the event types that each rule `looks` at (None: every one)
    and what meets inputs in its place (`keepers`); `by_part` are those by the names of their parts.
    """

    def __init__(
        self,
        program: Program,
        building: Building,
        rules: Sequence[Rule],
        boosts: Mapping[str, BoostReady],
        audiences: Mapping[str, Audience],
        shares: Mapping[str, Share],
        lives: Mapping[str, Life],
    ) -> None:
        self.program = program
        self.building = building
        self.boosts = boosts
        self.audiences = audiences
        self.shares = shares
        self.lives = lives
        self.rules = {rule.name: rule for rule in sorted(rules, key=lambda rule: rule.stage)}
        self.looks = {name: rule.event_types for name, rule in self.rules.items()}
        # Beside the program's own there are those that a referral has for events of our own making. What only an earlier version
        # of a challenge names is of no type any more.
        own = (self.looks[name] for name, rule in self.rules.items() if not isinstance(rule, ChallengeReady))
        self.event_types = {*building.environments, *(each for types in own for each in types or ())}
        self.keepers: Mapping[str, tuple[Keeper, ...]] = {
            name: keepers_of(rule, shares.get(name)) for name, rule in self.rules.items()
        }
        self.by_part = {each.name: each for there in self.keepers.values() for each in there}
        self.falling_due = {
            each.name: each for name, rule in self.rules.items() if rule.falls_due for each in self.keepers[name]
        }
        self.ladders = tuple((name, rule) for name, rule in self.rules.items() if isinstance(rule, LadderReady))
        self.program_time = LocalTime(building.zone)
        self.members = Members(
            building.members,
            self.program_time,
            [rule for _, rule in self.ladders],
            [each for each in program.sections.get("attributes", ()) if isinstance(each, Attribute)],
            [rule for rule in self.rules.values() if isinstance(rule, SegmentReady)],
            {name: shares[name] for name, _ in self.ladders if name in shares},
        )

    def standing(self, at: datetime) -> Mapping[str, Status]:
        """Where each definition stands at an instant, of those that are not active then."""
        found = ((name, life.status(at)) for name, life in self.lives.items())
        return {name: status for name, status in found if status != "active"}

    def replaced(self, others: Mapping[str, Rule]) -> "Compiled":
        """The same with other rules in the place of some, by their names."""
        rules = [others.get(name, rule) for name, rule in self.rules.items()]
        return Compiled(self.program, self.building, rules, self.boosts, self.audiences, self.shares, self.lives)


def compiled(program: Program) -> Compiled:
    """A program's definitions compiled; Mistaken with every mistake between them."""
    making = _Making(program)
    for section, definitions in program.sections.items():
        for position, definition in enumerate(definitions):
            making.add(section, position, definition)
    mistakes = [*making.building.mistakes, *circles(making.rules, making.paths)]
    if mistakes:
        raise Mistaken(mistakes)
    # What nobody gives, nobody has to look for, and of what nobody counts, nobody has to tell.
    given = frozenset[str]().union(*(rule.gives for rule in making.rules))
    counted = frozenset[str]().union(*(rule.counts for rule in making.rules))
    rules = [
        msgspec.structs.replace(rule, counts=rule.counts & given, gives=rule.gives & counted) for rule in making.rules
    ]
    return Compiled(program, making.building, rules, making.boosts, making.audiences, making.shares, making.lives)


class _Making:
    """What is compiled of a program so far; `paths` say where each rule is written."""

    def __init__(self, program: Program) -> None:
        self.building = _building(program)
        self.rules: list[Rule] = []
        self.boosts: dict[str, BoostReady] = {}
        self.audiences: dict[str, Audience] = {}
        self.shares: dict[str, Share] = {}
        self.lives: dict[str, Life] = {}
        self.paths: dict[str, str] = {}
        self._program = program.head.key

    def add(self, section: str, position: int, definition: Definition) -> None:
        """Compile one more definition."""
        building, name = self.building, f"{section}/{definition.key}"
        building.path = f"{section}[{position}]"
        building.kind, building.key = definition.kind, definition.key
        life = building.life(definition)
        if life != ALWAYS:
            self.lives[name] = life
        make = getattr(definition, "ready", None)
        made: Any = None if make is None else make(building)
        share = None
        if isinstance(definition, Granting) and definition.control_group is not None:
            share = self.shares[name] = Share(f"{self._program}/{name}", definition.control_group)
        if isinstance(made, Rule):
            self._add(made)
            audience = building.audience(getattr(definition, "audience", None))
            if audience is not None:
                self.audiences[made.name] = audience
        elif isinstance(made, BoostReady):
            self.boosts[name] = made if share is None else offered(made, definition.key, share)
            if made.given is not None:
                self._add(made.given)

    def _add(self, rule: Rule) -> None:
        self.rules.append(rule)
        self.paths[rule.name] = self.building.path


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


def circles(rules: Sequence[Rule], paths: Mapping[str, str]) -> list[Mistake]:
    """Definitions whose rewards would count towards themselves, straight or through others."""
    by_name = {rule.name: rule for rule in rules}
    counting = [rule for rule in rules if rule.counts]
    feeds = {rule.name: [other.name for other in counting if rule.gives & other.counts] for rule in rules}
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
        where = "prizes" if isinstance(rule, LeaderboardReady) else "rewards"
        yield Mistake(f"{path}.{where}", f"its own rewards count towards it{through}; {mend}")
