"""Control groups: the share of an audience that a definition is held out from, so that its effect can be measured.

Who is held out is told by a hash of the definition and the member, the same for good. A larger share holds out everybody that a
smaller one did, and a share never shrinks, so nobody is ever moved out of a control group.

A member who is held out is judged like everybody, apart: what the definition counts of her is kept under a name of its own,
where nothing else looks, and what she would have been given becomes `HeldOut` outcomes instead. So the others see nothing of
it, and it costs nothing where no control group is.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from achievements.asked import Asked, PlaceAsked
from achievements.localtime import LocalTime
from achievements.moment import Keeper, Moment, Rule
from achievements.outcomes import (
    AnyOutcome,
    ChallengeProgressed,
    ConditionFailed,
    Emitted,
    HeldOut,
    PointsEarned,
    StreakAtRisk,
    StreakChanged,
    TierChanged,
)
from achievements.states import Part
from achievements.values import Fact

P = TypeVar("P", bound=Part | None)

HELD_OUT = "held_out"
DRAWN_KEPT = 16_384
"""So many hashes of definition and member are kept."""
_SEED_BYTES = 4
_SEEDS = 1 << 8 * _SEED_BYTES
_STANDINGS = (StreakChanged, StreakAtRisk, ChallengeProgressed)
"""What says how far she is, and gives her nothing."""
_LAPSES = (*_STANDINGS, TierChanged)
"""What time brings of it to those who had it before: nothing is given by that, and a tier is only lost."""


def seed_of(member: str) -> int:
    """What tells a member apart in every control group, from the app's own id: of two programs with one key, in the same way."""
    return int.from_bytes(hashlib.sha256(member.encode()).digest()[:_SEED_BYTES])


class Share(NamedTuple):
    """The share of members, in percent, that a definition (`program/section/key`) is held out from."""

    salt: str
    percent: int

    def has(self, seed: int) -> bool:
        """Whether a member is in the control group."""
        return _drawn(self.salt, seed) * 100 < self.percent * _SEEDS


# Asked by whoever gives, and by whoever counts apart, with each event of hers.
@lru_cache(maxsize=DRAWN_KEPT)
def _drawn(salt: str, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}/{seed}".encode(), digest_size=_SEED_BYTES).digest())


class Offered(NamedTuple):
    """A rule for those who are not held out."""

    rule: Rule
    share: Share

    @property
    def name(self) -> str:
        """Where its part stands in a state."""
        return self.rule.name

    def apply(self, part: Part | None, moment: Moment) -> Part | None:
        """Her part after the event; the same where she is held out."""
        return part if self.share.has(moment.state.seed) else self.rule.apply(part, moment)

    def told(self, part: Part | None, fact: Fact, moment: Moment) -> Part | None:
        """Her part after a fact; the same where she is held out."""
        return part if self.share.has(moment.state.seed) else self.rule.told(part, fact, moment)

    def lapse(self, part: Any, moment: Moment) -> Part:
        """Her part after its time. Who has been held out since keeps what she had, and is given nothing more by it."""
        if not self.share.has(moment.state.seed):
            return self.rule.lapse(part, moment)
        aside = moment.aside(self.name)
        after = self.rule.lapse(part, aside)
        moment.emitted.extend(each for each in aside.emitted if isinstance(each, _LAPSES))
        return after

    def dated(self, part: Any, local: LocalTime) -> Part:
        """Her part after her time has changed."""
        return self.rule.dated(part, local)

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """The outcomes that her part still carries."""
        return self.rule.levels(part)


class Withheld(NamedTuple):
    """The same rule for those who are held out: it counts apart, and gives nothing."""

    rule: Rule
    share: Share

    @property
    def name(self) -> str:
        """Where what it counts stands in a state."""
        return f"{HELD_OUT}/{self.rule.name}"

    def apply(self, part: Part | None, moment: Moment) -> Part | None:
        """What was counted of her, with the event."""
        if not self.share.has(moment.state.seed):
            return part
        return self._aside(moment, lambda aside: self.rule.apply(part, aside))

    def told(self, part: Part | None, fact: Fact, moment: Moment) -> Part | None:
        """What was counted of her, with a fact."""
        if not self.share.has(moment.state.seed):
            return part
        return self._aside(moment, lambda aside: self.rule.told(part, fact, aside))

    def lapse(self, part: Any, moment: Moment) -> Part:
        """What was counted of her, after its time."""
        return self._aside(moment, lambda aside: self.rule.lapse(part, aside))

    def dated(self, part: Any, local: LocalTime) -> Part:
        """What was counted of her, after her time has changed."""
        return self.rule.dated(part, local)

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """What is counted of her that changes in value rather than happens."""
        return (HeldOut.of(self.rule.name, each) for each in self.rule.levels(part) if not isinstance(each, _STANDINGS))

    def _aside(self, moment: Moment, step: Callable[[Moment], P]) -> P:
        """What a step aside comes to, with all that it brought counted, and what it took back of an earlier pass counted no more."""
        aside = moment.aside(self.name)
        before = tuple(aside.emitted)
        after = step(aside)
        for each in _held_out(self.rule.name, (each for each in before if each not in aside.emitted)):
            moment.emitted.remove(each)
        moment.emitted.extend(_held_out(self.rule.name, (each for each in aside.emitted if each not in before)))
        return after


class Unboosted(NamedTuple):
    """An earn rule with a boost that is held out from some: of them it counts apart what that would have added.

    `own` is the share that the rule itself is held out from: to those a boost of it adds nothing.
    """

    rule: Rule
    boost: str
    share: Share
    own: Share | None

    @property
    def name(self) -> str:
        """Where what it counts stands in a state."""
        return f"{HELD_OUT}/boosts/{self.boost}/{self.rule.name}"

    def apply(self, part: Part | None, moment: Moment) -> Part | None:
        """What was counted of her with the boost, with the event."""
        seed = moment.state.seed
        if not self.share.has(seed) or (self.own is not None and self.own.has(seed)):
            return part
        aside = moment.aside(self.name)
        after = self.rule.apply(part, aside)
        lot = f"earn/{self.rule.key}/{moment.event.id}"
        more = _worth(aside.emitted, lot) - _worth(moment.emitted, lot)
        if more:
            what, event = f"boost/{self.boost}/{lot}", moment.event
            moment.emitted.append(HeldOut(f"boosts/{self.boost}", what, more, event.at, event.id))
        failed = (each for each in aside.emitted if isinstance(each, ConditionFailed))
        moment.emitted.extend(each for each in failed if each not in moment.emitted)
        return after

    def told(self, part: Any, fact: Fact, moment: Moment) -> Part | None:
        """Nothing is told to an earn rule."""
        return self.rule.told(part, fact, moment)

    def lapse(self, part: Any, moment: Moment) -> Part:
        """Nothing of an earn rule falls due."""
        return self.rule.lapse(part, moment)

    def dated(self, part: Any, local: LocalTime) -> Part:
        """What was counted of her, after her time has changed."""
        return self.rule.dated(part, local)

    def levels(self, part: Any) -> Iterable[AnyOutcome]:
        """None: points happen."""
        return self.rule.levels(part)


def _worth(emitted: Iterable[Emitted], lot: str) -> int:
    return sum(each.points for each in emitted if isinstance(each, PointsEarned) and each.lot == lot)


def _held_out(definition: str, emitted: Iterable[Emitted]) -> Iterable[Emitted]:
    """What a rule brought aside, as it counts: what it would have given, and what could not be answered.

    Of a place she learns whether she would have had it, without taking it from anybody.
    """
    for each in emitted:
        if isinstance(each, ConditionFailed):
            yield each
        elif isinstance(each, PlaceAsked):
            yield msgspec.structs.replace(each, held_out=True)
        elif not isinstance(each, (*_STANDINGS, Asked)):
            yield HeldOut.of(definition, each)


def keepers_of(rule: Rule, share: Share | None) -> tuple[Keeper, ...]:
    """Who meets inputs in a rule's place: itself, where it is held out from nobody."""
    return (rule,) if share is None else (Offered(rule, share), Withheld(rule, share))
