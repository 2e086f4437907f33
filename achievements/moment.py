"""One input on its way through the rules, and what a rule is."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple

import msgspec
from cel_expr_python import cel

from achievements.conditions import Condition, Conditions, Environment, Unanswered
from achievements.localtime import LocalTime
from achievements.values import AnyOutcome, ConditionFailed, Emitted, Event, Part, PointsEarned


class Stage(IntEnum):
    """The order in which an input meets the rules. What one stage gives, later ones see at once."""

    EARN = 0
    STREAKS = 1
    CHALLENGES = 2
    BADGES = 3
    TIERS = 4
    BOARDS = 5
    DECISIONS = 6


class Given(NamedTuple):
    """Points that a reward gave, and the stage of the rule that gave it."""

    stage: Stage
    currency: str
    points: int


class Moment:
    """An event under the rules in force at its instant.

    Rewards reach rules of later stages within the same pass. For rules of the same and earlier stages the event passes
    again, as the fact of those rewards: then `carried` holds them and nothing is earned anew. `tiers` are those that the
    member held before the event, by ladder. `local_day` is the ordinal of the event's day in the member's zone, `program_day`
    in the program's.
    """

    __slots__ = (
        "_activation",
        "_environment",
        "_failed",
        "_met",
        "carried",
        "earned",
        "emitted",
        "event",
        "first_pass",
        "given",
        "local",
        "local_day",
        "program_day",
        "tiers",
    )

    def __init__(
        self,
        event: Event,
        environment: Environment,
        local: LocalTime,
        program_time: LocalTime,
        emitted: list[Emitted],
        tiers: Mapping[str, str],
        carried: tuple[Given, ...] = (),
    ) -> None:
        self.event = event
        self.local = local
        self.emitted = emitted
        self.tiers = tiers
        self.carried = carried
        self.first_pass = not carried
        self.earned: dict[str, int] = {}
        self.given: list[Given] = []
        self._environment = environment
        self._activation: cel.Activation | None = None
        self._met: dict[Condition, bool] = {}
        self._failed: dict[Condition, str] | None = None
        self.local_day = local.day(event.at)
        self.program_day = self.local_day if local is program_time else program_time.day(event.at)

    def meets(self, conditions: Conditions) -> bool:
        """Whether the event is of one of the types and meets that type's condition. One that fails is told of, and not met."""
        try:
            condition = conditions[self.event.type]
        except KeyError:
            return False
        if condition is None:
            return True
        met = self._met.get(condition)
        if met is None:
            try:
                if condition.comparison is not None:
                    met = condition.comparison.holds(self.event.properties)
                else:
                    if self._activation is None:
                        self._activation = self._environment.activation(self.event.properties, self.tiers)
                    met = condition.holds(self._activation)
            except Unanswered as error:
                met = False
                self._failed = {**(self._failed or {}), condition: str(error)}
            self._met[condition] = met
        if self._failed is not None and condition in self._failed:
            self._tell(conditions, self._failed[condition])
        return met

    def earn(self, currency: str, points: int, rule: str) -> None:
        """Points by an earn rule: a lot of this event."""
        self.earned[currency] = self.earned.get(currency, 0) + points
        self._emit_points(currency, points, rule, f"earn/{rule}/{self.event.id}")

    def reward(self, stage: Stage, currency: str, points: int, source: str, lot: str) -> None:
        """Points by a reward: a lot of the outcome that gave it."""
        self.given.append(Given(stage, currency, points))
        self._emit_points(currency, points, source, lot)

    def points(self, currency: str, stage: Stage, *, rewards: bool) -> int:
        """The points that a measure of this stage sees in this pass."""
        seen = self.earned.get(currency, 0)
        if rewards:
            seen += sum(each.points for each in self.given if each.currency == currency and each.stage < stage)
            seen += sum(each.points for each in self.carried if each.currency == currency and each.stage >= stage)
        return seen

    def _tell(self, conditions: Conditions, reason: str) -> None:
        """Tell a definition of its condition's failure: once, however often the event asks."""
        failed = ConditionFailed(conditions.kind, conditions.key, conditions.path, reason, self.event.at, self.event.id)
        if failed not in self.emitted:
            self.emitted.append(failed)

    def _emit_points(self, currency: str, points: int, source: str, lot: str) -> None:
        self.emitted.append(PointsEarned(currency, points, source, lot, self.event.at, self.event.id))


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A definition made ready to apply. Its part of a member's state is None until something counted."""

    section: ClassVar[str]
    stage: ClassVar[Stage]
    falls_due: ClassVar[bool] = False
    """Whether its parts have a `due`: the next instant at which an outcome of it changes without an input."""

    key: str
    gives: frozenset[str] = frozenset()
    """The currencies in which its rewards are."""
    counts: frozenset[str] = frozenset()
    """The currencies of which it also counts points that rewards gave."""

    @property
    def name(self) -> str:
        """Where its part stands in a state."""
        return f"{self.section}/{self.key}"

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types it looks at; None for every type."""
        raise AssertionError("every kind says which events it looks at")

    def apply(self, part: Any, moment: Moment) -> Part | None:
        """Its part after the event; what changed is added to `moment.emitted`."""
        raise AssertionError("every kind applies")

    def lapse(self, part: Any, local: LocalTime, emitted: list[Emitted]) -> Part:
        """Its part after what falls due at `part.due`; `local` is the member's time."""
        raise AssertionError(f"nothing of {self.name} falls due")

    def dated(self, part: Any, local: LocalTime) -> Part:
        """Its part after the member's time has changed to `local`: `due` may be another instant."""
        kept: Part = part
        return kept

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """The outcomes that a part still carries: those that change in value rather than happen."""
        return ()
