"""Making definitions ready: looking up what they name, compiling their conditions, and collecting every mistake.

A mistake does not stop the building: a stand-in takes the place of what was wrong, so that one attempt finds them all.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from achievements import measures
from achievements.conditions import CEL_TYPES, Conditions, Environment, InvalidCondition, ladders_in
from achievements.measures import Measure
from achievements.parts import Mistake, Properties, PropertyShape, Reward, Trigger, event_types_of


class Building:
    """What one program's definitions can refer to, and the mistakes found so far.

    `earn_rules` are the event types of each, by key; `ladders` the keys of the tier ladders. `path`, `kind` and `key` are of the
    definition at hand.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        currencies: tuple[str, ...],
        event_types: Mapping[str, Properties],
        earn_rules: Mapping[str, tuple[str, ...]],
        ladders: frozenset[str],
    ) -> None:
        self.zone = zone
        self.earn_rules = earn_rules
        self.mistakes: list[Mistake] = []
        self.path = self.kind = self.key = ""
        self._currencies = currencies
        self._ladders = ladders
        self.environments: dict[str, Environment] = {}
        for position, (key, properties) in enumerate(event_types.items()):
            self.path = f"event_types[{position}]"
            self.environments[key] = Environment(self._types(properties))

    def mistake(self, where: str, message: str) -> None:
        """Tell of a mistake at a path below the definition at hand."""
        self.mistakes.append(Mistake(f"{self.path}.{where}", message))

    def conditions(self, on: Trigger, when: str | None, below: str = "", where: str = "when") -> Conditions:
        """A condition compiled for each event type that a trigger names."""
        ready = Conditions(self.kind, self.key, f"{below}{where}")
        for ladder in sorted(ladders_in(when or "") - self._ladders):
            there = ", ".join(sorted(self._ladders)) or "none"
            self.mistake(f"{below}{where}", f"no tier ladder `{ladder}`; the program defines: {there}")
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
        """Rewards with their currencies named."""
        return tuple(
            Reward(reward.points, self.currency(reward.currency, f"{where}[{position}].currency"))
            for position, reward in enumerate(rewards)
        )

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
            else:
                types[name] = shape.type
        return types
