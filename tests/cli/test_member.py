"""`engagement member`: a person reads what is kept on her, and goes."""

from pathlib import Path

import msgspec

from tests.cli.conftest import Grocer, Run

CARE = """
program: {key: care}
currencies: [{key: points}]
event_types: [{key: visit}]
earn_rules: [{key: base, on: visit, earn: {fixed: 5}}]
"""
VISIT = 'mutation { recordEvents(input: {events: [{id: "v1", member: "ada", type: "visit"}]}) { __typename } }'


def test_a_member_is_exported_and_erased(grocer: Grocer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "care.yaml"
    file.write_text(CARE)
    where = ("--program", "care", "--data", grocer.data)
    assert run("apply", file, "--data", grocer.data).returncode == 0
    key = run("api-key", "create", "--scope", "events:write", *where).stdout.strip()
    assert "RecordEventsSuccess" in run("query", VISIT, "--key", key, "--url", grocer.url).stdout
    exported = run("member", "export", "ada", *where)
    rows = [msgspec.json.decode(line) for line in exported.stdout.splitlines()]
    assert {"member", "event", "wallet", "lot", "transfer", "activity"} <= {each["table"] for each in rows}
    assert [each["row"]["external_id"] for each in rows if each["table"] == "member"] == ["ada"]
    assert exported.stderr == f"care: {len(rows)} rows of one member.\n"
    erased = run("member", "erase", "ada", *where)
    assert erased.stdout.startswith("care: erased; the books have erased-")
    assert "ada" not in erased.stdout
    gone = run("member", "export", "ada", *where)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "ada" in gone.stderr or "member" in gone.stderr
