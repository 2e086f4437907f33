import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engagement.records.unit import Unit
from tests.api.conftest import ADVANCE, APPLY, NOON, START, House, Service, document


async def apply(house: House, changed: Any = None, **given: object) -> dict[str, Any]:
    wanted = document(house.program.key) if changed is None else changed
    answer: dict[str, Any] = (await house.data(APPLY, {"input": {"document": wanted, **given}}))["applyProgram"]
    return answer


async def advance(house: House, to: str, **given: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.data(ADVANCE, {"input": {"to": to, **given}}))["advanceTestClock"]
    return answer


@asynccontextmanager
async def locked(house: House, rows: str) -> AsyncIterator[None]:
    """Somebody else holds rows of the program."""
    held, done = asyncio.Event(), asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch(f"SELECT FROM {rows} FOR UPDATE", unit.program)
        held.set()
        await done.wait()

    holding = asyncio.create_task(house.service.database.run(hold, house.program.id))
    await held.wait()
    yield
    done.set()
    await holding


async def test_program_is_told(house: House, real: House) -> None:
    found = (await house.data("{ program { key name timezone sandbox now revision } }"))["program"]
    assert found == {
        "key": house.program.key,
        "name": "Corner Grocer",
        "timezone": "America/New_York",
        "sandbox": True,
        "now": START,
        "revision": 1,
    }
    assert (await real.data("{ program { sandbox } }"))["program"] == {"sandbox": False}


async def test_document_changes_what_differs(house: House) -> None:
    assert (await apply(house))["changes"] == []
    changed = document(house.program.key)
    changed["streaks"] = []
    changed["earn_rules"][0]["earn"]["rate"] = 2
    changed["badges"].append({"key": "new", "on": "purchase", "levels": [{"target": 5}]})
    answer = await apply(house, changed)
    assert answer["__typename"] == "ApplyProgramSuccess"
    assert sorted(map(str, answer["changes"])) == sorted(
        map(
            str,
            [
                {"kind": "earn_rule", "key": "base", "change": "CHANGED"},
                {"kind": "badge", "key": "new", "change": "CREATED"},
                {"kind": "streak", "key": "daily", "change": "REMOVED"},
            ],
        )
    )
    assert answer["program"]["revision"] == 2


async def test_dry_run_tells_what_would_change(house: House) -> None:
    changed = document(house.program.key, streaks=[])
    changed["program"]["name"] = "Grocer at the corner"
    foreseen = await apply(house, changed, dryRun=True, idempotencyKey="k1")
    assert foreseen["changes"] == [
        {"kind": "program", "key": house.program.key, "change": "CHANGED"},
        {"kind": "streak", "key": "daily", "change": "REMOVED"},
    ]
    assert (foreseen["program"]["name"], foreseen["program"]["revision"]) == ("Grocer at the corner", 2)
    assert (await house.data("{ program { name revision } }"))["program"] == {"name": "Corner Grocer", "revision": 1}
    assert await apply(house, changed, dryRun=False, idempotencyKey="k1") == foreseen


async def test_fields_that_differ_are_told_also_of_a_stored_reply(house: House) -> None:
    changed = document(house.program.key)
    changed["earn_rules"][0]["earn"]["rate"] = 2
    changed["streaks"][0]["name"] = "Day by day"
    asked = """mutation ($input: ApplyProgramInput!) { applyProgram(input: $input) {
      ... on ApplyProgramSuccess { changes { key takes fields { path before after } } } } }"""
    given = {"input": {"document": changed, "idempotencyKey": "fields"}}
    told = [(await house.data(asked, given))["applyProgram"]["changes"] for _ in range(2)]
    assert told[0] == told[1]
    assert {each["key"]: (each["takes"], each["fields"]) for each in told[0]} == {
        "base": (True, [{"path": "earn.rate", "before": None, "after": "2"}]),
        "daily": (False, [{"path": "name", "before": "Days", "after": "Day by day"}]),
    }


async def test_dry_run_of_a_new_program_makes_none(service: Service) -> None:
    given = {"document": document("not-yet"), "sandbox": {"clock": START}, "dryRun": True}
    for _ in range(2):
        reply = await service.ask(APPLY, {"input": given}, key=service.operator)
        answer = reply["data"]["applyProgram"]
        assert answer["program"]["now"] == START
        assert {each["change"] for each in answer["changes"]} == {"CREATED"}
    reply = await service.ask("{ program { key } }", key=service.operator, program="not-yet")
    assert reply["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_dry_run_refuses_what_would_be_refused(house: House) -> None:
    wrong = document(house.program.key, streaks=[{"key": "daily", "on": "purchase", "period": "week"}])
    assert (await apply(house, wrong, dryRun=True))["mistakes"][0]["path"] == "streaks[0].period"
    assert (await apply(house, document("somebody-elses"), dryRun=True))["__typename"] == "NotFoundError"


async def test_idempotency_key_gives_the_same_reply(house: House) -> None:
    changed = document(house.program.key, streaks=[])
    first = await apply(house, changed, idempotencyKey="k1")
    assert (first["replayed"], len(first["changes"])) == (False, 1)
    assert await apply(house, changed, idempotencyKey="k1") == {**first, "replayed": True}
    reused = await apply(house, document(house.program.key), idempotencyKey="k1")
    assert (reused["__typename"], reused["code"]) == ("IdempotencyKeyReusedError", "IDEMPOTENCY_KEY_REUSED")
    # An explicit null is no key.
    for _ in range(2):
        assert (await apply(house, changed, idempotencyKey=None, sandbox=None))["replayed"] is False


@pytest.mark.parametrize("key", ["", "x" * 65, "a\nb"])
async def test_idempotency_key_has_a_form(house: House, key: str) -> None:
    answer = await apply(house, idempotencyKey=key)
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "idempotencyKey")


async def test_every_mistake_is_told(house: House) -> None:
    wrong = document(house.program.key)
    wrong["streaks"][0]["period"] = "year"
    wrong["badges"][0]["colour"] = "red"
    answer = await apply(house, wrong)
    assert (answer["__typename"], answer["code"]) == ("InvalidProgramError", "INVALID_PROGRAM")
    assert [each["path"] for each in answer["mistakes"]] == ["streaks[0].period", "badges[0].colour"]
    unfit: tuple[object, ...] = (5, "x", [], {})
    for nonsense in unfit:
        assert (await apply(house, nonsense))["__typename"] == "InvalidProgramError"


async def test_key_of_a_program_makes_no_other(house: House) -> None:
    answer = await apply(house, document("somebody-elses"))
    assert (answer["__typename"], answer["code"]) == ("NotFoundError", "NOT_FOUND")


async def test_no_program_becomes_a_sandbox(real: House) -> None:
    answer = await apply(real, sandbox={})
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "sandbox")
    answer = await apply(real, sandbox={"clock": "noon"})
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "sandbox.clock")


async def test_busy_program_says_try_again(house: House) -> None:
    async with locked(house, "program WHERE id = $1"):
        applied, advanced = await asyncio.gather(apply(house), advance(house, NOON))
    assert (applied["__typename"], applied["code"]) == ("TryAgainError", "IN_PROGRESS")
    assert (advanced["__typename"], advanced["code"]) == ("TryAgainError", "IN_PROGRESS")


async def test_clock_moves_forward_and_applies_what_falls_due(house: House) -> None:
    await house.bought("anna", "e1", 10, START)
    assert await advance(house, "2026-11-05T12:00:00+01:00") == {
        "__typename": "AdvanceTestClockSuccess",
        "now": "2026-11-05T11:00:00Z",
        "members": 1,
        "replayed": False,
    }
    assert (await house.data("{ program { now } }"))["program"]["now"] == "2026-11-05T11:00:00Z"
    activity = await house.data(
        '{ activity(member: "anna", first: 1) { edges { node { eventId effects { __typename } } } } }'
    )
    assert activity["activity"]["edges"][0]["node"] == {"eventId": None, "effects": [{"__typename": "StreakChanged"}]}


async def test_clock_is_set_once_for_a_key(house: House) -> None:
    first = await advance(house, NOON, idempotencyKey="k1")
    assert first["replayed"] is False
    assert (await advance(house, NOON, idempotencyKey="k1"))["replayed"] is True
    reused = await advance(house, "2026-11-22T12:00:00Z", idempotencyKey="k1")
    assert (reused["__typename"], reused["code"]) == ("IdempotencyKeyReusedError", "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("to", ["2026-10-31T12:00:00Z", "tomorrow", "2026-11-05", "9999-01-01T00:00:00Z"])
async def test_clock_is_set_to_a_later_instant(house: House, to: str) -> None:
    answer = await advance(house, to)
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", "to")


async def test_only_a_sandbox_has_a_clock(real: House) -> None:
    answer = await advance(real, "2100-01-01T00:00:00Z")
    assert (answer["__typename"], answer["code"]) == ("NotASandboxError", "NOT_A_SANDBOX")


async def test_replies_never_show_a_secret(house: House) -> None:
    await apply(house, document(house.program.key, streaks=[]), idempotencyKey="k1")

    async def results(unit: Unit) -> list[str]:
        rows = await unit.fetch("SELECT result::text FROM idempotency WHERE program_id = $1", unit.program)
        return [row["result"] for row in rows]

    (stored,) = await house.service.database.run(results, house.program.id)
    assert "token_secret" not in stored


PROBLEMS = "{ definitionProblems { kind key path reason count at member event } }"


async def test_conditions_that_fail_are_told_with_their_definition(house: House) -> None:
    wanted = document(house.program.key)
    wanted["earn_rules"].append(
        {"key": "large", "on": "purchase", "when": "event.amount > 9.0", "earn": {"currency": "points", "fixed": 5}}
    )
    await apply(house, wanted)
    assert (await house.data(PROBLEMS))["definitionProblems"] == []
    answer = await house.record({"id": "e1", "member": "ann", "type": "purchase", "occurredAt": NOON, "properties": {}})
    assert not [each for each in answer["receipts"][0]["effects"] if each.get("source") == "large"]
    assert (await house.data(PROBLEMS))["definitionProblems"] == [
        {
            "kind": "earn_rule",
            "key": "large",
            "path": "when",
            "reason": "this event has no `amount`; send it with each event, or say `required: true` of it in its event type",
            "count": 1,
            "at": NOON,
            "member": "ann",
            "event": "e1",
        }
    ]
    wanted["event_types"][0]["properties"]["amount"] = {"type": "decimal", "required": True}
    wanted["earn_rules"][-1]["when"] = "event.amount > 8.0"
    await apply(house, wanted)
    assert (await house.data(PROBLEMS))["definitionProblems"] == []


async def test_definitions_are_told_with_where_they_stand(house: House) -> None:
    spring = {"key": "spring", "name": "Spring", "objectives": [{"on": "purchase", "target": 2}]}
    life = {"starts": "2027-03-01T00:00:00Z", "ends": "2027-04-01T00:00:00Z"}
    await apply(
        house,
        document(house.program.key, challenges=[{**spring, **life}, {**spring, "key": "idea", "status": "draft"}]),
    )
    text = "{ definitions { kind key name status version starts ends } }"
    found = {each["key"]: each for each in (await house.data(text))["definitions"] if each["kind"] == "challenge"}
    assert found["spring"] == {
        "kind": "challenge",
        "key": "spring",
        "name": "Spring",
        "status": "SCHEDULED",
        "version": 1,
        "starts": "2027-03-01T00:00:00Z",
        "ends": "2027-04-01T00:00:00Z",
    }
    assert (found["idea"]["status"], found["month"]["status"]) == ("DRAFT", "ENDED")
    reader = await house.service.key(house.program.id, ["members:read"])
    assert (await house.refusal(text, key=reader))["code"] == "FORBIDDEN"
