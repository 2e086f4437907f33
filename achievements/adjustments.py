"""Why the program's people give a member points, or take some: the reasons that a program knows."""

from typing import Literal

from achievements.parts import Definition, Points


class AdjustmentReason(Definition, frozen=True, kw_only=True):
    """A reason for which points are given, taken, or both, and how many `at_most` at a time."""

    kind = "adjustment_reason"

    direction: Literal["give", "take", "both"] = "both"
    at_most: Points | None = None

    def allows(self, change: int) -> bool:
        """Whether points are given (above 0) or taken for it."""
        return self.direction == "both" or (change > 0) == (self.direction == "give")
