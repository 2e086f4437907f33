"""Decisions that inputs ask for: they are taken once, outside the fold, and what was decided comes back as a fact.

None of these values can be part of a circle, so Python's collector need not look at them (`gc=False`). Instants are in UTC.
"""

from datetime import datetime

import msgspec


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A decision that an input asks for.

    No outcome: it is decided once, outside the fold, and what was decided comes back as a fact.
    """

    @property
    def identity(self) -> tuple[str, ...]:
        """Which decision this is: what stays the same however often it is asked for."""
        raise AssertionError(f"{type(self).__name__} has no identity")


class SpendAsked(Asked, frozen=True, gc=False):
    """A decision that a spend rule asks for: to take `points`, if the balance allows it then."""

    rule: str
    currency: str
    points: int
    at: datetime
    event_id: str

    @property
    def identity(self) -> tuple[str, ...]:
        """A rule asks once for each event."""
        return ("spend", self.rule, self.event_id)


class PlaceAsked(Asked, frozen=True, gc=False):
    """A decision that a challenge for the first so many members asks for: whether one of its `limit` places is left.

    `at` and `event_id` are those of the event that met its targets. Who is `held_out` learns whether one is left, and takes
    none.
    """

    challenge: str
    period: str
    limit: int
    at: datetime
    event_id: str
    held_out: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """A member asks once in each window, whichever event it is that meets the targets."""
        return ("place", self.challenge, self.period)
