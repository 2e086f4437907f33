"""Leaderboards: members in the order of the points they earned in a period.

A board's periods are cut in the program's zone. The higher score stands first. What comes of equal scores is the board's
`ties`: `first_to_reach` puts the one first that was reached first, then the lower member id; `ordinal` goes by the id alone;
`standard` (1, 2, 2, 4) and `dense` (1, 2, 2, 3) give equal scores one rank. A member without points is not on the board,
nor is one who is held out from it.

Where members are grouped, each group of each period is a board of its own. A member competes, for a whole period, in the group
that she was in before the event by which she first scored in it: whoever moves, moves with the next period. Who is in no group then is on
none of them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from achievements import measures, periods
from achievements.building import Building
from achievements.lifecycle import life_of
from achievements.measures import MeasureShape
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import AnyOutcome, PrizeWon, Scored
from achievements.parts import GroupedBy, Misfit, Points, Recounting
from achievements.periods import LIFETIME, Calendar
from achievements.prizes import (
    CLOSE_AFTER_HOURS,
    CLOSE_AFTER_HOURS_MAX,
    PRIZE_WON,
    PRIZES_MAX,
    Prize,
    prize_of,
)
from achievements.states import BoardPart
from achievements.values import Fact
from achievements.windows import Window, span_of

Ties: TypeAlias = Literal["first_to_reach", "standard", "dense", "ordinal"]
COHORT_MAX = 1_000


class Contest(NamedTuple):
    """What members are ranked in: one period of a board, of one of its groups; and how."""

    board: str
    period: str
    group: str = ""
    ties: Ties = "first_to_reach"
    minimum: int | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """Which it is, however it is ranked."""
        return (self.board, self.period, self.group)


class Entry(NamedTuple):
    """A member's score on a board, and the instant at which she reached it."""

    member: str
    score: int
    reached_at: datetime


def ranked(ties: Ties, entries: Iterable[Entry]) -> list[tuple[int, Entry]]:
    """The entries of one period with their ranks from 1, best first."""
    placed: list[tuple[int, Entry]] = []
    for number, entry in enumerate(sorted(entries, key=lambda each: order_key(ties, each)), start=1):
        rank = number
        if ties in ("standard", "dense") and placed:
            above, before = placed[-1]
            if before.score == entry.score:
                rank = above
            elif ties == "dense":
                rank = above + 1
        placed.append((rank, entry))
    return placed


def order_key(ties: Ties, entry: Entry) -> tuple[object, ...]:
    """By which a board is in order, lowest first. Where ties share a rank, they stand by id."""
    return (-entry.score, entry.reached_at, entry.member) if ties == "first_to_reach" else (-entry.score, entry.member)


class LeaderboardReady(Rule, frozen=True, kw_only=True):
    """A board ready to apply; `zone` is the program's."""

    section = "leaderboards"
    stage = Stage.BOARDS
    hears = frozenset({PRIZE_WON})
    outlives = hears

    calendar: Calendar
    currency: str
    zone: ZoneInfo
    group_by: str | None = None
    prizes: tuple[Prize, ...] = ()

    @property
    def event_types(self) -> None:
        """Whatever earns points."""
        return

    def apply(self, part: BoardPart | None, moment: Moment) -> BoardPart | None:
        """Add the points of this pass to the score of the event's period."""
        counts = self.counts
        points = moment.points(self.currency, self.stage, counts) if counts else moment.earned.get(self.currency, 0)
        if not points:
            return part
        window = 0 if self.calendar is LIFETIME else periods.index(self.calendar, moment.program_day)
        score, group = points, ""
        if part is not None and part.window == window:
            score, group = points + part.score, part.group
        elif self.group_by is not None:
            found = moment.group(self.group_by)
            if found is None:
                return part
            group = found
        moment.emitted.append(Scored(self.key, periods.name(self.calendar, window), score, moment.event.at, group))
        return BoardPart(window, score, moment.event.at, group)

    def told(self, part: BoardPart | None, fact: Fact, moment: Moment) -> BoardPart | None:
        """Give what a member has won when a period was closed; her score is as it was."""
        if fact.data["board"] == self.key:
            period, group, rank, contenders = (fact.data[name] for name in ("period", "group", "rank", "contenders"))
            won = prize_of(self.prizes, group, rank, contenders)
            if won is not None:
                at, event_id = moment.event.at, moment.event.id
                moment.emitted.append(PrizeWon(self.key, period, group, rank, contenders, at, event_id))
                moment.reward(self.stage, won.rewards, self.key, f"leaderboard/{self.key}/{period}/{group}")
        return part

    def misses_group(self, part: BoardPart | None, moment: Moment) -> bool:
        """Whether points that would count for a member do not, since she is in no group."""
        by = self.group_by
        if by is None or not moment.points(self.currency, self.stage, self.counts):
            return False
        window = 0 if self.calendar is LIFETIME else periods.index(self.calendar, moment.program_day)
        return (part is None or part.window != window) and moment.group(by) is None

    def levels(self, part: BoardPart | None) -> Iterable[AnyOutcome]:
        """The score in the latest period."""
        if part is None:
            return ()
        return (Scored(self.key, periods.name(self.calendar, part.window), part.score, part.reached_at, part.group),)


class Leaderboard(Recounting, frozen=True, kw_only=True):
    """A board by points earned, for each period of a calendar or for all time, and for each group by itself where it has groups.

    Whoever has less than the `minimum_score` is not ranked; while fewer than `minimum_cohort` members are, nobody is shown. Where it has
    `prizes`, or says `close_after_hours`, each period is closed so long after its end: what stands then is final.
    """

    kind = "leaderboard"
    fixed = ("measure", "window", "ties", "group_by")

    measure: MeasureShape
    window: Window = "lifetime"
    ties: Ties = "first_to_reach"
    group_by: GroupedBy | None = None
    minimum_score: Points | None = None
    minimum_cohort: Annotated[int, msgspec.Meta(ge=2, le=COHORT_MAX)] | None = None
    prizes: Annotated[tuple[Prize, ...], msgspec.Meta(max_length=PRIZES_MAX)] = ()
    close_after_hours: Annotated[int, msgspec.Meta(ge=1, le=CLOSE_AFTER_HOURS_MAX)] | None = None

    def __post_init__(self) -> None:
        if self.measure.points is None:
            raise Misfit("measure", "a leaderboard measures points: write `measure: {points: CURRENCY}`")
        span = span_of(self.window)
        if span.rolls or span.opens is not None:
            raise Misfit(
                "window", "a leaderboard's window is `lifetime` or `{calendar: day | week | month | quarter | year}`"
            )

        if self.closes and span.calendar is Calendar.LIFETIME and self.ends is None:
            raise Misfit("ends", "a board for all time is closed when it ends: say when, `ends: 2027-01-01T00:00:00Z`")
        for position, each in enumerate(self.prizes):
            if each.groups and self.group_by is None:
                raise Misfit(f"prizes[{position}].groups", "this board has no groups; write `group_by`")

    @property
    def calendar(self) -> Calendar:
        """How its periods are cut."""
        return span_of(self.window).calendar

    @property
    def closes(self) -> bool:
        """Whether its periods are closed some time after their end: then nothing about them changes any more."""
        return bool(self.prizes) or self.close_after_hours is not None

    def ends_at(self, period: int, zone: ZoneInfo) -> datetime | None:
        """When a period is over: at its end, or that of the board, where that is before it. None where never."""
        known = [periods.end(self.calendar, period, zone), life_of(self).ends]
        return min((each for each in known if each is not None), default=None)

    def closes_at(self, period: int, zone: ZoneInfo) -> datetime | None:
        """When a period is closed at the earliest; None where it never is."""
        ends_at = self.ends_at(period, zone) if self.closes else None
        return None if ends_at is None else ends_at + timedelta(hours=self.close_after_hours or CLOSE_AFTER_HOURS)

    def contest(self, period: str, group: str = "") -> Contest:
        """One of its periods, and groups, to read."""
        return Contest(self.key, period, group, self.ties, self.minimum_score)

    def ready(self, building: Building) -> LeaderboardReady:
        """Compile it; mistakes are told to `building`."""
        if self.group_by is not None:
            building.grouped_by(self.group_by, "group_by")
        prizes = tuple(
            msgspec.structs.replace(each, rewards=building.rewards(each.rewards, f"prizes[{position}].rewards"))
            for position, each in enumerate(self.prizes)
        )
        return LeaderboardReady(
            key=self.key,
            calendar=self.calendar,
            currency=building.currency(self.measure.points, "measure.points"),
            zone=building.zone,
            group_by=self.group_by,
            prizes=prizes,
            gives=frozenset(reward.gives for prize in prizes for reward in prize.rewards),
            counts=frozenset(filter(None, (measures.counted_rewards(self.measure),))),
        )
