"""The fold: a member's state after one more input, after time has passed, and after learning of the past.

`apply` is one step. `advance` is what time brings between inputs. `trace` folds many inputs at once, and `refold` does so
twice, as things were taken to be and as they are known now, and gives the difference. Nothing here is changed in place: states in, states out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from achievements import keeping
from achievements.asked import Asked
from achievements.keeping import KEPT
from achievements.localtime import LocalTime, of_member
from achievements.moment import Happening, Judge, Moment, Stage
from achievements.outcomes import AnyOutcome, ConditionFailed, Emitted, Identity
from achievements.rulebook import Rulebook, Rules
from achievements.states import MemberState, Part
from achievements.values import OWN, Event, Fact, Input

SNAPSHOT_EVERY = 32
"""Inputs between two snapshots."""

_NO_PROPERTIES: Mapping[str, object] = {}
"""Of what stands for an event in the moment of a fact, or of time alone: it has no type, so nothing is earned by it."""


def apply(rulebook: Rulebook, state: MemberState, entry: Input) -> tuple[MemberState, list[Emitted]]:
    """The state after an input that comes after all of it, and what the input and the time before it brought.

    The caller sees to the order: the input is later than `state.last`, and not before `state.at`; ValueError otherwise.
    """
    order = entry.order
    if entry.at < state.at or (state.last is not None and not state.last < order):
        raise ValueError("an input out of order needs a refold")
    emitted: list[Emitted] = []
    if state.due is not None and state.due <= entry.at:
        state = _elapse(rulebook, state, entry.at, emitted)
    if isinstance(entry, Fact):
        state = _told(rulebook, state, entry, emitted)
        keeps = entry.kind != KEPT and KEPT in state.parts
        return keeping.beside(state, emitted) if keeps else state, emitted
    rules = rulebook.at(entry.at)
    parts = state.parts
    looking = None if rules is None else rules.by_type.get(entry.type)
    if rules is not None and looking is not None:
        parts = dict(parts)
        local = rulebook.program_time if state.zone is None else of_member(state.zone)
        _pass(rules, looking, Happening(rules, entry, local, state, parts, emitted))
        due = _next_due(rulebook, parts)
    else:
        due = state.due
    inputs = state.inputs + 1
    told = state.told + 1 if OWN in entry.type else state.told
    state = MemberState(entry.at, order, inputs, due, parts, state.zone, state.attributes, state.seed, told, state.team)
    if due is not None and due <= entry.at:
        # A definition that had ended, and lives again, may find that something fell due long ago.
        state = _elapse(rulebook, state, entry.at, emitted)
    return keeping.beside(state, emitted) if KEPT in state.parts else state, emitted


def advance(rulebook: Rulebook, state: MemberState, until: datetime) -> tuple[MemberState, list[AnyOutcome]]:
    """The state at an instant without further inputs before it; the same state where it is there already.

    Nothing is due any more up to that instant, wherever the state stands: whoever lets time pass until nothing is due comes to an end.
    """
    emitted: list[Emitted] = []
    ahead = until > state.at
    state = _elapse(rulebook, state, until, emitted)
    if ahead:
        state = msgspec.structs.replace(state, at=until)
    if KEPT in state.parts:
        state = keeping.beside(state, emitted)
    return state, outcomes_of(emitted)


def is_next(state: MemberState, entry: Input) -> bool:
    """Whether an input is one step from the state: not before what was applied, nor before what time has brought."""
    return entry.at >= state.at and (state.last is None or state.last < entry.order)


def local_time(rulebook: Rulebook, state: MemberState) -> LocalTime:
    """The local dates of a member: in her own zone, or the program's."""
    return rulebook.program_time if state.zone is None else of_member(state.zone)


def _told(rulebook: Rulebook, state: MemberState, fact: Fact, emitted: list[Emitted]) -> MemberState:
    """The state after a fact: what the fold itself makes of it, and then each rule that hears its kind."""
    state = msgspec.structs.replace(state, at=fact.at, last=fact.order, inputs=state.inputs + 1, told=state.told + 1)
    if fact.kind == "zone":
        state = _moved(rulebook, state, fact, emitted)
    elif fact.kind == "attributes":
        known = {**state.attributes, **fact.data}
        state = msgspec.structs.replace(state, attributes={name: it for name, it in known.items() if it is not None})
    elif fact.kind == KEPT:
        state = keeping.told(state, fact, emitted)
    elif fact.kind == "team":
        team = str(fact.data["team"] or "")
        state = msgspec.structs.replace(state, team=(team, fact.at) if team else None)
    rules = rulebook.at(fact.at)
    if rules is None or fact.kind not in rules.by_fact:
        return state
    parts = dict(state.parts)
    stands_for = Event(fact.cause, "", fact.at, _NO_PROPERTIES)
    moment = Moment(rules, stands_for, local_time(rulebook, state), state, parts, emitted)
    for name, rule in rules.by_fact[fact.kind]:
        part = rule.told(parts.get(name), fact, moment)
        if part is not None:
            parts[name] = part
    _count_rewards(rules, moment)
    state = msgspec.structs.replace(state, parts=parts, due=_next_due(rulebook, parts))
    return _elapse(rulebook, state, fact.at, emitted)


def _moved(rulebook: Rulebook, state: MemberState, fact: Fact, emitted: list[Emitted]) -> MemberState:
    """The state under another zone of the member's own."""
    zone = local_time(rulebook, state).moved(fact.at, str(fact.data["timezone"]))
    rules = dict(rulebook.falling_due) | (rulebook.at(fact.at) or rulebook.latest).falling_due
    parts = {
        name: rules[name].dated(part, of_member(zone)) if name in rules else part for name, part in state.parts.items()
    }
    state = msgspec.structs.replace(state, zone=zone, parts=parts, due=_next_due(rulebook, parts))
    # A date that the new zone is past already has ended by it.
    return _elapse(rulebook, state, fact.at, emitted)


def _elapse(rulebook: Rulebook, state: MemberState, until: datetime, emitted: list[Emitted]) -> MemberState:
    """The state after all that falls due up to an instant, each at its own; rewards that it brings count there at once."""
    due = state.due
    if due is None or due > until:
        return state
    parts, at, local = dict(state.parts), state.at, local_time(rulebook, state)
    while due is not None and due <= until:
        rules = rulebook.at(due) or rulebook.latest
        if rules.aims:
            # Who is in an audience is told by what she has come to by then, however long time was let pass at once.
            state = msgspec.structs.replace(state, at=due, parts=dict(parts))
        moment = Moment(rules, Event("", "", due, _NO_PROPERTIES), local, state, parts, emitted)
        next_due: datetime | None = None
        for name, rule in rulebook.falling_due:
            part = parts.get(name)
            if part is None:
                continue
            if part.due == due:  # type: ignore[union-attr]
                if name in rules.settled:
                    part = msgspec.structs.replace(part, due=None)
                else:
                    # As it was published then, where it was in force.
                    part = rules.falling_due.get(name, rule).lapse(part, moment)
                parts[name] = part
            ahead = part.due  # type: ignore[union-attr]
            if ahead is not None and (next_due is None or ahead < next_due):
                next_due = ahead
        due = next_due
        if moment.given and rules.counting_rewards:
            _count_rewards(rules, moment)
            due = _next_due(rulebook, parts)
    return MemberState(
        at, state.last, state.inputs, due, parts, state.zone, state.attributes, state.seed, state.told, state.team
    )


def _next_due(rulebook: Rulebook, parts: Mapping[str, Part]) -> datetime | None:
    next_due: datetime | None = None
    for name, _ in rulebook.falling_due:
        part = parts.get(name)
        if part is not None:
            due = part.due  # type: ignore[union-attr]
            if due is not None and (next_due is None or due < next_due):
                next_due = due
    return next_due


def _pass(rules: Rules, looking: Sequence[tuple[str, Judge]], moment: Moment) -> None:
    """Let rules look at a moment, and again at what their rewards gave, until nothing more is given."""
    parts = moment.parts
    while True:
        for name, rule in looking:
            held = parts.get(name)
            part = rule.apply(held, moment)
            if part is not held and part is not None:
                parts[name] = part
        if not moment.given or not rules.counting_rewards:
            return
        # No definition's rewards count towards itself, so this ends.
        moment = moment.again()
        looking = rules.counting_rewards


def _count_rewards(rules: Rules, moment: Moment) -> None:
    """Let every rule that counts rewards look at what a fact or time gave: they are later than it, whatever their stage."""
    if moment.given and rules.counting_rewards:
        moment.given = [each._replace(stage=Stage.DECISIONS) for each in moment.given]
        _pass(rules, rules.counting_rewards, moment.again())


def outcomes_of(emitted: Iterable[Emitted]) -> list[AnyOutcome]:
    """What is an outcome among what inputs brought."""
    return [each for each in emitted if not isinstance(each, Asked | ConditionFailed)]


class Trace(msgspec.Struct, frozen=True):
    """Many inputs folded: where they ended, what they said last of each outcome, and the states worth keeping on the way.

    `asked` are the decisions that events asked for, `failed` the conditions that they gave no answer to.
    """

    state: MemberState
    outcomes: Mapping[Identity, AnyOutcome]
    snapshots: tuple[MemberState, ...]
    asked: tuple[Asked, ...]
    failed: tuple[ConditionFailed, ...]


def trace(rulebook: Rulebook, base: MemberState, inputs: Iterable[Input], until: datetime) -> Trace:
    """Fold inputs, in order, onto a state, and advance to `until`."""
    asked: list[Asked] = []
    failed: list[ConditionFailed] = []
    outcomes = {each.identity: each for each in levels(rulebook, base)}
    snapshots: list[MemberState] = []
    state = base
    for entry in inputs:
        state, emitted = apply(rulebook, state, entry)
        for each in emitted:
            if isinstance(each, Asked):
                asked.append(each)
            elif isinstance(each, ConditionFailed):
                failed.append(each)
            else:
                outcomes[each.identity] = each
        if state.inputs % SNAPSHOT_EVERY == 0:
            snapshots.append(state)
    state, passed = advance(rulebook, state, until)
    outcomes.update((each.identity, each) for each in passed)
    keep = set(kept_snapshots(state.inputs))
    kept = tuple(each for each in snapshots if each.inputs in keep)
    return Trace(state, outcomes, kept, tuple(asked), tuple(failed))


def levels(rulebook: Rulebook, state: MemberState) -> list[AnyOutcome]:
    """The outcomes that a state carries: those that change in value rather than happen."""
    rules = rulebook.at(state.at)
    if rules is None:
        return []
    keepers = rules.compiled.by_part
    known = ((keepers[name], part) for name, part in state.parts.items() if name in keepers)
    return [outcome for keeper, part in known for outcome in keeper.levels(part)]


class Difference(msgspec.Struct, frozen=True):
    """What learning of the past changed, in its four cases.

    Outcomes that are new, those with another value (was, is), those that only moved in time (was, is), and those gone.
    """

    new: tuple[AnyOutcome, ...]
    changed: tuple[tuple[AnyOutcome, AnyOutcome], ...]
    moved: tuple[tuple[AnyOutcome, AnyOutcome], ...]
    gone: tuple[AnyOutcome, ...]


def difference(old: Mapping[Identity, AnyOutcome], new: Mapping[Identity, AnyOutcome]) -> Difference:
    """The difference between two maps of outcomes."""
    both = [
        (old[identity], outcome) for identity, outcome in new.items() if identity in old and old[identity] != outcome
    ]
    return Difference(
        tuple(outcome for identity, outcome in new.items() if identity not in old),
        tuple((was, now) for was, now in both if was.undated != now.undated),
        tuple((was, now) for was, now in both if was.undated == now.undated),
        tuple(outcome for identity, outcome in old.items() if identity not in new),
    )


class Refold(msgspec.Struct, frozen=True):
    """A member's history folded again: where it ends now, and what that changed.

    `asked` are decisions that are to be taken now, `unasked` those that were asked for and now are not. What was asked for
    before and still is has been decided, and is in neither. `failed` are conditions that failed now and had not before.
    """

    state: MemberState
    difference: Difference
    snapshots: tuple[MemberState, ...]
    asked: tuple[Asked, ...] = ()
    unasked: tuple[Asked, ...] = ()
    failed: tuple[ConditionFailed, ...] = ()


def refold(
    rulebook: Rulebook,
    base: MemberState,
    was: Sequence[Input],
    now: Sequence[Input],
    until: datetime,
    *,
    judged_by: Rulebook | None = None,
) -> Refold:
    """Fold the history after `base` as it is known now, and tell it from what it was taken for.

    `was` are the inputs applied after `base`, in order; `now` those that count, in order: with late ones, without reversed
    ones, with others in their amended form. `until` is the instant to which the member had been advanced, and `judged_by` the
    rules by which she had been, where those are others.
    """
    before = trace(judged_by or rulebook, base, was, until)
    after = trace(rulebook, base, now, until)
    decided = {each.identity for each in before.asked}
    wanted = {each.identity for each in after.asked}
    told = frozenset(before.failed)
    return Refold(
        after.state,
        difference(before.outcomes, after.outcomes),
        after.snapshots,
        asked=tuple(each for each in after.asked if each.identity not in decided),
        unasked=tuple(each for each in before.asked if each.identity not in wanted),
        failed=tuple(each for each in after.failed if each not in told),
    )


def kept_snapshots(inputs: int) -> tuple[int, ...]:
    """Which snapshots (by their number of inputs) are kept after so many inputs, newest first.

    For each power of two, the newest two at that distance: about twice the logarithm of the history in all, and a base for
    an input that is n inputs late is found at most about 3 n inputs back.
    """
    newest = inputs // SNAPSHOT_EVERY
    kept: set[int] = set()
    power = 1
    while power <= max(newest, 1):
        position = newest // power * power
        kept.update(each for each in (position, position - power) if each > 0)
        power *= 2
    return tuple(sorted((each * SNAPSHOT_EVERY for each in kept), reverse=True))


def thinned_snapshots(inputs: int) -> tuple[int, ...]:
    """The snapshots to drop when the one at `inputs`, a multiple of SNAPSHOT_EVERY, is taken."""
    return tuple(set(kept_snapshots(inputs - SNAPSHOT_EVERY)) - set(kept_snapshots(inputs)))
