"""Badges: levels reached by a measure over a lifetime, each awarded once.

A composite is made of other badges and challenges: it counts how many of them the member has by now, whenever one comes.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from achievements import measures
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.measures import Measure
from achievements.moment import Given, Moment, Rule, Stage, completed, held
from achievements.outcomes import BadgeAwarded
from achievements.parts import Key, Misfit, Name, Points, Recounting, Rewards, Shape, Trigger
from achievements.states import BadgePart, ChallengePart, Part, Tally
from achievements.values import Amount
from achievements.windows import Span

LEVELS_MAX = 50
PARTS_MAX = 50

_LIFETIME = Span()
_NOTHING = BadgePart(Tally())


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


class PartOf(Shape, frozen=True, kw_only=True):
    """What another badge is made of: a badge that is held (at a level of its, or any), or a challenge that was completed."""

    badge: Key | None = None
    level: Key | None = None
    challenge: Key | None = None

    def __post_init__(self) -> None:
        if (self.badge is None) == (self.challenge is None):
            raise ValueError("a part of a badge is exactly one of `badge: BADGE` and `challenge: CHALLENGE`")
        if self.level is not None and self.badge is None:
            raise Misfit("level", "`level` goes with `badge`")

    @property
    def told_by(self) -> str:
        """What tells of it, in the words of a rule's `counts`."""
        return held(self.badge) if self.badge is not None else completed(str(self.challenge))

    def is_there(self, parts: Mapping[str, Part]) -> bool:
        """Whether a member with these parts of a state has it."""
        if self.badge is None:
            done = parts.get(f"challenges/{self.challenge}")
            return isinstance(done, ChallengePart) and done.completions > 0
        has = parts.get(f"badges/{self.badge}")
        levels = [level for level, _ in has.awarded] if isinstance(has, BadgePart) else []
        return bool(levels) if self.level is None else self.level in levels


class BadgeReady(Rule, frozen=True, kw_only=True):
    """A badge ready to apply: by events that meet its conditions, or (a composite) by the parts that it is made `of`."""

    section = "badges"
    stage = Stage.BADGES

    conditions: Conditions
    measure: Measure
    of: tuple[PartOf, ...]
    levels_up: tuple[Level, ...]

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types it looks at: where it is given as a reward, any may bring it."""
        return None if self._given_as in self.counts else frozenset(self.conditions)

    def apply(self, part: BadgePart | None, moment: Moment) -> BadgePart | None:
        """Count the event, or the parts that are there by now, and award the levels that are reached or given."""
        given = self._given(moment) if self.counts and self._given_as in self.counts else ()
        before = _NOTHING if part is None else part
        if self.of:
            amount = self.amount(before, moment.parts)
            tally = before.tally if before.tally.amount == amount else Tally(amount)
        else:
            tally = self._take(before.tally, moment) if moment.meets(self.conditions) else before.tally
        if tally is before.tally and not given:
            return part
        awarded = before.awarded
        # By key, not by position: a level added later may stand below those awarded.
        has = {level for level, _ in awarded}
        for level in self.levels_up:
            if (tally.amount >= level.target or (given and level.level in given)) and level.level not in has:
                awarded = (*awarded, (level.level, moment.event.at))
                self._award(level, moment)
        return BadgePart(tally, awarded)

    def amount(self, part: BadgePart | None, parts: Mapping[str, Part]) -> Amount:
        """What it comes to for a member with these parts of a state, of which one is its own."""
        if self.of:
            return sum(each.is_there(parts) for each in self.of)
        return 0 if part is None else part.tally.amount

    def _award(self, level: Level, moment: Moment) -> None:
        moment.emitted.append(BadgeAwarded(self.key, level.level, moment.event.at, moment.event.id))
        moment.reward(self.stage, level.rewards, self.key, f"badge/{self.key}/{level.level}")
        if held(self.key) in self.gives:
            moment.given.append(Given(self.stage, held(self.key), 0, level.level))

    @property
    def _given_as(self) -> str:
        return f"badge/{self.key}"

    def _given(self, moment: Moment) -> tuple[str, ...]:
        """The levels of it that rewards gave: the lowest, where they name none."""
        lowest = self.levels_up[0].level
        return tuple(each.detail or lowest for each in moment.received(self._given_as, self.stage))

    def _take(self, tally: Tally, moment: Moment) -> Tally:
        measure = self.measure
        if not isinstance(measure, str) and measure.points is not None:
            return measures.take_points(measure, tally, moment, _LIFETIME, self.stage)
        if not moment.first_pass:
            return tally
        return measures.take(measure, tally, moment, _LIFETIME, self.levels_up[-1].target)


class Badge(Recounting, frozen=True, kw_only=True):
    """A badge with one or more levels, by a measure over all of a member's events, or by how much is there of what it is made
    `of`: other badges and challenges. One that is `hidden` members do not see before they hold it.
    """

    kind = "badge"
    fixed = ("measure", "composite")

    on: Trigger | None = None
    when: str | None = None
    measure: Measure = "count"
    of: Annotated[tuple[PartOf, ...], msgspec.Meta(max_length=PARTS_MAX)] = ()
    hidden: bool = False
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=1, max_length=LEVELS_MAX)]

    def __post_init__(self) -> None:
        if (self.on is None) == (not self.of):
            raise Misfit(
                "on", "say which events count, `on: EVENT_TYPE`, or what the badge is made of, `of: [{badge: BADGE}]`"
            )
        if self.of:
            self._check_parts()
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

    def _check_parts(self) -> None:
        if self.when is not None or self.measure != "count":
            raise Misfit(
                "when" if self.when is not None else "measure", "goes with `on`: parts are counted as they are"
            )
        if len(set(self.of)) < len(self.of):
            raise Misfit("of", "a part is named twice")
        if self.levels[-1].target > len(self.of):
            raise Misfit("levels", f"a target is at most the number of parts, {len(self.of)}")

    @property
    def composite(self) -> bool:
        """Whether it is made of others."""
        return bool(self.of)

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
        for position, each in enumerate(self.of):
            if each.badge is not None:
                building.badge(each.badge, each.level, f"of[{position}]")
            else:
                building.named("challenges", str(each.challenge), f"of[{position}].challenge")
        counted = filter(None, (measures.counted_rewards(self.measure),))
        return BadgeReady(
            key=self.key,
            conditions=building.conditions(self.on or (), self.when),
            measure=building.measure(self.measure, self.on, "measure"),
            of=self.of,
            levels_up=levels,
            gives=frozenset({held(self.key), *(reward.gives for level in levels for reward in level.rewards)}),
            counts=frozenset({f"badge/{self.key}", *counted, *(each.told_by for each in self.of)}),
        )
