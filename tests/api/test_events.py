import asyncio
from datetime import UTC, datetime

import pytest

from achievements import outcomes
from engagement.api.effects import Aside, BadgeAwarded, LeaderboardScored, OutcomeWithdrawn, shown
from engagement.api.movements import PointsExpired
from engagement.api.scalars import DateTime, Points
from engagement.records.unit import Unit
from tests.api.conftest import NOON, RECORD, House


def purchase(**changes: object) -> dict[str, object]:
    return {
        "id": "e1",
        "member": "anna",
        "type": "purchase",
        "occurredAt": NOON,
        "properties": {"amount": "12.50"},
        **changes,
    }


async def test_receipt_tells_every_effect(house: House) -> None:
    receipt = await house.bought("anna", "e1", "12.50")
    assert {key: value for key, value in receipt.items() if key != "effects"} == {
        "index": 0,
        "id": "e1",
        "member": "anna",
        "status": "APPLIED",
        "replayed": False,
    }
    assert receipt["effects"] == [
        {"__typename": "PointsEarned", "currency": "points", "points": 12, "source": "base", "at": NOON},
        {"__typename": "StreakChanged", "streak": "daily", "current": 1, "longest": 1, "broken": False, "at": NOON},
        {
            "__typename": "ChallengeProgressed",
            "challenge": "month",
            "period": "2026-11",
            "objectives": [{"current": "1", "target": "2", "fraction": 0.5, "remaining": "1"}],
        },
        {
            "__typename": "ChallengeProgressed",
            "challenge": "spend",
            "period": "",
            "objectives": [{"current": "12.50", "target": "100", "fraction": 0.125, "remaining": "87.50"}],
        },
        {"__typename": "BadgeAwarded", "badge": "regular", "level": "bronze", "name": "Familiar face", "at": NOON},
        {"__typename": "LeaderboardScored", "leaderboard": "ever", "period": "", "score": 12, "rank": 1},
        {"__typename": "LeaderboardScored", "leaderboard": "monthly", "period": "2026-11", "score": 12, "rank": 1},
    ]


async def test_repeated_event_gives_its_first_reply(house: House) -> None:
    first = await house.bought("anna", "e1", "12.50")
    again = await house.bought("anna", "e1", "12.50")
    assert again == {**first, "replayed": True}


async def test_rank_is_of_the_moment(house: House) -> None:
    await house.bought("anna", "e1", 10)
    await house.bought("bert", "e1", 20)
    replayed = await house.bought("anna", "e1", 10)
    assert {each["rank"] for each in replayed["effects"] if each["__typename"] == "LeaderboardScored"} == {2}


async def test_bad_event_is_refused_by_itself(house: House) -> None:
    answer = await house.record(
        purchase(),
        purchase(id="e2", type="theft"),
        purchase(id="e3", occurredAt="yesterday"),
        purchase(id="e4", properties={"amount": "much"}),
        purchase(id="e5"),
    )
    assert [(each["index"], each["id"]) for each in answer["receipts"]] == [(0, "e1"), (4, "e5")]
    assert [(each["index"], each["id"]) for each in answer["refused"]] == [(1, "e2"), (2, "e3"), (3, "e4")]
    assert all(each["code"] and each["message"] and each["field"] for each in answer["refused"])


@pytest.mark.parametrize("name", ["id", "member", "type", "occurredAt", "properties"])
async def test_null_is_as_if_left_out(house: House, name: str) -> None:
    left_out = purchase()
    del left_out[name]
    one = await house.record(purchase(**{name: None}))
    other = await house.record(left_out)
    for answer in (one, other):
        for each in answer["receipts"]:
            each.pop("replayed")
    assert one == other
    assert bool(one["refused"]) == (name in ("id", "member", "type"))


async def test_changed_event_is_a_conflict(house: House) -> None:
    answer = await house.record(purchase(), purchase(properties={"amount": "13.50"}))
    (refused,) = answer["refused"]
    assert (refused["index"], refused["code"]) == (1, "EVENT_CONFLICT")


async def test_late_event_tells_what_it_changed_afterwards(house: House) -> None:
    await house.bought("anna", "e1", 10)
    late = await house.bought("anna", "e0", 20, "2026-11-20T12:00:00Z")
    assert late["status"] == "APPLIED"
    told = {each["__typename"]: each for each in late["effects"]}
    assert (told["StreakChanged"]["current"], told["StreakChanged"]["at"]) == (2, NOON)
    assert told["ChallengeCompleted"] == {
        "__typename": "ChallengeCompleted",
        "challenge": "month",
        "period": "2026-11",
        "at": NOON,
    }


def test_what_is_withdrawn_is_told_with_what_it_was() -> None:
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    badge = outcomes.BadgeAwarded("regular", "bronze", at, "e1")
    board = outcomes.Scored("ever", "", 12, at)
    aside = Aside({("regular", "bronze"): "Familiar face"}, {("ever", "", "", "anna"): 3})
    withdrawn, scored, expired = shown(
        [outcomes.Withdrawn(badge), board, outcomes.PointsExpired("points", 2**40, at)], "anna", aside
    )
    assert withdrawn == OutcomeWithdrawn(
        outcome=BadgeAwarded(badge="regular", level="bronze", name="Familiar face", at=DateTime(NOON))
    )
    assert scored == LeaderboardScored(leaderboard="ever", period="", group=None, score=Points(12), rank=3)
    assert expired == PointsExpired(currency="points", points=Points(2**40), at=DateTime(NOON))


async def test_no_events_are_an_invalid_input(house: House) -> None:
    answer = await house.record()
    assert (answer["__typename"], answer["code"]) == ("InvalidInputError", "INVALID_INPUT")
    answer = await house.record(*(purchase(id=f"e{number}") for number in range(1001)))
    assert answer["__typename"] == "InvalidInputError"


async def test_thousand_events_are_taken_at_once(house: House) -> None:
    answer = await house.record(*(purchase(id=f"e{number}", member=f"m{number % 50}") for number in range(1000)))
    assert len(answer["receipts"]) == 1000
    assert [each["index"] for each in answer["receipts"]] == list(range(1000))


async def test_busy_member_says_try_again(house: House) -> None:
    await house.bought("anna", "e1", 10)
    held = asyncio.Event()
    done = asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch("SELECT FROM member_state WHERE program_id = $1 FOR UPDATE", unit.program)
        held.set()
        await done.wait()

    holding = asyncio.create_task(house.service.database.run(hold, house.program.id))
    await held.wait()
    answer = await house.record(purchase(id="e2"))
    done.set()
    await holding
    assert (answer["__typename"], answer["code"]) == ("TryAgainError", "IN_PROGRESS")
    assert (await house.bought("anna", "e2", "12.50"))["replayed"] is False


async def test_document_that_selects_no_rank_or_name_is_answered(house: House) -> None:
    text = """mutation($input: RecordEventsInput!) { recordEvents(input: $input) { ... on RecordEventsSuccess {
      receipts { effects { ... on PointsEarned { points } } } } } }"""
    data = await house.data(text, {"input": {"events": [purchase()]}})
    assert data["recordEvents"]["receipts"][0]["effects"][0] == {"points": 12}


async def test_wrong_json_types_are_the_requests_mistake(house: House) -> None:
    reply = await house.ask(RECORD, {"input": {"events": [purchase(occurredAt=5)]}})
    assert reply["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
