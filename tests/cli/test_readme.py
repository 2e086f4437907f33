"""What the README tells a newcomer to type works as it stands there."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, SECONDS
from tests.cli.test_watch import free_port

README = (ROOT / "README.md").read_text()


@pytest.fixture
def data() -> Iterator[Path]:
    # Not in pytest's folder, which is closed to the servers' user where that is another.
    folder = Path(tempfile.mkdtemp(prefix="engagement-readme-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def commands(section: str) -> list[list[str]]:
    """The words of each command in a section's console blocks."""
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    starts = re.compile(r"^(?=\.venv/bin/engagement )", re.MULTILINE)
    return [["engagement", *shlex.split(each)[1:]] for block in blocks for each in starts.split(block) if each.strip()]


def test_use_it_works_in_its_order(data: Path, environment: dict[str, str]) -> None:
    apply, make_key, serve, record, look = commands("Use it")
    port = str(free_port())
    own, there = ["--data", str(data)], ["--url", f"http://127.0.0.1:{port}/graphql"]

    def typed(words: list[str]) -> str:
        done = subprocess.run(
            words, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "created" in typed(apply + own)
    key = typed(make_key + own).strip()
    record, look = ([key if word == "ek_…" else word for word in words] for words in (record, look))
    assert key in record
    assert key in look
    with subprocess.Popen(
        [*serve, *own, "--port", port], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stderr is not None
        assert f":{port}/graphql" in serving.stderr.readline()
        answer = json.loads(typed(record + there))["recordEvents"]
        screen = typed(look + there)
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=SECONDS)
    assert answer["refused"] == []
    assert {"points": 120, "source": "base"} in answer["receipts"][0]["effects"]
    assert "ann" in screen
    assert re.search(r"Points +1\d\d ", screen), screen


def test_what_it_links_is_there() -> None:
    links = re.findall(r"\]\(([^):]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []


def test_what_it_makes_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= targets
