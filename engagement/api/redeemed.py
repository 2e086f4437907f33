"""Redemptions, and what members have by them or were given, as clients read them; and what is told of both."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

import strawberry

from achievements import redeeming
from engagement.api.scalars import DateTime, Decimal, Points, exact, written, written_or_none
from engagement.api.texts import MEMBER
from engagement.records import benefits, redemptions

_AT = "When it took effect."
Names: TypeAlias = Mapping[tuple[str, str], str]
"""What people call rewards, vouchers, entitlements and draws, by sort and key."""
_REWARD = "The key of the reward."


@strawberry.enum(description="What became of a redemption.")
class RedemptionState(Enum):
    """The states of a redemption."""

    RESERVED = strawberry.enum_value(
        "RESERVED", description="Kept for the member for a while; her points are set aside."
    )
    FULFILLED = strawberry.enum_value("FULFILLED", description="Paid, and hers.")
    VOIDED = strawberry.enum_value("VOIDED", description="Given up while it was reserved: nothing was paid.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Not captured in time: nothing was paid.")
    REFUNDED = strawberry.enum_value(
        "REFUNDED", description="Taken back: the points are in the lots that they came from."
    )


@strawberry.enum(description="What a reward gives other than points.")
class RewardSort(Enum):
    """The sorts of rewards."""

    BADGE = strawberry.enum_value("BADGE", description="A level of a badge.")
    TIER = strawberry.enum_value("TIER", description="A tier of a ladder.")
    BOOST = strawberry.enum_value("BOOST", description="A boost, until it ends.")
    VOUCHER = strawberry.enum_value("VOUCHER", description="A voucher, used once.")
    ENTITLEMENT = strawberry.enum_value("ENTITLEMENT", description="A right that the member has.")
    DRAW = strawberry.enum_value("DRAW", description="Entries in a draw.")


@strawberry.enum(description="What became of a benefit.")
class BenefitState(Enum):
    """The states of a benefit."""

    OWED = strawberry.enum_value(
        "OWED", description="Given while its pool had no code; it is issued when there is one."
    )
    ISSUED = strawberry.enum_value("ISSUED", description="The member has it.")
    USED = strawberry.enum_value(
        "USED", description="Used, which is final; of entries, that they took part in the draw."
    )
    VOIDED = strawberry.enum_value("VOIDED", description="Taken back before it was used.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Not used until its end.")


@strawberry.type(description="That a redemption of the member is in another state.")
class RedemptionChanged:
    """What became of it."""

    redemption: strawberry.ID = strawberry.field(description="The id of the redemption.")
    reward: str = strawberry.field(description=_REWARD)
    redemption_state: RedemptionState = strawberry.field(description="The state in which it is now.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="That a voucher, an entitlement or entries in a draw of the member are in another state.")
class BenefitChanged:
    """What became of it; the code of a voucher is read with `benefits`."""

    benefit: strawberry.ID = strawberry.field(description="The id of the benefit.")
    sort: RewardSort = strawberry.field(description="What sort of thing it is.")
    key: str = strawberry.field(description="The key of the voucher, the entitlement or the draw.")
    count: int = strawberry.field(description="How many: of entries in a draw more than 1 may be given at once.")
    source: str = strawberry.field(description="The key of the reward, or of the definition that gave it.")
    benefit_state: BenefitState = strawberry.field(description="The state in which it is now.")
    until: DateTime | None = strawberry.field(description="Up to when it can be used; null where that does not end.")
    at: DateTime = strawberry.field(description=_AT)


@strawberry.type(description="That the member has won in a draw; what that gives is told beside it.")
class DrawWon:
    """Her place."""

    draw: str = strawberry.field(description="The key of the draw.")
    place: int = strawberry.field(description="At which place, from 1.")
    entry: strawberry.ID = strawberry.field(description="By which of her entries: the id of the benefit.")
    at: DateTime = strawberry.field(description=_AT)


Redeemed: TypeAlias = RedemptionChanged | BenefitChanged | DrawWon


def redeemed(effect: redeeming.Redeeming) -> Redeemed:
    """What became of something in the shop, as a client reads it."""
    if isinstance(effect, redeeming.RedemptionChanged):
        return RedemptionChanged(
            redemption=strawberry.ID(effect.redemption),
            reward=effect.reward,
            redemption_state=RedemptionState[effect.state.upper()],
            at=written(effect.at),
        )
    if isinstance(effect, redeeming.DrawWon):
        return DrawWon(draw=effect.draw, place=effect.place, entry=strawberry.ID(effect.entry), at=written(effect.at))
    return BenefitChanged(
        benefit=strawberry.ID(effect.benefit),
        sort=RewardSort[effect.sort.upper()],
        key=effect.key,
        count=effect.count,
        source=effect.source,
        benefit_state=BenefitState[effect.state.upper()],
        until=written_or_none(effect.until),
        at=written(effect.at),
    )


@strawberry.type(description="A reward that a member took.")
class Redemption:
    """A redemption as it is now."""

    id: strawberry.ID = strawberry.field(description="Its id, by which it is captured, voided or refunded.")
    member: strawberry.ID = strawberry.field(description=MEMBER)
    reward: str = strawberry.field(description=_REWARD)
    name: str = strawberry.field(
        description="What people call the reward, in the program's own words; the key where it gives none."
    )
    session: str | None = strawberry.field(description="The key of the session; null where the reward has none.")
    state: RedemptionState = strawberry.field(description="What became of it.")
    currency: str | None = strawberry.field(description="The key of the currency of its price; null where it was free.")
    points: Points = strawberry.field(description="Its price.")
    paid: Points = strawberry.field(description="How many of them were spent; 0 again once they were given back.")
    cost: Decimal | None = strawberry.field(
        description="What it costs the program, in money; null for a member's token, and where the program does not say."
    )
    money: str | None = strawberry.field(description="The currency of the cost, by its three letters; null with it.")
    at: DateTime = strawberry.field(description="When it was taken, or reserved.")
    reserved_until: DateTime | None = strawberry.field(
        description="When it is over by itself, where it was reserved and nothing is done before; null where it was taken at once."
    )
    usable_from: DateTime = strawberry.field(description="From when on it can be used.")
    usable_until: DateTime | None = strawberry.field(description="Up to when; null where that does not end.")
    ended_at: DateTime | None = strawberry.field(
        description="When it was voided or refunded, or was over; null while it holds."
    )

    @classmethod
    def of(cls, member: str, held: redemptions.Redemption, names: Names, *, to_member: bool) -> "Redemption":
        """As clients read it; what it costs the program is nothing `to_member`."""
        cost = None if to_member else held.cost
        return cls(
            id=strawberry.ID(str(held.id)),
            member=strawberry.ID(member),
            reward=held.reward,
            name=names.get(("reward", held.reward), held.reward),
            session=held.session or None,
            state=RedemptionState[held.state.upper()],
            currency=held.currency,
            points=Points(held.points),
            paid=Points(held.paid),
            cost=None if cost is None else exact(cost),
            money=None if to_member else held.money,
            at=written(held.at),
            reserved_until=written_or_none(held.until),
            usable_from=written(held.usable_from),
            usable_until=written_or_none(held.usable_until),
            ended_at=written_or_none(held.ended_at),
        )


@strawberry.type(description="A voucher, an entitlement, or entries in a draw, that a member has or had.")
class Benefit:
    """A benefit as it is now."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    sort: RewardSort = strawberry.field(description="What sort of thing it is.")
    key: str = strawberry.field(description="The key of the voucher, the entitlement or the draw.")
    name: str = strawberry.field(description="What people call it; the key where the program gives no name.")
    count: int = strawberry.field(description="How many entries in a draw it is; 1 of anything else.")
    code: str | None = strawberry.field(
        description="The code of a voucher; null for anything else, and while it is owed."
    )
    source: str = strawberry.field(description="The key of the reward, or of the definition that gave it.")
    redemption: strawberry.ID | None = strawberry.field(
        description="The id of the redemption that it came of; null where a definition gave it."
    )
    state: BenefitState = strawberry.field(description="What became of it.")
    since: DateTime = strawberry.field(description="From when on it can be used.")
    until: DateTime | None = strawberry.field(description="Up to when; null where that does not end.")
    issued_at: DateTime = strawberry.field(description="When it was issued.")
    ended_at: DateTime | None = strawberry.field(
        description="When it was used or voided, or its end; null while the member has it."
    )

    @classmethod
    def of(cls, held: benefits.Benefit, names: Names) -> "Benefit":
        """As clients read it."""
        return cls(
            id=strawberry.ID(str(held.id)),
            sort=RewardSort[held.sort.upper()],
            key=held.key,
            name=names.get((held.sort, held.key), held.key),
            count=held.count,
            code=held.code,
            source=held.source,
            redemption=None if held.redemption is None else strawberry.ID(str(held.redemption)),
            state=BenefitState[held.state.upper()],
            since=written(held.since),
            until=written_or_none(held.until),
            issued_at=written(held.issued_at),
            ended_at=written_or_none(held.ended_at),
        )
