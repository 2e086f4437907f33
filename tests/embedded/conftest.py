"""Users and folders for the servers."""

import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement.embedded import servers
from tests.embedded.processes import PROJECT, ROOT, Python, gone, stand_alone


@pytest.fixture
def data() -> Iterator[Path]:
    """A DIR of a short path that every user can reach; what still runs in it afterwards is a failure."""
    with tempfile.TemporaryDirectory(prefix="emb-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve() / "data"
        assert gone(Path(folder))


@pytest.fixture(scope="session")
def me() -> Python:
    """Our own interpreter, as ourselves."""
    return Python(Path(sys.executable), {"PYTHONPATH": str(PROJECT)})


@pytest.fixture(scope="session")
def stranger() -> Iterator[Python]:
    """A normal user: another one when we are root, with an interpreter of its own, since ours may be closed to it."""
    if not ROOT:
        yield Python(Path(sys.executable), {"PYTHONPATH": str(PROJECT)})
        return
    with tempfile.TemporaryDirectory(prefix="stranger-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield stand_alone(Path(folder), pwd.getpwnam("daemon").pw_uid)


@pytest.fixture(params=["me", "stranger"])
def python(request: pytest.FixtureRequest) -> Python:
    """Both users in turn; where this is no root they are the same, and one is enough."""
    if request.param == "stranger" and not ROOT:
        pytest.skip("not root: the same user as in the other case")
    found: Python = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def stopped() -> Iterator[Path]:
    """A DIR whose servers were started once and stopped; to be copied only."""
    with tempfile.TemporaryDirectory(prefix="emb-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with servers(Path(folder) / "data"):
            pass
        yield Path(folder) / "data"


@pytest.fixture
def made(data: Path, stopped: Path) -> Path:
    """A DIR of ours that was started before."""
    subprocess.run(["cp", "-a", stopped, data], check=True)
    return data


@pytest.fixture
def place(made: Path, python: Python) -> Path:
    """A DIR of the user of `python` that was started before."""
    if python.uid is not None:
        subprocess.run(["chown", "-R", f"{python.uid}:{python.uid}", made], check=True)
    return made
