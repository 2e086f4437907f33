"""A program to work in."""

import pytest

from engagement.records import outbox, programs
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit


@pytest.fixture
async def program(records: Database) -> Program:
    """An empty program."""

    async def create(unit: Unit) -> Program:
        made = await programs.create(unit, key="grocer", name="Grocer", timezone="UTC", token_secret=b"secret")
        assert made is not None
        return made

    return await records.run(create, ALL)


async def published(unit: Unit, *payloads: bytes) -> None:
    """Leave messages in the outbox, now."""
    outbox.publish(unit, *payloads)
    await unit.flush()
