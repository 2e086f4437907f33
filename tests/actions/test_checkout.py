"""Redemptions that come together share a transaction, and nobody's answer depends on the others."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from asyncpg import Connection

from engagement.actions import checkout, redeeming
from engagement.actions.checkout import Checkout
from engagement.actions.programs import Programs
from engagement.actions.redeeming import Redeemed
from engagement.errors import Overloaded
from engagement.records.unit import Database, Unit
from tests.actions.conftest import House, purchase
from tests.actions.shop import all_is_well, balance, bring, insist, names, open_shop, redeem, reserve

WHO = [f"m{n}" for n in range(8)]


@pytest.fixture
async def shop(records: Database) -> House:
    return await open_shop(records, WHO)


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many came in each transaction of redemptions."""
    sizes: list[int] = []
    redeeming_all = redeeming.redeem

    async def counting(unit: Unit, programs: Programs, commands: Sequence[Any], **more: Any) -> Any:
        sizes.append(len(commands))
        return await redeeming_all(unit, programs, commands, **more)

    monkeypatch.setattr(redeeming, "redeem", counting)
    return sizes


async def together(house: House, *asked: tuple[Any, ...]) -> list[Any]:
    """What those are told who ask at the same time, each for (reward, member, session, key)."""
    return await asyncio.gather(*(redeem(house, *each) for each in asked), return_exceptions=True)


def noting(ask: Any, turns: list[str]) -> Any:
    """A method of a connection that notes each statement."""

    async def noted(connection: Any, sql: str, *values: Any) -> Any:
        turns.append(sql)
        return await ask(connection, sql, *values)

    return noted


async def known(house: House) -> list[tuple[Any, ...]]:
    return await house.rows("SELECT external_id FROM member WHERE program_id = $1 ORDER BY 1")


def told(done: Sequence[object]) -> list[str]:
    return [type(each).__name__ for each in done]


async def test_each_has_her_own_answer_and_who_is_refused_leaves_nothing_behind(shop: House, units: list[int]) -> None:
    before = await redeem(shop, "off", "m7", key="before")
    versions = await shop.rows("SELECT external_id, version FROM member_state JOIN member ON id = member_id AND $1 > 0")
    await shop.advance("2017-03-11T12:00:00Z")
    units.clear()
    done = await together(
        shop,
        ("off", "m0", None, "k0"),
        ("class", "m1", "may"),
        ("class", "m2", "may"),
        ("class", "m3", "june"),
        ("class", "m4"),
        ("none", "m5"),
        ("rare", "m6"),
        ("off", "m7", None, "before"),
        ("off", "m5", None, "before"),
    )
    assert told(done) == [
        *("Redeemed", "Redeemed", "RewardRefused", "Redeemed", "InvalidInput", "NotFound", "RewardRefused"),
        *("Redeemed", "IdempotencyKeyReused"),
    ]
    assert units == [7]
    assert (done[2].reason.name, done[6].reason.name) == ("SESSION_FULL", "NOT_FOR_YOU")
    assert (done[7].replayed, done[7].redemption, done[7].benefits) == (True, before.redemption, before.benefits)
    assert [await balance(shop, each) for each in WHO] == [290, 290, 300, 290, 300, 300, 300, 290]
    after = dict(
        await shop.rows("SELECT external_id, version FROM member_state JOIN member ON id = member_id AND $1 > 0")
    )
    assert [after[each] - dict(versions)[each] for each in WHO] == [1, 1, 0, 1, 0, 0, 0, 0]
    assert await shop.rows("SELECT key FROM idempotency WHERE program_id = $1 AND key ~ '^k'") == [("k0",)]
    await all_is_well(shop)


async def test_who_cannot_come_with_the_others_comes_alone(shop: House, units: list[int]) -> None:
    await bring(shop, "ONE")
    done = await together(
        shop,
        ("gift", "newcomer"),
        ("off", "stranger"),
        ("film", "m0"),
        ("off", "m1", None, "k"),
        ("off", "m1", None, "k"),
        ("off", "m2"),
        ("off", "m2"),
    )
    assert told(done) == ["Redeemed", "NotEnoughPoints", *["Redeemed"] * 5]
    assert units[0] == 6
    assert set(units[1:]) == {1}
    assert done[2].benefits[0].code == "ONE"
    assert sorted(each.replayed for each in done[3:5]) == [False, True]
    assert done[3].redemption == done[4].redemption
    assert await balance(shop, "m2") == 280
    assert ("newcomer",) in await known(shop)
    assert ("stranger",) not in await known(shop)
    await all_is_well(shop)


async def test_nobody_waits_for_somebody_elses_lock(shop: House) -> None:
    held, free = asyncio.Event(), asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch(
            "SELECT FROM member_state JOIN member ON id = member_id AND external_id = 'm0' AND $1 > 0 FOR UPDATE OF member_state",
            unit.program,
        )
        held.set()
        await free.wait()

    holding = asyncio.create_task(shop.database.run(hold, shop.program))
    await held.wait()
    asking = {
        who: asyncio.create_task(redeem(shop, *asked))
        for who, asked in {
            "m0": ("off", "m0"),
            "m1": ("off", "m1"),
            "m3": ("class", "m3", "june"),
        }.items()
    }
    await asyncio.wait([asking["m1"], asking["m3"]], timeout=30)
    assert [each.done() for each in asking.values()] == [False, True, True]
    free.set()
    await holding
    assert told(await asyncio.gather(*asking.values())) == ["Redeemed"] * 3
    await all_is_well(shop)


async def test_those_of_one_reward_wait_for_it_together_and_the_first_have_it(shop: House, units: list[int]) -> None:
    await redeem(shop, "mug", "m7")
    taken, free = asyncio.Event(), asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch("SELECT FROM reward_stock WHERE program_id = $1 AND reward = 'mug' FOR UPDATE", unit.program)
        taken.set()
        await free.wait()

    holding = asyncio.create_task(shop.database.run(hold, shop.program))
    await taken.wait()
    units.clear()
    mugs = [asyncio.create_task(redeem(shop, "mug", each)) for each in WHO[:4]]
    (other,) = await together(shop, ("off", "m5"))
    assert isinstance(other, Redeemed)
    free.set()
    await holding
    done = await asyncio.gather(*mugs, return_exceptions=True)
    assert told(done) == ["Redeemed", *["RewardRefused"] * 3]
    assert units == [5, 4]
    await all_is_well(shop)


async def test_codes_go_to_the_first_who_can_pay_and_the_rest_is_put_back(shop: House, units: list[int]) -> None:
    await shop.send(purchase("p", "poor", "2017-03-01T10:00:00Z", "9"))
    await bring(shop, "A", "B", "C", "D")
    done = await together(shop, ("film", "poor"), *(("film", each) for each in WHO[:3]), ("off", "m3"))
    assert told(done) == ["NotEnoughPoints", *["Redeemed"] * 4]
    assert units == [5]
    assert await shop.rows("SELECT count(*)::int FROM reward_code WHERE program_id = $1 AND state = 'free'") == [(1,)]
    held, free = asyncio.Event(), asyncio.Event()

    async def hold(unit: Unit) -> None:
        await unit.fetch("SELECT FROM reward_code WHERE program_id = $1 AND state = 'free' FOR UPDATE", unit.program)
        held.set()
        await free.wait()

    await bring(shop, "E")
    holding = asyncio.create_task(shop.database.run(hold, shop.program))
    await held.wait()
    await bring(shop, "F")
    # Of the two that are just being taken, nobody knows yet whether they are.
    done = await together(shop, *(("film", each) for each in WHO[4:7]), ("off", "m7"))
    assert told(done) == ["Redeemed", "InProgress", "InProgress", "Redeemed"]
    free.set()
    await holding
    done = await together(shop, *(("film", each) for each in WHO[4:7]))
    assert told(done) == ["Redeemed", "Redeemed", "RewardRefused"]
    codes = await shop.rows("SELECT count(DISTINCT hash)::int FROM benefit WHERE program_id = $1 AND key = 'cinema'")
    assert codes == [(6,)]
    await all_is_well(shop)


async def test_what_is_over_is_given_back_to_those_who_come(shop: House) -> None:
    await reserve(shop, "mug", "m0", seconds=60)
    await reserve(shop, "mug", "m1", seconds=60)
    assert names(await together(shop, ("mug", "m2"), ("off", "m3"))) == {"RewardRefused": 1, "Redeemed": 1}
    await shop.advance("2017-03-10T13:00:00Z")
    done = await together(shop, *(("mug", each) for each in WHO[2:5]), ("off", "m3"))
    assert told(done) == ["Redeemed", "Redeemed", "RewardRefused", "Redeemed"]
    assert await shop.rows("SELECT taken FROM reward_stock WHERE program_id = $1") == [(2,)]
    await all_is_well(shop)


async def test_a_key_has_one_effect_in_two_processes(shop: House, database: Any) -> None:
    other = House(await Database.open(database.app))
    other.program = shop.program
    # Each key twice, and of the mugs there are two: who comes again is told what she was told.
    asked = [("mug", "m0"), ("mug", "m1"), *(("off", each) for each in WHO[2:])]
    asking = [
        insist(partial(redeem, house, reward, who, key=who)) for reward, who in asked for house in (shop, other, shop)
    ]
    done = await asyncio.gather(*asking)
    assert len({each.redemption.id for each in done}) == len(asked)
    assert sum(not each.replayed for each in done) == len(asked)
    assert await shop.rows("SELECT count(*)::int FROM redemption WHERE program_id = $1") == [(len(asked),)]
    await all_is_well(shop)
    await other.database.close()


async def test_a_defect_is_nobody_elses(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = redeeming.tell

    async def failing(listener: Any, made: Any, price: Any, issued: Any) -> Any:
        if made.reward == "gift":
            raise ZeroDivisionError
        return await tell(listener, made, price, issued)

    monkeypatch.setattr(redeeming, "tell", failing)
    done = await together(shop, ("off", "m0"), ("gift", "m1"), ("mug", "m2"))
    assert told(done) == ["Redeemed", "ZeroDivisionError", "Redeemed"]
    assert await shop.rows("SELECT reward FROM redemption WHERE program_id = $1 ORDER BY 1") == [("mug",), ("off",)]
    await all_is_well(shop)


async def test_a_dozen_take_as_many_turns_as_one(records: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    who = [f"m{n}" for n in range(12)]
    rewards = [{"key": key, "kind": "product", "price": {"points": 1}, "stock": 99} for key in ("pin", "pen")]
    house = await open_shop(records, who, rewards=rewards)
    # Whose rows are there already.
    await together(house, ("pin", "m0"), ("pen", "m1"))
    turns: list[str] = []
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(Connection, name, noting(getattr(Connection, name), turns))
    await redeem(house, "pin", "m0")
    alone = len(turns)
    turns.clear()
    await together(house, *(("pen" if number % 2 else "pin", each) for number, each in enumerate(who)))
    assert len(turns) == alone <= 10
    await all_is_well(house)


async def test_more_than_may_wait_are_told_to_come_later(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "WAITING_MAX", 5)
    monkeypatch.setattr(checkout, "TOGETHER_MAX", 2)
    shop.checkout = Checkout(shop.database, shop.cache)
    done = await together(shop, *(("off", each) for each in WHO))
    assert names(done) == {"Redeemed": 5, "Overloaded": 3}
    assert next(each for each in done if isinstance(each, Overloaded)).retryable
    assert shop.checkout.gathering.idle
    await all_is_well(shop)
