"""All that the servers hold and the processes wrote, as whoever takes a backup gets it; and the forms in which a word may stand in it."""

import asyncio
import base64
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from engagement.embedded.places import installed
from tests.conftest import Urls

Dumped = dict[str, bytes]
"""What was found, by where it was."""


async def postgres_dumped(urls: Urls) -> Dumped:
    """What `pg_dump` writes, with statistics, and every row of every table, those of the system's catalogues among them; the server's log."""
    command = [str(installed().postgres / "bin" / "pg_dump"), "--dbname", urls.superuser, "--statistics"]
    dumping = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    written, _ = await dumping.communicate()
    assert dumping.returncode == 0
    found = {"pg_dump": written}
    connection = await asyncpg.connect(urls.superuser)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE relkind IN ('r', 'm', 'S') AND nspname <> 'pg_toast' UNION ALL SELECT 'pg_stat_activity'"
        )
        for (name,) in tables:
            rows = io.BytesIO()
            await connection.copy_from_query(f"SELECT * FROM {name}", output=rows)
            found[name] = rows.getvalue()
        home = Path(await connection.fetchval("SHOW data_directory")).parent
    finally:
        await connection.close()
    return found | {each.name: each.read_bytes() for each in home.glob("*.log")}


async def redis_dumped(url: str) -> Dumped:
    """Every key with its value, and what the server remembers of clients and commands. It writes no file, or that would have to be read too."""
    async with Redis.from_url(url, protocol=2) as opened:
        client: Any = opened
        for setting, off in (("save", ""), ("appendonly", "no")):
            assert await client.config_get(setting) == {setting: off}
        found = {f"key {key!r}": key + await _value(client, key) async for key in client.scan_iter()}
        for command in ("SLOWLOG GET -1", "COMMANDLOG GET -1 slow", "PUBSUB CHANNELS", "CLIENT LIST", "INFO all"):
            found[command] = repr(await client.execute_command(*command.split())).encode()
    return found


async def _value(client: Any, key: bytes) -> bytes:
    reading = {
        b"string": ("GET", key),
        b"hash": ("HGETALL", key),
        b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
        b"set": ("SMEMBERS", key),
        b"list": ("LRANGE", key, 0, -1),
        b"stream": ("XRANGE", key, "-", "+"),
        b"none": ("GET", key),
    }
    value = await client.execute_command(*reading[await client.type(key)])
    return value if isinstance(value, bytes) else b"\n".join(map(_flat, value or ()))


def _flat(value: object) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def forms(word: str) -> set[bytes]:
    """A word as text, in UTF-16, both of them in hex and at each place in base64, and its digests without a salt; all in small letters.

    A word of ASCII letters and digits is the same in JSON, in a URL and in SQL, so it need not be looked for there in other forms.
    """
    assert word.isascii()
    assert word.isalnum()
    plain = [word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")]
    digests = [hashlib.new(name, word.encode()).digest() for name in ("md5", "sha1", "sha256")]
    coded = {each.hex().encode() for each in (*plain, *digests)}
    for each in (*plain, *digests):
        for place in range(3):
            # What a neighbour would share a letter with is left away.
            within = base64.b64encode(bytes(place) + each)[(0, 2, 3)[place] : len(bytes(place) + each) // 3 * 4]
            coded |= {within, within.translate(bytes.maketrans(b"+/", b"-_"))}
    return {each.lower() for each in (*plain, *digests, *coded)}


def traces(words: Iterable[str], dumped: Dumped) -> dict[str, list[str]]:
    """Where words stand in any form: each with the places, and a piece of what is around it."""
    searched = {where: held.lower() for where, held in dumped.items()}
    found: dict[str, list[str]] = {}
    for word in words:
        for form in forms(word):
            for where, held in searched.items():
                if (place := held.find(form)) >= 0:
                    found.setdefault(word, []).append(f"{where}: {dumped[where][max(0, place - 150) : place + 80]!r}")
    return found
