"""The estimate of points that will end unspent: exact where the past is, and honest about what it cannot know."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements.breakage import STEPS, Cohort, Estimate, Outstanding, estimate


def cohort(month: str, entered: int, shares: list[float], lived: int = STEPS) -> Cohort:
    """So many points, of which a share of what is left is spent in each step."""
    left, spent = float(entered), []
    for share in shares:
        spent.append(round(left * share))
        left -= spent[-1]
    return Cohort(month, entered, spent, [0] * len(shares), lived)


def test_what_happened_before_happens_again() -> None:
    past = [cohort(f"2017-0{n}", 1_000_000 * n, [0.1] * STEPS) for n in range(1, 6)]
    fresh = estimate(past, [Outstanding(0, 120, 100_000)], 10)
    assert fresh == Estimate(round(100_000 * 0.9**12), round(100_000 * 0.9**12), round(100_000 * 0.9**12))
    older = estimate(past, [Outstanding(100, 20, 100_000)], 10)
    assert older is not None
    assert older.points == 81_000
    within = estimate(past, [Outstanding(105, 5, 100_000)], 10)
    assert within is not None
    assert within.points == round(100_000 * 0.9**0.5)


def test_points_that_ended_were_not_there_to_be_spent() -> None:
    ended = [500_000, *[0] * (STEPS - 1)]
    past = [Cohort(f"2017-0{n}", 1_000_000, [0, 250_000, *[0] * 10], ended, STEPS) for n in (1, 2)]
    found = estimate(past, [Outstanding(0, 20, 1_000)], 10)
    assert found == Estimate(500, 500, 500)


def test_the_latest_three_months_count() -> None:
    long_ago = [cohort(f"2016-0{n}", 9_000_000, [0.9] * STEPS) for n in range(1, 6)]
    past = [*long_ago, *(cohort(f"2017-0{n}", 1_000_000, [0.1] * STEPS) for n in range(1, 4))]
    young = [cohort(f"2017-0{n}", 1_000_000, [0.0] * STEPS, 0) for n in range(4, 7)]
    found = estimate([*past, *young], [Outstanding(0, 120, 100_000)], 10)
    assert found is not None
    assert found.points == round(100_000 * 0.9**12)
    assert found.low < found.points, "one of the three might have been as those before"


def test_months_that_differ_make_the_bounds_wide() -> None:
    past = [cohort(f"2017-0{n}", 1_000, [share, *[0.0] * (STEPS - 1)]) for n, share in enumerate([0.1, 0.9, 0.5], 1)]
    found = estimate(past, [Outstanding(0, 120, 1_000)], 10)
    assert found is not None
    assert found.points == 500
    assert found.low < 200
    assert found.high > 800


@pytest.mark.parametrize("lived", [0, 5, STEPS - 1])
def test_a_history_that_is_too_short_tells_nothing(lived: int) -> None:
    past = [cohort("2017-01", 1_000, [0.1] * STEPS), cohort("2017-02", 1_000, [0.1] * STEPS, lived)]
    assert estimate(past, [Outstanding(0, 120, 10)], 10) is None
    # What lies ahead of old points is known as soon as others were as old, twice.
    young = estimate(past, [Outstanding(0, 10 * lived, 10)], 10)
    assert (young is not None) == (lived >= 0)
    assert estimate([], [Outstanding(0, 120, 10)], 10) is None
    assert estimate(past, [], 10) == Estimate(0, 0, 0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_an_estimate_lies_within_what_is_there(seed: int) -> None:
    random = Random(seed)
    past = [
        cohort(
            f"m{n}", random.randrange(0, 5_000), [random.random() for _ in range(STEPS)], random.randrange(STEPS + 3)
        )
        for n in range(random.randrange(8))
    ]
    there = [
        Outstanding(age := random.randrange(100), random.randrange(1, 121 - age), random.randrange(1, 900))
        for _ in range(random.randrange(1, 6))
    ]
    found = estimate(past, there, 10)
    if found is not None:
        assert 0 <= found.low <= found.points <= found.high <= sum(each.points for each in there)
