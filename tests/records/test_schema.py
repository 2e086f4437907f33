"""What the catalogue says, and what the server does, about tenants, rights and constraints: for every table there is."""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import Urls
from tests.records.tables import CHECKS, OF_PROGRAMS, RIGHTS, SAMPLES


@pytest.fixture
async def owner(database: Urls) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.owner)
    yield connection
    await connection.close()


@pytest.fixture
async def app(database: Urls) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.app)
    yield connection
    await connection.close()


async def scoped_tables(connection: Any) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND attname = 'program_id'"
    )
    return {row["relname"] for row in rows}


async def enter(connection: Any, scope: str) -> None:
    await connection.execute("SELECT set_config('app.program', $1, false)", scope)


async def two_programs(connection: Any) -> None:
    """Programs 1 and 2, each with one row in every table."""
    await enter(connection, "*")
    for key in ("one", "two"):
        await connection.execute(
            "INSERT INTO program (key, name, timezone, token_secret) VALUES ($1, $1, 'UTC', '')", key
        )
    for program in (1, 2):
        await enter(connection, str(program))
        for table in SAMPLES:
            await connection.execute(sample(table, program))


def sample(table: str, program: int) -> str:
    member = f"'00000000-0000-7000-8000-00000000000{program}'"
    row = SAMPLES[table].replace("{member}", member).replace("$1", str(program)).replace("{{}}", "{}")
    return f"INSERT INTO {table} {row}"


async def test_every_scoped_table_is_behind_a_forced_policy_and_begins_its_key_with_the_program(owner: Any) -> None:
    tables = await scoped_tables(owner)
    assert tables == set(SAMPLES)
    rows = await owner.fetch("SELECT relname, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class")
    forced = {row["relname"] for row in rows if row["forced"]}
    assert forced == tables | {"program"}

    rows = await owner.fetch("SELECT * FROM pg_policies WHERE schemaname = 'public' AND tablename <> 'program'")
    narrowing = {row["tablename"] for row in rows if (row["cmd"], row["permissive"]) == ("DELETE", "RESTRICTIVE")}
    assert narrowing == {"event", "amendment", "fact", "consent", "lot"}
    assert [row["tablename"] for row in rows if (row["cmd"], row["permissive"]) == ("UPDATE", "RESTRICTIVE")] == [
        "fact"
    ]
    rows = [row for row in rows if row["cmd"] not in ("DELETE", "UPDATE")]
    policies = {row["tablename"]: row for row in rows}
    assert len(rows) == len(policies), "a second policy on a table would widen the first"
    assert policies.keys() == tables
    for table, policy in policies.items():
        assert (policy["cmd"], policy["permissive"], policy["roles"]) == ("ALL", "PERMISSIVE", ["public"])
        assert policy["with_check"] is None, "what may be written is what may be seen"
        condition = re.sub(r"\s+", " ", policy["qual"])
        own = "(program_id = ( SELECT current_program() AS current_program))"
        everyone = "( SELECT every_program() AS every_program)"
        assert condition == (f"({everyone} OR {own})" if table == "credential" else own)

    rows = await owner.fetch(
        "SELECT conrelid::regclass::text AS name, attname FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1] WHERE contype = 'p'"
    )
    first = {row["name"]: row["attname"] for row in rows}
    assert {table for table in tables if first[table] != "program_id"} == {"credential"}


async def test_the_roles_have_no_way_around(owner: Any) -> None:
    roles = await owner.fetch("SELECT * FROM pg_roles WHERE rolname IN ('engagement_app', 'engagement_owner')")
    assert len(roles) == 2
    assert not any(role["rolsuper"] or role["rolbypassrls"] for role in roles)
    assert not await owner.fetchval(
        "SELECT count(*) FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member WHERE rolname = 'engagement_app'"
    )
    assert await owner.fetchval("SELECT count(*) FROM pg_tables WHERE tableowner = 'engagement_app'") == 0


async def test_the_serving_role_has_exactly_the_rights_it_needs(owner: Any) -> None:
    rights: dict[str, set[str]] = {}
    for row in await owner.fetch(
        "SELECT table_name, privilege_type FROM information_schema.table_privileges"
        " WHERE table_schema = 'public' AND grantee IN ('engagement_app', 'PUBLIC')"
    ):
        rights.setdefault(row["table_name"], set()).add(row["privilege_type"])
    for row in await owner.fetch(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges"
        " WHERE table_schema = 'public' AND grantee IN ('engagement_app', 'PUBLIC')"
    ):
        if row["privilege_type"] not in rights[row["table_name"]]:
            rights[row["table_name"]].add(f"{row['privilege_type']}({row['column_name']})")
    assert rights == RIGHTS


async def test_constraints_and_types_are_in_the_catalogue(owner: Any) -> None:
    checks = await owner.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND convalidated"
    )
    assert {row["conname"] for row in checks} == CHECKS
    columns = await owner.fetch(
        "SELECT table_name, column_name, data_type, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'tortoise_migrations'"
    )
    assert not [row for row in columns if row["data_type"] == "timestamp without time zone"]
    locale_bound = {
        f"{row['table_name']}.{row['column_name']}"
        for row in columns
        if row["data_type"] == "text" and row["collation_name"] != "C"
    }
    assert locale_bound == {
        "program.name",
        "program.timezone",
        "member.timezone",
        "member.alias",
        "credential.name",
    }


async def test_nothing_of_another_program_can_be_read_or_written(owner: Any, app: Any) -> None:
    await two_programs(app)
    tables = await scoped_tables(owner)
    # The owner has every right, so that only the policies are left to refuse.
    for connection in (app, owner):
        await enter(connection, "1")
        for table in sorted(tables):
            programs = await connection.fetch(f"SELECT program_id FROM {table}")
            assert [row["program_id"] for row in programs] == [1], table
        assert [row["id"] for row in await connection.fetch("SELECT id FROM program")] == [1]
    for table in sorted(tables):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await owner.execute(sample(table, 2))
        if table not in ("transfer", "period_close"):
            assert await owner.execute(f"UPDATE {table} SET program_id = program_id WHERE program_id = 2") == "UPDATE 0"
            moved = f"UPDATE {table} SET program_id = 2 WHERE program_id = 1"
            if table == "fact":
                # Those of nobody who is a part of another are not changed at all.
                assert await owner.execute(moved) == "UPDATE 0"
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await owner.execute(moved)
            assert await owner.execute(f"DELETE FROM {table} WHERE program_id = 2") == "DELETE 0"
    assert await app.execute("UPDATE program SET name = 'taken' WHERE id = 2") == "UPDATE 0"


@pytest.mark.parametrize("scope", [None, "", "*"])
async def test_without_a_program_there_is_nothing_to_see(app: Any, database: Urls, scope: str | None) -> None:
    await two_programs(app)
    other = await asyncpg.connect(database.app)
    if scope is not None:
        await enter(other, scope)
    counts = {table: await other.fetchval(f"SELECT count(*) FROM {table}") for table in ("program", *SAMPLES)}
    await other.close()
    seen = {table for table, count in counts.items() if count}
    assert seen == ({"program", "credential"} if scope == "*" else set())


async def test_only_operators_make_programs_and_see_their_own_keys(app: Any) -> None:
    await two_programs(app)
    make = "INSERT INTO program (key, name, timezone, token_secret) VALUES ('three', '', 'UTC', '')"
    operator = "INSERT INTO credential (id, name, scopes, secret_hash) VALUES ('op', 'n', '{}', sha256('s'))"
    for statement in (make, operator):
        await enter(app, "1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await app.execute(statement)
        await enter(app, "*")
        await app.execute(statement)
    await enter(app, "1")
    assert await app.fetchval("SELECT count(*) FROM credential WHERE id = 'op'") == 0


async def test_nobody_changes_a_transfer(app: Any, owner: Any) -> None:
    await two_programs(app)
    await enter(owner, "1")
    statements = ("UPDATE transfer SET points = 2", "DELETE FROM transfer", "TRUNCATE transfer")
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            await owner.execute(statement)


async def test_nobody_changes_a_closed_period(app: Any, owner: Any) -> None:
    await two_programs(app)
    for statement in ("UPDATE period_close SET spent = 2", "DELETE FROM period_close", "TRUNCATE period_close"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed or opened"):
            await owner.execute(statement)


async def test_figures_that_do_not_add_up_are_refused(app: Any) -> None:
    await two_programs(app)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await app.execute(
            "INSERT INTO period_close SELECT program_id, currency, '2017-04', now() + interval '1 day', through, opening, earned,"
            " spent, expired, reversed, adjusted, transferred, closing + 1, seal, closed_at FROM period_close"
        )
    assert refused.value.constraint_name == "period_close_adds_up"


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE program SET clock = now()", "program_clock_only_in_sandbox"),
        ("UPDATE wallet SET balance = -1", "wallet_below_zero_by_debt_alone"),
        ("UPDATE wallet SET balance = -2, debt = 1", "wallet_below_zero_by_debt_alone"),
        ("UPDATE wallet SET held = -1", "wallet_not_negative"),
        ("UPDATE lot SET remaining = -1", "lot_counts_not_negative"),
        ("UPDATE lot SET expired = -1", "lot_counts_not_negative"),
        ("UPDATE lot SET remaining = 0, held = 1", "lot_counts_not_negative"),
        ("UPDATE wallet SET balance = 1, debt = -1", "wallet_not_negative"),
        (
            "UPDATE definition_version SET active_until = active_from - interval '1s'",
            "definition_version_ends_after_start",
        ),
    ],
)
async def test_a_value_that_cannot_be_is_refused(app: Any, statement: str, constraint: str) -> None:
    await two_programs(app)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await app.execute(statement)
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("0, 'issuance', 'wallet'", "transfer_points_positive"),
        ("1, 'wallet', 'wallet'", "transfer_between_two_accounts"),
        ("1, 'issuance', 'elsewhere'", "transfer_accounts_known"),
    ],
)
async def test_a_transfer_that_does_not_balance_is_refused(app: Any, values: str, constraint: str) -> None:
    await two_programs(app)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await app.execute(
            "INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, source)"
            f" SELECT 2, gen_random_uuid(), id, 'points', 'earn', {values}, now(), now(), 'base' FROM member"
        )
    assert refused.value.constraint_name == constraint


async def test_a_definition_has_one_open_version(app: Any) -> None:
    await two_programs(app)
    second = (
        "INSERT INTO definition_version (program_id, kind, key, version, body, active_from)"
        " VALUES (2, 'badge', 'b', 2, '{}', now())"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await app.execute(second)
    await app.execute("UPDATE definition_version SET active_until = now()")
    await app.execute(second)


async def test_the_setting_is_read_once_per_statement(app: Any) -> None:
    await two_programs(app)
    plan = await app.fetch("EXPLAIN SELECT * FROM event")
    text = "\n".join(row[0] for row in plan)
    assert "InitPlan" in text
    assert re.search(r"Index Cond: \(program_id = \(InitPlan \d+\)\.col1\)|Filter: \(program_id = ", text), text


async def test_statistics_hold_no_values_of_what_is_said_of_members(database: Urls) -> None:
    """A new column says whether it may hold any (`SET STATISTICS 0` and `n_distinct`), or stands in OF_PROGRAMS."""
    superuser = await asyncpg.connect(database.superuser)
    try:
        await two_programs(superuser)
        await superuser.execute("ANALYZE")
        columns = await superuser.fetch(
            "SELECT relname || '.' || pg_attribute.attname AS name, attstattarget AS target, attoptions AS options, n_distinct, null_frac,"
            " most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL AS told FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_stats AS seen ON tablename = relname"
            " AND seen.attname = pg_attribute.attname"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped"
            " AND atttypid IN ('text'::regtype, 'text[]'::regtype, 'varchar'::regtype, 'bytea'::regtype, 'jsonb'::regtype)"
        )
    finally:
        await superuser.close()
    of_programs = {f"{table}.{column}" for table, names in OF_PROGRAMS.items() for column in names.split()}
    assert {row["name"] for row in columns if row["target"] is None} == of_programs
    pinned = {row["name"]: row for row in columns if row["target"] is not None}
    assert all(row["target"] == 0 and not row["told"] for row in pinned.values())
    assert {name: round(row["null_frac"], 4) for name, row in pinned.items() if row["null_frac"]} == {
        "member_state.pending": 0.9999
    }
    assert {name: f"n_distinct={row['n_distinct']:g}" for name, row in pinned.items()} == {
        name: ",".join(row["options"]) for name, row in pinned.items()
    }
