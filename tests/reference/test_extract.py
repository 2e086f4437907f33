"""The reference program over 80 real shoppers, through the command line and the API, held against exact answers."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GIVEN = HERE / "given"
END = "2018-01-01T04:59:59Z"
COMPARED = (
    "ledger,movements,c1,c3,badge purchases,streak weekly,streak daily,leaderboards top 20,leaderboards sampled members"
)
COMPARED_AFTER_REFUNDS = "ledger,c1,c3,badge purchases,streak weekly,streak daily,leaderboards top 20"


@pytest.mark.parametrize("events", ["extract_5k", "extract_5k_messy"])
def test_replay_gives_the_answers_to_the_row(events: str, tmp_path: Path) -> None:
    replay(events, tmp_path)
    assert compared(tmp_path, COMPARED).startswith("9 passed, 0 failed")


@pytest.mark.parametrize("events", ["extract_5k", "extract_5k_messy"])
def test_refunds_are_as_if_nothing_had_been_bought(events: str, tmp_path: Path) -> None:
    told = replay(events, tmp_path, "--reverse", GIVEN / "answers" / "extract_5k" / "refund_set.parquet")
    assert "100 events to take back: 100 APPLIED" in told
    assert compared(tmp_path, COMPARED_AFTER_REFUNDS, "--after-refunds").startswith("7 passed, 0 failed")


def replay(events: str, folder: Path, *more: object) -> str:
    """Feed a history, and write what came of it into `folder`; what the command said."""
    engagement = Path(sys.executable).with_name("engagement")
    command = (engagement, "replay", HERE / "shoppers.yaml", GIVEN / f"{events}.ndjson.gz", "--until", END)
    options = ("--export", folder / "export", "--data", folder / "data", *more)
    replayed = run(*command, *options)
    assert replayed.returncode == 0, replayed.stderr
    return replayed.stderr


def compared(folder: Path, only: str, *more: object) -> str:
    """The verdict on what was exported into `folder`."""
    answers = GIVEN / "answers" / "extract_5k"
    done = run(
        *(sys.executable, GIVEN / "compare.py", folder / "export", answers, "--variant", "N", "--only", only), *more
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()[-1]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    arguments = [str(each) for each in command]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=280)
