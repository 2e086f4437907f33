"""What the commands tell those who meet them for the first time."""

from pathlib import Path

import pytest

from tests.cli.conftest import Grocer, Run


@pytest.mark.parametrize("words", [("query", "{ program { key } }"), ("watch", "--member", "H0001")])
def test_without_a_key_they_say_how_to_give_one(grocer: Grocer, run: Run, words: tuple[str, ...]) -> None:
    refused = run(*words, "--url", grocer.url)
    assert refused.returncode == 1
    assert "Give one with --key (engagement api-key create …, or engagement token …)." in refused.stderr


def test_watch_says_what_is_wrong_with_a_key(grocer: Grocer, run: Run) -> None:
    refused = run("watch", "--member", "H0001", "--url", grocer.url, "--key", "bad")
    assert refused.stderr == (
        "The service refused the subscription: This is neither a key nor a member's token of a program here.\n"
    )


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_screen_shows_every_name_where_there_is_little_room(grocer: Grocer, run: Run, columns: str) -> None:
    shown = run("query", "--member", "H0019", "--url", grocer.url, "--key", grocer.key, COLUMNS=columns).stdout
    for name in ("Points", "Days in a row", "Weeks in a row", "Five days this month", "Around the shop", "Regular"):
        assert f"│ {name} " in shown


def test_export_names_its_program_as_the_others_do(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    done = run("export", "--program", "grocer", tmp_path / "tables", "--data", grocer.data)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tables" / "balances.parquet").exists()


def test_a_clock_that_is_not_begun_anew_is_told(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "shop.yaml"
    program.write_text("program: {key: clocked}\n")
    words = ("apply", program, "--sandbox", "--data", grocer.data)
    made = run(*words, "--clock", "2020-01-01T00:00:00Z")
    again = run(*words, "--clock", "2021-01-01T00:00:00Z")
    assert made.stdout == "clocked: nothing to change.\n"
    assert again.stdout.splitlines() == [
        "clocked: nothing to change.",
        "clocked: this sandbox was there before; its clock stands at 2020-01-01T00:00:00Z, not at --clock.",
    ]
