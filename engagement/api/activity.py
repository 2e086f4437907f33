"""The feed: what a member was told, page by page. Following it live is in `updates`."""

from typing import Annotated

import strawberry

from engagement.actions import screens
from engagement.api.asides import aside_of
from engagement.api.effects import Aside, Effect, shown
from engagement.api.pagination import FeedCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import MEMBERS_READ_OR_OWN, Info, member_of, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.records import activity
from engagement.records.activity import Item
from engagement.records.members import Member
from engagement.records.unit import Unit


@strawberry.type(description="What one event, or time, changed for a member.")
class ActivityItem:
    """An item of the feed."""

    cursor: str = strawberry.field(description="Its place in the member's feed.")
    at: DateTime = strawberry.field(description="When it took effect.")
    booked_at: DateTime = strawberry.field(description="When it became known.")
    event_id: strawberry.ID | None = strawberry.field(description="The event behind it; null where time brought it.")
    effects: list[Effect] = strawberry.field(description="What changed, in order.")

    @classmethod
    def of(cls, member: Member, item: Item, aside: Aside) -> "ActivityItem":
        """As clients read it."""
        return cls(
            cursor=cursor_of(FeedCursor(member.id, item.seq)),
            at=written(item.at),
            booked_at=written(item.booked_at),
            event_id=None if item.event_id is None else strawberry.ID(item.event_id),
            effects=shown(item.effects, member.external_id, aside),
        )


@strawberry.type(description="An item on a page of a feed.")
class ActivityEdge:
    """Relay's edge."""

    node: ActivityItem = strawberry.field(description="The item.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of a member's feed, newest first.")
class ActivityConnection:
    """Relay's connection."""

    edges: list[ActivityEdge] = strawberry.field(description="The items on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type
class ActivityQuery:
    """The fields of the root about feeds."""

    @query(
        "A member's feed, newest first. A key says which member; a member's token shows her own.", MEMBERS_READ_OR_OWN
    )
    async def activity(
        self,
        info: Info,
        member: Annotated[
            strawberry.ID | None, strawberry.argument(description="The app's own id of the member.")
        ] = None,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> ActivityConnection:
        """A page, stable while items are added."""
        external_id = member_of(info.context.principal, member)
        size = page_size(first, 20)
        place = None if after is None else feed_place_of(after)
        resources = resources_of(info)

        async def work(unit: Unit) -> tuple[Member, list[Item]]:
            whose = own(place, await screens.found(unit, external_id))
            return whose, await activity.before(unit, whose.id, None if place is None else place.seq, size + 1)

        whose, items = await resources.read(info.context.principal, work)
        aside = await aside_of(info, [(external_id, each.effects) for each in items[:size]])
        nodes = [ActivityItem.of(whose, each, aside) for each in items[:size]]
        return ActivityConnection(
            edges=[ActivityEdge(node=each, cursor=each.cursor) for each in nodes],
            page_info=PageInfo.of([each.cursor for each in nodes], after=after, more=len(items) > size),
        )


def feed_place_of(cursor: str) -> FeedCursor:
    """The place in a feed that a cursor points to. Raises `InvalidCursor`."""
    place = place_of(cursor)
    if not isinstance(place, FeedCursor):
        raise InvalidCursor("This cursor points into another list.", "after")
    return place


def own(place: FeedCursor | None, member: Member) -> Member:
    """The member, if the place is in her feed. Raises `InvalidCursor`."""
    if place is not None and place.member != member.id:
        raise InvalidCursor("This cursor points into another member's feed.", "after")
    return member
