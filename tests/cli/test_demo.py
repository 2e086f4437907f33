import re
import shutil
import subprocess

import pytest

from tests.cli.conftest import SECONDS, Grocer, Run


def counts(printed: str) -> dict[str, int]:
    rows = re.findall(r"│\s+(.+?)\s+│\s+([\d,]+) │$", printed, re.MULTILINE)
    return {name: int(count.replace(",", "")) for name, count in rows}


def blocks(printed: str) -> list[str]:
    """The commands to paste, each without its comment."""
    parts = printed.split("In another terminal:")[1].strip().split("\n\n")
    return ["\n".join(line for line in part.splitlines() if not line.startswith("#")) for part in parts]


def test_says_what_happened(grocer: Grocer) -> None:
    told = counts(grocer.first)
    assert told["events sent"] == told["events in the program"] == 1473
    assert told["of them known before"] == 0
    assert told["members"] == 20
    assert told["events per second, through the API"] > 0
    assert told["rewards taken"] == 24
    assert 0 < told["of them spent"] < told["points issued"] - told["of them expired"]
    assert re.search(r"│\s+1 │ H0019\s+│\s+8,271 │", grocer.first)
    assert len(re.findall(r"│ H\d{4}\s+│", grocer.first)) == 10


def test_changes_nothing_the_second_time_and_says_so(grocer: Grocer) -> None:
    first, second = counts(grocer.first), counts(grocer.second)
    assert second["of them known before"] == 1473
    same = (
        "events in the program",
        "members",
        "points issued",
        "of them spent",
        "rewards taken",
        "badge levels awarded",
        "challenge completions",
    )
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert "nothing to change" in grocer.second
    assert "nothing changed" in grocer.second
    assert "nothing changed" not in grocer.first


@pytest.mark.skipif(shutil.which("curl") is None, reason="what is pasted is curl")
def test_what_it_gives_to_paste_works(grocer: Grocer, environment: dict[str, str]) -> None:
    curl_screen, query, watch, curl_event = blocks(grocer.second)

    def paste(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], check=False, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert '"externalId":"H0019"' in paste(curl_screen)
    assert "Weeks in a row" in paste(query)
    with subprocess.Popen(watch.split(), env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert '"Reset"' in watching.stdout.readline()
        answer = paste(curl_event)
        assert "RecordEventsSuccess" in answer
        assert '{"__typename":"PointsEarned","points":120,"source":"base"}' in answer
        update = watching.stdout.readline()
        watching.terminate()
    assert '"ActivityItem"' in update
    assert '"big-basket"' in update


def test_port_that_is_taken_is_named(grocer: Grocer, run: Run) -> None:
    port = grocer.url.split(":")[2].removesuffix("/graphql")
    refused = run("demo", "--once", "--members", "1", "--port", port, "--data", grocer.data)
    assert refused.returncode == 1
    assert f"Port {port} of 127.0.0.1 is not free (Address already in use): stop" in refused.stderr
    assert "Traceback" not in refused.stderr
