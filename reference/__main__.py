"""`python -m reference`: replay the histories, in full or some of them, and print one table; the exit status is 1 on any difference."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from engagement.cli.stopping import Stop
from reference.replays import Row, replay
from reference.runs import Run, runs
from reference.stand import stand

SHOWN_MAX: Final = 20
"""Lines that are printed of what differs in a row."""
DEFAULT: Final = Path("../shared/reference")

_console = Console(highlight=False, width=160)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay what was asked for; 1 where anything differs from the answers or from what its inputs say."""
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    parser.add_argument(
        "--reference", metavar="DIR", type=Path, default=DEFAULT, help="events and answers (%(default)s)"
    )
    parser.add_argument("--only", metavar="NAME", action="append", help="what begins so; one of " + ", ".join(_names()))
    given = parser.parse_args(arguments)
    chosen = [run for run in runs() if given.only is None or run.name.startswith(tuple(given.only))]
    if not chosen:
        parser.error(f"no run's name begins with {' or '.join(given.only)}; there are: {', '.join(_names())}")
    if not (given.reference / "answers").is_dir():
        print(f"{given.reference} has no events and answers: say where they are (make reference REFERENCE=DIR).")
        return 1
    try:
        rows = _replayed(chosen, given.reference)
    except Stop as stop:
        print(stop)
        return 1
    tell(rows)
    return int(not all(row.good for row in rows))


def _names() -> list[str]:
    return [run.name for run in runs()]


def _replayed(chosen: Sequence[Run], reference: Path) -> list[Row]:
    rows = []
    with stand() as on:
        for run in chosen:
            for row in replay(run, reference, on):
                _console.print(f"{row.name}: {row.verdict.passed} passed, {row.verdict.failed} failed", markup=False)
                for line in (*row.verdict.differences, *row.wrong)[:SHOWN_MAX]:
                    _console.print(f"  {line}", markup=False, soft_wrap=True)
                rows.append(row)
    return rows


def tell(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table()
    table.add_column("run", no_wrap=True)
    for column in ("events", "seconds", "events/s", "passed", "failed"):
        table.add_column(column, justify="right")
    table.add_column("verify")
    for row in rows:
        failed = f"[red]{row.verdict.failed}[/]" if row.verdict.failed else "0"
        verified = f"[red]{row.discrepancies:,} differences[/]" if row.discrepancies else "clean"
        figures = (f"{row.events:,}", f"{row.seconds:.1f}", f"{row.events / row.seconds:,.0f}")
        table.add_row(row.name, *figures, f"{row.verdict.passed}", failed, verified)
    _console.print(table)
    bad = sum(not row.good for row in rows)
    print(f"{len(rows) - bad} of {len(rows)} rows without a difference")


if __name__ == "__main__":
    sys.exit(main())
