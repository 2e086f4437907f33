"""Writes that go to the server together."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from engagement.records import outbox
from engagement.records.programs import Program
from engagement.records.statements import together
from engagement.records.unit import Database, Unit

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def test_places_are_numbered_on() -> None:
    sql, values = together([("INSERT $1, $2", (1, 2)), ("UPDATE $2, $1, $11", (*range(11),)), ("DELETE $1", (9,))])
    assert sql == "WITH written_0 AS (INSERT $1, $2), written_1 AS (UPDATE $4, $3, $13) DELETE $14"
    assert values == (1, 2, *range(11), 9)
    assert together([("DELETE $1", (9,))]) == ("DELETE $1", (9,))


class Overheard:
    """A connection that keeps what is asked of it."""

    def __init__(self, connection: Any, sent: list[str]) -> None:
        self._connection = connection
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        def ask(sql: str, *values: object) -> Any:
            self._sent.append(sql)
            return getattr(self._connection, name)(sql, *values)

        return ask


async def test_what_is_written_goes_in_one_statement_before_anything_else(records: Database, program: Program) -> None:
    sent: list[str] = []

    async def work(unit: Unit) -> list[str]:
        unit._connection = Overheard(unit._connection, sent)
        outbox.publish(unit, b"1")
        outbox.publish(unit, b"2", b"3")
        unit.write("DELETE FROM outbox WHERE program_id = $1 AND created_at < $2", unit.program, LONG_AGO)
        found = [row["payload"] for row in await unit.fetch("SELECT payload FROM outbox ORDER BY id")]
        outbox.publish(unit, b"4")
        return found

    assert await records.run(work, program.id) == ["1", "2", "3"]
    assert [sql.split()[0] for sql in sent] == ["WITH", "SELECT", "INSERT"]
    assert await records.run(lambda unit: unit.fetchval("SELECT count(*) FROM outbox"), program.id) == 4


async def test_what_is_written_wrongly_undoes_the_unit(records: Database, program: Program) -> None:
    async def work(unit: Unit) -> None:
        outbox.publish(unit, b"{}")
        unit.write("INSERT INTO outbox (program_id, id, payload) VALUES ($1, $2, 'no JSON')", unit.program, UUID(int=7))

    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await records.run(work, program.id)
    assert await records.run(lambda unit: unit.fetchval("SELECT count(*) FROM outbox"), program.id) == 0
