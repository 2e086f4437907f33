"""Locking members to do something to them: whoever is to be counted anew is so first.

A definition that counts the past is published for everybody at once, and then each member is folded again: when
something is to be done to her, or by the publication's job (`publishing`), whichever comes first. Up to then she goes by the rules that were.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from achievements import keeping, periods
from achievements.keeping import KEPT
from achievements.states import MemberState
from achievements.tiers import TIER_GRANTED, LadderReady
from achievements.values import Fact, Order, Rank
from engagement.actions import refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause, Draft
from engagement.actions.lines import Publication
from engagement.actions.programs import Loaded
from engagement.actions.refolding import Found, History
from engagement.errors import Again, InProgress, MemberErased
from engagement.records import members
from engagement.records.members import Held
from engagement.records.unit import Unit

_TICK = timedelta(microseconds=1)


async def lock(
    unit: Unit,
    loaded: Loaded,
    ids: Iterable[UUID],
    *,
    skip_locked: bool = False,
    in_all: int | None = None,
    balances: bool = False,
) -> dict[UUID, Held]:
    """The states of these members, held until the unit ends, each counted anew where she is to be.

    With `in_all`, those whose histories come to more inputs together are left behind as they were (`Line.behind`): nothing can be
    applied to them then. `skip_locked` and `balances` are those of `members.lock_states`.
    """
    balances = balances or loaded.rulebook.decides
    held = await members.lock_states(unit, ids, skip_locked=skip_locked, balances=balances)
    if any(each.merged for each in held.values()) or await members.lead_elsewhere(unit, held):
        # Since she was looked up: she is found by another id now, or whoever was a part of her is herself again.
        raise Again
    while behind := {who: each for who, each in held.items() if loaded.line.behind(each)}:
        publication = min(loaded.line.next_of(each) for each in behind.values())
        there = [each for each in behind.values() if loaded.line.next_of(each) == publication]
        counted = await _count_anew(unit, loaded, publication, there, in_all)
        if not counted:
            break
        held |= await members.lock_states(unit, counted, balances=balances)
        if in_all is not None and len(counted) < len(there):
            break
    return held


async def lock_one(
    unit: Unit, loaded: Loaded, member_id: UUID, *, balances: bool = False, patient: bool = False
) -> Held:
    """The state of one member, as `lock` gives it. Raises `InProgress` where she waits to be counted anew and her history is too
    long for a request; who is `patient` has the time. Raises `MemberErased` where she was meanwhile.
    """
    limit = None if patient else refolding.BATCH_REFOLD_INPUTS_MAX
    held = (await lock(unit, loaded, [member_id], in_all=limit, balances=balances))[member_id]
    if held.erased:
        raise MemberErased("The member was erased; nothing is recorded of her.", "member")
    if loaded.line.behind(held):
        raise InProgress("The worker is counting this member anew; ask again in a while.")
    return held


async def _count_anew(
    unit: Unit, loaded: Loaded, publication: Publication, held: Sequence[Held], in_all: int | None
) -> list[UUID]:
    """Fold members again by the rules of a publication; who was, since others have too long a history."""
    loaded = replace(loaded, rulebook=loaded.line.rulebook(publication.revision))
    changes = Changes(loaded, held)
    firsts = [(draft, publication.counts_from) for draft in changes.drafts.values()]
    at_most = refolding.HISTORY_INPUTS_MAX if in_all is None else refolding.REFOLD_INPUTS_MAX + 1
    found = await refolding.histories(unit, loaded, firsts, at_most, in_all)
    if not found:
        return []
    changes.drafts = {who: changes.drafts[who] for who in found}
    judged_by = loaded.line.rulebook(publication.revision - 1)
    histories = {who: replace(each, judged_by=judged_by) for who, each in found.items()}
    refolds = await asyncio.to_thread(
        lambda: {who: _refolded(publication, changes.drafts[who], each) for who, each in histories.items()}
    )
    grants = {
        who: [] if publication.take_back else _grants(loaded, changes.drafts[who], each.refolded.state)
        for who, each in refolds.items()
    }
    await changes.bring_due(unit, {who: changes.drafts[who].present for who, granted in grants.items() if granted})
    await refolding.take_over(unit, changes, refolds)
    for who, granted in grants.items():
        draft = changes.drafts[who]
        draft.revision = publication.revision
        for fact in granted:
            draft.apply(fact)
            draft.facts.append(fact)
    await changes.save(unit)
    return list(found)


def _refolded(publication: Publication, draft: Draft, history: History) -> Found:
    """A member's history folded by other rules, with what she keeps."""
    news, at = set(draft.pending), draft.state.at
    refolded = history.refolded(at, news)
    difference = refolded.difference
    kept = keeping.kept_of(difference.gone, difference.changed, take_back=publication.take_back)
    name = f"{KEPT}\u00a0{publication.revision}"
    if kept:
        words = refolding.words_of(history.recorded, news)
        draft.facts.append(keeping.fact_of(name, publication.counts_from, kept, words))
        refolded = history.refolded(at, news, draft.facts)
    cause = Cause(None, publication.counts_from, draft.present, name)
    return Found(history, refolded, [cause], (), news)


def _grants(loaded: Loaded, draft: Draft, after: MemberState) -> list[Fact]:
    """For each ladder on which she stands lower afterwards, the fact that her tier is granted, up to the day on which she would have
    lost it.
    """
    granted, at = [], draft.present
    # By their keys: so they are in the order of the facts, which all stand at one instant.
    for name, rule in sorted((loaded.rulebook.at(at) or loaded.rulebook.latest).ladders, key=lambda each: each[1].key):
        before: Any = draft.state.parts.get(name)
        was, now = rule.tier(before), rule.tier(after.parts.get(name))
        if before is None or rule.keys.index(was) <= rule.keys.index(now):
            continue
        if before.due is None or before.due > at:
            days = 0 if before.due is None else max(_days_between(at, before.due, rule), 1)
            fact_id = f"{draft.version:012d}/{TIER_GRANTED}/{rule.key}"
            data = {"ladder": rule.key, "tier": was, "days": days}
            granted.append(Fact(fact_id, TIER_GRANTED, at, Order(at, Rank.FACT, fact_id), data))
    return granted


def _days_between(at: datetime, until: datetime, rule: LadderReady) -> int:
    """For how many days of the program a tier is held from one instant until another."""
    return periods.local_day(until - _TICK, rule.zone) - periods.local_day(at, rule.zone)
