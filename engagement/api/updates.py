"""Following a member live: nothing is lost between two connections, and nothing is told twice.

What is sent is always read from PostgreSQL, in the order of the feed. Redis only says when to look.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec
import strawberry

from engagement.actions import screens
from engagement.actions.programs import Loaded
from engagement.actions.screens import Screen
from engagement.api import members
from engagement.api.activity import ActivityItem, feed_place_of, own
from engagement.api.asides import aside_of
from engagement.api.pagination import FeedCursor, cursor_of
from engagement.api.principals import MEMBERS_READ_OR_OWN, Info, member_of, still_valid, subscription
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, written
from engagement.errors import MemberErased, Refusal
from engagement.records import activity
from engagement.records.activity import Item
from engagement.records.members import Member
from engagement.records.unit import Unit

HEARTBEAT_SECONDS: Final = 25.0
"""After so much silence a client hears where it stands."""
BEHIND_MAX: Final = 1_000
"""How many items are sent one by one; who is further behind starts afresh."""
_PAGE: Final = 100


@strawberry.type(description="Start afresh from this snapshot: items before it are not sent.")
class Reset:
    """A whole screen in place of items."""

    member: members.Member = strawberry.field(description="The member as she is now.")
    cursor: str = strawberry.field(description="Where the updates go on from.")
    reason: str = strawberry.field(
        description="`NO_CURSOR`, `TOO_FAR_BEHIND` (over 1,000 items), `UNKNOWN_PLACE` (the feed has no such item) or `OTHER_MEMBER` (the"
        " id leads to another since two members became one, or are two again)."
    )


@strawberry.type(description="Nothing is new; sent after 25 seconds of silence.")
class Heartbeat:
    """A sign of life."""

    cursor: str = strawberry.field(description="Everything up to here has been sent.")
    at: DateTime = strawberry.field(description="What time it is in the program.")


MemberUpdate: TypeAlias = Annotated[
    ActivityItem | Reset | Heartbeat,
    strawberry.union("MemberUpdate", description="What a follower of a member hears."),
]


class _Look(msgspec.Struct, frozen=True):
    """What one look at the feed found: the next items, or a screen where these cannot be sent, with the reason. Nothing where the id leads to
    another `member` by now.
    """

    loaded: Loaded
    member: UUID
    items: list[Item] = []
    screen: Screen | None = None
    reason: str = ""


@strawberry.type
class UpdatesSubscription:
    """The subscriptions of members."""

    @subscription(
        "What changes for a member, in order and without gaps: the items after a cursor, then live ones. Without a cursor,"
        " or with one too far behind, a `Reset` comes first. Reconnect with the last cursor received. `INVALID_CURSOR`:"
        " a cursor of something else. A key says which member; a member's token follows her own.",
        MEMBERS_READ_OR_OWN,
    )
    async def member_updates(
        self,
        info: Info,
        after: Annotated[
            str | None, strawberry.argument(description="The last cursor received, or that of a screen.")
        ] = None,
        member: Annotated[
            strawberry.ID | None, strawberry.argument(description="The app's own id of the member.")
        ] = None,
    ) -> AsyncGenerator[MemberUpdate, None]:
        """Follow until the client leaves or its credential ends."""
        principal, resources = info.context.principal, resources_of(info)
        external_id = member_of(principal, member)
        place = None if after is None else feed_place_of(after)
        whose = own(place, await resources.read(principal, lambda unit: screens.found(unit, external_id)))
        seq, reason = None if place is None else place.seq, "NO_CURSOR"
        while True:
            async with aclosing(_updates(info, external_id, whose, seq, reason)) as updates:
                async for update in updates:
                    still_valid(principal)
                    yield update
            whose = await resources.read(principal, lambda unit: screens.found(unit, external_id))
            seq, reason = None, "OTHER_MEMBER"


async def _updates(
    info: Info, name: str, member: Member, seq: int | None, reason: str
) -> AsyncGenerator[MemberUpdate, None]:
    """What changes for a member, as long as the name leads to her; without a place to go on from, a screen first, for this reason."""
    # Listening begins before the first look, so that nothing can come between the two.
    async with resources_of(info).hub.subscribe(info.context.principal.program, member.id) as wakes:
        spoken = time.monotonic()
        while True:
            looked = await _patiently(info, name, member, seq, reason)
            if looked is not None and looked.member != member.id:
                return
            if looked is not None and looked.screen is not None:
                seq = looked.screen.seq
                cursor = cursor_of(FeedCursor(member.id, seq))
                yield Reset(
                    member=members.Member.of(looked.screen, info.context.principal), cursor=cursor, reason=looked.reason
                )
                spoken = time.monotonic()
            elif looked is not None and looked.items:
                aside = await aside_of(
                    info, [(member.external_id, each.effects) for each in looked.items], looked.loaded.rulebook
                )
                for item in looked.items:
                    seq = item.seq
                    yield ActivityItem.of(member, item, aside)
                spoken = time.monotonic()
                if len(looked.items) == _PAGE:
                    continue
            elif looked is not None and seq is not None and time.monotonic() - spoken >= HEARTBEAT_SECONDS:
                yield Heartbeat(cursor=cursor_of(FeedCursor(member.id, seq)), at=written(looked.loaded.now))
                spoken = time.monotonic()
            # What was heard of and is sent already needs no look.
            while (heard := await wakes.next(_patience(spoken))) is not None and seq is not None and heard <= seq:
                pass


def _patience(spoken: float) -> float:
    # Never none at all: while PostgreSQL is away, the heartbeat is overdue.
    return max(spoken + HEARTBEAT_SECONDS - time.monotonic(), 0.1)


async def _patiently(info: Info, name: str, member: Member, seq: int | None, reason: str) -> _Look | None:
    """Look at the feed; None where PostgreSQL is away for the moment, which a follower who has begun sits out."""
    try:
        return await resources_of(info).read(
            info.context.principal, lambda unit: _look(unit, info, name, member, seq, reason)
        )
    except Refusal as refusal:
        if seq is None or not refusal.retryable:
            raise
        return None


async def _look(unit: Unit, info: Info, name: str, member: Member, seq: int | None, why: str) -> _Look:
    loaded = await resources_of(info).programs.load(unit)
    newest = await activity.newest(unit, name)
    if newest is None:
        raise MemberErased("The member was erased; there is nothing more to follow.")
    whose, last = newest
    if whose != member.id:
        return _Look(loaded, whose)
    reason = ""
    items: list[Item] = []
    if seq is None:
        reason = why
    elif last - seq > BEHIND_MAX:
        reason = "TOO_FAR_BEHIND"
    elif seq > last:
        reason = "UNKNOWN_PLACE"
    elif last > seq:
        items = await activity.after(unit, member.id, seq, _PAGE)
        if items[0].seq != seq + 1:
            reason = "UNKNOWN_PLACE"
    if not reason:
        return _Look(loaded, whose, items)
    return _Look(loaded, whose, screen=(await screens.read(unit, loaded, [member]))[0], reason=reason)
