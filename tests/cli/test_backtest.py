"""`engagement backtest` over files: what it reports, what it says of what is wrong, and that its parts hold whole members."""

import gzip
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.cli import partitions
from engagement.cli.backtest import backtest
from engagement.cli.stopping import Stop
from engagement.cores import CoreFailed, Cores
from tests.cli.conftest import ROOT, SECONDS, Run

PROGRAM = """
program: {key: tiny, timezone: UTC}
currencies: [{key: points}]
event_types: [{key: purchase, properties: {amount: decimal}}]
badges: [{key: visits, on: purchase, levels: [{target: 4}]}]
"""
DRAFT = """
challenges:
  - key: days
    name: Days this month
    objectives: [{on: purchase, measure: {distinct: local_day}, target: 3}]
    window: {calendar: month}
    rewards: [{points: 10}]
    limit: 1
boosts: [{key: more, factor: 2}]
"""
SPAN = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-03-01T00:00:00Z")


def event(number: int, member: str, day: int, month: int = 1, **more: Any) -> dict[str, Any]:
    at = f"2026-{month:02d}-{day:02d}T10:00:00Z"
    return {"event_id": f"e{number}", "member_id": member, "type": "purchase", "occurred_at": at, "amount": "5", **more}


# In no order, one event twice, one refused, one after the end.
HISTORY = [
    event(3, "ada", 3),
    event(1, "ada", 1),
    *(event(10 + day, "bob", day) for day in (1, 2)),
    event(2, "ada", 2),
    event(2, "ada", 2),
    event(4, "ada", 4, 2),
    event(5, "eve", 1, amount=-1),
    *(event(20 + day, "eve", day, 2) for day in (1, 2, 3, 4)),
    event(30, "bob", 1, 3),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    program, draft, events = tmp_path / "program.yaml", tmp_path / "draft.yaml", tmp_path / "events.ndjson.gz"
    program.write_text(PROGRAM)
    draft.write_text(DRAFT)
    with gzip.open(events, "wt") as lines:
        lines.writelines(json.dumps(each) + "\n" for each in HISTORY)
    return program, events, draft


def test_a_draft_on_a_file(files: tuple[Path, Path, Path], run: Run, tmp_path: Path) -> None:
    program, events, draft = files
    options = ("--value", "0.50", "--budget", "points=20", "--targets", "2..4", "--json", tmp_path / "report.json")
    done = run("backtest", program, events, "--draft", draft, *SPAN, *options)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_bytes())
    (_, found) = report["definitions"]
    assert (report["members"], report["events"], report["refused"]) == (3, 10, 1)
    assert (found["completions"], found["winners"], found["near_misses"]) == (2, 2, 1)
    assert found["by_day"] == {"2026-01-03": 1, "2026-02-03": 1}
    assert [each["completions"] for each in found["curve"][:5]] == [4, 3, 2, 1, 0]
    assert found["overlap"] == {"badges/visits": 2}
    assert (report["cost"], report["budgets"][0]["reached_on"]) == ({"points": "10.00"}, "2026-02-03")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines if "█" in "".join(line) and line[0].isdecimal()] == [["2", "3"], ["4", "1"]]
    assert any(line[:3] == ["→", "3", "2"] for line in lines)
    assert "refused e5: properties.amount: must be at least 0" in done.stderr
    assert "more (boosts/more)\nNobody completes it by itself" in done.stdout
    told = " ".join(done.stderr.split())
    assert "challenges/days: everybody who met the targets is counted, not the first 1 alone" in told


def test_the_page_tells_what_happens(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs/backtests.md").read_text()
    program, draft = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    events, fragment, _ = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"```console\nengagement (.*?)\n```", page)
    for name, text in (("corner.yaml", program), ("three-days.yaml", draft), ("events.ndjson", events)):
        (tmp_path / name).write_text(text)
    words = [str(tmp_path / word) if re.search(r"\.(yaml|ndjson|json)$", word) else word for word in command.split()]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_bytes())
    (found,) = report["definitions"]
    wanted = json.loads(fragment)
    assert {name: found[name] for name in wanted} == wanted
    assert (report["events"], report["refused"], report["cost"]) == (6, 0, {"points": "1.00"})


@pytest.mark.parametrize("command", ["backtest", "replay"])
def test_help_says_what_a_file_of_events_is(run: Run, command: str) -> None:
    told = re.sub(r"\s+", " ", re.sub(r"[│|]", " ", run(command, "--help").stdout))
    (line,) = re.findall(r"(\{.event_id.*?\})", told)
    assert json.loads(line)["amount"] == "12.50"
    assert "docs/backtests.md" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("draft", "challenges: [{key: days}]"), "draft.yaml: challenges[0]: `objectives` is missing"),
        (
            ("draft", "badges: [{key: b, on: swim, levels: [{target: 1}]}]"),
            "draft.yaml: badges[0].on: no event type `swim`",
        ),
        (
            ("program", "program: {key: tiny}\nstreaks: [{key: s, on: x, period: day}]"),
            "program.yaml: streaks[0].on: no event",
        ),
        (("events", '{"event_id": "e1"}'), "events.ndjson.gz, line 1: Object missing required field `member_id`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    change: tuple[str, str], told: str, files: tuple[Path, Path, Path]
) -> None:
    program, events, draft = files
    which, text = change
    if which == "events":
        events.write_bytes(gzip.compress(text.encode()))
    else:
        (draft if which == "draft" else program).write_text(text)
    with pytest.raises(Stop) as stopped:
        backtest(program, events, draft, since=SPAN[1], until=SPAN[3])
    assert told in str(stopped.value)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"targets": "8..3"}, "--targets: write two whole numbers"),
        ({"value": ["gems=1"]}, "--value: no currency `gems`; the program defines: points"),
        ({"value": ["a lot"]}, "--value: expected money like 0.01, got `a lot`"),
        ({"budget": ["0"]}, "--budget: expected a whole number of points"),
        ({"until": "2026-01-01"}, "--to: write an instant with its offset"),
        ({"until": SPAN[1]}, "to: `to` comes after `from`"),
    ],
)
def test_an_option_that_is_none_is_told_of(option: dict[str, Any], told: str, files: tuple[Path, Path, Path]) -> None:
    with pytest.raises(Stop) as stopped:
        backtest(*files, **{"since": SPAN[1], "until": SPAN[3], **option})
    assert told in str(stopped.value)


def test_parts_hold_whole_members_however_often_they_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PART_BYTES", 2_000)
    monkeypatch.setattr(partitions, "PARTS_MAX", 3)
    file = tmp_path / "events.ndjson"
    members = [f"m{number % 97}" for number in range(900)]
    file.write_text("".join(json.dumps(event(number, each, 1)) + "\n" for number, each in enumerate(members)))
    (tmp_path / "parts").mkdir()
    seen: list[int] = []
    parts = partitions.cut(file, tmp_path / "parts", 2, lambda _, lines: seen.append(lines))
    held = [[json.loads(line)["member_id"] for line in part.read_text().splitlines()] for part in parts]
    assert sorted(each for part in held for each in part) == sorted(members)
    assert sum(len(set(part)) for part in held) == len(set(members))
    assert max(part.stat().st_size for part in parts) < 16_000
    assert seen[-1] == 900


def test_a_file_that_is_none_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="cannot be read"):
        partitions.bytes_of(tmp_path / "none.ndjson")
    (tmp_path / "broken.ndjson.gz").write_bytes(gzip.compress(json.dumps(event(1, "ada", 1)).encode())[:-10])
    with pytest.raises(Stop, match="cannot be read"):
        partitions.cut(tmp_path / "broken.ndjson.gz", tmp_path, 1, lambda *_: None)


def _doubling(add: int) -> Callable[[int], int]:
    return lambda task: 2 * task + add if task >= 0 else 1 // (task + 1)


def _pid(_nothing: int) -> Callable[[int], int]:
    return lambda _task: os.getpid()


def test_cores_answer_tasks_and_tell_of_failures() -> None:
    with Cores[int, int](_doubling, (1,), 2) as cores:
        assert sorted(cores.answers(range(7))) == [1, 3, 5, 7, 9, 11, 13]
        with pytest.raises(CoreFailed, match="ZeroDivisionError"):
            list(cores.answers([-1]))


def test_cores_end_with_their_owner() -> None:
    code = (
        "import sys, time\nfrom engagement.cores import Cores\nfrom tests.cli.test_backtest import _pid\n"
        "if __name__ == '__main__':\n    with Cores(_pid, (0,), 1) as cores:\n"
        "        print(*cores.answers([1]), flush=True)\n        time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        descriptor = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()
    try:
        assert select.select([descriptor], [], [], SECONDS)[0], "the process is still there"
    finally:
        os.close(descriptor)
