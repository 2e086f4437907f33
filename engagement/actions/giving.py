"""What definitions gave other than points is issued, once: vouchers with their codes, entitlements, entries in draws.

The fold says that something was given, and that is committed with what gave it, as an open row. Here it becomes something that the
member has, in a transaction of its own, under her lock; where the outcome is gone again, what she has not used is void, and has its
code again where the outcome comes back. A row stays open until then, so whoever comes after a crash goes on. In the same way she hears that
what was reserved for her is over.
"""

import functools
from uuid import UUID

from achievements.benefits import Voucher
from achievements.parts import BENEFITS
from achievements.redeeming import BenefitChanged, RedemptionChanged
from achievements.rewards import Usable
from engagement.actions import issuing
from engagement.actions.issuing import Wanted
from engagement.actions.programs import Programs
from engagement.actions.telling import Listener, listen_to
from engagement.errors import InProgress, MemberErased
from engagement.records import benefits, given, redemptions
from engagement.records.given import Given
from engagement.records.unit import Database, Unit

AT_ONCE = 100
SETTLE_SECONDS = 120.0
"""Somebody may have a long history to be counted anew first."""


async def settle(database: Database, cache: Programs, program_id: int) -> int:
    """Issue what was given and take back what was not, after all; of how many members. Any number may do so at once."""
    await database.run(functools.partial(_provide, cache=cache), program_id)
    count, after = 0, None
    while True:
        look = functools.partial(given.waiting, after=after, at_most=AT_ONCE)
        waiting = await database.run(look, program_id, read_only=True)
        for who in waiting:
            work = functools.partial(_settle, cache=cache, who=who)
            try:
                count += await database.run(work, program_id, deadline_seconds=SETTLE_SECONDS)
            except InProgress:
                # Somebody else is busy with her: it is done there, or the next time.
                continue
        if len(waiting) < AT_ONCE:
            return count
        after = waiting[-1]


async def _provide(unit: Unit, cache: Programs) -> None:
    """Give codes that are free to whom they are owed: an import does so too, but cannot see who is only just coming to be owed one."""
    loaded = await cache.load(unit)
    known = loaded.rulebook.latest.program.sections.get("vouchers", ())
    pools = [each.key for each in known if isinstance(each, Voucher) and each.codes == "pool"]
    if pools:
        for voucher in await benefits.lacking(unit, pools, loaded.now):
            await benefits.provide(unit, voucher, loaded.now)


async def _settle(unit: Unit, cache: Programs, who: UUID) -> bool:
    await unit.take_time(SETTLE_SECONDS)
    try:
        listener = (await listen_to(unit, cache, [who]))[who]
    except MemberErased:
        await given.close(unit, who)
        await redemptions.close_over(unit, who)
        return True
    await listener.arrive()
    opened = await given.opened(unit, who)
    told: list[RedemptionChanged | BenefitChanged] = [
        *await _tell_over(unit, listener),
        *await _take_back(unit, listener),
        *await _issue(unit, listener, opened),
        *await _pay_owed(unit, listener),
    ]
    await given.close(unit, who)
    if told:
        listener.show(told)
    await listener.save()
    return bool(told or opened)


async def _tell_over(unit: Unit, listener: Listener) -> list[RedemptionChanged]:
    """What she had reserved is over, whoever has found that."""
    over = await redemptions.close_over(unit, listener.id)
    return [RedemptionChanged(str(each.id), each.reward, each.state, each.ended_at or listener.at) for each in over]


async def _take_back(unit: Unit, listener: Listener) -> list[BenefitChanged]:
    """Void what she has of outcomes that are gone."""
    gone = await given.orphaned(unit, listener.id)
    await benefits.end(unit, [each.id for each in gone], benefits.VOIDED, listener.at)
    return [issuing.told(each, listener.at, benefits.VOIDED) for each in gone]


async def _issue(unit: Unit, listener: Listener, opened: list[Given]) -> list[BenefitChanged]:
    """Issue what she does not have yet, and let what she had before be hers again."""
    rules = listener.loaded.rulebook.at(listener.at) or listener.loaded.rulebook.latest
    wanted = [
        Wanted(each.sort, each.key, each.count, each.source, Usable(each.at, each.until), reward=each.reward)
        for each in opened
        if each.sort in BENEFITS and each.held is None
    ]
    issued = await issuing.issue(unit, rules, listener.id, wanted, listener.at)
    again = [each for each in opened if each.held == benefits.VOIDED]
    back = await given.revive(unit, listener.id, [(each.reward, each.until) for each in again])
    return [*issued.effects, *(issuing.told(each, listener.at) for each in back)]


async def _pay_owed(unit: Unit, listener: Listener) -> list[BenefitChanged]:
    """Issue vouchers that were owed and have their codes by now."""
    return [issuing.told(each, listener.at) for each in await given.issue_owed(unit, listener.id)]
