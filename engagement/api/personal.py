"""All that is kept on a member, for her to read and to take with her."""

from typing import Annotated

import msgspec
import strawberry
from strawberry.scalars import JSON

from engagement.actions import exporting_members
from engagement.api.pagination import InvalidCursor, PersonalCursor, cursor_of, page_size, place_of
from engagement.api.principals import MEMBERS_READ, Info, query
from engagement.api.resources import resources_of
from engagement.api.texts import MEMBER
from engagement.records import personal
from engagement.records.personal import Place

ROWS_MAX = 500


@strawberry.type(description="Something that is kept on a member, as it is stored.")
class PersonalRow:
    """A row."""

    table: str = strawberry.field(description="Where it stands, like `event`, `lot` or `consent`.")
    row: JSON = strawberry.field(description="The row, as a JSON object. Instants are RFC 3339.")


@strawberry.type(description="A page of what is kept on a member.")
class PersonalData:
    """Some rows, and whether there are more."""

    rows: list[PersonalRow] = strawberry.field(description="The rows, table by table.")
    cursor: str | None = strawberry.field(description="For `after`; null at the end.")


@strawberry.type
class PersonalQuery:
    """The field of the root about what is kept on people."""

    @query(
        "All that is kept on a member, page by page: her id, alias, zone and attributes, what she agreed to, did, has and was told. Nothing"
        " of it is written down again. It also says what was noted by the program's people, so a member's token does not read it. Coded"
        " error: `NOT_FOUND`.",
        MEMBERS_READ,
    )
    async def export_member(
        self,
        info: Info,
        member: Annotated[strawberry.ID, strawberry.argument(description=MEMBER)],
        first: Annotated[int | None, strawberry.argument(description="How many rows, at most 500.")] = 100,
        after: Annotated[str | None, strawberry.argument(description="The cursor of the page before.")] = None,
    ) -> PersonalData:
        """A page."""
        principal = info.context.principal
        size = page_size(first, 100, ROWS_MAX)
        place = _place(after)
        found = await resources_of(info).read(principal, lambda unit: exporting_members.page(unit, member, place, size))
        last = found[-1].place if len(found) == size else None
        return PersonalData(
            rows=[PersonalRow(table=each.place.table, row=JSON(msgspec.json.decode(each.row))) for each in found],
            cursor=None if last is None else cursor_of(PersonalCursor(last.table, last.keys)),
        )


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    cursor = place_of(after)
    if not isinstance(cursor, PersonalCursor):
        raise InvalidCursor("This cursor points into another list.", "after")
    place = Place(cursor.table, cursor.keys)
    if not personal.is_place(place):
        raise InvalidCursor("This is no cursor of this service.", "after")
    return place
