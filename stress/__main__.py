"""`python -m stress`: run the faults, in full or some of them, and say what was measured beside what it should be."""

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from stress.cancels import cancel
from stress.deliveries import deliver_again
from stress.dropping import dropped_replies
from stress.expiring import expiring_holds
from stress.kills import kill_api, kill_demo
from stress.outages import freeze_postgres, stop_postgres
from stress.overspending import last_unit, overspend
from stress.projections import lose_redis, start_without_redis
from stress.report import Report
from stress.streams import model

RUNS: Final = 5
FAULTS: Final[dict[str, Callable[[int], Report]]] = {
    "kill-api": kill_api,
    "kill-demo": kill_demo,
    "cancel": cancel,
    "stop-postgres": stop_postgres,
    "freeze-postgres": freeze_postgres,
    "lose-redis": lose_redis,
    "start-without-redis": start_without_redis,
    "deliver-again": deliver_again,
    "model": model,
    "overspend": overspend,
    "expiring-holds": expiring_holds,
    "dropped-replies": dropped_replies,
    "last-unit": last_unit,
}

_console = Console(highlight=False, width=160)


def main() -> int:
    """Run what was asked for; 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(prog="stress", description="The service under faults, with real processes.")
    parser.add_argument("--only", metavar="NAME", choices=sorted(FAULTS), action="append", help=", ".join(FAULTS))
    parser.add_argument("--runs", metavar="N", type=int, default=RUNS, help="runs of each fault (%(default)s)")
    parser.add_argument(
        "--seed", metavar="S", type=int, default=1, help="the first run's seed; each next run's is one more"
    )
    given = parser.parse_args()
    passed = failed = 0
    for name in given.only or FAULTS:
        for seed in range(given.seed, given.seed + given.runs):
            begun = time.monotonic()
            good = _run(name, seed)
            passed, failed = passed + good, failed + (not good)
            _console.print(f"  {'passed' if good else '[red]FAILED[/]'} in {time.monotonic() - begun:.0f} s\n")
    _console.print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


def _run(name: str, seed: int) -> bool:
    fault = FAULTS[name]
    _console.print(f"[bold]{name}[/], seed {seed}. {(fault.__doc__ or '').strip()}")
    try:
        report = fault(seed)
    except Exception:  # noqa: BLE001 — one fault that could not be gone through must not hide what the others show.
        _console.print(traceback.format_exc(), markup=False)
        return False
    table = Table(box=None, pad_edge=False, title=f"  {report.done}.", title_justify="left", title_style="")
    for column in ("", "", "measured", "should be"):
        table.add_column(column, overflow="fold")
    for each in report.checks:
        sign = "" if not each.wanted else "ok" if each.holds else "[red]NO[/]"
        table.add_row(f"  {sign}", each.name, each.measured.replace("[", r"\["), each.wanted.replace("[", r"\["))
    _console.print(table)
    return report.passed


if __name__ == "__main__":
    sys.exit(main())
