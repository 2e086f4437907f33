"""Users and folders for the servers."""

import os
import pwd
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement.embedded import servers
from tests.embedded.processes import PROJECT, ROOT, Python, gone, stand_alone

OTHER_UID = pwd.getpwnam("daemon").pw_uid


@pytest.fixture
def data() -> Iterator[Path]:
    """A DIR of a short path that every user can reach; what still runs in it afterwards is a failure."""
    with tempfile.TemporaryDirectory(prefix="emb-") as folder:
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
    with tempfile.TemporaryDirectory(prefix="stranger-") as folder:
        Path(folder).chmod(0o755)
        yield stand_alone(Path(folder), OTHER_UID)


@pytest.fixture(params=["me", "stranger"])
def python(request: pytest.FixtureRequest) -> Python:
    """Both users in turn; where this is no root they are the same, and one is enough."""
    if request.param == "stranger" and not ROOT:
        pytest.skip("not root: the same user as in the other case")
    found: Python = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def shared() -> Iterator[dict[int | None, Path]]:
    """A DIR for each user that is asked for, kept from test to test: most need some cluster, not a new one."""
    with tempfile.TemporaryDirectory(prefix="emb-") as folder:
        Path(folder).chmod(0o755)
        yield {uid: Path(folder).resolve() / str(uid) for uid in (None, OTHER_UID)}
        assert gone(Path(folder))


@pytest.fixture
def made(shared: dict[int | None, Path]) -> Iterator[Path]:
    """A DIR of ours that was started before, perhaps by other tests; left as it was found."""
    with servers(shared[None]):
        pass
    yield shared[None]
    assert gone(shared[None])


@pytest.fixture
def place(shared: dict[int | None, Path], python: Python) -> Iterator[Path]:
    """A DIR of the user of `python`, perhaps started before by other tests."""
    place = shared[python.uid]
    place.mkdir(exist_ok=True)
    if python.uid is not None:
        os.chown(place, python.uid, python.uid)
    yield place
    assert gone(place)
