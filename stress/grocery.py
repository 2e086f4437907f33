"""The grocer as a program of a run's own: what members do in it, what came of it, and whether that is right."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg
from redis.asyncio import Redis

from engagement.actions.programs import Sandbox
from engagement.cli.api_key import make_key
from engagement.cli.apply import apply_directly
from engagement.cli.demo import GROCER, SCOPES
from engagement.cli.documents import read_program
from engagement.cli.replaying import EPOCH
from engagement.cli.session import database, program_named
from engagement.relay import placing
from stress.processes import run
from stress.servers import Both

Event: TypeAlias = dict[str, Any]
Rows: TypeAlias = list[tuple[Any, ...]]

BEGIN: Final = datetime(2017, 1, 1, 15, tzinfo=UTC)
END: Final = "2018-01-01T04:59:59Z"
_DEPARTMENTS: Final = tuple(f"DEPARTMENT {number}" for number in range(14))

# What the fold and the ledger say, without what depends on the order in which events arrived.
_OUTCOMES: Final = {
    "event": "external_id, held.id, type, occurred_at, properties::text",
    "member_state": "external_id, (state - 'at')::text",
    "completion": "external_id, challenge, period, completed_at, event_id",
    "badge_award": "external_id, badge, level, awarded_at, event_id",
    "board_score": "external_id, board, period, score, reached_at",
    # A challenge that late events complete earlier keeps the points that were booked first, with their end: when points
    # expire may depend on the order, how many there are may not.
    "wallet": "external_id, currency, earned - reversed, spent, expired + balance, pending, held, debt",
}
# The rest of it: the same too where every member's events arrived in the same order.
_MOVEMENTS: Final = {
    "wallet": "external_id, currency, earned, reversed, spent, expired, balance, pending, held, debt, next_expiry_at",
    "lot": "external_id, held.id, currency, points, remaining, earned_at, expires_at, event_id, source",
    "transfer": "external_id, currency, kind, points, debit, credit, lot_id, at, event_id, source",
    "activity": "external_id, seq, at, event_id, effects::text",
}


@dataclass(frozen=True)
class Grocer:
    """A sandbox of its own on the servers, and a key for all of it."""

    servers: Both
    name: str
    program_id: int
    key: str

    async def rows(self, sql: str, *values: object) -> Rows:
        """What a query gives; $1 is the program."""
        # Past the service's own way to its database, which is what is under test.
        connection = await asyncpg.connect(self.servers.database_url)
        try:
            await connection.execute("SELECT set_config('app.program', $1, false)", str(self.program_id))
            return [tuple(row) for row in await connection.fetch(sql, self.program_id, *values)]
        finally:
            await connection.close()

    async def outcomes(self, *, of_one_order: bool = False) -> dict[str, Rows]:
        """All that came of the events, by table; with the feed and every movement where the order of arrival is the same."""
        tables = {**_OUTCOMES, **(_MOVEMENTS if of_one_order else {})}
        return {
            table: await self.rows(
                f"SELECT {columns} FROM {table} AS held"
                " JOIN member ON member.program_id = $1 AND member.id = held.member_id"
                f" WHERE held.program_id = $1 ORDER BY {', '.join(map(str, range(1, columns.count(',') + 2)))}"
            )
            for table, columns in tables.items()
        }

    async def stored_ids(self) -> list[str]:
        """The ids of all events in the program, one for each row."""
        return [row[0] for row in await self.rows("SELECT id FROM event WHERE program_id = $1")]

    async def effects(self) -> list[str]:
        """The ids of the events whose base points were booked, one for each booking."""
        sql = "SELECT event_id FROM transfer WHERE program_id = $1 AND kind = 'earn' AND source = 'base'"
        return [row[0] for row in await self.rows(sql)]

    async def last_seqs(self, members: Sequence[str]) -> dict[str, int]:
        """How far the feeds of these members go."""
        sql = (
            "SELECT external_id, max(seq) FROM activity JOIN member ON member.program_id = $1"
            " AND member.id = activity.member_id WHERE activity.program_id = $1 AND external_id = ANY($2) GROUP BY 1"
        )
        return dict(await self.rows(sql, list(members)))

    def verify(self) -> str:
        """What `engagement verify` says."""
        urls = {"DATABASE_URL": self.servers.database_url, "REDIS_URL": self.servers.redis_url}
        done = run("verify", "--program", self.name, **urls)
        return (done.stdout if done.returncode in {0, 1} else done.stderr).strip()

    async def wrong_boards(self) -> list[str]:
        """The boards whose order in Redis is not PostgreSQL's, or that nothing vouches for."""
        found: dict[tuple[str, str], list[str]] = {}
        for board, period, member in await self.rows(
            "SELECT board, period, external_id FROM board_score JOIN member ON member.program_id = $1"
            " AND member.id = member_id WHERE board_score.program_id = $1 ORDER BY 1, 2, score DESC, reached_at, 3"
        ):
            found.setdefault((board, period), []).append(member)
        redis: Redis = Redis.from_url(self.servers.redis_url, decode_responses=True, protocol=2)
        try:
            server = await redis.info("server")
            if await redis.get(placing.mark(self.program_id)) != server["run_id"]:
                return ["not filled"]
            wrong = []
            for (board, period), members in found.items():
                names = await redis.zrange(placing.keys_of(self.program_id, board, period)[0], 0, -1)
                # A name begins with the instant at which the score was reached, of twenty digits.
                if [name[20:] for name in names] != members:
                    wrong.append(f"{board} {period}")
            return wrong
        finally:
            await redis.aclose()


async def founded(servers: Both, name: str) -> Grocer:
    """A new sandbox of that name."""
    return await founded_by(servers, name, read_program(GROCER), Sandbox(EPOCH), SCOPES)


async def founded_by(
    servers: Both, name: str, document: dict[str, Any], sandbox: Sandbox | None, scopes: frozenset[str]
) -> Grocer:
    """A new program of that name by another document, and a key for it; without `sandbox`, by the real clock."""
    document = {**document, "program": {**document["program"], "key": name}}
    async with database(servers.database_url) as opened:
        await apply_directly(opened, document, sandbox)
        key = await make_key(opened, name, "stress", scopes)
        return Grocer(servers, name, (await program_named(opened, name)).id, key)


def shopping(seed: int, members: int, events: int) -> list[Event]:
    """Purchases of a year in order of time, each with an id of its own; the same for the same seed."""
    chance = random.Random(seed)
    gap = timedelta(days=360) / events
    return [
        {
            "id": f"e{seed}-{number:06}",
            "member": f"m{chance.randrange(members):03}",
            "type": "purchase",
            "occurredAt": (BEGIN + number * gap).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "properties": {
                "amount": f"{chance.randrange(10, 2_000) / 10:.2f}",
                "departments": sorted(chance.sample(_DEPARTMENTS, chance.randrange(1, 5))),
            },
        }
        for number in range(events)
    ]


def differences(one: dict[str, Rows], other: dict[str, Rows]) -> str:
    """Where two programs' outcomes differ, with the first row that does; "none" where they do not."""
    found = []
    for table, rows in one.items():
        if rows != other[table]:
            # Each with the row of the other that begins with the same.
            mine, theirs = sorted(set(rows) - set(other[table])), sorted(set(other[table]) - set(rows))
            pair = next(((a, b) for a in mine for b in theirs if a[:2] == b[:2]), (mine[:1], theirs[:1]))
            found.append(f"{table}: {len(mine)} and {len(theirs)} rows, as {pair[0]} and {pair[1]}")
    return "; ".join(found) or "none"
