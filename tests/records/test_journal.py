"""The journal is read by when transfers were booked, and reads no others."""

import asyncpg

from engagement.records import journal
from tests.conftest import Urls
from tests.records.test_schema import enter, two_programs

TRANSFERS = """
INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, source)
SELECT $1, uuidv7(), gen_random_uuid(), 'points', 'earn', 1, 'issuance', 'wallet', '2017-03-01', '2017-03-01'::timestamptz + n * interval '1 minute', ''
FROM generate_series(1, 3000) AS n
"""


async def test_a_page_reads_what_is_on_it_and_no_more_in_a_plan_for_all_values(database: Urls) -> None:
    connection = await asyncpg.connect(database.owner)
    await two_programs(connection)
    for program in ("1", "2"):
        await enter(connection, program)
        await connection.execute(TRANSFERS, int(program))
    await connection.execute("ANALYZE transfer; SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE page (int, timestamptz, uuid, timestamptz, int) AS {journal._PAGE}")
    place = "'2017-03-02 12:00Z', '00000000-0000-0000-0000-000000000000'"
    plan = await connection.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page (2, {place}, '2017-03-02 12:30Z', 10)"
    )
    await connection.close()
    assert '"Index Name": "transfer_booked"' in plan
    assert "Rows Removed by Filter" not in plan
