"""What a screen shows of a challenge: how far a member is in the present window, and how many places are left."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

import msgspec

from achievements import fold, keeping, periods
from achievements.challenges import Challenge, ChallengeReady
from achievements.localtime import LocalTime
from achievements.objectives import Needs
from achievements.rulebook import Rules
from achievements.states import ChallengePart, MemberState
from achievements.values import Amount
from engagement.actions.programs import Loaded
from engagement.records.members import Held


class MilestoneShown(msgspec.Struct, frozen=True):
    """A milestone of a challenge, and when it was reached in the present window."""

    key: str
    name: str
    at: int
    reached_at: datetime | None


class ChallengeShown(msgspec.Struct, frozen=True):
    """A challenge in its present window: (current, target) of each objective; `ends_at` None for a lifetime.

    `joined_at` is since when the member takes part in one that is `opt_in`; `missed` says that the places of one with a `limit`
    were taken when she met its targets. `places_left` are those of this window that nobody has; None without a limit.
    """

    key: str
    name: str
    description: str
    period: str
    ends_at: datetime | None
    objectives: tuple[tuple[Amount, Amount], ...]
    completed_at: datetime | None
    completions: int
    needs: Needs
    milestones: tuple[MilestoneShown, ...]
    opt_in: bool
    joined_at: datetime | None
    limit: int | None
    missed: bool
    places_left: int | None


def limited_windows(loaded: Loaded, held: Iterable[Held]) -> set[tuple[str, str]]:
    """The windows in which some members stand of the challenges that have only so many places, in any version."""
    found = set()
    for each in held:
        as_of = max(loaded.now, each.state.at)
        rules = loaded.rulebook.at(as_of) or loaded.rulebook.latest
        local = fold.local_time(loaded.rulebook, each.state)
        for challenge in rules.program.sections.get("challenges", ()):
            ready = cast("ChallengeReady", rules.by_name[f"challenges/{challenge.key}"])
            if any(version.limit is not None for version in (ready, *ready.earlier)):
                found.add((ready.key, periods.name(ready.span.calendar, ready.window(as_of, local))))
    return found


def shown_challenge(
    rules: Rules,
    challenge: Challenge,
    state: MemberState,
    local: LocalTime,
    as_of: datetime,
    taken: Mapping[tuple[str, str], int],
) -> ChallengeShown:
    """How a member stands in a challenge, in a state that was advanced to `as_of`; `taken` are places by challenge and period."""
    ready = cast("ChallengeReady", rules.by_name[f"challenges/{challenge.key}"])
    part = cast("ChallengePart | None", state.parts.get(ready.name))
    window = ready.window(as_of, local)
    ready = ready.begun_under(part, window)
    period = periods.name(ready.span.calendar, window)
    completed_at = part.completed_at if part is not None and part.completed_window == window else None
    kept = keeping.since(state, "completion", challenge.key, "" if ready.repeat == "once" else period)
    reached = dict(part.milestones) if part is not None and part.window == window else {}
    return ChallengeShown(
        key=challenge.key,
        name=challenge.title,
        description=challenge.description,
        period=period,
        ends_at=ready.ends_at(as_of, local),
        objectives=tuple(zip(ready.amounts(part, as_of, local), ready.targets, strict=True)),
        completed_at=completed_at or kept,
        completions=max(0 if part is None else part.completions, keeping.completions(state, challenge.key)),
        needs=ready.needs,
        milestones=tuple(
            MilestoneShown(each.milestone, each.name or each.milestone, each.at, reached.get(each.milestone))
            for each in ready.milestones
        ),
        opt_in=ready.opt_in,
        joined_at=part.joined if part is not None and ready.opt_in else None,
        limit=ready.limit,
        missed=ready.missed(part, window),
        places_left=None if ready.limit is None else max(0, ready.limit - taken.get((challenge.key, period), 0)),
    )
