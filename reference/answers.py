"""Holding what was exported against the answers: shoppers with the given script, commits here, since it does not know them."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from reference.runs import Run

_SUMMARY: Final = re.compile(r"(\d+) passed, (\d+) failed")


@dataclass(frozen=True)
class Verdict:
    """How many comparisons came out the same, how many did not, and what these say."""

    passed: int
    failed: int
    differences: tuple[str, ...]


def held(run: Run, reference: Path, tables: Path, *, after_refunds: bool) -> Verdict:
    """The tables of a run against its answers, which lie in the folder `reference` with the script that compares."""
    if run.timezone is not None:
        return _streaks(run.timezone, reference / "answers" / run.answers / "streaks.json", tables)
    command = [sys.executable, str(reference / "compare.py"), str(tables), str(reference / "answers" / run.answers)]
    options = ["--variant", run.variant, "--as-of", run.as_of, *(["--after-refunds"] if after_refunds else [])]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)  # noqa: S603 — as given.
    lines = done.stdout.splitlines()
    summary = _SUMMARY.match(lines[-1]) if lines else None
    if summary is None:
        return Verdict(0, 1, (*lines, *done.stderr.splitlines()))
    differences = tuple(line for line in lines[:-1] if not line.startswith("same "))
    # Its exit status is the verdict; a summary that says otherwise is no comfort.
    failed = max(int(summary[2]), int(done.returncode != 0))
    return Verdict(int(summary[1]), failed, differences)


def _streaks(zone: str, answers: Path, tables: Path) -> Verdict:
    """The longest streaks of the one person whose commits they are, in a zone."""
    wanted = msgspec.json.decode(answers.read_bytes())[zone]
    rows = pl.read_parquet(tables / "streaks.parquet").select("streak", "member_id", "longest").rows()
    differences = []
    for streak in ("daily", "weekly"):
        got = [longest for key, _, longest in rows if key == streak]
        if got != [wanted[f"longest_{streak}"]]:
            differences.append(f"DIFF streak {streak}: longest {wanted[f'longest_{streak}']} wanted, {got} got")
    return Verdict(2 - len(differences), len(differences), tuple(differences))
