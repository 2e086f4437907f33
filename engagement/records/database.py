"""How we reach PostgreSQL, and how its schema comes to be."""

from typing import Any

from tortoise.backends.base.config_generator import expand_db_url
from tortoise.context import TortoiseContext
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor.asyncpg import AsyncpgSchemaEditor
from tortoise.transactions import in_transaction

CONNECT_SECONDS = 2.0

# What the server enforces even where this process is stuck: a statement, a wait for a lock and a transaction that nobody
# feeds all end, and a query whose client has gone stops within a second and lets go of its locks.
_LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "client_connection_check_interval": "1s",
}
_COMMAND_SECONDS = 5.0

# Any number will do, as long as all versions of the service take the same.
_MIGRATION_LOCK = 4_815_162_342


async def _keep_session(_connection: object) -> None:
    """Replace the pool's RESET ALL, a round trip per transaction: a unit leaves nothing behind in its session."""


def serving(url: str, max_connections: int) -> dict[str, Any]:
    """Tortoise's configuration for the role engagement_app: a pool of 1 to `max_connections`, with every wait limited."""
    limits = {
        "minsize": 1,
        "maxsize": max_connections,
        "timeout": CONNECT_SECONDS,
        "command_timeout": _COMMAND_SECONDS,
        "reset": _keep_session,
    }
    return _configuration(url, limits, _LIMITS)


async def migrate(owner_url: str) -> None:
    """Bring the database at `owner_url` (as the role engagement_owner) to the newest schema.

    One transaction holds an advisory lock and all steps with their records: of two processes that start at once the second
    waits and finds nothing to do, and a step that fails leaves the database as it was.
    """
    config = _configuration(owner_url, {"minsize": 1, "maxsize": 1, "timeout": CONNECT_SECONDS}, {})
    async with TortoiseContext() as context:
        await context.init(config=config)
        async with in_transaction("default") as transaction:
            await transaction.execute_query(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            # The executor reads the table of records before it makes it, which would end this transaction.
            recorder = MigrationRecorder(transaction)
            await recorder.ensure_schema(AsyncpgSchemaEditor(transaction, atomic=False))
            await MigrationExecutor(transaction, config["apps"]).migrate()
            # A database that was brought back from a dump has lost what the planner is told instead of values of members.
            await transaction.execute_query("SELECT pin_statistics()")


def _configuration(url: str, pool: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    # Tortoise names the driver in the scheme. A `host` in the query may be the directory of a unix socket.
    expanded = expand_db_url("asyncpg://" + url.partition("://")[2])
    session = {**settings, "timezone": "UTC", "application_name": "engagement"}
    credentials = {**expanded["credentials"], **pool, "server_settings": session}
    if "sslmode" in credentials:
        credentials["ssl"] = credentials.pop("sslmode")
    return {
        "connections": {"default": {"engine": expanded["engine"], "credentials": credentials}},
        "apps": {
            "records": {
                "models": ["engagement.records.models"],
                "default_connection": "default",
                "migrations": "engagement.records.migrations",
            },
        },
        "use_tz": True,
        "timezone": "UTC",
    }
