"""The catalogue of rewards, and what members save towards."""

from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import catalogue, goals
from engagement.actions.catalogue import Wanted
from engagement.actions.goals import SetGoal
from engagement.actions.screens import GoalShown
from engagement.actions.shelf import OnShelf, SessionShown
from engagement.api.effects import Progress
from engagement.api.pagination import InvalidCursor, PageInfo, RewardsCursor, cursor_of, page_size, place_of
from engagement.api.principals import (
    MEMBERS_READ_OR_OWN,
    REWARDS_WRITE_OR_OWN,
    Info,
    Principal,
    member_of,
    mutation,
    query,
)
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotFoundError,
    RewardReason,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Decimal, Points, exact, written
from engagement.api.streaks import Price
from engagement.api.texts import IDEMPOTENCY_KEY, KEY, MEMBER

_REWARD = "The key of the reward."
LOCALE_CHARACTERS_MAX = 35


@strawberry.enum(description="What a reward is.")
class RewardKind(Enum):
    """The kinds of rewards."""

    DISCOUNT = strawberry.enum_value("DISCOUNT", description="Money off, by a voucher.")
    VOUCHER = strawberry.enum_value("VOUCHER", description="A voucher for something.")
    PRODUCT = strawberry.enum_value("PRODUCT", description="A product, for points alone.")
    EXPERIENCE = strawberry.enum_value("EXPERIENCE", description="Something to come to, at one of its dates.")
    EARLY_ACCESS = strawberry.enum_value("EARLY_ACCESS", description="To be let in before everybody else.")
    DONATION = strawberry.enum_value("DONATION", description="A gift to others.")
    DRAW = strawberry.enum_value("DRAW", description="Entries in a draw.")


@strawberry.type(description="One date of an experience.")
class RewardSession:
    """When, and for how many."""

    key: str = strawberry.field(description="The key of the session, by which it is redeemed.")
    name: str = strawberry.field(description="What people call it; the key where the program gives no name.")
    starts_at: DateTime = strawberry.field(description="When it begins.")
    ends_at: DateTime = strawberry.field(description="When it is over.")
    capacity: int = strawberry.field(description="How many places it has.")
    left: int = strawberry.field(description="How many of them are left.")
    blocked_reason: RewardReason | None = strawberry.field(description="Why it cannot be booked; null where it can.")

    @classmethod
    def of(cls, shown: SessionShown) -> "RewardSession":
        """As clients read it."""
        return cls(
            key=shown.session.key,
            name=shown.session.name,
            starts_at=written(shown.session.starts),
            ends_at=written(shown.session.ends),
            capacity=shown.session.capacity,
            left=shown.left,
            blocked_reason=None if shown.reason is None else RewardReason[shown.reason.name],
        )


@strawberry.type(description="A reward on the shelf, as it stands for the member who looks.")
class Reward:
    """Ready to show."""

    key: str = strawberry.field(description=KEY)
    kind: RewardKind = strawberry.field(description="What it is.")
    name: str = strawberry.field(
        description="What people call it, in the locale that was asked for where there are words."
    )
    description: str = strawberry.field(description="What the program says about it, in that locale; may be empty.")
    category: str | None = strawberry.field(description="The key of its category; null where it has none.")
    image: str | None = strawberry.field(description="An `https://` address, or a path; null where it has none.")
    price: Price | None = strawberry.field(description="What it costs the member, by her tier; null where it is free.")
    full_price: Price | None = strawberry.field(description="What it costs without a tier; null where it is free.")
    cost: Decimal | None = strawberry.field(
        description="What one costs the program, in money; null for a member's token, and where the program does not say."
    )
    money: str | None = strawberry.field(description="The currency of the cost, by its three letters; null with it.")
    left: int | None = strawberry.field(
        description="How many are left, of the stock and of the codes in pools; null where there is no end of it."
    )
    limit_left: int | None = strawberry.field(
        description="How often she can still have it for now; null where no limit says so, or no member is named."
    )
    reservable: bool = strawberry.field(description="Whether members can reserve it by their own tokens.")
    sessions: list[RewardSession] = strawberry.field(description="Its dates; empty for all but experiences.")
    can_redeem: bool = strawberry.field(description="Whether the member can redeem it now.")
    blocked_reasons: list[RewardReason] = strawberry.field(
        description="Everything that stands in the way; empty where she can redeem it."
    )
    missing: Points = strawberry.field(
        description="How many points of the price she does not have; 0 where she has all."
    )
    progress: Progress | None = strawberry.field(
        description="How far her balance is towards the price; null where it is free, or no member is named."
    )

    @classmethod
    def of(cls, shown: OnShelf, locale: str | None, member: str | None, principal: Principal) -> "Reward":
        """As this client may read it."""
        definition = shown.ready.definition
        text, cost = shown.ready.text(locale), None if principal.member is not None else definition.cost
        short = [RewardReason.NOT_ENOUGH_POINTS] if shown.missing else []
        price = shown.price
        return cls(
            key=definition.key,
            kind=RewardKind[definition.sort.upper()],
            name=text.name,
            description=text.description,
            category=definition.category,
            image=definition.image,
            price=price_of(price.currency, price.points) if price is not None else None,
            full_price=None
            if definition.price is None
            else price_of(definition.price.currency, definition.price.points),
            cost=None if cost is None else exact(cost.amount),
            money=None if cost is None else cost.currency,
            left=shown.left,
            limit_left=shown.allowed,
            reservable=definition.reservable,
            sessions=[RewardSession.of(each) for each in shown.sessions],
            can_redeem=shown.can_redeem,
            blocked_reasons=[*(RewardReason[each.name] for each in shown.reasons), *short],
            missing=Points(shown.missing),
            progress=None if price is None or member is None else Progress.of(max(0, shown.balance), price.points),
        )


def price_of(currency: str | None, points: int) -> Price:
    """A price as clients read it."""
    return Price(currency=str(currency), points=Points(points))


@strawberry.type(description="A reward on a page.")
class RewardEdge:
    """Relay's edge."""

    node: Reward = strawberry.field(description="The reward.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of the catalogue, by key.")
class RewardConnection:
    """Relay's connection."""

    edges: list[RewardEdge] = strawberry.field(description="The rewards on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type(description="The reward that a member saves towards.")
class Goal:
    """How far she is."""

    reward: str = strawberry.field(description=_REWARD)
    name: str = strawberry.field(description="What people call it; the key where the program gives no name.")
    price: Price | None = strawberry.field(description="What it costs her; null where it is free.")
    progress: Progress = strawberry.field(description="How far her balance is towards the price.")

    @classmethod
    def of(cls, shown: GoalShown) -> "Goal":
        """As clients read it."""
        return cls(
            reward=shown.reward,
            name=shown.name,
            price=None if shown.price is None else price_of(shown.price.currency, shown.price.points),
            progress=Progress.of(shown.balance, 0 if shown.price is None else shown.price.points),
        )


@strawberry.input(description="A member, and the reward that she saves towards from now on.")
class SetGoalInput:
    """Who, and for what."""

    reward: str = strawberry.field(description=_REWARD)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    member: strawberry.ID | None = strawberry.field(
        default=None,
        description=f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out.",
    )


@strawberry.input(description="A member, who saves towards nothing any more.")
class ClearGoalInput:
    """Who."""

    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    member: strawberry.ID | None = strawberry.field(
        default=None, description=f"{MEMBER} A member's own token may leave it out."
    )


@strawberry.type(description="What the member saves towards now.")
class GoalSuccess:
    """What was done; her screen shows how far she is."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    reward: str | None = strawberry.field(description=f"{_REWARD} Null where she saves towards none.")
    changed: bool = strawberry.field(description="False where it was so already.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")


GoalResult: TypeAlias = Annotated[
    GoalSuccess | InvalidInputError | NotFoundError | MemberErasedError | IdempotencyKeyReusedError | TryAgainError,
    strawberry.union("GoalResult", description="What became of setting or clearing a goal."),
]


@strawberry.type
class RewardsQuery:
    """The fields of the root about rewards."""

    @query(
        "The catalogue by key, as it stands for a member: her prices, how far she is, whether she can redeem what, and why not. A member's"
        " token shows it as it stands for her; a key that names no member sees it as it stands for nobody in particular.",
        MEMBERS_READ_OR_OWN,
    )
    async def rewards(
        self,
        info: Info,
        member: Annotated[strawberry.ID | None, strawberry.argument(description=MEMBER)] = None,
        category: Annotated[str | None, strawberry.argument(description="Those of this category alone.")] = None,
        kind: Annotated[RewardKind | None, strawberry.argument(description="Those of this kind alone.")] = None,
        locale: Annotated[
            str | None,
            strawberry.argument(
                description="In whose words, like `de` or `pt-BR`; the program's own where it has none."
            ),
        ] = None,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> RewardConnection:
        """A page of the shelf."""
        principal, resources = info.context.principal, resources_of(info)
        whose = member if principal.member is None else member_of(principal, member)
        size = page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, RewardsCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        wanted = Wanted(category, None if kind is None else kind.name.lower(), "" if place is None else place.reward)
        found = await resources.read(
            principal, lambda unit: catalogue.read(unit, resources.programs, whose, wanted, size + 1)
        )
        words = (locale or "")[:LOCALE_CHARACTERS_MAX]
        edges = [
            RewardEdge(node=Reward.of(each, words, whose, principal), cursor=cursor_of(RewardsCursor(each.ready.key)))
            for each in found[:size]
        ]
        cursors = [each.cursor for each in edges]
        return RewardConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))


@strawberry.type
class RewardsMutation:
    """The mutations about what members save towards."""

    @mutation(
        "Let a member save towards a reward, and no other; her screen shows how far she is.", REWARDS_WRITE_OR_OWN
    )
    async def set_goal(
        self,
        info: Info,
        given: Annotated[SetGoalInput, strawberry.argument(name="input", description="Who, and for what.")],
    ) -> GoalResult:
        """Keep it."""
        return await _set(info, given.member, given.reward, given.idempotency_key)

    @mutation("Let a member save towards nothing any more.", REWARDS_WRITE_OR_OWN)
    async def clear_goal(
        self,
        info: Info,
        given: Annotated[ClearGoalInput, strawberry.argument(name="input", description="Who.")],
    ) -> GoalResult:
        """Forget it."""
        return await _set(info, given.member, None, given.idempotency_key)


async def _set(info: Info, member: str | None, reward: str | None, key: str) -> GoalSuccess:
    principal, resources = info.context.principal, resources_of(info)
    done = await goals.set_goal(
        resources.database,
        resources.programs,
        principal.program,
        SetGoal(member_of(principal, member), reward),
        principal=principal.name,
        key=key,
    )
    return GoalSuccess(
        member=strawberry.ID(done.member), reward=done.reward, changed=done.changed, replayed=done.replayed
    )
