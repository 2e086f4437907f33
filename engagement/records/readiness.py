"""Whether work could be done now, for whoever sends work here."""

from engagement.records.unit import Unit


async def is_writable(unit: Unit) -> bool:
    """Whether this server takes writes: a table of ours can be read, and the server is no standby."""
    await unit.fetchval("SELECT count(*) FROM (SELECT FROM program LIMIT 1) AS found")
    return not await unit.fetchval("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
