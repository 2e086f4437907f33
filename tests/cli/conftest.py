"""A grocer that is served for the tests: the demo, run once to its end and then again to stay."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60

Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]


class Grocer(NamedTuple):
    """What `demo --once` printed, what `demo` printed afterwards on the same data, and where that one serves."""

    data: str
    first: str
    second: str

    @property
    def url(self) -> str:
        return next(word for word in self.second.split() if word.endswith("/graphql"))

    @property
    def key(self) -> str:
        return Path(self.data, "demo.key").read_text().strip()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `engagement` is a command and nothing is configured."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "engagement"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m engagement.cli.main "$@"\n')
    script.chmod(0o755)
    unset = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "ENGAGEMENT_KEY"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "PATH": f"{folder}:{kept['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


@pytest.fixture(scope="session")
def run(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `engagement` with arguments, in a folder where nothing is, and waits for it."""
    empty = tmp_path_factory.mktemp("elsewhere")

    def engagement(*arguments: object, **more: str) -> Finished:
        command = ["engagement", *map(str, arguments)]
        env = {**environment, **more}
        return subprocess.run(command, check=False, cwd=empty, env=env, capture_output=True, text=True, timeout=SECONDS)

    return engagement


@pytest.fixture(scope="session")
def grocer(run: Run, environment: dict[str, str], shared: Path) -> Iterator[Grocer]:
    """The served grocer, with twenty households. The worker that comes first makes it, and leaves last."""
    told = shared / "grocer.json"
    with (shared / "grocer-making").open("w") as making, (shared / "grocer-in-use").open("w") as use:
        fcntl.flock(making, fcntl.LOCK_EX)
        if told.exists():
            fcntl.flock(use, fcntl.LOCK_SH)
            fcntl.flock(making, fcntl.LOCK_UN)
            yield msgspec.json.decode(told.read_bytes(), type=Grocer)
            return
        with _served(run, environment) as made:
            told.write_bytes(msgspec.json.encode(made))
            fcntl.flock(making, fcntl.LOCK_UN)
            yield made
            # Whoever comes after the last has left makes another.
            fcntl.flock(making, fcntl.LOCK_EX)
            fcntl.flock(use, fcntl.LOCK_EX)
            told.unlink()


@contextmanager
def _served(run: Run, environment: dict[str, str]) -> Iterator[Grocer]:
    # Not in pytest's folder, which is closed to the servers' user where that is another.
    data = Path(tempfile.mkdtemp(prefix="engagement-cli-"))
    data.chmod(0o711)
    arguments = ("demo", "--members", "20", "--port", "0", "--data", str(data))
    first = run(*arguments, "--once")
    assert first.returncode == 0, first.stderr
    with subprocess.Popen(
        ["engagement", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Grocer(str(data), first.stdout, _until_it_serves(process.stdout))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
            status = process.wait(SECONDS)
            shutil.rmtree(data)
    assert status == 130


def _until_it_serves(output: IO[str]) -> str:
    lines = []
    for line in output:
        lines.append(line)
        if "mutation { recordEvents" in line:
            break
    return "".join(lines)
