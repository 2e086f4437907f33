"""`make reference`: what it says, and with which exit status it ends."""

import gzip
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest

from reference import answers
from reference.__main__ import main
from reference.runs import runs
from reference.stand import Stand

GIVEN = Path(__file__).parent / "given"
CODE = ["2024-02-28T12:00:00+13:00", "2024-02-29T00:30:00+13:00", "2024-03-01T23:59:00+13:00", "2024-03-11T09:00:00Z"]
LONGEST = {"longest_daily": 3, "longest_weekly": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four commits, and true answers for one zone."""
    with gzip.open(tmp_path / "commits_events.ndjson.gz", "wt") as file:
        for number, at in enumerate(CODE):
            event = {"event_id": f"k-{number}", "type": "commit", "member_id": "K1", "occurred_at": at}
            file.write(json.dumps(event) + "\n")
    write(tmp_path, LONGEST)
    return tmp_path


def write(folder: Path, longest: dict[str, int]) -> None:
    file = folder / "answers" / "commits" / "streaks.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"Pacific/Auckland": longest}))


def test_replays_that_give_the_answers_end_with_success(
    folder: Path, on: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reference.__main__.stand", lambda: nullcontext(on))
    assert main(["--reference", str(folder), "--only", "commits-auckland"]) == 0
    told = capsys.readouterr().out
    assert "commits-auckland-oldest-first: 2 passed, 0 failed" in told
    assert "commits-auckland-newest-first: 2 passed, 0 failed" in told
    assert "2 of 2 rows without a difference" in told


def test_any_difference_is_told_and_ends_with_failure(
    folder: Path, on: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reference.__main__.stand", lambda: nullcontext(on))
    write(folder, {**LONGEST, "longest_daily": 4})
    assert main(["--reference", str(folder), "--only", "commits-auckland-oldest-first"]) == 1
    told = capsys.readouterr().out
    assert "DIFF streak daily: 1 rows wanted, 1 got\n       wanted: (4,)\n       got: (3,)" in told
    assert "0 of 1 rows without a difference" in told


def test_events_that_are_refused_end_with_failure(
    folder: Path, on: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reference.__main__.stand", lambda: nullcontext(on))
    with gzip.open(folder / "commits_events.ndjson.gz", "at") as file:
        event = {"event_id": "k-9", "type": "merge", "member_id": "K1", "occurred_at": CODE[0]}
        file.write(json.dumps(event) + "\n")
    assert main(["--reference", str(folder), "--only", "commits-auckland-oldest-first"]) == 1
    assert "1 events refused, such as k-9" in capsys.readouterr().out


def test_missing_data_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reference", str(tmp_path / "nowhere")]) == 1
    assert "say where they are (make reference REFERENCE=DIR)" in capsys.readouterr().out


def test_run_that_does_not_exist_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "grocers"])
    assert ended.value.code == 2
    assert "no run's name begins with grocers; there are: extract_5k-n, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "after_refunds", "failed"),
    [("extract_5k-n", False, 18), ("extract_5k-a", False, 19), ("extract_5k-a", True, 17)],
)
def test_tables_that_are_missing_are_differences(name: str, after_refunds: bool, failed: int, tmp_path: Path) -> None:
    (run,) = (each for each in runs() if each.name == name)
    verdict = answers.held(run, GIVEN, tmp_path, after_refunds=after_refunds)
    assert (verdict.passed, verdict.failed) == (0, failed)
    assert all(line.startswith("MISSING ") for line in verdict.differences)


def test_comparison_that_breaks_is_a_difference(tmp_path: Path) -> None:
    shutil.copy(GIVEN / "compare.py", tmp_path)
    (run,) = (each for each in runs() if each.name == "extract_5k-n")
    verdict = answers.held(run, tmp_path, tmp_path, after_refunds=True)
    assert (verdict.passed, verdict.failed) == (0, 2)
    assert "refund_set.parquet" in " ".join(verdict.differences)


def test_decisions_that_were_not_taken_are_differences(tmp_path: Path) -> None:
    none = {**dict.fromkeys(("id", "member_id", "kind"), pl.String), "times": pl.Int64}
    pl.DataFrame(schema=none).write_parquet(tmp_path / "decisions.parquet")
    pl.DataFrame({"member_id": ["H1562"], "debt": [185]}).write_parquet(tmp_path / "balances.parquet")
    (run,) = (each for each in runs() if each.name == "extract_5k-b")
    assert (
        "DIFF decisions: 12 rows wanted, 0 got" in answers.held(run, GIVEN, tmp_path, after_refunds=False).differences
    )
    (run,) = (each for each in runs() if each.name == "extract_5k-a")
    told = answers.held(run, GIVEN, tmp_path, after_refunds=True).differences
    assert "     got: ('H1562', 185)" in told
