"""Counting the past through the API: tried first, then published, then done by the worker."""

import asyncio
from typing import Any

from tests.api.conftest import START, House, document

PREVIEW = """mutation($input: PreviewProgramInput!) { previewProgram(input: $input) {
  ... on PreviewProgramSuccess { job { id kind } } ... on UserError { code message field } } }"""
LOOK = """query($id: ID!) { job(id: $id) { state problem endedAt } programPreview(job: $id) {
  members gaining losing
  definitions { definition gaining losing gained lost pointsGained { currency points } pointsLost { currency points } }
  listed { member count outcomes } } }"""
APPLY = """mutation($input: ApplyProgramInput!) { applyProgram(input: $input) {
  ... on ApplyProgramSuccess { job countsPast } ... on UserError { code message field } } }"""
POINTS = 'query { member(externalId: "ann") { wallets { balance } } }'


async def ended(house: House, job: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := await house.data(LOOK, {"id": job}))["job"]["endedAt"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found["job"]["state"] == "DONE", found
    return found


async def test_what_counts_the_past_is_seen_first_and_then_done(house: House) -> None:
    await house.bought("ann", "p1", 20)
    rule = {"key": "base", "on": "purchase", "earn": {"currency": "points", "per": "amount", "rate": 2}}
    written = document(house.program.key, earn_rules=[{**rule, "counts_from": START}])
    refused = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "preview")
    tried = (await house.data(APPLY, {"input": {"document": written, "dryRun": True}}))["applyProgram"]
    assert tried == {"job": None, "countsPast": True}
    asked = (await house.data(PREVIEW, {"input": {"document": written}}))["previewProgram"]["job"]
    seen = (await ended(house, asked["id"]))["programPreview"]
    assert (asked["kind"], seen["members"], seen["gaining"], seen["losing"], seen["listed"]) == ("preview", 1, 1, 0, [])
    (found,) = seen["definitions"]
    assert (found["definition"], found["gained"]) == ("earn_rules/base", 1)
    assert found["pointsGained"] == [{"currency": "points", "points": 20}]
    applied = (await house.data(APPLY, {"input": {"document": written, "preview": asked["id"]}}))["applyProgram"]
    assert applied["countsPast"]
    async with asyncio.timeout(60):
        while (await _balance(house)) != 40:  # noqa: ASYNC110 — the worker does it.
            await asyncio.sleep(0.05)


async def test_what_counts_nothing_of_the_past_has_no_preview(house: House) -> None:
    plain = document(house.program.key)
    answer = (await house.data(PREVIEW, {"input": {"document": plain}}))["previewProgram"]
    assert (answer["code"], answer["field"]) == ("INVALID_INPUT", "document")
    other = (await house.data(PREVIEW, {"input": {"document": document("another")}}))["previewProgram"]
    assert (other["code"], other["field"]) == ("INVALID_INPUT", "document")


async def _balance(house: House) -> int:
    data = await house.data(POINTS)
    return sum(each["balance"] for each in data["member"]["wallets"])
