import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engagement.cli import reversals
from engagement.cli.stopping import Stop
from tests.cli.conftest import Grocer, Run

PROGRAM = """
program: {key: tiny, name: Tiny, timezone: UTC}
currencies:
  - {key: points, expires: {after_days: 30, at: end_of_day}}
event_types:
  - {key: purchase, properties: {amount: decimal}}
earn_rules:
  - {key: base, on: purchase, earn: {currency: points, per: amount}}
streaks:
  - {key: daily, on: purchase, period: day}
challenges:
  - {key: twice, objectives: [{on: purchase, target: 2}], window: {calendar: month}}
badges:
  - {key: visits, on: purchase, levels: [{target: 1}, {target: 3}]}
leaderboards:
  - {key: monthly, measure: {points: points}, window: {calendar: month}}
"""
UNTIL = "2026-03-03T12:00:00Z"


def event(number: int, member: str, at: str, amount: str, **more: str) -> dict[str, Any]:
    return {
        "event_id": f"e-{number}",
        "member_id": member,
        "type": "purchase",
        "occurred_at": at,
        "amount": amount,
        **more,
    }


HISTORY = [
    event(1, "ada", "2026-01-31T10:00:00Z", "10.50"),
    event(2, "bob", "2026-02-01T09:00:00Z", "4.00"),
    event(4, "ada", "2026-02-02T10:00:00Z", "5.00"),
    # Told late, after the clock has gone by; and one event twice.
    event(3, "ada", "2026-02-01T10:00:00Z", "7.99", received_at="2026-02-05T00:00:00Z", shop="north"),
    event(2, "bob", "2026-02-01T09:00:00Z", "4.00"),
    event(5, "bob", "2026-03-03T12:00:00Z", "8.00"),
    event(6, "ada", "2026-03-03T12:00:01Z", "100.00"),
]


@pytest.fixture(scope="module")
def tables(grocer: Grocer, run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "program.yaml").write_text(PROGRAM)
    with gzip.open(folder / "events.ndjson.gz", "wt") as lines:
        lines.writelines(json.dumps(each) + "\n" for each in HISTORY)
    done = run(
        *("replay", folder / "program.yaml", folder / "events.ndjson.gz", "--until", UNTIL),
        *("--export", folder / "tables", "--data", grocer.data),
    )
    assert done.returncode == 0, done.stderr
    assert "6 events taken, 1 of them repeated; 0 refused" in done.stderr
    return {path.stem: pl.read_parquet(path) for path in (folder / "tables").glob("*.parquet")}


def test_balances_are_as_of_the_instant(tables: dict[str, pl.DataFrame]) -> None:
    rows = tables["balances"].select("member_id", "currency", "earned", "spent", "expired", "balance").rows()
    # The points of 31 January ended with 2 March, those of 1 February with 3 March.
    assert rows == [("ada", "points", 22, 0, 10, 12), ("bob", "points", 12, 0, 0, 12)]


def test_movements_are_dated_when_they_took_effect(tables: dict[str, pl.DataFrame]) -> None:
    moves = (
        tables["transactions"]
        .filter(pl.col("member_id") == "ada")
        .sort("at")
        .select("kind", "points", "at", "event_id")
    )
    assert moves.rows() == [
        ("earn", 10, datetime(2026, 1, 31, 10, tzinfo=UTC), "e-1"),
        ("earn", 7, datetime(2026, 2, 1, 10, tzinfo=UTC), "e-3"),
        ("earn", 5, datetime(2026, 2, 2, 10, tzinfo=UTC), "e-4"),
        ("expire", -10, datetime(2026, 3, 3, tzinfo=UTC), "e-1"),
    ]
    assert tables["transactions"]["id"].n_unique() == tables["transactions"].height


def test_late_event_counts_where_it_belongs(tables: dict[str, pl.DataFrame]) -> None:
    assert tables["streaks"].sort("member_id").rows() == [("daily", "ada", 0, 3, 0), ("daily", "bob", 1, 1, 0)]
    assert tables["badges"].filter(pl.col("level") == "3").select("member_id", "event_id").rows() == [("ada", "e-4")]
    assert tables["challenges"].rows() == [
        ("twice", "ada", "2026-02", datetime(2026, 2, 2, 10, tzinfo=UTC), "e-4"),
    ]


def test_places_are_ranked_and_absence_has_none(tables: dict[str, pl.DataFrame]) -> None:
    places = tables["leaderboards"].sort("period", "member_id").select("period", "member_id", "rank", "score").rows()
    assert places == [
        ("2026-01", "ada", 1, 10),
        ("2026-01", "bob", None, None),
        ("2026-02", "ada", 1, 12),
        ("2026-02", "bob", 2, 4),
        ("2026-03", "ada", None, None),
        ("2026-03", "bob", 1, 8),
    ]


def test_every_table_is_there_with_its_types(tables: dict[str, pl.DataFrame]) -> None:
    assert set(tables) == {
        *("balances", "transactions", "decisions", "streaks", "challenges", "badges", "leaderboards", "tiers"),
        *("tier_changes", "rollforward"),
    }
    assert tables["transactions"].schema["at"] == pl.Datetime("us", "UTC")
    assert tables["transactions"].schema["points"] == pl.Int64


def test_line_that_is_no_event_is_named(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "program.yaml").write_text(PROGRAM)
    (tmp_path / "events.ndjson").write_text(json.dumps(HISTORY[0]) + '\n{"event_id": "e-2"}\n')
    refused = run("replay", tmp_path / "program.yaml", tmp_path / "events.ndjson", "--data", grocer.data)
    assert refused.returncode == 1
    assert "events.ndjson, line 2: `member_id` is missing" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_listed_events_are_taken_back(kind: str, grocer: Grocer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "program.yaml").write_text(PROGRAM)
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(each) + "\n" for each in HISTORY))
    listed = tmp_path / "refunds"
    # The last one happened after the end, so there is nothing to take back.
    names = ["e-3", "e-1", "e-6"]
    if kind == "text":
        listed.write_text("\n".join(names) + "\n\n")
    else:
        pl.DataFrame({"points": [7, 10, 100], "event_id": names}).write_parquet(listed)
    done = run(
        *("replay", tmp_path / "program.yaml", tmp_path / "events.ndjson", "--until", UNTIL, "--reverse", listed),
        *("--export", tmp_path / "tables", "--data", grocer.data),
    )
    assert done.returncode == 0, done.stderr
    assert "2 events to take back: 2 APPLIED." in done.stderr
    balances = pl.read_parquet(tmp_path / "tables" / "balances.parquet").filter(member_id="ada")
    assert balances.select("earned", "reversed", "expired", "balance").rows() == [(22, 17, 0, 5)]
    streaks = pl.read_parquet(tmp_path / "tables" / "streaks.parquet").filter(member_id="ada")
    assert streaks["longest"].to_list() == [1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"e-1\nx\n", "`x` is no event's id"),
        (b"twice\n", "`twice` is an id of 2 members"),
        (b"\xff", "neither Parquet nor text"),
        (b"PAR1 and no more", "expected Parquet with a column `event_id`"),
        (None, "cannot be read"),
    ],
)
def test_list_that_names_no_events_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    events, listed = tmp_path / "events.ndjson", tmp_path / "refunds"
    twice = [{**HISTORY[0], "event_id": "twice", "member_id": member} for member in ("ada", "bob")]
    events.write_text("".join(json.dumps(each) + "\n" for each in [*HISTORY, *twice]))
    if content is not None:
        listed.write_bytes(content)
    with pytest.raises(Stop, match=told):
        reversals.read(listed, events, None)
