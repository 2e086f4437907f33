"""What saves a streak: pauses, in which nothing is missed, freezes, which stand in for missed periods, and restoring a run that broke.

The latter two may have a price. What is bought or restored is decided by whoever keeps the ledger, and comes back as a fact that stands: a
freeze is used when a period is missed, whenever that is learned, and a run is taken up as if what was missed had been frozen. Where
late news shows that nothing had been missed, a freeze is there again and a restoring changes nothing.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from achievements import periods
from achievements.building import Building
from achievements.parts import LocalDate, Misfit, Price, Shape
from achievements.periods import DAY, Calendar
from achievements.states import Lost, Run, StreakPart

FREEZE_BOUGHT = "freeze_bought"
STREAK_RESTORED = "streak_restored"

PERIODS_MAX = 1_000
HELD_MAX = 100
RESTORES_MAX = 100
PAUSES_MAX = 50
PAUSE_DAYS_MAX = 92
WITHIN_MAX = 31
"""The most periods for which a run that broke can be restored."""


class Refused(StrEnum):
    """Why a freeze cannot be bought, or a streak not be restored."""

    NOT_OFFERED = "not_offered"
    HOLDS_MOST = "holds_most"
    NOT_BROKEN = "not_broken"
    TOO_LATE = "too_late"
    USED_UP = "used_up"


class Pause(Shape, frozen=True, kw_only=True, rename={"since": "from"}):
    """Local dates, the first and the last of them included, on which nobody has to do anything."""

    since: LocalDate
    until: LocalDate

    def __post_init__(self) -> None:
        first, last = (_day_of(text, name) for name, text in (("from", self.since), ("until", self.until)))
        if not 0 <= last - first < PAUSE_DAYS_MAX:
            raise Misfit("until", f"`until` is not before `from`, and at most {PAUSE_DAYS_MAX} days are in a pause")

    @property
    def days(self) -> range:
        """The ordinals of its days."""
        return range(_day_of(self.since, "from"), _day_of(self.until, "until") + 1)


def _day_of(text: str, field: str) -> int:
    try:
        return periods.parse(DAY, text)
    except ValueError as error:
        raise Misfit(field, str(error)) from error


def paused_periods(calendar: Calendar, pauses: Iterable[Pause]) -> frozenset[int]:
    """The periods of which every day lies in a pause."""
    days = {day for pause in pauses for day in pause.days}
    found = {periods.index(calendar, day) for day in days}
    return frozenset(each for each in found if days.issuperset(_days_of(calendar, each)))


def _days_of(calendar: Calendar, period: int) -> range:
    first, after = (periods.first_day(calendar, each).toordinal() for each in (period, period + 1))
    return range(first, after)


class Freezes(Shape, frozen=True, kw_only=True):
    """How many missed periods a streak survives.

    Either one from the start and the next once `cooldown` periods lie between two, also over a streak that broke; or `start`
    of them, another for each `earn_every` periods that a streak grows by, further ones at a `price`, and never more than
    `hold_at_most` in hand.
    """

    cooldown: Annotated[int, msgspec.Meta(ge=1, le=PERIODS_MAX)] | None = None
    start: Annotated[int, msgspec.Meta(ge=0, le=HELD_MAX)] = 0
    earn_every: Annotated[int, msgspec.Meta(ge=1, le=PERIODS_MAX)] | None = None
    hold_at_most: Annotated[int, msgspec.Meta(ge=1, le=HELD_MAX)] | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        earned = self.start > 0 or self.earn_every is not None or self.hold_at_most is not None
        if (self.cooldown is not None) == (earned or self.price is not None):
            raise ValueError("write either `cooldown: PERIODS`, or `start`, `earn_every`, `price` and `hold_at_most`")
        if self.hold_at_most is not None and self.start > self.hold_at_most:
            raise ValueError("`start` is at most `hold_at_most`")
        if self.hold_at_most is None and (self.earn_every is not None or self.price is not None):
            field = "earn_every" if self.earn_every is not None else "price"
            raise ValueError(f"`{field}` needs `hold_at_most`, or freezes pile up without end")

    def ready(self, building: Building) -> "Freezes":
        """With the currency of its price named."""
        return msgspec.structs.replace(self, price=_priced(self.price, building, "freezes.price.currency"))

    def at_hand(self, part: StreakPart | None, period: int) -> int:
        """How many could stand in for a period, if it were missed."""
        if self.cooldown is not None:
            return int(part is None or part.frozen is None or period - part.frozen >= self.cooldown)
        return self.start if part is None else part.freezes_held

    def refused(self, part: StreakPart | None) -> Refused | None:
        """Why no freeze can be bought now; None where one can."""
        if self.price is None or self.hold_at_most is None:
            return Refused.NOT_OFFERED
        held = self.start if part is None else part.freezes_held
        return Refused.HOLDS_MOST if held >= self.hold_at_most else None


class Restore(Shape, frozen=True, kw_only=True):
    """On what terms a member takes up a streak that broke, as if it had been frozen: `within` so many periods after the one that
    she missed, `at_most` so often (within `per` periods; ever, where left out), at a `price`.

    The program's people may do it for her within that time, without a price and however often; with `at_most: 0`, only they.
    """

    within: Annotated[int, msgspec.Meta(ge=1, le=WITHIN_MAX)]
    at_most: Annotated[int, msgspec.Meta(ge=0, le=RESTORES_MAX)] = 1
    per: Annotated[int, msgspec.Meta(ge=1, le=PERIODS_MAX)] | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.at_most == 0 and (self.per is not None or self.price is not None):
            field = "per" if self.per is not None else "price"
            raise Misfit(field, f"with `at_most: 0` members restore nothing themselves; leave out `{field}`")

    def ready(self, building: Building) -> "Restore":
        """With the currency of its price named."""
        return msgspec.structs.replace(self, price=_priced(self.price, building, "restore.price.currency"))

    def reachable(self, lost: Lost | None, period: int) -> tuple[Run, ...]:
        """The runs that can be taken up again in a period, oldest first."""
        return () if lost is None else tuple(each for each in lost.runs if period <= each.missed + self.within)

    def used(self, lost: Lost | None, period: int) -> tuple[int, ...]:
        """The periods of the restores that count towards `at_most` in a period."""
        done = () if lost is None else lost.restored
        return done if self.per is None else tuple(each for each in done if period - each < self.per)

    def refused(self, part: StreakPart | None, period: int, *, by_staff: bool = False) -> Refused | None:
        """Why a streak cannot be restored in a period; None where it can."""
        lost = None if part is None else part.lost
        if self.at_most == 0 and not by_staff:
            return Refused.NOT_OFFERED
        if lost is None or not lost.runs:
            return Refused.NOT_BROKEN
        if not self.reachable(lost, period):
            return Refused.TOO_LATE
        if not by_staff and len(self.used(lost, period)) >= self.at_most:
            return Refused.USED_UP
        return None


def lost_with(restore: Restore, part: StreakPart, missed: int) -> Lost:
    """What is kept of a part's runs when its present one breaks over a missed period."""
    lost = part.lost
    run = Run(part.current, part.last if part.began is None else part.began, missed)
    kept = restore.reachable(lost, missed + 1)
    return Lost((*kept, run)) if lost is None else Lost((*kept, run), lost.restores, lost.restored)


def taken_up(restore: Restore | None, lost: Lost, period: int, *, by_staff: bool) -> tuple[Sequence[Run], Lost]:
    """The runs that a restoring in a period takes up, oldest first, and what is kept afterwards.

    It was allowed when it was decided. Where, as is known now, all broke too early for it, that stands for the last of them.
    """
    runs = (restore.reachable(lost, period) if restore is not None else ()) or lost.runs[-1:]
    used = lost.restored if restore is None else restore.used(lost, period)
    return runs, Lost((), lost.restores + 1, used if by_staff else (*used, period))


def _priced(price: Price | None, building: Building, where: str) -> Price | None:
    return None if price is None else Price(price.points, building.currency(price.currency, where))
