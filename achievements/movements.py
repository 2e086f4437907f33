"""What the ledger does beside what is earned, spent and ended: releases, holds, adjustments, and what goes between members.

The fold knows nothing of these; they are told to a member like its outcomes. Points are integers, instants aware and in UTC.
"""

from datetime import datetime
from typing import TypeAlias

import msgspec


class PointsReleased(msgspec.Struct, frozen=True, array_like=True, tag="released", gc=False):
    """Points that were pending, and can be spent from `at` on."""

    currency: str
    points: int
    at: datetime


class PointsHeld(msgspec.Struct, frozen=True, array_like=True, tag="held", gc=False):
    """Points set aside by the hold of an id, for what `source` names, up to `until` at the latest."""

    hold: str
    currency: str
    points: int
    source: str
    at: datetime
    until: datetime


class HoldEnded(msgspec.Struct, frozen=True, array_like=True, tag="hold_ended", gc=False):
    """The end of a hold. `state` says how: captured, voided or expired; `points` of it were not spent, and are free again."""

    hold: str
    currency: str
    points: int
    source: str
    state: str
    at: datetime


class PointsAdjusted(msgspec.Struct, frozen=True, array_like=True, tag="adjusted", gc=False):
    """Points that somebody gave, or took (below 0), for the `reason` of this key."""

    currency: str
    points: int
    reason: str
    at: datetime


class PointsTransferred(msgspec.Struct, frozen=True, array_like=True, tag="transferred", gc=False):
    """Points that came from another member, or went to one (below 0)."""

    currency: str
    points: int
    at: datetime


class MemberMerged(msgspec.Struct, frozen=True, array_like=True, tag="merged", gc=False):
    """Another member, by the app's own id, became a part of this one: what she had and did is this one's since `at`."""

    member: str
    at: datetime


class MemberUnmerged(msgspec.Struct, frozen=True, array_like=True, tag="unmerged", gc=False):
    """That a member and another, by the app's own id, were one was undone: since `at` each has what she would have by herself."""

    member: str
    at: datetime


Merging: TypeAlias = MemberMerged | MemberUnmerged
"""Of two members what becomes one, and two again."""

Movement: TypeAlias = PointsReleased | PointsHeld | HoldEnded | PointsAdjusted | PointsTransferred
