"""Merging two members who are one person: from then on her former id leads to the other, and what both did is one history.

Both are let live up to the present first. Then the points of the one become the other's, lot by lot as they are, her history a part of
the other's, and what the whole says otherwise is the difference, as where anything of the past is learned late. What either had is kept.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec

from achievements import fold, keeping, merging
from achievements.asked import Asked
from achievements.challenges import PLACE_MISSED, PLACE_TAKEN
from achievements.fold import Difference, Refold, Trace
from achievements.keeping import KEPT
from achievements.merging import MERGED
from achievements.movements import MemberMerged
from achievements.outcomes import Effect, RewardGiven
from achievements.values import Fact, Order, Rank
from engagement.actions import refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause, worth_of
from engagement.actions.programs import Loaded, Programs
from engagement.actions.telling import check_member, listen_to
from engagement.errors import InProgress, InvalidInput, MergeRefused, NotFound, Unmergeable
from engagement.records import consents, events, facts, members, merges, outcomes, unmerges
from engagement.records.events import Recorded
from engagement.records.facts import REFUNDS, ZONE
from engagement.records.members import Held
from engagement.records.unit import Database, Unit
from engagement.records.unmerges import Before, Merge, Named

MERGE_SECONDS = 20.0
INPUTS_MAX = refolding.REFOLD_INPUTS_MAX
"""Of both together: they are folded while the request waits."""


class MergeMembers(msgspec.Struct, frozen=True):
    """Who becomes a part of whom, by the app's own ids."""

    former: str
    into: str


class Merged(msgspec.Struct, frozen=True):
    """Who is a part of whom now, since when, and what that changed for the other."""

    former: str
    into: str
    at: datetime
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


class Side(NamedTuple):
    """One of the two with her whole history."""

    held: Held
    recorded: Sequence[Recorded]
    facts: Sequence[Fact]


class Whole(NamedTuple):
    """Both histories as one: where it ends, what that changes, and the facts that it takes. `given` are the rewards that each alone was given."""

    trace: Trace
    difference: Difference
    told: list[Fact]
    given: tuple[Collection[str], Collection[str]]


async def merge_members(
    database: Database, programs: Programs, program_id: int, command: MergeMembers, *, principal: str, key: str | None
) -> Merged:
    """Let a member be a part of another at the program's present.

    Raises `InvalidInput` for what is no member's id, or the same twice; `NotFound` for a member of whom nothing was heard; `MergeRefused`
    for what cannot be merged, with the reason; `InProgress` and `MemberErased` as `listen_to` does; and what `Database.perform` raises.
    """
    check_member(command.former, "from")
    check_member(command.into, "into")
    if command.former == command.into:
        raise InvalidInput("Name two members.", "from")
    done, replayed = await database.perform(
        lambda unit: _merge(unit, programs, command, principal),
        program_id,
        principal=principal,
        operation="mergeMembers",
        key=key,
        command=msgspec.json.encode(command),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Merged).decode,
        deadline_seconds=MERGE_SECONDS,
    )
    answer: Merged = msgspec.structs.replace(done, replayed=replayed)
    return answer


async def _merge(unit: Unit, programs: Programs, command: MergeMembers, principal: str) -> Merged:
    await unit.take_time(MERGE_SECONDS)
    known = await members.ids_of(unit, [command.former, command.into])
    for name, field in ((command.former, "from"), (command.into, "into")):
        if name not in known:
            raise NotFound(f"Nothing was heard of the member `{name[:80]}`.", field)
    former, into = known[command.former], known[command.into]
    if former == into:
        raise MergeRefused(Unmergeable.MERGED, "They are one member already.", "from")
    both = await listen_to(unit, programs, [former, into])
    for each in both.values():
        await each.arrive()
    await both[into].save()
    loaded = both[into].loaded
    hers, mine = await _sides(unit, former, into)
    await _check(unit, hers, mine)
    names = merging.facts_beside(hers.facts, mine.facts, former.hex, REFUNDS)
    lots = merging.other_names(await merges.lots(unit, former), await merges.lots(unit, into), former.hex)
    at = max(hers.held.state.at, mine.held.state.at)
    version = max(hers.held.version, mine.held.version) + 1
    name = f"{version:012d}/{MERGED}"
    fact = Fact(name, MERGED, at, Order(at, Rank.FACT, name), {"member": command.former, "by": principal})
    joined = Side(hers.held, hers.recorded, [*names.values()])
    whole = await asyncio.to_thread(_folded, loaded, hers, joined, mine, fact, lots)
    merge = Merge(uuid4(), former, into, version, loaded.program.revision, at, mine.held.state.at)
    await unmerges.keep(unit, merge, _before(hers, mine, names, lots, whole.told))
    await _move(unit, former, into, whole, lots, {old: each.id for old, each in names.items()}, loaded.now)
    effects = await _take_over(unit, loaded, hers, mine, whole, MemberMerged(command.former, at))
    await merges.move_history(unit, former, into, names)
    zones = [each for each in sorted([*mine.facts, *names.values()], key=lambda it: it.order) if each.kind == ZONE]
    if zones:
        await members.set_timezone(unit, into, str(zones[-1].data["timezone"]))
    return Merged(command.former, command.into, at, effects)


async def _move(
    unit: Unit, former: UUID, into: UUID, whole: Whole, lots: Mapping[str, str], facts: Mapping[str, str], now: datetime
) -> None:
    """Let her points, what she has of the shop and what she agreed to be the other's."""
    await merges.move_points(unit, former, into, lots, facts, now)
    hers, mine = await merges.rewards(unit, former), await merges.rewards(unit, into)
    await merges.move_shop(unit, former, into, facts, merging.rewards_beside(hers, mine, *whole.given, mark=former.hex))
    await consents.move(unit, former, into)


def _before(hers: Side, mine: Side, names: Mapping[str, Fact], lots: Mapping[str, str], told: Sequence[Fact]) -> Before:
    """What it takes to tell their facts and lots apart again."""
    named = []
    for each in hers.facts:
        now = names[each.id]
        data = None if now.data == each.data else msgspec.json.encode(each.data).decode()
        named.append(Named(now.id, each.id, each.order.id, data))
    return Before(tuple(named), lots, tuple(each.id for each in mine.facts), tuple(each.id for each in told))


async def _sides(unit: Unit, former: UUID, into: UUID) -> tuple[Side, Side]:
    held = await members.lock_states(unit, [former, into], balances=True)
    if any(each.pending for each in held.values()):
        raise InProgress("The worker has still events of these members to count; ask again in a while.")
    starts = [(who, each.state.beginning) for who, each in held.items()]
    recorded = await events.since(unit, starts, INPUTS_MAX + 1)
    known = await facts.since(unit, starts)
    hers, mine = (Side(held[who], recorded[who], known[who]) for who in (former, into))
    return hers, mine


async def _check(unit: Unit, hers: Side, mine: Side) -> None:
    """Raise `MergeRefused` for what would be done by half."""
    if sum(len(each.recorded) + len(each.facts) for each in (hers, mine)) > INPUTS_MAX:
        said = f"Both together have more than {INPUTS_MAX:,} events and facts."
        raise MergeRefused(Unmergeable.TOO_LONG, said, "from")
    if any(each.kind in (PLACE_TAKEN, PLACE_MISSED) for each in hers.facts):
        raise MergeRefused(Unmergeable.PLACE, _WHY[Unmergeable.PLACE], "from")
    if any(each.kind == KEPT for each in hers.facts):
        raise MergeRefused(Unmergeable.KEEPS, _WHY[Unmergeable.KEEPS], "from")
    for tie in sorted(await merges.ties(unit, hers.held.id, mine.held.id)):
        raise MergeRefused(Unmergeable(tie), _WHY[Unmergeable(tie)], "from")


_WHY: Mapping[Unmergeable, str] = {
    Unmergeable.TEAM: "She is in a team, or has given to one.",
    Unmergeable.REFERRAL: "She was brought by somebody, or has brought somebody.",
    Unmergeable.DRAW: "She has entries in a draw.",
    Unmergeable.PRIZE: "A prize is on its way to her; ask again in a while.",
    Unmergeable.SAME_EVENT: "An event of hers has the id of one of the other's.",
    Unmergeable.PLACE: "She has asked for one of a limited number of places.",
    Unmergeable.KEEPS: "She keeps what the rules say no more, by an earlier merge or a program that counted the past.",
    Unmergeable.DECIDES: "Both together would be asked for a decision that neither was alone.",
}


def _folded(loaded: Loaded, hers: Side, joined: Side, mine: Side, fact: Fact, lots: Mapping[str, str]) -> Whole:
    """Both histories as one, with the fact that they are, and what is kept of what either had."""
    alone = [
        fold.trace(
            loaded.rulebook,
            each.held.state.beginning,
            refolding.inputs(loaded, each.recorded, each.facts),
            each.held.state.at,
        )
        for each in (hers, mine)
    ]
    recorded = sorted((*joined.recorded, *mine.recorded), key=lambda each: (each.event.occurred_at, each.event.id))
    told = [*joined.facts, *mine.facts, fact]
    mark = hers.held.id.hex
    had = merging.had(alone[0].outcomes, alone[1].outcomes, lots, mark)

    def fold_all(more: Sequence[Fact]) -> tuple[Trace, Difference]:
        inputs = refolding.inputs(loaded, recorded, [*told, *more])
        trace = fold.trace(loaded.rulebook, mine.held.state.beginning, inputs, fact.at)
        return trace, merging.difference(alone[1].outcomes, had, trace.outcomes)

    trace, difference = fold_all([])
    if _identities(trace.asked) - _identities(alone[0].asked) - _identities(alone[1].asked):
        raise MergeRefused(Unmergeable.DECIDES, _WHY[Unmergeable.DECIDES], "from")
    rewards = [{it.reward for it in each.outcomes.values() if isinstance(it, RewardGiven)} for each in alone]
    given = (rewards[0], rewards[1])
    kept = keeping.kept_of(difference.gone, difference.changed, take_back=False)
    if not kept:
        return Whole(trace, difference, [fact], given)
    instants = [*(each.event.occurred_at for each in recorded), *(each.at for each in told)]
    keeps = keeping.fact_of(f"{KEPT}\u00a0{mark}", min(instants), kept, refolding.words_of(recorded))
    trace, difference = fold_all([keeps])
    return Whole(trace, difference, [keeps, fact], given)


def _identities(asked: Sequence[Asked]) -> set[object]:
    return {each.identity for each in asked}


async def _take_over(
    unit: Unit, loaded: Loaded, hers: Side, mine: Side, whole: Whole, merged: MemberMerged
) -> tuple[Effect, ...]:
    """Write the whole as the other's, and that nothing is left of the one by herself; what the other is told."""
    former, into = hers.held.id, mine.held.id
    gone = (await outcomes.of_members(unit, [former]))[former]
    # Her points are the other's by now.
    held = await members.lock_states(unit, [former, into], balances=True)
    changes = Changes(loaded, held.values())
    await changes.bring_lots(unit, [into], [(into, lot) for lot in worth_of(whole.difference)])
    left, draft = changes.drafts[former], changes.drafts[into]
    left.state = fold.trace(loaded.rulebook, hers.held.state.beginning, [], hers.held.state.at).state
    left.gone, left.base_inputs = gone, 0
    draft.version = max(left.version, draft.version)
    draft.tell([merged])
    draft.facts += whole.told
    draft.purse.settle(draft.present)
    trace = whole.trace
    refolded = Refold(trace.state, whole.difference, trace.snapshots)
    told = draft.refold(refolded, mine.held.state.beginning, [Cause(None, merged.at, draft.present)], mine.facts)
    await changes.save(unit)
    return merged, *told[None][1]
