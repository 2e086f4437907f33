"""How many of the points that members have will come to their end unspent: an estimate from what became of earlier ones.

Points are followed from the month in which they were earned (a cohort) by their age, in steps. What of a cohort was there at the beginning of
a step and was spent within it is a share; the share of a step is that of the latest three cohorts together which have lived through the whole step.
A point that is there now will come to its end unspent with the product of what is left by each step that lies ahead of it.
The interval says by how much the estimate moves where single cohorts are left out (jackknife): two standard errors to each side.
"""

from collections.abc import Sequence
from math import sqrt

import msgspec

COHORTS_MIN = 2
"""Cohorts that have to have lived through a step for its share to be known."""
COHORTS_LATEST = 3
"""Cohorts that a step's share is taken from, the latest first: members and prices of long ago say less."""
STEPS = 12
"""Steps into which the longest life of the points that are there is cut."""
ERRORS = 2.0


class Cohort(msgspec.Struct, frozen=True):
    """Points that were earned in one month: how many `entered`, and how many of them were `spent` and came to their end (`ended`)
    at which step of their age. All of them have lived through the first `lived` steps.
    """

    month: str
    entered: int
    spent: Sequence[int]
    ended: Sequence[int]
    lived: int


class Outstanding(msgspec.Struct, frozen=True):
    """Points that are there, so many days after they were earned, and so many before they end."""

    age_days: int
    left_days: int
    points: int


class Estimate(msgspec.Struct, frozen=True):
    """How many points will come to their end, and between which bounds that lies."""

    points: int
    low: int
    high: int


def estimate(cohorts: Sequence[Cohort], outstanding: Sequence[Outstanding], step_days: int) -> Estimate | None:
    """What will become of the points that are there, by cohorts in order; None where too little is known of an age that lies ahead."""
    there = sum(each.points for each in outstanding)
    whole = _expected(cohorts, outstanding, step_days, COHORTS_MIN)
    if whole is None:
        return None
    known = [each for each in cohorts if each.lived and each.entered]
    without = [_expected([each for each in known if each is not one], outstanding, step_days, 1) for one in known]
    parts = [each for each in without if each is not None]
    mean = sum(parts) / len(parts) if parts else whole
    spread = sum((each - mean) ** 2 for each in parts)
    error = sqrt(spread * (len(parts) - 1) / len(parts)) if parts else 0.0
    low, high = max(whole - ERRORS * error, 0.0), min(whole + ERRORS * error, float(there))
    return Estimate(round(whole), round(low), round(high))


def _expected(
    cohorts: Sequence[Cohort], outstanding: Sequence[Outstanding], step_days: int, cohorts_min: int
) -> float | None:
    last = max((each.age_days + each.left_days for each in outstanding), default=0)
    kept = [_kept(cohorts, step, cohorts_min) for step in range(-(-last // step_days))]
    total = 0.0
    for each in outstanding:
        share = _unspent(kept, each.age_days / step_days, (each.age_days + each.left_days) / step_days)
        if share is None:
            return None
        total += each.points * share
    return total


def _kept(cohorts: Sequence[Cohort], step: int, cohorts_min: int) -> float | None:
    """The share of what is there at the beginning of a step that is not spent within it; None where that is not known."""
    lived = [(each, _begins(each, step)) for each in cohorts if each.lived > step]
    latest = [(each, begins) for each, begins in lived if begins > 0][-COHORTS_LATEST:]
    if len(latest) < cohorts_min:
        return None
    spent = sum(each.spent[step] for each, _ in latest)
    return min(max(1 - spent / sum(begins for _, begins in latest), 0.0), 1.0)


def _begins(cohort: Cohort, step: int) -> int:
    """What is there of a cohort at the beginning of a step."""
    return cohort.entered - sum(cohort.spent[:step]) - sum(cohort.ended[:step])


def _unspent(kept: Sequence[float | None], begin: float, end: float) -> float | None:
    """The share that is not spent between two ages, in steps; of a step that lies partly between them the according part."""
    share = 1.0
    for step in range(int(begin), len(kept)):
        part = min(end, step + 1) - max(begin, step)
        if part > 0:
            left = kept[step]
            if left is None:
                return None
            share *= left**part
    return share
