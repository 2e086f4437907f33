"""Draws: how each stands, one's own entries, who won, and all that it takes to draw again."""

from enum import Enum
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from achievements.draws import commitment, entrant_of
from engagement.actions import draws
from engagement.actions.draws import DrawShown
from engagement.api.asides import selects
from engagement.api.pagination import EntriesCursor, InvalidCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import BOARDS_READ, Info, member_of, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, written, written_or_none
from engagement.api.texts import DESCRIPTION, KEY, MEMBER, NAME
from engagement.errors import Forbidden
from engagement.records.draws import Stored, Won
from engagement.records.draws import page as read_page
from engagement.records.unit import Unit

_DRAW = "The key of the draw."
ENTRIES_FIRST_MAX = 500
"""Whoever draws again reads them all."""


@strawberry.enum(description="Where a draw stands.")
class DrawState(Enum):
    """From before its beginning to its winners."""

    SCHEDULED = strawberry.enum_value("SCHEDULED", description="It has not begun.")
    OPEN = strawberry.enum_value("OPEN", description="Members get entries in it.")
    PAUSED = strawberry.enum_value("PAUSED", description="It is paused: nothing of it is drawn meanwhile.")
    ENDED = strawberry.enum_value(
        "ENDED", description="It is over, and its winners are not drawn: what becomes known of before its end counts."
    )
    DRAWN = strawberry.enum_value("DRAWN", description="Its winners are drawn, and stay.")


@strawberry.type(description="Who won in a draw, at one place.")
class DrawWinner:
    """A place."""

    place: int = strawberry.field(description="The place, from 1.")
    entry: strawberry.ID = strawberry.field(description="The entry that won: the id of the benefit.")
    number: int = strawberry.field(description="Which of the entries of that benefit, from 1.")
    member: strawberry.ID | None = strawberry.field(
        description=f"{MEMBER} Null where she has left the leaderboards, unless the key has scope `members:read`."
    )
    alias: str | None = strawberry.field(description="The name that she chose to be shown under; null where none.")


@strawberry.type(description="What a member has in a draw herself.")
class DrawStanding:
    """One's own part."""

    member: strawberry.ID = strawberry.field(description=MEMBER)
    entries: Points = strawberry.field(description="How many entries of hers take part, or took part.")
    place: int | None = strawberry.field(description="At which place she won; null where she has not, or not yet.")
    entrant: str | None = strawberry.field(
        description="What stands for her in the list of the entries; null before the winners are drawn."
    )


@strawberry.type(description="A draw: members have entries in it, and when it is over some of them win.")
class Draw:
    """As it stands."""

    key: str = strawberry.field(description=KEY)
    name: str = strawberry.field(description=NAME)
    description: str = strawberry.field(description=DESCRIPTION)
    state: DrawState = strawberry.field(description="Where it stands.")
    starts_at: DateTime | None = strawberry.field(
        description="Entries from before that take no part; null where all do."
    )
    ends_at: DateTime | None = strawberry.field(
        description="Entries from then on take no part; null where it has no end, and is never drawn."
    )
    closes_at: DateTime | None = strawberry.field(
        description="From when on its winners are drawn, as soon as nothing of it is left to be done; null where it never is."
    )
    drawn_at: DateTime | None = strawberry.field(description="When that happened; null where it has not.")
    places: int = strawberry.field(description="How many members can win.")
    entries: Points = strawberry.field(
        description="How many entries take part, or took part; before it is drawn, as of a moment ago: seconds, of a million entries."
    )
    commitment: str = strawberry.field(
        description="The SHA-256 of the seed, in hexadecimal digits: known since `committedAt`, so that the seed cannot be another."
    )
    committed_at: DateTime = strawberry.field(description="Since when the seed is fixed.")
    seed: str | None = strawberry.field(
        description="The seed in hexadecimal digits, from which the winners follow; null before they are drawn."
    )
    digest: str | None = strawberry.field(
        description="The SHA-256 of the list of entries, in hexadecimal digits: of a line `ID COUNT` for each, in order of their ids."
        " Null before the winners are drawn."
    )
    winners: list[DrawWinner] | None = strawberry.field(
        description="Who won, the first place first; null for a member's token, which hears of her own place alone."
    )
    own: DrawStanding | None = strawberry.field(
        description="Of the member who is named, or whose token this is; null where there is none."
    )


@strawberry.type(description="Entries that a member got at once, and that took part in a draw.")
class DrawEntry:
    """Entries."""

    id: strawberry.ID = strawberry.field(description="The id of the benefit.")
    count: int = strawberry.field(description="How many entries it is, numbered from 1.")
    entrant: str = strawberry.field(description="What stands for the member, in this draw alone.")


@strawberry.type(description="Entries on a page.")
class DrawEntryEdge:
    """Relay's edge."""

    node: DrawEntry = strawberry.field(description="The entries.")
    cursor: str = strawberry.field(description="Points to their place, for `after`.")


@strawberry.type(description="A page of the entries that took part in a draw, in order of their ids.")
class DrawEntryConnection:
    """Relay's connection."""

    edges: list[DrawEntryEdge] = strawberry.field(description="The entries on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type
class DrawsQuery:
    """The fields of the root about draws."""

    @query(
        "A draw as it stands, with a member's own entries, and who won. Coded errors: `DRAW_NOT_FOUND`.",
        BOARDS_READ,
    )
    async def draw(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description=_DRAW)],
        member: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description=f"{MEMBER} A key needs scope `members:read` to name one; a member's own token may leave it out."
            ),
        ] = None,
    ) -> Draw:
        """Read it from one snapshot."""
        principal, resources = info.context.principal, resources_of(info)
        if principal.member is None and member is not None and "members:read" not in principal.scopes:
            raise Forbidden("This key may not ask for a member. Needs scope `members:read`.", "member")
        whose = member if principal.member is None else member_of(principal, member)
        counted = selects(info, "entries")
        read = partial(draws.read, programs=resources.programs, key=key, member=whose, counted=counted)
        return _shown(info, await resources.read(principal, read))

    @query(
        "The entries that took part in a draw, once its winners are drawn: with the seed, all that it takes to draw them again. Members are"
        " told apart in it, and not named. Coded errors: `DRAW_NOT_FOUND`, `DRAW_NOT_DRAWN`.",
        BOARDS_READ,
    )
    async def draw_entries(
        self,
        info: Info,
        draw: Annotated[str, strawberry.argument(description=_DRAW)],
        first: Annotated[
            int | None, strawberry.argument(description=f"How many, at most {ENTRIES_FIRST_MAX:,}.")
        ] = 100,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
    ) -> DrawEntryConnection:
        """A page of what nobody changes any more."""
        principal, resources = info.context.principal, resources_of(info)
        size = page_size(first, 100, ENTRIES_FIRST_MAX)
        place = None if after is None else place_of(after)
        if place is not None and (not isinstance(place, EntriesCursor) or place.draw != draw):
            raise InvalidCursor("This cursor points into another list.", "after")

        async def work(unit: Unit) -> DrawEntryConnection:
            stored = await draws.drawn(unit, resources.programs, draw)
            found = await read_page(unit, draw, None if place is None else place.entry, size + 1)
            edges = [
                DrawEntryEdge(
                    node=DrawEntry(
                        id=strawberry.ID(each.id),
                        count=each.count,
                        entrant=entrant_of(stored.seed, each.entrant),
                    ),
                    cursor=cursor_of(EntriesCursor(draw, UUID(each.id))),
                )
                for each in found[:size]
            ]
            cursors = [each.cursor for each in edges]
            return DrawEntryConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))

        return await resources.read(principal, work)


def _shown(info: Info, shown: DrawShown) -> Draw:
    principal, stored, definition = info.context.principal, shown.stored, shown.definition
    is_drawn = stored.drawn_at is not None
    confided = "members:read" in principal.scopes
    return Draw(
        key=definition.key,
        name=definition.title,
        description=definition.description,
        state=DrawState[shown.state],
        starts_at=written_or_none(shown.starts_at),
        ends_at=written_or_none(shown.ends_at),
        closes_at=written_or_none(shown.closes_at),
        drawn_at=written_or_none(stored.drawn_at),
        places=stored.winners if stored.winners is not None else definition.winners,
        entries=Points(shown.entries),
        commitment=commitment(stored.seed),
        committed_at=written(stored.committed_at),
        seed=stored.seed.hex() if is_drawn else None,
        digest=None if stored.digest is None else stored.digest.hex(),
        winners=None if principal.member is not None else [_winner(each, confided=confided) for each in shown.winners],
        own=_own(shown, stored, is_drawn=is_drawn),
    )


def _own(shown: DrawShown, stored: Stored, *, is_drawn: bool) -> DrawStanding | None:
    if shown.own is None:
        return None
    return DrawStanding(
        member=strawberry.ID(shown.own.external_id),
        entries=Points(shown.own.entries),
        place=shown.own.place,
        entrant=entrant_of(stored.seed, str(shown.own.member_id)) if is_drawn else None,
    )


def _winner(won: Won, *, confided: bool) -> DrawWinner:
    named = confided or not won.hidden
    return DrawWinner(
        place=won.place,
        entry=strawberry.ID(str(won.entry)),
        number=won.number,
        member=strawberry.ID(won.member) if named else None,
        alias=won.alias if named else None,
    )
