"""What PostgreSQL and Redis hold, all of it as text, to look for what must not be there."""

from redis.asyncio import Redis

from engagement.records.unit import Database, Unit


async def tables_dumped(database: Database, program_id: int) -> str:
    """Every row of every table that a program has anything in."""

    async def dump(unit: Unit) -> str:
        tables = await unit.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')"
        )
        rows = [row[0] for (name,) in tables for row in await unit.fetch(f"SELECT kept::text FROM {name} AS kept")]
        return "\n".join(rows)

    return await database.run(dump, program_id, read_only=True, deadline_seconds=60)


async def redis_dumped(url: str) -> str:
    """Every key of a Redis with its value."""
    client: Redis = Redis.from_url(url, decode_responses=True, protocol=2)
    lines = []
    async with client:
        async for key in client.scan_iter():
            match await client.type(key):
                case "hash":
                    value: object = await client.hgetall(key)
                case "zset":
                    value = await client.zrange(key, 0, -1)
                case "set":
                    value = await client.smembers(key)
                case _:
                    value = await client.get(key)
            lines.append(f"{key} {value}")
    return "\n".join(lines)
