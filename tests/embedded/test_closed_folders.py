"""As root, with a DIR or programs that `nobody` cannot reach."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement.embedded import CannotStart, servers
from tests.embedded.processes import ROOT, Python, gone, programs, query, running, stand_alone

pytestmark = pytest.mark.skipif(not ROOT, reason="needs root: only then the servers run as another user")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder of mode 0700, as the home of root; what its tests put into the temporary directory goes with it."""
    with tempfile.TemporaryDirectory(prefix="closed-") as folder:
        yield Path(folder).resolve()
        # Only what these folders name: other tests, and other runs, keep theirs beside it.
        homes = {Path(each.read_text().strip()) for each in Path(folder).rglob("elsewhere")}
        for left in filter(Path.exists, homes):
            assert gone(left)
            shutil.rmtree(left)


def modes(folder: Path) -> dict[Path, tuple[int, int]]:
    return {each: (each.stat().st_mode, each.stat().st_uid) for each in (folder, *folder.parents)}


def test_data_lives_in_the_temporary_directory(closed: Path) -> None:
    data = closed / "clone" / ".engagement"
    data.mkdir(parents=True)
    before = modes(data)
    with servers(data) as found:
        query(found.database_owner_url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT 1")
        home = Path((data / "elsewhere").read_text().strip())
        assert home.parent == Path(tempfile.gettempdir()).resolve()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert running(home)
        with servers(data) as joined:
            assert joined.database_url == found.database_url
    assert modes(data) == before
    with servers(data) as again:
        assert query(again.database_owner_url, "SELECT n FROM kept") == [7]
    assert not (data / "servers").exists()
    shutil.rmtree(home)
    with servers(data) as anew:
        assert query(anew.database_url, "SELECT to_regclass('kept')::text") == [None]


def test_programs_are_copied(closed: Path, made: Path) -> None:
    python = stand_alone(closed, None)
    before = modes(closed / "packages")
    holder = python.hold(made)
    assert holder.answer.get("owner"), holder.answer
    assert query(holder.answer["database_url"], "SELECT 1") == [1]
    home = made / "servers"
    assert len(list(home.glob("programs-*"))) == 1
    assert {program.is_relative_to(home) for program in programs(home).values()} == {True}
    holder.leave()
    assert not running(home)
    assert modes(closed / "packages") == before


def test_data_and_programs_of_a_closed_clone(closed: Path) -> None:
    holder = stand_alone(closed, None).hold(closed / "data")
    assert query(holder.answer["database_url"], "SELECT 1") == [1]
    home = Path((closed / "data" / "elsewhere").read_text().strip())
    assert {program.is_relative_to(home) for program in programs(home).values()} == {True}
    holder.leave()


def test_a_folder_that_someone_else_made_is_refused(closed: Path, stranger: Python) -> None:
    data = closed / "data"
    name = f"engagement-{65534}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    squatted = Path(tempfile.gettempdir()).resolve() / name
    squatted.mkdir(mode=0o700)
    os.chown(squatted, stranger.uid or 0, -1)
    with pytest.raises(CannotStart, match="start as its owner"), servers(data):
        pass
    squatted.rmdir()
    squatted.symlink_to("/etc")
    with pytest.raises(CannotStart, match="start as its owner"), servers(data):
        pass
    squatted.unlink()


def test_data_that_became_unreachable_is_not_replaced(closed: Path) -> None:
    closed.chmod(0o755)
    data = closed / "data"
    with servers(data):
        pass
    closed.chmod(0o700)
    with pytest.raises(CannotStart, match="can no longer reach"), servers(data):
        pass
