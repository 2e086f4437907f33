"""A backtest as people run it: the command in a process of its own, on files of events."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.grocer import grocer
from benchmarks.synthetic import BEGINNING, Shoppers
from engagement.cli import baskets

DRAFT: Final = """challenges:
  - key: three-days
    name: Three days this month
    objectives: [{on: purchase, when: "event.amount > 0.0", measure: {distinct: local_day}, target: 3}]
    window: {calendar: month}
    rewards: [{points: 50}]
"""
YEARLY: Final = 60
"""Events of a made-up member, on average."""


def year() -> list[Figure]:
    """One challenge over the real year: 2,469 members, 155,848 events."""
    return _tried("backtest", baskets.events(), 2017)


def crowd(members: int) -> list[Figure]:
    """The same over made-up members, with a year of events each."""
    return _tried(f"backtest of {members:,} members", Shoppers(members).events(0, members * YEARLY), BEGINNING.year)


def _tried(name: str, events: Iterable[dict[str, Any]], year: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="engagement-bench-") as folder:
        program, draft, history = (Path(folder) / name for name in ("program.yaml", "draft.yaml", "events.ndjson"))
        program.write_text(json.dumps(grocer()))
        draft.write_text(DRAFT)
        with history.open("w") as lines:
            lines.writelines(json.dumps(_line(each)) + "\n" for each in events)
        span = ("--from", f"{year}-01-01T05:00:00Z", "--to", f"{year + 1}-01-01T05:00:00Z")
        command = [
            sys.executable,
            "-m",
            "engagement.cli.main",
            "backtest",
            *map(str, (program, history, "--draft", draft)),
            *span,
        ]
        begun = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 — our own command.
        seconds = time.perf_counter() - begun
    words = done.stderr.split()
    return [
        Figure(name, seconds, "s"),
        Figure(f"{name}, cpu", float(words[words.index("CPU") - 1]), "s"),
        Figure(f"{name}, of which reading", float(words[words.index("%") - 1]), "%"),
        Figure(f"{name}, largest process", float(words[words.index("MiB.") - 1]), "MiB"),
    ]


def _line(event: dict[str, Any]) -> dict[str, Any]:
    """An event of `recordEvents` as a file has it."""
    return {
        "event_id": event["id"],
        "member_id": event["member"],
        "type": event["type"],
        "occurred_at": event["occurredAt"],
        **event["properties"],
    }
