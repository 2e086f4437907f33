import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.main import get_command

from engagement.cli.documents import read_program
from engagement.cli.main import COMMANDS, application
from engagement.cli.schema import schema
from engagement.cli.stopping import Stop
from engagement.embedded import Endpoints
from tests.cli.conftest import ROOT, SECONDS, Grocer, Run
from tests.conftest import Urls

MISTAKEN = """
program: {key: mistaken}
event_types:
  - {key: purchase, properties: {amount: decimal}}
earn_rules:
  - {key: base, on: visit, earn: {fixed: 5}}
streaks:
  - {key: daily, on: purchase, when: "event.amout > 0.0", period: day}
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [name, "create", "--help"] if name == "api-key" else [name, "--help"]
    get_command(application).main(words, prog_name="engagement", standalone_mode=False)
    assert f"engagement {name}" in capsys.readouterr().out.split("Example:", 1)[1]


def test_schema_is_the_committed_one(capsys: pytest.CaptureFixture[str]) -> None:
    schema(program=False)
    assert capsys.readouterr().out == (ROOT / "schema.graphql").read_text()
    schema(program=True)
    assert capsys.readouterr().out == (ROOT / "program.schema.json").read_text()


def test_apply_says_what_changes_and_changes_only_that(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    text = "program: {key: shop}\ncurrencies: [{key: points}]\nevent_types: [{key: visit}]\nearn_rules: [{key: base, on: visit, earn: {fixed: %d}}]\n"
    file.write_text(text % 5)
    made = run("apply", file, "--data", grocer.data)
    again = run("apply", file, "--data", grocer.data)
    file.write_text(text % 6)
    foreseen = run("apply", file, "--dry-run", "--data", grocer.data)
    refused = run("apply", file, "--data", grocer.data)
    changed = run("apply", file, "--yes", "--data", grocer.data)
    file.write_text(text.replace("visit}]", "visit, name: Visit}]") % 6)
    named = run("apply", file, "--data", grocer.data)
    file.write_text("program: {key: shop}\ncurrencies: [{key: points}]\nevent_types: [{key: visit, name: Visit}]\n")
    ending = run("apply", file, "--data", grocer.data)
    assert made.stdout.splitlines() == [
        "+ currency points",
        "+ event_type visit",
        "+ earn_rule base",
        "shop: 3 created.",
    ]
    assert again.stdout == "shop: nothing to change.\n"
    difference = ["~ earn_rule base", "    earn.fixed: 5 → 6"]
    assert foreseen.stdout.splitlines() == [*difference, "shop: 1 changed, were it applied."]
    assert (refused.returncode, refused.stdout.splitlines()) == (1, difference)
    assert refused.stderr == (
        "shop: nothing is applied: this may take something from members (earn_rule base). Add --yes to apply it.\n"
    )
    assert changed.stdout.splitlines() == [*difference, "shop: 1 changed."]
    assert named.stdout.splitlines() == ["~ event_type visit", '    name: (none) → "Visit"', "shop: 1 changed."]
    assert (ending.returncode, ending.stdout) == (1, "- earn_rule base\n")
    assert "(earn_rule base)" in ending.stderr


def test_dry_run_through_a_service_makes_no_program(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "unmade.yaml"
    file.write_text("program: {key: unmade}\ncurrencies: [{key: points}]\n")
    operator = run("api-key", "create", "--operator", "--data", grocer.data).stdout.strip()
    for _ in range(2):
        foreseen = run("apply", file, "--dry-run", "--url", grocer.url, "--key", operator)
        assert foreseen.stdout.splitlines() == ["+ currency points", "unmade: 1 created, were it applied."]
    applied = run("apply", file, "--url", grocer.url, "--key", operator)
    assert applied.stdout.splitlines() == ["+ currency points", "unmade: 1 created."]


def test_apply_prints_each_mistake_with_its_path(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "program.yaml").write_text(MISTAKEN)
    refused = run("apply", tmp_path / "program.yaml", "--data", grocer.data)
    assert refused.returncode == 1
    paths = [line.split(": ")[0] for line in refused.stderr.splitlines()]
    assert {"earn_rules[0].on", "streaks[0].when"} <= set(paths)
    assert "Traceback" not in refused.stderr
    assert (
        "no program `mistaken`" in run("token", "--program", "mistaken", "--member", "x", "--data", grocer.data).stderr
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", 'line 3, column 1: found duplicate key "a"'),
        ("a: [1\n", "line 2, column 1: expected ',' or ']'"),
        ("- a\n", "is no program"),
        ("a: " + "[" * 5000, "is nested too deeply"),
        ("#" * 1_100_000, "larger than 1024 KiB"),
    ],
)
def test_yaml_that_is_none_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "program.yaml").write_text(text)
    with pytest.raises(Stop) as stopped:
        read_program(tmp_path / "program.yaml")
    assert told in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_yaml_is_read_as_1_2(tmp_path: Path) -> None:
    (tmp_path / "program.yaml").write_text("on: yes\nrate: 010\n")
    assert read_program(tmp_path / "program.yaml") == {"on": "yes", "rate": 10}


def test_query_prints_json_and_says_what_is_wrong(grocer: Grocer, run: Run) -> None:
    at = ("--url", grocer.url, "--key", grocer.key)
    good = run(
        "query",
        'query ($n: Int) { leaderboard(key: "all-time", first: $n) { entries { rank } } }',
        "--variables",
        '{"n": 2}',
        *at,
    )
    assert json.loads(good.stdout) == {"leaderboard": {"entries": [{"rank": 1}, {"rank": 2}]}}
    unknown = run("query", "--member", "nobody", *at)
    assert unknown.returncode == 1
    assert "MEMBER_NOT_FOUND" in unknown.stderr
    away = run("query", "{ __typename }", "--url", "http://127.0.0.1:9/graphql")
    assert (away.returncode, len(away.stderr.splitlines())) == (1, 1)


def test_credential_stands_alone_on_stdout(grocer: Grocer, run: Run) -> None:
    token = run("token", "--program", "grocer", "--member", "H0001", "--data", grocer.data)
    assert token.stdout.count("\n") == 1
    mine = run("query", "--url", grocer.url, ENGAGEMENT_KEY=token.stdout.strip())
    assert "H0001" in mine.stdout
    key = run("api-key", "create", "--program", "grocer", "--scope", "boards:read", "--data", grocer.data)
    assert key.stdout.startswith("ek_")
    assert key.stdout.count("\n") == 1
    refused = run("query", "--member", "H0001", "--url", grocer.url, "--key", key.stdout.strip())
    assert "FORBIDDEN" in refused.stderr


def test_watch_refuses_a_wrong_key_once(grocer: Grocer, run: Run) -> None:
    refused = run("watch", "--member", "H0001", "--url", grocer.url, "--key", "ek_wrong")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1


def test_servers_of_yours(empty_database: Urls, endpoints: Endpoints, run: Run, environment: dict[str, str]) -> None:
    app = {"DATABASE_URL": empty_database.app, "REDIS_URL": endpoints.redis_url}
    before = run("serve", "--port", "0", **app)
    assert before.returncode == 1
    assert "run `engagement migrate` first" in before.stderr
    assert "DATABASE_OWNER_URL is not" in run("migrate", **app).stderr
    assert run("migrate", DATABASE_OWNER_URL=empty_database.owner).returncode == 0
    with (
        _started(["engagement", "serve", "--port", "0", "--no-worker"], {**environment, **app}) as serving,
        _started(["engagement", "worker"], {**environment, **app}) as working,
    ):
        assert serving.stderr is not None
        assert working.stderr is not None
        url = serving.stderr.readline().split()[2].rstrip(",")
        answer = run("query", "{ __typename }", "--url", url)
        assert json.loads(answer.stdout) == {"__typename": "Query"}
        # Asked to stop before it listens to that, it would end like any process.
        assert any("working until" in line for line in working.stderr)
        for each in (working, serving):
            each.send_signal(signal.SIGTERM)
            assert each.wait(SECONDS) == 0


@contextmanager
def _started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
