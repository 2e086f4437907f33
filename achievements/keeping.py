"""What members keep where the past is counted anew and says no more that they have it.

A definition that is published with `counts_from` judges the past too. What an outcome gave before, and does not by then, a member keeps
unless the publisher takes it back. It is told her history as one fact, which stands where the new counting begins and says those
outcomes again, as they were. From there on the rules say nothing under their names; of points only what
they give beyond what is kept, as a lot of its own. What is kept is held and not counted: measures, ladders and boards go by the rules alone.

An outcome is kept as long as its event counts as it did: with a reversal or an amendment the rules alone say what becomes of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from achievements.asked import Asked
from achievements.outcomes import (
    AnyOutcome,
    ChallengeProgressed,
    ConditionFailed,
    Contributed,
    Emitted,
    HeldOut,
    Outcome,
    PointsEarned,
    RewardGiven,
    Scored,
    StreakAtRisk,
    StreakChanged,
    TierChanged,
)
from achievements.states import BadgePart, Kept, KeptPart, MemberState, Tally
from achievements.values import Fact, Order, Rank

KEPT: Final = "kept"
"""The fact that outcomes are kept, and where the state says so."""

_BEYOND = "\u00a0beyond"
"""Ends the name of a lot with what the rules give beyond a kept one: ids of callers hold no such space."""
_STANDINGS = (StreakChanged, StreakAtRisk, ChallengeProgressed, Contributed, Scored, TierChanged, HeldOut)
"""What says where a member stands, or counts of her what she does not have: computed anew, and never kept."""


def kept_of(
    gone: Iterable[AnyOutcome], changed: Iterable[tuple[AnyOutcome, AnyOutcome]], *, take_back: bool
) -> list[AnyOutcome]:
    """Of outcomes that are gone or have another value (was, is), those that are kept as they were.

    Where they are taken back, only points that would be of another currency are: a lot stays in its own.
    """
    kept = [was for was, now in changed if _is_less(was, now, only_currency=take_back)]
    return kept if take_back else [*filter(is_had, gone), *kept]


def is_had(outcome: AnyOutcome) -> bool:
    """Whether an outcome is something that a member has, and can keep."""
    return not isinstance(outcome, _STANDINGS)


def _is_less(was: AnyOutcome, now: AnyOutcome, *, only_currency: bool) -> bool:
    """Whether a member would have less of an outcome than she had."""
    if isinstance(was, PointsEarned) and isinstance(now, PointsEarned):
        return was.currency != now.currency or (was.points > now.points and not only_currency)
    if isinstance(was, RewardGiven) and isinstance(now, RewardGiven) and not only_currency:
        shorter = now.until is not None and (was.until is None or was.until > now.until)
        return (was.sort, was.key) != (now.sort, now.key) or was.count > now.count or shorter
    return False


def fact_of(name: str, at: datetime, kept: Sequence[AnyOutcome], words: Mapping[str, int]) -> Fact:
    """The fact that outcomes are kept, from where the past is counted anew; `words` says how often their events were amended."""
    data = {
        "outcomes": [
            {"outcome": msgspec.to_builtins(each), "words": words.get(getattr(each, "event_id", None) or "", 0)}
            for each in kept
        ]
    }
    return Fact(name, KEPT, at, Order(at, Rank.TIME, name), data)


def standing(fact: Fact, words: Mapping[str, int]) -> Fact:
    """The fact without what events brought that were amended or reversed since."""
    said: Sequence[Mapping[str, Any]] = fact.data["outcomes"]
    stand = [each for each in said if words.get(_event(each["outcome"]), each["words"]) == each["words"]]
    return fact if len(stand) == len(said) else msgspec.structs.replace(fact, data={"outcomes": stand})


def _event(written: object) -> str:
    return getattr(_outcome(written), "event_id", None) or ""


def _outcome(written: object) -> AnyOutcome:
    outcome: AnyOutcome = msgspec.convert(written, AnyOutcome)
    return outcome


def told(state: MemberState, fact: Fact, emitted: list[Emitted]) -> MemberState:
    """The state of a member who keeps what a fact says; it is said again as it was."""
    state = beside(state, emitted)
    before = _part(state) or KeptPart()
    held, passing = dict(before.held), dict(before.passing)
    until = before.until
    for each in (_outcome(written["outcome"]) for written in fact.data["outcomes"]):
        emitted.append(each)
        kept = _kept(each)
        # An earn rule gives its points at the event alone: once that is past, there is nothing to compare any more.
        if isinstance(each, PointsEarned) and each.lot.startswith("earn/"):
            passing[_name(each)] = kept
            until = kept.at if until is None else max(until, kept.at)
        else:
            held[_name(each)] = kept
    return _with(state, KeptPart(held, passing, until))


def beside(state: MemberState, emitted: list[Emitted]) -> MemberState:
    """Take out of what an input brought what the member keeps anyway; the state, without what is past by now."""
    part = _part(state)
    if part is None:
        return state
    if emitted and (part.held or part.passing):
        emitted[:] = [one for each in emitted for one in _beyond(part, each)]
    if part.until is not None and part.until < state.at:
        return _with(state, KeptPart(part.held))
    return state


def beyond(state: MemberState, brought: Emitted) -> Iterable[Emitted]:
    """What is said of something that an input brought to a member in a state: nothing where she keeps it anyway."""
    part = _part(state)
    return (brought,) if part is None else _beyond(part, brought)


def _beyond(part: KeptPart, each: Emitted) -> Iterable[Emitted]:
    """An outcome where nothing is kept under its name, or of points what it gives beyond what is."""
    if isinstance(each, Asked | ConditionFailed):
        return (each,)
    name = _name(each)
    kept = part.held.get(name) or part.passing.get(name)
    if kept is None:
        return (each,)
    if not isinstance(each, PointsEarned):
        return ()
    points = each.points - (kept.points if kept.currency == each.currency else 0)
    if points <= 0:
        return ()
    return _beyond(part, msgspec.structs.replace(each, lot=each.lot + _BEYOND, points=points))


def since(state: MemberState, *identity: str) -> datetime | None:
    """Since when a member has an outcome that she keeps; None where it is none of those."""
    part = _part(state)
    kept = None if part is None else part.held.get("/".join(identity))
    return None if kept is None else kept.at


def completions(state: MemberState, challenge: str) -> int:
    """How many completions of a challenge a member keeps."""
    part = _part(state)
    return 0 if part is None else sum(name.startswith(f"completion/{challenge}/") for name in part.held)


def with_badges(state: MemberState) -> MemberState:
    """The state as people see it: with the levels of badges that the member keeps among those awarded to her."""
    part = _part(state)
    if part is None:
        return state
    parts = dict(state.parts)
    for name, kept in part.held.items():
        sort, _, rest = name.partition("/")
        badge, _, level = rest.partition("/")
        if sort == "badge":
            held = parts.get(f"badges/{badge}")
            before = held if isinstance(held, BadgePart) else BadgePart(Tally())
            if level not in {known for known, _ in before.awarded}:
                parts[f"badges/{badge}"] = BadgePart(before.tally, (*before.awarded, (level, kept.at)))
    return msgspec.structs.replace(state, parts=parts)


def _part(state: MemberState) -> KeptPart | None:
    part = state.parts.get(KEPT)
    assert part is None or isinstance(part, KeptPart), "what is kept stands under a name of its own"
    return part


def _with(state: MemberState, part: KeptPart) -> MemberState:
    return msgspec.structs.replace(state, parts={**state.parts, KEPT: part})


def _kept(outcome: Outcome) -> Kept:
    at: datetime = getattr(outcome, "at")  # noqa: B009 — every outcome that can be kept has an instant.
    if isinstance(outcome, PointsEarned):
        return Kept(at, outcome.points, outcome.currency)
    return Kept(at)


def _name(outcome: Outcome) -> str:
    return "/".join(outcome.identity)
