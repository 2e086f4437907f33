"""Effects: what an event, or time, changed for a member."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import strawberry

from achievements import movements, outcomes, redeeming
from achievements.values import Amount
from engagement.api.movements import (
    HoldEnded,
    PointsAdjusted,
    PointsEarned,
    PointsExpired,
    PointsHeld,
    PointsReleased,
    PointsSpent,
    PointsTransferred,
    SpendRejected,
    ToPoints,
    moved,
)
from engagement.api.redeemed import BenefitChanged, DrawWon, RedemptionChanged, RewardSort, redeemed
from engagement.api.scalars import DateTime, Decimal, Points, exact, written

_AT = "When it took effect."


@strawberry.type(description="How far something is, ready to show.")
class Progress:
    """An amount on its way to a target."""

    current: Decimal = strawberry.field(description="What has counted so far; may exceed the target.")
    target: Decimal = strawberry.field(description="What is needed.")
    fraction: float = strawberry.field(description="The part of the target that is reached, from 0 to 1.")
    remaining: Decimal = strawberry.field(description="What is still missing; 0 once the target is reached.")

    @classmethod
    def of(cls, current: Amount, target: Amount) -> "Progress":
        """Work out what a person reads."""
        fraction = min(1.0, float(current) / float(target)) if target else 1.0
        remaining = max(target - current, 0)
        return cls(current=exact(current), target=exact(target), fraction=fraction, remaining=exact(remaining))


@strawberry.type(description="A level of a badge that was reached.")
class BadgeAwarded:
    """A badge's level, held for good unless it is withdrawn."""

    badge: str = strawberry.field(description="The key of the badge.")
    level: str = strawberry.field(description="The key of the level.")
    name: str = strawberry.field(description="The level's name where it has one, else the badge's.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Something other than points that a reward gave.")
class RewardGiven:
    """A badge, a tier, a boost, a voucher, an entitlement, or entries in a draw."""

    sort: RewardSort = strawberry.field(description="What sort of thing it is.")
    key: str = strawberry.field(description="The key of what was given; of a tier `LADDER/TIER`.")
    source: str = strawberry.field(description="The key of the challenge, badge or other definition that gave it.")
    count: int = strawberry.field(description="How many: of entries in a draw more than 1 may be given at once.")
    until: DateTime | None = strawberry.field(description="When it ends; null where it does not.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="A streak that grew, or broke.")
class StreakChanged:
    """A streak's new length."""

    streak: str = strawberry.field(description="The key of the streak.")
    current: int = strawberry.field(description="Its length in periods; 0 after it broke.")
    longest: int = strawberry.field(description="The longest it ever was.")
    broken: bool = strawberry.field(description="Whether a whole period was missed, and no freeze stood in for it.")
    freezes_used: int = strawberry.field(
        description="How many missed periods it survived by a freeze, ever; where that grew, the length stayed."
    )
    restores: int = strawberry.field(
        description="How often it was restored, ever; where that grew, the length came back."
    )
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(
    description="A period of a streak does not count yet, at the hour on its last day at which the program says so."
)
class StreakAtRisk:
    """A reminder."""

    streak: str = strawberry.field(description="The key of the streak.")
    period: str = strawberry.field(description="The period, like `2026-11-21`.")
    current: int = strawberry.field(description="Its length in periods.")
    ends_at: DateTime = strawberry.field(description="When the period ends: the streak breaks then, or takes a freeze.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="A challenge that came closer to its targets.")
class ChallengeProgressed:
    """The progress of one window."""

    challenge: str = strawberry.field(description="The key of the challenge.")
    period: str = strawberry.field(description="The window, like `2026-11`; empty for a lifetime.")
    objectives: list[Progress] = strawberry.field(description="How far each objective is, in the order of the program.")


@strawberry.type(description="A step on the way to the target of a challenge, reached once in each window or round.")
class MilestoneReached:
    """A milestone of one window."""

    challenge: str = strawberry.field(description="The key of the challenge.")
    period: str = strawberry.field(description="The window, like `2026-11`; empty for a lifetime.")
    milestone: str = strawberry.field(description="The key of the milestone.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="A challenge of which enough targets are met.")
class ChallengeCompleted:
    """The completion of one window."""

    challenge: str = strawberry.field(description="The key of the challenge.")
    period: str = strawberry.field(description="The window, like `2026-11`; empty for a lifetime.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="A move from one tier of a ladder to another, up or down.")
class TierChanged:
    """Where a member stands on a ladder from now on."""

    ladder: str = strawberry.field(description="The key of the ladder.")
    tier_from: str = strawberry.field(description="The key of the tier she left.", name="from")
    tier_to: str = strawberry.field(description="The key of the tier she has come to.", name="to")
    qualifying: Points = strawberry.field(description="What counted for the ladder then.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="A new score on a leaderboard.")
class LeaderboardScored:
    """A member's score in one period of a board."""

    leaderboard: str = strawberry.field(description="The key of the leaderboard.")
    period: str = strawberry.field(description="The period, like `2026-11`; empty for all time.")
    group: str | None = strawberry.field(description="The group in which she competes; null on a board without groups.")
    score: Points = strawberry.field(description="The score that this brought the member to.")
    rank: int | None = strawberry.field(
        description="Where she stands now, from 1; null where she is not ranked, or not any more."
    )


@strawberry.type(description="What the member has given to her team in a window of a challenge.")
class TeamContributed:
    """Her part in what a team has come to."""

    challenge: str = strawberry.field(description="The key of the challenge.")
    period: str = strawberry.field(description="The window, like `2026-11`; empty where there is but one.")
    team: strawberry.ID = strawberry.field(description="The app's own id of the team.")
    amount: Decimal = strawberry.field(description="What she has given since she is in it.")
    target: Decimal = strawberry.field(description="What all of them have to come to.")


@strawberry.type(
    description="A prize of a leaderboard, won when one of its periods was closed; what it gives is told beside it."
)
class PrizeWon:
    """Where a member stood at the end."""

    leaderboard: str = strawberry.field(description="The key of the leaderboard.")
    period: str = strawberry.field(description="The period, like `2026-11`; empty for all time.")
    group: str | None = strawberry.field(description="The group in which she competed; null on a board without groups.")
    rank: int | None = strawberry.field(
        description="Her rank when it was closed, from 1. Never null here; of a type that can be asked for beside a score's."
    )
    contenders: int = strawberry.field(description="How many members were ranked.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(
    description="That the member was brought by another, and has done what that is for; what both get follows."
)
class ReferralQualified:
    """A referral on the side of the one who was brought."""

    referral: str = strawberry.field(description="The key of the referral.")
    referrer: str = strawberry.field(description="Who brought her, as the event said: the app's own id.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="That an event confirmed another one: points of that one wait no more.")
class EventConfirmed:
    """What has come to stay."""

    confirmation: str = strawberry.field(description="The key of the confirmation.")
    confirmed: strawberry.ID = strawberry.field(description="The id of the event that was confirmed.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Another member became a part of this one: they are one person.")
class MemberMerged:
    """Two histories that are one."""

    former: strawberry.ID = strawberry.field(
        description="The app's own id that the other had, and that leads here now."
    )
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(
    description="That this member and another were one was undone: each has what she would have by herself."
)
class MemberUnmerged:
    """One history that is two again."""

    other: strawberry.ID = strawberry.field(description="The app's own id of the other.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="Something told before that, as is known now, never happened.")
class OutcomeWithdrawn:
    """What a late event or a correction undid."""

    outcome: "Effect" = strawberry.field(description="What was told before.")


Effect: TypeAlias = Annotated[
    PointsEarned
    | PointsExpired
    | PointsSpent
    | SpendRejected
    | PointsReleased
    | PointsHeld
    | HoldEnded
    | PointsAdjusted
    | PointsTransferred
    | RedemptionChanged
    | BenefitChanged
    | DrawWon
    | BadgeAwarded
    | RewardGiven
    | StreakChanged
    | StreakAtRisk
    | ChallengeProgressed
    | ChallengeCompleted
    | MilestoneReached
    | TeamContributed
    | TierChanged
    | LeaderboardScored
    | PrizeWon
    | ReferralQualified
    | EventConfirmed
    | MemberMerged
    | MemberUnmerged
    | OutcomeWithdrawn,
    strawberry.union("Effect", description="One thing that changed for a member."),
]


@dataclass(frozen=True, slots=True)
class Aside:
    """What effects do not carry themselves: names by (badge, level), and ranks by (board, period, group, the app's member id)."""

    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    ranks: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)


def shown(effects: Iterable[outcomes.Effect], member: str, aside: Aside) -> list[Effect]:
    """A member's effects as clients read them; `member` is the app's id."""
    return [_shown(each, member, aside) for each in effects]


def _shown(effect: outcomes.Effect, member: str, aside: Aside) -> Effect:
    match effect:
        case outcomes.Withdrawn(outcome):
            return OutcomeWithdrawn(outcome=_shown(outcome, member, aside))
        case outcomes.Scored() | outcomes.PrizeWon():
            return _of_board(effect, member, aside)
        case (
            outcomes.ChallengeProgressed()
            | outcomes.Contributed()
            | outcomes.MilestoneReached()
            | outcomes.ChallengeCompleted()
        ):
            return _of_challenge(effect)
        case outcomes.StreakChanged() | outcomes.StreakAtRisk():
            return _of_streak(effect)
        case outcomes.BadgeAwarded() | outcomes.RewardGiven():
            return _of_reward(effect, aside)
        case outcomes.TierChanged(ladder, below, above, at, qualifying):
            points = Points(qualifying)
            return TierChanged(ladder=ladder, tier_from=below, tier_to=above, qualifying=points, at=written(at))
        case (
            outcomes.ReferralQualified() | outcomes.Confirmed() | movements.MemberMerged() | movements.MemberUnmerged()
        ):
            return _of_another(effect)
    if isinstance(effect, redeeming.Redeeming):
        return redeemed(effect)
    if isinstance(effect, ToPoints):
        return moved(effect)
    raise AssertionError(f"{type(effect).__name__} is no effect")


def _of_reward(effect: outcomes.BadgeAwarded | outcomes.RewardGiven, aside: Aside) -> Effect:
    if isinstance(effect, outcomes.BadgeAwarded):
        name = aside.names.get((effect.badge, effect.level), effect.badge)
        return BadgeAwarded(badge=effect.badge, level=effect.level, name=name, at=written(effect.at))
    return RewardGiven(
        sort=RewardSort[effect.sort.upper()],
        key=effect.key,
        source=effect.source,
        count=effect.count,
        until=None if effect.until is None else written(effect.until),
        at=written(effect.at),
    )


def _of_board(effect: outcomes.Scored | outcomes.PrizeWon, member: str, aside: Aside) -> Effect:
    group = effect.group or None
    if isinstance(effect, outcomes.PrizeWon):
        return PrizeWon(
            leaderboard=effect.board,
            period=effect.period,
            group=group,
            rank=effect.rank,
            contenders=effect.contenders,
            at=written(effect.at),
        )
    return LeaderboardScored(
        leaderboard=effect.board,
        period=effect.period,
        group=group,
        score=Points(effect.score),
        rank=aside.ranks.get((effect.board, effect.period, effect.group, member)),
    )


def _of_challenge(
    effect: outcomes.ChallengeProgressed
    | outcomes.Contributed
    | outcomes.MilestoneReached
    | outcomes.ChallengeCompleted,
) -> Effect:
    named = {"challenge": effect.challenge, "period": effect.period}
    match effect:
        case outcomes.ChallengeProgressed():
            pairs = zip(effect.current, effect.target, strict=True)
            return ChallengeProgressed(**named, objectives=[Progress.of(current, target) for current, target in pairs])
        case outcomes.Contributed():
            amount, target = exact(effect.amount), exact(effect.target)
            return TeamContributed(**named, team=strawberry.ID(effect.team), amount=amount, target=target)
        case outcomes.MilestoneReached():
            return MilestoneReached(**named, milestone=effect.milestone, at=written(effect.at))
        case outcomes.ChallengeCompleted():
            return ChallengeCompleted(**named, at=written(effect.at))


def _of_streak(effect: outcomes.StreakChanged | outcomes.StreakAtRisk) -> Effect:
    if isinstance(effect, outcomes.StreakAtRisk):
        return StreakAtRisk(
            streak=effect.streak,
            period=effect.period,
            current=effect.current,
            ends_at=written(effect.ends_at),
            at=written(effect.at),
        )
    return StreakChanged(
        streak=effect.streak,
        current=effect.current,
        longest=effect.longest,
        broken=effect.current == 0,
        freezes_used=effect.freezes_used,
        restores=effect.restores,
        at=written(effect.at),
    )


def _of_another(
    effect: outcomes.ReferralQualified | outcomes.Confirmed | movements.MemberMerged | movements.MemberUnmerged,
) -> Effect:
    """What an event says of another member, or of another event."""
    at = written(effect.at)
    if isinstance(effect, outcomes.ReferralQualified):
        return ReferralQualified(referral=effect.referral, referrer=effect.referrer, at=at)
    if isinstance(effect, movements.MemberMerged):
        return MemberMerged(former=strawberry.ID(effect.member), at=at)
    if isinstance(effect, movements.MemberUnmerged):
        return MemberUnmerged(other=strawberry.ID(effect.member), at=at)
    return EventConfirmed(confirmation=effect.confirmation, confirmed=strawberry.ID(effect.confirmed), at=at)
