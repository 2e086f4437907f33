"""What the shop tells a member beside the outcomes of the fold: what became of a redemption, and of what she has by it or was given,
and that she has won in a draw.

Instants are aware and in UTC.
"""

from datetime import datetime
from typing import TypeAlias

import msgspec


class RedemptionChanged(msgspec.Struct, frozen=True, array_like=True, tag="redemption", gc=False):
    """That a redemption of a reward is in a state from `at` on: reserved, fulfilled, voided, expired or refunded."""

    redemption: str
    reward: str
    state: str
    at: datetime


class BenefitChanged(msgspec.Struct, frozen=True, array_like=True, tag="benefit", gc=False):
    """That a voucher, an entitlement or `count` entries in a draw (`sort`) are in a state from `at` on: issued, owed a code, used or
    voided. `source` is the key of the reward or definition by which she has it; it can be used up to `until` (None: for good).
    """

    benefit: str
    sort: str
    key: str
    count: int
    source: str
    state: str
    until: datetime | None
    at: datetime


class DrawWon(msgspec.Struct, frozen=True, array_like=True, tag="draw_won", gc=False):
    """That a member has won in a draw: by which of her entries (the id of the benefit), and at which place, from 1."""

    draw: str
    place: int
    entry: str
    at: datetime


Redeeming: TypeAlias = RedemptionChanged | BenefitChanged | DrawWon
