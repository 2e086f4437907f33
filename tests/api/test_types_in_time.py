"""Events over GraphQL are checked against their type as it was at their own instant, late ones and amended ones too."""

from typing import Any

import pytest

from tests.api.conftest import ADVANCE, APPLY, House, document
from tests.api.test_amendments import amend, refused

BEFORE, THEN, TURN, NOW = (f"{day}T12:00:00Z" for day in ("2026-10-01", "2026-11-05", "2026-11-10", "2026-11-15"))
"""Before the program; under its first definitions; where they change; under its second."""


@pytest.fixture
async def changed(house: House) -> House:
    """A program whose `visit` went and whose `review` came, and whose `purchase` needs a channel since."""
    visits = {"key": "visits", "on": "visit", "earn": {"currency": "points", "fixed": 3}}
    types = [{"key": "purchase", "properties": {"amount": "decimal"}}, {"key": "visit"}]
    first = document(house.program.key, event_types=types)
    await _applied(house, {**first, "earn_rules": [*first["earn_rules"], visits]})
    await house.data(ADVANCE, {"input": {"to": TURN, "idempotencyKey": "a"}})
    channel = {"type": "string", "required": True}
    types = [{"key": "purchase", "properties": {"amount": "decimal", "channel": channel}}, {"key": "review"}]
    await _applied(house, document(house.program.key, event_types=types))
    return house


async def _applied(house: House, written: dict[str, Any]) -> None:
    applied = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert applied["__typename"] == "ApplyProgramSuccess", applied


def _sent(identity: str, kind: str, at: str, **properties: object) -> dict[str, object]:
    return {"id": identity, "member": "anna", "type": kind, "occurredAt": at, "properties": properties}


async def test_an_event_is_what_its_type_said_at_its_instant(changed: House) -> None:
    answer = await changed.record(
        _sent("visit then", "visit", THEN),
        _sent("visit now", "visit", NOW),
        _sent("review then", "review", THEN),
        _sent("review now", "review", NOW),
        _sent("purchase then", "purchase", THEN, amount=12),
        _sent("purchase now", "purchase", NOW, amount=12),
        _sent("wrong then", "purchase", THEN, amount="much"),
        _sent("purchase in full", "purchase", NOW, amount=12, channel="app"),
    )
    earned = {
        each["id"]: [effect["points"] for effect in each["effects"] if effect.get("source") in ("base", "visits")]
        for each in answer["receipts"]
    }
    assert earned == {"visit then": [3], "review now": [], "purchase then": [12], "purchase in full": [12]}
    assert [(each["id"], each["code"], each["field"]) for each in answer["refused"]] == [
        ("visit now", "UNKNOWN_EVENT_TYPE", "type"),
        ("review then", "UNKNOWN_EVENT_TYPE", "type"),
        ("purchase now", "INVALID_PROPERTIES", "properties.channel"),
        ("wrong then", "INVALID_PROPERTIES", "properties.amount"),
    ]
    said = [each["message"] for each in answer["refused"]]
    assert said[0] == "no event type `visit`; the program defines: purchase, review"
    assert said[1] == f"no event type `review` at {THEN}; the program defined then: purchase, visit"


async def test_what_came_before_the_program_is_described_by_its_newest_definitions(changed: House) -> None:
    answer = await changed.record(
        _sent("review", "review", BEFORE),
        _sent("visit", "visit", BEFORE),
        _sent("purchase", "purchase", BEFORE, amount=12, channel="app"),
    )
    assert [(each["id"], each["effects"]) for each in answer["receipts"]] == [("review", []), ("purchase", [])]
    assert [(each["id"], each["code"]) for each in answer["refused"]] == [("visit", "UNKNOWN_EVENT_TYPE")]


async def test_an_event_is_amended_as_its_type_was_at_its_instant(changed: House) -> None:
    await changed.record(
        _sent("then", "purchase", THEN, amount=12), _sent("now", "purchase", NOW, amount=12, channel="app")
    )
    assert (await amend(changed, "then", {"amount": 5}))["status"] == "APPLIED"
    answer = await amend(changed, "now", {"amount": 5})
    assert refused(answer) == ("InvalidInputError", "INVALID_INPUT", "properties.channel")
    assert (await amend(changed, "now", {"amount": 5, "channel": "shop"}))["status"] == "APPLIED"
