"""The journal: every transfer of points, page by page."""

from typing import Annotated

import strawberry

from engagement.actions.journal import until_settled
from engagement.api.pagination import InvalidCursor, JournalCursor, PageInfo, cursor_of, page_size, place_of
from engagement.api.principals import LEDGER_READ, Info, query
from engagement.api.resources import resources_of
from engagement.api.scalars import DateTime, Points, instant, written
from engagement.api.texts import CURRENCY
from engagement.records import journal
from engagement.records.journal import Entry
from engagement.records.unit import Unit


@strawberry.type(
    description="A transfer of points from one account to another; never changed. Accounts are `wallet` (what a member has), `debt` (what she owes),"
    " `issuance` (where points come from, and go when they are taken back), `redeemed`, `expired`, `adjustment`, `partner` and `member` (another's)."
)
class JournalEntry:
    """A row of the journal."""

    id: strawberry.ID = strawberry.field(description="Its id; later ones have greater ids.")
    at: DateTime = strawberry.field(description="When it takes effect.")
    booked_at: DateTime = strawberry.field(description="When it became known.")
    counts_at: DateTime = strawberry.field(
        description="Where it counts in the books: at `at`, or where that lies in a month that was closed before, when the next one begins."
    )
    member: strawberry.ID = strawberry.field(
        description="The app's own id of the member; an id of ours, where she was erased."
    )
    currency: str = strawberry.field(description=CURRENCY)
    kind: str = strawberry.field(
        description="What it is, like `earn`, `spend`, `refund`, `expire`, `reverse` or `adjust`."
    )
    debit: str = strawberry.field(description="The account that the points leave.")
    credit: str = strawberry.field(description="The account that they come to.")
    points: Points = strawberry.field(description="How many; always positive.")
    lot: str | None = strawberry.field(description="The lot that they come to or leave; null where a debt begins.")
    source: str = strawberry.field(description="The key of the definition, or the id of what caused it.")
    fact: str | None = strawberry.field(description="The decision that it carries out, or whose effect it takes back.")
    corrects: strawberry.ID | None = strawberry.field(
        description="The transfer that it mends; null where it mends none."
    )

    @classmethod
    def of(cls, entry: Entry) -> "JournalEntry":
        """As clients read it."""
        return cls(
            id=strawberry.ID(str(entry.id)),
            at=written(entry.at),
            booked_at=written(entry.booked_at),
            counts_at=written(entry.counts_at),
            member=strawberry.ID(entry.member),
            currency=entry.currency,
            kind=entry.kind,
            debit=entry.debit,
            credit=entry.credit,
            points=Points(entry.points),
            lot=entry.lot,
            source=entry.source,
            fact=entry.fact,
            corrects=None if entry.corrects is None else strawberry.ID(str(entry.corrects)),
        )


@strawberry.type(description="A transfer on a page of the journal.")
class JournalEdge:
    """Relay's edge."""

    node: JournalEntry = strawberry.field(description="The transfer.")
    cursor: str = strawberry.field(description="Points to its place, for `after`.")


@strawberry.type(description="A page of the journal.")
class JournalConnection:
    """Relay's connection."""

    edges: list[JournalEdge] = strawberry.field(description="The transfers on this page.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


@strawberry.type
class JournalQuery:
    """The field of the root about the journal."""

    @query("Every transfer of points, in the order in which they were booked.", LEDGER_READ)
    async def journal(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Begin after the item of this cursor.")] = None,
        since: Annotated[
            DateTime | None,
            strawberry.argument(name="from", description="What was booked from this instant on; all where left out."),
        ] = None,
        until: Annotated[
            DateTime | None,
            strawberry.argument(name="to", description="What was booked before this instant; all where left out."),
        ] = None,
    ) -> JournalConnection:
        """A page, stable while transfers are booked: it ends where something may still be booked."""
        size = page_size(first, 20)
        place = None if after is None else place_of(after)
        if not isinstance(place, JournalCursor | None):
            raise InvalidCursor("This cursor points into another list.", "after")
        begin = None if since is None else instant(since, "from")
        end = None if until is None else instant(until, "to")
        known = None if place is None else (place.at, place.transfer)

        resources, principal = resources_of(info), info.context.principal
        end = await until_settled(resources.database, principal.program, end)

        async def work(unit: Unit) -> list[Entry]:
            return await journal.page(unit, begin, end, known, size + 1)

        found = await resources.read(principal, work)
        edges = [
            JournalEdge(node=JournalEntry.of(each), cursor=cursor_of(JournalCursor(*each.place)))
            for each in found[:size]
        ]
        cursors = [each.cursor for each in edges]
        return JournalConnection(edges=edges, page_info=PageInfo.of(cursors, after=after, more=len(found) > size))
