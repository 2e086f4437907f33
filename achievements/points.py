"""Currencies, and when points of them end.

A lot's dates are fixed when it is booked and count from the instant of the event that earned it, in the program's zone.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.parts import Definition, Shape

EXPIRY_DAYS_MAX = 36_525


class Expiry(Shape, frozen=True):
    """When points end: `after_days` full days after the local day on which they were earned, or that many times 24 hours."""

    after_days: Annotated[int, msgspec.Meta(ge=1, le=EXPIRY_DAYS_MAX)]
    at: Literal["end_of_day", "same_time"] = "end_of_day"


class Currency(Definition, frozen=True, kw_only=True):
    """A unit that members collect."""

    kind = "currency"

    expires: Expiry | None = None

    def expires_at(self, earned_at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant at which points earned then can no longer be spent; None where they keep."""
        if self.expires is None:
            return None
        if self.expires.at == "end_of_day":
            return periods.end_of_day_after(earned_at, self.expires.after_days, zone)
        return earned_at + timedelta(days=self.expires.after_days)
