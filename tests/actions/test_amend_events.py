"""Reversals and amendments: as if the event had never been, or had been otherwise from the start."""

from random import Random

import pytest

from achievements.outcomes import PointsEarned, Withdrawn
from engagement.actions import amend_events, refolding
from engagement.actions.amend_events import Amend, Amended
from engagement.actions.programs import Sandbox
from engagement.errors import AlreadyReversed, IdempotencyKeyReused, InvalidInput, NotFound
from engagement.records.unit import Database
from tests.achievements.programs import EVERYTHING, document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_record_events import deliver, random_events


async def amend(house: House, event: tuple[object, ...], properties: object = None, key: str | None = None) -> Amended:
    command = Amend(str(event[1]), str(event[0]), properties)  # type: ignore[arg-type]
    return await amend_events.amend(house.database, house.cache, house.program, command, principal="shop", key=key)


async def another(records: Database, name: str) -> House:
    house = House(records)
    written = document(**EVERYTHING)
    written["program"]["key"] = name
    await house.apply(written, Sandbox(BEGIN))
    return house


@pytest.mark.parametrize("seed", range(3))
async def test_reversed_events_never_were(records: Database, seed: int) -> None:
    random = Random(seed)
    events = sorted(random_events(random, 120), key=lambda event: str(event[3]))
    reversed_ = random.sample(events, 25)
    never, undone, ahead = [await another(records, name) for name in ("never", "undone", "ahead")]
    members = [purchase("enrol", who, "2017-01-01T00:00:00Z", "0.00") for who in ("ann", "bob", "cid")]
    for house in (never, undone, ahead):
        await house.send(*members)
    await deliver(never, [event for event in events if event not in reversed_], 40)
    await deliver(undone, events, 40)
    for event in reversed_:
        assert (await amend(undone, event)).status == "APPLIED"
    for event in reversed_:
        assert (await amend(ahead, event)).status == "WAITING"
    await deliver(ahead, random.sample(events, len(events)), 11)
    found = []
    for house in (never, undone, ahead):
        await house.advance("2018-06-01T00:00:00Z")
        found.append(await house.outcomes())
    assert found[1] == found[0]
    assert found[2] == found[0]
    for house in (undone, ahead):
        await books_balance(house)


async def test_an_amended_event_was_so_from_the_start(records: Database) -> None:
    first, other = await another(records, "first"), await another(records, "other")
    sent = [purchase(f"p{day}", "ann", f"2017-03-0{day}T15:00:00Z", "120.00") for day in range(1, 8)]
    await first.send(*sent)
    await amend(first, sent[2], {"amount": "60.00", "departments": ["A", "B", "C", "D"]})
    await amend(first, sent[2], {"amount": "0.00"})
    await amend(first, sent[4], {"amount": "300.00"})
    await amend(first, sent[5], {"amount": "90.00"})
    await amend(first, sent[5], {"amount": "110.00"})
    amounts = {"p3": "0.00", "p5": "300.00", "p6": "110.00"}
    for event in sent:
        amount = {"amount": amounts[str(event[0])]} if event[0] in amounts else event[4]
        await other.send((*event[:4], amount))
    found = []
    for house in (first, other):
        await house.advance("2017-03-20T00:00:00Z")
        found.append(await house.outcomes())
        await books_balance(house)
    assert found[0] == found[1]


async def test_an_event_can_be_amended_to_say_nothing(house: House) -> None:
    event = purchase("p1", "ann", "2017-01-01T15:00:00Z", "120.00")
    await house.send(event)
    amended = await amend(house, event, {})
    assert any(isinstance(each, Withdrawn) for each in amended.effects)
    assert await house.rows("SELECT earned, reversed, balance FROM wallet WHERE program_id = $1") == [(170, 170, 0)]


async def test_what_is_taken_back_is_told_and_the_expiry_with_it(house: House) -> None:
    event = purchase("p1", "ann", "2017-01-01T15:00:00Z", "120.00")
    await house.send(event)
    await house.advance("2017-12-01T00:00:00Z")
    assert await house.rows("SELECT earned, expired, balance FROM wallet WHERE program_id = $1") == [(170, 170, 0)]
    amended = await amend(house, event)
    gone = {
        each.outcome.source
        for each in amended.effects
        if isinstance(each, Withdrawn) and isinstance(each.outcome, PointsEarned)
    }
    assert gone == {"base", "big"}
    wallet = "SELECT earned, reversed, expired, balance FROM wallet WHERE program_id = $1"
    assert await house.rows(wallet) == [(170, 170, 0, 0)]
    await books_balance(house)
    again = await amend(house, event)
    assert (again.replayed, again.effects) == (True, amended.effects)
    assert await house.rows(wallet) == [(170, 170, 0, 0)]
    with pytest.raises(AlreadyReversed):
        await amend(house, event, {"amount": "5.00"})
    assert (await house.send(event)).receipts[0].replayed


async def test_wrong_reversals_are_refused(house: House) -> None:
    event = purchase("p1", "ann", "2017-01-01T15:00:00Z")
    with pytest.raises(NotFound):
        await amend(house, event)
    await house.send(event)
    with pytest.raises(InvalidInput, match="at least 0"):
        await amend(house, event, {"amount": "-1.00"})
    for name in ("", "x" * 201, "a\0b"):
        with pytest.raises(InvalidInput, match="printable"):
            await amend(house, purchase(name, "ann", "2017-01-01T15:00:00Z"))
    await amend(house, event, {"amount": "5.00"}, key="k")
    with pytest.raises(IdempotencyKeyReused):
        await amend(house, event, {"amount": "6.00"}, key="k")


async def test_a_reversal_in_a_long_history_waits_for_the_worker(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [purchase(f"p{day:02d}", "ann", f"2017-03-{day:02d}T15:00:00Z") for day in range(1, 15)]
    await house.send(*events)
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 5)
    assert (await amend(house, events[0])).status == "PENDING"
    again = await amend(house, events[0])
    assert (again.status, again.replayed) == ("PENDING", True)
    assert (await house.send(purchase("late", "ann", "2017-02-28T15:00:00Z"))).receipts[0].status == "PENDING"
    await house.advance("2017-04-01T00:00:00Z")
    waited = await house.outcomes()
    other = await another(house.database, "straight")
    await other.send(purchase("late", "ann", "2017-02-28T15:00:00Z"), *events[1:])
    await other.advance("2017-04-01T00:00:00Z")
    assert waited == await other.outcomes()
    await books_balance(house)
