"""Very many members at once: a small crowd that really shopped, copied until it is large.

Every row of every table of a member's is copied under a new member, so that tables and indexes have the size that they
would have; only how they came about is shorter.
"""

import asyncpg


async def multiply(owner_url: str, members: int, times: int) -> None:
    """Make `members` members into `times` as many; they bear the names of `Shoppers(members * times)`.

    A program without members but those. Nothing else uses the database meanwhile.
    """
    owner = await asyncpg.connect(owner_url, server_settings={"app.program": "1"})
    try:
        await owner.execute(
            "INSERT INTO member (program_id, id, external_id, timezone, created_at)"
            " SELECT program_id, md5(id::text || copy)::uuid, 'H' || lpad((substr(external_id, 2)::int + copy * $1)::text, 7, '0'),"
            " timezone, created_at FROM member, generate_series(1, $2) AS copy",
            members,
            times - 1,
        )
        for table, columns in (await _tables_of_members(owner)).items():
            taken = [_TAKEN.get((table, each), _TAKEN.get(("", each), each)) for each in columns]
            await owner.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(taken)}"  # noqa: S608 — names of ours.
                f" FROM {table}, generate_series(1, $1) AS copy",
                times - 1,
            )
        for table in ("member", *await _tables_of_members(owner)):
            await owner.execute(f"VACUUM ANALYZE {table}")
    finally:
        await owner.close()


_TAKEN = {("", "member_id"): "md5(member_id::text || copy)::uuid", ("transfer", "id"): "uuidv7()"}


async def _tables_of_members(owner: asyncpg.Connection) -> dict[str, list[str]]:
    """The tables with a row or more for a member, and their columns."""
    rows = await owner.fetch(
        "SELECT table_name::text, array_agg(quote_ident(column_name) ORDER BY ordinal_position) AS columns"
        " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1"
        " HAVING array_agg(column_name::text) @> ARRAY['program_id', 'member_id'] ORDER BY 1"
    )
    return {row["table_name"]: row["columns"] for row in rows}


def moment_after(few: int, used: int, many: int) -> int:
    """The number of the first event of a large crowd that comes after `used` events of the small one of `few`."""
    return -(-used * many // few)
