"""Cursors: opaque to clients, and refused unless this service could have written them.

A cursor is the URL-safe base64 of a JSON array that begins with the word for what it points into, so that one of another
list is known for what it is.
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
import strawberry

from engagement.errors import InvalidInput

FIRST_MAX: Final = 100
_CURSOR_CHARACTERS_MAX: Final = 2_000


class InvalidCursor(InvalidInput):
    """A cursor that is malformed, of another list, or of another member."""

    code = "INVALID_CURSOR"


class FeedCursor(msgspec.Struct, frozen=True, array_like=True, tag="feed", forbid_unknown_fields=True):
    """A place in a member's feed: everything up to `seq` is known."""

    member: UUID
    seq: int


class MembersCursor(msgspec.Struct, frozen=True, array_like=True, tag="members", forbid_unknown_fields=True):
    """A place among the members: by the app's own id."""

    external_id: str


class TeamsCursor(msgspec.Struct, frozen=True, array_like=True, tag="teams", forbid_unknown_fields=True):
    """A place among the teams: by the app's own id."""

    team: str


class JournalCursor(msgspec.Struct, frozen=True, array_like=True, tag="journal", forbid_unknown_fields=True):
    """A place in the journal: when the last transfer that was shown was booked, and its id."""

    at: datetime
    transfer: UUID


class HoldsCursor(msgspec.Struct, frozen=True, array_like=True, tag="holds", forbid_unknown_fields=True):
    """A place among a member's holds: when it began, and its id."""

    at: datetime
    hold: UUID


class RedemptionsCursor(msgspec.Struct, frozen=True, array_like=True, tag="redemptions", forbid_unknown_fields=True):
    """A place among a member's redemptions: when it was taken, and its id."""

    at: datetime
    redemption: UUID


class BenefitsCursor(msgspec.Struct, frozen=True, array_like=True, tag="benefits", forbid_unknown_fields=True):
    """A place among a member's benefits: when it was issued, and its id."""

    at: datetime
    benefit: UUID


class EntriesCursor(msgspec.Struct, frozen=True, array_like=True, tag="entries", forbid_unknown_fields=True):
    """A place among the entries in a draw: the last that was shown."""

    draw: str
    entry: UUID


class RewardsCursor(msgspec.Struct, frozen=True, array_like=True, tag="rewards", forbid_unknown_fields=True):
    """A place on the shelf: the key of the last reward that was shown."""

    reward: str


class PersonalCursor(msgspec.Struct, frozen=True, array_like=True, tag="personal", forbid_unknown_fields=True):
    """A place in what is kept on a member: the last row that was shown, by its table and its place there."""

    table: str
    keys: tuple[str, ...]


class BoardCursor(msgspec.Struct, frozen=True, array_like=True, tag="board", forbid_unknown_fields=True):
    """A place on a board: the last rank that was shown."""

    board: str
    period: str
    rank: int
    group: str = ""


Cursor = (
    FeedCursor
    | MembersCursor
    | TeamsCursor
    | JournalCursor
    | HoldsCursor
    | RedemptionsCursor
    | BenefitsCursor
    | EntriesCursor
    | RewardsCursor
    | PersonalCursor
    | BoardCursor
)
_decoder: Final = msgspec.json.Decoder(Cursor)


def cursor_of(place: Cursor) -> str:
    """The cursor that points to a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str, field: str = "after") -> Cursor:
    """The place that a cursor points to. Raises `InvalidCursor` for what `cursor_of` did not write."""
    try:
        if len(cursor) > _CURSOR_CHARACTERS_MAX:
            raise ValueError("too long")
        place: Cursor = _decoder.decode(
            base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        )
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise InvalidCursor("This is no cursor of this service.", field) from error
    number = place.seq if isinstance(place, FeedCursor) else place.rank if isinstance(place, BoardCursor) else 0
    text = (
        place.external_id if isinstance(place, MembersCursor) else place.team if isinstance(place, TeamsCursor) else ""
    )
    at = getattr(place, "at", None)
    if at is not None and at.utcoffset() != timedelta(0):
        raise InvalidCursor("This is no cursor of this service.", field)
    if cursor_of(place) != cursor or not 0 <= number < 2**63 or "\0" in text:
        raise InvalidCursor("This is no cursor of this service.", field)
    return place


def page_size(first: int | None, default: int, most: int = FIRST_MAX) -> int:
    """How many items a page has; an explicit null means the default. Raises `InvalidInput`."""
    size = default if first is None else first
    if not 1 <= size <= most:
        raise InvalidInput(f"`first` lies between 1 and {most}.", "first")
    return size


@strawberry.type(description="Where a page ends, and whether there is more.")
class PageInfo:
    """Relay's page information; pages go forward only."""

    has_next_page: bool = strawberry.field(description="Whether there are items after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there may be items before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last item, for `after`; null on an empty page."
    )

    @classmethod
    def of(cls, cursors: list[str], *, after: str | None, more: bool) -> "PageInfo":
        """Say it of a page with these cursors."""
        return cls(
            has_next_page=more,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


Kind = Literal["Member"]


def node_id(kind: Kind, identity: UUID) -> strawberry.ID:
    """The id by which `node` finds an object again."""
    return strawberry.ID(base64.urlsafe_b64encode(f"{kind}:{identity}".encode()).decode().rstrip("="))


def member_id_of(node: str) -> UUID | None:
    """The member whom a node id names; None for any other text."""
    try:
        kind, _, identity = base64.b64decode(node.encode() + b"=" * (-len(node) % 4), b"-_", validate=True).partition(
            b":"
        )
        found = UUID(identity.decode())
    except (ValueError, binascii.Error):
        return None
    return found if kind == b"Member" and node_id("Member", found) == node else None
