"""One input on its way through the rules, and what a rule is."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec
from cel_expr_python import cel

from achievements.conditions import Audience, Condition, Conditions, Unanswered
from achievements.localtime import LocalTime
from achievements.outcomes import AnyOutcome, ConditionFailed, Emitted, HeldOut, PointsEarned, RewardGiven
from achievements.parts import Reward
from achievements.states import MemberState, Part
from achievements.values import Event, Fact


class Stage(IntEnum):
    """The order in which an input meets the rules. What one stage gives, later ones see at once."""

    EARN = 0
    STREAKS = 1
    CHALLENGES = 2
    BADGES = 3
    TIERS = 4
    BOARDS = 5
    DECISIONS = 6


def held(badge: str) -> str:
    """What tells that a level of a badge was awarded, in the words of a rule's `gives` and `counts`."""
    return f"held/{badge}"


def completed(challenge: str) -> str:
    """What tells that a challenge was completed, in the same words."""
    return f"completed/{challenge}"


class Given(NamedTuple):
    """What a reward gave, or that something was reached on which another rests, and the stage of the rule that gave it.

    `what` is a currency, or `badge/KEY`, `tier/LADDER`, `boost/KEY`; `amount` is points, or days for which it is given (0 for
    good); `detail` the level of the badge, or the tier.
    """

    stage: Stage
    what: str
    amount: int
    detail: str = ""


class Moment:
    """An event under the rules in force at its instant; or a fact, or an instant that time brought, as an event without a type.

    Rewards reach rules of later stages within the same pass. For rules of the same and earlier stages the event passes
    again, as the fact of those rewards: then `carried` holds them and nothing is earned anew. `state` is the member's before
    it, `parts` her parts as they are by now.
    """

    __slots__ = (
        "_activation",
        "_asides",
        "_failed",
        "_member",
        "_met",
        "_rules",
        "carried",
        "earned",
        "emitted",
        "event",
        "first_pass",
        "given",
        "local",
        "parts",
        "state",
    )

    def __init__(
        self,
        rules: "Standing",
        event: Event,
        local: LocalTime,
        state: MemberState,
        parts: dict[str, Part],
        emitted: list[Emitted],
        carried: tuple[Given, ...] = (),
        *,
        first_pass: bool = False,
    ) -> None:
        self.event = event
        self.local = local
        self.state = state
        self.parts = parts
        self.emitted = emitted
        self.carried = carried
        self.first_pass = first_pass
        self.earned: dict[str, int] = {}
        self.given: list[Given] = []
        self._rules = rules
        self._activation: cel.Activation | None = None
        self._member: cel.Activation | None = None
        self._met: dict[Condition, bool] = {}
        self._failed: dict[Condition, str] | None = None

    @property
    def local_day(self) -> int:
        """The ordinal of the day in the member's zone."""
        return self.local.day(self.event.at)

    @property
    def program_day(self) -> int:
        """The ordinal of the day in the program's zone."""
        return self._rules.program_time.day(self.event.at)

    @property
    def asides(self) -> dict[str, list[Emitted]]:
        """What was brought aside at its instant, by name. Few moments have any, so it is not there before it is asked for."""
        try:
            return self._asides
        except AttributeError:
            self._asides: dict[str, list[Emitted]] = {}
            return self._asides

    def again(self) -> "Moment":
        """The same instant once more, as the fact of what this pass gave."""
        again = Moment(self._rules, self.event, self.local, self.state, self.parts, self.emitted, tuple(self.given))
        if self._rules.holds_out:
            again._asides = self.asides
        return again

    def aside(self, name: str) -> "Moment":
        """The same pass for a rule of which nothing is to be heard: it sees all, and what it brings stays in this moment's own,
        where it finds again what it brought under that name in earlier passes.
        """
        emitted = self.asides.setdefault(name, [])
        aside = Moment(
            *(self._rules, self.event, self.local, self.state, self.parts, emitted, self.carried),
            first_pass=self.first_pass,
        )
        aside.earned.update(self.earned)
        aside.given.extend(self.given)
        return aside

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
                        self._activation = self._rules.activation(self.event, self.state)
                    met = condition.holds(self._activation)
            except Unanswered as error:
                met = False
                self._failed = {**(self._failed or {}), condition: str(error)}
            self._met[condition] = met
        if self._failed is not None and condition in self._failed:
            self._tell(conditions.kind, conditions.key, conditions.path, self._failed[condition])
        return met

    def suits(self, audience: Audience) -> bool:
        """Whether the member is in an audience. One that cannot be told is told of, and she is not in it."""
        condition = audience.condition
        met = self._met.get(condition)
        if met is None:
            try:
                if self._member is None:
                    self._member = self._rules.activation_of(self.state, self.event.at)
                met = condition.holds(self._member)
            except Unanswered as error:
                met = False
                self._failed = {**(self._failed or {}), condition: str(error)}
            self._met[condition] = met
        if self._failed is not None and condition in self._failed:
            self._tell(audience.kind, audience.key, "audience", self._failed[condition])
        return met

    def group(self, by: str) -> str | None:
        """The group in which an attribute, or a ladder (`tiers.KEY`), puts the member before it; None where it puts her in none."""
        return self._rules.members.group(by, self.state)

    def reaches(self, name: str) -> bool:
        """Whether what time brings by a definition (`section/key`) is hers: it is active, and she in its audience."""
        return self._rules.reaches(name, self.state, self.event.at)

    def earn(self, currency: str, points: int, rule: str) -> None:
        """Points by an earn rule: a lot of this event."""
        event, earned = self.event, self.earned
        earned[currency] = earned.get(currency, 0) + points
        self.emitted.append(PointsEarned(currency, points, rule, f"earn/{rule}/{event.id}", event.at, event.id))

    def reward(self, stage: Stage, rewards: Sequence[Reward], source: str, outcome: str) -> None:
        """What the rewards of a definition give: each is an outcome, and points a lot, of the outcome that gave it.

        What is held out from the member is counted instead.
        """
        for position, each in enumerate(rewards):
            identity = f"{outcome}/{position}"
            if each.points is not None:
                self.given.append(Given(stage, str(each.currency), each.points))
                self._emit_points(str(each.currency), each.points, source, identity)
                continue
            self.given.append(Given(stage, each.gives, each.days or 0, each.detail))
            until = None if each.days is None else self._rules.end_of_day_after(self.event.at, each.days)
            given = RewardGiven(
                each.sort, each.given, source, identity, self.event.at, self.event.id, until, each.entries or 1
            )
            withheld = self._rules.holds_out and self._rules.withholds(each.definition, self.state)
            self.emitted.append(HeldOut.of(each.definition, given) if withheld else given)

    def points(self, currency: str, stage: Stage, counts: Collection[str]) -> int:
        """The points that a measure of this stage sees in this pass; where it `counts` the currency, those that rewards gave too."""
        seen = self.earned.get(currency, 0)
        if counts and currency in counts:
            seen += sum(each.amount for each in self.received(currency, stage))
        return seen

    def _tell(self, kind: str, key: str, path: str, reason: str) -> None:
        """Tell a definition of its condition's failure: once, however often the event asks."""
        failed = ConditionFailed(kind, key, path, reason, self.event.at, self.event.id)
        if failed not in self.emitted:
            self.emitted.append(failed)

    def received(self, what: str, stage: Stage) -> Iterable[Given]:
        """What rewards gave of something, as far as a rule of this stage sees it in this pass."""
        yield from (each for each in self.given if each.what == what and each.stage < stage)
        yield from (each for each in self.carried if each.what == what and each.stage >= stage)

    def _emit_points(self, currency: str, points: int, source: str, lot: str) -> None:
        self.emitted.append(PointsEarned(currency, points, source, lot, self.event.at, self.event.id))


class Happening(Moment):
    """The first pass of an event. Its days are asked for again and again, and told once; those of other moments seldom are."""

    __slots__ = ("local_day", "program_day")

    local_day: int
    program_day: int

    def __init__(
        self,
        rules: "Standing",
        event: Event,
        local: LocalTime,
        state: MemberState,
        parts: dict[str, Part],
        emitted: list[Emitted],
    ) -> None:
        # All that a moment has: to ask it takes longer than to set it.
        self.event = event
        self.local = local
        self.state = state
        self.parts = parts
        self.emitted = emitted
        self.carried = ()
        self.first_pass = True
        self.earned = {}
        self.given = []
        self._rules = rules
        self._activation = self._member = self._failed = None
        self._met = {}
        self.local_day = day = local.day(event.at)
        program_time = rules.program_time
        self.program_day = day if local is program_time else program_time.day(event.at)


class Standing(Protocol):
    """What a moment asks of the rules in force."""

    program_time: LocalTime
    holds_out: bool

    def activation_of(self, state: MemberState, at: datetime) -> cel.Activation:
        """What conditions on a member alone read, of her in a state at an instant."""

    def activation(self, event: Event, state: MemberState) -> cel.Activation:
        """What conditions on an event read, of a member in a state."""

    def end_of_day_after(self, at: datetime, days: int) -> datetime:
        """The end of the program's day so many days after an instant's."""

    @property
    def members(self) -> "Groups":
        """What is known of the program's members."""

    def reaches(self, name: str, state: MemberState, at: datetime) -> bool:
        """Whether a definition is active, and a member in its audience."""

    def withholds(self, name: str, state: MemberState) -> bool:
        """Whether a definition is held out from a member."""


class Groups(Protocol):
    """What tells the group of a member."""

    def group(self, by: str, state: MemberState) -> str | None:
        """The group in which an attribute, or a ladder (`tiers.KEY`), puts a member in a state; None where in none."""


class Judge(Protocol):
    """A rule, or what stands in its place, as events meet it."""

    def apply(self, part: Any, moment: Moment) -> Part | None:
        """Its part after the event; what changed is added to `moment.emitted`."""


class Keeper(Judge, Protocol):
    """The same, as facts and time meet it too."""

    @property
    def name(self) -> str:
        """Where its part stands in a state."""

    def told(self, part: Any, fact: Fact, moment: Moment) -> Part | None:
        """Its part after a fact of a kind that it hears."""

    def lapse(self, part: Any, moment: Moment) -> Part:
        """Its part after what falls due at the moment's instant."""

    def dated(self, part: Any, local: LocalTime) -> Part:
        """Its part after the member's time has changed."""

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """The outcomes that its part still carries."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A definition made ready to apply. Its part of a member's state is None until something counted."""

    section: ClassVar[str]
    stage: ClassVar[Stage]
    falls_due: ClassVar[bool] = False
    """Whether its parts have a `due`: the next instant at which an outcome of it changes without an input."""
    hears: ClassVar[frozenset[str]] = frozenset()
    """The kinds of facts that it is told of."""
    outlives: ClassVar[frozenset[str]] = frozenset()
    """Those of them that it is told of while it is paused, and once it has ended, too."""

    key: str
    gives: frozenset[str] = frozenset()
    """What its rewards give: currencies, and `badge/KEY`, `tier/LADDER`, `boost/KEY`; and `held/KEY`, `completed/KEY` of itself.

    In a rule that is in force, only what another one counts.
    """
    counts: frozenset[str] = frozenset()
    """What it also counts where rewards gave it, in the same words."""

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

    def told(self, part: Any, fact: Fact, moment: Moment) -> Part | None:
        """Its part after a fact of a kind that it hears; the same part where the fact is not about it."""
        raise AssertionError(f"nothing is told to {self.name}")

    def lapse(self, part: Any, moment: Moment) -> Part:
        """Its part after what falls due at `part.due`, the moment's instant."""
        raise AssertionError(f"nothing of {self.name} falls due")

    def dated(self, part: Any, local: LocalTime) -> Part:
        """Its part after the member's time has changed to `local`: `due` may be another instant."""
        kept: Part = part
        return kept

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """The outcomes that a part still carries: those that change in value rather than happen."""
        return ()
