"""Leaderboards: a page from the top, the places around a member, or the top as it changes; and one's own score beside it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Final

import msgspec
import strawberry

from achievements import periods
from achievements.ranking import Contest
from achievements.ranking import Leaderboard as Definition
from achievements.states import MemberState
from engagement.actions.programs import Loaded
from engagement.api.asides import selects
from engagement.api.pagination import BoardCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import BOARDS_READ, Info, query, still_valid, subscription
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import MEMBER
from engagement.errors import InvalidInput, NotFound, Refusal
from engagement.records import members, standings
from engagement.records.standings import Own
from engagement.records.unit import Unit
from engagement.relay.placing import Place

SNAPSHOT_SECONDS: Final = 0.25
"""The least time between two snapshots: what changes meanwhile is told in one."""


class LeaderboardNotFound(NotFound):
    """No board of that key is in force."""

    code = "LEADERBOARD_NOT_FOUND"


class NotOnLeaderboard(NotFound):
    """The member scored nothing in that period."""

    code = "MEMBER_NOT_ON_LEADERBOARD"


@strawberry.enum(description="Why a member who has scored is not ranked.")
class Unranked(Enum):
    """What keeps a score off a board."""

    HIDDEN = strawberry.enum_value("HIDDEN", description="She has left the leaderboards.")
    BELOW_MINIMUM = strawberry.enum_value("BELOW_MINIMUM", description="Her score is below the board's `minimumScore`.")


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


class _Asked(msgspec.Struct, frozen=True):
    """A board of the program, one of its periods and groups, and whose own score is shown beside it."""

    definition: Definition
    contest: Contest
    starts_at: datetime | None
    ends_at: datetime | None
    member: str | None = None
    own: Own | None = None

    @property
    def unranked(self) -> Unranked | None:
        """Why the member is not ranked, though she has scored."""
        if self.own is None:
            return None
        if self.own.hidden:
            return Unranked.HIDDEN
        least = self.definition.minimum_score
        return Unranked.BELOW_MINIMUM if least is not None and self.own.score < least else None


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
        asked = await _asked(info, key, period, group, around)
        if around is None:
            return await _top(info, asked, size, after)
        if asked.own is None or asked.own.group != asked.contest.group:
            raise NotOnLeaderboard("This member scored nothing in this period of the leaderboard.", "around")
        boards, program = resources_of(info).boards, info.context.principal.program
        total = await boards.total(program, asked.contest)
        return await _page(info, asked, await boards.around(program, asked.contest, around, size), total)


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
    await _asked(info, key, None, group, None)
    async with resources_of(info).hub.subscribe_to_board(info.context.principal.program, key) as wakes:
        while True:
            try:
                found = await _top(info, await _asked(info, key, None, group, None), size)
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


async def _top(info: Info, asked: _Asked, size: int, after: str | None = None) -> Leaderboard:
    """A page from the top, or after a cursor."""
    boards, program = resources_of(info).boards, info.context.principal.program
    total = await boards.total(program, asked.contest)
    offset = 0 if after is None else _offset(after, asked.contest)
    return await _page(info, asked, await boards.top(program, asked.contest, size, offset), total)


async def _page(info: Info, asked: _Asked, places: list[Place], total: int) -> Leaderboard:
    contest, definition = asked.contest, asked.definition
    # The page is read a moment after the count, and somebody may have scored meanwhile.
    total = max([total, *(each.number for each in places)])
    withheld = definition.minimum_cohort is not None and total < definition.minimum_cohort
    if withheld:
        places = [each for each in places if each.external_id == asked.member]
    cursors = [cursor_of(BoardCursor(contest.board, contest.period, each.number, contest.group)) for each in places]
    aliases = await _aliases(info, places)
    return Leaderboard(
        key=contest.board,
        name=definition.title,
        period=contest.period,
        group=contest.group or None,
        starts_at=written_or_none(asked.starts_at),
        ends_at=written_or_none(asked.ends_at),
        total=total,
        minimum_score=None if definition.minimum_score is None else Points(definition.minimum_score),
        minimum_cohort=definition.minimum_cohort,
        withheld=Withheld.TOO_FEW_MEMBERS if withheld else None,
        entries=[LeaderboardEntry.of(each, aliases.get(each.external_id)) for each in places],
        own=await _own(info, asked),
        page_info=PageInfo(
            has_next_page=not withheld and bool(places) and places[-1].number < total,
            has_previous_page=not withheld and bool(places) and places[0].number > 1,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    )


async def _own(info: Info, asked: _Asked) -> LeaderboardStanding | None:
    if asked.own is None or asked.member is None or asked.own.group != asked.contest.group:
        return None
    rank = None
    if asked.unranked is None and selects(info._raw_info, "own"):  # noqa: SLF001 — as in `asides`.
        (rank,) = await resources_of(info).boards.ranks(info.context.principal.program, [(asked.contest, asked.member)])
    return LeaderboardStanding(
        member=strawberry.ID(asked.member),
        rank=rank,
        score=Points(asked.own.score),
        reached_at=written(asked.own.reached_at),
        unranked=asked.unranked,
    )


async def _aliases(info: Info, places: list[Place]) -> dict[str, str]:
    if not places or not selects(info._raw_info, "alias"):  # noqa: SLF001 — as in `asides`.
        return {}
    wanted = [each.external_id for each in places]
    return await resources_of(info).read(info.context.principal, partial(members.aliases, external_ids=wanted))


async def _asked(info: Info, key: str, period: str | None, group: str | None, around: str | None) -> _Asked:
    """What is to be read: a board in a period, of a group, and the score of the member who is asked about."""
    resources, principal = resources_of(info), info.context.principal
    member = principal.member if around is None else around

    async def look(unit: Unit) -> _Asked:
        loaded = await resources.programs.load(unit)
        asked = _period(loaded, key, period)
        contest, by = asked.contest, asked.definition.group_by
        # No member's id has a zero in it, and PostgreSQL refuses to look for one.
        known = member is not None and "\0" not in member
        own = await standings.own(unit, contest.board, contest.period, member) if known and member else None
        if by is None and group is not None:
            raise InvalidInput("This leaderboard has no groups.", "group")
        found = group
        if by is not None and found is None and member is not None:
            found = own.group if own is not None else await _group_of(unit, loaded, member if known else "", by)
        if by is not None and (found is None or "\0" in found):
            raise InvalidInput("Say which group: this leaderboard has one for each.", "group")
        return msgspec.structs.replace(asked, contest=contest._replace(group=found or ""), member=member, own=own)

    return await resources.read(principal, look)


async def _group_of(unit: Unit, loaded: Loaded, member: str, by: str) -> str | None:
    """The group in which a member would compete if she scored now."""
    rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
    found = await members.find(unit, member)
    state = MemberState() if found is None else (await members.states(unit, [found.id]))[found.id].state
    return rules.members.group(by, state)


def _period(loaded: Loaded, key: str, period: str | None) -> _Asked:
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
        return _Asked(definition, definition.contest(""), None, None)
    starts_at, ends_at = periods.start(calendar, index, rules.zone), periods.end(calendar, index, rules.zone)
    return _Asked(definition, definition.contest(periods.name(calendar, index)), starts_at, ends_at)


def _offset(after: str, contest: Contest) -> int:
    place = place_of(after)
    if not isinstance(place, BoardCursor) or (place.board, place.period, place.group) != contest.place:
        raise InvalidCursor("This cursor points into another list.", "after")
    return place.rank
