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


@pytest.mark.parametrize("events", ["extract_5k", "extract_5k_messy"])
def test_replay_gives_the_answers_to_the_row(events: str, tmp_path: Path) -> None:
    export = tmp_path / "export"
    engagement = Path(sys.executable).with_name("engagement")
    replay = (engagement, "replay", HERE / "shoppers.yaml", GIVEN / f"{events}.ndjson.gz", "--until", END)
    replayed = subprocess.run(
        [*replay, "--export", export, "--data", tmp_path / "data"],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert replayed.returncode == 0, replayed.stderr
    compared = subprocess.run(
        [
            sys.executable,
            GIVEN / "compare.py",
            export,
            GIVEN / "answers" / "extract_5k",
            "--variant",
            "N",
            "--only",
            COMPARED,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert compared.returncode == 0, compared.stdout
    assert compared.stdout.splitlines()[-1].startswith("9 passed, 0 failed")
