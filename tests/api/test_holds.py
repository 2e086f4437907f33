"""Holds over HTTP: set aside, captured, voided, over by themselves, and refused where they cannot be."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import ADVANCE, NOON, House

MADE = "hold { id state points captured source currency member until endedAt } replayed effects { __typename }"
HOLD = f"""mutation($input: HoldPointsInput!) {{ holdPoints(input: $input) {{ __typename
  ... on HoldSuccess {{ {MADE} }}
  ... on NotEnoughPointsError {{ currency points missing }} ... on UserError {{ code field message }} }} }}"""
CAPTURE = f"""mutation($input: CaptureHoldInput!) {{ captureHold(input: $input) {{ __typename
  ... on HoldSuccess {{ {MADE} }} ... on HoldNotOpenError {{ state }} ... on UserError {{ code field message }} }} }}"""
VOID = f"""mutation($input: VoidHoldInput!) {{ voidHold(input: $input) {{ __typename
  ... on HoldSuccess {{ {MADE} }} ... on HoldNotOpenError {{ state }} ... on UserError {{ code field message }} }} }}"""
WALLET = '{ member(externalId: "ann") { wallets { currency balance held spent earned } } }'
HOLDS = """query($after: String, $open: Boolean = false) { holds(member: "ann", first: 2, after: $after, onlyOpen: $open) {
  edges { node { source state captured } } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
async def ann(house: House) -> House:
    """A member with 100 points."""
    await house.record(
        {"id": "e1", "member": "ann", "type": "purchase", "occurredAt": NOON, "properties": {"amount": "100.00"}}
    )
    return house


async def hold(house: House, points: object = 60, **more: object) -> Any:
    wanted = {
        "member": "ann",
        "points": points,
        "currency": "points",
        "source": "order 1",
        "idempotencyKey": str(uuid4()),
        **more,
    }
    return (await house.data(HOLD, {"input": wanted}))["holdPoints"]


async def capture(house: House, hold_id: str, **more: object) -> Any:
    return (await house.data(CAPTURE, {"input": {"hold": hold_id, "idempotencyKey": str(uuid4()), **more}}))[
        "captureHold"
    ]


async def void(house: House, hold_id: str, **more: object) -> Any:
    return (await house.data(VOID, {"input": {"hold": hold_id, "idempotencyKey": str(uuid4()), **more}}))["voidHold"]


async def wallet(house: House) -> Any:
    wallets = (await house.data(WALLET))["member"]["wallets"]
    return next(each for each in wallets if each.pop("currency") == "points")


async def test_points_are_set_aside_and_then_spent_in_part(ann: House) -> None:
    made = await hold(ann)
    assert (made["hold"]["state"], made["hold"]["source"], made["hold"]["member"]) == ("OPEN", "order 1", "ann")
    assert [each["__typename"] for each in made["effects"]] == ["PointsHeld"]
    assert await wallet(ann) == {"balance": 40, "held": 60, "spent": 0, "earned": 100}
    refused = await hold(ann, 41)
    assert (refused["__typename"], refused["missing"]) == ("NotEnoughPointsError", 1)
    done = await capture(ann, made["hold"]["id"], points=50)
    assert (done["hold"]["state"], done["hold"]["captured"]) == ("CAPTURED", 50)
    assert [each["__typename"] for each in done["effects"]] == ["PointsSpent", "HoldEnded"]
    assert await wallet(ann) == {"balance": 50, "held": 0, "spent": 50, "earned": 100}


async def test_a_hold_ends_once(ann: House) -> None:
    made = await hold(ann)
    name = made["hold"]["id"]
    assert (await void(ann, name))["hold"]["state"] == "VOIDED"
    for again in (await void(ann, name), await capture(ann, name)):
        assert (again["__typename"], again["state"], again["code"]) == ("HoldNotOpenError", "VOIDED", "HOLD_NOT_OPEN")
    assert await wallet(ann) == {"balance": 100, "held": 0, "spent": 0, "earned": 100}


async def test_a_key_is_one_hold_and_one_capture(ann: House) -> None:
    first, again = await hold(ann, idempotencyKey="k"), await hold(ann, idempotencyKey="k")
    assert (first["hold"]["id"], again["replayed"]) == (again["hold"]["id"], True)
    done = [await capture(ann, first["hold"]["id"], idempotencyKey="c") for _ in range(2)]
    assert [each["replayed"] for each in done] == [False, True]
    assert done[0]["hold"] == done[1]["hold"]
    assert (await wallet(ann))["spent"] == 60


async def test_a_hold_is_over_at_its_instant_even_where_nobody_noted_that(ann: House) -> None:
    made = await hold(ann, seconds=60)
    until = made["hold"]["until"]
    await ann.data(ADVANCE, {"input": {"to": until, "idempotencyKey": "a"}})
    assert (await capture(ann, made["hold"]["id"]))["state"] == "EXPIRED"
    assert await wallet(ann) == {"balance": 100, "held": 0, "spent": 0, "earned": 100}


async def test_one_of_many_who_capture_and_void_at_once_is_right(ann: House) -> None:
    name = (await hold(ann))["hold"]["id"]
    done = await asyncio.gather(*(capture(ann, name) if n % 2 else void(ann, name) for n in range(10)))
    assert sum(each["__typename"] == "HoldSuccess" for each in done) == 1
    assert (await wallet(ann))["held"] == 0


async def test_holds_are_listed_newest_first_page_by_page(ann: House) -> None:
    made = [await hold(ann, 10, source=f"order {n}") for n in range(3)]
    await void(ann, made[2]["hold"]["id"])
    page = (await ann.data(HOLDS))["holds"]
    assert page["pageInfo"]["hasNextPage"]
    rest = (await ann.data(HOLDS, {"after": page["pageInfo"]["endCursor"]}))["holds"]
    listed = [each["node"] for each in (*page["edges"], *rest["edges"])]
    assert sorted((each["source"], each["state"]) for each in listed) == [
        ("order 0", "OPEN"),
        ("order 1", "OPEN"),
        ("order 2", "VOIDED"),
    ]
    assert len((await ann.data(HOLDS, {"open": True}))["holds"]["edges"]) == 2


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"points": 0}, "points"),
        ({"points": -1}, "points"),
        ({"points": 2**53 - 1}, "points"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 2_592_001}, "seconds"),
        ({"source": ""}, "source"),
        ({"source": "s" * 201}, "source"),
        ({"source": "a\0b"}, "source"),
        ({"member": ""}, "member"),
        ({"currency": "tulips"}, "currency"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_what_cannot_be_held_is_refused(ann: House, wanted: dict[str, object], field: str) -> None:
    refused = await hold(ann, **{"points": 1, **wanted})
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", field)
    assert (await wallet(ann))["held"] == 0


async def test_a_hold_that_is_not_there_is_not_found(ann: House) -> None:
    for name in ("", "x" * 5_000, str(uuid4()), "a\0"):
        assert (await capture(ann, name))["code"] == "NOT_FOUND"
        assert (await void(ann, name))["code"] == "NOT_FOUND"


async def test_more_than_is_held_is_not_captured(ann: House) -> None:
    name = (await hold(ann))["hold"]["id"]
    for points in (0, -5, 61):
        assert (await capture(ann, name, points=points))["field"] == "points"
    assert (await wallet(ann))["held"] == 60
