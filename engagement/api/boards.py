"""Leaderboards: a page from the top, the places around a member, or the top as it changes; and one's own score beside it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import Enum
from functools import partial
from typing import Annotated, Final

import strawberry

from engagement.api.asides import selects
from engagement.api.contests import Asked, Page, asked_for, own_rank, places_around, top
from engagement.api.pagination import BoardCursor, PageInfo, cursor_of, page_size
from engagement.api.principals import BOARDS_READ, Info, query, still_valid, subscription
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import MEMBER
from engagement.errors import InvalidInput, NotFound, Refusal
from engagement.records import members
from engagement.relay.placing import Place

SNAPSHOT_SECONDS: Final = 0.25
"""The least time between two snapshots: what changes meanwhile is told in one."""


class NotOnLeaderboard(NotFound):
    """The member scored nothing in that period."""

    code = "MEMBER_NOT_ON_LEADERBOARD"


@strawberry.enum(description="Why a member who has scored is not ranked.")
class Unranked(Enum):
    """What keeps a score off a board."""

    HIDDEN = strawberry.enum_value("HIDDEN", description="She has left the leaderboards.")
    BELOW_MINIMUM = strawberry.enum_value("BELOW_MINIMUM", description="Her score is below the board's `minimumScore`.")
    CLOSED = strawberry.enum_value("CLOSED", description="What she scored became known after the board was closed.")


@strawberry.enum(description="Whether something about a period of a leaderboard can change.")
class LeaderboardState(Enum):
    """Where a period stands."""

    OPEN = strawberry.enum_value("OPEN", description="The period is not over.")
    PROVISIONAL = strawberry.enum_value(
        "PROVISIONAL", description="It is over, and what becomes known of it late still counts."
    )
    FINAL = strawberry.enum_value("FINAL", description="It is closed: its standings, and the prizes, stay as they are.")


@strawberry.enum(description="Why the entries of a leaderboard are not shown.")
class Withheld(Enum):
    """What keeps a board from being shown."""

    TOO_FEW_MEMBERS = strawberry.enum_value(
        "TOO_FEW_MEMBERS",
        description="Fewer than `minimumCohort` members are ranked: each of them sees herself alone.",
    )


@strawberry.type(description="A member's place on a leaderboard.")
class LeaderboardEntry:
    """One row of a board."""

    rank: int = strawberry.field(description="From 1; equal scores share one where the board says so.")
    member: strawberry.ID = strawberry.field(description="The app's own id of the member.")
    alias: str | None = strawberry.field(description="The name that she chose to be shown under; null where none.")
    score: Points = strawberry.field(description="Her score in the period.")
    reached_at: DateTime = strawberry.field(description="When she reached it: among equal scores the earlier is first.")

    @classmethod
    def of(cls, place: Place, alias: str | None) -> "LeaderboardEntry":
        """As clients read it."""
        return cls(
            rank=place.rank,
            member=strawberry.ID(place.external_id),
            alias=alias,
            score=Points(place.score),
            reached_at=written(place.reached_at),
        )


@strawberry.type(description="What a member has on a leaderboard herself, ranked or not.")
class LeaderboardStanding:
    """One's own score."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    rank: int | None = strawberry.field(description="Her rank, from 1; null where she is not ranked.")
    score: Points = strawberry.field(description="Her score in the period.")
    reached_at: DateTime = strawberry.field(description="When she reached it.")
    unranked: Unranked | None = strawberry.field(description="Why she is not ranked; null where she is.")


@strawberry.type(description="One period of a leaderboard, of one of its groups, with a page of its entries.")
class Leaderboard:
    """A board in one period."""

    key: str = strawberry.field(description="The key that the program gives it.")
    name: str = strawberry.field(description="What people call it.")
    period: str = strawberry.field(description="The period, like `2026-11`; empty for all time.")
    group: str | None = strawberry.field(description="The group; null on a board without groups.")
    starts_at: DateTime | None = strawberry.field(description="When the period began; null for all time.")
    ends_at: DateTime | None = strawberry.field(description="When it is over; null for all time.")
    state: LeaderboardState = strawberry.field(description="Whether something about it can change.")
    closes_at: DateTime | None = strawberry.field(
        description="From when on the period is closed, as soon as nothing of it is left to be done; null where it never is."
    )
    closed_at: DateTime | None = strawberry.field(description="When it was closed; null where it is not.")
    total: int = strawberry.field(description="How many members are ranked.")
    minimum_score: Points | None = strawberry.field(description="Who has less is not ranked; null where everybody is.")
    minimum_cohort: int | None = strawberry.field(
        description="While fewer members are ranked, nobody is shown; null where that does not matter."
    )
    withheld: Withheld | None = strawberry.field(description="Why `entries` are not shown; null where they are.")
    entries: list[LeaderboardEntry] = strawberry.field(
        description="Its entries, best first; where they are withheld, that of the member who is asked about alone."
    )
    own: LeaderboardStanding | None = strawberry.field(
        description="Of the member of `around`, or whose token this is; null where there is none, or she has not scored."
    )
    page_info: PageInfo = strawberry.field(description="Where the page ends; a cursor means the rank it was read at.")


_GROUP = (
    "One of its groups, on a board that has some; of the member of `around`, or whose token this is, the one that she"
    " competes in where it is left out."
)


@strawberry.type
class BoardsQuery:
    """The fields of the root about leaderboards."""

    @query(
        "A leaderboard: from the top, after a cursor, or with a member in the middle (`around`). Coded errors:"
        " `LEADERBOARD_NOT_FOUND`, `INVALID_INPUT` (a period of another form, or no group), `MEMBER_NOT_ON_LEADERBOARD`.",
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
        group: Annotated[str | None, strawberry.argument(description=_GROUP)] = None,
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
        asked = await asked_for(info, key, period, group, around)
        if around is None:
            return await _shown(info, asked, await top(info, asked, size, after))
        if asked.own_score is None or (asked.unranked is not None and not asked.confided):
            raise NotOnLeaderboard("This member is not on this leaderboard in this period.", "around")
        return await _shown(info, asked, await places_around(info, asked, size))


@strawberry.type
class BoardsSubscription:
    """The subscriptions about leaderboards."""

    @subscription(
        "The top of a leaderboard in its present period: at once, and whenever that changed, at most four times a second."
        " Each snapshot is whole, so nothing has to be caught up with after a lost connection. Coded errors:"
        " `LEADERBOARD_NOT_FOUND`, `INVALID_INPUT` (no group).",
        BOARDS_READ,
    )
    async def leaderboard_updates(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description="The key of the leaderboard.")],
        group: Annotated[str | None, strawberry.argument(description=_GROUP)] = None,
        first: Annotated[int | None, strawberry.argument(description="How many entries, at most 100.")] = 10,
    ) -> AsyncGenerator[Leaderboard, None]:
        """Follow until the client leaves, its credential ends or the board is no more."""
        async with aclosing(_snapshots(info, key, group, page_size(first, 10))) as snapshots:
            async for snapshot in snapshots:
                still_valid(info.context.principal)
                yield snapshot


async def _snapshots(info: Info, key: str, group: str | None, size: int) -> AsyncGenerator[Leaderboard, None]:
    sent: Leaderboard | None = None
    # A key that no board has may hold anything, and is no name for a channel.
    await asked_for(info, key, None, group, None)
    async with resources_of(info).hub.subscribe_to_board(info.context.principal.program, key) as wakes:
        while True:
            try:
                asked = await asked_for(info, key, None, group, None)
                found = await _shown(info, asked, await top(info, asked, size))
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


async def _shown(info: Info, asked: Asked, page: Page) -> Leaderboard:
    contest, definition, places = asked.contest, asked.definition, page.places
    withheld = definition.minimum_cohort is not None and page.total < definition.minimum_cohort
    if withheld:
        places = [each for each in places if asked.confided and each.external_id == asked.member]
    cursors = [cursor_of(BoardCursor(contest.board, contest.period, each.number, contest.group)) for each in places]
    aliases = await _aliases(info, places)
    return Leaderboard(
        key=contest.board,
        name=definition.title,
        period=contest.period,
        group=contest.group or None,
        starts_at=written_or_none(asked.starts_at),
        ends_at=written_or_none(asked.ends_at),
        state=LeaderboardState[asked.state],
        closes_at=written_or_none(asked.closes_at),
        closed_at=written_or_none(asked.closed_at),
        total=page.total,
        minimum_score=None if definition.minimum_score is None else Points(definition.minimum_score),
        minimum_cohort=definition.minimum_cohort,
        withheld=Withheld.TOO_FEW_MEMBERS if withheld else None,
        entries=[LeaderboardEntry.of(each, aliases.get(each.external_id)) for each in places],
        own=await _own(info, asked) if asked.confided or not withheld else None,
        page_info=PageInfo(
            has_next_page=not withheld and bool(places) and places[-1].number < page.total,
            has_previous_page=not withheld and bool(places) and places[0].number > 1,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    )


async def _own(info: Info, asked: Asked) -> LeaderboardStanding | None:
    score = asked.own_score
    if score is None or asked.member is None:
        return None
    # Looked up where it is asked for alone.
    rank = await own_rank(info, asked) if selects(info, "own") else None
    return LeaderboardStanding(
        member=strawberry.ID(asked.member),
        rank=rank,
        score=Points(score[0]),
        reached_at=written(score[1]),
        unranked=None if asked.unranked is None else Unranked[asked.unranked],
    )


async def _aliases(info: Info, places: Sequence[Place]) -> dict[str, str]:
    if not places or not selects(info, "alias"):
        return {}
    wanted = [each.external_id for each in places]
    return await resources_of(info).read(info.context.principal, partial(members.aliases, external_ids=wanted))
