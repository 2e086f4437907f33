"""Prizes: what a leaderboard gives to those who stand well when one of its periods is closed.

Who they are is decided once, over all members, and comes back to each of them as a fact. A member gets the first prize of the list that
her rank is in; those who share a rank share its prize. In a group with fewer members than the board's least cohort nobody wins.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from achievements.parts import Misfit, Rewards, Shape

PRIZES_MAX = 20
PRIZE_GROUPS_MAX = 50
RANK_MAX = 1_000_000
CLOSE_AFTER_HOURS = 48
"""How long after the end of a period a board is closed, unless it says otherwise: so long, late events still count."""
CLOSE_AFTER_HOURS_MAX = 24 * 90
PRIZE_WON = "prize_won"

_Rank = Annotated[int, msgspec.Meta(ge=1, le=RANK_MAX)]


class Prize(Shape, frozen=True, kw_only=True):
    """What is given for a rank, for the ranks from `rank` to `to`, or to the best so many percent; in some `groups` alone, where it says so."""

    rank: _Rank | None = None
    to: _Rank | None = None
    percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    groups: Annotated[tuple[str, ...], msgspec.Meta(max_length=PRIZE_GROUPS_MAX)] = ()
    rewards: Rewards

    def __post_init__(self) -> None:
        if (self.rank is None) == (self.percent is None):
            raise ValueError("a prize is for exactly one of `rank: 1`, `rank: 2` with `to: 10`, and `percent: 10`")
        if self.to is not None and (self.rank is None or self.to < self.rank):
            raise Misfit("to", "`to` goes with `rank`, and is not before it")
        if not self.rewards:
            raise Misfit("rewards", "say what is given: `rewards: [{points: 100}]`")

    def ranks(self, contenders: int) -> tuple[int, int]:
        """The first and the last rank that it is for, among so many who are ranked."""
        if self.percent is not None:
            # Rounded up: of whomever there are, somebody is among the best.
            return 1, -(-contenders * self.percent // 100)
        assert self.rank is not None, "a prize is for a rank or a percentage"
        return self.rank, self.to or self.rank

    def is_for(self, group: str, rank: int, contenders: int) -> bool:
        """Whether it is for a rank in a group of so many."""
        first, last = self.ranks(contenders)
        return (not self.groups or group in self.groups) and first <= rank <= last


def prize_of(prizes: Sequence[Prize], group: str, rank: int, contenders: int) -> Prize | None:
    """What a member has won; None where nothing."""
    return next((each for each in prizes if each.is_for(group, rank, contenders)), None)
