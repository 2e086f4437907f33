"""Decisions on a balance: taken once, on what is booked then, one input at a time; and what later news makes of them."""

import asyncio
from typing import Any

import pytest

from achievements.outcomes import PointsEarned, PointsSpent, SpendRejected
from achievements.periods import rfc3339
from engagement.actions import refolding
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.record_events import Intake
from engagement.actions.sent_events import Receipt, SentEvent
from engagement.actions.verify import rebuild
from engagement.records import facts as stored_facts
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_verify import discrepancies, tamper
from tests.conftest import Urls

WALLET = "SELECT earned, reversed, spent, expired, balance, debt FROM wallet WHERE program_id = $1"
FACTS = "SELECT kind, cause, n, data ->> 'rule', (data ->> 'points')::int FROM fact WHERE program_id = $1 ORDER BY at, cause, n"


def spending(key: str = "spending", **more: Any) -> dict[str, Any]:
    """A point a dollar for ten days, and coupons of 100 points."""
    written = document(
        currencies=[{"key": "points", "expires": {"after_days": 10, "at": "same_time"}}],
        event_types=[
            {"key": "purchase", "properties": {"amount": "decimal", "departments": "list[string]"}},
            {"key": "coupon"},
        ],
        earn_rules=[{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
        spend_rules=[{"key": "hundred", "on": "coupon", "spend": {"points": 100}}],
        **more,
    )
    written["program"]["key"] = key
    return written


REWARDS: dict[str, Any] = {"spend_rules": [], "auto_rewards": [{"key": "fifty", "currency": "points", "at": 50}]}


@pytest.fixture
async def shop(records: Database) -> House:
    """A sandbox with coupons."""
    house = House(records)
    await house.apply(spending(), Sandbox(BEGIN))
    return house


@pytest.fixture
async def giving(records: Database) -> House:
    """A sandbox that takes fifty points for a reward whenever they are there."""
    house = House(records)
    await house.apply({**spending(), **REWARDS}, Sandbox(BEGIN))
    return house


def bought(day: int, amount: int, name: str | None = None, hour: int = 12) -> tuple[object, ...]:
    return purchase(name or f"p{day:02d}", "ann", f"2017-03-{day:02d}T{hour:02d}:00:00Z", f"{amount}.00")


def coupon(day: int, name: str | None = None, hour: int = 15) -> tuple[object, ...]:
    return (name or f"c{day:02d}", "ann", "coupon", f"2017-03-{day:02d}T{hour:02d}:00:00Z", {})


async def test_a_coupon_takes_points_where_they_are_there_and_else_is_rejected_and_counted(shop: House) -> None:
    recorded = await shop.send(bought(1, 150), coupon(2), coupon(3), bought(4, 60), coupon(5))
    spent, rejected, again = [recorded.receipts[n].effects for n in (1, 2, 4)]
    assert spent == (PointsSpent("points", 100, "hundred", rfc3339("2017-03-02T15:00:00Z"), "c02"),)
    assert rejected == (SpendRejected("points", 100, "hundred", rfc3339("2017-03-03T15:00:00Z"), "c03", 50),)
    assert again == (PointsSpent("points", 100, "hundred", rfc3339("2017-03-05T15:00:00Z"), "c05"),)
    assert await shop.rows(WALLET) == [(210, 0, 200, 0, 10, 0)]
    assert await shop.rows(FACTS) == [
        ("spent", "c02", 1, "hundred", 100),
        ("spend_rejected", "c03", 1, "hundred", 100),
        ("spent", "c05", 1, "hundred", 100),
    ]
    # The oldest points first, each lot by a transfer of its own.
    rows = "SELECT points, lot_id, fact_id FROM transfer WHERE program_id = $1 AND kind = 'spend' ORDER BY at, lot_id"
    assert await shop.rows(rows) == [
        (100, "earn/base/p01", "c02/1"),
        (50, "earn/base/p01", "c05/1"),
        (50, "earn/base/p04", "c05/1"),
    ]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_a_repeated_coupon_gives_its_first_reply_and_takes_nothing(shop: House) -> None:
    first = (await shop.send(bought(1, 150), coupon(2), coupon(3))).receipts
    before = await shop.rows(WALLET)
    await shop.send(bought(4, 500))
    again = (await shop.send(coupon(2), coupon(3))).receipts
    assert [each.replayed for each in again] == [True, True]
    assert [each.effects for each in again] == [each.effects for each in first[1:]]
    assert before == [(150, 0, 100, 0, 50, 0)]
    assert await shop.rows(WALLET) == [(650, 0, 100, 0, 550, 0)]


@pytest.mark.parametrize("size", [1, 2, 6])
async def test_points_that_end_between_two_events_of_a_batch_end_there(shop: House, size: int) -> None:
    events = [bought(1, 120), bought(2, 30), coupon(12, hour=11), bought(13, 80), coupon(14)]
    for start in range(0, len(events), size):
        await shop.send(*events[start : start + size])
    # At eleven on the 12th the points of the 2nd are still there, those of the 1st are not.
    assert [kind for kind, *_ in await shop.rows(FACTS)] == ["spend_rejected", "spend_rejected"]
    assert await shop.rows(WALLET) == [(230, 0, 0, 150, 80, 0)]
    told = await shop.rows("SELECT at::text, event_id FROM activity WHERE program_id = $1 ORDER BY seq")
    assert told == [
        ("2017-03-01 12:00:00+00", "p01"),
        ("2017-03-02 12:00:00+00", "p02"),
        ("2017-03-11 12:00:00+00", None),
        ("2017-03-12 11:00:00+00", "c12"),
        ("2017-03-12 12:00:00+00", None),
        ("2017-03-13 12:00:00+00", "p13"),
        ("2017-03-14 15:00:00+00", "c14"),
    ]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_an_expiry_comes_before_an_event_of_the_same_instant(shop: House) -> None:
    await shop.send(bought(1, 100), coupon(11, hour=12))
    assert [kind for kind, *_ in await shop.rows(FACTS)] == ["spend_rejected"]


async def test_a_reward_is_taken_as_often_as_the_balance_reaches_it(giving: House) -> None:
    recorded = await giving.send(bought(1, 40), bought(2, 115), bought(3, 44), bought(4, 1))
    spent = [each for receipt in recorded.receipts for each in receipt.effects if isinstance(each, PointsSpent)]
    assert [(each.points, each.times, each.event_id) for each in spent] == [(150, 3, "p02"), (50, 1, "p04")]
    assert await giving.rows(WALLET) == [(200, 0, 200, 0, 0, 0)]
    dated = await giving.rows(
        "SELECT DISTINCT at::text FROM transfer WHERE program_id = $1 AND kind = 'spend' ORDER BY 1"
    )
    assert dated == [("2017-03-02 12:00:00+00",), ("2017-03-04 12:00:00+00",)]
    await books_balance(giving)
    assert await discrepancies(giving) == []


async def test_what_comes_late_does_not_retake_a_decision_and_is_decided_now(shop: House) -> None:
    await shop.send(bought(3, 90), coupon(5), bought(6, 5))
    (earned,) = (await shop.send(bought(4, 50, "late"))).receipts
    assert [type(each) for each in earned.effects] == [PointsEarned]
    assert [kind for kind, *_ in await shop.rows(FACTS)] == ["spend_rejected"]
    # On the 2nd nothing was earned yet. Decided today, the points are there; and nothing was below zero on any day.
    (late,) = (await shop.send(coupon(2, "late-coupon"))).receipts
    (spent,) = late.effects
    assert isinstance(spent, PointsSpent)
    assert (spent.points, spent.at) == (100, rfc3339("2017-03-06T12:00:00Z"))
    assert await shop.rows(WALLET) == [(145, 0, 100, 0, 45, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []
    # A later refold over all of it asks for none of them again.
    await shop.send(bought(1, 7, "first"))
    assert len(await shop.rows(FACTS)) == 2
    assert await discrepancies(shop) == []


@pytest.mark.parametrize("late", [9, 59])
async def test_what_shares_a_batch_with_a_late_event_is_decided_at_its_own_instant(
    records: Database, late: int
) -> None:
    found = []
    for sizes in ((4,), (1, 3), (1, 1, 1, 1), (2, 2)):
        house = House(records)
        await house.apply(spending("-".join(map(str, sizes))), Sandbox(BEGIN))
        await house.send(bought(1, 50), bought(5, 1))
        # The points of the 1st end on the 11th, before the second coupon; those of the 16th come after it.
        events = [bought(4, late), coupon(6), coupon(12), bought(16, 100)]
        receipts: list[Receipt] = []
        for size in sizes:
            receipts += (await house.send(*events[:size])).receipts
            del events[:size]
        lots = await house.rows("SELECT id, points, remaining, expired FROM lot WHERE program_id = $1 ORDER BY id")
        told = {each.id: each.effects for each in receipts}
        found.append((told, lots, await house.rows(WALLET), await house.rows(FACTS)))
        await books_balance(house)
        assert await discrepancies(house) == []
    taken = [kind for kind, *_ in found[0][-1]]
    assert taken == ["spent" if late == 59 else "spend_rejected", "spend_rejected"]
    assert all(each == found[0] for each in found)


async def test_a_late_earning_brings_a_reward_and_the_one_before_stands(giving: House) -> None:
    await giving.send(bought(2, 60), bought(5, 20))
    (receipt,) = (await giving.send(bought(1, 25, "late"))).receipts
    (spent,) = [each for each in receipt.effects if isinstance(each, PointsSpent)]
    assert (spent.points, spent.event_id, spent.at) == (50, "late", rfc3339("2017-03-05T12:00:00Z"))
    assert await giving.rows(FACTS) == [
        ("reward_taken", "late", 1, "fifty", 50),
        ("reward_taken", "p02", 1, "fifty", 50),
    ]
    await books_balance(giving)
    assert await discrepancies(giving) == []


async def test_a_long_history_is_decided_when_the_worker_comes_to_it(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.send(*[bought(day, 30) for day in range(2, 9)])
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 3)
    late = await shop.send(coupon(1))
    assert (late.receipts[0].status, late.receipts[0].effects) == ("PENDING", ())
    assert (await amend(shop, bought(8, 30))).status == "PENDING"
    assert await shop.rows(FACTS) == []
    await shop.advance("2017-03-08T12:00:00Z")
    assert await shop.rows(FACTS) == [("spent", "c01", 1, "hundred", 100)]
    (again,) = (await shop.send(coupon(1))).receipts
    assert (again.status, [type(each) for each in again.effects]) == ("APPLIED", [PointsSpent])
    assert (await amend(shop, coupon(1))).status == "PENDING"
    await shop.advance("2017-03-08T12:00:01Z")
    assert await shop.rows(WALLET) == [(210, 30, 0, 0, 180, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_what_waits_is_decided_before_the_clock_moves(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.send(*[bought(day, 30) for day in range(2, 9)])
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 3)
    assert (await shop.send(coupon(1))).receipts[0].status == "PENDING"
    # By then all of the points have ended; when the coupon came, they were there.
    await shop.advance("2017-04-01T00:00:00Z")
    assert await shop.rows(FACTS) == [("spent", "c01", 1, "hundred", 100)]
    assert await shop.rows(WALLET) == [(210, 0, 100, 110, 0, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_two_processes_spend_what_is_there_once(shop: House, database: Urls) -> None:
    elsewhere = await Database.open(database.app)
    try:
        other = Intake(elsewhere, Programs())
        for day in range(1, 9):
            await shop.send(bought(day, 250, f"p{day}", hour=1))
            calls = [(shop.intake if n % 2 else other).record(shop.program, [sent_coupon(day, n)]) for n in range(8)]
            answers = await asyncio.gather(*calls)
            kinds = [type(each) for answer in answers for receipt in answer.receipts for each in receipt.effects]
            assert len(kinds) == 8
        taken = await shop.rows("SELECT count(*) FROM fact WHERE program_id = $1 AND kind = 'spent'")
        assert taken == [(20,)]
        assert await shop.rows(WALLET) == [(2000, 0, 2000, 0, 0, 0)]
        await books_balance(shop)
        assert await discrepancies(shop) == []
    finally:
        await elsewhere.close()


def sent_coupon(day: int, number: int) -> SentEvent:
    return SentEvent(*coupon(day, f"c{day}-{number}", hour=2 + number))


async def test_what_fails_on_the_way_leaves_nothing_behind(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.send(bought(1, 150))
    tables = ("event", "fact", "transfer", "lot", "wallet", "activity", "member_state")

    async def everything() -> list[list[tuple[Any, ...]]]:
        return [await shop.rows(f"SELECT held::text FROM {table} AS held WHERE program_id = $1") for table in tables]

    before = await everything()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the process was killed here")

    with monkeypatch.context() as patch:
        patch.setattr(stored_facts, "append", broken)
        with pytest.raises(ZeroDivisionError):
            await shop.send(coupon(2), bought(3, 10))
    assert await everything() == before
    await shop.send(coupon(2), bought(3, 10))
    assert await shop.rows(WALLET) == [(160, 0, 100, 0, 60, 0)]
    assert await discrepancies(shop) == []


async def test_a_decision_that_no_transfer_carries_out_is_named(shop: House, database: Urls) -> None:
    await shop.send(bought(1, 150), coupon(2))
    # A policy shows nobody a fact to be changed, not even the owner, unless its member was merged into another.
    sql = "UPDATE fact SET data = jsonb_set(data, '{points}', '90')"
    await tamper(
        database,
        shop,
        f"ALTER TABLE fact NO FORCE ROW LEVEL SECURITY; {sql}; ALTER TABLE fact FORCE ROW LEVEL SECURITY",
    )
    assert [each.what for each in await discrepancies(shop)] == ["decision c02/1"]


async def test_rebuilding_keeps_decisions_as_they_were_taken(giving: House, database: Urls) -> None:
    await giving.send(bought(1, 40), bought(2, 115), bought(3, 44), bought(4, 1))
    await amend(giving, bought(1, 40))
    taken, wallet = await giving.rows(FACTS), await giving.rows(WALLET)
    await tamper(database, giving, "UPDATE member_state SET inputs = 0, state = '{}'")
    assert [each.what for each in await discrepancies(giving)] == ["state"]
    async for _ in rebuild(giving.database, giving.cache, giving.program):
        pass
    assert await discrepancies(giving) == []
    assert (await giving.rows(FACTS), await giving.rows(WALLET)) == (taken, wallet)
    (receipt,) = (await giving.send(bought(5, 90))).receipts
    assert [each.points for each in receipt.effects if isinstance(each, PointsSpent)] == [50]
    await books_balance(giving)
