"""Time in a sandbox: what falls due happens at its instant, whoever asks and however often."""

import asyncio

import pytest

from engagement.actions import clock, refolding
from engagement.errors import InvalidInput, NotASandbox
from engagement.records import members
from engagement.records.unit import Database, Unit
from tests.achievements.programs import EVERYTHING, document
from tests.actions.conftest import House, purchase


async def test_points_expire_at_the_end_of_their_last_day_and_are_dated_there(house: House) -> None:
    await house.send(
        purchase("p1", "ann", "2017-01-01T15:00:00Z", "10.00"), purchase("p2", "ann", "2017-01-02T15:00:00Z", "7.00")
    )
    await house.advance("2017-07-01T03:59:59Z")
    assert await house.rows("SELECT expired, balance FROM wallet WHERE program_id = $1") == [(0, 17)]
    await house.advance("2017-07-01T04:00:00Z")
    assert await house.rows("SELECT expired, balance FROM wallet WHERE program_id = $1") == [(10, 7)]
    await house.advance("2017-12-01T00:00:00Z")
    expiries = "SELECT points, at::text, lot_id FROM transfer WHERE program_id = $1 AND kind = 'expire' ORDER BY at"
    assert await house.rows(expiries) == [
        (10, "2017-07-01 04:00:00+00", "earn/base/p1"),
        (7, "2017-07-02 04:00:00+00", "earn/base/p2"),
    ]
    assert await house.rows("SELECT next_expiry_at FROM wallet WHERE program_id = $1") == [(None,)]


async def test_a_late_lot_may_be_born_expired(house: House) -> None:
    await house.send(purchase("p1", "ann", "2017-12-01T15:00:00Z"))
    await house.advance("2017-12-02T00:00:00Z")
    await house.send(purchase("late", "ann", "2017-01-01T15:00:00Z"))
    await house.advance("2017-12-02T00:00:00Z")
    assert await house.rows("SELECT earned, expired, balance FROM wallet WHERE program_id = $1") == [(20, 10, 10)]
    rows = await house.rows("SELECT at::text, booked_at::text FROM transfer WHERE program_id = $1 AND kind = 'expire'")
    assert rows == [("2017-07-01 04:00:00+00", "2017-12-02 00:00:00+00")]


async def test_an_event_ahead_of_the_clock_expires_what_ended_before_it(house: House) -> None:
    await house.send(purchase("p1", "ann", "2017-01-01T15:00:00Z"))
    await house.send(purchase("p2", "ann", "2017-08-01T15:00:00Z"))
    assert await house.rows("SELECT earned, expired, balance FROM wallet WHERE program_id = $1") == [(20, 10, 10)]


async def test_points_earned_and_ended_between_two_events_of_one_batch_end_between_them(house: House) -> None:
    await house.send(
        purchase("p1", "ann", "2017-01-01T15:00:00Z"),
        purchase("p2", "ann", "2017-06-30T15:00:00Z"),
        purchase("p3", "ann", "2018-06-30T15:00:00Z"),
    )
    assert await house.rows("SELECT earned, expired, balance FROM wallet WHERE program_id = $1") == [(30, 20, 10)]
    lots = "SELECT id, remaining, expired FROM lot WHERE program_id = $1 ORDER BY id"
    assert await house.rows(lots) == [("earn/base/p1", 0, 10), ("earn/base/p2", 0, 10), ("earn/base/p3", 10, 0)]
    told = "SELECT at::text FROM activity WHERE program_id = $1 AND effects @> '[[\"expired\"]]' ORDER BY seq"
    assert await house.rows(told) == [("2017-07-01 04:00:00+00",), ("2017-12-28 05:00:00+00",)]
    seqs = "SELECT event_id FROM activity WHERE program_id = $1 AND event_id IS NOT NULL ORDER BY seq"
    assert await house.rows(seqs) == [("p1",), ("p2",), ("p3",)]
    order = "SELECT at FROM activity WHERE program_id = $1 ORDER BY seq"
    assert (instants := await house.rows(order)) == sorted(instants)


async def test_a_streak_breaks_at_its_instant_and_is_told(house: House) -> None:
    await house.send(purchase("p1", "ann", "2017-03-01T15:00:00Z"))
    advanced = await house.advance("2017-03-10T00:00:00Z")
    assert advanced.members == 1
    items = await house.rows(
        "SELECT at::text, effects::text FROM activity WHERE program_id = $1 AND event_id IS NULL ORDER BY seq"
    )
    assert items == [("2017-03-03 05:00:00+00", '[["streak", "daily", 0, 1, "2017-03-03T05:00:00Z", 0, 0]]')]
    assert (await house.advance("2017-03-10T00:00:00Z")).members == 0


async def test_the_clock_never_goes_back_and_is_a_sandbox_s_alone(house: House, records: Database) -> None:
    await house.advance("2017-03-10T00:00:00Z")
    with pytest.raises(InvalidInput, match="never goes back"):
        await house.advance("2017-03-09T00:00:00Z")
    real = House(records)
    written = document(**EVERYTHING)
    written["program"]["key"] = "real"
    await real.apply(written)
    with pytest.raises(NotASandbox):
        await real.advance("2030-01-01T00:00:00Z")


async def test_more_members_than_fit_one_unit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "MEMBERS_AT_ONCE", 3)
    await house.send(*[purchase(f"p{n}", f"m{n}", "2017-03-01T15:00:00Z") for n in range(10)])
    # A daily and a weekly streak break, and points expire: all by the end of the year.
    await house.advance("2018-01-01T00:00:00Z")
    assert await house.rows("SELECT sum(expired)::int FROM wallet WHERE program_id = $1") == [(100,)]
    assert await house.rows("SELECT count(*) FROM member_state WHERE program_id = $1 AND due_at IS NOT NULL") == [(0,)]


async def test_what_time_brings_is_told_in_order_each_instant_by_itself(house: House) -> None:
    await house.send(purchase("p1", "ann", "2017-01-01T15:00:00Z"), purchase("p2", "ann", "2017-06-20T15:00:00Z"))
    await house.advance("2017-12-31T00:00:00Z")
    told = await house.rows("SELECT at FROM activity WHERE program_id = $1 AND event_id IS NULL ORDER BY seq")
    assert len(told) >= 6
    assert [at for (at,) in told] == sorted({at for (at,) in told})


async def test_the_clock_waits_for_a_history_that_somebody_else_folds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refolding, "REFOLD_INPUTS_MAX", 1)
    await house.send(*[purchase(f"p{day}", "ann", f"2017-03-0{day}T15:00:00Z") for day in range(2, 6)])
    assert (await house.send(purchase("late", "ann", "2017-03-01T15:00:00Z"))).receipts[0].status == "PENDING"
    (who,) = (await house.rows("SELECT member_id FROM member_state WHERE program_id = $1"))[0]

    async def hold(unit: Unit) -> None:
        await members.lock_states(unit, [who])
        await asyncio.sleep(1)

    holding = asyncio.create_task(house.database.run(hold, house.program))
    await asyncio.sleep(0.2)
    await house.advance("2017-03-06T00:00:00Z")
    assert await house.rows("SELECT 1 FROM member_state WHERE program_id = $1 AND pending IS NOT NULL") == []
    await holding
    again = await house.send(purchase("late", "ann", "2017-03-01T15:00:00Z"))
    assert (again.receipts[0].status, bool(again.receipts[0].effects)) == ("APPLIED", True)
