"""Leaderboards: a page from the top, the places around a member, or the top as it changes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Final

import msgspec
import strawberry

from achievements import periods
from achievements.ranking import Leaderboard as Definition
from engagement.actions.programs import Loaded
from engagement.api.pagination import BoardCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import BOARDS_READ, Info, query, still_valid, subscription
from engagement.api.resources import Resources, resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.errors import InvalidInput, NotFound, Refusal
from engagement.relay.placing import Place

SNAPSHOT_SECONDS: Final = 0.25
"""The least time between two snapshots: what changes meanwhile is told in one."""


class LeaderboardNotFound(NotFound):
    """No board of that key is in force."""

    code = "LEADERBOARD_NOT_FOUND"


class NotOnLeaderboard(NotFound):
    """The member scored nothing in that period."""

    code = "MEMBER_NOT_ON_LEADERBOARD"


@strawberry.type(description="A member's place on a leaderboard.")
class LeaderboardEntry:
    """One row of a board."""

    rank: int = strawberry.field(description="From 1; equal scores share one where the board says so.")
    member: strawberry.ID = strawberry.field(description="The app's own id of the member.")
    score: Points = strawberry.field(description="Her score in the period.")
    reached_at: DateTime = strawberry.field(description="When she reached it: among equal scores the earlier is first.")

    @classmethod
    def of(cls, place: Place) -> "LeaderboardEntry":
        """As clients read it."""
        return cls(
            rank=place.rank,
            member=strawberry.ID(place.external_id),
            score=Points(place.score),
            reached_at=written(place.reached_at),
        )


@strawberry.type(description="One period of a leaderboard, with a page of its entries.")
class Leaderboard:
    """A board in one period."""

    key: str = strawberry.field(description="The key that the program gives it.")
    name: str = strawberry.field(description="What people call it.")
    period: str = strawberry.field(description="The period, like `2026-11`; empty for all time.")
    starts_at: DateTime | None = strawberry.field(description="When the period began; null for all time.")
    ends_at: DateTime | None = strawberry.field(description="When it is over; null for all time.")
    total: int = strawberry.field(description="How many members are on it.")
    entries: list[LeaderboardEntry] = strawberry.field(description="Its entries, best first.")
    page_info: PageInfo = strawberry.field(description="Where the page ends; a cursor means the rank it was read at.")


class _Period(msgspec.Struct, frozen=True):
    """A board of the program, and one of its periods."""

    definition: Definition
    written: str
    starts_at: datetime | None
    ends_at: datetime | None


@strawberry.type
class BoardsQuery:
    """The fields of the root about leaderboards."""

    @query(
        "A leaderboard: from the top, after a cursor, or with a member in the middle (`around`). Coded errors:"
        " `LEADERBOARD_NOT_FOUND`, `INVALID_INPUT` (a period of another form), `MEMBER_NOT_ON_LEADERBOARD`.",
        BOARDS_READ,
    )
    async def leaderboard(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description="The key of the leaderboard.")],
        period: Annotated[
            str | None,
            strawberry.argument(description="A period like `2026-11`; the present one of the program where left out."),
        ] = None,
        first: Annotated[int | None, strawberry.argument(description="How many entries, at most 100.")] = 10,
        after: Annotated[str | None, strawberry.argument(description="Begin after the entry of this cursor.")] = None,
        around: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The app's own id of the member to have in the middle; not with `after`."),
        ] = None,
    ) -> Leaderboard:
        """A page of a board."""
        size = page_size(first, 10)
        if around is not None and after is not None:
            raise InvalidInput("Give either `after` or `around`.", "around")
        resources, program = resources_of(info), info.context.principal.program
        loaded = await resources.read(info.context.principal, resources.programs.load)
        shown = _period(loaded, key, period)
        if around is None:
            return await _top(resources, program, shown, size, after)
        total = await resources.boards.total(program, key, shown.written)
        # No member's id has a zero in it, and PostgreSQL refuses to look for one.
        known = "\0" not in around
        places = (
            await resources.boards.around(program, key, shown.written, around, size, shown.definition.ties)
            if known
            else []
        )
        if not places:
            raise NotOnLeaderboard("This member scored nothing in this period of the leaderboard.", "around")
        return _page(shown, places, total)


@strawberry.type
class BoardsSubscription:
    """The subscriptions about leaderboards."""

    @subscription(
        "The top of a leaderboard in its present period: at once, and whenever that changed, at most four times a second."
        " Each snapshot is whole, so nothing has to be caught up with after a lost connection. Coded error:"
        " `LEADERBOARD_NOT_FOUND`.",
        BOARDS_READ,
    )
    async def leaderboard_updates(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description="The key of the leaderboard.")],
        first: Annotated[int | None, strawberry.argument(description="How many entries, at most 100.")] = 10,
    ) -> AsyncGenerator[Leaderboard, None]:
        """Follow until the client leaves, its credential ends or the board is no more."""
        async with aclosing(_snapshots(info, key, page_size(first, 10))) as snapshots:
            async for snapshot in snapshots:
                still_valid(info.context.principal)
                yield snapshot


async def _snapshots(info: Info, key: str, size: int) -> AsyncGenerator[Leaderboard, None]:
    resources, principal = resources_of(info), info.context.principal
    sent: Leaderboard | None = None
    # A key that no board has may hold anything, and is no name for a channel.
    await _present(info, key)
    async with resources.hub.subscribe_to_board(principal.program, key) as wakes:
        while True:
            try:
                found = await _top(resources, principal.program, await _present(info, key), size)
            except Refusal as refusal:
                # While PostgreSQL is away for the moment, who has begun sits it out.
                if sent is None or not refusal.retryable:
                    raise
            else:
                if found != sent:
                    yield found
                sent = found
            await asyncio.sleep(SNAPSHOT_SECONDS)
            await wakes.next()


async def _present(info: Info, key: str) -> _Period:
    """A board in the period that it is now."""
    resources = resources_of(info)
    return _period(await resources.read(info.context.principal, resources.programs.load), key, None)


async def _top(resources: Resources, program: int, shown: _Period, size: int, after: str | None = None) -> Leaderboard:
    """A page from the top, or after a cursor."""
    key = shown.definition.key
    total = await resources.boards.total(program, key, shown.written)
    offset = 0 if after is None else _offset(after, key, shown.written)
    places = await resources.boards.top(program, key, shown.written, size, offset, shown.definition.ties)
    return _page(shown, places, total)


def _page(shown: _Period, places: list[Place], total: int) -> Leaderboard:
    key = shown.definition.key
    cursors = [cursor_of(BoardCursor(key, shown.written, each.number)) for each in places]
    return Leaderboard(
        key=key,
        name=shown.definition.title,
        period=shown.written,
        starts_at=written_or_none(shown.starts_at),
        ends_at=written_or_none(shown.ends_at),
        # The page is read a moment after the count, and somebody may have scored meanwhile.
        total=max([total, *(each.number for each in places)]),
        entries=[LeaderboardEntry.of(each) for each in places],
        page_info=PageInfo(
            has_next_page=bool(places) and places[-1].number < total,
            has_previous_page=bool(places) and places[0].number > 1,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    )


def _period(loaded: Loaded, key: str, period: str | None) -> _Period:
    rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
    boards = rules.program.sections.get("leaderboards", ())
    definition = next((each for each in boards if each.key == key), None)
    if not isinstance(definition, Definition):
        raise LeaderboardNotFound(f"This program has no leaderboard `{key}`.", "key")
    calendar = definition.calendar
    try:
        index = (
            periods.period_at(calendar, loaded.now, rules.zone) if period is None else periods.parse(calendar, period)
        )
    except ValueError as error:
        raise InvalidInput(str(error), "period") from error
    if calendar is periods.Calendar.LIFETIME:
        return _Period(definition, "", None, None)
    starts_at, ends_at = periods.start(calendar, index, rules.zone), periods.end(calendar, index, rules.zone)
    return _Period(definition, periods.name(calendar, index), starts_at, ends_at)


def _offset(after: str, key: str, period: str) -> int:
    place = place_of(after)
    if not isinstance(place, BoardCursor) or (place.board, place.period) != (key, period):
        raise InvalidCursor("This cursor points into another list.", "after")
    return place.rank
