"""What the books say of a stretch of time: how many points there were, what came and went, and how many there are.

Every transfer that changes a balance counts in exactly one figure of one period, so that what a period begins with and its figures
always come to what it ends with.
"""

from collections.abc import Iterable, Mapping

import msgspec


class Figures(msgspec.Struct, frozen=True):
    """What moved, in points. `earned`, `spent`, `expired` and `reversed` are positive where points came by the first and left by the
    others, each less what was undone of it; `adjusted` and `transferred` are positive where points came.
    """

    earned: int = 0
    spent: int = 0
    expired: int = 0
    reversed: int = 0
    adjusted: int = 0
    transferred: int = 0

    @property
    def change(self) -> int:
        """By how much all balances together grew."""
        return self.earned - self.spent - self.expired - self.reversed + self.adjusted + self.transferred


class PeriodFigures(msgspec.Struct, frozen=True):
    """The figures of a period (its name, as `periods.name` writes it) between the points that it begins and ends with."""

    period: str
    opening: int
    figures: Figures

    @property
    def closing(self) -> int:
        """The points that it ends with."""
        return self.opening + self.figures.change


_FIGURES: Mapping[str, tuple[str, int]] = {
    "earn": ("earned", 1),
    "spend": ("spent", -1),
    "refund": ("spent", -1),
    "expire": ("expired", -1),
    "reverse": ("reversed", -1),
    "transfer": ("transferred", 1),
}
# Whatever else changes a balance was an adjustment: no kind of transfer is left out.
_ADJUSTED = ("adjusted", 1)


def figures_of(changes: Iterable[tuple[str, int]]) -> Figures:
    """The figures that changes of balances come to, each with the kind of the transfers that made it."""
    sums = dict.fromkeys(Figures.__struct_fields__, 0)
    for kind, change in changes:
        name, sign = _FIGURES.get(kind, _ADJUSTED)
        sums[name] += sign * change
    return Figures(**sums)


def rolled_forward(opening: int, periods: Iterable[tuple[str, Figures]]) -> list[PeriodFigures]:
    """Periods that follow one another: each begins with what the one before it ends with."""
    found = []
    for period, figures in periods:
        found.append(PeriodFigures(period, opening, figures))
        opening = found[-1].closing
    return found
