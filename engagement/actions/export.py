"""The analytics export: what a program knows as of its own now, table by table.

Everything is read in one snapshot. States are advanced in memory, and points whose end has come count as expired whether or
not a worker has booked that yet, so the tables agree with one another and nothing is written.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec.structs import astuple

from achievements import fold
from achievements.states import StreakPart, TierPart
from achievements.tiers import LadderReady
from engagement.actions import accounting, wallets
from engagement.actions.programs import Loaded, Programs
from engagement.records import export as tables
from engagement.records import members
from engagement.records.bookings import Transfer
from engagement.records.export import Totals
from engagement.records.members import Member
from engagement.records.unit import Database, Unit

Piece = TypeVar("Piece")
Cells: TypeAlias = Sequence[Sequence[Any]]

MEMBERS_AT_ONCE = 500
SECONDS_MAX = 1_800.0


class Table(StrEnum):
    """A table of the export."""

    BALANCES = "balances"
    TRANSACTIONS = "transactions"
    STREAKS = "streaks"
    CHALLENGES = "challenges"
    BADGES = "badges"
    LEADERBOARDS = "leaderboards"
    TIERS = "tiers"
    TIER_CHANGES = "tier_changes"
    DECISIONS = "decisions"
    ROLLFORWARD = "rollforward"


class Exported(msgspec.Struct, Generic[Piece], frozen=True):
    """The tables as of the program's `now`, in the pieces that were kept."""

    now: datetime
    pieces: Mapping[Table, Sequence[Piece]]


async def export(
    database: Database, programs: Programs, program_id: int, keep: Callable[[Table, Cells], Piece]
) -> Exported[Piece]:
    """Read every table of a program. `keep` packs some rows of a table; what it returns is collected, in order.

    The columns are those of the export's description; instants are aware, in UTC. May take up to 30 minutes.
    """

    async def work(unit: Unit) -> Exported[Piece]:
        loaded = await programs.load(unit)
        kept: dict[Table, list[Piece]] = {table: [] for table in Table}
        async for table, rows in _rows(unit, loaded):
            kept[table].append(keep(table, rows))
        return Exported(loaded.now, kept)

    return await database.run(work, program_id, read_only=True, deadline_seconds=SECONDS_MAX)


async def totals(database: Database, program_id: int) -> Totals:
    """What a program holds, summed up."""
    return await database.run(tables.totals, program_id, read_only=True)


async def _rows(unit: Unit, loaded: Loaded) -> AsyncIterator[tuple[Table, Cells]]:
    page = await members.page(unit, None, MEMBERS_AT_ONCE)
    unbooked: list[Sequence[Any]] = []
    while page:
        seen, transfers = await wallets.read_with_transfers(unit, [each.id for each in page], loaded.now)
        yield Table.BALANCES, [(each.external_id, *astuple(one)[1:]) for each in page for one, _ in seen[each.id]]
        unbooked += _unbooked(page, transfers)
        streaks, tiers = await _of_states(unit, page, loaded)
        yield Table.STREAKS, streaks
        yield Table.TIERS, tiers
        page = await members.page(unit, page[-1].external_id, MEMBERS_AT_ONCE)
    for table, pieces in (
        (Table.TRANSACTIONS, tables.movements(unit)),
        (Table.CHALLENGES, tables.completions(unit)),
        (Table.BADGES, tables.awards(unit)),
        (Table.LEADERBOARDS, tables.standings(unit, loaded.rulebook.boards)),
        (Table.TIER_CHANGES, tables.tier_changes(unit)),
        (Table.DECISIONS, tables.decisions(unit)),
    ):
        async for rows in pieces:
            yield table, [tuple(row) for row in rows]
    yield Table.TRANSACTIONS, unbooked
    yield Table.ROLLFORWARD, await _roll_forward(unit, loaded)


def _unbooked(page: Sequence[Member], transfers: Sequence[Transfer]) -> Cells:
    """What has ended and waits to be booked as expired, in the columns of `tables.movements`."""
    names = {each.id: each.external_id for each in page}
    return [
        (
            f"{each.member_id} {each.lot_id} {each.at.isoformat()}",
            *(names[each.member_id], each.currency, each.kind, each.change, each.at, each.event_id, each.source),
        )
        for each in transfers
        if each.change
    ]


async def _roll_forward(unit: Unit, loaded: Loaded) -> Cells:
    """All months of each currency in which points have moved."""
    return [
        (currency, each.counted.period, each.counted.opening, *astuple(each.counted.figures), each.counted.closing)
        for currency, months in (await accounting.whole(unit, loaded)).items()
        for each in months
    ]


async def _of_states(unit: Unit, page: Sequence[Member], loaded: Loaded) -> tuple[Cells, Cells]:
    """The streaks of members who have begun any, and every member's tier on each ladder that is not held out from her."""
    held = await members.states(unit, [each.id for each in page])
    streaks: list[tuple[object, ...]] = []
    tiers: list[tuple[object, ...]] = []
    for member in page:
        rulebook = loaded.line.rulebook_of(held[member.id])
        state, _ = fold.advance(rulebook, held[member.id].state, loaded.now)
        for name, rule in loaded.rulebook.latest.by_name.items():
            part = state.parts.get(name)
            if isinstance(part, StreakPart) and part.longest:
                row = (part.current, part.longest, part.freezes_used)
                streaks.append((rule.key, member.external_id, *row))
            if isinstance(rule, LadderReady) and loaded.rulebook.latest.members.tier(rule, state) is not None:
                standing = rule.standing(part if isinstance(part, TierPart) else None, state.at)
                tiers.append((rule.key, member.external_id, *standing))
    return streaks, tiers
