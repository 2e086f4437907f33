"""Challenges: how far a member is, and joining and leaving those that members join themselves."""

from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import challenges
from engagement.actions.challenges import ChallengeJoined, JoinChallenge
from engagement.actions.shown_challenges import ChallengeShown
from engagement.api.effects import Progress
from engagement.api.principals import EVENTS_WRITE_OR_OWN, Info, member_of, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Decimal, exact, written, written_or_none
from engagement.api.texts import DESCRIPTION, IDEMPOTENCY_KEY, KEY, MEMBER, NAME


@strawberry.enum(description="How several objectives are joined.")
class Needs(Enum):
    """What completes them."""

    ALL = strawberry.enum_value("ALL", description="All of them.")
    ANY = strawberry.enum_value("ANY", description="Any one of them.")
    IN_ORDER = strawberry.enum_value(
        "IN_ORDER", description="All of them, each counting only once those before it are met."
    )


@strawberry.type(description="A step on the way to the target of a challenge.")
class Milestone:
    """What is reached once in each window, or round."""

    key: str = strawberry.field(description="The key of the milestone.")
    name: str = strawberry.field(description="The milestone's name; its key where it has none.")
    at: Decimal = strawberry.field(description="What the objective has to come to.")
    reached_at: DateTime | None = strawberry.field(
        description="When it was reached in this window; null where it is not."
    )


@strawberry.type(description="Targets to reach within a window.")
class Challenge:
    """A challenge in its present window."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    description: str = strawberry.field(description=DESCRIPTION)
    period: str = strawberry.field(description="The present window, like `2026-11`; empty for a lifetime.")
    ends_at: DateTime | None = strawberry.field(description="When the window is over; null for a lifetime.")
    objectives: list[Progress] = strawberry.field(description="How far each objective is, in the order of the program.")
    needs: Needs = strawberry.field(description="How many of them have to be met.")
    fraction: float = strawberry.field(
        description="How far the whole is, from 0 to 1: the mean of its objectives, or the best where any one is enough."
    )
    milestones: list[Milestone] = strawberry.field(description="Steps on the way, lowest first; often none.")
    opt_in: bool = strawberry.field(description="Whether members join it themselves, by `joinChallenge`.")
    joined: bool = strawberry.field(
        description="Whether what she does counts for it: always, where nobody has to join."
    )
    joined_at: DateTime | None = strawberry.field(description="Since when she takes part; null where she did not join.")
    limit: int | None = strawberry.field(
        description="How many members can complete it, in each window where it repeats, as they come in; null for everybody."
    )
    places_left: int | None = strawberry.field(
        description="How many of them no member has yet in this window, by the limit under which she began; null for everybody."
    )
    missed: bool = strawberry.field(
        description="Whether its places were all taken when she met the targets in this window, so that it is not completed."
    )
    completed: bool = strawberry.field(description="Whether it is completed in this window.")
    completed_at: DateTime | None = strawberry.field(description="When it was; null where it is not.")
    completions: int = strawberry.field(description="How often it was completed, over all windows.")

    @classmethod
    def of(cls, shown: ChallengeShown) -> "Challenge":
        """As clients read it."""
        objectives = [Progress.of(current, target) for current, target in shown.objectives]
        completed = shown.completed_at is not None
        far = [each.fraction for each in objectives]
        fraction = max(far) if shown.needs == "any" else sum(far) / len(far)
        return cls(
            key=shown.key,
            name=shown.name,
            description=shown.description,
            period=shown.period,
            ends_at=written_or_none(shown.ends_at),
            objectives=objectives,
            needs=Needs[shown.needs.upper()],
            fraction=1.0 if completed else fraction,
            milestones=[
                Milestone(key=each.key, name=each.name, at=exact(each.at), reached_at=written_or_none(each.reached_at))
                for each in shown.milestones
            ],
            opt_in=shown.opt_in,
            joined=not shown.opt_in or shown.joined_at is not None,
            joined_at=written_or_none(shown.joined_at),
            limit=shown.limit,
            places_left=shown.places_left,
            missed=shown.missed,
            completed=completed,
            completed_at=written_or_none(shown.completed_at),
            completions=shown.completions,
        )


@strawberry.input(description="A member, and the challenge that she joins, or leaves.")
class JoinChallengeInput:
    """Who, and what."""

    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )
    challenge: str = strawberry.field(description="The key of a challenge that members join themselves.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="Whether the member takes part in the challenge.")
class JoinChallengeSuccess:
    """How she stands to it now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    challenge: str = strawberry.field(description="The key of the challenge.")
    at: DateTime = strawberry.field(description="The program's present, at which this holds.")
    joined_at: DateTime | None = strawberry.field(description="Since when she takes part; null where she does not.")
    changed: bool = strawberry.field(description="False where it was so already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")

    @classmethod
    def of(cls, done: ChallengeJoined) -> "JoinChallengeSuccess":
        """As clients read it."""
        return cls(
            member=strawberry.ID(done.member),
            challenge=done.challenge,
            at=written(done.at),
            joined_at=written_or_none(done.joined_at),
            changed=done.changed,
            replayed=done.replayed,
        )


JoinChallengeResult: TypeAlias = Annotated[
    JoinChallengeSuccess
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("JoinChallengeResult", description="What became of joining a challenge, or of leaving it."),
]
_Given: TypeAlias = Annotated[JoinChallengeInput, strawberry.argument(name="input", description="Who, and what.")]


@strawberry.type
class ChallengesMutation:
    """The mutations about challenges that members join."""

    @mutation(
        "Let a member take part in a challenge from the program's present on: what she does counts from then until she leaves,"
        " in this window and those after it.",
        EVENTS_WRITE_OR_OWN,
    )
    async def join_challenge(self, info: Info, given: _Given) -> JoinChallengeResult:
        """Keep it as a fact."""
        return await _told(info, given, leave=False)

    @mutation(
        "Let a member take part no more: what was counted by then stays, and counts on when she joins again in the same window.",
        EVENTS_WRITE_OR_OWN,
    )
    async def leave_challenge(self, info: Info, given: _Given) -> JoinChallengeResult:
        """Keep it as a fact."""
        return await _told(info, given, leave=True)


async def _told(info: Info, given: JoinChallengeInput, *, leave: bool) -> JoinChallengeSuccess:
    principal, resources = info.context.principal, resources_of(info)
    done = await challenges.join(
        resources.database,
        resources.programs,
        principal.program,
        JoinChallenge(member_of(principal, given.member), given.challenge, leave),
        principal=principal.name,
        key=given.idempotency_key,
    )
    await resources.drain.settled(principal.program)
    return JoinChallengeSuccess.of(done)
