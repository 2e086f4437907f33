"""What is done to points, as clients read it: earned, spent, ended, released, held, adjusted, transferred."""

from enum import Enum
from typing import TypeAlias

import strawberry

from achievements import movements, outcomes
from engagement.api.scalars import DateTime, Points, written

_CURRENCY = "The key of the currency."
_AT = "When it took effect."


@strawberry.type(description="Points that a rule or a reward gave.")
class PointsEarned:
    """One lot of points."""

    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many.")
    source: str = strawberry.field(
        description="The key of the rule, challenge, badge, referral or occasion that gave them."
    )
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that came to their end unspent.")
class PointsExpired:
    """The end of a lot."""

    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many were left.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that an event asked for, that an automatic reward took, or that the member paid.")
class PointsSpent:
    """What a decision took; it stands, whatever is learned later, unless the event that asked for it is reversed."""

    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many, in all.")
    source: str = strawberry.field(description="The key of the spend rule, the automatic reward, or what was paid for.")
    times: int = strawberry.field(description="How often an automatic reward was taken at once; 1 for a spend rule.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that an event asked for and that were not there: nothing was taken.")
class SpendRejected:
    """What the balance did not allow. It is not tried again."""

    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many were asked for.")
    missing: Points = strawberry.field(description="How many of them were not there.")
    source: str = strawberry.field(description="The key of the spend rule.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that were pending, and can be spent from now on.")
class PointsReleased:
    """The end of waiting."""

    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="How many.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points set aside for something under way: they cannot be spent otherwise meanwhile.")
class PointsHeld:
    """The beginning of a hold."""

    hold: strawberry.ID = strawberry.field(description="The id of the hold.")
    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="How many.")
    source: str = strawberry.field(description="What they are set aside for.")
    at: DateTime = strawberry.field(description=_AT)
    ends_at: DateTime = strawberry.field(description="When they come free by themselves.")


@strawberry.enum(description="What became of a hold.")
class HoldState(Enum):
    """A hold ends once."""

    OPEN = strawberry.enum_value("OPEN", description="The points are set aside.")
    CAPTURED = strawberry.enum_value("CAPTURED", description="They were spent, all or a part; the rest came free.")
    VOIDED = strawberry.enum_value("VOIDED", description="They came free, as nothing came of it.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="They came free, as its time was over.")


@strawberry.type(description="A hold that ended.")
class HoldEnded:
    """The end of a hold."""

    hold: strawberry.ID = strawberry.field(description="The id of the hold.")
    currency: str = strawberry.field(description=_CURRENCY)
    points: Points = strawberry.field(description="How many of its points were not spent, and came free.")
    source: str = strawberry.field(description="What they were set aside for.")
    state: HoldState = strawberry.field(description="How it ended.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that the program's people gave a member, or took.")
class PointsAdjusted:
    """An adjustment."""

    currency: str = strawberry.field(description=_CURRENCY)
    change: Points = strawberry.field(description="How many came; below 0, how many went.")
    reason: str = strawberry.field(description="The key of the reason.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Points that came from another member, or went to one.")
class PointsTransferred:
    """One side of it."""

    currency: str = strawberry.field(description=_CURRENCY)
    change: Points = strawberry.field(description="How many came; below 0, how many went.")
    at: DateTime = strawberry.field(description=_AT)


Movement: TypeAlias = (
    PointsEarned
    | PointsExpired
    | PointsSpent
    | SpendRejected
    | PointsReleased
    | PointsHeld
    | HoldEnded
    | PointsAdjusted
    | PointsTransferred
)

ToPoints: TypeAlias = (
    outcomes.PointsEarned | outcomes.PointsExpired | outcomes.PointsSpent | outcomes.SpendRejected | movements.Movement
)
"""What the service itself calls one of these."""


def moved(effect: ToPoints) -> Movement:
    """What was done to a member's points, as a client reads it."""
    points, at = Points(effect.points), written(effect.at)
    match effect:
        case outcomes.PointsEarned():
            return PointsEarned(currency=effect.currency, points=points, source=effect.source, at=at)
        case outcomes.PointsExpired():
            return PointsExpired(currency=effect.currency, points=points, at=at)
        case outcomes.PointsSpent():
            times = effect.times
            return PointsSpent(currency=effect.currency, points=points, source=effect.source, times=times, at=at)
        case outcomes.SpendRejected():
            missing = Points(effect.missing)
            return SpendRejected(currency=effect.currency, points=points, missing=missing, source=effect.source, at=at)
        case movements.PointsReleased():
            return PointsReleased(currency=effect.currency, points=points, at=at)
        case movements.PointsHeld():
            return PointsHeld(
                hold=strawberry.ID(effect.hold),
                currency=effect.currency,
                points=points,
                source=effect.source,
                at=at,
                ends_at=written(effect.until),
            )
        case movements.HoldEnded():
            return HoldEnded(
                hold=strawberry.ID(effect.hold),
                currency=effect.currency,
                points=points,
                source=effect.source,
                state=HoldState[effect.state.upper()],
                at=at,
            )
        case movements.PointsAdjusted():
            return PointsAdjusted(currency=effect.currency, change=points, reason=effect.reason, at=at)
        case movements.PointsTransferred():
            return PointsTransferred(currency=effect.currency, change=points, at=at)
