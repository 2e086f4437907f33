"""Erasing a member: the person goes, what the books need stays under a random id.

She is frozen at once, in one transaction under her lock: from then on everything about her is refused. A worker then removes her from
all that was kept on her, in pieces (`removal`), and from the boards in Redis at last, when nothing about her is on its way any more.
"""

import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from achievements.lots import Lot
from achievements.parts import event_types_of
from achievements.referrals import Referral
from engagement.actions import approaching
from engagement.actions.changes import Message
from engagement.actions.programs import Loaded, Programs
from engagement.actions.telling import check_member
from engagement.errors import Again, NotFound
from engagement.records import (
    bookings,
    erasures,
    ledger,
    members,
    merges,
    outbox,
    redemptions,
    removal,
    standings,
    stock,
)
from engagement.records.bookings import Booked, Transfer
from engagement.records.erasures import UnderWay
from engagement.records.holds import VOIDED
from engagement.records.members import Held
from engagement.records.stock import Shelf
from engagement.records.unit import Database, Unit

SOURCE = "erasure"
"""What the transfers name that end an erased member's points."""
SETTLE = timedelta(seconds=5)
"""A unit that began before somebody was frozen has ended by then, and what it wrote can be found."""
KNOWN_FOR = timedelta(days=30)
"""So long late events of an erased member are known as hers; whoever comes by the same id after that is another person."""
PIECE_SECONDS = 120.0

Forget: TypeAlias = Callable[[int, str], Awaitable[bool]]
"""Removes an id of the app's from a program's boards in Redis; False where that has to wait."""


class Erased(msgspec.Struct, frozen=True):
    """Under which id what is kept of her stands now, when she was erased, and whether nothing of the person is left anywhere."""

    member: str
    erased_at: datetime
    done: bool


async def erase(database: Database, cache: Programs, program_id: int, member: str) -> Erased:
    """Erase a member, by the app's own id; what is under way goes on, and is told as it stands.

    Her points end. Raises `InvalidInput` for what is no member's id, `NotFound` where there is none, and what `Database.run` raises.
    """
    check_member(member)
    return await database.run(functools.partial(_erase, cache=cache, member=member), program_id)


async def _erase(unit: Unit, cache: Programs, member: str) -> Erased:
    loaded = await cache.load(unit, for_writing=True)
    who = (await members.ids_of(unit, [member])).get(member)
    if who is not None:
        # Whoever is a part of her goes with her, and she with whoever is a part of her.
        names = {who: (await members.of_ids(unit, [who]))[who].external_id, **dict(await merges.former(unit, who))}
        # The stock before the members, as whoever takes of it does.
        shelves = await redemptions.set_aside(unit, list(names))
        await stock.lock(unit, [each for reward, session in shelves for each in ((reward, ""), (reward, session))])
        locked = await members.lock_states(unit, names)
        parts = {each for each, _ in await merges.former(unit, who)}
        if locked[who].merged or names.keys() - {who} != parts or await members.lead_elsewhere(unit, locked):
            raise Again
        for each, held in locked.items():
            if not held.erased:
                await _give_up(unit, loaded, held, shelves)
                await _freeze(unit, loaded, held, names[each])
    # Looked up under her lock, or where there is nobody of that id any more.
    found = await erasures.find(unit, member)
    if found is None:
        raise NotFound(f"There is no member `{member}`.", "member")
    named = (await members.of_ids(unit, [found.member_id]))[found.member_id]
    return Erased(named.external_id, found.asked_at, found.done_at is not None)


async def _give_up(unit: Unit, loaded: Loaded, held: Held, shelves: set[Shelf]) -> None:
    """Put back what is set aside for her, of shelves that are locked: nobody could capture it any more. Her points end with the others."""
    ended = await redemptions.give_up(unit, held.id, max(loaded.now, held.state.at))
    if not {shelf for _, shelf, counted in ended if counted} <= shelves:
        # Reserved since it was looked up.
        raise Again
    await approaching.give_back_ended(unit, ended)


async def _freeze(unit: Unit, loaded: Loaded, held: Held, member: str) -> None:
    who = held.id
    await _end_points(unit, loaded, held)
    scores = await standings.show(unit, who, held.version + 1, hidden=True)
    gone = [(each.board, each.period, each.external_id, each.version, each.group) for each in scores]
    await erasures.leave(unit, who, loaded.now)
    await erasures.freeze(unit, who, member, f"erased-{uuid4().hex}")
    # Whoever follows her looks, and learns that she is gone.
    outbox.publish(unit, msgspec.json.encode(Message([], gone, {who: held.seq + 1}, loaded.rulebook.ties)))


async def _end_points(unit: Unit, loaded: Loaded, held: Held) -> None:
    """Let what she has left end, so that nothing of it is owed to anybody; what she owes stays in the books."""
    who, at = held.id, max(loaded.now, held.state.at)
    there = (await ledger.lots(unit, [(who, None)]))[who]
    ended = [
        replace(each, remaining=0, expired=each.expired + each.remaining, held=0, pending=False) for each in there.lots
    ]
    transfers = [_ending(who, each, at) for each in there.lots if each.remaining]
    voided = [replace(each, state=VOIDED, ended_at=at) for each in there.holds]
    await bookings.book(unit, [Booked(who, (), ended, transfers, voided)], loaded.now)


def _ending(who: UUID, lot: Lot, at: datetime) -> Transfer:
    points = lot.remaining
    return Transfer(who, lot.currency, "expire", points, "wallet", "expired", lot.id, at, "", SOURCE)


async def settle(database: Database, cache: Programs, program_id: int, forget: Forget, older_than: timedelta) -> int:
    """Go on with a program's erasures that are at least so old, and forget those of long ago; how many were brought to their end.

    Any number may do so at once. One that has to wait, for Redis or for what is on its way, is gone on with the next time.
    """
    waiting = await database.run(lambda unit: erasures.under_way(unit, older_than), program_id, read_only=True)
    done = 0
    for each in waiting:
        done += await _remove(database, cache, program_id, each, forget)
    await database.run(lambda unit: erasures.expire(unit, KNOWN_FOR), program_id)
    return done


async def _remove(database: Database, cache: Programs, program_id: int, erasure: UnderWay, forget: Forget) -> bool:
    run = functools.partial(_piece, database, program_id)
    # First of all: what she was told is what they are found by who keep notes of hers.
    await _forget_elsewhere(database, cache, program_id, erasure)
    for piece in _pieces(erasure):
        while await run(piece):
            pass
    for table in removal.DELETED_AT_LAST:
        await run(functools.partial(removal.delete, member_id=erasure.member_id, table=table))
    await run(functools.partial(removal.forget_answers, erasure=erasure))
    if await run(functools.partial(removal.is_on_its_way, external_id=erasure.external_id)):
        return False
    if not await forget(program_id, erasure.external_id):
        return False
    await run(functools.partial(erasures.finish, member_id=erasure.member_id))
    return True


def _pieces(erasure: UnderWay) -> Iterator[Callable[[Unit], Awaitable[int]]]:
    """What is done to her own rows, each until it finds none."""
    for table in removal.DELETED:
        yield functools.partial(removal.delete, member_id=erasure.member_id, table=table)
    yield functools.partial(removal.rename_lots, erasure=erasure)
    yield functools.partial(removal.rename_holds, erasure=erasure)
    yield functools.partial(removal.rename_groups, erasure=erasure)
    for table in removal.SOURCED:
        yield functools.partial(removal.rename_sources, erasure=erasure, table=table, but=SOURCE)
    for table, columns in removal.RENAMED.items():
        yield functools.partial(removal.rename, erasure=erasure, table=table, columns=columns)


async def _forget_elsewhere(database: Database, cache: Programs, program_id: int, erasure: UnderWay) -> None:
    """Where others named her as the one who brought them, were one with her, or keep a note of hers or to her, under the lock of each."""

    async def look(unit: Unit) -> tuple[Mapping[str, set[str]], set[UUID]]:
        await unit.take_time(PIECE_SECONDS)
        saying = _saying(await cache.load(unit))
        named = await removal.naming(unit, erasure.external_id, saying)
        noting = await removal.noting(unit, erasure.member_id)
        return saying, {*named, *noting, *await removal.once_one(unit, erasure.member_id)}

    saying, found = await database.run(look, program_id, deadline_seconds=PIECE_SECONDS)
    for who in sorted(found):

        async def rewrite(unit: Unit, who: UUID = who) -> None:
            await members.lock_states(unit, [who])
            await removal.forget_name(unit, who, erasure, saying)
            await removal.forget_notes(unit, who, erasure.member_id)

        await _piece(database, program_id, rewrite)


def _saying(loaded: Loaded) -> dict[str, set[str]]:
    """The types of events by which members ever said who brought them, each with the properties that name her."""
    saying: dict[str, set[str]] = defaultdict(set)
    for each in loaded.line.every("referrals"):
        if isinstance(each, Referral):
            for event_type in event_types_of(each.on):
                saying[event_type].add(each.by)
    return saying


async def _piece(database: Database, program_id: int, work: Callable[[Unit], Awaitable[object]]) -> object:
    async def patiently(unit: Unit) -> object:
        await unit.take_time(PIECE_SECONDS)
        return await work(unit)

    return await database.run(patiently, program_id, deadline_seconds=PIECE_SECONDS)
