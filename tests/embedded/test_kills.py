"""Killed with -9 in any order, the next start works, keeps what was committed, and leaves no orphan."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from engagement.embedded import child, servers
from tests.embedded.processes import ROOT, Holder, Python, gone, kill, postmaster, query, running, valkey

ORDERS = [
    ("owner",),
    ("postgres",),
    ("valkey", "owner"),
    ("postgres", "owner"),
    ("owner", "postgres"),
    ("postgres", "valkey"),
    ("owner", "valkey", "postgres"),
    ("backend", "owner"),
]


def strike(victim: str, place: Path, holder: Holder) -> None:
    """SIGKILL `victim`, which may have gone already."""
    try:
        if victim == "owner":
            holder.kill()
        elif victim == "postgres":
            kill(postmaster(place))
        elif victim == "valkey":
            kill(valkey(place))
        else:
            kill(max(pid for pid, name in running(place).items() if name == "postgres"))
    except StopIteration:
        assert holder.process.poll() is not None, f"only a dead owner's {victim} may be gone"


def test_any_order(place: Path, python: Python) -> None:
    holder = python.hold(place)
    query(holder.answer["database_owner_url"], "CREATE TABLE kept (n int)", "SELECT 1")
    for number, order in enumerate(ORDERS):
        url = holder.answer["database_owner_url"]
        query(url, f"INSERT INTO kept VALUES ({number})", "SELECT 1")
        for victim in order:
            strike(victim, place, holder)
        if "owner" not in order:
            holder.leave()
            assert not running(place), order
        # The next start does not wait for what is still ending; that is its own work.
        holder = python.hold(place)
        assert holder.answer.get("owner"), (order, holder.answer)
        assert query(url, "SELECT n FROM kept ORDER BY n") == list(range(number + 1)), order
        with redis.Redis.from_url(holder.answer["redis_url"]) as client:
            assert client.ping()
        assert list(running(place).values()).count("valkey-server") == 1
    holder.leave()
    assert not running(place)


def test_the_servers_go_with_a_killed_owner(place: Path, python: Python) -> None:
    holder = python.hold(place)
    assert holder.answer["owner"]
    holder.kill()
    assert gone(place)
    log = (place / "servers" / "postgresql.log").read_text()
    assert "received immediate shutdown request" in log
    assert "database system is shut down" in log


def test_killed_at_any_moment_of_the_first_start(data: Path, me: Python) -> None:
    for delay in (0.1, 0.2, 0.3, 0.45, 0.6, 0.8):
        holder = me.hold(data)
        time.sleep(delay)
        holder.kill()
    holder = me.hold(data)
    assert holder.answer.get("owner"), holder.answer
    assert query(holder.answer["database_url"], "SELECT 1") == [1]
    holder.leave()
    assert not running(data)


def test_half_a_cluster_is_made_anew(made: Path) -> None:
    unfinished = made / "servers" / "postgresql-unfinished"
    (made / "servers" / "postgresql").rename(unfinished)
    (unfinished / "PG_VERSION").unlink()
    with servers(made) as found:
        assert query(found.database_url, "SELECT 1") == [1]
    assert not unfinished.exists()


def test_a_stale_pid_file_harms_nobody(made: Path) -> None:
    """The pid of the last run is now a foreign process of the very same user, busy in a folder of its own."""
    owner = (made / "servers").stat().st_uid if ROOT else None
    foreign = subprocess.Popen(["sleep", "60"], user=owner, cwd="/")
    try:
        stale = made / "servers" / "postgresql" / "postmaster.pid"
        stale.write_text(f"{foreign.pid}\n{stale.parent}\n1\n5432\n{made}\n\n  1 1\nready\n")
        (made / "servers" / "sockets" / ".s.PGSQL.5432.lock").write_text(f"{foreign.pid}\n")
        (made / "servers.lock").write_text(json.dumps({"owner": foreign.pid, "sockets": "/nowhere"}))
        with servers(made) as found:
            assert found.owner
            assert query(found.database_url, "SELECT 1") == [1]
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_someone_working_in_the_folder_is_left_alone(made: Path) -> None:
    foreign = subprocess.Popen(["sleep", "60"], user="nobody" if ROOT else None, cwd=made / "servers" / "postgresql")
    try:
        with servers(made) as found:
            assert found.owner
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_frozen_servers_are_ended_by_force(made: Path, me: Python) -> None:
    holder = me.hold(made)
    assert holder.answer["owner"]
    for pid in running(made):
        with suppress(ProcessLookupError):  # a worker of PostgreSQL's that has done its work
            os.kill(pid, signal.SIGSTOP)
    holder.kill()
    folder = (made / "servers").stat()
    arguments = json.dumps({"folder": str(made / "servers"), "patience": 0.3})
    command = [sys.executable, child.__file__, "stop", str(folder.st_uid), str(folder.st_gid), arguments]
    subprocess.run(command, check=True)
    assert not running(made)


def test_a_fork_of_the_owner_that_outlives_it_owns_nothing(made: Path, me: Python) -> None:
    holder = me.hold(made, "fork")
    forked = holder.answer["forked"]
    try:
        holder.process.kill()
        holder.process.wait()
        with servers(made) as found:
            assert found.owner
    finally:
        os.kill(forked, signal.SIGKILL)
        holder.end()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_stops_everything(made: Path, me: Python, signal_number: signal.Signals) -> None:
    holder = me.hold(made)
    assert holder.answer["owner"]
    os.killpg(holder.process.pid, signal_number)
    holder.end()
    assert gone(made)
