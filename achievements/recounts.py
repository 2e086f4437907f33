"""What counting the past anew changes for members, added up by definition: what they gain, and what of theirs would vanish."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from achievements import keeping
from achievements.fold import Difference
from achievements.outcomes import (
    AnyOutcome,
    BadgeAwarded,
    ChallengeCompleted,
    Confirmed,
    MilestoneReached,
    PointsEarned,
    ReferralQualified,
    RewardGiven,
)

LISTED_MAX = 100
"""So many of the members for whom something would vanish are listed, the first by their ids."""
LISTED_OUTCOMES_MAX = 20

_SECTIONS = {
    "earn": "earn_rules",
    "challenge": "challenges",
    "badge": "badges",
    "streak": "streaks",
    "occasion": "occasions",
}


class Sum(msgspec.Struct):
    """What it changes of one definition (`section/key`): how many members gain or would lose by it, how many outcomes that is, and
    their points by currency.
    """

    definition: str
    gaining: int = 0
    losing: int = 0
    gained: int = 0
    lost: int = 0
    points_gained: dict[str, int] = msgspec.field(default_factory=dict)
    points_lost: dict[str, int] = msgspec.field(default_factory=dict)


class Losing(msgspec.Struct, frozen=True):
    """A member (the app's own id) and what of hers would vanish, the first of it: each in words."""

    member: str
    count: int
    outcomes: tuple[str, ...]


class Recount(msgspec.Struct):
    """A publication tried on members: how many were looked at, for how many something changes, by definition, and who would lose."""

    members: int = 0
    gaining: int = 0
    losing: int = 0
    sums: dict[str, Sum] = msgspec.field(default_factory=dict)
    listed: list[Losing] = msgspec.field(default_factory=list)

    def count(self, member: str, difference: Difference) -> None:
        """Add what it changes for a member."""
        lost = keeping.kept_of(difference.gone, difference.changed, take_back=False)
        gained = [each for each in difference.new if keeping.is_had(each)]
        points = [(was, now) for was, now in difference.changed if isinstance(was, PointsEarned)]
        gone = {each.identity for each in difference.gone}
        self._add(gained, [], gaining=True)
        self._add([each for each in lost if each.identity in gone], [], gaining=False)
        raised = [(now, _more(was, now)) for was, now in points if _more(was, now) > 0]
        lowered = [(was, -_more(was, now)) for was, now in points if _more(was, now) < 0]
        self._add([], raised, gaining=True)
        self._add([], lowered, gaining=False)
        self.members += 1
        self.gaining += bool(gained or raised)
        self.losing += bool(lost)
        self._count_members([*gained, *(each for each, _ in raised)], lost)
        if lost and len(self.listed) < LISTED_MAX:
            parts = {was.identity: points for was, points in lowered}
            told = tuple(_told(each, parts.get(each.identity)) for each in lost[:LISTED_OUTCOMES_MAX])
            self.listed.append(Losing(member, len(lost), told))

    def _sum(self, definition: str) -> Sum:
        return self.sums.setdefault(definition, Sum(definition))

    def _count_members(self, gained: Iterable[AnyOutcome], lost: Iterable[AnyOutcome]) -> None:
        for definition in {_definition(each) for each in gained}:
            self._sum(definition).gaining += 1
        for definition in {_definition(each) for each in lost}:
            self._sum(definition).losing += 1

    def _add(self, outcomes: Sequence[AnyOutcome], amounts: Sequence[tuple[Any, int]], *, gaining: bool) -> None:
        """Add outcomes, and points of those that stay with another number."""
        whole = [(each, each.points if isinstance(each, PointsEarned) else 0) for each in outcomes]
        for each, points in (*whole, *amounts):
            found = self._sum(_definition(each))
            if gaining:
                found.gained += 1
            else:
                found.lost += 1
            if points:
                sums = found.points_gained if gaining else found.points_lost
                sums[each.currency] = sums.get(each.currency, 0) + points


def _more(was: Any, now: Any) -> int:
    more: int = now.points - was.points
    return more


def _definition(outcome: AnyOutcome) -> str:
    """The definition that an outcome is of."""
    match outcome:
        case PointsEarned():
            return f"{_SECTIONS.get(outcome.lot.partition('/')[0], 'others')}/{outcome.source}"
        case RewardGiven():
            return f"{_SECTIONS.get(outcome.reward.partition('/')[0], 'others')}/{outcome.source}"
        case ChallengeCompleted() | MilestoneReached():
            return f"challenges/{outcome.challenge}"
        case BadgeAwarded():
            return f"badges/{outcome.badge}"
        case ReferralQualified():
            return f"referrals/{outcome.referral}"
        case Confirmed():
            return f"confirmations/{outcome.confirmation}"
    raise AssertionError(f"{type(outcome).__name__} says where somebody stands")


def _told(outcome: AnyOutcome, part: int | None = None) -> str:
    """An outcome in words, for the publisher, of whose points but a part would vanish."""
    match outcome:
        case PointsEarned():
            points = f"{outcome.points:,}" if part is None else f"{part:,} of {outcome.points:,}"
            return f"{points} {outcome.currency} of {_definition(outcome)}"
        case RewardGiven():
            return f"{outcome.sort} {outcome.key} of {_definition(outcome)}"
        case ChallengeCompleted():
            return f"completion of {outcome.challenge}{' in ' if outcome.period else ''}{outcome.period}"
        case MilestoneReached():
            return f"milestone {outcome.milestone} of {outcome.challenge}"
        case BadgeAwarded():
            return f"level {outcome.level} of badge {outcome.badge}"
    return _definition(outcome)
