"""What reading a large leaderboard costs, by its rule for ties: from Valkey, and from PostgreSQL while Valkey is away.

`python -m benchmarks.boards [MEMBERS]` on servers of its own: a page deep in the board, the places around a member, and the
ranks of a hundred members.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, get_args

import asyncpg
import msgspec

from achievements.ranking import Contest, Ties
from achievements.states import BEGINNING
from benchmarks.stand import Stand, stand
from engagement.cli.session import database
from engagement.records import programs
from engagement.records.programs import DefinitionVersion
from engagement.records.unit import ALL, Database, Unit
from engagement.relay.boards import Boards
from engagement.relay.redis import Link

MEMBERS: Final = 100_000
READS: Final = 15
PERIOD: Final = "2026-11"
_WAYS: Final[tuple[Ties, ...]] = get_args(Ties)


async def measure(on: Stand, members: int) -> None:
    """Fill a board for each way with ties, and print the median of some reads of each."""
    async with database(on.endpoints.database_url) as opened:
        program = await _program(opened)
        await _score(on, program, members)
        link, nobody = Link(on.endpoints.redis_url), Link("unix:///nobody")
        boards = Boards(link, opened)
        await boards.fill(program)
        for name, each in (("Valkey", boards), ("PostgreSQL", Boards(nobody, opened))):
            for ties in _WAYS:
                print(f"{name:12}{ties:16}{'  '.join([await _told(each, program, ties, members)])}", flush=True)
        await link.close()
        await nobody.close()


async def _told(boards: Boards, program: int, ties: Ties, members: int) -> str:
    contest = Contest(ties, PERIOD, ties=ties)
    middle = f"m{members // 2}"
    some = [(contest, f"m{number * members // 100}") for number in range(100)]
    page = await _median(lambda: boards.top(program, contest, 10, members // 2))
    around = await _median(lambda: boards.around(program, contest, middle, 10))
    ranks = await _median(lambda: boards.ranks(program, some))
    return f"page {page:9.2f} ms   around {around:9.2f} ms   100 ranks {ranks:9.2f} ms"


async def _median(read: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(READS):
        begun = time.perf_counter()
        await read()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


async def _program(opened: Database) -> int:
    async def create(unit: Unit) -> int:
        made = await programs.create(unit, key="bench", name="Bench", timezone="UTC", token_secret=b"bench")
        assert made is not None
        bodies = {way: {"key": way, "measure": {"points": "points"}, "ties": way} for way in _WAYS}
        new = [
            DefinitionVersion("leaderboard", way, 1, msgspec.json.encode(each), BEGINNING)
            for way, each in bodies.items()
        ]
        await programs.save_versions(unit, new, [])
        return made.id

    return await opened.run(create, ALL)


async def _score(on: Stand, program: int, members: int) -> None:
    """Scores of which about ten members each have the same."""
    owner = await asyncpg.connect(on.endpoints.database_owner_url, server_settings={"app.program": str(program)})
    try:
        await owner.execute(
            "INSERT INTO member (program_id, id, external_id, created_at)"
            " SELECT $1, uuidv7(), 'm' || n, now() FROM generate_series(0, $2 - 1) AS n",
            program,
            members,
        )
        await owner.execute(
            "INSERT INTO board_score (program_id, board, period, member_id, score, reached_at, version)"
            " SELECT $1, way, $2, id, abs(hashint4(substr(external_id, 2)::int)) % ($3 / 10), now(), 1"
            " FROM member, unnest($4::text[]) AS way WHERE program_id = $1",
            program,
            PERIOD,
            members,
            list(_WAYS),
        )
        for table in ("member", "board_score"):
            await owner.execute(f"VACUUM ANALYZE {table}")
    finally:
        await owner.close()


if __name__ == "__main__":
    with stand() as stood:
        asyncio.run(measure(stood, int(sys.argv[1]) if len(sys.argv) > 1 else MEMBERS))
