"""Currencies: when points of them are released, and when they end.

A lot's dates are fixed when it is booked and count from the instant of the event that earned it, in the program's zone.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.parts import POINTS_MAX, Definition, Instant, Key, Misfit, Points, Shape, instant_of
from achievements.periods import Calendar

EXPIRY_DAYS_MAX = 36_525
PENDING_DAYS_MAX = 3_650
GRACE_DAYS_MAX = 3_650
TRANSFERS_A_DAY_MAX = 10_000


class Dates(NamedTuple):
    """When points of a lot end and are released, as the rules of the instant at which they were earned say.

    They wait until `release_at`, or until the confirmation `confirmed_by` names their event; or for nothing.
    """

    expires_at: datetime | None = None
    release_at: datetime | None = None
    confirmed_by: str | None = None


class Pending(Shape, frozen=True, kw_only=True):
    """How long points wait before they can be spent, exactly one of: `after_days` full days after the local day on which they were
    earned; up to the `end_of` the calendar's period in which they were; `until` an instant; or until an event is `confirmed_by`
    another.
    """

    after_days: Annotated[int, msgspec.Meta(ge=1, le=PENDING_DAYS_MAX)] | None = None
    end_of: Literal["day", "week", "month", "quarter", "year"] | None = None
    until: Instant | None = None
    confirmed_by: Key | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in self.__struct_fields__) != 1:
            raise ValueError(
                "points wait exactly one of `after_days: DAYS`, `end_of: month`, `until: INSTANT` and `confirmed_by: CONFIRMATION`"
            )
        if self.until is not None:
            instant_of(self.until, "until")

    def check(self, building: Building) -> None:
        """Tell of a confirmation that the program does not define."""
        if self.confirmed_by is not None:
            building.named("confirmations", self.confirmed_by, "pending.confirmed_by")

    def release_at(self, earned_at: datetime, zone: ZoneInfo) -> datetime | None:
        """When points earned then can be spent; None where that is not a matter of time."""
        if self.after_days is not None:
            return periods.end_of_day_after(earned_at, self.after_days, zone)
        if self.until is not None:
            return instant_of(self.until, "until")
        if self.end_of is None:
            return None
        calendar = Calendar(self.end_of)
        return periods.end(calendar, periods.period_at(calendar, earned_at, zone), zone)


class Expiry(Shape, frozen=True):
    """When points end: `after_days` full days after the local day on which they were earned, or that many times 24 hours."""

    after_days: Annotated[int, msgspec.Meta(ge=1, le=EXPIRY_DAYS_MAX)]
    at: Literal["end_of_day", "same_time"] = "end_of_day"


class PerDay(Shape, frozen=True, kw_only=True):
    """So many points, and so many times, in a day of the program; without a limit where nothing is said."""

    points: Points | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=TRANSFERS_A_DAY_MAX)] | None = None


class Transfers(Shape, frozen=True, kw_only=True):
    """That members may give one another points: from `at_least` to `at_most` at a time, and what a member may give in a day."""

    at_least: Points = 1
    at_most: Points = POINTS_MAX
    per_day: PerDay = PerDay()

    def __post_init__(self) -> None:
        if self.at_most < self.at_least:
            raise Misfit("at_most", "`at_most` is not below `at_least`")


class Currency(Definition, frozen=True, kw_only=True):
    """A unit that members collect."""

    kind = "currency"

    expires: Expiry | None = None
    pending: Pending | None = None
    refund_grace: Annotated[int, msgspec.Meta(ge=0, le=GRACE_DAYS_MAX)] = 0
    """For how many full days points can be spent that come back to a lot which has ended."""
    transfers: Transfers | None = None
    """How members may give one another points of it; not at all, where nothing is said."""

    def __post_init__(self) -> None:
        if self.expires is None and self.refund_grace:
            raise Misfit("refund_grace", "points that keep need no `refund_grace`")

    def ready(self, building: Building) -> None:
        """Look up what its points wait for; it meets no event, so no rule comes of it."""
        if self.pending is not None:
            self.pending.check(building)

    def grace_until(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """Until when points can be spent that come back at an instant to a lot which has ended; None where they cannot."""
        return periods.end_of_day_after(at, self.refund_grace, zone) if self.refund_grace else None

    def dates(self, earned_at: datetime, zone: ZoneInfo, pending: Pending | None) -> Dates:
        """The dates of points earned then, which wait as `pending` says, and not beyond their release."""
        expires_at = self.expires_at(earned_at, zone)
        if pending is None:
            return Dates(expires_at)
        release_at = pending.release_at(earned_at, zone)
        if release_at is not None and release_at <= earned_at:
            return Dates(expires_at)
        return Dates(expires_at, release_at, pending.confirmed_by)

    def expires_at(self, earned_at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant at which points earned then can no longer be spent; None where they keep."""
        if self.expires is None:
            return None
        if self.expires.at == "end_of_day":
            return periods.end_of_day_after(earned_at, self.expires.after_days, zone)
        return earned_at + timedelta(days=self.expires.after_days)
