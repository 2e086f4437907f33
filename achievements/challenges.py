"""Challenges: targets to reach within a window.

A challenge is completed by the event that brings the last of its objectives to its target: once, once in each window of a
calendar, or again and again, counting anew after each completion. Windows are cut in the member's own zone.

Where it is changed, members who have begun a window, or round, finish it under the version in which they began it.

Where there are places for the first so many members alone, who meets the targets asks for one; what is decided comes back
as a fact, and with a place it is completed there.

Where members join it themselves, it counts what they do from then on, until they leave; what was counted by then stays.
Where it is for teams, those take part who are in one (`teams.py`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.asked import PlaceAsked
from achievements.building import Building
from achievements.localtime import LocalTime
from achievements.measures import Measure, counted_rewards
from achievements.moment import Given, Moment, Rule, Stage, completed
from achievements.objectives import (
    MILESTONES_MAX,
    OBJECTIVES_MAX,
    Milestone,
    Needs,
    Objective,
    ObjectiveReady,
    counted,
    met,
    ready_of,
    rewards_counted,
    types_of,
)
from achievements.outcomes import AnyOutcome, ChallengeCompleted, ChallengeProgressed, MilestoneReached
from achievements.parts import Misfit, Recounting, Reward, Rewards
from achievements.periods import LIFETIME
from achievements.states import ChallengePart, MemberState, Tally
from achievements.teams import TEAM_TARGET_MET, Team, check_team, contribution, entered
from achievements.values import Amount, Fact
from achievements.windows import Span, Window, pruned, span_of

Repeat: TypeAlias = Literal["once", "each_window", "on_completion"]
Join: TypeAlias = Literal["automatic", "opt_in"]
Reached: TypeAlias = tuple[tuple[str, datetime], ...]
"""Milestones by their keys, and when each was reached."""

LIMIT_MAX = 1_000_000
"""The most members who can be the first."""
JOINED = "joined"
LEFT = "left"
PLACE_TAKEN = "place_taken"
PLACE_MISSED = "place_missed"


class ChallengeReady(Rule, frozen=True, kw_only=True):
    """A challenge ready to apply; `zone` is the program's, for members without their own; `empty` is where tallies begin.

    `chosen` says that not everybody takes part: it is joined, or for teams.
    """

    section = "challenges"
    stage = Stage.CHALLENGES
    hears = frozenset({JOINED, LEFT, PLACE_TAKEN, PLACE_MISSED, TEAM_TARGET_MET})

    span: Span
    repeat: Repeat
    needs: Needs
    opt_in: bool
    chosen: bool
    limit: int | None
    objectives: tuple[ObjectiveReady, ...]
    targets: tuple[int, ...]
    empty: tuple[Tally, ...]
    milestones: tuple[Milestone, ...]
    rewards: tuple[Reward, ...]
    zone: ZoneInfo
    team: Team | None = None
    version: int = 0
    earlier: tuple["ChallengeReady", ...] = ()
    """The versions before this one, by their numbers: under each, members who had begun finish."""

    @property
    def event_types(self) -> frozenset[str] | None:
        """The types that any of its objectives looks at, or did in an earlier version."""
        return types_of(each for version in (self, *self.earlier) for each in version.objectives)

    def apply(self, part: ChallengePart | None, moment: Moment) -> ChallengePart | None:
        """Count the event in its window, and complete the challenge where enough of its targets are met."""
        if part is not None and part.version != self.version:
            begun = self.begun_under(part, self.span.period(moment))
            if begun is not self:
                return begun.apply(part, moment)
        if part is not None and self.repeat == "once" and part.completions:
            return part
        if self.chosen and not self.has(part, moment.state):
            return part
        window = self.span.period(moment)
        if window is None:
            return part
        goes_on = part is not None and part.window == window and part.version == self.version
        before = part if part is not None and goes_on else self._opened(part, window)
        before = entered(before, moment.state.team, self.empty) if self.team is not None else before
        decided = self.limit is not None and before.place in ("asked", "missed")
        if decided or (self.repeat == "each_window" and before.completed_window == window):
            return part
        tallies = before.tallies
        if len(self.objectives) == 1:
            tally = self.objectives[0].take(tallies[0], moment, self.span)
            if tally is tallies[0]:
                return part
            tallies = (tally,)
        else:
            tallies = counted(self.objectives, before.tallies, moment, self.span, self.needs)
            if tallies is before.tallies:
                return part
        return self._counted(before, tallies, moment)

    def has(self, part: ChallengePart | None, state: MemberState) -> bool:
        """Whether a member takes part."""
        if self.team is not None:
            return state.team is not None
        return not self.opt_in or (part is not None and part.joined is not None)

    def told(self, part: ChallengePart | None, fact: Fact, moment: Moment) -> ChallengePart | None:
        """The part of a member who joins or leaves (again changes nothing), or of whose place it was decided."""
        if fact.data.get("challenge") != self.key:
            return part
        if fact.kind in (PLACE_TAKEN, PLACE_MISSED):
            return self._placed(part, fact, moment)
        if fact.kind == TEAM_TARGET_MET:
            return self._met_together(part, fact, moment)
        if not self.opt_in:
            return part
        joined = fact.at if fact.kind == JOINED else None
        if (joined is None) == (part is None or part.joined is None):
            return part
        held = self._opened(None, self.span.period(moment) or 0) if part is None else part
        return msgspec.structs.replace(held, joined=joined)

    def _placed(self, part: ChallengePart | None, fact: Fact, moment: Moment) -> ChallengePart | None:
        """The part after a decision on a place in its window: with one, it is completed as soon as its targets are met."""
        window = self.span.period(moment)
        if window is None or (part is not None and (part.completed_window == window or self._is_over(part))):
            return part
        begun = self.begun_under(part, window)
        if begun is not self:
            return begun._placed(part, fact, moment)  # noqa: SLF001 — the same challenge, as she began it.
        held = self._opened(part, window)
        if self.period(held) != fact.data["period"]:
            return part
        if fact.kind == PLACE_MISSED:
            return msgspec.structs.replace(held, place="missed")
        # What is known now may meet the targets later than what was known when the place was given.
        if held.place != "asked":
            return msgspec.structs.replace(held, place="taken")
        return self._completed(held, held.tallies, held.milestones, moment)

    def _met_together(self, part: ChallengePart | None, fact: Fact, moment: Moment) -> ChallengePart | None:
        """The part after a team to which she has given has met its target, in a window that may be over by then.

        She is told once in each window, so nothing has to be remembered of those before the latest.
        """
        window = int(str(fact.data["window"]))
        begun = self.begun_under(part, window)
        if begun is not self:
            return begun._met_together(part, fact, moment)  # noqa: SLF001 — the same challenge, as she began it.
        if self.team is None or (part is not None and (part.completed_window == window or self._is_over(part))):
            return part
        held = self._opened(None, window) if part is None else part
        done = self._completed(msgspec.structs.replace(held, window=window), held.tallies, (), moment)
        if held.window == window:
            return done
        latest = window if held.completed_window is None else max(window, held.completed_window)
        kept = {"window": held.window, "tallies": held.tallies, "version": held.version}
        return msgspec.structs.replace(done, completed_window=latest, **kept)

    def missed(self, part: ChallengePart | None, window: int | None) -> bool:
        """Whether a member met the targets in a window when its places were taken."""
        if part is None or part.place != "missed" or self.begun_under(part, window).limit is None:
            return False
        return self.repeat == "once" or part.window == window

    def _is_over(self, part: ChallengePart) -> bool:
        return self.repeat == "once" and part.completions > 0

    def _opened(self, part: ChallengePart | None, window: int) -> ChallengePart:
        """The part in a window, with nothing counted there yet where that is another one."""
        if part is None:
            return ChallengePart(window, self.empty, version=self.version)
        if part.window == window:
            return part if part.version == self.version else msgspec.structs.replace(part, version=self.version)
        history = (part.completed_window, part.completed_at, part.completions)
        place = part.place if self.repeat == "once" else ""
        return ChallengePart(window, self.empty, *history, part.joined, (), self.version, place, part.team)

    def begun_under(self, part: ChallengePart | None, window: int | None) -> "ChallengeReady":
        """The version that a member goes by in a window, or round: that under which something first counted in it."""
        if part is None or part.window != window or part.tallies == self.empty or part.version >= len(self.earlier):
            return self
        return self.earlier[part.version]

    @property
    def all_gives(self) -> frozenset[str]:
        """What it gives, whether or not anything counts that."""
        rewards = (*self.rewards, *(reward for each in self.milestones for reward in each.rewards))
        return frozenset({completed(self.key), *(reward.gives for reward in rewards)})

    @property
    def all_counts(self) -> frozenset[str]:
        """What it counts where rewards gave it, whether or not anything does."""
        return rewards_counted(self.objectives)

    def _counted(self, before: ChallengePart, tallies: tuple[Tally, ...], moment: Moment) -> ChallengePart:
        """The part after its tallies have changed, with what that brings."""
        period = self.period(before)
        amounts = tuple([tally.amount for tally in tallies])
        if self.team is None:
            moment.emitted.append(ChallengeProgressed(self.key, period, amounts, self.targets))
        reached = before.milestones
        if self.milestones:
            reached = self._passed(reached, period, amounts[0], moment)
        place = before.place
        done = self.team is None and met(amounts, self.targets, self.needs)
        if done and self.limit is not None and place != "taken":
            moment.emitted.append(PlaceAsked(self.key, period, self.limit, moment.event.at, moment.event.id))
            done, place = False, "asked"
        if done:
            return self._completed(before, tallies, reached, moment)
        history = (before.completed_window, before.completed_at, before.completions, before.joined)
        part = ChallengePart(before.window, tallies, *history, reached, before.version, place, before.team)
        if self.team is not None:
            moment.emitted.append(contribution(self.key, period, part, self.targets[0], self.team.minimum))
        return part

    def _completed(
        self, before: ChallengePart, tallies: tuple[Tally, ...], reached: Reached, moment: Moment
    ) -> ChallengePart:
        """The part of a member who has completed it, with what that brings."""
        event, period = moment.event, self.period(before)
        moment.emitted.append(ChallengeCompleted(self.key, period, event.at, event.id))
        moment.reward(self.stage, self.rewards, self.key, f"challenge/{self.key}/{period}")
        if completed(self.key) in self.gives:
            moment.given.append(Given(self.stage, completed(self.key), 0))
        # What was counted has done its work: what remains is what a screen shows of it.
        again = self.repeat == "on_completion"
        kept = self.empty if again else tuple(Tally(each.amount) for each in tallies)
        history = (before.window, event.at, before.completions + 1, before.joined)
        return ChallengePart(before.window, kept, *history, () if again else reached, before.version, "", before.team)

    def _passed(self, reached: Reached, period: str, amount: Amount, moment: Moment) -> Reached:
        """The milestones reached in a window once its measure has come to an amount, and what new ones give."""
        held = {milestone for milestone, _ in reached}
        for each in self.milestones:
            if each.at <= amount and each.milestone not in held:
                event, name = moment.event, each.milestone
                reached = (*reached, (name, event.at))
                moment.emitted.append(MilestoneReached(self.key, period, name, event.at, event.id))
                moment.reward(self.stage, each.rewards, self.key, f"challenge/{self.key}/{period}/milestone {name}")
        return reached

    def period(self, part: ChallengePart) -> str:
        """How the window, or the round, that a part counts in is written."""
        if self.repeat == "on_completion":
            return f"#{part.completions + 1}"
        return "" if self.repeat == "once" else periods.name(self.span.calendar, part.window)

    def amounts(self, part: ChallengePart | None, at: datetime, local: LocalTime) -> tuple[Amount, ...]:
        """What its objectives come to at an instant that is not before the part: nothing of windows that are over."""
        empty: tuple[Amount, ...] = (0,) * len(self.targets)
        if part is None or (self.span.calendar is not LIFETIME and part.window != self.window(at, local)):
            return empty
        if self.span.rolls and not (self.repeat == "once" and part.completions):
            horizon = self.span.mark_at(at, local) - self.span.length
            return tuple(pruned(tally, horizon).amount for tally in part.tallies)
        return tuple(tally.amount for tally in part.tallies)

    def window(self, at: datetime, local: LocalTime) -> int:
        """The index of the window at an instant."""
        return periods.index(self.span.calendar, local.day(at))

    def ends_at(self, at: datetime, local: LocalTime) -> datetime | None:
        """When the window at an instant is over; None for one without an end of its own."""
        if self.span.calendar is LIFETIME:
            return self.span.closes
        return local.start(self.span.calendar, self.window(at, local) + 1)

    def levels(self, part: ChallengePart | None) -> Iterable[AnyOutcome]:
        """The progress in its latest window, or round."""
        if part is None or part.tallies == self.empty:
            return ()
        amounts = tuple(tally.amount for tally in part.tallies)
        targets = self.begun_under(part, part.window).targets
        if self.team is not None:
            return (contribution(self.key, self.period(part), part, targets[0], self.team.minimum),)
        return (ChallengeProgressed(self.key, self.period(part), amounts, targets),)


class Challenge(Recounting, frozen=True, kw_only=True):
    """One or more objectives, of which all have to be met within a window, any one, or all in order; with a `limit`, by the
    first so many members (in each window, where it repeats), as they come in; with a `team`, by its members together.
    """

    kind = "challenge"
    fixed = ("window", "measures", "repeats", "team_target")

    objectives: Annotated[tuple[Objective, ...], msgspec.Meta(min_length=1, max_length=OBJECTIVES_MAX)]
    needs: Needs = "all"
    window: Window = "lifetime"
    repeat: Repeat | None = None
    join: Join = "automatic"
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] | None = None
    team: Team | None = None
    milestones: Annotated[tuple[Milestone, ...], msgspec.Meta(max_length=MILESTONES_MAX)] = ()
    rewards: Rewards = ()

    def __post_init__(self) -> None:
        self._check_milestones()
        if self.team is not None:
            check_team(self.team, self)
        if self.limit is not None:
            self._check_limit()
        calendar = span_of(self.window).calendar
        if self.repeat == "each_window" and calendar is LIFETIME:
            raise Misfit(
                "repeat",
                "`each_window` goes with a calendar window; a lifetime is completed `once` or repeats `on_completion`, and so"
                " are windows that roll or lie between dates",
            )

    @property
    def repeats(self) -> Repeat:
        """When it can be completed again: where nothing is said, in each window of a calendar, and else never."""
        if self.repeat is not None:
            return self.repeat
        return "once" if span_of(self.window).calendar is LIFETIME else "each_window"

    @property
    def team_target(self) -> tuple[Team, int] | None:
        """What a team under way is to meet, and each of its members to give."""
        return None if self.team is None else (self.team, self.objectives[0].target)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What its objectives count."""
        return tuple(objective.measure for objective in self.objectives)

    def _check_limit(self) -> None:
        if self.repeat == "on_completion":
            raise Misfit("limit", "the first members are told apart once, or in each window: not with `on_completion`")
        if any(counted_rewards(each.measure) for each in self.objectives):
            raise Misfit("limit", "a limit goes with what events meet: leave out `including: rewards`")

    def _check_milestones(self) -> None:
        if not self.milestones:
            return
        if len(self.objectives) > 1:
            raise Misfit("milestones", "milestones go with a challenge of one objective")
        steps = [each.at for each in self.milestones]
        if steps != sorted(set(steps)) or steps[-1] >= self.objectives[0].target:
            raise Misfit(
                "milestones", "milestones come lowest first, each higher than the one before and below the target"
            )
        if len({each.milestone for each in self.milestones}) < len(steps):
            raise Misfit("milestones", "two milestones have the same key")

    def ready(self, building: Building) -> ChallengeReady:
        """Compile it; mistakes are told to `building`."""
        objectives = ready_of(self.objectives, building, Stage.CHALLENGES)
        rewards = building.rewards(self.rewards, "rewards")
        milestones = tuple(
            msgspec.structs.replace(each, rewards=building.rewards(each.rewards, f"milestones[{position}].rewards"))
            for position, each in enumerate(self.milestones)
        )
        made = ChallengeReady(
            key=self.key,
            span=span_of(self.window),
            repeat=self.repeats,
            needs=self.needs,
            opt_in=self.join == "opt_in",
            chosen=self.join == "opt_in" or self.team is not None,
            limit=self.limit,
            objectives=objectives,
            targets=tuple(objective.target for objective in self.objectives),
            empty=tuple(Tally() for _ in self.objectives),
            milestones=milestones,
            rewards=rewards,
            zone=building.zone,
            team=self.team,
        )
        return msgspec.structs.replace(made, gives=made.all_gives, counts=made.all_counts)
