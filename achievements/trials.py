"""One member's way through a backtest: what her fold brought of the drafted definitions, counted when it is over."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from achievements.badges import BadgeReady
from achievements.challenges import ChallengeReady
from achievements.definitions import SECTIONS
from achievements.measures import Measure
from achievements.outcomes import (
    BadgeAwarded,
    ChallengeCompleted,
    ChallengeProgressed,
    Emitted,
    PointsEarned,
    RewardGiven,
    StreakChanged,
    TierChanged,
)
from achievements.pruning import Place
from achievements.rulebook import Rulebook, Rules
from achievements.states import ChallengePart, MemberState
from achievements.tallies import Count, Tally
from achievements.values import Amount

TENTH = 10
"""Of a sum, a step is one part in so many of its target."""

_Key = TypeVar("_Key", str, int)

_SECTION_OF = {**{kind.kind: section for section, kind in SECTIONS.items()}, "earn": "earn_rules"}
"""Of the word with which the identity of what a definition gave begins."""


class Watched(msgspec.Struct, frozen=True):
    """What a backtest looks for: the drafted definitions under their rules, and the twins of those with a curve.

    `rules` are those of the last edition of the book, as if all of it were active. `twins` are the keys of drafted definitions by those of
    their twins, `targets` the targets of their curves.
    """

    book: Rulebook
    rules: Rules
    drafted: frozenset[Place]
    twins: Mapping[str, str]
    targets: Mapping[str, Sequence[int]]

    def groups(self, state: MemberState, at: datetime) -> list[str]:
        """By what completions are told apart, of a member in the state before an instant: her tiers, and her segments."""
        rules = self.book.at(at) or self.rules
        held = ((rule, rules.members.tier(rule, state)) for _, rule in rules.ladders)
        tiers = [f"{rule.key}: {tier}" for rule, tier in held if tier is not None]
        return [*tiers, *(f"segment: {key}" for key in rules.members.segments(state, at))]

    def elsewhere(self, emitted: Iterable[Emitted], points: dict[str, int]) -> None:
        """Add up the points that definitions other than the drafted gave, by currency."""
        for each in emitted:
            if isinstance(each, PointsEarned) and origin_of(each.lot) not in self.drafted:
                _more(points, each.currency, each.points)


class Trial:
    """What one member's fold has brought so far."""

    def __init__(self, watched: Watched, tally: Tally) -> None:
        self.elsewhere: dict[str, int] = {}
        self._watched = watched
        self._tally = tally
        self._won: set[Place] = set()
        self._near: set[str] = set()
        self._lengths: dict[str, tuple[int, int]] = {}
        self._settled: set[tuple[str, str]] = set()
        self._finished: set[str] = set()
        self._start = MemberState.NOTHING
        self._best: dict[str, dict[str, Amount]] = {}

    def before(self, state: MemberState, emitted: Iterable[Emitted]) -> None:
        """What brought her to a state before the draft: windows that were completed by then are settled whatever the target."""
        self._start = state
        for each in emitted:
            if isinstance(each, ChallengeCompleted):
                self._settled.add((each.challenge, each.period))
            elif isinstance(each, StreakChanged):
                self._lengths[each.streak] = each.current, each.restores

    def take(self, held: MemberState, after: MemberState, emitted: Iterable[Emitted]) -> None:
        """What an input brought to a member in a state, and the state after it."""
        for each in emitted:
            match each:
                case ChallengeProgressed():
                    self._progressed(each, after)
                case PointsEarned():
                    self._earned(each, held)
                case RewardGiven():
                    origin = origin_of(each.reward)
                    if origin in self._watched.drafted:
                        _more(self._count(origin).rewards, f"{each.sort}/{each.key}", each.count)
                case ChallengeCompleted():
                    self._challenged(each, held, after)
                case _:
                    place = self._completed(each)
                    if place is not None:
                        self._complete(place, each.at, held)  # type: ignore[union-attr]

    def settle(self, state: MemberState) -> None:
        """Count what is known of a member only in the end: whether she won, or nearly, how far she came, what she won besides."""
        watched = self._watched
        for place in watched.drafted:
            if place in self._won:
                count = self._count(place)
                count.winners += 1
                for other in self._won - watched.drafted:
                    _more(count.overlap, "/".join(other), 1)
            elif place[1] in self._near if place[0] == "challenges" else self._nearly_awarded(place, state):
                self._count(place).near_misses += 1
        for key, targets in watched.targets.items():
            best = self._best.get(key, {}).items()
            reached = [bisect_right(targets, amount) for period, amount in best if (key, period) not in self._settled]
            if key in self._finished:
                # What she had begun she finished as it was, whatever the draft's target is; what is completed once, is then.
                once = self._challenge(key).repeat == "once"
                reached = [*([] if once else reached), len(targets)]
            if any(reached):
                count = self._count(("challenges", key))
                count.reached = count.reached or [0] * len(targets)
                count.best = count.best or [0] * len(targets)
                for each in filter(None, reached):
                    count.reached[each - 1] += 1
                count.best[max(reached) - 1] += 1

    def _begun(self, key: str) -> int | None:
        """The window of a challenge that she had begun when the draft came, and so goes on in under the version before it."""
        part = self._start.parts.get(f"challenges/{key}")
        return part.window if isinstance(part, ChallengePart) and part.tallies != self._challenge(key).empty else None

    def _challenge(self, key: str) -> ChallengeReady:
        rule = self._watched.rules.by_name[f"challenges/{key}"]
        assert isinstance(rule, ChallengeReady), "a challenge is made ready as one"
        return rule

    def _count(self, place: Place) -> Count:
        return self._tally.counts.setdefault("/".join(place), Count())

    def _progressed(self, progress: ChallengeProgressed, after: MemberState) -> None:
        watched = self._watched
        twin = watched.twins.get(progress.challenge)
        if twin is not None:
            part = after.parts[f"challenges/{progress.challenge}"]
            if isinstance(part, ChallengePart) and part.window == self._begun(twin):
                return
            best = self._best.setdefault(twin, {})
            best[progress.period] = max(best.get(progress.period, 0), progress.current[0])
        elif ("challenges", progress.challenge) in watched.drafted and progress.challenge not in self._near:
            rule = watched.rules.by_name[f"challenges/{progress.challenge}"]
            if isinstance(rule, ChallengeReady) and _one_step_short(rule, progress.current):
                self._near.add(progress.challenge)

    def _earned(self, earned: PointsEarned, held: MemberState) -> None:
        origin = origin_of(earned.lot)
        if origin not in self._watched.drafted:
            _more(self.elsewhere, earned.currency, earned.points)
            return
        _more(self._count(origin).points, earned.currency, earned.points)
        day = self._watched.rules.program_time.day(earned.at)
        _more(self._tally.spent.setdefault(earned.currency, {}), day, earned.points)
        if origin[0] == "earn_rules":
            self._complete(origin, earned.at, held)

    def _challenged(self, completed: ChallengeCompleted, held: MemberState, after: MemberState) -> None:
        if completed.challenge in self._watched.twins:
            return
        if completed.challenge in self._watched.targets:
            part = after.parts[f"challenges/{completed.challenge}"]
            if isinstance(part, ChallengePart) and part.completed_window == self._begun(completed.challenge):
                self._finished.add(completed.challenge)
        self._complete(("challenges", completed.challenge), completed.at, held)

    def _completed(self, outcome: Emitted) -> Place | None:
        """The definition that an outcome completes, or brings a member further in."""
        match outcome:
            case BadgeAwarded():
                return ("badges", outcome.badge)
            case StreakChanged() if ("streaks", outcome.streak) in self._watched.drafted:
                # A freeze leaves it as long as it was, and a restoring brings back what was counted before.
                before, restores = self._lengths.get(outcome.streak, (0, 0))
                self._lengths[outcome.streak] = outcome.current, outcome.restores
                grown = outcome.current > before and outcome.restores == restores
                return ("streaks", outcome.streak) if grown else None
            case TierChanged() if ("tier_ladders", outcome.ladder) in self._watched.drafted:
                keys = next(rule.keys for _, rule in self._watched.rules.ladders if rule.key == outcome.ladder)
                rises = keys.index(outcome.tier_to) > keys.index(outcome.tier_from)
                return ("tier_ladders", outcome.ladder) if rises else None
        return None

    def _complete(self, place: Place, at: datetime, held: MemberState) -> None:
        self._won.add(place)
        if place in self._watched.drafted:
            count = self._count(place)
            count.completions += 1
            _more(count.by_day, self._watched.rules.program_time.day(at), 1)
            for group in self._watched.groups(held, at):
                _more(count.by_group, group, 1)

    def _nearly_awarded(self, place: Place, state: MemberState) -> bool:
        rule, part = self._watched.rules.by_name.get("/".join(place)), state.parts.get("/".join(place))
        if not isinstance(rule, BadgeReady) or part is None:
            return False
        first = rule.levels_up[0].target
        amount: Amount = part.tally.amount  # type: ignore[union-attr]
        return first - _step(rule.measure, first) <= amount < first


def _one_step_short(rule: ChallengeReady, current: Sequence[Amount]) -> bool:
    """Whether a challenge lacks one step of one objective, and nothing else."""
    lacking = [
        (each.target - amount, _step(each.measure, each.target))
        for each, amount in zip(rule.objectives, current, strict=True)
        if amount < each.target
    ]
    near = sum(missing <= step for missing, step in lacking)
    return near > 0 if rule.needs == "any" else near == len(lacking) == 1


def _step(measure: Measure, target: int) -> int:
    """What counts as one step: an event, a day or a value; of a sum or of points, a tenth of the target."""
    return 1 if measure == "count" or measure.distinct is not None else max(1, target // TENTH)


def origin_of(identity: str) -> Place:
    """The definition whose outcome a lot or a reward is of."""
    word, key, *_ = identity.split("/", 2)
    return (_SECTION_OF.get(word, word), key)


def _more(numbers: dict[_Key, int], key: _Key, more: int) -> None:
    numbers[key] = numbers.get(key, 0) + more
