"""Referrals, settled: what both sides get, or lose again, in one transaction of its own.

The fold of the member who was brought says that a referral qualified; that is committed with what qualified it, as an open
row. Here both members are locked, it is decided once, and an event of our own goes into each of their logs, or is reversed
in each. Both are written or neither is; a row stays open until then, so whoever comes after a crash settles it.
"""

import functools
import time
from datetime import datetime, timedelta
from uuid import UUID

from achievements.referrals import ReferralReady, Side, own_id, own_type
from achievements.values import Event, Order, Rank
from engagement.actions import locking
from engagement.actions.amend_events import Amend, amend_within
from engagement.actions.programs import Loaded, Programs
from engagement.actions.record_events import Batch
from engagement.actions.sent_events import Accepted
from engagement.observer import BatchReport
from engagement.records import members, referrals
from engagement.records.members import Held
from engagement.records.referrals import Open, Refusal
from engagement.records.unit import Database, Unit

AT_ONCE = 100
SETTLE_SECONDS = 120.0
"""Both may have a long history to be counted anew first."""


async def settle(database: Database, cache: Programs, program_id: int) -> int:
    """Settle the referrals of a program that are open; how many there were. Any number may do so at once."""
    count = 0
    while True:
        found = await database.run(lambda unit: referrals.waiting(unit, AT_ONCE), program_id, read_only=True)
        for each in found:
            work = functools.partial(_settle, cache=cache, seen=each)
            await database.run(work, program_id, deadline_seconds=SETTLE_SECONDS)
        count += len(found)
        if len(found) < AT_ONCE:
            return count


async def _settle(unit: Unit, cache: Programs, seen: Open) -> None:
    await unit.take_time(SETTLE_SECONDS)
    loaded = await cache.load(unit, for_writing=True)
    both = {seen.member_id, *(each for each in (seen.referrer, seen.paid_to) if each is not None)}
    held = await locking.lock(unit, loaded, both)
    # Looked at again under her lock: somebody else may have settled it, or it may be another by now.
    found = await referrals.one(unit, seen.member_id, seen.referral)
    if found is None or {found.referrer, found.paid_to} - {None} > both:
        return
    if held[found.member_id].erased:
        await referrals.close(unit, found)
    elif found.wrong:
        await _take_back(unit, cache, found, held)
        await referrals.settled(unit, found)
    elif found.due:
        # The present of both: the program's, or where events ahead of it have brought one of them.
        at = max(loaded.now, *(each.state.at for each in held.values()))
        refused = await _refusal(unit, loaded, found, held, at)
        if refused is None:
            await _give(unit, loaded, found, held, at)
        await referrals.settled(unit, found, None if refused else at, refused)
    elif found.over:
        await referrals.close(unit, found)


async def _refusal(unit: Unit, loaded: Loaded, found: Open, held: dict[UUID, Held], at: datetime) -> Refusal | None:
    """Why a referral is not paid; decided once, and not again when there would be room later."""
    rule = loaded.rulebook.latest.by_name.get(f"{ReferralReady.section}/{found.referral}")
    if not isinstance(rule, ReferralReady):
        return "ENDED"
    if found.referrer == found.member_id:
        return "SELF"
    assert found.referrer is not None, "a referral waits until there is somebody to give something to"
    if held[found.referrer].erased:
        return "ENDED"
    caps = rule.counted_from(at, loaded.rulebook.program_time)
    had = await referrals.paid(unit, found.referrer, found.referral, [since for since, _ in caps])
    return "CAP" if any(times >= most for times, (_, most) in zip(had, caps, strict=True)) else None


async def _give(unit: Unit, loaded: Loaded, found: Open, held: dict[UUID, Held], at: datetime) -> None:
    """Send an event of our own to each of both."""
    assert found.referrer is not None, "a referral waits until there is somebody to give something to"
    sides: dict[UUID, Side] = {found.member_id: "referred", found.referrer: "referrer"}
    names = await members.of_ids(unit, list(sides))
    identity = own_id(found.referral, str(found.member_id), found.turn)
    events = [
        Event(identity, own_type(found.referral, side), _behind(held[who], identity, at), {})
        for who, side in sides.items()
    ]
    sent = [
        Accepted(index, names[who].external_id, event, True, event.at, loaded.now, "{}", False)
        for index, (who, event) in enumerate(zip(sides, events, strict=True))
    ]
    await Batch(unit, loaded, BatchReport(loaded.program.id, 1, len(sent), begun=time.perf_counter())).take(sent)


def _behind(held: Held, identity: str, at: datetime) -> datetime:
    """The instant, or the next where a member has heard a fact at it: behind all that she knows."""
    behind = held.state.last is None or held.state.last < Order(at, Rank.EVENT, identity)
    return at if behind else at + timedelta(microseconds=1)


async def _take_back(unit: Unit, cache: Programs, found: Open, held: dict[UUID, Held]) -> None:
    """Reverse the event of our own in each of both logs; who was erased has none."""
    assert found.paid_to is not None, "only what was given is taken back"
    names = await members.of_ids(unit, [found.member_id, found.paid_to])
    identity = own_id(found.referral, str(found.member_id), found.turn)
    for who in sorted(each for each in names if not held[each].erased):
        await amend_within(unit, cache, Amend(names[who].external_id, identity), patient=True)
