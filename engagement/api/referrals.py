"""Referrals: whom a member brought, by whom she was brought, and what became of it."""

from enum import Enum
from typing import Annotated

import strawberry

from engagement.api.pagination import page_size
from engagement.api.principals import MEMBERS_READ, Info, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written, written_or_none
from engagement.api.texts import KEY
from engagement.records import referrals
from engagement.records.unit import Unit


@strawberry.enum(description="What became of a referral that qualified.")
class ReferralStatus(Enum):
    """Where it stands."""

    OPEN = strawberry.enum_value(
        "OPEN", description="It is looked at within seconds; where nobody knows the referrer yet, when she is known."
    )
    PAID = strawberry.enum_value("PAID", description="Both sides were given theirs.")
    REFUSED_SELF = strawberry.enum_value("REFUSED_SELF", description="She named herself; nobody is given anything.")
    REFUSED_CAP = strawberry.enum_value(
        "REFUSED_CAP", description="The referrer had as many as one may have; neither side is given anything."
    )
    REFUSED_ENDED = strawberry.enum_value(
        "REFUSED_ENDED", description="The program has no such referral any more; nobody is given anything."
    )
    WITHDRAWN = strawberry.enum_value(
        "WITHDRAWN", description="It never qualified, as is known now; what was given was taken back."
    )


@strawberry.type(description="A member who was brought by another, and did what that is for.")
class ReferralMade:
    """A referral from outside."""

    referral: str = strawberry.field(description=KEY)
    referrer: strawberry.ID = strawberry.field(description="Who brought her, as the event said: the app's own id.")
    referred: strawberry.ID = strawberry.field(description="Who was brought: the app's own id.")
    qualified_at: DateTime = strawberry.field(description="When it qualified.")
    status: ReferralStatus = strawberry.field(description="What became of it.")
    paid_at: DateTime | None = strawberry.field(description="When both were given theirs; null where they were not.")

    @classmethod
    def of(cls, made: referrals.Made) -> "ReferralMade":
        """As clients read it."""
        return cls(
            referral=made.referral,
            referrer=strawberry.ID(made.referrer),
            referred=strawberry.ID(made.referred),
            qualified_at=written(made.qualified_at),
            status=ReferralStatus[made.status],
            paid_at=written_or_none(made.paid_at),
        )


@strawberry.type
class ReferralsQuery:
    """The fields of the root about referrals."""

    @query(
        "The latest referrals of a member that qualified: those whom she brought, and by whom she was.", MEMBERS_READ
    )
    async def referrals(
        self,
        info: Info,
        member: Annotated[strawberry.ID, strawberry.argument(description="The app's own id of the member.")],
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
    ) -> list[ReferralMade]:
        """The latest first; none for a member of whom nothing was heard."""
        size = page_size(first, 20)
        if "\0" in member:
            return []

        async def work(unit: Unit) -> list[referrals.Made]:
            return await referrals.of_member(unit, member, size)

        return [ReferralMade.of(each) for each in await resources_of(info).read(info.context.principal, work)]
