"""Proving that what is stored is what the inputs say, and mending what is not.

`verify` folds every member again from her first input and compares: her state and snapshots, her
zone, her outcomes, what her lots were booked with and when they end, what her decisions took, her wallets and lots with their
transfers, when something falls due, and the numbers of her feed. What closed periods say it compares with what counts in them,
the shop's stock and redemptions with each other, and who won in draws with their seeds. It reads one snapshot of
the database at a time, so the service goes on meanwhile. `rebuild` writes what differs; facts stand, and wallets it does not
touch: money is corrected by transfers, which follow from the lots.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import chain
from uuid import UUID

import msgspec

from achievements import fold
from achievements.asked import Asked, SpendAsked
from achievements.draws import DRAW_WON
from achievements.outcomes import AnyOutcome, Contributed, Identity, PointsEarned
from achievements.states import MemberState
from achievements.teams import TEAM_TARGET_MET
from achievements.values import Fact
from engagement.actions import accounting, drawing, locking, lot_checks, refolding
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause
from engagement.actions.programs import Loaded, Programs
from engagement.actions.refolding import Found, History
from engagement.actions.retaining import days_of
from engagement.records import (
    activity,
    audit,
    draws,
    events,
    facts,
    holds,
    ledger,
    members,
    outcomes,
    seals,
    shop_audit,
    snapshots,
    teams,
)
from engagement.records.events import Recorded
from engagement.records.facts import MOVED, PAID, REFUNDS, REWARD_TAKEN, SPENT, ZONE
from engagement.records.members import Held, Member, Pending
from engagement.records.unit import Database, Unit

MEMBERS_AT_ONCE = 100
VERIFY_SECONDS = 300.0


class Discrepancy(msgspec.Struct, frozen=True):
    """Something that is stored otherwise than it follows from the inputs of a member; None: of all members together."""

    member: str | None
    what: str
    stored: str
    expected: str


class Progress(msgspec.Struct, frozen=True):
    """A stretch of members looked at: how many of how many so far, and what was wrong with those of this stretch."""

    done: int
    total: int
    discrepancies: tuple[Discrepancy, ...]


async def verify(database: Database, cache: Programs, program_id: int) -> AsyncIterator[Progress]:
    """Compare everything of every member, a stretch at a time; then closed periods with the transfers that count in them."""
    total = await database.run(members.count, program_id, read_only=True)
    done, after = 0, None
    while True:
        looked = await database.run(
            functools.partial(_look, cache=cache, after=after),
            program_id,
            deadline_seconds=VERIFY_SECONDS,
            read_only=True,
        )
        if not looked.members:
            break
        done, after = done + len(looked.members), looked.members[-1].external_id
        yield Progress(done, max(total, done), tuple(looked.discrepancies))
    work = functools.partial(_of_all, cache=cache)
    falsified = await database.run(work, program_id, deadline_seconds=VERIFY_SECONDS, read_only=True)
    for drawn in await database.run(draws.drawn, program_id, read_only=True):
        of_draw = functools.partial(_of_draw, drawn=drawn)
        falsified += await database.run(of_draw, program_id, deadline_seconds=VERIFY_SECONDS, read_only=True)
    if falsified:
        yield Progress(done, max(total, done), tuple(Discrepancy(None, *each) for each in falsified))


async def _of_all(unit: Unit, cache: Programs) -> list[tuple[str, str, str]]:
    """What is wrong of all members together: closed periods, the shop's stock and codes, and what keys have moved."""
    await unit.take_time(VERIFY_SECONDS)
    changed = [(what, *_BY_HAND) for what in await seals.broken_of_all(unit)]
    return [*await accounting.falsified(unit, await cache.load(unit)), *await shop_audit.miscounted(unit), *changed]


_BY_HAND = "changed by hand", "as it was sealed"


async def _of_draw(unit: Unit, drawn: draws.Stored) -> list[tuple[str, str, str]]:
    await unit.take_time(VERIFY_SECONDS)
    return await drawing.falsified(unit, drawn)


async def rebuild(database: Database, cache: Programs, program_id: int) -> AsyncIterator[Progress]:
    """Write again what follows from the inputs, where it is stored otherwise; what is told was wrong and is mended.

    States, snapshots, outcomes and what lots are worth are mended, and when a member falls due by them. What remains for a
    person to look at `verify` names afterwards: wallets, what is left or ended in a lot, its dates, decisions, a member's
    zone and gaps in a feed.
    """
    async for progress in verify(database, cache, program_id):
        for external_id in dict.fromkeys(each.member for each in progress.discrepancies if each.member is not None):
            await database.run(
                functools.partial(_mend, cache=cache, external_id=external_id),
                program_id,
                deadline_seconds=VERIFY_SECONDS,
            )
        yield progress


class _Looked(msgspec.Struct, frozen=True):
    members: list[Member]
    discrepancies: list[Discrepancy]


class _Stored(msgspec.Struct, frozen=True):
    """Outcomes as they are stored: those of the tables and the lots; the rest are in the state."""

    held: Held
    outcomes: Mapping[Identity, AnyOutcome]


async def _look(unit: Unit, cache: Programs, after: str | None) -> _Looked:
    await unit.take_time(VERIFY_SECONDS)
    loaded = await cache.load(unit)
    page = await members.page(unit, after, MEMBERS_AT_ONCE)
    ids = [each.id for each in page]
    names = {each.id: each.external_id for each in page}
    states = await members.states(unit, ids)
    # Of an erased member there are the books alone.
    ids = [each for each in ids if not states[each].erased]
    stored = await _stored(unit, [states[each] for each in ids])
    inputs = await _inputs(unit, [each.held for each in stored])
    folded = await asyncio.to_thread(lambda: {who: each.traced(loaded) for who, each in inputs.items()})
    found = [
        discrepancy for each in stored for discrepancy in _compared(names[each.held.id], each, folded[each.held.id])
    ]
    for who, taken in (await ledger.carried_out(unit, ids)).items():
        decided = inputs[who].decided(folded[who].asked)
        found += [
            Discrepancy(names[who], f"decision {fact}", f"took {taken.get(fact, 0)}", _either(decided.get(fact, {0})))
            for fact in sorted({*taken, *decided})
            if taken.get(fact, 0) not in decided.get(fact, {0})
        ]
    found += [
        Discrepancy(names[who], f"hold {hold}", f"captured {captured}", f"captured {paid}")
        for who, hold, fact, captured in await holds.captures(unit, ids)
        if captured != (paid := inputs[who].paid.get(fact, 0))
    ]
    for each in page:
        if each.id in inputs and each.timezone != (zone := inputs[each.id].zone):
            found.append(Discrepancy(each.external_id, "zone", _written(each.timezone), _written(zone)))
    found += await _kept(unit, names, folded)
    found += await _booked(unit, loaded, names, {who: each.facts for who, each in inputs.items()})
    found += [Discrepancy(names[who], *told) for who, *told in await audit.misdated(unit, ids)]
    found += [Discrepancy(names[who], *rest) for who, *rest in await teams.wrong(unit, ids)]
    found += [Discrepancy(names[who], *rest) for who, *rest in await shop_audit.wrong(unit, ids)]
    for who, told in (await teams.told(unit, ids)).items():
        found += [
            Discrepancy(names[who], " ".join(("team target", *window)).rstrip(), *_told_of(window in told))
            for window in sorted(told ^ inputs[who].met_together)
        ]
    for who, won in (await draws.told(unit, ids)).items():
        found += [
            Discrepancy(names[who], f"won in draw {draw}", *_told_of(draw in won))
            for draw in sorted(won ^ inputs[who].drawn)
        ]
    found += [
        Discrepancy(names[who], "feed", "has gaps", "numbers from 1 without gaps")
        for who in await activity.with_gaps(unit, ids, from_one=days_of(loaded, "feed") is None)
    ]
    return _Looked(page, found)


async def _kept(unit: Unit, names: Mapping[UUID, str], folded: Mapping[UUID, fold.Trace]) -> list[Discrepancy]:
    """Where snapshots are not what the history folds to, and members fall due at another instant than what follows."""
    found = []
    for who, kept in (await snapshots.of_members(unit, list(folded))).items():
        expected = {each.inputs: each for each in folded[who].snapshots}
        for inputs, (at, state) in sorted(kept.items()):
            what, folds_to = f"snapshot {inputs}", expected.get(inputs)
            if folds_to is None:
                found.append(Discrepancy(names[who], what, _written(at), _written(None)))
            elif state != folds_to:
                found.append(Discrepancy(names[who], what, *_differing(state, folds_to)))
            elif at != folds_to.at:
                found.append(Discrepancy(names[who], what, _written(at), _written(folds_to.at)))
    for who, (due_at, expiry) in (await audit.due_dates(unit, list(folded))).items():
        due = min((each for each in (folded[who].state.due, expiry) if each is not None), default=None)
        if due_at != due:
            found.append(Discrepancy(names[who], "due", _written(due_at), _written(due)))
    return found


async def _booked(
    unit: Unit, loaded: Loaded, names: Mapping[UUID, str], known: Mapping[UUID, Sequence[Fact]]
) -> list[Discrepancy]:
    """Where wallets, lots and transfers do not agree, lots are otherwise than what brought them says (by the facts `known` of members), and
    rows were changed by hand.
    """
    ids = list(names)
    found = [
        Discrepancy(names[who], f"lot {lot}", stored, booked)
        for who, lot, stored, booked in await audit.unequal_lots(unit, ids)
    ]
    held, opened = await holds.held_by_lot(unit, ids), await audit.openings(unit, ids)
    for lot in await audit.lot_dates(unit, ids):
        holding = held.pop((lot.member_id, lot.id), 0)
        if lot.held != holding:
            found.append(Discrepancy(names[lot.member_id], f"held of lot {lot.id}", str(lot.held), str(holding)))
        if (facts := known.get(lot.member_id)) is not None:
            wrong = lot_checks.wrong_of(loaded, lot, facts, opened.get((lot.member_id, lot.id), ()))
            found += [Discrepancy(names[lot.member_id], *each) for each in wrong]
    found += [
        Discrepancy(names[who], f"held of lot {lot}", "no lot", str(points)) for (who, lot), points in held.items()
    ]
    found += [
        Discrepancy(names[who], f"wallet {currency}", stored, expected)
        for who, currency, stored, expected in await audit.unbalanced(unit, ids)
    ]
    found += [Discrepancy(names[who], what, *_BY_HAND) for who, what in await seals.broken(unit, ids)]
    return found


async def _stored(unit: Unit, held: Sequence[Held]) -> list[_Stored]:
    ids = [each.id for each in held]
    tables, lots = await outcomes.of_members(unit, ids), await ledger.earned(unit, ids)
    return [
        _Stored(each, {outcome.identity: outcome for outcome in chain[AnyOutcome](tables[each.id], lots[each.id])})
        for each in held
    ]


class _Inputs(msgspec.Struct, frozen=True):
    """A member's whole history, as it is stored."""

    held: Held
    recorded: Sequence[Recorded]
    facts: Sequence[Fact]

    def traced(self, loaded: Loaded) -> fold.Trace:
        """It folded from nothing to where she had been advanced, without what still waits."""
        inputs = refolding.inputs(loaded, self.recorded, self.facts, without=set(self.held.pending))
        return fold.trace(loaded.line.rulebook_of(self.held), self.held.state.beginning, inputs, self.held.state.at)

    @property
    def zone(self) -> str | None:
        """The zone of her own that she was given last."""
        given = [str(each.data["timezone"]) for each in self.facts if each.kind == ZONE]
        return given[-1] if given else None

    @property
    def met_together(self) -> set[tuple[str, str]]:
        """The windows (challenge, period) in which she heard that a team of hers has met its target."""
        return {
            (str(each.data["challenge"]), str(each.data["period"]))
            for each in self.facts
            if each.kind == TEAM_TARGET_MET
        }

    @property
    def drawn(self) -> set[str]:
        """The draws of which she heard that she has won."""
        return {str(each.data["draw"]) for each in self.facts if each.kind == DRAW_WON}

    @property
    def paid(self) -> dict[str, int]:
        """What she paid by commands, by fact."""
        return {each.id: int(each.data[PAID]["points"]) for each in self.facts if PAID in each.data}

    def decided(self, asked: Sequence[Asked]) -> dict[str, set[int]]:
        """What her decisions took, by fact.

        A spend whose event was reversed or amended, and does not ask for it now, gave it back. One that was amended more than
        once may have done so on the way: a decision is never retaken, so nothing is right there, and so is all of it.
        """
        waiting = set(self.held.pending)
        words = {
            each.event.id: sum(Pending(each.event.id, word.n) not in waiting for word in each.amendments)
            for each in self.recorded
        }
        wanted = {(each.event_id, each.rule) for each in asked if isinstance(each, SpendAsked)}
        found = {each.id: {int(each.data["points"])} for each in self.facts if each.kind in (SPENT, REWARD_TAKEN)}
        found |= {fact: {points} for fact, points in self.paid.items()}
        found |= {each.id: {-int(each.data[MOVED]["points"])} for each in self.facts if MOVED in each.data}
        found |= {str(each.data[REFUNDS]): {0} for each in self.facts if REFUNDS in each.data}
        for each in self.facts:
            if each.kind == SPENT and words.get(each.order.id):
                if (each.order.id, each.data["rule"]) not in wanted:
                    found[each.id] = {0}
                elif words[each.order.id] > 1:
                    found[each.id].add(0)
        return found


async def _inputs(unit: Unit, held: Sequence[Held]) -> dict[UUID, _Inputs]:
    starts = [(each.id, each.state.beginning) for each in held]
    recorded = await events.since(unit, starts, refolding.HISTORY_INPUTS_MAX)
    known = await facts.since(unit, starts)
    return {each.id: _Inputs(each, recorded[each.id], known[each.id]) for each in held}


def _compared(member: str, stored: _Stored, folded: fold.Trace) -> list[Discrepancy]:
    found = []
    if stored.held.state != folded.state:
        found.append(Discrepancy(member, "state", *_differing(stored.held.state, folded.state)))
    expected = {identity: each for identity, each in folded.outcomes.items() if identity[0] not in _IN_STATE_ALONE}
    for identity in sorted({*stored.outcomes, *expected}):
        was, now = stored.outcomes.get(identity), expected.get(identity)
        if _value(was) != _value(now):
            found.append(Discrepancy(member, " ".join(identity), _written(was), _written(now)))
    return found


_TOLD_ALONE = {"at_risk", "milestone", "prize", "confirmation"}
_IN_STATE_ALONE = {"streak", "progress", *_TOLD_ALONE}


def _told_of(told: bool) -> tuple[str, str]:
    return ("told", "no fact of it") if told else ("not told", "a fact of it")


def _value(outcome: AnyOutcome | None) -> object:
    # A lot keeps the dates of its first booking, also where the outcome that gave it moved.
    return outcome.undated if isinstance(outcome, PointsEarned) else outcome


def _either(points: set[int]) -> str:
    return " or ".join(map(str, sorted(points)))


def _written(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def _differing(stored: MemberState, folded: MemberState) -> tuple[str, str]:
    """What of two states differs, and no more."""
    was, now = msgspec.to_builtins(stored), msgspec.to_builtins(folded)
    flat_was, flat_now = {**was, **was["parts"]}, {**now, **now["parts"]}
    names = sorted(name for name in {*flat_was, *flat_now} - {"parts"} if flat_was.get(name) != flat_now.get(name))
    return tuple(_written({name: flat.get(name) for name in names}) for flat in (flat_was, flat_now))  # type: ignore[return-value]


async def _mend(unit: Unit, cache: Programs, external_id: str) -> None:
    await unit.take_time(VERIFY_SECONDS)
    loaded = await cache.load(unit, for_writing=True)
    who = (await members.ids_of(unit, [external_id]))[external_id]
    held = (await locking.lock(unit, loaded, [who], balances=True))[who]
    if held.erased:
        return
    (stored,) = await _stored(unit, [held])
    inputs = await _inputs(unit, [held])
    folded = await asyncio.to_thread(inputs[who].traced, loaded)
    levels = {each.identity: each for each in fold.levels(loaded.rulebook, held.state)}
    was = {one: each for one, each in levels.items() if one[0] in _IN_STATE_ALONE} | dict(stored.outcomes)
    difference = fold.difference(was, folded.outcomes)
    # Progress, milestones and streaks of the past are kept in the state alone: they are not outcomes that could be gone.
    gone = tuple(each for each in difference.gone if each.identity[0] not in _IN_STATE_ALONE)
    # What only happens was told then, and nothing is stored by which that could be seen: it is not told again.
    new = tuple(each for each in difference.new if each.identity[0] not in _TOLD_ALONE)
    changes = Changes(loaded, [held])
    refolded = fold.Refold(folded.state, msgspec.structs.replace(difference, gone=gone, new=new), folded.snapshots)
    repair = Found(History(loaded, held.state.beginning, ()), refolded, [Cause(None, loaded.now, loaded.now)], ())
    await refolding.take_over(unit, changes, {who: repair})
    await changes.save(unit)
    given = [each for each in folded.outcomes.values() if isinstance(each, Contributed)]
    await teams.add_up(unit, given, loaded.now)
