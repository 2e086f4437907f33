"""One locked member on her way through a unit: one input at a time, and what each brings.

An input is applied after time has passed up to it. Its points are booked on her lots, and the decisions that it asks for
are taken at once, on what is booked then; each becomes a fact, which is her next input.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeAlias

from achievements import fold
from achievements.asked import PlaceAsked, SpendAsked
from achievements.challenges import PLACE_MISSED, PLACE_TAKEN
from achievements.movements import HoldEnded, PointsAdjusted, PointsReleased, PointsTransferred
from achievements.outcomes import (
    AnyOutcome,
    ConditionFailed,
    Confirmed,
    Effect,
    Emitted,
    HeldOut,
    PointsEarned,
    PointsSpent,
    SpendRejected,
    Withdrawn,
)
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.values import Fact, Input, Order, Rank
from engagement.actions.places import Places
from engagement.actions.programs import Loaded
from engagement.actions.purse import Purse
from engagement.records.activity import Item
from engagement.records.facts import REWARD_TAKEN, SPEND_REJECTED, SPENT
from engagement.records.ledger import Spend
from engagement.records.members import Held

_RAISES_BALANCE = (PointsEarned, PointsReleased, PointsAdjusted, PointsTransferred, HoldEnded)

Told: TypeAlias = tuple[int | None, Sequence[Effect]]
"""The number of the activity item that tells some effects, where there are any."""


class Cause(NamedTuple):
    """An event that made a history be folded again, its instant, and when what it changed takes effect.

    `event_id` is None for a repair, and for a publication that counts the past from `occurred_at` on: then `named` says which.
    """

    event_id: str | None
    occurred_at: datetime
    at: datetime
    named: str | None = None

    @property
    def order(self) -> Order | None:
        """Behind what its decisions stand; None where it leads to none."""
        if self.event_id is not None:
            return Order(self.occurred_at, Rank.EVENT, self.event_id)
        return None if self.named is None else Order(self.occurred_at, Rank.TIME, self.named)


class Draft:
    """A locked member on her way from one state to the next."""

    def __init__(self, loaded: Loaded, held: Held, places: Places) -> None:
        self.id = held.id
        self.version = held.version + 1
        self.hidden = held.hidden
        self.state = held.state
        self.pending = held.pending
        self.behind = loaded.line.behind(held)
        self.revision = held.revision if self.behind else loaded.program.revision
        self.next_expiry_at = held.next_expiry_at
        self.purse = Purse(held.id, held.wallets, loaded.now)
        self.items: list[Item] = []
        self.outcomes: list[AnyOutcome] = []
        self.gone: list[AnyOutcome] = []
        self.facts: list[Fact] = []
        self.failed: list[ConditionFailed] = []
        self.snapshots: list[MemberState] = []
        self.base_inputs: int | None = None
        self._first_inputs = held.state.inputs
        self._seq = held.seq
        self._loaded = loaded
        self._places = places
        self._decisions: dict[str, int] = defaultdict(int)

    @property
    def held(self) -> Held:
        """The row to write."""
        counters = self.id, self.version, self._seq
        return Held(*counters, self.state, self.next_expiry_at, pending=self.pending, revision=self.revision)

    @property
    def present(self) -> datetime:
        """Where she stands: the program's present, or where events ahead of it have brought her."""
        return max(self._loaded.now, self.state.at)

    @property
    def kept_snapshots(self) -> list[MemberState]:
        """The states on the way that are worth keeping now that it has ended: it may have passed several."""
        keep = set(fold.kept_snapshots(self.state.inputs))
        return [each for each in self.snapshots if each.inputs in keep]

    @property
    def dropped_snapshots(self) -> set[int]:
        """Which snapshots, by their number of inputs, the history has outgrown."""
        if self.base_inputs is not None:
            return set(fold.kept_snapshots(self._first_inputs)) - set(fold.kept_snapshots(self.state.inputs))
        return {each for state in self.snapshots for each in fold.thinned_snapshots(state.inputs)}

    def advance(self, until: datetime) -> None:
        """Let time pass; what it brings, and what ended meanwhile, is told in order, each instant by itself.

        Raises `LotsMissing` as `apply` does: points that time brings may call for a decision.
        """
        if self._rulebook.decides:
            # Each instant's decisions are taken on what is booked then.
            while instants := [at for at in (self.purse.soonest, self.state.due) if at is not None and at <= until]:
                self._pass_until(min(instants))
        self._pass_until(until)

    def _pass_until(self, until: datetime) -> None:
        ended = self.purse.advance(until)
        self.state, emitted = fold.advance(self._rulebook, self.state, until)
        released = self._take(emitted, emitted, until)
        passed: list[tuple[datetime, Effect]] = [(each.at, each) for each in ended]
        passed += [(getattr(each, "at", until), each) for each in (*emitted, *released)]
        if self._rulebook.decides:
            passed += [(until, each) for each in self._decide(_of_time(until), [*ended, *emitted], until)]
        self._pass(passed)

    def apply(self, entry: Input, beside: Sequence[Effect] = ()) -> Told:
        """Apply an input that comes next; its item's number, where it brought anything, and what it brought, told behind `beside`.

        Raises `LotsMissing` where points have to be taken and not all lots are at hand, `PlacesMissing` where it is not known
        how many places are left: the draft is of no use then.
        """
        soonest, due = self.purse.soonest, self.state.due
        if (soonest is not None and soonest <= entry.at) or (due is not None and due <= entry.at):
            self.advance(entry.at)
        emitted = self._step(entry)
        outcomes = fold.outcomes_of(emitted)
        if len(outcomes) < len(emitted):
            self.failed += [each for each in emitted if isinstance(each, ConditionFailed)]
        released = self._take(outcomes, outcomes, entry.at)
        effects: list[Effect] = [*beside, *outcomes, *released]
        if self._rulebook.asks:
            effects += self._decide(entry.order, [*beside, *emitted, *released], entry.at)
        if self._rulebook.holds_out:
            effects = _shown(effects)
        event_id = None if isinstance(entry, Fact) else entry.id
        return (self._item(entry.at, event_id, effects) if effects else None), effects

    def tell(self, effects: Sequence[Effect]) -> None:
        """Tell her at her present what was done to her points alone: nothing that the fold would know."""
        self._item(self.present, None, effects)

    def refold(
        self,
        refolded: fold.Refold,
        base: MemberState,
        causes: Sequence[Cause],
        facts: Sequence[Fact] = (),
        refunds: Sequence[Spend] = (),
        news: fold.Difference | None = None,
    ) -> dict[str | None, Told]:
        """Take over a history folded again; for each event that caused it, its item's number and what is due to it.

        What names one of these events is told as its own, all else (a streak mended, a score changed) as the last one's. What
        only moved in time is stored, not told: it was told already. Points of another amount are withdrawn and told anew.
        `facts` are those of the history, which are not decided again; `refunds` the spends of events that were reversed. Where only
        some of it is news to her, `news` says what, and nothing that ended is told.
        """
        difference, said = refolded.difference, refolded.difference if news is None else news
        changed = [now for _, now in said.changed]
        withdrawn = [*said.gone, *(was for was, _ in said.changed if isinstance(was, PointsEarned))]
        self.state = refolded.state
        self.snapshots = list(refolded.snapshots)
        self.base_inputs = base.inputs
        self.gone.extend(difference.gone)
        self.failed.extend(refolded.failed)
        self.purse.refund(refunds, self.present)
        for gone in difference.gone:
            if isinstance(gone, Confirmed):
                self.purse.unconfirm(gone.confirmed, partial(self._rulebook.waits, gone.confirmation))
        valid = [*(now for _, now in (*difference.moved, *difference.changed)), *difference.new]
        released = self._take(valid, difference.new, self.present)
        self.purse.reprice(worth_of(difference), self.present)
        told: list[Effect] = [*map(Withdrawn, [*withdrawn, *_spent(refunds)]), *changed, *said.new, *released]
        ended = self.purse.advance(self.present if self._rulebook.decides else self.state.at)
        if self._rulebook.decides:
            spends = [each for each in refolded.asked if isinstance(each, SpendAsked)]
            told += self._decide_late(causes, spends, [*_gained(difference), *released], facts)
        if self._rulebook.holds_out:
            told = _shown(told)
        effects: dict[str | None, list[Effect]] = {cause.event_id: [] for cause in causes}
        last = effects[causes[-1].event_id]
        for each in told:
            outcome = each.outcome if isinstance(each, Withdrawn) else each
            effects.get(getattr(outcome, "event_id", ""), last).append(each)
        items: dict[str | None, Told] = {
            name: (self._item(at, name, effects[name]) if effects[name] else None, effects[name])
            for name, _, at, _ in causes
        }
        self._pass([(each.at, each) for each in ended if news is None])
        return items

    def stand(self, trace: fold.Trace) -> None:
        """Stand where a history ends that has the decisions in it which a refold led to."""
        self.state = trace.state
        self.snapshots = list(trace.snapshots)

    def _step(self, entry: Input) -> list[Emitted]:
        self.state, emitted = fold.apply(self._rulebook, self.state, entry)
        if self.state.inputs % fold.SNAPSHOT_EVERY == 0:
            self.snapshots.append(self.state)
        return emitted

    def _decide(self, cause: Order, emitted: Iterable[Emitted | Effect], at: datetime) -> list[Effect]:
        """Take the decisions that an input which came next asks for, and apply their facts after it, which may ask for more."""
        ahead = len(self.facts)
        effects = self._answers(cause, emitted, at)
        while ahead < len(self.facts):
            more = self._step(self.facts[ahead])
            ahead += 1
            outcomes = fold.outcomes_of(more)
            effects += [*outcomes, *self._take(outcomes, outcomes, at), *self._answers(cause, more, at)]
        return effects

    def _answers(self, cause: Order, emitted: Iterable[Emitted | Effect], at: datetime) -> list[Effect]:
        """Decide what an input asked for, and then on the balances that it changed."""
        emitted = list(emitted)
        effects = [self._answer(each, cause, at) for each in emitted if isinstance(each, SpendAsked)]
        for each in emitted:
            if isinstance(each, PlaceAsked):
                self._place(each, cause)
        return effects + self._reward(emitted, cause, at)

    def _decide_late(
        self,
        causes: Sequence[Cause],
        asked: Iterable[SpendAsked],
        gained: Iterable[Effect],
        facts: Sequence[Fact],
    ) -> list[Effect]:
        """Take the decisions that learning of the past asks for, now. Their facts are for the history, which is folded anew."""
        self._recall(facts)
        effects = [
            self._answer(each, Order(each.at, Rank.EVENT, each.event_id), self.present)
            for each in asked
            if not _decided(each, facts)
        ]
        last = causes[-1].order
        if last is not None:
            effects += self._reward(gained, last, self.present)
        return effects

    def place(self, asked: Iterable[PlaceAsked], facts: Sequence[Fact]) -> None:
        """Decide on places that learning of the past asks for, now; `facts` are those of the history."""
        self._recall(facts)
        for each in asked:
            self._place(each, Order(each.at, Rank.EVENT, each.event_id))

    def _recall(self, facts: Iterable[Fact]) -> None:
        """Number what is decided from here on behind what was decided on the same inputs before."""
        for fact in facts:
            self._decisions[fact.order.id] = max(self._decisions[fact.order.id], fact.order.n)

    def _place(self, asked: PlaceAsked, cause: Order) -> None:
        """Give the member a place, where one is left. What that brings, the fact says."""
        kind = PLACE_TAKEN if self._places.take(asked, self.id) else PLACE_MISSED
        self._fact(kind, cause, {"challenge": asked.challenge, "period": asked.period})

    def _answer(self, asked: SpendAsked, cause: Order, at: datetime) -> Effect:
        """Spend what a rule asks for, where the balance allows it."""
        points, missing = asked.points, asked.points - self.purse.balance(asked.currency)
        data = {"rule": asked.rule, "currency": asked.currency, "points": points}
        fact = self._fact(SPENT if missing <= 0 else SPEND_REJECTED, cause, data)
        if missing > 0:
            return SpendRejected(asked.currency, points, asked.rule, at, asked.event_id, missing)
        named = {"source": asked.rule, "event_id": asked.event_id, "fact_id": fact.id}
        self.purse.spend(asked.currency, points, at, **named)
        return PointsSpent(asked.currency, points, asked.rule, at, asked.event_id)

    def _reward(self, brought: Iterable[Effect | Emitted], cause: Order, at: datetime) -> list[Effect]:
        """Take the automatic rewards that a balance has reached into which something came."""
        rules = self._rulebook.at(at)
        if rules is None or not rules.auto_rewards:
            return []
        # A spend that is withdrawn came back.
        came = [each.outcome if isinstance(each, Withdrawn) else each for each in brought]
        earned = {each.currency for each in came if isinstance(each, (*_RAISES_BALANCE, PointsSpent))}
        effects: list[Effect] = []
        for reward in rules.auto_rewards:
            currency = str(reward.currency)
            times = self.purse.balance(currency) // reward.at if currency in earned else 0
            if times > 0:
                points = times * reward.at
                data = {"rule": reward.key, "currency": currency, "points": points, "times": times}
                fact = self._fact(REWARD_TAKEN, cause, data)
                event_id = "" if cause.rank == Rank.TIME else cause.id
                self.purse.spend(currency, points, at, source=reward.key, event_id=event_id, fact_id=fact.id)
                effects.append(PointsSpent(currency, points, reward.key, at, event_id, times))
        return effects

    def _fact(self, kind: str, cause: Order, data: Mapping[str, object]) -> Fact:
        self._decisions[cause.id] += 1
        n = self._decisions[cause.id]
        fact = Fact(f"{cause.id}/{n}", kind, cause.at, Order(cause.at, cause.rank, cause.id, n), data)
        self.facts.append(fact)
        return fact

    def _take(self, valid: Sequence[AnyOutcome], new: Iterable[AnyOutcome], at: datetime) -> list[Effect]:
        """Outcomes that hold, and those of them that are new at an instant: their points are booked. What the ledger adds to them."""
        brought: list[Effect] = []
        self.outcomes.extend(valid)
        if self.gone:
            # What a refold took away may be brought anew by what comes next.
            held = {each.identity for each in valid}
            self.gone = [each for each in self.gone if each.identity not in held]
        for each in new:
            # Asked of every outcome of every event; `isinstance` takes three times as long for a struct.
            if type(each) is PointsEarned:
                rules = self._rulebook.at(each.at) or self._rulebook.latest
                self.purse.earn(each, rules.dates_of(each, self.state), at)
            elif type(each) is Confirmed:
                brought += self.purse.confirm(each.confirmed, at, partial(self._rulebook.waits, each.confirmation))
        return brought

    def _pass(self, passed: list[tuple[datetime, Effect]]) -> None:
        """Tell what time brought, in order, each instant by itself."""
        passed = [each for each in passed if not isinstance(each[1], HeldOut)]
        passed.sort(key=lambda each: each[0])
        for at, together in groupby(passed, key=lambda each: each[0]):
            self._item(at, None, [effect for _, effect in together])

    def _item(self, at: datetime, event_id: str | None, effects: Sequence[Effect]) -> int:
        self._seq += 1
        self.items.append(Item(self._seq, at, self._loaded.now, event_id, tuple(effects)))
        return self._seq

    @property
    def _rulebook(self) -> Rulebook:
        return self._loaded.rulebook


def _of_time(at: datetime) -> Order:
    """The place of an instant that brought something by itself: its id is no caller's, for theirs hold no such space."""
    return Order(at, Rank.TIME, f"time\u00a0{at.isoformat()}")


def _shown(effects: Iterable[Effect]) -> list[Effect]:
    """Effects without what is counted of a control group: its members are not to hear of it."""
    return [each for each in effects if not isinstance(each.outcome if isinstance(each, Withdrawn) else each, HeldOut)]


def worth_of(difference: fold.Difference) -> dict[str, int]:
    """What lots that were booked before are worth now."""
    worth = {each.lot: 0 for each in difference.gone if isinstance(each, PointsEarned)}
    worth.update((each.lot, each.points) for _, each in difference.changed if isinstance(each, PointsEarned))
    return worth


def _gained(difference: fold.Difference) -> list[AnyOutcome]:
    """Points earned that were not there before."""
    raised = [
        now
        for was, now in difference.changed
        if isinstance(was, PointsEarned) and isinstance(now, PointsEarned) and now.points > was.points
    ]
    return [*raised, *difference.new]


def _decided(asked: SpendAsked, facts: Iterable[Fact]) -> bool:
    """A fact is never retaken, also where what asked for it was gone for a while."""
    return any(
        fact.order.id == asked.event_id and fact.order.rank == Rank.EVENT and fact.data.get("rule") == asked.rule
        for fact in facts
        if fact.kind in (SPENT, SPEND_REJECTED)
    )


def _spent(refunds: Iterable[Spend]) -> list[PointsSpent]:
    """What was told of spends, decision by decision."""
    told: dict[str, PointsSpent] = {}
    for each in refunds:
        points = each.points + (told[each.fact_id].points if each.fact_id in told else 0)
        told[each.fact_id] = PointsSpent(each.currency, points, each.source, each.at, each.event_id)
    return list(told.values())
