"""What definitions give is issued once, with its code; void where it never was, and the same again where it was after all."""

import asyncio
from typing import Any

import pytest

from achievements import periods
from engagement.actions import erasing, giving
from engagement.errors import RewardRefused
from engagement.records import codes
from engagement.records.unit import Database
from tests.actions.conftest import House, purchase
from tests.actions.erased import tables_dumped
from tests.actions.shop import all_is_well, bring, open_shop, redeem, use
from tests.actions.test_amend_events import amend
from tests.actions.test_erasing import erase
from tests.actions.test_erasing import settle as forget

FIRST: dict[str, Any] = {
    "key": "first",
    "on": "purchase",
    "when": "event.amount >= 50.0",
    "levels": [
        {
            "target": 1,
            "key": "one",
            "rewards": [{"voucher": "ten", "days": 30}, {"entitlement": "lounge"}, {"draw": "bike", "entries": 2}],
        },
        {"target": 2, "key": "two", "rewards": [{"voucher": "cinema"}]},
    ],
}
BOUGHT = purchase("b1", "bob", "2017-03-10T10:00:00Z", "60")


@pytest.fixture
async def shop(records: Database) -> House:
    return await open_shop(records, amount="10", badges=[FIRST])


async def settle(house: House) -> int:
    return await giving.settle(house.database, house.cache, house.program)


async def held(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT sort, key, count, state, until::date::text FROM benefit WHERE program_id = $1 ORDER BY issued_at, sort, key"
    )


async def codes_of(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT code FROM reward_code JOIN benefit USING (program_id, hash) WHERE program_id = $1 ORDER BY issued_at"
    )


async def told(house: House) -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT effect ->> 2, effect ->> 6 FROM activity, jsonb_array_elements(effects) AS effect"
        " WHERE program_id = $1 AND effect ->> 0 = 'benefit' ORDER BY seq, 1"
    )


async def test_what_is_given_is_issued_once_and_told(shop: House) -> None:
    await shop.send(BOUGHT)
    assert await held(shop) == []
    assert await settle(shop) == 1
    issued = await held(shop)
    assert issued == [
        ("draw", "bike", 2, "issued", None),
        ("entitlement", "lounge", 1, "issued", "2017-03-14"),
        ("voucher", "ten", 1, "issued", "2017-04-10"),
    ]
    assert await settle(shop) == 0
    assert await held(shop) == issued
    assert await told(shop) == [("draw", "issued"), ("entitlement", "issued"), ("voucher", "issued")]
    await all_is_well(shop)


async def test_many_who_settle_at_once_issue_it_once(shop: House) -> None:
    await shop.send(*(purchase(f"e{n}", f"m{n}", "2017-03-10T10:00:00Z", "60") for n in range(6)))
    await asyncio.gather(*(settle(shop) for _ in range(4)))
    while await settle(shop):
        pass
    counts = await shop.rows("SELECT DISTINCT count(*) FROM benefit WHERE program_id = $1 GROUP BY member_id")
    assert counts == [(3,)]
    assert await shop.rows("SELECT count(DISTINCT hash) FROM benefit WHERE program_id = $1") == [(6,)]
    await all_is_well(shop)


async def test_a_clock_issues_too_and_what_it_never_was_is_void(shop: House) -> None:
    await shop.send(BOUGHT)
    await shop.advance("2017-03-10T13:00:00Z")
    (code,) = (await codes_of(shop))[0]
    await use(shop, str(code))
    await amend(shop, purchase("b1", "bob", "2017-03-10T10:00:00Z", "5"))
    assert await settle(shop) == 1
    assert [(sort, state) for sort, _, _, state, _ in await held(shop)] == [
        ("draw", "voided"),
        ("entitlement", "voided"),
        ("voucher", "used"),
    ]
    assert await settle(shop) == 0
    await all_is_well(shop)


async def test_what_comes_back_is_the_same_with_the_same_code(shop: House) -> None:
    await shop.send(BOUGHT)
    await settle(shop)
    before = await codes_of(shop)
    await amend(shop, purchase("b1", "bob", "2017-03-10T10:00:00Z", "5"))
    await settle(shop)
    assert {state for _, _, _, state, _ in await held(shop)} == {"voided"}
    await shop.send(purchase("b2", "bob", "2017-03-10T11:00:00Z", "70"))
    await settle(shop)
    assert [(sort, state) for sort, _, _, state, _ in await held(shop)] == [
        ("draw", "issued"),
        ("entitlement", "issued"),
        ("voucher", "issued"),
    ]
    assert await codes_of(shop) == before
    await all_is_well(shop)


async def test_where_the_pool_is_empty_a_code_is_owed_until_there_is_one(shop: House) -> None:
    await shop.send(BOUGHT, purchase("b2", "bob", "2017-03-10T11:00:00Z", "70"))
    await shop.advance("2017-03-10T13:00:00Z")
    cinema = "SELECT state FROM benefit WHERE program_id = $1 AND key = 'cinema'"
    assert await shop.rows(cinema) == [("owed",)]
    await bring(shop, "ONE", "TWO")
    await shop.advance("2017-03-10T14:00:00Z")
    assert await shop.rows(cinema) == [("issued",)]
    assert ("ONE",) in await codes_of(shop)
    await all_is_well(shop)


async def test_codes_go_to_who_waits_longest_and_can_use_them(records: Database) -> None:
    short = {"target": 1, "key": "one", "rewards": [{"voucher": "cinema", "days": 2}]}
    house = await open_shop(records, ["ann"], badges=[{"key": "first", "on": "purchase", "levels": [short]}])
    late = [f"m{n}" for n in range(8)]
    for n, member in enumerate(late):
        await house.send(purchase(f"e-{member}", member, f"2017-03-10T{12 + n}:00:00Z", "60"))
        await settle(house)
    issued = (
        "SELECT external_id FROM benefit JOIN member ON member.program_id = $1 AND member.id = member_id"
        " WHERE benefit.program_id = $1 AND state = 'issued' ORDER BY issued_at"
    )
    # What ann was owed has come to its end. Nobody else comes in between an import and the worker.
    await bring(house, "A", "B", "C")
    with pytest.raises(RewardRefused):
        await redeem(house, "film")
    assert await settle(house) == 3
    assert await house.rows(issued) == [(each,) for each in late[:3]]
    await house.advance("2017-03-20T00:00:00Z")
    await bring(house, "D")
    await settle(house)
    assert await house.rows("SELECT code FROM reward_code WHERE program_id = $1 AND state = 'free'") == [("D",)]
    await all_is_well(house)


async def test_a_code_that_came_while_nobody_was_owed_one_is_issued_all_the_same(shop: House) -> None:
    """As where it is brought in between the look into the pool and the word that one is owed."""
    await shop.send(BOUGHT, purchase("b2", "bob", "2017-03-10T11:00:00Z", "70"))
    await settle(shop)
    await shop.database.run(
        lambda unit: codes.bring_in(unit, "cinema", ["ONE"], periods.rfc3339("2017-03-10T12:00:00Z")), shop.program
    )
    assert await settle(shop) == 1
    assert ("cinema", "issued") in [(key, state) for _, key, _, state, _ in await held(shop)]
    assert ("ONE",) in await codes_of(shop)
    await all_is_well(shop)


async def test_an_automatic_reward_gives_as_often_as_it_is_taken(records: Database) -> None:
    automatic = {"key": "hundred", "at": 100, "rewards": [{"voucher": "ten", "days": 30}]}
    house = await open_shop(records, amount="10", auto_rewards=[automatic])
    await house.send(purchase("b1", "bob", "2017-03-10T10:00:00Z", "250"))
    await settle(house)
    assert [(key, state) for _, key, _, state, _ in await held(house)] == [("ten", "issued")] * 2
    # A decision is never retaken: what it gave stands, whatever is learned of the points.
    await amend(house, purchase("b1", "bob", "2017-03-10T10:00:00Z", "5"))
    await settle(house)
    assert [state for _, _, _, state, _ in await held(house)] == ["issued"] * 2
    await all_is_well(house)


async def test_a_code_that_was_kept_for_an_erased_member_goes_to_who_is_owed_one(shop: House) -> None:
    for hour, member in ((10, "bob"), (11, "cid")):
        await shop.send(*(purchase(f"{member}{n}", member, f"2017-03-10T{hour}:0{n}:00Z", "60") for n in range(2)))
        await settle(shop)
    # Brought in, and no worker has been by: bob, who waits longest, does not know it yet.
    await bring(shop, "ONE")
    await erasing.erase(shop.database, shop.cache, shop.program, "bob")
    assert await shop.rows("SELECT state FROM reward_code WHERE program_id = $1 AND code = 'ONE'") == [("free",)]
    await all_is_well(shop)
    assert await settle(shop) >= 1
    cinema = "SELECT external_id, state FROM benefit JOIN member ON member.program_id = $1 AND member.id = member_id"
    owed = f"{cinema} WHERE benefit.program_id = $1 AND key = 'cinema' AND state <> 'voided'"
    assert await shop.rows(owed) == [("cid", "issued")]
    assert (await use(shop, "ONE")).member == "cid"
    await all_is_well(shop)


async def test_what_an_erased_member_was_given_says_nothing_of_her(shop: House) -> None:
    """Her events have ids of the app's own, which are part of what names an outcome."""
    await shop.send(purchase("order-of-alice-9", "alice@example.org", "2017-03-10T10:00:00Z", "60"))
    await settle(shop)
    mug = await redeem(shop, "gift", "alice@example.org")
    assert mug.redemption.fact
    await erase(shop)
    assert await forget(shop) == 1
    dumped = await tables_dumped(shop.database, shop.program)
    assert [each for each in ("order-of-alice-9", "alice@example.org") if each in dumped] == []
    assert await shop.rows("SELECT count(*) FROM benefit WHERE program_id = $1") == [(5,)]
    await all_is_well(shop)
