"""Holds: points set aside for something under way, captured, voided, or free again by themselves."""

from typing import Annotated, TypeAlias

import strawberry

from engagement.actions import holds, screens
from engagement.actions.holds import CaptureHold, HoldChanged, HoldPoints, VoidHold
from engagement.api.asides import aside_of
from engagement.api.effects import Effect, shown
from engagement.api.movements import HoldState
from engagement.api.pagination import HoldsCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import MEMBERS_READ_OR_OWN, POINTS_WRITE, Info, member_of, mutation, query
from engagement.api.refusals import (
    HoldNotOpenError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    LimitExceededError,
    MemberErasedError,
    NotEnoughPointsError,
    NotFoundError,
    TryAgainError,
)
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import IDEMPOTENCY_KEY, MEMBER
from engagement.records import holds as records
from engagement.records.members import Member
from engagement.records.unit import Unit


@strawberry.type(description="Points of a member that were set aside.")
class Hold:
    """A hold as it is now."""

    id: strawberry.ID = strawberry.field(description="Its id, by which it is captured or voided.")
    member: strawberry.ID = strawberry.field(description=MEMBER)
    currency: str = strawberry.field(description="The key of the currency.")
    points: Points = strawberry.field(description="How many were set aside.")
    source: str = strawberry.field(description="What for.")
    state: HoldState = strawberry.field(description="What became of it.")
    captured: Points = strawberry.field(description="How many of them were spent.")
    at: DateTime = strawberry.field(description="When they were set aside.")
    until: DateTime = strawberry.field(description="When they come free by themselves, where nothing is done before.")
    ended_at: DateTime | None = strawberry.field(description="When it ended; null while it is open.")

    @classmethod
    def of(cls, member: str, held: records.Hold) -> "Hold":
        """As clients read it."""
        return cls(
            id=strawberry.ID(str(held.id)),
            member=strawberry.ID(member),
            currency=held.currency,
            points=Points(held.points),
            source=held.source,
            state=HoldState[held.state.upper()],
            captured=Points(held.captured),
            at=written(held.at),
            until=written(held.until),
            ended_at=written_or_none(held.ended_at),
        )


@strawberry.type(description="A hold on a page.")
class HoldEdge:
    """Relay's edge."""

    node: Hold = strawberry.field(description="The hold.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of a member's holds, newest first.")
class HoldConnection:
    """Relay's connection."""

    edges: list[HoldEdge] = strawberry.field(description="The holds on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.input(description="Points to be set aside.")
class HoldPointsInput:
    """Whose, how many, and for what."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    points: Points = strawberry.field(description="How many.")
    source: str = strawberry.field(
        description=f"What for, like the number of an order: 1 to {holds.SOURCE_CHARACTERS_MAX} characters."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    currency: str | None = strawberry.field(
        default=None, description="The key of the currency; may be left out where the program has only one."
    )
    seconds: int = strawberry.field(
        default=holds.HOLD_SECONDS,
        description=f"After how many seconds they come free by themselves, at most {holds.HOLD_SECONDS_MAX}.",
    )


@strawberry.input(description="A hold whose points are spent.")
class CaptureHoldInput:
    """Which, and how much of it."""

    hold: strawberry.ID = strawberry.field(description="The id of the hold.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
    points: Points | None = strawberry.field(
        default=None,
        description="How many of its points are spent; all of them where it is left out. The rest comes free.",
    )


@strawberry.input(description="A hold whose points come free.")
class VoidHoldInput:
    """Which."""

    hold: strawberry.ID = strawberry.field(description="The id of the hold.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.type(description="A hold as it is now, and what that changed for the member.")
class HoldSuccess:
    """What was done."""

    hold: Hold = strawberry.field(description="The hold.")
    replayed: bool = strawberry.field(description="Whether this answers an earlier request with the same key.")
    effects: list[Effect] = strawberry.field(description="What was told to the member.")


HoldPointsResult: TypeAlias = Annotated[
    HoldSuccess
    | NotEnoughPointsError
    | InvalidInputError
    | NotFoundError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("HoldPointsResult", description="What became of setting points aside."),
]
CaptureHoldResult: TypeAlias = Annotated[
    HoldSuccess
    | HoldNotOpenError
    | LimitExceededError
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("CaptureHoldResult", description="What became of spending points that were held."),
]
VoidHoldResult: TypeAlias = Annotated[
    HoldSuccess
    | HoldNotOpenError
    | NotFoundError
    | InvalidInputError
    | MemberErasedError
    | IdempotencyKeyReusedError
    | TryAgainError,
    strawberry.union("VoidHoldResult", description="What became of letting points come free."),
]


@strawberry.type
class HoldsQuery:
    """The fields of the root about holds."""

    @query(
        "A member's holds, newest first. A key says which member; a member's token shows her own.", MEMBERS_READ_OR_OWN
    )
    async def holds(
        self,
        info: Info,
        member: Annotated[strawberry.ID | None, strawberry.argument(description=MEMBER)] = None,
        only_open: Annotated[bool, strawberry.argument(description="Leave out those that have ended.")] = False,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> HoldConnection:
        """A page, stable while holds are added."""
        external_id = member_of(info.context.principal, member)
        size = page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, HoldsCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        resources = resources_of(info)

        async def work(unit: Unit) -> tuple[Member, list[records.Hold]]:
            whose = await screens.found(unit, external_id)
            before = None if place is None else (place.at, place.hold)
            return whose, await records.page(unit, whose.id, before, size + 1, only_open=only_open)

        whose, found = await resources.read(info.context.principal, work)
        edges = [
            HoldEdge(node=Hold.of(whose.external_id, each), cursor=cursor_of(HoldsCursor(each.at, each.id)))
            for each in found[:size]
        ]
        cursors = [each.cursor for each in edges]
        return HoldConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))


@strawberry.type
class HoldsMutation:
    """The mutations about holds."""

    @mutation(
        "Set points of a member aside for something under way: she cannot spend them otherwise, and they do not end meanwhile. Then"
        " `captureHold` spends them, or `voidHold` lets them come free, or they come free by themselves: exactly one of these.",
        POINTS_WRITE,
    )
    async def hold_points(
        self,
        info: Info,
        given: Annotated[HoldPointsInput, strawberry.argument(name="input", description="Whose, and how many.")],
    ) -> HoldPointsResult:
        """Set them aside."""
        resources, principal = resources_of(info), info.context.principal
        command = HoldPoints(given.member, given.points, given.source, given.currency, given.seconds)
        done = await holds.hold_points(
            resources.database,
            resources.programs,
            principal.program,
            command,
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation(
        "Spend points that are held, all of them or a part: the rest comes free. Within the limits of the key.",
        POINTS_WRITE,
    )
    async def capture_hold(
        self,
        info: Info,
        given: Annotated[CaptureHoldInput, strawberry.argument(name="input", description="Which hold.")],
    ) -> CaptureHoldResult:
        """Spend them."""
        resources, principal = resources_of(info), info.context.principal
        done = await holds.capture_hold(
            resources.database,
            resources.programs,
            principal.program,
            CaptureHold(given.hold, given.points),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)

    @mutation("Let points that are held come free: nothing came of what they were set aside for.", POINTS_WRITE)
    async def void_hold(
        self,
        info: Info,
        given: Annotated[VoidHoldInput, strawberry.argument(name="input", description="Which hold.")],
    ) -> VoidHoldResult:
        """Give them free."""
        resources, principal = resources_of(info), info.context.principal
        done = await holds.void_hold(
            resources.database,
            resources.programs,
            principal.program,
            VoidHold(given.hold),
            principal=principal.name,
            key=given.idempotency_key,
        )
        return await _told(info, done)


async def _told(info: Info, done: HoldChanged) -> HoldSuccess:
    await resources_of(info).drain.settled(info.context.principal.program)
    aside = await aside_of(info, [(done.member, done.effects)])
    return HoldSuccess(
        hold=Hold.of(done.member, done.hold), replayed=done.replayed, effects=shown(done.effects, done.member, aside)
    )
