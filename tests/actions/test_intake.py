"""The queue in front of the batches: who goes beside whom, and that nobody is forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engagement.actions import record_events
from engagement.actions.record_events import Intake
from engagement.observer import BatchReport, Observer
from engagement.records.unit import Database
from tests.actions.conftest import House, purchase
from tests.actions.test_amend_events import another

NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)


class Beside(Observer):
    """How many batches were under way at once, and how large they were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.most = 0
        self._now = 0
        run = Database.run

        async def counting(database: Database, *arguments: Any, **options: Any) -> Any:
            self._now += 1
            self.most = max(self.most, self._now)
            try:
                return await run(database, *arguments, **options)
            finally:
                self._now -= 1

        monkeypatch.setattr(Database, "run", counting)

    def batch_committed(self, batch: BatchReport) -> None:
        self.sizes.append(batch.events)


def request(number: int, size: int) -> list[tuple[object, ...]]:
    """Events of four members, whom every request has in common."""
    return [
        purchase(f"r{number}-{each}", f"m{each % 4}", NOON + timedelta(seconds=number * 100 + each))
        for each in range(size)
    ]


async def fed(house: House, intake: Intake, requests: int, size: int) -> None:
    recorded = await asyncio.gather(*(house.send(*request(number, size), intake=intake) for number in range(requests)))
    assert [len(each.receipts) for each in recorded] == [size] * requests
    assert await house.rows("SELECT count(*), count(DISTINCT id) FROM event WHERE program_id = $1") == [
        (requests * size, requests * size)
    ]
    assert intake.gathering.idle


async def test_few_events_wait_for_one_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Beside(monkeypatch)
    await fed(house, Intake(house.database, house.cache, beside), requests=12, size=2)
    assert beside.most == 1
    assert beside.sizes == [24]


async def test_many_events_get_a_second_batch_and_no_third(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_events, "BESIDE_EVENTS_MIN", 8)
    monkeypatch.setattr(record_events, "BATCH_EVENTS_MAX", 8)
    beside = Beside(monkeypatch)
    await fed(house, Intake(house.database, house.cache, beside), requests=12, size=4)
    assert beside.most == 2
    assert max(beside.sizes) == 8


async def test_batches_side_by_side_end_as_one_after_the_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_events, "BESIDE_EVENTS_MIN", 1)
    monkeypatch.setattr(record_events, "BATCH_EVENTS_MAX", 5)
    await fed(house, Intake(house.database, house.cache), requests=10, size=5)
    together = await house.outcomes()
    alone = await another(house.database, "alone")
    for number in range(10):
        await alone.send(*request(number, 5))
    assert await alone.outcomes() == together
