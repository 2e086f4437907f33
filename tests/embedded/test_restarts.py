"""A server that dies while its owner lives is started again, with what was committed, and leaves no orphan."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis

from engagement.embedded import Endpoints, servers
from tests.embedded.processes import PROJECT, Python, gone, kill, postmaster, query, running, valkey

SECONDS = 20
"""In which it must be back: generous, for a machine that is busy with other tests."""


def answers(found: Endpoints) -> bool:
    with suppress(OSError, asyncpg.PostgresError, redis.RedisError), redis.Redis.from_url(found.redis_url) as client:
        return bool(client.ping()) and query(found.database_url, "SELECT 1") == [1]
    return False


def ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/ready", timeout=5, trust_env=False).status_code == 200
    return False


def knows_no_key(url: str) -> bool:
    """Whether PostgreSQL was asked about a key, and had an answer."""
    asked = {"Authorization": f"Bearer ek_{'0' * 16}_{'a' * 43}"}
    reply = httpx.post(f"{url}/graphql", json={"query": "{ __typename }"}, headers=asked, timeout=30, trust_env=False)
    return bool(reply.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED")


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("victims", [("postgres",), ("valkey",), ("valkey", "postgres")])
def test_the_dead_come_back_with_their_data(made: Path, victims: tuple[str, ...]) -> None:
    pids = {"postgres": postmaster, "valkey": valkey}
    table = "kept_" + "_".join(victims)
    with servers(made) as found:
        query(found.database_owner_url, f"CREATE TABLE {table} (n int)", "SELECT 1")
        for number in range(3):
            query(found.database_owner_url, f"INSERT INTO {table} VALUES ({number})", "SELECT 1")
            before = {name: pid(made) for name, pid in pids.items()}
            for each in victims:
                kill(before[each])
            assert soon(lambda: answers(found)), (made / "servers" / "postgresql.log").read_text()
            after = {name: pid(made) for name, pid in pids.items()}
            assert {name for name in pids if before[name] != after[name]} == set(victims)
            assert query(found.database_owner_url, f"SELECT n FROM {table} ORDER BY n") == list(range(number + 1))
        assert list(running(made).values()).count("valkey-server") == 1
    assert not running(made)


def test_one_that_joins_while_they_come_back(made: Path, me: Python) -> None:
    with servers(made) as found:
        kill(valkey(made))
        kill(postmaster(made))
        joiner = me.hold(made)
        assert joiner.answer.get("owner") is False, joiner.answer
        assert joiner.answer["database_url"] == found.database_url
        assert query(found.database_url, "SELECT 1") == [1]
        joiner.leave()


def test_an_owner_that_leaves_while_they_come_back_leaves_nothing(made: Path, me: Python) -> None:
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
        holder = me.hold(made)
        assert holder.answer.get("owner"), holder.answer
        kill(postmaster(made))
        kill(valkey(made))
        time.sleep(delay)
        holder.leave()
        assert not running(made), delay


def test_an_owner_that_is_killed_while_they_come_back(made: Path, me: Python) -> None:
    for delay in (0.0, 0.1, 0.2, 0.4):
        holder = me.hold(made)
        assert holder.answer.get("owner"), holder.answer
        kill(valkey(made))
        kill(postmaster(made))
        time.sleep(delay)
        holder.kill()
        assert gone(made), delay


def test_a_program_that_ends_without_leaving_its_block_ends(made: Path) -> None:
    code = f"""if True:
        from pathlib import Path; from engagement.embedded import servers
        kept = servers(Path({str(made)!r})); print(kept.__enter__().owner, flush=True)"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert ended.stdout == "True\n"
    assert gone(made)


def test_the_service_recovers_by_itself(data: Path) -> None:
    command = [sys.executable, "-m", "engagement.cli.main", "serve", "--port", "0", "--data", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = next(line for line in process.stderr if line.startswith("Serving at "))
            url = told.split()[2].removesuffix("/graphql,")
            assert soon(lambda: ready(url) and knows_no_key(url))
            kill(valkey(data))
            kill(postmaster(data))
            assert soon(lambda: knows_no_key(url))
            assert soon(lambda: ready(url))
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not running(data)
