"""Badges: levels reached by a measure over a lifetime, each awarded once."""

from typing import Annotated

import msgspec

from achievements import measures
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.measures import Measure
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import BadgeAwarded
from achievements.parts import ForMembers, Key, Misfit, Name, Points, Rewards, Shape, Trigger
from achievements.states import BadgePart, Tally
from achievements.windows import Span

LEVELS_MAX = 50

_LIFETIME = Span()


class Level(Shape, frozen=True, kw_only=True):
    """A level of a badge: reached when the measure comes to `target`. Its key is the target where none is given."""

    target: Points
    key: Key | None = None
    name: Name | None = None
    rewards: Rewards = ()

    @property
    def level(self) -> str:
        """Its key."""
        return self.key or str(self.target)


class BadgeReady(Rule, frozen=True, kw_only=True):
    """A badge ready to apply."""

    section = "badges"
    stage = Stage.BADGES

    conditions: Conditions
    measure: Measure
    levels_up: tuple[Level, ...]

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: BadgePart | None, moment: Moment) -> BadgePart | None:
        """Count the event and award the levels it reaches."""
        if not moment.meets(self.conditions):
            return part
        before = BadgePart(Tally()) if part is None else part
        tally = self._take(before.tally, moment)
        if tally is before.tally:
            return part
        awarded = before.awarded
        # By key, not by position: a level added later may stand below those awarded.
        held = {level for level, _ in awarded}
        for level in self.levels_up:
            if tally.amount < level.target:
                break
            if level.level not in held:
                awarded = (*awarded, (level.level, moment.event.at))
                moment.emitted.append(BadgeAwarded(self.key, level.level, moment.event.at, moment.event.id))
                moment.reward(self.stage, level.rewards, self.key, f"badge/{self.key}/{level.level}")
        return BadgePart(tally, awarded)

    def _take(self, tally: Tally, moment: Moment) -> Tally:
        if self.measure != "count" and self.measure.points is not None:
            return measures.take_points(self.measure, tally, moment, _LIFETIME, self.stage)
        if not moment.first_pass:
            return tally
        return measures.take(self.measure, tally, moment, _LIFETIME, self.levels_up[-1].target)


class Badge(ForMembers, frozen=True, kw_only=True):
    """A badge with one or more levels, by a measure over all of a member's events."""

    kind = "badge"
    fixed = ("measure",)

    on: Trigger
    when: str | None = None
    measure: Measure = "count"
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=1, max_length=LEVELS_MAX)]

    def __post_init__(self) -> None:
        targets = [level.target for level in self.levels]
        if targets != sorted(set(targets)):
            raise Misfit("levels", "levels come lowest target first, each higher than the one before")
        if any(level.rewards and level.key is None for level in self.levels):
            raise Misfit(
                "levels", "a level with rewards needs a key, by which it stays the same when its target changes"
            )
        if len({level.level for level in self.levels}) < len(self.levels):
            raise Misfit("levels", "two levels have the same key")
        if self.measure != "count" and self.measure.distinct and targets[-1] > measures.DISTINCT_MAX:
            raise Misfit("levels", f"a target of different values is at most {measures.DISTINCT_MAX}")

    @property
    def within(self) -> tuple[str, ...]:
        """The keys of its levels, lowest first."""
        return tuple(level.level for level in self.levels)

    def ready(self, building: Building) -> BadgeReady:
        """Compile it; mistakes are told to `building`."""
        levels = tuple(
            msgspec.structs.replace(level, rewards=building.rewards(level.rewards, f"levels[{position}].rewards"))
            for position, level in enumerate(self.levels)
        )
        return BadgeReady(
            key=self.key,
            conditions=building.conditions(self.on, self.when),
            measure=building.measure(self.measure, self.on, "measure"),
            levels_up=levels,
            gives=frozenset(reward.gives for level in levels for reward in level.rewards),
            counts=frozenset(filter(None, (measures.counted_rewards(self.measure),))),
        )
