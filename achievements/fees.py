"""Fees: what a member pays out of her purse to hold a tier of a ladder for some days."""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from achievements import periods
from achievements.parts import REWARD_DAYS_MAX, Key, Points, Price, Shape

_TICK = timedelta(microseconds=1)


class Unsold(Enum):
    """Why a tier cannot be bought."""

    NOT_FOR_SALE = auto()
    """The tier has no fee."""
    HELD = auto()
    """A tier as high is held already for as long as the fee would let her hold it, or for as long as one can be bought."""


class Fee(Shape, frozen=True, kw_only=True):
    """Points of a currency (of the only one, where a program has one) for so many days of the program after the one on which
    they are paid; where she was granted a tier as high already, after its end.
    """

    points: Points
    currency: Key | None = None
    for_days: Annotated[int, msgspec.Meta(ge=1, le=REWARD_DAYS_MAX)]

    @property
    def price(self) -> Price:
        """What leaves the purse."""
        return Price(self.points, self.currency)

    def until(self, at: datetime, granted_until: datetime | None, zone: ZoneInfo) -> datetime | None:
        """When a tier ends that is bought at an instant, where one as high is granted up to another; None where that is too far ahead."""
        after = at if granted_until is None else granted_until - _TICK
        until = periods.end_of_day_after(after, self.for_days, zone)
        return until if until <= periods.end_of_day_after(at, REWARD_DAYS_MAX, zone) else None
