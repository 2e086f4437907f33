"""Undoing a merge: two who were taken for one person are two members again, each as she would be by herself.

What the whole was booked since is undone, and both stand where they stood. From there each lives on to the present with what she did and
what was sent for her since. Once anything rests on both together, points spent or a decision taken, that is refused.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from achievements import fold, merging
from achievements.fold import Difference, Refold, Trace
from achievements.movements import MemberUnmerged
from achievements.outcomes import AnyOutcome, Effect, RewardGiven, Scored
from achievements.values import OWN, Fact
from engagement.actions import refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause, worth_of
from engagement.actions.merging import INPUTS_MAX, MERGE_SECONDS, Side
from engagement.actions.programs import Loaded, Programs
from engagement.actions.refolding import History
from engagement.actions.telling import check_member, listen_to
from engagement.errors import Again, InProgress, Inseparable, NotFound, UnmergeRefused
from engagement.records import consents, erasures, events, facts, ledger, members, unmerges
from engagement.records.facts import MOVED, PAID, REWARD_TAKEN, SPENT, ZONE
from engagement.records.members import Held, Pending
from engagement.records.unit import Database, Unit
from engagement.records.unmerges import Before, Merge, Named


class UnmergeMembers(msgspec.Struct, frozen=True):
    """Who is to be herself again, by the app's own id."""

    former: str


class Unmerged(msgspec.Struct, frozen=True):
    """Who is a part of whom no more, since when, and what was told to her and to the other by it: nothing where it was undone before."""

    former: str
    into: str
    at: datetime
    effects: tuple[Effect, ...] = ()
    others: tuple[Effect, ...] = ()
    replayed: bool = False


class Alone(NamedTuple):
    """One of the two by herself: where she stood before the merge, where she stands now, and what came for her since."""

    side: Side
    before: Trace
    now: Trace
    news: frozenset[Pending]

    def undone(self, loaded: Loaded) -> list[str]:
        """The decisions to spend, by their facts, that are asked for no more since what came since."""
        wanted = {each.identity for each in self.now.asked}
        unasked = [each for each in self.before.asked if each.identity not in wanted]
        history = History(loaded, self.side.held.state.beginning, tuple(self.side.recorded), tuple(self.side.facts))
        return history.undone_spends(self.news, unasked)

    @property
    def difference(self) -> Difference:
        """What became of her since; what is as it was is among what moved, since the whole may have said otherwise meanwhile."""
        was, now = self.before.outcomes, self.now.outcomes
        found = fold.difference(was, now)
        same = ((each, each) for name, each in now.items() if was.get(name) == each)
        return replace(found, moved=(*found.moved, *same))


async def unmerge_members(
    database: Database, programs: Programs, program_id: int, command: UnmergeMembers, *, principal: str, key: str | None
) -> Unmerged:
    """Undo the newest merge of a member into another; one that is undone already is answered as done.

    Raises `InvalidInput` for what is no member's id; `NotFound` for a member of whom nothing was heard, `MemberErased` for one who was
    erased; `UnmergeRefused` for what cannot be undone, with the reason; `InProgress` as `listen_to` does; and what `Database.perform` raises.
    """
    check_member(command.former, "from")
    done, replayed = await database.perform(
        lambda unit: _unmerge(unit, programs, command),
        program_id,
        principal=principal,
        operation="unmergeMembers",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Unmerged).decode,
        deadline_seconds=MERGE_SECONDS,
    )
    answer: Unmerged = replace(done, replayed=replayed)
    return answer


async def _unmerge(unit: Unit, programs: Programs, command: UnmergeMembers) -> Unmerged:
    await unit.take_time(MERGE_SECONDS)
    await programs.load(unit, for_writing=True)
    merge = await _found(unit, command.former)
    into = (await members.of_ids(unit, [merge.into_id]))[merge.into_id].external_id
    if merge.undone_at is not None:
        return Unmerged(command.former, into, merge.undone_at)
    locked = await members.lock_states(unit, [merge.member_id, merge.into_id])
    if await _found(unit, command.former) != merge:
        # Since it was looked up: somebody else has undone it, or the other was merged.
        raise Again
    one = (await listen_to(unit, programs, [merge.into_id]))[merge.into_id]
    await one.arrive()
    await one.save()
    loaded = one.loaded
    before = await unmerges.before(unit, merge.id)
    whole = await _whole(unit, merge.into_id)
    await _check(unit, loaded, merge, before, whole)
    parted = await asyncio.to_thread(_parted, loaded, merge, before, whole, locked[merge.member_id])
    await _check_parted(unit, merge, before, parted)
    await unmerges.give_back_points(unit, merge, loaded.now)
    await unmerges.give_back_shop(unit, merge)
    await unmerges.give_back_history(unit, merge, before)
    await consents.move_back(unit, merge.member_id, merge.into_id, [merge.member_id, *before.parts])
    for each in (parted.hers, parted.mine):
        zones = [str(fact.data["timezone"]) for fact in each.side.facts if fact.kind == ZONE]
        await members.set_timezone(unit, each.side.held.id, zones[-1] if zones else None)
    at = max(loaded.now, one.at)
    effects, others = await _take_over(unit, loaded, parted, (command.former, into), at)
    await unmerges.part(unit, merge, before, at)
    return Unmerged(command.former, into, at, effects, others)


async def _found(unit: Unit, former: str) -> Merge:
    """The merge that is to be undone, or was; raises where there is none."""
    found = await unmerges.newest(unit, former)
    if found is None:
        await erasures.check_not_erased(unit, former)
        raise NotFound(f"Nothing was heard of the member `{former[:80]}`.", "from")
    into, merge = found
    if into is None and merge is None:
        raise _refused(Inseparable.NOT_MERGED)
    if merge is None or (into is not None and merge.undone_at is not None):
        raise _refused(Inseparable.NOT_KEPT)
    if into not in (None, merge.into_id):
        raise _refused(Inseparable.LATER)
    return merge


_WHY: Mapping[Inseparable, str] = {
    Inseparable.NOT_MERGED: "She is no part of another member.",
    Inseparable.NOT_KEPT: "They were merged when what either had before was not kept yet.",
    Inseparable.LATER: "The other became a part of a third since, or a third a part of her: undo that first.",
    Inseparable.TOO_LONG: f"Both together have more than {INPUTS_MAX:,} events and facts.",
    Inseparable.SPENT: "Points of both together were spent, set aside, given or taken since.",
    Inseparable.DECIDED: "Something was decided since that rests on both together.",
    Inseparable.DECIDES: "One of them by herself would be asked for a decision that both together were not.",
}


def _refused(reason: Inseparable) -> UnmergeRefused:
    return UnmergeRefused(reason, _WHY[reason], "from")


async def _whole(unit: Unit, into: UUID) -> Side:
    held = (await members.lock_states(unit, [into]))[into]
    if held.pending:
        raise InProgress("The worker has still events of this member to count; ask again in a while.")
    starts = [(into, held.state.beginning)]
    recorded = await events.since(unit, starts, INPUTS_MAX + 1)
    return Side(held, recorded[into], (await facts.since(unit, starts))[into])


async def _check(unit: Unit, loaded: Loaded, merge: Merge, before: Before, whole: Side) -> None:
    """Raise `UnmergeRefused` where something rests on both together."""
    ties = await unmerges.ties(unit, merge)
    if "later" in ties:
        raise _refused(Inseparable.LATER)
    if len(whole.recorded) + len(whole.facts) > INPUTS_MAX:
        raise _refused(Inseparable.TOO_LONG)
    known = {*before.others, *before.told, *(each.now for each in before.facts)}
    since = [each for each in whole.facts if each.id not in known]
    if "held" in ties or any(each.kind in _SPENDING or each.data.keys() & {PAID, MOVED} for each in since):
        raise _refused(Inseparable.SPENT)
    heard = {each.pending for each in before.said}
    if (
        since
        or any(each.revision > merge.revision for each in loaded.line.publications)
        or any(OWN in each.event.type and Pending(each.event.id) not in heard for each in whole.recorded)
    ):
        raise _refused(Inseparable.DECIDED)


_SPENDING = (SPENT, REWARD_TAKEN)


class Parted(NamedTuple):
    """Both as they are by themselves, and what of that is news to the one whose the whole was; `gone` is what the whole alone says."""

    hers: Alone
    mine: Alone
    news: Difference
    gone: Sequence[AnyOutcome]


def _parted(loaded: Loaded, merge: Merge, before: Before, whole: Side, held: Held) -> Parted:
    """Both histories told apart, and each folded by itself."""
    whose, names = {merge.member_id, *before.parts}, {each.now: each for each in before.facts}
    sent = [each for each in whole.recorded if each.event.sent_for in whose]
    hers = Side(held, sent, sorted(_renamed(whole.facts, names), key=lambda it: it.order))
    others = [each for each in whole.facts if each.id not in names and each.id not in before.told]
    mine = Side(whole.held, [each for each in whole.recorded if each.event.sent_for not in whose], others)
    heard = {each.pending for each in before.said}
    both = (
        _alone(loaded, hers, held.state.at, heard),
        _alone(loaded, mine, merge.stood_at, heard),
    )
    inputs = refolding.inputs(loaded, whole.recorded, whole.facts)
    together = fold.trace(loaded.rulebook, whole.held.state.beginning, inputs, whole.held.state.at).outcomes
    had = merging.had(both[0].before.outcomes, both[1].before.outcomes, before.lots, merge.member_id.hex)
    now = both[1].now.outcomes
    gone = [each for name, each in together.items() if name not in now]
    return Parted(*both, merging.news_apart(together, had, now), gone)


def _renamed(facts: Iterable[Fact], names: Mapping[str, Named]) -> list[Fact]:
    """Her facts as they were before they stood among the other's."""
    return [
        replace(
            each,
            id=was.id,
            order=replace(each.order, id=was.cause),
            data=each.data if was.data is None else msgspec.json.decode(was.data),
        )
        for each in facts
        if (was := names.get(each.id)) is not None
    ]


def _alone(loaded: Loaded, side: Side, stood_at: datetime, heard: Collection[Pending]) -> Alone:
    news = frozenset(
        said
        for each in side.recorded
        for said in (Pending(each.event.id), *(Pending(each.event.id, word.n) for word in each.amendments))
        if said not in heard
    )
    beginning = side.held.state.beginning
    was = refolding.inputs(loaded, side.recorded, side.facts, without=news)
    now = refolding.inputs(loaded, side.recorded, side.facts)
    before = fold.trace(loaded.rulebook, beginning, was, stood_at)
    after = fold.trace(loaded.rulebook, beginning, now, max(loaded.now, before.state.at))
    return Alone(side, before, after, news)


async def _check_parted(unit: Unit, merge: Merge, before: Before, parted: Parted) -> None:
    """Raise `UnmergeRefused` where a decision is asked of one of them, or something final rests on both together."""
    hers, mine = parted.hers, parted.mine
    for each in (hers, mine):
        if {it.identity for it in each.now.asked} - {it.identity for it in each.before.asked}:
            raise _refused(Inseparable.DECIDES)
    given = [each.reward for each in parted.gone if isinstance(each, RewardGiven)]
    if given and await unmerges.any_used(unit, merge, given):
        raise _refused(Inseparable.DECIDED)
    scores = [each for each in mine.now.outcomes.values() if isinstance(each, Scored)]
    own = {(each.board, each.period, each.group, each.score) for each in scores}
    others = {(each.board, each.period) for each in hers.now.outcomes.values() if isinstance(each, Scored)}
    for final in await unmerges.finals_since(unit, merge, before):
        if final not in own or final[:2] in others:
            raise _refused(Inseparable.DECIDED)


async def _take_over(
    unit: Unit, loaded: Loaded, parted: Parted, names: tuple[str, str], at: datetime
) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """Write both as they are by themselves; what each is told."""
    both = (parted.hers, parted.mine)
    ids = [each.side.held.id for each in both]
    changes = Changes(loaded, (await members.lock_states(unit, ids, balances=True)).values())
    spends = [await ledger.spends(unit, who, each.undone(loaded)) for who, each in zip(ids, both, strict=True)]
    lots = [
        (who, lot)
        for who, each, spent in zip(ids, both, spends, strict=True)
        for lot in {*worth_of(each.difference), *(spend.lot_id for spend in spent)}
    ]
    await changes.bring_lots(unit, ids, lots)
    told: list[tuple[Effect, ...]] = []
    for who, each, spent, other, news in zip(ids, both, spends, reversed(names), (None, parted.news), strict=True):
        draft, apart = changes.drafts[who], MemberUnmerged(other, at)
        draft.tell([apart])
        beginning = each.side.held.state.beginning
        refolded = Refold(each.now.state, each.difference, each.now.snapshots)
        cause = Cause(None, at, draft.present)
        effects = draft.refold(refolded, beginning, [cause], each.side.facts, spent, news)[None][1]
        told.append((apart, *effects))
    changes.drafts[ids[1]].gone += parted.gone
    await changes.save(unit)
    return told[0], told[1]
