"""Conditions that fail at run time: not met, counted on their definitions, and told of until they are mended."""

from typing import Any

import pytest

from achievements.periods import rfc3339
from engagement.actions import refolding
from engagement.actions.programs import Sandbox
from engagement.records import problems
from engagement.records.problems import Problem
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.conftest import BEGIN, House
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies

MISSING = "this event has no `amount`; send it with each event, or say `required: true` of it in its event type"


def asking(when: str = "event.amount >= 10.0") -> dict[str, Any]:
    """A program with the same condition on two rules, and none on a third."""
    rules = [{"key": key, "on": "purchase", "when": when, "earn": {"fixed": 1}} for key in ("large", "twin")]
    always = {"key": "always", "on": "purchase", "earn": {"fixed": 2}}
    return document(earn_rules=[*rules, always])


def bare(identity: str, at: str, member: str = "ann", **properties: object) -> tuple[object, ...]:
    """A purchase with these properties alone."""
    return (identity, member, "purchase", at, properties)


async def told(house: House) -> list[Problem]:
    return await house.database.run(problems.of_program, house.program, read_only=True)


@pytest.fixture
async def house(records: Database) -> House:
    """A sandbox with conditions on a property that need not be there."""
    house = House(records)
    await house.apply(asking(), Sandbox(BEGIN))
    return house


async def test_failures_are_counted_by_definition_with_the_latest_event(house: House) -> None:
    assert await told(house) == []
    await house.send(
        bare("e1", "2017-03-01T10:00:00Z"),
        bare("e3", "2017-03-03T10:00:00Z", "bob"),
        bare("e2", "2017-03-02T10:00:00Z", "cid"),
        bare("whole", "2017-03-04T10:00:00Z", amount="10.00"),
    )
    latest: dict[str, Any] = {
        "at": rfc3339("2017-03-03T10:00:00Z"),
        "path": "when",
        "reason": MISSING,
        "member": "bob",
        "event_id": "e3",
    }
    assert await told(house) == [Problem("earn_rule", key, 3, **latest) for key in ("large", "twin")]
    await house.send(bare("e0", "2017-02-01T10:00:00Z", "dan"))
    assert await told(house) == [Problem("earn_rule", key, 4, **latest) for key in ("large", "twin")]
    assert await discrepancies(house) == []


async def test_an_event_fails_once_however_often_it_is_folded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = bare("e2", "2017-03-02T10:00:00Z")
    await house.send(failing)
    await house.send(failing)
    await house.send(bare("e1", "2017-03-01T10:00:00Z", amount=3))
    assert [each.count for each in await told(house)] == [1, 1]
    late = bare("e0", "2017-02-28T10:00:00Z")
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 0)
    (receipt,) = (await house.send(late)).receipts
    assert receipt.status == "PENDING"
    await house.advance("2017-03-05T00:00:00Z")
    assert [each.count for each in await told(house)] == [2, 2]
    monkeypatch.undo()
    await amend(house, failing, {"amount": 12})
    await amend(house, bare("e1", "2017-03-01T10:00:00Z"), {})
    (first, _) = await told(house)
    assert (first.count, first.event_id, first.member) == (3, "e2", "ann")


async def test_who_counts_at_once_counts_all(house: House) -> None:
    async def count(lane: int, events: int) -> None:
        sql = "INSERT INTO problem SELECT program_id, kind, key, $2, $3, at, path, reason, member_id, event_id FROM problem"
        await house.database.run(
            lambda unit: unit.execute(f"{sql} WHERE program_id = $1", unit.program, lane, events), house.program
        )

    await house.send(bare("e1", "2017-03-01T10:00:00Z"))
    await count(100, 5)
    assert [each.count for each in await told(house)] == [6, 6]
    await house.send(bare("e2", "2017-03-02T10:00:00Z"))
    assert [(each.count, each.event_id) for each in await told(house)] == [(7, "e2"), (7, "e2")]


async def test_a_changed_definition_begins_anew(house: House) -> None:
    await house.send(bare("e1", "2017-03-01T10:00:00Z"))
    mended = asking()
    mended["earn_rules"][0]["when"] = "event.amount >= 20.0"
    await house.apply(mended)
    assert [each.key for each in await told(house)] == ["twin"]
    del mended["earn_rules"][1]
    await house.apply(mended)
    assert await told(house) == []
    # Judged by what was in force then, of which one is no more.
    await house.send(bare("e0", "2017-02-01T10:00:00Z"))
    assert [(each.key, each.count) for each in await told(house)] == [("large", 1)]
