"""Measuring works, and its file has the shape it is said to have. How fast anything is, no test says."""

import itertools
import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.__main__ import NAMES
from benchmarks.figures import GOALS, PGBENCH, Figure, Goal
from benchmarks.synthetic import Shoppers

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 280
FEW = 60
MANY = 2 * FEW


def test_everything_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ("--quick", "--seconds", "0.3", "--members", f"{FEW},{MANY}", "--json", str(file))
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    raw = msgspec.json.decode(file.read_bytes())
    assert all(set(each) == {"name", "value", "unit", "ratio", "of"} for each in raw)
    figures = {each.name: each for each in msgspec.convert(raw, list[Figure])}
    assert all(each.value >= 0 for each in figures.values())
    assert {name for name in NAMES if name in GOALS} <= set(figures)
    assert figures["beside"].of == "batch in turn with beside"
    for name in GOALS.keys() - {"fold", "rules", "beside", "sweep"}:
        each, base = figures[name], figures[PGBENCH]
        assert each.of == PGBENCH
        assert each.ratio == each.value / base.value
        assert each.name in done.stdout
        assert figures[f"{name} cpu of load"].unit == "% of a core"
    assert figures["bytes stored per event"].value > 0
    assert figures["memory of api"].value > 1
    assert figures["start of the service"].value > 0
    assert figures[f"batch with {MANY} members"].of == f"batch with {FEW} members"


def test_only_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "fold", "--json", str(file)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=SECONDS)
    assert [each.name for each in msgspec.json.decode(file.read_bytes(), type=list[Figure])] == ["fold"]


def test_shoppers_are_the_same_each_time_and_in_order() -> None:
    shoppers = Shoppers(200)
    whole = list(shoppers.events(0, 3_000))
    assert list(Shoppers(200).events(900, 300)) == whole[900:1_200]
    assert all(before["occurredAt"] < after["occurredAt"] for before, after in itertools.pairwise(whole))
    assert len({each["id"] for each in whole}) == len(whole)
    assert {each["member"] for each in whole} <= {shoppers.name(each) for each in range(200)}


def test_shoppers_have_the_shape_of_the_year_that_they_are_made_after() -> None:
    events = list(Shoppers(5_000).events(0, 20_000))
    amounts = sorted(float(each["properties"]["amount"]) for each in events)
    # The real median is 17.61, the real mean 29.58; a log-normal fits the tail less well than the middle.
    assert 13 < amounts[len(amounts) // 2] < 20
    assert 25 < sum(amounts) / len(amounts) < 38
    one_department = sum(len(each["properties"]["departments"]) == 1 for each in events) / len(events)
    assert 0.33 < one_department < 0.40


def test_a_goal_tells_what_came_of_it() -> None:
    goal = Goal(800, 0.27, floor_is_value=True)
    told = [goal.told(Figure("me", value, "requests/s", value / 4_000, PGBENCH))[2] for value in (700, 900, 1_100)]
    assert ["short" in told[0], "pass" in told[1], "aim" in told[2]] == [True, True, True]
