"""A service without its API: a database, compiled rules, an intake, and programs to fill."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from achievements import periods
from engagement.actions import clock, programs
from engagement.actions.checkout import Checkout
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.record_events import Intake, Recorded
from engagement.actions.sent_events import SentEvent
from engagement.records.unit import Database, Unit
from tests.achievements.programs import EVERYTHING, document

BEGIN = periods.rfc3339("1970-01-01T00:00:00Z")


class House:
    """A program and everything needed to send it events and look at what came of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cache = Programs()
        self.intake = Intake(database, self.cache)
        self.checkout = Checkout(database, self.cache)
        self.program = 0

    async def apply(self, written: dict[str, Any], sandbox: Sandbox | None = None, **options: Any) -> programs.Applied:
        """Apply a document as an operator; its program is the one that events go to from now on."""
        options = {"principal": "operator", "own": None, **options}
        applied = await programs.apply(self.database, written, sandbox=sandbox, **options)
        self.program = applied.program.id
        return applied

    async def send(self, *events: tuple[object, ...], intake: Intake | None = None) -> Recorded:
        """Send events, each (id, member, type, instant, properties)."""
        return await (intake or self.intake).record(self.program, [SentEvent(*event) for event in events])

    async def advance(self, to: str) -> clock.Advanced:
        """Set the test clock."""
        return await clock.advance_test_clock(
            self.database, self.cache, self.program, periods.rfc3339(to), principal="operator"
        )

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query on the program's rows gives; $1 is the program."""

        async def work(unit: Unit) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await unit.fetch(sql, unit.program, *values)]

        return await self.database.run(work, self.program, read_only=True)

    async def outcomes(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the fold and the ledger say, by table, without what depends on the order of arrival."""
        tables = {
            "member_state": "external_id, (state - 'at')::text",
            "completion": "external_id, challenge, period, completed_at, event_id",
            "badge_award": "external_id, badge, level, awarded_at, event_id",
            "board_score": "external_id, board, period, score, reached_at",
            "wallet": "external_id, currency, earned - reversed AS earned, expired, balance",
        }
        return {
            table: await self.rows(
                f"SELECT {columns} FROM {table} JOIN member ON member.program_id = $1 AND member.id = {table}.member_id"
                f" WHERE {table}.program_id = $1 ORDER BY 1, 2, 3"
                if table != "member_state"
                else f"SELECT {columns} FROM {table} JOIN member ON member.program_id = $1 AND member.id = {table}.member_id"
                f" WHERE {table}.program_id = $1 ORDER BY 1"
            )
            for table, columns in tables.items()
        }


@pytest.fixture
async def house(records: Database) -> House:
    """A sandbox since 1970 under every kind of definition at once."""
    house = House(records)
    await house.apply(document(**EVERYTHING), Sandbox(BEGIN))
    return house


def purchase(
    identity: str, member: str, at: str | datetime, amount: str = "10.00", *departments: str
) -> tuple[object, ...]:
    """A purchase as it is sent."""
    written = at if isinstance(at, str) else at.isoformat()
    return (identity, member, "purchase", written, {"amount": amount, "departments": list(departments)})


def kinds(effects: Sequence[object]) -> list[str]:
    """The kinds of some effects."""
    return [type(each).__name__ for each in effects]
