"""Teams: challenges whose target the members of a team meet together.

What a member gives is hers to count: it goes to the team that she is in at the instant of the event. What all of them have given,
and whether that meets the target, no fold can know: that is decided outside, once for each window, and comes back to every member
who has given her share as a fact, by which the challenge is completed for her. A target once met stays met.
"""

from datetime import datetime
from typing import Protocol

import msgspec

from achievements.measures import counted_rewards
from achievements.objectives import Objective
from achievements.outcomes import Contributed
from achievements.parts import Misfit, Points, Shape
from achievements.periods import Calendar
from achievements.states import ChallengePart, Tally
from achievements.windows import Window, span_of

TEAM = "team"
"""The kind of the fact that a member is in a team from now on, and in no other; or in none."""
TEAM_TARGET_MET = "team_target_met"
"""The kind of the fact that a team to which she has given has met its target."""


class Team(Shape, frozen=True, kw_only=True):
    """That the target of a challenge is a team's, in whose rewards all share who have given at least `minimum`."""

    minimum: Points = 1


class _Definition(Protocol):
    """What of a challenge a team bears upon."""

    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def window(self) -> Window: ...
    @property
    def repeat(self) -> str | None: ...
    @property
    def join(self) -> str: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def milestones(self) -> tuple[Shape, ...]: ...
    @property
    def control_group(self) -> int | None: ...


def check_team(team: Team, challenge: _Definition) -> None:
    """Raise `Misfit` for what a challenge of teams cannot have."""
    if len(challenge.objectives) > 1:
        raise Misfit("objectives", "a team has one objective, to which all of its members give")
    if counted_rewards(challenge.objectives[0].measure):
        raise Misfit("team", "a team's target is met by what members do: leave out `including: rewards`")
    if team.minimum > challenge.objectives[0].target:
        raise Misfit("team", "the minimum of each member is no more than the target of all")
    _check_window(challenge)
    if challenge.join != "automatic":
        raise Misfit("join", "whoever is in a team takes part: leave out `join`")
    if challenge.limit is not None:
        raise Misfit("limit", "a limit is on members, not on teams: leave it out")
    if challenge.milestones:
        raise Misfit("milestones", "a team has one target, and no milestones")
    if challenge.control_group is not None:
        raise Misfit("control_group", "what some of a team do not get would change what the others do: leave it out")


def _check_window(challenge: _Definition) -> None:
    if challenge.repeat == "on_completion":
        raise Misfit("repeat", "a team meets its target once, or once in each window: not `on_completion`")
    span = span_of(challenge.window)
    if span.rolls:
        raise Misfit("window", "what a team was given stays: its window does not roll")
    if challenge.repeat == "once" and span.calendar is not Calendar.LIFETIME:
        raise Misfit("repeat", "in windows of a calendar a team begins anew in each: leave out `repeat: once`")


def entered(part: ChallengePart, team: tuple[str, datetime] | None, empty: tuple[Tally, ...]) -> ChallengePart:
    """A member's part as one of the team that she is in, and since when.

    What she has given to a team stays there: whoever changes over, or comes back, begins at nothing.
    """
    if team is None or team == (part.team, part.joined):
        return part
    name, since = team
    return msgspec.structs.replace(part, tallies=empty, joined=since, team=name)


def contribution(key: str, period: str, part: ChallengePart, target: int, minimum: int) -> Contributed:
    """What a part says that a member has given."""
    assert part.joined is not None, "only members of a team give something to it"
    amount = part.tallies[0].amount
    return Contributed(key, period, part.team, part.joined, amount, part.window, target, minimum)
