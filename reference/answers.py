"""Holding what was exported against the answers: by the given script, and here what it does not look at.

That is the streaks of commits, what rolls forward from month to month, how many spends were made and rejected, and what clawback
left as debt.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import polars as pl

from reference.runs import Run

SHOWN_MAX: Final = 3
_SUMMARY: Final = re.compile(r"(\d+) passed, (\d+) failed")

Comparison: TypeAlias = tuple[str, pl.DataFrame, pl.DataFrame]
"""Its name, the rows that are wanted and those that were exported, in any order."""


@dataclass(frozen=True)
class Verdict:
    """How many comparisons came out the same, how many did not, and what these say."""

    passed: int
    failed: int
    differences: tuple[str, ...]

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.passed + other.passed, self.failed + other.failed, self.differences + other.differences)


def held(run: Run, reference: Path, tables: Path, *, after_refunds: bool) -> Verdict:
    """The tables of a run against its answers, which lie in the folder `reference` with the script that compares."""
    answers = reference / "answers" / run.answers
    if run.timezone is not None:
        return _compared(_streaks(answers, tables, run.timezone))
    options = ["--variant", run.variant, "--as-of", run.as_of, *(["--after-refunds"] if after_refunds else [])]
    given = _by_script([str(reference / "compare.py"), str(tables), str(answers), *options])
    given += _compared(_months(answers, tables, None if after_refunds or run.as_of != "end" else run.variant))
    if run.variant == "N":
        return given
    return given + _compared(_debts(answers, tables) if after_refunds else _decisions(answers, tables, run.variant))


def _by_script(command: list[str]) -> Verdict:
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)  # noqa: S603 — as given.
    lines = done.stdout.splitlines()
    summary = _SUMMARY.match(lines[-1]) if lines else None
    if summary is None:
        return Verdict(0, 1, (*lines, *done.stderr.splitlines()))
    differences = tuple(line for line in lines[:-1] if not line.startswith("same "))
    # Its exit status is the verdict; a summary that says otherwise is no comfort.
    failed = max(int(summary[2]), int(done.returncode != 0))
    return Verdict(int(summary[1]), failed, differences)


def _streaks(answers: Path, tables: Path, zone: str) -> Iterator[Comparison]:
    """The longest streaks of the one person whose commits they are, in a zone."""
    longest = msgspec.json.decode((answers / "streaks.json").read_bytes())[zone]
    exported = pl.read_parquet(tables / "streaks.parquet")
    for streak in ("daily", "weekly"):
        wanted = pl.DataFrame({"longest": [longest[f"longest_{streak}"]]})
        yield f"streak {streak}", wanted, exported.filter(streak=streak).select("longest")


def _decisions(answers: Path, tables: Path, variant: str) -> Iterator[Comparison]:
    """How often each member's points were spent, and how often a spend was rejected."""
    counted = pl.col("spends", "rejected").cast(pl.Int64)
    wanted = pl.read_parquet(answers / f"ledger_{variant}.parquet").select("member_id", counted)
    rejected = pl.col("kind") == "spend_rejected"
    made = pl.read_parquet(tables / "decisions.parquet").group_by("member_id")
    # One decision can be to spend several times at once.
    got = made.agg(pl.col("times").filter(~rejected).sum().alias("spends"), rejected.sum().alias("rejected"))
    yield "decisions", wanted.filter((pl.col("spends") > 0) | (pl.col("rejected") > 0)), got.with_columns(counted)


def _months(answers: Path, tables: Path, variant: str | None) -> Iterator[Comparison]:
    """What rolls forward from month to month: as the answers say, where they do, and up to what members have."""
    months = pl.read_parquet(tables / "rollforward.parquet").filter(currency="points")
    if variant is not None:
        wanted = pl.read_parquet(answers / f"rollforward_{variant}.parquet")
        yield "months", wanted, months.select(pl.col("period").alias("month"), *wanted.columns[1:])
    balances = pl.read_parquet(tables / "balances.parquet").filter(currency="points")
    moved = pl.col("earned") - pl.col("reversed") - pl.col("spent") - pl.col("expired")
    yield (
        "months to balances",
        balances.select(pl.col("balance").sum(), moved.sum().alias("moved")),
        months.select(pl.col("closing").last(), moved.sum().alias("moved")),
    )


def _debts(answers: Path, tables: Path) -> Iterator[Comparison]:
    """What members owe for points that were reversed after they had spent them."""
    debts = pl.read_parquet(answers / "after_refunds" / "clawback_A.parquet").group_by("member_id")
    owed = pl.read_parquet(tables / "balances.parquet").select("member_id", "debt")
    in_debt = pl.col("debt") > 0
    yield "debt", debts.agg(pl.col("debt").sum()).filter(in_debt), owed.filter(in_debt)


def _compared(comparisons: Iterator[Comparison]) -> Verdict:
    total = Verdict(0, 0, ())
    try:
        for name, wanted, got in comparisons:
            total += _verdict(name, sorted(wanted.rows()), sorted(got.rows()))
    except (OSError, pl.exceptions.PolarsError) as error:
        return total + Verdict(0, 1, (f"MISSING {str(error).splitlines()[0]}",))
    return total


def _verdict(name: str, wanted: list[tuple[object, ...]], got: list[tuple[object, ...]]) -> Verdict:
    if wanted == got:
        return Verdict(1, 0, ())
    lines = [f"DIFF {name}: {len(wanted)} rows wanted, {len(got)} got"]
    lines += [f"     wanted: {row}" for row in wanted if row not in got][:SHOWN_MAX]
    lines += [f"     got: {row}" for row in got if row not in wanted][:SHOWN_MAX]
    return Verdict(0, 1, tuple(lines))
