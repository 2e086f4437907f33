"""Leaderboards: members in the order of the points they earned in a period.

A board's periods are cut in the program's zone. The higher score stands first; among equal scores the one reached first,
then the lower member id. A member without points is not on the board.
"""

from collections.abc import Iterable
from typing import Literal
from zoneinfo import ZoneInfo

from achievements import measures, periods
from achievements.building import Building
from achievements.measures import MeasureShape
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Definition, Misfit, Window, calendar_of
from achievements.periods import Calendar
from achievements.values import AnyOutcome, BoardPart, Scored


class LeaderboardReady(Rule, frozen=True, kw_only=True):
    """A board ready to apply; `zone` is the program's."""

    section = "leaderboards"
    stage = Stage.BOARDS

    calendar: Calendar
    currency: str
    zone: ZoneInfo

    @property
    def event_types(self) -> None:
        """Whatever earns points."""
        return

    def apply(self, part: BoardPart | None, moment: Moment) -> BoardPart | None:
        """Add the points of this pass to the score of the event's period."""
        points = moment.points(self.currency, self.stage, rewards=bool(self.counts))
        if not points:
            return part
        window = periods.index(self.calendar, moment.day(self.zone))
        score = points + (part.score if part is not None and part.window == window else 0)
        moment.emitted.append(Scored(self.key, periods.name(self.calendar, window), score, moment.event.at))
        return BoardPart(window, score, moment.event.at)

    def levels(self, part: BoardPart | None) -> Iterable[AnyOutcome]:
        """The score in the latest period."""
        if part is None:
            return ()
        return (Scored(self.key, periods.name(self.calendar, part.window), part.score, part.reached_at),)


class Leaderboard(Definition, frozen=True, kw_only=True):
    """A board by points earned, for each period of a calendar or for all time."""

    kind = "leaderboard"
    fixed = ("measure", "window")

    measure: MeasureShape
    window: Window = "lifetime"
    tie: Literal["first_to_reach"] = "first_to_reach"

    def __post_init__(self) -> None:
        if self.measure.points is None:
            raise Misfit("measure", "a leaderboard measures points: write `measure: {points: CURRENCY}`")
        calendar_of(self.window)

    @property
    def calendar(self) -> Calendar:
        """How its periods are cut."""
        return calendar_of(self.window)

    def ready(self, building: Building) -> LeaderboardReady:
        """Compile it; mistakes are told to `building`."""
        return LeaderboardReady(
            key=self.key,
            calendar=self.calendar,
            currency=building.currency(self.measure.points, "measure.points"),
            zone=building.zone,
            counts=frozenset(filter(None, (measures.counted_rewards(self.measure),))),
        )
