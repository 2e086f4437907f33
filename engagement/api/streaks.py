"""Streaks: how a member stands, buying a freeze, and restoring a streak that broke."""

from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import streaks
from engagement.actions.offers import OfferShown
from engagement.actions.screens import StreakShown
from engagement.actions.streaks import BuyFreeze, RestoreStreak
from engagement.api.asides import aside_of
from engagement.api.challenges import Needs
from engagement.api.effects import Effect, Progress, shown
from engagement.api.principals import EVENTS_WRITE_OR_OWN, Info, member_of, mutation
from engagement.api.refusals import (
    IdempotencyKeyReusedError,
    InvalidInputError,
    MemberErasedError,
    NotEnoughPointsError,
    NotFoundError,
    StreakReason,
    StreakRefusedError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import IDEMPOTENCY_KEY, KEY, MEMBER, NAME
from engagement.errors import Forbidden


@strawberry.enum(description="What a streak counts.")
class CalendarPeriod(Enum):
    """The periods of a streak."""

    DAY = strawberry.enum_value("DAY", description="Local days.")
    WEEK = strawberry.enum_value("WEEK", description="Weeks from Monday to Sunday.")
    MONTH = strawberry.enum_value("MONTH", description="Months of the calendar.")


@strawberry.type(description="A price in points.")
class Price:
    """What is taken from a purse."""

    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many.")


@strawberry.type(description="What a member can do for a streak, at what price, or why she cannot now.")
class StreakOffer:
    """A freeze to be bought, or the restoring of a streak."""

    available: bool = strawberry.field(description="Whether she can do it now, and has the points.")
    reason: StreakReason | None = strawberry.field(
        description="Why she cannot, but for the points; null where that is not so."
    )
    price: Price | None = strawberry.field(description="What it costs; null where it is free.")
    missing: Points = strawberry.field(
        description="How many points of the price she does not have; 0 where she has all."
    )
    until: DateTime | None = strawberry.field(
        description="Of restoring, up to when it is open for the longest that can come back; null where nothing can, and of a freeze."
    )
    length: int | None = strawberry.field(
        description="Of restoring, how long the streak would be; null where nothing can come back, and of a freeze."
    )

    @classmethod
    def of(cls, offer: OfferShown | None) -> "StreakOffer | None":
        """As clients read it."""
        if offer is None:
            return None
        price = offer.price
        return cls(
            available=offer.refused is None and not offer.missing,
            reason=None if offer.refused is None else StreakReason[offer.refused.name],
            price=None if price is None else Price(currency=str(price.currency), points=Points(price.points)),
            missing=Points(offer.missing),
            until=written_or_none(offer.until),
            length=offer.length,
        )


@strawberry.type(description="Periods in a row in which a member did something.")
class Streak:
    """A streak as it stands."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    period: CalendarPeriod = strawberry.field(description="What is counted.")
    current: int = strawberry.field(description="Its length now, in periods; 0 where it is broken.")
    longest: int = strawberry.field(description="The longest it ever was.")
    active: bool = strawberry.field(description="Whether the present period counts already.")
    objectives: list[Progress] = strawberry.field(
        description="How far each objective of the present period is; empty where one event is enough."
    )
    needs: Needs = strawberry.field(description="How many of the objectives have to be met.")
    freezes_used: int = strawberry.field(description="How many missed periods it survived by a freeze, ever.")
    freezes_held: int = strawberry.field(
        description="How many freezes could stand in for periods that she misses next."
    )
    freeze_offer: StreakOffer | None = strawberry.field(
        description="A freeze to be had by `buyStreakFreeze`; null where the streak sells none."
    )
    restores: int = strawberry.field(description="How often it was restored, ever.")
    restore_offer: StreakOffer | None = strawberry.field(
        description="What `restoreStreak` would do; null where members do not restore it."
    )
    period_ends_at: DateTime = strawberry.field(description="When the present period is over.")
    timezone: str = strawberry.field(description="The IANA time zone in which its periods are cut.")

    @classmethod
    def of(cls, shown: StreakShown) -> "Streak":
        """As clients read it."""
        return cls(
            key=shown.key,
            name=shown.name,
            period=CalendarPeriod[shown.period.name],
            current=shown.current,
            longest=shown.longest,
            active=shown.active,
            objectives=[Progress.of(current, target) for current, target in shown.objectives],
            needs=Needs[shown.needs.upper()],
            freezes_used=shown.freezes_used,
            freezes_held=shown.freezes_held,
            freeze_offer=StreakOffer.of(shown.freeze),
            restores=shown.restores,
            restore_offer=StreakOffer.of(shown.restore),
            period_ends_at=written(shown.ends_at),
            timezone=shown.zone,
        )


_OWN = f"{MEMBER} One that is not known yet becomes so. A member's own token may leave it out."


@strawberry.input(description="A member, and the streak for which she buys a freeze.")
class BuyStreakFreezeInput:
    """Who, and for what."""

    member: strawberry.ID | None = strawberry.field(default=None, description=_OWN)
    streak: str = strawberry.field(description="The key of a streak that sells freezes.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A freeze that was bought.")
class BuyStreakFreezeSuccess:
    """What she holds now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    streak: str = strawberry.field(description="The key of the streak.")
    at: DateTime = strawberry.field(description="The program's present, at which it was bought.")
    freezes_held: int = strawberry.field(description="How many freezes she held then, with this one.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What it changed: the points that were paid.")


BuyStreakFreezeResult: TypeAlias = Annotated[
    BuyStreakFreezeSuccess
    | StreakRefusedError
    | NotEnoughPointsError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("BuyStreakFreezeResult", description="What became of buying a freeze."),
]


@strawberry.input(description="A member, and the streak of hers that is taken up again.")
class RestoreStreakInput:
    """Whose, and which."""

    member: strawberry.ID | None = strawberry.field(default=None, description=_OWN)
    streak: str = strawberry.field(description="The key of a streak that can be restored.")
    by_staff: bool = strawberry.field(
        default=False,
        description="That the program's people do it for her: without its price, and not counted towards her limit, within the same"
        " time. Not with a member's own token.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A streak that was restored.")
class RestoreStreakSuccess:
    """How long it is now."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    streak: str = strawberry.field(description="The key of the streak.")
    at: DateTime = strawberry.field(description="The program's present, at which it was restored.")
    current: int = strawberry.field(description="Its length in periods then.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(
        description="What it changed: the streak, milestones that it passed by this, and the points that were paid."
    )


RestoreStreakResult: TypeAlias = Annotated[
    RestoreStreakSuccess
    | StreakRefusedError
    | NotEnoughPointsError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("RestoreStreakResult", description="What became of restoring a streak."),
]


@strawberry.type
class StreaksMutation:
    """The mutations about streaks."""

    @mutation(
        "Buy a member a freeze for a streak, at the program's present: the price leaves her purse, and the freeze stands in for the"
        " next period that she misses.",
        EVENTS_WRITE_OR_OWN,
    )
    async def buy_streak_freeze(
        self,
        info: Info,
        given: Annotated[BuyStreakFreezeInput, strawberry.argument(name="input", description="Who, and for what.")],
    ) -> BuyStreakFreezeResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        done = await streaks.buy_freeze(
            resources.database,
            resources.programs,
            principal.program,
            BuyFreeze(member_of(principal, given.member), given.streak),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return BuyStreakFreezeSuccess(
            member=strawberry.ID(done.member),
            streak=done.streak,
            at=written(done.at),
            freezes_held=done.held,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )

    @mutation(
        "Take up a member's streak that broke, at the program's present, on the terms of the program: its length comes back as if the"
        " periods that she missed had been frozen, and what she has done since counts too.",
        EVENTS_WRITE_OR_OWN,
    )
    async def restore_streak(
        self,
        info: Info,
        given: Annotated[RestoreStreakInput, strawberry.argument(name="input", description="Whose, and which.")],
    ) -> RestoreStreakResult:
        """Keep it as a fact."""
        principal, resources = info.context.principal, resources_of(info)
        if given.by_staff and principal.member is not None:
            raise Forbidden("A member's own token restores a streak on the program's terms alone.", "byStaff")
        done = await streaks.restore(
            resources.database,
            resources.programs,
            principal.program,
            RestoreStreak(member_of(principal, given.member), given.streak, given.by_staff),
            principal=principal.name,
            key=given.idempotency_key,
        )
        await resources.drain.settled(principal.program)
        aside = await aside_of(info, [(done.member, done.effects)])
        return RestoreStreakSuccess(
            member=strawberry.ID(done.member),
            streak=done.streak,
            at=written(done.at),
            current=done.current,
            replayed=done.replayed,
            effects=shown(done.effects, done.member, aside),
        )
