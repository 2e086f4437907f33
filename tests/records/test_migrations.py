"""Migrations: in one line, run once, and what they make of what was stored before them."""

import asyncio
import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from achievements.controls import seed_of
from engagement.records import migrations
from engagement.records.database import migrate
from tests.conftest import Urls
from tests.records.tables import SAMPLES
from tests.records.test_schema import enter, scoped_tables, two_programs


def test_migrations_stand_in_one_line() -> None:
    names = sorted(each.stem for each in Path(migrations.__file__).parent.glob("0*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for before, name in pairwise(names):
        step = importlib.import_module(f"{migrations.__name__}.{name}").Migration
        assert step.dependencies == [("records", before)], name


async def test_migrating_twice_at_once_is_migrating_once(empty_database: Urls) -> None:
    await asyncio.gather(migrate(empty_database.owner), migrate(empty_database.owner))
    await migrate(empty_database.owner)
    connection = await asyncpg.connect(empty_database.owner)
    applied = await connection.fetch("SELECT name FROM tortoise_migrations")
    written = sorted(each.stem for each in Path(migrations.__file__).parent.glob("0*.sql"))
    assert [row["name"] for row in applied] == written
    assert await scoped_tables(connection) == set(SAMPLES)
    await connection.close()


async def test_what_the_planner_is_told_comes_back_after_a_dump_without_it(database: Urls) -> None:
    columns = ("member", "external_id"), ("event", "id")
    told = "SELECT tablename FROM pg_stats WHERE (tablename, attname) IN (('member', 'external_id'), ('event', 'id')) AND n_distinct = -1"
    connection = await asyncpg.connect(database.superuser)
    try:
        for column in columns:
            await connection.execute("SELECT pg_clear_attribute_stats('public', $1, $2, false)", *column)
        assert await connection.fetch(told) == []
        async with connection.transaction():
            # As a vacuum does; nobody waits for it.
            await connection.execute("LOCK TABLE event IN SHARE UPDATE EXCLUSIVE MODE")
            await migrate(database.owner)
            assert [row["tablename"] for row in await connection.fetch(told)] == ["member"]
        await migrate(database.owner)
        assert {row["tablename"] for row in await connection.fetch(told)} == {"event", "member"}
    finally:
        await connection.close()


async def test_what_had_expired_before_lots_said_so_is_known_after(empty_database: Urls) -> None:
    connection = await asyncpg.connect(empty_database.owner)
    folder = Path(migrations.__file__).parent
    for name in ("0001_initial", "0002_amendments"):
        await connection.execute((folder / f"{name}.sql").read_text(encoding="utf-8"))
    await two_programs_with_lots(connection)
    await connection.execute((folder / "0003_facts.sql").read_text(encoding="utf-8"))
    for program in (1, 2):
        await enter(connection, str(program))
        rows = await connection.fetch("SELECT id, points, remaining, expired FROM lot ORDER BY id")
        assert [tuple(row) for row in rows] == [
            ("ended", 5, 0, 5),
            ("raised", 9, 4, 5),
            ("taken", 0, 0, 0),
            ("whole", 5, 5, 0),
        ]
    await enter(connection, "*")
    assert await connection.fetchval("SELECT count(*) FROM lot") == 0, "the policy stands again, for the owner too"
    await connection.close()


async def two_programs_with_lots(connection: Any) -> None:
    """Lots that are whole, ended, taken back, and worth more since they ended."""
    await enter(connection, "*")
    for key in ("one", "two"):
        await connection.execute(
            "INSERT INTO program (key, name, timezone, token_secret) VALUES ($1, $1, 'UTC', '')", key
        )
    for program in (1, 2):
        await enter(connection, str(program))
        for name, points, remaining in (("whole", 5, 5), ("ended", 5, 0), ("taken", 0, 0), ("raised", 9, 4)):
            await connection.execute(
                "INSERT INTO lot (program_id, member_id, id, currency, points, remaining, earned_at, source)"
                " VALUES ($1, gen_random_uuid(), $2, 'points', $3, $4, now(), 'base')",
                program,
                name,
                points,
                remaining,
            )


async def test_members_who_were_there_before_control_groups_get_their_seeds(database: Urls) -> None:
    connection = await asyncpg.connect(database.owner)
    await two_programs(connection)
    for program in ("1", "2"):
        await enter(connection, program)
        await connection.execute("UPDATE member SET external_id = 'zoë' || $1::text", program)
    await enter(connection, "")
    written = (Path(migrations.__file__).parent / "0007_control_groups.sql").read_text(encoding="utf-8")
    await connection.execute("BEGIN;" + written[written.index("ALTER TABLE member NO FORCE") :] + "COMMIT")
    for program in ("1", "2"):
        await enter(connection, program)
        for table in ("member_state", "member_snapshot"):
            seeds = await connection.fetch(f"SELECT (state ->> 'seed')::bigint FROM {table}")
            assert [seed for (seed,) in seeds] == [seed_of(f"zoë{program}")]
    await connection.close()
