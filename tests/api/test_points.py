"""Points that the program's people give and take, and that members give one another: over HTTP, within every limit."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from engagement.actions import verify
from engagement.actions.programs import Programs
from engagement.records import credentials
from engagement.records.credentials import Limits
from engagement.records.unit import ALL
from tests.api.conftest import APPLY, NOON, House, Service, document, founded
from tests.api.test_holds import CAPTURE, HOLD

ADJUST = """mutation($input: AdjustPointsInput!) { adjustPoints(input: $input) { __typename
  ... on AdjustPointsSuccess { change balance reason replayed effects { __typename } }
  ... on NotEnoughPointsError { missing } ... on LimitExceededError { left } ... on UserError { code field message } } }"""
TRANSFER = """mutation($input: TransferPointsInput!) { transferPoints(input: $input) { __typename
  ... on TransferPointsSuccess { from to points balance replayed effects { __typename ... on PointsTransferred { change } } }
  ... on NotEnoughPointsError { missing } ... on LimitExceededError { left } ... on UserError { code field message } } }"""
WALLETS = """query($who: ID!) { member(externalId: $who) { wallets { currency balance adjusted transferred debt nextExpiry { points } } } }"""
REASONS = [
    {"key": "goodwill", "name": "Goodwill", "direction": "give", "at_most": 500},
    {"key": "mistake", "direction": "take"},
    {"key": "correction"},
]
CURRENCIES = [
    {
        "key": "points",
        "expires": {"after_days": 180},
        "transfers": {"at_least": 5, "at_most": 60, "per_day": {"points": 100, "times": 3}},
    },
    {"key": "gems"},
]


@pytest.fixture
async def shop(service: Service) -> House:
    """A program that gives, takes and lets members give; ann has 100 points, and bob was heard of."""
    house = await founded(service, sandbox={"clock": NOON})
    wanted = document(house.program.key, adjustment_reasons=REASONS, currencies=CURRENCIES)
    reply = await service.ask(APPLY, {"input": {"document": wanted}}, key=service.operator)
    assert reply["data"]["applyProgram"]["__typename"] == "ApplyProgramSuccess", reply
    await house.bought("ann", "a1", "100.00")
    await house.bought("bob", "b1", "0.00")
    return house


async def adjust(house: House, change: object, reason: str = "correction", key: str | None = None, **more: Any) -> Any:
    wanted = {"member": "ann", "change": change, "reason": reason, "currency": "points", "idempotencyKey": str(uuid4())}
    return (await house.data(ADJUST, {"input": {**wanted, **more}}, key=key))["adjustPoints"]


async def give(house: House, points: object, key: str | None = None, **more: Any) -> Any:
    wanted = {"from": "ann", "to": "bob", "points": points, "currency": "points", "idempotencyKey": str(uuid4())}
    return (await house.data(TRANSFER, {"input": {**wanted, **more}}, key=key))["transferPoints"]


async def wallet(house: House, who: str = "ann") -> Any:
    wallets = (await house.data(WALLETS, {"who": who}))["member"]["wallets"]
    return next(each for each in wallets if each.pop("currency") == "points")


async def is_clean(house: House) -> None:
    async for progress in verify.verify(house.service.database, Programs(), house.program.id):
        assert progress.discrepancies == ()


async def limited(house: House, limits: Limits) -> str:
    """A key of the program with limits."""
    return await house.service.database.run(
        lambda unit: credentials.create(unit, house.program.id, "till", ["points:write"], limits), ALL
    )


async def held_by(house: House, key: str, points: int) -> str:
    wanted = {
        "member": "ann",
        "currency": "points",
        "points": points,
        "source": "order",
        "idempotencyKey": str(uuid4()),
    }
    return str((await house.data(HOLD, {"input": wanted}, key=key))["holdPoints"]["hold"]["id"])


async def captured_by(house: House, key: str, hold: str, points: int) -> str | None:
    """The code with which a capture is refused; None where it is done."""
    wanted = {"hold": hold, "points": points, "idempotencyKey": str(uuid4())}
    answer: dict[str, str] = (await house.data(CAPTURE, {"input": wanted}, key=key))["captureHold"]
    return answer.get("code")


async def test_points_are_given_and_taken_for_a_reason(shop: House) -> None:
    given = await adjust(shop, 50, "goodwill", note="sorry for the wait")
    assert (given["change"], given["balance"], given["effects"]) == (50, 150, [{"__typename": "PointsAdjusted"}])
    taken = await adjust(shop, -120, "mistake")
    assert (taken["change"], taken["balance"]) == (-120, 30)
    assert await wallet(shop) == {
        "balance": 30,
        "adjusted": -70,
        "transferred": 0,
        "debt": 0,
        "nextExpiry": {"points": 30},
    }
    await is_clean(shop)


async def test_more_than_there_is_is_not_taken_and_makes_no_debt(shop: House) -> None:
    refused = await adjust(shop, -101)
    assert (refused["__typename"], refused["missing"]) == ("NotEnoughPointsError", 1)
    assert (await wallet(shop))["balance"] == 100


@pytest.mark.parametrize(
    ("change", "reason", "code", "field"),
    [
        (10, "because", "INVALID_INPUT", "reason"),
        (-10, "goodwill", "INVALID_INPUT", "change"),
        (10, "mistake", "INVALID_INPUT", "change"),
        (501, "goodwill", "LIMIT_EXCEEDED", "change"),
        (0, "correction", "INVALID_INPUT", "change"),
        (2**53 - 1, "correction", "INVALID_INPUT", "change"),
    ],
)
async def test_what_the_program_does_not_say_is_refused(
    shop: House, change: int, reason: str, code: str, field: str
) -> None:
    refused = await adjust(shop, change, reason)
    assert (refused["code"], refused["field"]) == (code, field)
    assert (await wallet(shop))["adjusted"] == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"note": "n" * 501}, "note"),
        ({"note": "a\0"}, "note"),
        ({"member": ""}, "member"),
        ({"currency": "x"}, "currency"),
    ],
)
async def test_hostile_adjustments_are_refused(shop: House, given: dict[str, Any], field: str) -> None:
    assert (await adjust(shop, 1, **given))["field"] == field


async def test_one_key_is_one_adjustment(shop: House) -> None:
    done = [await adjust(shop, 10, idempotencyKey="k") for _ in range(3)]
    assert [each["replayed"] for each in done] == [False, True, True]
    assert (await adjust(shop, 11, idempotencyKey="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await wallet(shop))["adjusted"] == 10


async def test_a_key_gives_and_takes_no_more_than_it_may_at_a_time_and_a_day(shop: House) -> None:
    key = await limited(shop, Limits(40, 100))
    refused = await adjust(shop, 41, key=key)
    assert (refused["code"], refused["left"]) == ("LIMIT_EXCEEDED", 40)
    done = await asyncio.gather(*(adjust(shop, 30 if n % 2 else -30, key=key) for n in range(8)))
    assert sum(each["__typename"] == "AdjustPointsSuccess" for each in done) == 3
    assert {each["left"] for each in done if each["__typename"] == "LimitExceededError"} == {10}
    assert (await adjust(shop, 10, key=key))["__typename"] == "AdjustPointsSuccess"
    # Another currency has a day of its own, and so has another key.
    assert (await adjust(shop, 40, key=key, currency="gems"))["__typename"] == "AdjustPointsSuccess"
    assert (await adjust(shop, 30))["__typename"] == "AdjustPointsSuccess"
    await is_clean(shop)


async def test_a_key_moves_no_more_from_one_to_another_than_it_may(shop: House) -> None:
    key = await limited(shop, Limits(20, 30))
    assert (await give(shop, 21, key=key))["left"] == 20
    assert (await give(shop, 20, key=key))["__typename"] == "TransferPointsSuccess"
    assert (await adjust(shop, 11, key=key))["left"] == 10
    # Nor takes by a hold what it may not take: held is not moved yet, and captured is.
    hold = await held_by(shop, key, 40)
    assert [await captured_by(shop, key, hold, points) for points in (21, 11, 10)] == [
        "LIMIT_EXCEEDED",
        "LIMIT_EXCEEDED",
        None,
    ]
    assert (await adjust(shop, 1, key=key))["left"] == 0
    assert (await give(shop, 20, key=shop.token("ann")))["__typename"] == "TransferPointsSuccess"


async def test_a_member_gives_another_points_that_end_when_hers_would_have(shop: House) -> None:
    token = shop.token("ann")
    done = await give(shop, 40, key=token)
    assert (done["from"], done["to"], done["balance"]) == ("ann", "bob", 60)
    assert done["effects"] == [{"__typename": "PointsTransferred", "change": -40}]
    assert await wallet(shop, "bob") == {
        "balance": 40,
        "adjusted": 0,
        "transferred": 40,
        "debt": 0,
        "nextExpiry": {"points": 40},
    }
    stolen = {"from": "bob", "to": "ann", "points": 40, "currency": "points", "idempotencyKey": "k"}
    assert (await shop.refusal(TRANSFER, {"input": stolen}, key=token))["code"] == "FORBIDDEN"
    assert (await wallet(shop, "bob"))["balance"] == 40


async def test_transfers_stay_within_what_the_currency_allows(shop: House) -> None:
    assert (await give(shop, 4))["code"] == "LIMIT_EXCEEDED"
    assert (await give(shop, 61))["code"] == "LIMIT_EXCEEDED"
    assert (await give(shop, 60))["__typename"] == "TransferPointsSuccess"
    refused = await give(shop, 41)
    assert (refused["code"], refused["left"]) == ("LIMIT_EXCEEDED", 40)
    refused = await give(shop, 40)
    assert refused["__typename"] == "TransferPointsSuccess"
    assert (await give(shop, 10, currency="gems"))["code"] == "NOT_ALLOWED"
    assert (await wallet(shop))["balance"] == 0
    await is_clean(shop)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"to": "ann"}, "INVALID_INPUT", "to"),
        ({"to": "nobody"}, "NOT_FOUND", "to"),
        ({"from": "nobody"}, "NOT_FOUND", "from"),
        ({"to": ""}, "INVALID_INPUT", "member"),
        ({"points": 0}, "INVALID_INPUT", "points"),
        ({"points": -5}, "INVALID_INPUT", "points"),
        ({"note": "a\0"}, "INVALID_INPUT", "note"),
        ({"from": "bob", "to": "ann"}, "NOT_ENOUGH_POINTS", None),
    ],
)
async def test_what_cannot_be_given_is_refused(
    shop: House, given: dict[str, Any], code: str, field: str | None
) -> None:
    refused = await give(shop, **{"points": 10, **given})
    assert (refused["code"], refused["field"]) == (code, field)
    assert (await wallet(shop))["transferred"] == 0


async def test_two_who_give_each_other_at_once_are_both_served(shop: House) -> None:
    await adjust(shop, 100, member="bob")
    there_and_back = [{"from": "ann", "to": "bob"}, {"from": "bob", "to": "ann"}]
    done = await asyncio.gather(*(give(shop, 10, **there_and_back[n % 2]) for n in range(6)))
    assert [each["__typename"] for each in done] == ["TransferPointsSuccess"] * 6
    assert (await wallet(shop))["balance"] + (await wallet(shop, "bob"))["balance"] == 200
    await is_clean(shop)
