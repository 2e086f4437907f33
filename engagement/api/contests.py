"""What is asked about a leaderboard: which period and group, whose own score, and its places, as they are or as they were closed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from achievements import periods
from achievements.periods import Calendar
from achievements.ranking import Contest, Leaderboard
from achievements.states import MemberState
from engagement.actions.programs import Loaded
from engagement.api.pagination import BoardCursor, InvalidCursor, place_of
from engagement.api.principals import Info
from engagement.api.resources import resources_of
from engagement.errors import InvalidInput, NotFound
from engagement.records import closings, members, standings
from engagement.records.closings import Final
from engagement.records.standings import Own
from engagement.records.unit import Unit
from engagement.relay.placing import Place

State: TypeAlias = Literal["OPEN", "PROVISIONAL", "FINAL"]
Unranked: TypeAlias = Literal["HIDDEN", "BELOW_MINIMUM", "CLOSED"]


class LeaderboardNotFound(NotFound):
    """No board of that key is in force."""

    code = "LEADERBOARD_NOT_FOUND"


class Page(msgspec.Struct, frozen=True):
    """Some places, and how many are ranked in all."""

    places: Sequence[Place]
    total: int


class Asked(msgspec.Struct, frozen=True):
    """A board of the program, one of its periods and groups, and the member whose own score is shown beside it.

    `own` is her score as it is now, `final` her place where the period is closed, as it was then. `confided` says that the caller may
    know of her what the board does not show: she does, and so does a key that reads members.
    """

    definition: Leaderboard
    contest: Contest
    starts_at: datetime | None
    ends_at: datetime | None
    closes_at: datetime | None
    state: State
    closed_at: datetime | None = None
    member: str | None = None
    confided: bool = False
    own: Own | None = None
    final: Final | None = None

    @property
    def own_score(self) -> tuple[int, datetime] | None:
        """What the member has in this group, and since when; None where nothing."""
        if self.final is not None:
            return self.final.standing[1:]
        if self.own is None or self.own.group != self.contest.group:
            return None
        return self.own.score, self.own.reached_at

    @property
    def unranked(self) -> Unranked | None:
        """Why the member is not ranked, though she has scored."""
        if self.own is None or self.final is not None:
            return None
        if self.own.hidden:
            return "HIDDEN"
        least = self.definition.minimum_score
        if least is not None and self.own.score < least:
            return "BELOW_MINIMUM"
        return None if self.closed_at is None else "CLOSED"


async def asked_for(info: Info, key: str, period: str | None, group: str | None, around: str | None) -> Asked:
    """What is to be read. Raises `LeaderboardNotFound`, and `InvalidInput` for a period or a group that there is not."""
    resources, principal = resources_of(info), info.context.principal
    member = principal.member if around is None else around
    confided = principal.member == member if principal.member is not None else "members:read" in principal.scopes

    async def look(unit: Unit) -> Asked:
        loaded = await resources.programs.load(unit)
        asked = _period(loaded, key, period)
        if asked.state == "PROVISIONAL" or asked.definition.closes:
            closed_at = await closings.closed_at(unit, *asked.contest.place[:2])
            if closed_at is not None:
                asked = msgspec.structs.replace(asked, state="FINAL", closed_at=closed_at)
        asked = await _with_member(unit, msgspec.structs.replace(asked, confided=confided), member)
        contest = asked.contest._replace(group=await _group(unit, loaded, asked, group))
        final = asked.final if asked.contest.group == contest.group else None
        return msgspec.structs.replace(asked, contest=contest, final=final)

    return await resources.read(principal, look)


async def top(info: Info, asked: Asked, size: int, after: str | None = None) -> Page:
    """A page from the top, or after a cursor."""
    offset = 0 if after is None else _offset(after, asked.contest)
    if asked.closed_at is not None:
        return await _final(info, asked, offset + 1, offset + size)
    boards, program = resources_of(info).boards, info.context.principal.program
    total = await boards.total(program, asked.contest)
    return _page(await boards.top(program, asked.contest, size, offset), total)


async def places_around(info: Info, asked: Asked, size: int) -> Page:
    """The places around the member; none where she is not ranked."""
    if asked.closed_at is not None:
        if asked.final is None:
            return await _final(info, asked, 1, 0)
        first = asked.final.place - size // 2
        return await _final(info, asked, max(first, 1), first + size - 1)
    boards, program = resources_of(info).boards, info.context.principal.program
    total = await boards.total(program, asked.contest)
    return _page(await boards.around(program, asked.contest, str(asked.member), size), total)


async def own_rank(info: Info, asked: Asked) -> int | None:
    """The member's rank; None where she is not ranked."""
    if asked.final is not None:
        return asked.final.rank
    if asked.unranked is not None or asked.member is None:
        return None
    boards, program = resources_of(info).boards, info.context.principal.program
    (rank,) = await boards.ranks(program, [(asked.contest, asked.member)])
    return rank


def _page(places: list[Place], total: int) -> Page:
    # The page is read a moment after the count, and somebody may have scored meanwhile.
    return Page(places, max([total, *(each.number for each in places)]))


async def _final(info: Info, asked: Asked, first: int, last: int) -> Page:
    """Places of a closed contest."""

    async def look(unit: Unit) -> Page:
        found = await closings.places(unit, asked.contest, first, last)
        places = [Place(rank, *standing, place) for place, rank, standing in found]
        return Page(places, await closings.total(unit, asked.contest))

    return await resources_of(info).read(info.context.principal, look)


async def _with_member(unit: Unit, asked: Asked, member: str | None) -> Asked:
    """The same with what the member has; in the group in which she competes."""
    asked = msgspec.structs.replace(asked, member=member)
    # No member's id has a zero in it, and PostgreSQL refuses to look for one.
    if member is None or "\0" in member:
        return asked
    board, period, _ = asked.contest.place
    own = await standings.own(unit, board, period, member)
    kept = await closings.own(unit, board, period, member) if asked.closed_at is not None else None
    group = kept[0] if kept is not None else own.group if own is not None else ""
    final = None if kept is None else kept[1]
    return msgspec.structs.replace(asked, own=own, final=final, contest=asked.contest._replace(group=group))


async def _group(unit: Unit, loaded: Loaded, asked: Asked, group: str | None) -> str:
    """The group that is meant; of a board without groups, the empty one."""
    by = asked.definition.group_by
    if by is None:
        if group is not None:
            raise InvalidInput("This leaderboard has no groups.", "group")
        return ""
    if group is None and asked.member is not None:
        competing = asked.own is not None or asked.final is not None
        group = asked.contest.group if competing else await _group_of(unit, loaded, asked.member, by)
    if group is None or "\0" in group:
        raise InvalidInput("Say which group: this leaderboard has one for each.", "group")
    return group


async def _group_of(unit: Unit, loaded: Loaded, member: str, by: str) -> str | None:
    """The group in which a member would compete if she scored now."""
    rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
    found = None if "\0" in member else await members.find(unit, member)
    state = MemberState() if found is None else (await members.states(unit, [found.id]))[found.id].state
    return rules.members.group(by, state)


def _period(loaded: Loaded, key: str, period: str | None) -> Asked:
    rules = loaded.rulebook.at(loaded.now) or loaded.rulebook.latest
    boards = rules.program.sections.get("leaderboards", ())
    definition = next((each for each in boards if each.key == key), None)
    if not isinstance(definition, Leaderboard):
        raise LeaderboardNotFound(f"This program has no leaderboard `{key}`.", "key")
    calendar = definition.calendar
    try:
        index = (
            periods.period_at(calendar, loaded.now, rules.zone) if period is None else periods.parse(calendar, period)
        )
    except ValueError as error:
        raise InvalidInput(str(error), "period") from error
    ends_at = definition.ends_at(index, rules.zone)
    return Asked(
        definition,
        definition.contest(periods.name(calendar, index)),
        None if calendar is Calendar.LIFETIME else periods.start(calendar, index, rules.zone),
        ends_at,
        definition.closes_at(index, rules.zone),
        "OPEN" if ends_at is None or loaded.now < ends_at else "PROVISIONAL",
    )


def _offset(after: str, contest: Contest) -> int:
    place = place_of(after)
    if not isinstance(place, BoardCursor) or (place.board, place.period, place.group) != contest.place:
        raise InvalidCursor("This cursor points into another list.", "after")
    return place.rank
