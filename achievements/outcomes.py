"""The values that come out of the fold, and the effects that the ledger adds to them.

All instants are aware datetimes in UTC, points are integers. Outcomes are written as JSON arrays (`array_like`). None of
these values can be part of a circle, so Python's collector need not look at them (`gc=False`).
"""

from datetime import datetime
from typing import TypeAlias

import msgspec

from achievements.asked import PlaceAsked, SpendAsked
from achievements.movements import Merging, Movement
from achievements.redeeming import Redeeming
from achievements.values import Amount

Identity: TypeAlias = tuple[str, ...]
"""What stays the same about an outcome however often it is computed again: never a version, a threshold or an instant."""

_DATES = frozenset({"at", "reached_at", "event_id"})


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something the fold says about a member: a value under an identity."""

    @property
    def identity(self) -> Identity:
        """Which outcome this is a value of."""
        raise AssertionError(f"{type(self).__name__} has no identity")

    @property
    def undated(self) -> tuple[object, ...]:
        """Its value without when, and by which event: what stays equal where an outcome only moved in time."""
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name not in _DATES)


class PointsEarned(Outcome, frozen=True, array_like=True, tag="points", gc=False):
    """Points that a rule or a reward gave: one lot of the ledger.

    `source` is the key of the definition, `lot` the identity of the lot, `at` the instant of the input that earned them
    and `event_id` that input.
    """

    currency: str
    points: int
    source: str
    lot: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """One lot, one outcome."""
        return ("points", self.lot)


class RewardGiven(Outcome, frozen=True, array_like=True, tag="reward", gc=False):
    """What a definition gave other than points: a badge, a tier, a boost, a voucher, an entitlement or entries in a draw.

    `sort` is one of those words, `key` that of what was given, `source` that of the definition that gave
    it, and `reward` names the outcome that did, with the place in its rewards. `until` is when it ends; None where it does not.
    """

    sort: str
    key: str
    source: str
    reward: str
    at: datetime
    event_id: str
    until: datetime | None = None
    count: int = 1

    @property
    def identity(self) -> Identity:
        """One for each place in the rewards of an outcome."""
        return ("reward", self.reward)


class StreakChanged(Outcome, frozen=True, array_like=True, tag="streak", gc=False):
    """A streak's length in periods. `current` 0 says that it broke, at the end of the first period missed.

    `freezes_used` counts the missed periods that it survived, ever: where it grew, the length stayed as it was. `restores` counts how
    often it was restored, ever: where it grew, the length came back.
    """

    streak: str
    current: int
    longest: int
    at: datetime
    freezes_used: int = 0
    restores: int = 0

    @property
    def identity(self) -> Identity:
        """A member has one of each streak."""
        return ("streak", self.streak)


class StreakAtRisk(Outcome, frozen=True, array_like=True, tag="at_risk", gc=False):
    """That a period does not count yet, and a streak, so long now, is over at its end (`ends_at`) or takes a freeze."""

    streak: str
    period: str
    current: int
    at: datetime
    ends_at: datetime

    @property
    def identity(self) -> Identity:
        """Once in each period."""
        return ("at_risk", self.streak, self.period)


class ChallengeProgressed(Outcome, frozen=True, array_like=True, tag="progress", gc=False):
    """How far a challenge is, objective by objective. `period` is the window's key, empty for a lifetime."""

    challenge: str
    period: str
    current: tuple[Amount, ...]
    target: tuple[Amount, ...]

    @property
    def identity(self) -> Identity:
        """One progress for each window of a challenge."""
        return ("progress", self.challenge, self.period)


class ChallengeCompleted(Outcome, frozen=True, array_like=True, tag="completion", gc=False):
    """A challenge met in a window, by the event that met the last of its targets."""

    challenge: str
    period: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """At most one completion in each window."""
        return ("completion", self.challenge, self.period)


class Contributed(Outcome, frozen=True, array_like=True, tag="contribution", gc=False):
    """What a member has given to a team in a window of a challenge (its index, and its key `period`), since she joined it.

    The `target` is the team's, and who has given at least `minimum` shares in what meeting it brings.
    """

    challenge: str
    period: str
    team: str
    since: datetime
    amount: Amount
    window: int
    target: int
    minimum: int

    @property
    def identity(self) -> Identity:
        """One for each time that she was in a team, in each window."""
        return ("contribution", self.challenge, self.period, self.since.isoformat())


class MilestoneReached(Outcome, frozen=True, array_like=True, tag="milestone", gc=False):
    """A step on the way to a challenge's target. `milestone` is its key, `period` the window or the round it was reached in."""

    challenge: str
    period: str
    milestone: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """Each milestone once in each window."""
        return ("milestone", self.challenge, self.period, self.milestone)


class BadgeAwarded(Outcome, frozen=True, array_like=True, tag="badge", gc=False):
    """A level of a badge reached. `level` is the level's key."""

    badge: str
    level: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """A member holds each level once."""
        return ("badge", self.badge, self.level)


class TierChanged(Outcome, frozen=True, array_like=True, tag="tier", gc=False):
    """A member's move from one tier of a ladder to another, with what its measure came to then.

    `event_id` is the event that lifted her; None where time brought it, at the instant at which points left the window or a
    period ended.
    """

    ladder: str
    tier_from: str
    tier_to: str
    at: datetime
    qualifying: int
    event_id: str | None = None

    @property
    def identity(self) -> Identity:
        """At one instant, time changes a ladder at most once, and so does each event."""
        return ("tier", self.ladder, self.at.isoformat(), self.event_id or "")


class Scored(Outcome, frozen=True, array_like=True, tag="score", gc=False):
    """A member's score in one period of a board, in the `group` she competes in, and the instant of the input that brought her there."""

    board: str
    period: str
    score: int
    reached_at: datetime
    group: str = ""

    @property
    def identity(self) -> Identity:
        """One score for each period of a board; in another group it is another."""
        return ("score", self.board, self.period, *filter(None, (self.group,)))


class PrizeWon(Outcome, frozen=True, array_like=True, tag="prize", gc=False):
    """That a member won a prize of a board when a period was closed: her rank among so many `contenders`, of her group."""

    board: str
    period: str
    group: str
    rank: int
    contenders: int
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """A period of a board is closed once."""
        return ("prize", self.board, self.period, self.group)


class ReferralQualified(Outcome, frozen=True, array_like=True, tag="referral", gc=False):
    """That a member was brought by another, whom `referrer` names by the app's own id, and has done what that is for.

    What both get comes of its own, once both can be told.
    """

    referral: str
    referrer: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """A member is brought once."""
        return ("referral", self.referral)


class Confirmed(Outcome, frozen=True, array_like=True, tag="confirmation", gc=False):
    """That an event confirms another one of the member (`confirmed`, its id): points of it wait no more."""

    confirmation: str
    confirmed: str
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """An event is confirmed once."""
        return ("confirmation", self.confirmation, self.confirmed)


class HeldOut(Outcome, frozen=True, array_like=True, tag="held_out", gc=False):
    """What a member of a control group would have had of a definition (`section/key`): counted, not given, and not shown to her.

    `what` names the outcome that it stands for, `points` are those that it would have brought: of a boost those that it would have
    added (or, below 0, taken away), of a score the score itself.
    """

    definition: str
    what: str
    points: int
    at: datetime
    event_id: str

    @property
    def identity(self) -> Identity:
        """One for each outcome that it stands for."""
        return ("held_out", self.what)

    @staticmethod
    def of(definition: str, outcome: "AnyOutcome") -> "HeldOut":
        """What is counted instead of an outcome of a definition, or of what it would have given.

        A change of tier is named with the tier; a score has no event of its own.
        """
        what, points, event_id = "/".join(outcome.identity), 0, getattr(outcome, "event_id", None) or ""
        match outcome:
            case HeldOut():
                what, points = outcome.what, outcome.points
            case PointsEarned():
                points = outcome.points
            case TierChanged():
                what = f"tier/{outcome.ladder}/{outcome.tier_to}/{outcome.at.isoformat()}/{event_id}"
            case Scored():
                return HeldOut(definition, what, outcome.score, outcome.reached_at, "")
        at: datetime = outcome.at  # type: ignore[union-attr]
        return HeldOut(definition, what, points, at, event_id)


class PointsExpired(msgspec.Struct, frozen=True, array_like=True, tag="expired", gc=False):
    """Points of a lot that were not spent before its end. Not the fold's: the ledger's."""

    currency: str
    points: int
    at: datetime


AnyOutcome: TypeAlias = (
    PointsEarned
    | RewardGiven
    | StreakChanged
    | StreakAtRisk
    | ChallengeProgressed
    | ChallengeCompleted
    | Contributed
    | MilestoneReached
    | BadgeAwarded
    | TierChanged
    | Scored
    | PrizeWon
    | ReferralQualified
    | Confirmed
    | HeldOut
)


class PointsSpent(msgspec.Struct, frozen=True, array_like=True, tag="spent", gc=False):
    """Points that a decision took: by the spend rule or the automatic reward `source`, the latter so many `times` at once, or
    for the definition `source` that the member paid for.

    Not the fold's: the ledger's. `event_id` is the event that asked for it, or whose points brought the balance there; "" where
    there is none.
    """

    currency: str
    points: int
    source: str
    at: datetime
    event_id: str
    times: int = 1


class SpendRejected(msgspec.Struct, frozen=True, array_like=True, tag="rejected", gc=False):
    """Points that a spend rule asked for and the balance did not allow; `missing` of them were not there."""

    currency: str
    points: int
    source: str
    at: datetime
    event_id: str
    missing: int


class ConditionFailed(msgspec.Struct, frozen=True, gc=False):
    """A condition that could not be answered for an event, and so counted as not met.

    No outcome: it is told to whoever wrote the definition. `path` is the condition's place in the definition, `reason` says why, and
    how to mend it.
    """

    kind: str
    key: str
    path: str
    reason: str
    at: datetime
    event_id: str


Emitted: TypeAlias = AnyOutcome | SpendAsked | PlaceAsked | ConditionFailed
"""What an input brings: outcomes, decisions asked for, and conditions that failed."""


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag="withdrawn", gc=False):
    """An outcome that was published and, now that more is known, never was; or a spend whose points went back."""

    outcome: AnyOutcome | PointsSpent


Effect: TypeAlias = (
    AnyOutcome | PointsExpired | PointsSpent | SpendRejected | Movement | Merging | Redeeming | Withdrawn
)
"""What an activity item tells: outcomes, and what the ledger and the shop did."""
