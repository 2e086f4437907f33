"""What is taken back after a decision: points return to their lots, are recovered from others, or are owed."""

import pytest

from achievements.outcomes import PointsSpent, Withdrawn
from achievements.periods import rfc3339
from engagement.actions.programs import Sandbox
from engagement.records.unit import Database
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House
from tests.actions.test_amend_events import amend
from tests.actions.test_decisions import FACTS, REWARDS, WALLET, bought, coupon, spending
from tests.actions.test_verify import discrepancies


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


async def test_a_coupon_taken_back_gives_its_points_back_to_their_lots(shop: House) -> None:
    await shop.send(bought(1, 60), bought(8, 60), coupon(9), bought(10, 1))
    amended = await amend(shop, coupon(9))
    assert amended.effects == (
        Withdrawn(PointsSpent("points", 100, "hundred", rfc3339("2017-03-09T15:00:00Z"), "c09")),
    )
    assert await shop.rows(WALLET) == [(121, 0, 0, 0, 121, 0)]
    lots = "SELECT id, remaining FROM lot WHERE program_id = $1 ORDER BY id"
    assert await shop.rows(lots) == [("earn/base/p01", 60), ("earn/base/p08", 60), ("earn/base/p10", 1)]
    assert (await amend(shop, coupon(9))).replayed
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_points_that_come_back_to_a_lot_that_has_ended_end_at_once(shop: House) -> None:
    await shop.send(bought(1, 60), bought(8, 60), coupon(9))
    await shop.advance("2017-03-12T00:00:00Z")
    await amend(shop, coupon(9))
    assert await shop.rows(WALLET) == [(120, 0, 0, 60, 60, 0)]
    await shop.advance("2017-03-12T00:00:00Z")
    assert await shop.rows(WALLET) == [(120, 0, 0, 60, 60, 0)]
    expiries = "SELECT points, at::text FROM transfer WHERE program_id = $1 AND kind = 'expire'"
    assert await shop.rows(expiries) == [(60, "2017-03-11 12:00:00+00")]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_a_reversed_earning_is_recovered_from_other_lots_and_else_owed(giving: House) -> None:
    await giving.send(bought(1, 45), bought(2, 45), bought(3, 15))
    # 100 are spent: all of the 1st, all of the 2nd and 10 of the 3rd; 5 are left.
    assert await giving.rows(WALLET) == [(105, 0, 100, 0, 5, 0)]
    await amend(giving, bought(1, 45))
    assert await giving.rows(WALLET) == [(105, 45, 100, 0, -40, 40)]
    assert len(await giving.rows(FACTS)) == 2
    await books_balance(giving)
    assert await discrepancies(giving) == []
    # The next points pay; what is beyond the debt can be spent.
    await giving.send(bought(4, 30))
    assert await giving.rows(WALLET) == [(135, 45, 100, 0, -10, 10)]
    (receipt,) = (await giving.send(bought(5, 61))).receipts
    assert [each.points for each in receipt.effects if isinstance(each, PointsSpent)] == [50]
    assert await giving.rows(WALLET) == [(196, 45, 150, 0, 1, 0)]
    await books_balance(giving)
    assert await discrepancies(giving) == []


async def test_a_debt_is_not_paid_with_points_that_have_ended(giving: House) -> None:
    await giving.send(bought(1, 50), bought(20, 1))
    await amend(giving, bought(1, 50))
    assert await giving.rows(WALLET) == [(51, 50, 50, 0, -49, 49)]
    await giving.send(bought(2, 30, "late"))
    assert await giving.rows(WALLET) == [(81, 50, 50, 30, -49, 49)]
    await books_balance(giving)
    assert await discrepancies(giving) == []


async def test_what_expired_of_a_reversed_lot_is_asked_of_nobody(shop: House) -> None:
    await shop.send(bought(1, 130), coupon(2), bought(10, 200))
    await shop.advance("2017-03-12T00:00:00Z")
    assert await shop.rows(WALLET) == [(330, 0, 100, 30, 200, 0)]
    await amend(shop, bought(1, 130))
    # 30 had expired, 100 were spent: these come out of the other lot.
    assert await shop.rows(WALLET) == [(330, 130, 100, 0, 100, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_an_amendment_moves_what_an_event_earned_up_and_down(shop: House) -> None:
    await shop.send(bought(1, 130), coupon(2))
    await amend(shop, bought(1, 130), {"amount": "60.00"})
    assert await shop.rows(WALLET) == [(130, 70, 100, 0, -40, 40)]
    await amend(shop, bought(1, 130), {"amount": "180.00"})
    assert await shop.rows(WALLET) == [(250, 70, 100, 0, 80, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_points_come_back_to_a_lot_whose_own_earning_was_taken_back(shop: House) -> None:
    await shop.send(bought(1, 100), coupon(2), bought(3, 30))
    await amend(shop, bought(1, 100))
    assert await shop.rows(WALLET) == [(130, 100, 100, 0, -70, 70)]
    await amend(shop, coupon(2))
    # Nothing was spent and only the 3rd was bought.
    assert await shop.rows(WALLET) == [(130, 100, 0, 0, 30, 0)]
    await books_balance(shop)
    assert await discrepancies(shop) == []
    await shop.advance("2017-04-01T00:00:00Z")
    assert await shop.rows(WALLET) == [(130, 100, 0, 30, 0, 0)]
    assert await discrepancies(shop) == []


@pytest.mark.parametrize("earning_first", [True, False])
@pytest.mark.parametrize("to", ["0.00", "40.00", None])
async def test_an_earning_and_its_spend_are_taken_back_in_either_order(
    shop: House, earning_first: bool, to: str | None
) -> None:
    await shop.send(bought(1, 100), coupon(2))
    await shop.advance("2017-03-20T00:00:00Z")
    for earning in (earning_first, not earning_first):
        if earning:
            await amend(shop, bought(1, 100), None if to is None else {"amount": to})
        else:
            await amend(shop, coupon(2))
        await books_balance(shop)
    # The lot has ended: what was not taken back expired in it, and nobody owes anything.
    left = 40 if to == "40.00" else 0
    assert await shop.rows(WALLET) == [(100, 100 - left, 0, left, 0, 0)]
    assert await discrepancies(shop) == []


async def test_a_spend_that_its_amended_event_asks_for_no_more_is_given_back_once(records: Database) -> None:
    house = House(records)
    rule = {"key": "redeem", "on": "checkout", "when": "event.redeem", "spend": {"points": 100}}
    written = spending("redeeming")
    written["event_types"].append({"key": "checkout", "properties": {"redeem": "bool"}})
    await house.apply({**written, "spend_rules": [rule]}, Sandbox(BEGIN))
    checkout = ("k", "ann", "checkout", "2017-03-02T15:00:00Z", {"redeem": True})
    await house.send(bought(1, 150), checkout)
    facts = await house.rows(FACTS)
    spent = PointsSpent("points", 100, "redeem", rfc3339("2017-03-02T15:00:00Z"), "k")
    assert (await amend(house, checkout, {"redeem": False})).effects == (Withdrawn(spent),)
    # The fact stands: asked for again, it is not retaken, and taken back, it has nothing left to give.
    for properties in ({"redeem": False}, {"redeem": True}, None):
        await amend(house, checkout, properties)
        assert await house.rows(WALLET) == [(150, 0, 0, 0, 150, 0)]
        assert await house.rows(FACTS) == facts
        await books_balance(house)
        assert await discrepancies(house) == []


async def test_what_was_recovered_for_a_lot_stands_when_a_spend_comes_back_to_it_after_its_end(shop: House) -> None:
    await shop.send(bought(1, 100), coupon(2))
    await amend(shop, bought(1, 100))
    await shop.send(bought(9, 130))
    # The 130 of the 9th paid the debt.
    assert await shop.rows(WALLET) == [(230, 100, 100, 0, 30, 0)]
    await shop.advance("2017-03-12T00:00:00Z")
    await amend(shop, coupon(2))
    assert await shop.rows(WALLET) == [(230, 100, 0, 100, 30, 0)]
    expiries = "SELECT points, lot_id, at::text FROM transfer WHERE program_id = $1 AND kind = 'expire'"
    assert await shop.rows(expiries) == [(100, "earn/base/p01", "2017-03-11 12:00:00+00")]
    await books_balance(shop)
    assert await discrepancies(shop) == []


async def test_a_spend_stands_when_late_news_changes_the_tier_that_it_asked_for(records: Database) -> None:
    shop = House(records)
    ladder = {
        "key": "status",
        "measure": {"points": "points"},
        "tiers": [{"key": "plain"}, {"key": "gold", "from": 200}],
    }
    written = spending(tier_ladders=[{**ladder, "window": {"days": 30}}])
    written["spend_rules"][0]["when"] = "member.tiers['status'] == 'plain'"
    await shop.apply(written, Sandbox(BEGIN))
    await shop.send(bought(2, 150), coupon(3))
    assert await shop.rows(WALLET) == [(150, 0, 100, 0, 50, 0)]
    # She was gold by then, as it turns out.
    await shop.send(bought(1, 90, "late"))
    assert await shop.rows(WALLET) == [(240, 0, 100, 0, 140, 0)]
    # Gold, she is asked for nothing; and nothing is given back for the tier alone when that changes again.
    await shop.send(coupon(4))
    await amend(shop, bought(1, 90, "late"))
    # Now the second coupon asks, and what it asks for is decided now.
    assert await shop.rows(WALLET) == [(240, 90, 100, 0, 50, 0)]
    assert await shop.rows(FACTS) == [("spent", "c03", 1, "hundred", 100), ("spend_rejected", "c04", 1, "hundred", 100)]
    await books_balance(shop)
    assert await discrepancies(shop) == []
