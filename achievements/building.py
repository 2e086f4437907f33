"""Making definitions ready: looking up what they name, compiling their conditions, and collecting every mistake.

A mistake does not stop the building: a stand-in takes the place of what was wrong, so that one attempt finds them all.
"""

from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from achievements import measures
from achievements.conditions import (
    CEL_TYPES,
    Audience,
    Condition,
    Conditions,
    Environment,
    InvalidCondition,
    ladders_in,
)
from achievements.lifecycle import ALWAYS, Life, life_of
from achievements.measures import Measure
from achievements.parts import (
    BY_TIER,
    Definition,
    Misfit,
    Mistake,
    Properties,
    PropertyShape,
    Reward,
    Trigger,
    event_types_of,
)


class Building:
    """What one program's definitions can refer to, and the mistakes found so far.

    `earn_rules` are the event types of each, by key; `defined` the definitions of each section, by key, with the keys of what
    is within them: the levels of a badge, the tiers of a ladder; `attributes` those of members, with their types; `given_boosts` those that
    rewards may give. `path`, `kind` and `key` are of the definition at hand.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        event_types: Mapping[str, Properties],
        earn_rules: Mapping[str, tuple[str, ...]],
        defined: Mapping[str, Mapping[str, tuple[str, ...]]],
        attributes: Mapping[str, str],
        given_boosts: Collection[str],
    ) -> None:
        self.zone = zone
        self.earn_rules = earn_rules
        self.mistakes: list[Mistake] = []
        self.path = self.kind = self.key = ""
        self._defined = defined
        self._currencies = tuple(defined.get("currencies", ()))
        self._ladders = frozenset(defined.get("tier_ladders", ()))
        self._attributes = attributes
        self._given_boosts = given_boosts
        segments = tuple(defined.get("segments", ()))
        self.members = Environment({}, attributes, segments, of="member")
        self.environments: dict[str, Environment] = {}
        for position, (key, properties) in enumerate(event_types.items()):
            self.path = f"event_types[{position}]"
            self.environments[key] = Environment(self._types(properties), attributes, segments)

    def mistake(self, where: str, message: str) -> None:
        """Tell of a mistake at a path below the definition at hand."""
        self.mistakes.append(Mistake(f"{self.path}.{where}", message))

    def life(self, definition: Definition) -> Life:
        """The life of the definition at hand; for ever, where what is written makes no sense."""
        try:
            _ = definition.counted_from
            return life_of(definition)
        except Misfit as error:
            self.mistake(error.field, str(error))
            return ALWAYS

    def conditions(self, on: Trigger, when: str | None, below: str = "", where: str = "when") -> Conditions:
        """A condition compiled for each event type that a trigger names."""
        ready = Conditions(self.kind, self.key, f"{below}{where}")
        self._check_names(when or "", f"{below}{where}")
        for event_type in event_types_of(on):
            environment = self._environment(event_type, f"{below}on")
            ready[event_type] = None
            if environment is None or when is None:
                continue
            try:
                ready[event_type] = environment.compile(when)
            except InvalidCondition as error:
                self.mistake(f"{below}{where}", str(error))
        return ready

    def audience(self, audience: str | None) -> Audience | None:
        """The condition of an audience compiled; None where a definition is for everybody."""
        condition = None if audience is None else self.compiled(self.members, audience, "audience")
        return None if condition is None else Audience(condition, self.kind, self.key)

    def measured(self, types: Mapping[str, str]) -> Environment:
        """What the condition of a segment reads, with measures of these types."""
        return Environment(types, self._attributes, of="measure")

    def compiled(self, environment: Environment, source: str, where: str) -> Condition | None:
        """A condition that fits an environment; None where it does not, which is told."""
        self._check_names(source, where)
        try:
            return environment.compile(source)
        except InvalidCondition as error:
            self.mistake(where, str(error))
            return None

    def measure(self, measure: Measure, on: Trigger | None, where: str) -> Measure:
        """A measure that fits the events it is taken on."""
        currency = measures.counts_points(measure)
        if currency is not None:
            self.currency(currency, f"{where}.points")
        for event_type in () if on is None else event_types_of(on):
            environment = self.environments.get(event_type)
            problem = environment and measures.mistaken(measure, environment.types, event_type)
            if problem:
                self.mistake(where, problem)
        return measure

    def number(self, on: Trigger, name: str, where: str) -> None:
        """A property that must be a number on every event of a trigger."""
        for event_type in event_types_of(on):
            environment = self.environments.get(event_type)
            problem = environment and measures.mistaken(measures.MeasureShape(sum=name), environment.types, event_type)
            if problem:
                self.mistake(where, problem.replace("`sum`", "`per`"))

    def property_of(self, on: Trigger, name: str, where: str, *kinds: str) -> None:
        """A property that must be of one of some types on every event of a trigger."""
        for event_type in event_types_of(on):
            environment = self.environments.get(event_type)
            kind = None if environment is None else environment.types.get(name)
            if environment is not None and kind not in kinds:
                found = (
                    f"`{name}` of `{event_type}` is a {kind}" if kind else f"`{event_type}` has no property `{name}`"
                )
                self.mistake(where, f"`{where.rpartition('.')[2]}` needs a {' or '.join(kinds)}, and {found}")

    def attribute(self, name: str, where: str, kind: str) -> None:
        """An attribute of members that must be of a type."""
        found = self._attributes.get(name)
        if found is None:
            there = ", ".join(self._attributes) or "none"
            self.mistake(where, f"no attribute `{name}`; the program defines: {there}")
        elif found != kind:
            self.mistake(where, f"`{name}` is a {found}, and has to be a {kind}")

    def grouped_by(self, by: str, where: str) -> None:
        """What puts members into groups: an attribute of theirs that is a string, or a ladder."""
        if by.startswith(BY_TIER):
            self.named("tier_ladders", by.removeprefix(BY_TIER), where)
        else:
            self.attribute(by, where, "string")

    def list_of(self, on: Trigger, name: str, where: str) -> None:
        """A property that must be a list on every event of a trigger."""
        for event_type in event_types_of(on):
            environment = self.environments.get(event_type)
            kind = None if environment is None else environment.types.get(name)
            if environment is not None and not (kind or "").startswith("list["):
                found = (
                    f"`{name}` of `{event_type}` is a {kind}" if kind else f"`{event_type}` has no property `{name}`"
                )
                self.mistake(where, f"`each` needs a list, and {found}")

    def currency(self, key: str | None, where: str) -> str:
        """A currency's key; the only one where none is named."""
        if key is None and len(self._currencies) == 1:
            return self._currencies[0]
        if key is None:
            self.mistake(where, f"say which currency: {', '.join(self._currencies) or 'the program defines none'}")
        elif key not in self._currencies:
            self.mistake(where, f"no currency `{key}`; the program defines: {', '.join(self._currencies) or 'none'}")
        return key or ""

    def rewards(self, rewards: tuple[Reward, ...], where: str) -> tuple[Reward, ...]:
        """Rewards with their currencies and ladders named, of things that the program defines."""
        return tuple(self._reward(reward, f"{where}[{position}]") for position, reward in enumerate(rewards))

    def _reward(self, reward: Reward, where: str) -> Reward:
        if reward.points is not None:
            return replace(reward, currency=self.currency(reward.currency, f"{where}.currency"))
        if reward.tier is not None:
            return replace(reward, ladder=self._ladder_of(reward, reward.tier, where))
        if reward.badge is not None:
            self.badge(reward.badge, reward.level, where)
        else:
            there = self.named(f"{reward.sort}s", reward.given, f"{where}.{reward.sort}")
            if reward.boost is not None and there is not None and reward.boost not in self._given_boosts:
                said = f"boost `{reward.boost}` is there without being given; write `given: true` in it"
                self.mistake(f"{where}.boost", said)
        return reward

    def badge(self, key: str, level: str | None, where: str) -> None:
        """A badge, and a level of it, that the program defines."""
        levels = self.named("badges", key, f"{where}.badge")
        if level is not None and levels is not None and level not in levels:
            self.mistake(f"{where}.level", f"no level `{level}`; the badge has: {', '.join(levels)}")

    def _ladder_of(self, reward: Reward, tier: str, where: str) -> str:
        """The ladder of a tier that is given."""
        ladders = self._defined.get("tier_ladders", {})
        if reward.ladder is None and len(ladders) > 1:
            self.mistake(where, f"say of which ladder: `ladder:` one of {', '.join(ladders)}")
            return ""
        ladder = reward.ladder or next(iter(ladders), "")
        tiers = self.named("tier_ladders", ladder, f"{where}.ladder")
        if tiers is not None and tier not in tiers:
            self.mistake(f"{where}.tier", f"no tier `{tier}`; `{ladder}` has: {', '.join(tiers)}")
        return ladder

    def named(self, section: str, key: str, where: str) -> tuple[str, ...] | None:
        """What a definition that is named holds (the levels of a badge, the tiers of a ladder); None where there is none."""
        there = self._defined.get(section, {})
        if key not in there:
            what = section.removesuffix("s").replace("_", " ")
            self.mistake(where, f"no {what} `{key}`; the program defines: {', '.join(there) or 'none'}")
        return there.get(key)

    def _check_names(self, source: str, where: str) -> None:
        """Tell of what a condition names and the program does not define."""
        for ladder in sorted(ladders_in(source) - self._ladders):
            there = ", ".join(sorted(self._ladders)) or "none"
            self.mistake(where, f"no tier ladder `{ladder}`; the program defines: {there}")

    def _environment(self, event_type: str, where: str) -> Environment | None:
        environment = self.environments.get(event_type)
        if environment is None:
            self.mistake(
                where, f"no event type `{event_type}`; the program defines: {', '.join(self.environments) or 'none'}"
            )
        return environment

    def _types(self, properties: Properties) -> dict[str, str]:
        types: dict[str, str] = {}
        for name, written in properties.items():
            shape = PropertyShape(written) if isinstance(written, str) else written
            if shape.type not in CEL_TYPES:
                self.mistake(
                    f"properties.{name}", f"no type `{shape.type}`; a property is one of: {', '.join(CEL_TYPES)}"
                )
            elif shape.min is not None and shape.type not in ("decimal", "int"):
                self.mistake(f"properties.{name}.min", f"a least value needs a number, not a {shape.type}")
            elif shape.max is not None and shape.type not in ("decimal", "int"):
                self.mistake(f"properties.{name}.max", f"a greatest value needs a number, not a {shape.type}")
            else:
                types[name] = shape.type
        return types
