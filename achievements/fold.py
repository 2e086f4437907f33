"""The fold: a member's state after one more input, after time has passed, and after learning of the past.

`apply` is one step. `advance` is what time brings between inputs. `trace` folds many inputs at once, and `refold` does so
twice, as things were taken to be and as they are known now, and gives the difference. Nothing here is changed in place: states in, states out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from achievements.moment import Moment, Rule
from achievements.rulebook import Rulebook, Rules
from achievements.values import AnyOutcome, Event, Identity, MemberState, Order, Part

SNAPSHOT_EVERY = 32
"""Inputs between two snapshots."""


def apply(rulebook: Rulebook, state: MemberState, event: Event) -> tuple[MemberState, list[AnyOutcome]]:
    """The state after an event that comes after all of it, and what the event and the time before it brought.

    The caller sees to the order: the event is later than `state.last`, and not before `state.at`.
    """
    order = event.order
    assert _follows(state, order), "an event out of order needs a refold"
    emitted: list[AnyOutcome] = []
    if state.due is not None and state.due <= event.at:
        state = _elapse(rulebook, state, event.at, emitted)
    rules = rulebook.at(event.at)
    parts = state.parts
    if rules is not None and event.type in rules.by_type:
        parts = _passed(rules, parts, event, emitted)
        due = _next_due(rulebook, parts)
    else:
        due = state.due
    return MemberState(event.at, order, state.inputs + 1, due, parts), emitted


def advance(rulebook: Rulebook, state: MemberState, until: datetime) -> tuple[MemberState, list[AnyOutcome]]:
    """The state at an instant without further inputs before it; the same state where it is there already."""
    if until <= state.at:
        return state, []
    emitted: list[AnyOutcome] = []
    state = _elapse(rulebook, state, until, emitted)
    return msgspec.structs.replace(state, at=until), emitted


def is_next(state: MemberState, event: Event) -> bool:
    """Whether an event is one step from the state: not before what was applied, nor before what time has brought."""
    return _follows(state, event.order)


def _follows(state: MemberState, order: Order) -> bool:
    return order.at >= state.at and (state.last is None or state.last < order)


def _elapse(rulebook: Rulebook, state: MemberState, until: datetime, emitted: list[AnyOutcome]) -> MemberState:
    while state.due is not None and state.due <= until:
        parts = dict(state.parts)
        for name, rule in rulebook.falling_due:
            part = parts.get(name)
            if rule.due(part) == state.due:
                parts[name] = rule.lapse(part, emitted)
        state = msgspec.structs.replace(state, parts=parts, due=_next_due(rulebook, parts))
    return state


def _next_due(rulebook: Rulebook, parts: Mapping[str, Part]) -> datetime | None:
    next_due: datetime | None = None
    for name, rule in rulebook.falling_due:
        due = rule.due(parts.get(name))
        if due is not None and (next_due is None or due < next_due):
            next_due = due
    return next_due


def _passed(rules: Rules, parts: Mapping[str, Part], event: Event, emitted: list[AnyOutcome]) -> dict[str, Part]:
    """The parts after an event went through the rules, and through again for what its rewards gave."""
    changed = dict(parts)
    moment = Moment(event, rules.environments[event.type], emitted)
    looking: Sequence[tuple[str, Rule]] = rules.by_type[event.type]
    while True:
        for name, rule in looking:
            part = rule.apply(changed.get(name), moment)
            if part is not None:
                changed[name] = part
        if not moment.given or not rules.counting_rewards:
            return changed
        # No definition's rewards count towards itself, so this ends.
        moment = Moment(event, rules.environments[event.type], emitted, tuple(moment.given))
        looking = rules.counting_rewards


class Trace(msgspec.Struct, frozen=True):
    """Many inputs folded: where they ended, what they said last of each outcome, and the states worth keeping on the way."""

    state: MemberState
    outcomes: Mapping[Identity, AnyOutcome]
    snapshots: tuple[MemberState, ...]


def trace(rulebook: Rulebook, base: MemberState, events: Iterable[Event], until: datetime) -> Trace:
    """Fold events, in order, onto a state, and advance to `until`."""
    outcomes = {each.identity: each for each in levels(rulebook, base)}
    snapshots: list[MemberState] = []
    state = base
    for event in events:
        state, emitted = apply(rulebook, state, event)
        outcomes.update((each.identity, each) for each in emitted)
        if state.inputs % SNAPSHOT_EVERY == 0:
            snapshots.append(state)
    state, emitted = advance(rulebook, state, until)
    outcomes.update((each.identity, each) for each in emitted)
    keep = set(kept_snapshots(state.inputs))
    return Trace(state, outcomes, tuple(each for each in snapshots if each.inputs in keep))


def levels(rulebook: Rulebook, state: MemberState) -> list[AnyOutcome]:
    """The outcomes that a state carries: those that change in value rather than happen."""
    rules = rulebook.at(state.at)
    if rules is None:
        return []
    known = ((rules.by_name[name], part) for name, part in state.parts.items() if name in rules.by_name)
    return [outcome for rule, part in known for outcome in rule.levels(part)]


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
    """A member's history folded again: where it ends now, and what that changed."""

    state: MemberState
    difference: Difference
    snapshots: tuple[MemberState, ...]


def refold(
    rulebook: Rulebook, base: MemberState, was: Sequence[Event], now: Sequence[Event], until: datetime
) -> Refold:
    """Fold the history after `base` as it is known now, and tell it from what it was taken for.

    `was` are the events applied after `base`, in order; `now` those that count, in order: with late ones, without reversed
    ones, with others in their amended form. `until` is the instant to which the member had been advanced.
    """
    before = trace(rulebook, base, was, until)
    after = trace(rulebook, base, now, until)
    return Refold(after.state, difference(before.outcomes, after.outcomes), after.snapshots)


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
