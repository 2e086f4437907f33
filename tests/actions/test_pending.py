"""Points that wait before they can be spent: for a day, the end of a month, an instant, or an event that confirms theirs."""

import itertools
from typing import Any

import pytest

from achievements import definitions, rulebook
from achievements.periods import rfc3339
from engagement.actions import adjustments, amend_events, export, holds, verify, wallets
from engagement.actions.adjustments import AdjustPoints
from engagement.actions.amend_events import Amend
from engagement.actions.export import Table
from engagement.actions.holds import CaptureHold, HoldPoints, VoidHold
from engagement.actions.programs import Sandbox
from engagement.actions.wallets import Seen
from engagement.records import members
from engagement.records.ledger import Expiry, Wallet
from engagement.records.unit import Database, Unit
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase

DELIVERED = {"key": "delivered", "properties": {"order": "string"}}
CONFIRMS = {"key": "delivery", "on": "delivered", "naming": "order"}
START = "2017-03-10T15:00:00Z"


def program(pending: object = None, of_rule: object = None, **more: list[dict[str, Any]]) -> dict[str, Any]:
    """A program in New York whose points wait."""
    rule = {"key": "base", "on": "purchase", "earn": {"currency": "points", "per": "amount"}}
    wanted = document(
        currencies=[{"key": "points", "expires": {"after_days": 180}, **({"pending": pending} if pending else {})}],
        earn_rules=[{**rule, **({"pending": of_rule} if of_rule else {})}],
        **more,
    )
    wanted["event_types"] = [*wanted["event_types"], DELIVERED]
    return wanted


@pytest.fixture
async def empty(records: Database) -> House:
    return House(records)


async def begin(house: House, written: dict[str, Any]) -> None:
    await house.apply(written, Sandbox(BEGIN))
    await house.advance(START)


async def wallet(house: House, member: str = "ann") -> tuple[int, int]:
    """What is in her wallet, and how much of it waits."""
    sql = "SELECT balance, pending FROM wallet JOIN member ON id = member_id WHERE wallet.program_id = $1 AND external_id = $2"
    return next(iter(await house.rows(sql, member)), (0, 0))


async def told(house: House, kind: str) -> list[Any]:
    """The items of a kind in the feed, in order."""
    sql = "SELECT effect::text FROM activity, jsonb_array_elements(effects) AS effect WHERE program_id = $1 AND effect ->> 0 = $2 ORDER BY seq"
    return [row[0] for row in await house.rows(sql, kind)]


async def is_clean(house: House) -> None:
    await books_balance(house)
    async for progress in verify.verify(house.database, house.cache, house.program):
        assert progress.discrepancies == ()


async def take_back(house: House, event: str) -> None:
    await amend_events.amend(house.database, house.cache, house.program, Amend("ann", event), principal="p", key=None)


def delivered(identity: str, order: str, at: str, member: str = "ann") -> tuple[object, ...]:
    return (identity, member, "delivered", at, {"order": order})


@pytest.mark.parametrize(
    ("pending", "before", "released"),
    [
        ({"after_days": 14}, "2017-03-25T03:59:59.999999Z", "2017-03-25T04:00:00Z"),
        ({"end_of": "day"}, "2017-03-11T04:59:59.999999Z", "2017-03-11T05:00:00Z"),
        ({"end_of": "month"}, "2017-04-01T03:59:59.999999Z", "2017-04-01T04:00:00Z"),
        ({"end_of": "quarter"}, "2017-04-01T03:59:59.999999Z", "2017-04-01T04:00:00Z"),
        ({"until": "2017-05-01T00:00:00+02:00"}, "2017-04-30T21:59:59.999999Z", "2017-04-30T22:00:00Z"),
    ],
)
async def test_points_wait_until_an_instant(
    empty: House, pending: dict[str, object], before: str, released: str
) -> None:
    await begin(empty, program(pending))
    await empty.send(purchase("e", "ann", START))
    assert await wallet(empty) == (10, 10)
    await empty.advance(before)
    assert await wallet(empty) == (10, 10)
    await empty.advance(released)
    assert await wallet(empty) == (10, 0)
    assert len(await told(empty, "released")) == 1
    await is_clean(empty)


async def test_a_rule_says_for_itself_how_long_its_points_wait(empty: House) -> None:
    await begin(empty, program({"end_of": "month"}, of_rule={"end_of": "day"}))
    await empty.send(purchase("e/with/slashes", "ann", START))
    await empty.advance("2017-03-11T05:00:00Z")
    assert await wallet(empty) == (10, 0)
    await is_clean(empty)


async def test_what_is_heard_of_after_its_release_waits_for_nothing(empty: House) -> None:
    await begin(empty, program({"after_days": 14}))
    await empty.advance("2017-05-01T00:00:00Z")
    await empty.send(purchase("e", "ann", START), purchase("f", "ann", "2017-04-30T00:00:00Z"))
    assert await wallet(empty) == (20, 10)
    await is_clean(empty)


async def test_what_is_earned_anew_waits_as_if_it_were_new(empty: House) -> None:
    written = program({"after_days": 14})
    await begin(empty, written)
    await empty.send(purchase("e", "ann", START))

    async def amount(points: int) -> None:
        word = Amend("ann", "e", {"amount": str(points), "departments": []})
        await amend_events.amend(empty.database, empty.cache, empty.program, word, principal="p", key=None)

    await amount(0)
    await amount(20)
    assert await wallet(empty) == (20, 20)
    await amount(0)
    await empty.advance("2017-03-25T04:00:00Z")
    await amount(30)
    assert await wallet(empty) == (30, 0)
    await is_clean(empty)


CONFIRMED = [
    purchase("e", "ann", START),
    purchase("f", "ann", "2017-03-10T16:00:00Z"),
    delivered("d", "e", "2017-03-10T17:00:00Z"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_points_wait_for_what_confirms_their_event_in_whatever_order_it_is_heard(
    empty: House, order: tuple[int, ...]
) -> None:
    await begin(empty, program({"confirmed_by": "delivery"}, confirmations=[CONFIRMS]))
    for position in order:
        await empty.send(CONFIRMED[position])
    assert await wallet(empty) == (20, 10)
    assert len(await told(empty, "confirmation")) == 1
    await is_clean(empty)


async def test_another_members_delivery_confirms_nothing(empty: House) -> None:
    await begin(empty, program({"confirmed_by": "delivery"}, confirmations=[CONFIRMS]))
    await empty.send(CONFIRMED[0], delivered("d", "e", "2017-03-10T17:00:00Z", "bob"))
    assert await wallet(empty) == (10, 10)


async def test_a_confirmation_that_is_taken_back_lets_what_is_left_wait_again(empty: House) -> None:
    await begin(empty, program({"confirmed_by": "delivery"}, confirmations=[CONFIRMS]))
    await empty.send(*CONFIRMED)
    await take_back(empty, "d")
    assert await wallet(empty) == (20, 20)
    await is_clean(empty)


async def test_pending_points_of_an_event_that_is_taken_back_are_gone(empty: House) -> None:
    await begin(empty, program({"after_days": 14}))
    await empty.send(purchase("e", "ann", START))
    await take_back(empty, "e")
    assert await wallet(empty) == (0, 0)
    await empty.advance("2017-05-01T00:00:00Z")
    assert await told(empty, "released") == []
    await is_clean(empty)


async def test_an_automatic_reward_is_taken_when_the_points_for_it_are_released(empty: House) -> None:
    reward = {"key": "coffee", "at": 15, "currency": "points"}
    await begin(empty, program({"after_days": 14}, auto_rewards=[reward]))
    await empty.send(purchase("e", "ann", START, "20.00"))
    assert await told(empty, "spent") == []
    await empty.advance("2017-03-25T04:00:00Z")
    assert len(await told(empty, "spent")) == 1
    assert await wallet(empty) == (5, 0)
    await is_clean(empty)


async def test_pending_points_count_for_a_tier_at_once(empty: House) -> None:
    ladder = {
        "key": "club",
        "measure": {"points": "points"},
        "window": {"days": 365},
        "tiers": [{"key": "bronze"}, {"key": "silver", "from": 10}],
    }
    await begin(empty, program({"after_days": 14}, tier_ladders=[ladder]))
    await empty.send(purchase("e", "ann", START))
    assert ["silver" in each for each in await told(empty, "tier")] == [True]


@pytest.mark.parametrize(
    ("pending", "words"),
    [
        ({}, "exactly one of"),
        ({"after_days": 1, "end_of": "month"}, "exactly one of"),
        ({"after_days": 0}, "after_days"),
        ({"end_of": "lifetime"}, "end_of"),
        ({"until": "soon"}, "until"),
        ({"confirmed_by": "parcel"}, "no confirmation `parcel`"),
    ],
)
def test_mistakes_are_told(pending: dict[str, object], words: str) -> None:
    written = program(confirmations=[CONFIRMS])
    written["currencies"][0]["pending"] = pending
    with pytest.raises(definitions.Mistaken, match=words) as refused:
        rulebook.ready(definitions.parse(written))
    assert refused.value.mistakes[0].path.startswith("currencies[0].pending")


INSPECTED = {"key": "inspection", "on": "delivered", "when": "event.order == 'other'", "naming": "order"}
GIFT = {"key": "gift", "on": "purchase", "earn": {"currency": "points", "fixed": 7}}


async def test_a_confirmation_that_is_taken_back_stops_no_points_that_waited_for_nothing(empty: House) -> None:
    written = program(of_rule={"confirmed_by": "delivery"}, confirmations=[CONFIRMS])
    written["earn_rules"].append(GIFT)
    await begin(empty, written)
    await empty.send(CONFIRMED[0], CONFIRMED[2])
    assert await wallet(empty) == (17, 0)
    await take_back(empty, "d")
    assert await wallet(empty) == (17, 10)
    await is_clean(empty)


async def test_another_confirmation_releases_nothing(empty: House) -> None:
    delivery = {**CONFIRMS, "when": "event.order != 'other'"}
    await begin(empty, program({"confirmed_by": "delivery"}, confirmations=[delivery, INSPECTED]))
    await empty.send(purchase("other", "ann", START), delivered("d", "other", "2017-03-10T17:00:00Z"))
    assert len(await told(empty, "confirmation")) == 1
    assert await wallet(empty) == (10, 10)
    await is_clean(empty)


async def turn(house: House, at: str) -> None:
    """Turn the clock alone: nobody has booked what time brought."""

    async def work(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = $2 WHERE id = $1", unit.program, rfc3339(at))

    await house.database.run(work, house.program)


async def exported(house: House) -> tuple[tuple[int, ...], int]:
    """What the export says of the only wallet, and what its transactions come to."""
    cells: dict[Table, list[Any]] = {table: [] for table in Table}
    await export.export(house.database, house.cache, house.program, lambda table, rows: cells[table].extend(rows))
    ((_, _, _, _, _, expired, balance, pending, held, debt, *_),) = cells[Table.BALANCES]
    return (balance, pending, debt, held, expired), sum(row[4] for row in cells[Table.TRANSACTIONS])


async def test_what_is_told_before_anybody_has_booked_it_is_what_is_booked(empty: House) -> None:
    await begin(empty, program({"after_days": 14}))
    where = empty.database, empty.cache, empty.program
    await empty.send(purchase("spent", "ann", START, "40.00"))
    await empty.advance("2017-03-25T04:00:00Z")
    wanted = [
        await holds.hold_points(*where, HoldPoints("ann", 15, "order"), principal="p", key=None) for _ in range(2)
    ]
    await holds.capture_hold(*where, CaptureHold(str(wanted[0].hold.id)), principal="p", key=None)
    await empty.send(purchase("waits", "ann", "2017-03-25T05:00:00Z", "50.00"))
    await take_back(empty, "spent")
    # 15 were spent, and 15 are held: she owes 30, and gets 15 back in a quarter of an hour, and 50 after two weeks.
    assert await wallet(empty) == (35, 50)

    async def told(at: str) -> tuple[Wallet, Expiry | None]:
        async def look(unit: Unit) -> list[Seen]:
            (who,) = (await members.ids_of(unit, ["ann"])).values()
            return (await wallets.read(unit, [who], rfc3339(at)))[who]

        ((found, ends),) = await empty.database.run(look, empty.program, read_only=True)
        return found, ends

    for at, expected in (
        ("2017-03-25T04:15:00Z", (-15, 50, 15, 0, 0)),
        ("2017-04-09T04:00:00Z", (35, 0, 0, 0, 0)),
        ("2017-09-22T04:00:00Z", (0, 0, 0, 0, 35)),
    ):
        found, ends = await told(at)
        assert (found.balance, found.pending, found.debt, found.held, found.expired) == expected
        assert (ends is None) == (found.expired == 35)
        if found.debt == 0:
            await turn(empty, at)
            assert await exported(empty) == (expected, found.balance + found.pending + found.held)
            await empty.advance(at)
            assert await told(at) == (found, ends)
    await is_clean(empty)


async def test_a_reward_that_is_earned_anew_where_some_of_it_came_back_waits_for_nothing(empty: House) -> None:
    challenge = {
        "key": "two",
        "objectives": [{"on": "purchase", "measure": "count", "target": 2}],
        "window": {"calendar": "month"},
        "rewards": [{"points": 10}],
    }
    written = program({"after_days": 14}, challenges=[challenge], adjustment_reasons=[{"key": "goodwill"}])
    del written["earn_rules"]
    await begin(empty, written)
    where = empty.database, empty.cache, empty.program
    await empty.send(*(purchase(f"p{n}", "ann", f"2017-03-10T1{n}:00:00Z") for n in (5, 6)))
    await empty.advance("2017-03-25T04:00:00Z")
    held = await holds.hold_points(*where, HoldPoints("ann", 10, "order", seconds=86_400), principal="p", key=None)
    await take_back(empty, "p6")
    await adjustments.adjust_points(*where, AdjustPoints("ann", 10, "goodwill"), principal="p", key=None)
    await holds.void_hold(*where, VoidHold(str(held.hold.id)), principal="p", key=None)
    assert await wallet(empty) == (10, 0)
    await empty.send(purchase("p7", "ann", "2017-03-25T05:00:00Z"))
    assert await wallet(empty) == (20, 0)
    await is_clean(empty)
