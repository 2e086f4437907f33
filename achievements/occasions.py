"""Occasions: what a member is given at her welcome, on her birthday, and on an anniversary of hers.

A welcome comes with her first event, whatever was said of her before; who has done something before the definition began is not
welcomed any more. A birthday is a date that the app says of her as an attribute; an anniversary returns with
another such date or, where none is named, with the local day of the first event that counted. Both come at the first instant
of that day in the member's zone, from the year after the date on; of 29 February, on 1 March in other years. Nothing is made up
for: whose date becomes known on its day, or while the definition is paused then, waits a year.

Who changes her date has no second birthday: two lie at least 365 days apart, and a date changed less than `NOTICE_DAYS` before
it returns brings nothing that year. A date said for the first time counts from the next day on.
"""

from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from achievements import periods
from achievements.building import Building
from achievements.localtime import LocalTime
from achievements.moment import Moment, Rule, Stage
from achievements.parts import Misfit, PropertyName, Recounting, Reward, Rewards
from achievements.periods import Calendar
from achievements.states import OccasionPart
from achievements.values import Fact

NOTICE_DAYS = 30
"""So many local days before it returns, a changed date has to be known."""
APART_DAYS = 365
"""So many local days lie between two of one member at least."""

On: TypeAlias = Literal["welcome", "birthday", "anniversary"]


class WelcomeReady(Rule, frozen=True, kw_only=True):
    """A welcome ready to apply. It keeps no part: her state says whether she did anything before. `types` are those of events."""

    section = "occasions"
    stage = Stage.CHALLENGES

    types: frozenset[str]
    rewards: tuple[Reward, ...]

    @property
    def event_types(self) -> frozenset[str]:
        """Whatever she may do first."""
        return self.types

    def apply(self, part: OccasionPart | None, moment: Moment) -> OccasionPart | None:
        """Welcome her with her first event; what was said of her before, and events of our own, are nothing she did."""
        if moment.first_pass and moment.state.inputs == moment.state.told:
            moment.reward(self.stage, self.rewards, self.key, f"occasion/{self.key}")
        return part


class YearlyReady(Rule, frozen=True, kw_only=True):
    """A birthday or an anniversary ready to apply; `attribute` is what holds its date, None for her first event."""

    section = "occasions"
    stage = Stage.CHALLENGES
    falls_due = True
    hears = frozenset({"attributes"})

    attribute: str | None
    rewards: tuple[Reward, ...]

    @property
    def event_types(self) -> None:
        """Whatever comes first: her date may have been known before the definition began."""
        return

    def apply(self, part: OccasionPart | None, moment: Moment) -> OccasionPart | None:
        """Take her date, where it is not taken yet, or was let go because the definition had ended."""
        if part is not None and part.due is not None:
            return part
        first = moment.local_day if part is None else part.day
        day = first if self.attribute is None else self._date(moment)
        return part if day is None else self._taken(part, day, moment)

    def told(self, part: OccasionPart | None, fact: Fact, moment: Moment) -> OccasionPart | None:
        """Take another date of hers, or that there is none any more."""
        if self.attribute is None or self.attribute not in fact.data:
            return part
        return self._taken(part, self._date(moment), moment)

    def lapse(self, part: OccasionPart, moment: Moment) -> OccasionPart:
        """Her day has begun."""
        if self.attribute is not None:
            held = self._date(moment)
            if held != part.day:
                # It was changed while nobody was judged by the definition.
                taken = self._taken(part, held, moment)
                assert taken is not None, "there was a part before"
                return taken
        day = _returns(part)
        if moment.reaches(self.name):
            written = date.fromordinal(day).isoformat()
            moment.reward(self.stage, self.rewards, self.key, f"occasion/{self.key}/{written}")
        return _dated(replace(part, given=day), moment.local)

    def dated(self, part: OccasionPart, local: LocalTime) -> OccasionPart:
        """Her day begins elsewhere."""
        return part if part.due is None else _dated(part, local)

    def _taken(self, part: OccasionPart | None, day: int | None, moment: Moment) -> OccasionPart | None:
        """Her part with a date that was said of her."""
        if day is None:
            return None if part is None else replace(part, due=None)
        tomorrow = moment.local_day + 1
        if part is None:
            return _dated(OccasionPart(day, tomorrow), moment.local)
        known_from = max(part.known_from, tomorrow) if day == part.day else moment.local_day + NOTICE_DAYS
        return _dated(replace(part, day=day, known_from=known_from), moment.local)

    def _date(self, moment: Moment) -> int | None:
        held: Any = moment.state.attributes.get(str(self.attribute))
        try:
            return None if held is None else periods.parse(Calendar.DAY, held)
        except (ValueError, TypeError):
            # Said while the attribute was of another type.
            return None


def _returns(part: OccasionPart) -> int:
    """The local day on which a date returns next."""
    not_before = part.known_from if part.given is None else max(part.known_from, part.given + APART_DAYS)
    return periods.anniversary(part.day, not_before)


def _dated(part: OccasionPart, local: LocalTime) -> OccasionPart:
    due: datetime = local.start(Calendar.DAY, _returns(part))
    return replace(part, due=due)


class Occasion(Recounting, frozen=True, kw_only=True):
    """What is given at a welcome, or each year on a birthday or an anniversary, whose date the `attribute` holds."""

    kind = "occasion"
    fixed = ("on", "attribute")

    on: On
    attribute: PropertyName | None = None
    rewards: Rewards

    def __post_init__(self) -> None:
        if self.on == "birthday" and self.attribute is None:
            raise Misfit("attribute", "say which attribute holds the date: `attribute: birthday`")
        if self.on == "welcome" and self.attribute is not None:
            raise Misfit("attribute", "a welcome comes with the first event; it has no date")
        if not self.rewards:
            raise Misfit("rewards", "say what is given: `rewards: [{points: 100}]`")

    def ready(self, building: Building) -> WelcomeReady | YearlyReady:
        """Compile it; mistakes are told to `building`."""
        rewards = building.rewards(self.rewards, "rewards")
        gives = frozenset(reward.gives for reward in rewards)
        if self.on == "welcome":
            return WelcomeReady(key=self.key, types=frozenset(building.environments), rewards=rewards, gives=gives)
        if self.attribute is not None:
            building.attribute(self.attribute, "attribute", "date")
        return YearlyReady(key=self.key, attribute=self.attribute, rewards=rewards, gives=gives)
