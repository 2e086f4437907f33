"""What the catalogue says, and what the server does, about tenants, rights and constraints: for every table there is."""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import Urls

# One row of each table for program $1, in an order that foreign keys allow. A new table needs a line here.
SAMPLES = {
    "definition": "(program_id, kind, key) VALUES ($1, 'badge', 'b')",
    "definition_version": "(program_id, kind, key, version, body, active_from) VALUES ($1, 'badge', 'b', 1, '{}', now())",
    "member": "(program_id, id, external_id, created_at) VALUES ($1, {member}, 'm', now())",
    "event": "(program_id, member_id, id, type, occurred_at, sent_at, received_at, properties)"
    " VALUES ($1, {member}, 'e', 'purchase', now(), now(), now(), '{{}}')",
    "amendment": "(program_id, member_id, event_id, n, kind, received_at) VALUES ($1, {member}, 'e', 1, 'reverse', now())",
    "fact": "(program_id, member_id, id, kind, at, rank, cause, n, data, booked_at)"
    " VALUES ($1, {member}, 'e/1', 'spent', now(), 1, 'e', 1, '{{}}', now())",
    "challenge_place": "(program_id, challenge, period, taken) VALUES ($1, 'c', '1', 1)",
    "team": "(program_id, id, name, created_at) VALUES ($1, 't', 'T', now())",
    "team_member": "(program_id, member_id, team, since) VALUES ($1, {member}, 't', now())",
    "contribution": "(program_id, member_id, challenge, period, since, team, amount, window_index, target, minimum)"
    " VALUES ($1, {member}, 'c', '1', now(), 't', 1, 1, 1, 1)",
    "team_standing": "(program_id, team, challenge, period) VALUES ($1, 't', 'c', '1')",
    "team_share": "(program_id, member_id, challenge, period) VALUES ($1, {member}, 'c', '1')",
    "reward_given": "(program_id, member_id, reward, sort, key, source, given_at, event_id, count)"
    " VALUES ($1, {member}, 'badge/b/1/0', 'voucher', 'v', 'b', now(), 'e', 1)",
    "referral": "(program_id, member_id, referral, referrer, qualified_at, event_id)"
    " VALUES ($1, {member}, 'r', 'm', now(), 'e')",
    "held_out": "(program_id, member_id, what, definition, points, held_at, event_id)"
    " VALUES ($1, {member}, 'badge/b/1', 'badges/b', 0, now(), 'e')",
    "tier_change": "(program_id, member_id, ladder, changed_at, event_id, tier_from, tier_to, qualifying)"
    " VALUES ($1, {member}, 'l', now(), 'e', 'bronze', 'silver', 1)",
    "member_state": "(program_id, member_id, version, revision, seq, inputs, state) VALUES ($1, {member}, 1, 1, 1, 1, '{{}}')",
    "member_snapshot": "(program_id, member_id, inputs, at, state) VALUES ($1, {member}, 1, now(), '{{}}')",
    "completion": "(program_id, member_id, challenge, period, completed_at) VALUES ($1, {member}, 'c', '1', now())",
    "badge_award": "(program_id, member_id, badge, level, awarded_at) VALUES ($1, {member}, 'b', '1', now())",
    "board_score": "(program_id, board, period, member_id, score, reached_at, version)"
    " VALUES ($1, 'b', '1', {member}, 1, now(), 1)",
    "board_close": "(program_id, board, period, closed_at) VALUES ($1, 'b', '1', now())",
    "board_final": '(program_id, board, period, member_id, "group", place, rank, score, reached_at)'
    " VALUES ($1, 'b', '1', {member}, 'g', 1, 1, 1, now())",
    "wallet": "(program_id, member_id, currency) VALUES ($1, {member}, 'points')",
    "lot": "(program_id, member_id, id, currency, points, remaining, earned_at, source)"
    " VALUES ($1, {member}, 'l', 'points', 1, 1, now(), 'base')",
    "transfer": "(program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, source)"
    " VALUES ($1, {member}, {member}, 'points', 'earn', 1, 'issuance', 'wallet', now(), now(), 'base')",
    "period_close": "(program_id, currency, period, ends_at, through, opening, earned, spent, expired, reversed, adjusted,"
    " transferred, closing, seal, closed_at) VALUES ($1, 'points', '2017-03', now(), {member}, 0, 9, 3, 2, 1, -1, 0, 2, 0, now())",
    "activity": "(program_id, member_id, seq, at, booked_at, effects) VALUES ($1, {member}, 1, now(), now(), '[]')",
    "problem": "(program_id, kind, key, lane, count, at, path, reason, member_id, event_id)"
    " VALUES ($1, 'badge', 'b', 0, 1, now(), 'when', 'r', {member}, 'e')",
    "job": "(program_id, id, kind, input) VALUES ($1, {member}, 'k', '{{}}')",
    "outbox": "(program_id, id, payload) VALUES ($1, {member}, '{{}}')",
    "credential": "(id, program_id, name, scopes, secret_hash) VALUES ('k' || $1, $1, 'n', '{{}}', sha256('s'))",
    "idempotency": "(program_id, principal, operation, key, input_hash) VALUES ($1, 'p', 'o', 'k', '')",
}

READ = {"SELECT", "INSERT"}
ALL_BUT_DELETE = READ | {"UPDATE"}
# Everything that the serving role may do, by table; "UPDATE(column)" is a right to that column alone.
RIGHTS = {
    "program": READ
    | {f"UPDATE({c})" for c in ("name", "timezone", "clock", "horizon_days", "revision", "token_secret")},
    "definition": READ,
    "definition_version": READ | {"UPDATE(active_until)"},
    "member": READ | {"UPDATE(timezone)", "UPDATE(alias)"},
    "event": READ | {"UPDATE(seq)"},
    "amendment": READ,
    "fact": READ,
    "challenge_place": ALL_BUT_DELETE,
    "team": READ | {"UPDATE(name)"},
    "team_member": ALL_BUT_DELETE | {"DELETE"},
    "contribution": ALL_BUT_DELETE | {"DELETE"},
    "team_standing": ALL_BUT_DELETE,
    "team_share": READ,
    "tier_change": ALL_BUT_DELETE | {"DELETE"},
    "reward_given": ALL_BUT_DELETE | {"DELETE"},
    "referral": ALL_BUT_DELETE,
    "held_out": ALL_BUT_DELETE | {"DELETE"},
    "member_state": ALL_BUT_DELETE,
    "member_snapshot": ALL_BUT_DELETE | {"DELETE"},
    "completion": ALL_BUT_DELETE | {"DELETE"},
    "badge_award": ALL_BUT_DELETE | {"DELETE"},
    "board_score": ALL_BUT_DELETE | {"DELETE"},
    "board_close": READ,
    "board_final": READ | {"UPDATE(contenders)", "UPDATE(given_at)"},
    "wallet": ALL_BUT_DELETE,
    "lot": ALL_BUT_DELETE,
    "transfer": READ,
    "period_close": READ,
    "activity": READ,
    "problem": ALL_BUT_DELETE | {"DELETE"},
    "job": ALL_BUT_DELETE | {"DELETE"},
    "outbox": READ | {"UPDATE(created_at)", "DELETE"},
    "credential": READ | {"UPDATE(revoked_at)"},
    "idempotency": READ | {"UPDATE(result)"},
}

CHECKS = {
    "amendment_kind_known",
    "amendment_n_positive",
    "amendment_properties_of_amend_alone",
    "program_clock_only_in_sandbox",
    "program_horizon_positive",
    "definition_version_positive",
    "definition_version_ends_after_start",
    "wallet_not_negative",
    "wallet_below_zero_by_debt_alone",
    "lot_counts_not_negative",
    "fact_rank_known",
    "challenge_place_taken_not_negative",
    "reward_given_sort_known",
    "reward_given_count_positive",
    "fact_n_not_negative",
    "referral_paid_at_an_instant",
    "referral_refused_or_paid",
    "referral_refusal_known",
    "referral_turn_positive",
    "transfer_points_positive",
    "transfer_between_two_accounts",
    "transfer_accounts_known",
    "period_close_adds_up",
    "member_alias_not_empty",
    "board_final_places_from_one",
    "board_final_given_where_won",
    "activity_seq_positive",
    "problem_count_positive",
    "job_state_known",
    "job_ended_at_an_instant",
    "job_failed_with_a_problem",
    "job_leased_while_running",
    "job_counts_not_negative",
    "credential_hash_is_sha256",
}


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
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await owner.execute(f"UPDATE {table} SET program_id = 2 WHERE program_id = 1")
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
