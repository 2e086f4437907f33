"""Lots: what is left of each credit, and which of them a spend, an expiry or a clawback touches.

Plans only: nothing is booked here. Spending order is: soonest to expire first, points that keep last; then by the instant
at which they were earned, the event's id, and the lot's own.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from achievements.states import BEGINNING


class Lot(msgspec.Struct, frozen=True):
    """One credit of a wallet: worth `points`, of which `remaining` are left, to be spent before `expires_at` (None: they keep).

    `expired` counts those that came to their end in it, and `held` those of the remaining that are set aside. A lot that is
    `pending` cannot be spent before it is released: at `release_at`, where that is known. Points that come back to a lot whose
    earning was taken back meanwhile stay in it, so `remaining` may exceed `points`; to one that had ended they come for some days
    more, and it is `extended`.
    """

    id: str
    currency: str
    points: int
    remaining: int
    expired: int
    earned_at: datetime
    expires_at: datetime | None
    event_id: str
    source: str
    held: int = 0
    pending: bool = False
    release_at: datetime | None = None
    extended: bool = False
    kind: str = "earn"

    @property
    def free(self) -> int:
        """What is left of it and not set aside."""
        return self.remaining - self.held

    @property
    def available(self) -> int:
        """What of it counts in a balance: what is free and released."""
        return 0 if self.pending else self.remaining - self.held

    @property
    def waiting(self) -> int:
        """What of it is not released yet."""
        return self.remaining - self.held if self.pending else 0

    @property
    def due(self) -> datetime | None:
        """When the next thing becomes of it by itself: what is free of it ends, or it is released."""
        if self.remaining == 0:
            return None
        release_at = self.release_at if self.pending else None
        if self.expires_at is None or self.remaining == self.held:
            return release_at
        return self.expires_at if release_at is None else min(self.expires_at, release_at)

    def ended(self, at: datetime) -> bool:
        """Whether its points can no longer be spent at an instant."""
        return self.expires_at is not None and self.expires_at <= at


class Taken(NamedTuple):
    """So many points out of a lot."""

    lot: Lot
    points: int


def spending_order(lot: Lot) -> tuple[bool, datetime, datetime, str, str]:
    """Sorts lots as they are spent."""
    return (lot.expires_at is None, lot.expires_at or BEGINNING, lot.earned_at, lot.event_id, lot.id)


def plan_spending(lots: Iterable[Lot], points: int, at: datetime) -> list[Taken]:
    """What to take out of lots of one currency at an instant, in spending order: all of `points`, or all that there is."""
    plan: list[Taken] = []
    there = (each for each in lots if each.available > 0 and not each.ended(at))
    for lot in sorted(there, key=spending_order):
        if points <= 0:
            break
        taken = min(points, lot.free)
        plan.append(Taken(lot, taken))
        points -= taken
    return plan


def plan_expiry(lots: Iterable[Lot], until: datetime) -> list[Lot]:
    """The lots with points that ended up to an instant, in the order in which they did. What is set aside ends after its hold."""
    return sorted((each for each in lots if each.free > 0 and each.ended(until)), key=spending_order)


class Takeback(NamedTuple):
    """What it takes for a lot to have earned less: points still there, points whose expiry never was, points owed."""

    removed: int
    unexpired: int
    owed: int


def plan_takeback(lot: Lot, to: int) -> Takeback:
    """How a lot comes to be worth `to` points, which are fewer than it was worth.

    What is left goes first, then what expired, which nobody is asked for again; what is still missing was spent, or is set
    aside for it, and is owed: as if the lot had been of `to` points from the start.
    """
    less = lot.points - to
    removed = min(lot.free, less)
    unexpired = min(lot.expired, less - removed)
    return Takeback(removed, unexpired, less - removed - unexpired)
