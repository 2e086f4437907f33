"""The reference program over 80 real shoppers, and one person's commits, through the API, held against exact answers."""

from pathlib import Path

import pytest

from reference.replays import replay
from reference.runs import Run, runs
from reference.stand import Stand

GIVEN = Path(__file__).parent / "given"
# One that is behind UTC, and one that is so far ahead that the dates are others.
ZONES = ("America/Chicago", "Pacific/Auckland")
HERE = [run for run in runs() if run.answers == "extract_5k" or run.timezone in ZONES]


@pytest.mark.parametrize("run", HERE, ids=lambda run: run.name)
def test_replay_gives_the_answers_to_the_row(run: Run, on: Stand) -> None:
    rows = replay(run, GIVEN, on)
    # What differs stands first, so that a failure shows it.
    assert [(row.name, row.verdict.differences, row.wrong, row.verdict.passed) for row in rows] == [
        (name, (), (), passed) for name, passed in compared(run).items()
    ]
    assert all(row.good for row in rows)


def compared(run: Run) -> dict[str, int]:
    """How many comparisons there are for each row of a run."""
    if run.timezone is not None:
        return {run.name: 2}
    more = int(run.variant != "N")
    # The months, and that they come to what members have; after refunds only the latter.
    return {run.name: 19 + more} | ({f"{run.name} refunds": 16 + more} if run.refunds else {})
