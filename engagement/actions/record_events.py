"""Recording events: from the request to the receipts, in one transaction for all who ask at the same time.

While a batch of a program commits, requests for it wait for the next one (`gathering`). Where many events wait, a second batch goes
beside the first: PostgreSQL writes what one brought while another is judged.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec

from achievements import fold
from achievements.amendments import Amendment
from achievements.outcomes import Effect
from achievements.values import Event
from engagement.actions import locking, refolding
from engagement.actions.accounts import LotsMissing
from engagement.actions.changes import Changes
from engagement.actions.drafts import Cause, Draft
from engagement.actions.gathering import Gathering, Limits
from engagement.actions.places import Places, PlacesMissing
from engagement.actions.programs import Loaded, Programs
from engagement.actions.sent_events import (
    Accepted,
    Receipt,
    RefusedEvent,
    SentEvent,
    Status,
    check,
    check_batch,
    conflict,
    erased,
    same,
)
from engagement.errors import Refusal
from engagement.observer import INTERNAL, NOBODY, BatchReport, Observer
from engagement.records import activity, events, members
from engagement.records.events import Earlier, StoredEvent
from engagement.records.events import Recorded as Stored
from engagement.records.members import Held, Pending
from engagement.records.unit import Database, Unit

BATCH_EVENTS_MAX = 1_000
"""A batch takes waiting requests up to so many events; a single request always fits."""
BESIDE_EVENTS_MIN = 200
"""So many waiting events are worth a batch beside another; fewer cost less all together in the next one."""
QUEUED_EVENTS_MAX = 50_000
"""Of one program, in one process: beyond it a request is told to come back later."""

Request: TypeAlias = tuple[SentEvent, ...]


class Recorded(msgspec.Struct, frozen=True):
    """The answers to a request, each in the order of its events."""

    receipts: tuple[Receipt, ...]
    refused: tuple[RefusedEvent, ...]


class Intake:
    """Where events come in: one queue for each program, and at most two batches of it at a time. One for each process."""

    def __init__(self, database: Database, programs: Programs, observer: Observer = NOBODY) -> None:
        self._database = database
        self._programs = programs
        self._observer = observer
        limits = Limits(BATCH_EVENTS_MAX, QUEUED_EVENTS_MAX, BESIDE_EVENTS_MIN)
        self.gathering: Gathering[Request, Recorded] = Gathering(self._record, limits, len)

    async def record(self, program_id: int, sent: Sequence[SentEvent]) -> Recorded:
        """Take events into a program. Safe to repeat: an event that was taken before gives its first reply again.

        Raises `InvalidInput` for a request of no or too many events, and what `Database.run` raises; then none of these
        events was taken (or, after `OutcomeUnknown`, all or none were).
        """
        check_batch(sent)
        return await self.gathering.ask(program_id, tuple(sent))

    async def _record(self, program_id: int, requests: Sequence[Request]) -> list[Recorded]:
        report = BatchReport(program_id, len(requests), sum(map(len, requests)), begun=time.perf_counter())
        try:
            answers = await self._database.run(lambda unit: self._take(unit, requests, report), program_id)
        except Exception as error:
            self._observer.batch_failed(report, error.code if isinstance(error, Refusal) else INTERNAL)
            raise
        self._observer.batch_committed(report)
        return answers

    async def _take(self, unit: Unit, requests: Sequence[Request], report: BatchReport) -> list[Recorded]:
        loaded = await self._programs.load(unit, for_writing=True)
        checked = [[check(loaded, index, sent) for index, sent in enumerate(request)] for request in requests]
        accepted = [each for request in checked for each in request if isinstance(each, Accepted)]
        answers = await Batch(unit, loaded, report).take(accepted) if accepted else []
        answered = iter(answers)
        return [
            _recorded([next(answered) if isinstance(each, Accepted) else each for each in request])
            for request in checked
        ]


class Fresh(msgspec.Struct, frozen=True):
    """An event not sent before, and what was said of it ahead of its coming."""

    accepted: Accepted
    amendments: tuple[Amendment, ...]

    def recorded(self, member_id: UUID, sent_for: UUID | None = None) -> Stored:
        """It as it is stored, of a member, or for one who is a part of her."""
        each = self.accepted
        event = each.event
        instants = (event.at, each.sent_at, each.received_at)
        stored = StoredEvent(member_id, event.id, event.type, *instants, each.properties, each.too_late, None, sent_for)
        return Stored(stored, self.amendments)

    def counted(self, loaded: Loaded, member_id: UUID) -> Event | None:
        """It as it counts: in its amended form, or not at all."""
        if not self.amendments:
            return self.accepted.event
        return next(iter(refolding.counted(loaded, [self.recorded(member_id)])), None)


_Counting: TypeAlias = tuple[UUID, list[tuple[Fresh, Event]]]
"""A member's events that count, in order."""


class Batch:
    """Events of one program on their way through one transaction."""

    def __init__(self, unit: Unit, loaded: Loaded, report: BatchReport) -> None:
        self._unit = unit
        self._loaded = loaded
        self._report = report
        # A transaction that is repeated is told of as it went the last time.
        report.folding_seconds = report.refolds = report.postponed = 0
        self._stored: list[StoredEvent] = []
        self._receipts: dict[tuple[UUID, str], Receipt] = {}
        self._waiting: set[tuple[UUID, str]] = set()
        self._former: Mapping[str, UUID] = {}

    async def take(self, accepted: Sequence[Accepted]) -> list[Receipt | RefusedEvent]:
        """The answers to accepted events, in their order."""
        ids, self._former = await members.enrol(self._unit, {each.member for each in accepted}, self._loaded.now)
        held = await locking.lock(self._unit, self._loaded, ids.values(), in_all=refolding.BATCH_REFOLD_INPUTS_MAX)
        # An erased member has no name any more, or lost it while we waited for her lock.
        ids = {name: who for name, who in ids.items() if not held[who].erased}
        there = [each for each in accepted if each.member in ids]
        answers = iter(await self._record(there, ids, held))
        return [next(answers) if each.member in ids else erased(each) for each in accepted]

    async def _record(
        self, accepted: Sequence[Accepted], ids: Mapping[str, UUID], held: Mapping[UUID, Held]
    ) -> list[Receipt | RefusedEvent]:
        self._waiting = {(who, each.event_id) for who, state in held.items() for each in state.pending if not each.n}
        # Looked up under the members' locks, so what is not there now does not appear before the commit.
        first = {(ids[each.member], each.event.id): each for each in reversed(accepted)}
        earlier = await events.earlier(self._unit, list(first))
        fresh: dict[UUID, list[Fresh]] = defaultdict(list)
        for (who, identity), each in first.items():
            before = earlier.get((who, identity))
            if before is None or before.event is None:
                fresh[who].append(Fresh(each, () if before is None else before.amendments))
        if fresh:
            changes = await self._folded(
                [held[who] for who in fresh],
                {who: name for name, who in ids.items() if name not in self._former},
                fresh,
            )
            await events.append(self._unit, self._stored)
            await changes.save(self._unit)
        return [self._answer(each, (ids[each.member], each.event.id), first, earlier) for each in accepted]

    async def _folded(self, held: Sequence[Held], names: Mapping[UUID, str], fresh: dict[UUID, list[Fresh]]) -> Changes:
        """Members with their new events; from the start again each time it turns out that more places have to be looked at."""
        places = Places()
        while True:
            changes = Changes(self._loaded, held, names, places)
            try:
                await self._fold(changes, fresh)
            except PlacesMissing as missing:
                await places.bring(self._unit, [missing.asked])
                places.give_back(fresh)
                self._report.refolds = self._report.postponed = 0
                self._stored.clear()
                self._receipts.clear()
            else:
                return changes

    async def _fold(self, changes: Changes, fresh: dict[UUID, list[Fresh]]) -> None:
        next_up: list[_Counting] = []
        late: list[_Counting] = []
        for who, sent in fresh.items():
            draft = changes.drafts[who]
            counting = []
            for each in sent:
                event = None if each.accepted.too_late else each.counted(self._loaded, who)
                if event is not None:
                    counting.append((each, event))
                else:
                    self._store(who, each, "TOO_LATE" if each.accepted.too_late else "APPLIED")
            counting.sort(key=lambda pair: pair[1].order)
            if counting and (draft.pending or draft.behind):
                self._postpone(draft, counting)
            elif counting:
                (next_up if fold.is_next(draft.state, counting[0][1]) else late).append((who, counting))
        await changes.bring_due(self._unit, {who: counting[-1][1].at for who, counting in next_up})
        again = self._apply(changes, next_up)
        if again:
            await changes.begin_again(self._unit, [who for who, _ in again])
            self._apply(changes, again)
        if late:
            await self._refold(changes, late)

    def _apply(self, changes: Changes, next_up: Iterable[_Counting]) -> list[_Counting]:
        """Apply events that come next, one after the other; those of members who need all of their lots for it are left."""
        begun = time.perf_counter()
        left = []
        for who, counting in next_up:
            draft = changes.drafts[who]
            try:
                told = [draft.apply(event) for _, event in counting]
            except LotsMissing:
                left.append((who, counting))
                continue
            for (each, _), (seq, effects) in zip(counting, told, strict=True):
                self._store(who, each, "APPLIED", seq, effects)
        self._report.folding_seconds += time.perf_counter() - begun
        return left

    async def _refold(self, changes: Changes, late: Sequence[_Counting]) -> None:
        """Fold again with what is late, and then apply what comes next: one batch or two, it is decided the same."""
        firsts = [(changes.drafts[who], counting[0][1].at) for who, counting in late]
        histories = await refolding.histories(
            self._unit, self._loaded, firsts, in_all=refolding.BATCH_REFOLD_INPUTS_MAX
        )
        refolds: dict[UUID, refolding.Found] = {}
        behind: list[_Counting] = []
        ahead: list[_Counting] = []
        begun = time.perf_counter()
        for who, counting in late:
            draft, history = changes.drafts[who], histories.get(who)
            news = [pair for pair in counting if not fold.is_next(draft.state, pair[1])]
            if history is None or len(history.recorded) + len(news) > refolding.REFOLD_INPUTS_MAX:
                self._postpone(draft, counting)
                continue
            self._report.refolds += 1
            known = history.with_more(each.recorded(who) for each, _ in news)
            causes = [Cause(event.id, event.at, event.at) for _, event in news]
            heard = {Pending(event.id) for _, event in news}
            refolds[who] = refolding.Found(known, known.refolded(draft.state.at, heard), causes, (), heard)
            behind.append((who, news))
            if len(news) < len(counting):
                ahead.append((who, counting[len(news) :]))
        self._report.folding_seconds += time.perf_counter() - begun
        # Before anything is done to them: lots as they are stored would undo it.
        await changes.bring_due(self._unit, {who: counting[-1][1].at for who, counting in ahead})
        told = await refolding.take_over(self._unit, changes, refolds)
        for who, news in behind:
            for each, event in news:
                self._store(who, each, "APPLIED", *told[who][event.id])
        # Whoever decides has all of her lots at hand by now, so nobody is left.
        self._apply(changes, ahead)

    def _postpone(self, draft: Draft, counting: Sequence[tuple[Fresh, Event]]) -> None:
        """Leave a member's events to the worker."""
        self._report.postponed += 1
        draft.pending = (*draft.pending, *(Pending(event.id) for _, event in counting))
        for each, _ in counting:
            self._store(draft.id, each, "PENDING")

    def _store(
        self, who: UUID, fresh: Fresh, status: Status, seq: int | None = None, effects: Sequence[Effect] = ()
    ) -> None:
        each = fresh.accepted
        stored = fresh.recorded(who, self._former.get(each.member)).event
        self._stored.append(msgspec.structs.replace(stored, seq=seq))
        self._receipts[who, each.event.id] = Receipt(
            each.index, each.event.id, each.member, status, effects=tuple(effects)
        )

    def _answer(
        self,
        each: Accepted,
        name: tuple[UUID, str],
        first: dict[tuple[UUID, str], Accepted],
        earlier: dict[tuple[UUID, str], Earlier],
    ) -> Receipt | RefusedEvent:
        before = earlier.get(name)
        if before is not None and before.event is not None:
            event = before.event
            if not same(each, event.type, event.sent_at, event.properties):
                return conflict(each)
            effects = () if before.effects is None else activity.effects_of(before.effects)
            status: Status = "TOO_LATE" if event.too_late else "PENDING" if name in self._waiting else "APPLIED"
            return Receipt(each.index, name[1], each.member, status, True, effects)
        receipt, original = self._receipts[name], first[name]
        if original is each:
            return receipt
        if not same(each, original.event.type, original.sent_at, original.properties):
            return conflict(each)
        return msgspec.structs.replace(receipt, index=each.index, replayed=True)


def _recorded(answers: Sequence[Receipt | RefusedEvent]) -> Recorded:
    return Recorded(
        tuple(each for each in answers if isinstance(each, Receipt)),
        tuple(each for each in answers if isinstance(each, RefusedEvent)),
    )
