"""What a definition brings about: those who are held out from it, beside the others.

The others are given what they reach, and know of it; of those who are held out it is counted. What both reach without it is the
same, since a hash told them apart: the difference is what the definition brought about.
"""

import asyncio
from datetime import datetime

import msgspec

from achievements.controls import Share, seed_of
from engagement.actions.programs import Programs
from engagement.errors import InvalidInput, NotFound
from engagement.records import control_groups
from engagement.records.control_groups import Sum
from engagement.records.unit import Unit

SAMPLE_MEMBERS = 50_000
"""Up to so many members a comparison is exact; of more it is taken on so many, drawn by their ids, which are random."""
MEMBERS_AT_ONCE = 10_000


class Group(msgspec.Struct, frozen=True):
    """So many members, how many of them reached something, how often in all, and the points that it brought."""

    members: int = 0
    reached: int = 0
    outcomes: int = 0
    points: int = 0

    def with_more(self, members: int, brought: Sum) -> "Group":
        """The group with further members."""
        reached, outcomes = self.reached + brought.reached, self.outcomes + brought.outcomes
        return Group(self.members + members, reached, outcomes, self.points + brought.points)

    @property
    def rate(self) -> float:
        """The share of members, from 0 to 1, who reached something."""
        return self.reached / self.members if self.members else 0.0


class Comparison(msgspec.Struct, frozen=True):
    """The members that a definition is held out from, `percent` of all, and the others; `sampled` where there are more than were looked at."""

    percent: int
    held: Group
    others: Group
    sampled: bool

    @property
    def lift(self) -> float | None:
        """By how much more of the others reached something, as a share of those held out: 0.25 for a quarter more; None where none of them did."""
        return self.others.rate / self.held.rate - 1 if self.held.rate else None


async def compare(
    unit: Unit, programs: Programs, section: str, key: str, since: datetime | None, until: datetime | None
) -> Comparison:
    """A definition's control group beside the others, by what happened from an instant on and before another (UTC; None: ever).

    Raises `NotFound` where no such definition has a control group, `InvalidInput` for a time that ends before it begins.
    """
    if since is not None and until is not None and since >= until:
        raise InvalidInput("The time has to end after it begins.", "to")
    made = (await programs.load(unit)).rulebook.latest.compiled
    share = made.shares.get(f"{section}/{key}")
    if share is None:
        raise NotFound("No definition of this kind and key has a control group.", "key")
    boost = made.boosts.get(f"{section}/{key}")
    keys = [key] if boost is None else sorted(boost.earn_rules)
    held = others = Group()
    after = None
    while held.members + others.members < SAMPLE_MEMBERS:
        page = await control_groups.members_after(unit, after, MEMBERS_AT_ONCE)
        if not page:
            return Comparison(share.percent, held, others, sampled=False)
        after = page[-1][0]
        out = await asyncio.to_thread(_held_out, share, [external_id for _, external_id in page])
        apart = [who for (who, _), is_out in zip(page, out, strict=True) if is_out]
        rest = [who for (who, _), is_out in zip(page, out, strict=True) if not is_out]
        brought = await control_groups.counted(unit, apart, section, key, since, until)
        if boost is not None:
            # They earned without it, and what it would have made of that is counted.
            earned = await control_groups.given(unit, apart, section, keys, since, until)
            brought = earned._replace(points=earned.points + brought.points)
        held = held.with_more(len(apart), brought)
        others = others.with_more(len(rest), await control_groups.given(unit, rest, section, keys, since, until))
    more = await control_groups.members_after(unit, after, 1)
    return Comparison(share.percent, held, others, sampled=bool(more))


def _held_out(share: Share, external_ids: list[str]) -> list[bool]:
    return [share.has(seed_of(each)) for each in external_ids]
