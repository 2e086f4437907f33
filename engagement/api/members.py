"""Members: their screens, one by one and page by page."""

from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from engagement.actions import screens
from engagement.actions.screens import Screen, WalletShown
from engagement.api.badges import Badge
from engagement.api.boosts import Boost
from engagement.api.challenges import Challenge
from engagement.api.pagination import (
    FIRST_MAX,
    FeedCursor,
    InvalidCursor,
    MembersCursor,
    PageInfo,
    cursor_of,
    member_id_of,
    node_id,
    page_size,
    place_of,
)
from engagement.api.principals import MEMBERS_READ, MEMBERS_READ_OR_OWN, OWN_TOKEN, Info, Principal, member_of, query
from engagement.api.resources import resources_of
from engagement.api.rewards import Goal
from engagement.api.scalars import DateTime, Points, written
from engagement.api.streaks import Streak
from engagement.api.texts import MEMBER, NAME
from engagement.api.tiers import Tier
from engagement.errors import InvalidInput
from engagement.records import members
from engagement.records.ledger import Expiry as Ending
from engagement.records.unit import Unit


@strawberry.interface(description="An object that `node` finds again by its id.")
class Node:
    """Relay's global object identification."""

    id: strawberry.ID = strawberry.field(description="An opaque id, unique over all types.")


@strawberry.type(description="Points that end together.")
class Expiry:
    """The soonest end."""

    points: Points = strawberry.field(description="How many end then, if they are not spent before.")
    at: DateTime = strawberry.field(description="The first instant at which they can no longer be spent.")

    @classmethod
    def of(cls, ending: Ending) -> "Expiry":
        """As clients read it."""
        return cls(points=Points(ending.points), at=written(ending.at))


@strawberry.type(description="What a member has of one currency, at her `asOf`.")
class Wallet:
    """One currency of one member."""

    currency: str = strawberry.field(description="The key of the currency.")
    name: str = strawberry.field(description=NAME)
    balance: Points = strawberry.field(description="What can be spent, less what is owed.")
    earned: Points = strawberry.field(description="Everything ever earned.")
    spent: Points = strawberry.field(description="Everything ever spent.")
    expired: Points = strawberry.field(description="What came to its end unspent.")
    reversed: Points = strawberry.field(description="What was taken back because its cause never was.")
    adjusted: Points = strawberry.field(description="What the program's people gave, less what they took.")
    transferred: Points = strawberry.field(description="What came from other members, less what went to them.")
    pending: Points = strawberry.field(description="Earned, and not yet to be spent: beside the balance.")
    held: Points = strawberry.field(description="Set aside for something under way: beside the balance.")
    debt: Points = strawberry.field(description="Taken back after it was spent; paid by the next points.")
    next_expiry: Expiry | None = strawberry.field(description="What ends next; null where nothing does.")

    @classmethod
    def of(cls, shown: WalletShown) -> "Wallet":
        """As clients read it."""
        held = shown.wallet
        return cls(
            currency=held.currency,
            name=shown.name,
            balance=Points(held.balance),
            earned=Points(held.earned),
            spent=Points(held.spent),
            expired=Points(held.expired),
            reversed=Points(held.reversed),
            adjusted=Points(held.adjusted),
            transferred=Points(held.transferred),
            pending=Points(held.pending),
            held=Points(held.held),
            debt=Points(held.debt),
            next_expiry=None if shown.next_expiry is None else Expiry.of(shown.next_expiry),
        )


@strawberry.type(
    description="A member with her whole screen: every currency, streak, challenge, badge and tier of the program."
)
class Member(Node):
    """Built whole by one read."""

    external_id: strawberry.ID = strawberry.field(description=MEMBER)
    timezone: str = strawberry.field(description="Her IANA time zone; the program's where she has none of her own.")
    alias: str | None = strawberry.field(
        description="The name that she chose to be shown under on leaderboards; null where none."
    )
    hidden: bool = strawberry.field(description="Whether she has left the leaderboards.")
    attributes: JSON = strawberry.field(
        description="The attributes that the program defines and the app has set of her, as a JSON object; without defaults."
    )
    segments: list[str] | None = strawberry.field(
        description="The keys of the segments that she is in at this present; null for a member's token, as they are the"
        " program's own view of her."
    )
    created_at: DateTime = strawberry.field(description="When the program first heard of her.")
    as_of: DateTime = strawberry.field(description="The program's present, at which all this holds.")
    cursor: str = strawberry.field(description="For `memberUpdates(after:)`: everything up to here is shown already.")
    wallets: list[Wallet] = strawberry.field(description="What she has of each currency.")
    streaks: list[Streak] = strawberry.field(description="Every streak of the program, by key.")
    challenges: list[Challenge] = strawberry.field(description="Every challenge of the program, by key.")
    badges: list[Badge] = strawberry.field(
        description="Every badge of the program, by key; of those that are hidden, a member's own token sees what she holds."
    )
    boosts: list[Boost] = strawberry.field(description="The boosts that rewards gave her and that have not ended.")
    tiers: list[Tier] = strawberry.field(description="Where she stands on every ladder of the program, by key.")
    goal: Goal | None = strawberry.field(
        description="The reward that she saves towards; null where none, or the program has it no more."
    )

    @classmethod
    def of(cls, screen: Screen, principal: Principal) -> "Member":
        """As this client may read it: a member does not see what is hidden from her."""
        return cls(
            id=node_id("Member", screen.member.id),
            external_id=strawberry.ID(screen.member.external_id),
            timezone=screen.zone,
            alias=screen.member.alias,
            hidden=screen.hidden,
            attributes=JSON(screen.attributes),
            segments=None if principal.member is not None else [*screen.segments],
            created_at=written(screen.member.created_at),
            as_of=written(screen.as_of),
            cursor=cursor_of(FeedCursor(screen.member.id, screen.seq)),
            wallets=[Wallet.of(each) for each in screen.wallets],
            streaks=[Streak.of(each) for each in screen.streaks],
            challenges=[Challenge.of(each) for each in screen.challenges],
            badges=[Badge.of(each) for each in screen.badges if principal.member is None or not each.secret],
            boosts=[Boost.of(each) for each in screen.boosts],
            tiers=[Tier.of(each) for each in screen.tiers],
            goal=None if screen.goal is None else Goal.of(screen.goal),
        )


@strawberry.type(description="A member on a page.")
class MemberEdge:
    """Relay's edge."""

    node: Member = strawberry.field(description="The member.")
    cursor: str = strawberry.field(description="Points to her place, for `after`.")


@strawberry.type(description="A page of members.")
class MemberConnection:
    """Relay's connection."""

    edges: list[MemberEdge] = strawberry.field(description="The members on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type
class MembersQuery:
    """The fields of the root about members."""

    @query("The member whose token this is.", OWN_TOKEN)
    async def me(self, info: Info) -> Member:
        """Her own screen."""
        return await _of_external_id(info, member_of(info.context.principal, None))

    @query("A member by the app's own id; `MEMBER_NOT_FOUND` where nothing of her was recorded.", MEMBERS_READ)
    async def member(
        self,
        info: Info,
        external_id: Annotated[strawberry.ID, strawberry.argument(description=MEMBER)],
    ) -> Member:
        """Anybody's screen."""
        return await _of_external_id(info, external_id)

    @query("The members by the app's own id, in the order of code points.", MEMBERS_READ)
    async def members(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> MemberConnection:
        """A page, stable while members are added."""
        size = page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, MembersCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        resources = resources_of(info)

        async def work(unit: Unit) -> tuple[list[Screen], bool]:
            loaded = await resources.programs.load(unit)
            shown = await members.page(unit, None if place is None else place.external_id, size + 1, former=False)
            return await screens.read(unit, loaded, shown[:size]), len(shown) > size

        principal = info.context.principal
        page, more = await resources.read(principal, work)
        edges = [
            MemberEdge(node=Member.of(each, principal), cursor=cursor_of(MembersCursor(each.member.external_id)))
            for each in page
        ]
        cursors = [each.cursor for each in edges]
        return MemberConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=more))

    @query("The object of an id; null for one of another program, and for anything that is no id.", MEMBERS_READ_OR_OWN)
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="An id that this service gave.")],  # noqa: A002
    ) -> Node | None:
        """Relay's refetch of one object."""
        return (await _of_node_ids(info, [id]))[0]

    @query("The objects of several ids, in their order, like `node`.", MEMBERS_READ_OR_OWN)
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Ids that this service gave, at most 100.")
        ],
    ) -> list[Node | None]:
        """Relay's refetch of many."""
        if len(ids) > FIRST_MAX:
            raise InvalidInput(f"Ask for at most {FIRST_MAX} ids at a time.", "ids")
        return await _of_node_ids(info, ids)


async def _of_external_id(info: Info, external_id: str) -> Member:
    principal = info.context.principal
    return Member.of(await resources_of(info).reader.screen(principal.program, external_id), principal)


async def _of_node_ids(info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
    asked = [member_id_of(each) for each in ids]
    wanted = list(dict.fromkeys(each for each in asked if each is not None))
    if not wanted:
        return [None for _ in ids]
    resources = resources_of(info)
    principal = info.context.principal

    async def work(unit: Unit) -> list[Screen]:
        held = (await members.of_ids(unit, wanted)).values()
        shown = [each for each in held if _may_see(principal, each)]
        return await screens.read(unit, await resources.programs.load(unit), shown)

    found: dict[UUID, Node] = {
        screen.member.id: Member.of(screen, principal) for screen in await resources.read(principal, work)
    }
    return [None if each is None else found.get(each) for each in asked]


def _may_see(principal: Principal, member: members.Member) -> bool:
    return principal.member in (None, member.external_id)
