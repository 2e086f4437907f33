"""Referrals: a member who brought another, and what both get for it.

The one who was brought says by whom: an event of hers names the other member. It qualifies by a later event of hers, within so
many days. Members never read one another: that it qualified is an outcome of hers, and what both get comes with events of
our own, one in each of their logs, written together in one transaction or not at all.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.localtime import LocalTime
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import ReferralQualified
from achievements.parts import Living, PropertyName, Reward, Rewards, Shape, Trigger
from achievements.periods import Calendar
from achievements.states import ReferralPart
from achievements.values import OWN

WITHIN_DAYS_MAX = 400
TIMES_MAX = 1_000_000

Side: TypeAlias = Literal["referrer", "referred"]
Times: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=TIMES_MAX)]


class Qualifying(Shape, frozen=True, kw_only=True):
    """By what a referral qualifies: an event of the one who was brought, up to so many local days after she said by whom."""

    on: Trigger
    when: str | None = None
    within_days: Annotated[int, msgspec.Meta(ge=1, le=WITHIN_DAYS_MAX)]


class BothRewards(Shape, frozen=True, kw_only=True):
    """What each side is given."""

    referrer: Rewards = ()
    referred: Rewards = ()

    def __post_init__(self) -> None:
        if not self.referrer and not self.referred:
            raise ValueError("say what at least one side is given: `referrer: [...]`, `referred: [...]`")


class Caps(Shape, frozen=True, kw_only=True):
    """For how many referrals one member is given something at most, ever and within a calendar period of the program."""

    in_all: Times | None = None
    per_day: Times | None = None
    per_week: Times | None = None
    per_month: Times | None = None
    per_year: Times | None = None

    @property
    def of_periods(self) -> list[tuple[Calendar, int]]:
        """The caps, each with the period that it holds for."""
        caps = (
            (Calendar.LIFETIME, self.in_all),
            (Calendar.DAY, self.per_day),
            (Calendar.WEEK, self.per_week),
            (Calendar.MONTH, self.per_month),
            (Calendar.YEAR, self.per_year),
        )
        return [(calendar, times) for calendar, times in caps if times is not None]


class ReferralReady(Rule, frozen=True, kw_only=True):
    """A referral ready to apply."""

    section = "referrals"
    stage = Stage.CHALLENGES

    saying: Conditions
    by: str
    qualifying: Conditions
    within_days: int
    own: Mapping[str, tuple[Reward, ...]]
    caps: Caps

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at: those that say by whom, those that qualify, and its own."""
        return frozenset((*self.saying, *self.qualifying, *self.own))

    def counted_from(self, at: datetime, time: LocalTime) -> list[tuple[datetime | None, int]]:
        """From when on each cap counts at an instant (None: ever), and to how many."""
        return [
            (None if each is Calendar.LIFETIME else time.start(each, periods.index(each, time.day(at))), times)
            for each, times in self.caps.of_periods
        ]

    def apply(self, part: ReferralPart | None, moment: Moment) -> ReferralPart | None:
        """Hear by whom she was brought, once; tell when that qualifies, once; and give what an event of our own brings."""
        if not moment.first_pass:
            return part
        event = moment.event
        given = self.own.get(event.type)
        if given is not None:
            moment.reward(self.stage, given, self.key, f"referral/{self.key}/{event.id}")
            return part
        if part is None:
            by = event.properties.get(self.by) if event.type in self.saying else None
            if not by or not moment.meets(self.saying):
                return None
            part = ReferralPart(by, moment.local_day)
        if part.qualified is not None or moment.local_day > part.day + self.within_days:
            return part
        if not moment.meets(self.qualifying):
            return part
        moment.emitted.append(ReferralQualified(self.key, part.by, event.at, event.id))
        return ReferralPart(part.by, part.day, event.at)


class Referral(Living, frozen=True, kw_only=True):
    """A member brings another, and both are given something when the other has done what it is for."""

    kind = "referral"

    on: Trigger
    when: str | None = None
    by: PropertyName
    qualifies: Qualifying
    rewards: BothRewards
    at_most: Caps = Caps()

    def ready(self, building: Building) -> ReferralReady:
        """Compile it; mistakes are told to `building`."""
        building.property_of(self.on, self.by, "by", "string")
        referrer = building.rewards(self.rewards.referrer, "rewards.referrer")
        referred = building.rewards(self.rewards.referred, "rewards.referred")
        return ReferralReady(
            key=self.key,
            saying=building.conditions(self.on, self.when),
            by=self.by,
            qualifying=building.conditions(self.qualifies.on, self.qualifies.when, "qualifies."),
            within_days=self.qualifies.within_days,
            own={own_type(self.key, "referrer"): referrer, own_type(self.key, "referred"): referred},
            caps=self.at_most,
            gives=frozenset(reward.gives for reward in (*referrer, *referred)),
        )


def own_type(referral: str, side: Side) -> str:
    """The type of our own event that brings one side its rewards: no caller's."""
    return OWN.join(("referral", referral, side))


def own_id(referral: str, member_id: str, turn: int) -> str:
    """The id of our own events about a referral of a member's: no caller's, for theirs hold no such spaces."""
    return "\u00a0".join(("referral", referral, member_id, str(turn)))
