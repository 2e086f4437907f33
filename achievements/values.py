"""The values that go into the fold.

All instants are aware datetimes in UTC, cut to microseconds. None of these values can be part of a circle, so Python's
collector need not look at them (`gc=False`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal
from enum import IntEnum
from typing import Any, TypeAlias

import msgspec

Amount: TypeAlias = int | Decimal
"""What a measure adds up: integers for counts, distinct values and points, exact decimals for sums of money."""

EXACT = Context(prec=200)
"""Wide enough for amounts, their sums, rates and many factors, so that nothing is rounded before points are."""
ID_CHARACTERS_MAX = 200
"""Of a caller's ids, of events as of members."""
OWN = "/"
"""In the type of an event of our own, and of no caller's: their keys hold no stroke."""


class Rank(IntEnum):
    """What comes first at one instant."""

    TIME = 0
    EVENT = 1
    FACT = 2


_EVENT = Rank.EVENT


class Order(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """The place of an input in its member's history: by instant, then rank, then id by code point, then `n`."""

    at: datetime
    rank: int
    id: str
    n: int = 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing a member did. `properties` holds only those that its event type declares, decimals as `Decimal`."""

    id: str
    type: str
    at: datetime
    properties: Mapping[str, Any]

    @property
    def order(self) -> Order:
        """Its place among the member's inputs."""
        return Order(self.at, _EVENT, self.id)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What was decided once, or told by a command, and is an input from then on.

    `order` is its place: that of a command's own is `(at, FACT, id)`; one that an input caused has that input's instant,
    rank and id, and the next `n`; one that time caused stands before all that happened at its instant. Kinds: `zone` (`data` {"timezone": NAME}: the member's own zone from that instant) and
    `attributes` (`data` NAME to value, None for one that is gone) are the fold's own; any other is for the rules that hear it,
    and `spent`, `spend_rejected` and `reward_taken` change nothing: what they took is the ledger's.
    """

    id: str
    kind: str
    at: datetime
    order: Order
    data: Mapping[str, Any]

    @property
    def cause(self) -> str:
        """What its outcomes name as their input: the event that caused it, or itself."""
        return self.order.id if self.order.rank == Rank.EVENT else self.id


Input: TypeAlias = Event | Fact
"""What a fold takes, one after the other; time passing has no value of its own."""
