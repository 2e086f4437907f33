"""The books by period: what they add up to, whatever is learned late, and closed months that never change."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import asyncpg
import pytest

from achievements import periods
from achievements.periods import Calendar
from engagement.actions import accounting, clock, erasing, holds
from engagement.actions.accounting import Closed, ClosePeriod, RolledForward
from engagement.actions.adjustments import AdjustPoints, adjust_points
from engagement.actions.holds import CaptureHold, HoldPoints
from engagement.actions.programs import Sandbox
from engagement.actions.transfers import TransferPoints, transfer_points
from engagement.errors import InvalidInput, NotEnoughPoints, NotFound, PeriodRefused, Unclosable
from engagement.records.unit import Database, Unit
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_decisions import bought, coupon, spending
from tests.actions.test_erasing import settle
from tests.actions.test_verify import discrepancies, tamper
from tests.conftest import Urls

APRIL, MAY = "2017-04-02T00:00:00Z", "2017-05-02T00:00:00Z"


async def close(house: House, period: str, currency: str | None = "points", key: str | None = None) -> Closed:
    command = ClosePeriod(currency, period)
    return await accounting.close(house.database, house.cache, house.program, command, principal="shop", key=key)


async def rolled(
    house: House, by: Calendar = Calendar.MONTH, first: str | None = None, last: str | None = None
) -> list[RolledForward]:
    async def work(unit: Unit) -> list[RolledForward]:
        return await accounting.roll_forward(unit, await house.cache.load(unit), "points", by, first, last)

    return await house.database.run(work, house.program, read_only=True)


async def figures(house: House, period: str) -> tuple[Any, ...]:
    (found,) = await rolled(house, first=period, last=period)
    told = found.counted
    moved = (told.figures.earned, told.figures.spent, told.figures.expired, told.figures.reversed)
    return (told.opening, *moved, told.closing, found.closed_at is not None)


async def balance(house: House) -> int:
    ((balance,),) = await house.rows("SELECT coalesce(sum(balance), 0)::bigint FROM wallet WHERE program_id = $1")
    return int(balance)


async def skip_to(house: House, at: str) -> None:
    """Set the clock, and leave what falls due on the way to be done."""

    async def work(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = $2 WHERE id = $1", unit.program, periods.rfc3339(at))

    await house.database.run(work, house.program)


async def refusal(house: House, period: str, currency: str | None = "points") -> Unclosable:
    with pytest.raises(PeriodRefused) as refused:
        await close(house, period, currency)
    return refused.value.reason


@pytest.fixture
async def shop(records: Database) -> House:
    """A sandbox at the second of April: 150 points earned in March, of which 100 were spent and 20 have ended; 30 end in April."""
    house = House(records)
    await house.apply(spending(), Sandbox(BEGIN))
    await house.send(bought(3, 120), coupon(4), bought(28, 30))
    await house.advance(APRIL)
    return house


async def test_what_a_period_ends_with_is_what_the_next_begins_with(shop: House) -> None:
    assert await figures(shop, "2017-02") == (0, 0, 0, 0, 0, 0, False)
    assert await figures(shop, "2017-03") == (0, 150, 100, 20, 0, 30, False)
    assert await figures(shop, "2017-04") == (30, 0, 0, 0, 0, 30, False)
    days = await rolled(shop, Calendar.DAY, "2017-03-01", "2017-04-02")
    moved = {each.counted.period: each.counted.figures.change for each in days if each.counted.figures.change}
    assert moved == {"2017-03-03": 120, "2017-03-04": -100, "2017-03-13": -20, "2017-03-28": 30}
    for by, count in ((Calendar.WEEK, 12), (Calendar.QUARTER, 12), (Calendar.YEAR, 12)):
        shown = await rolled(shop, by)
        assert len(shown) == count
        assert shown[-1].counted.closing == 30
        assert all(before.ends_at == after.starts_at for before, after in pairwise(shown))


async def test_points_that_have_ended_count_before_they_are_booked(shop: House) -> None:
    await skip_to(shop, MAY)
    assert await balance(shop) == 30
    assert await figures(shop, "2017-04") == (30, 0, 0, 30, 0, 0, False)


async def test_what_is_learned_of_a_closed_month_counts_in_the_first_open_one(shop: House) -> None:
    done = await close(shop, "2017-03")
    assert [each.closing for each in done.periods] == [30]
    await shop.send(bought(20, 500), purchase("p-feb", "ann", "2017-02-20T12:00:00Z", "7.00"))
    await amend(shop, bought(3, 120))
    # The late purchase has ended, as has that of February; what was spent of the reversed one is owed.
    assert await figures(shop, "2017-02") == (0, 0, 0, 0, 0, 0, False)
    assert await figures(shop, "2017-03") == (0, 150, 100, 20, 0, 30, True)
    april = await figures(shop, "2017-04")
    assert (april[0], april[1]) == (30, 507)
    assert april[5] == await balance(shop)
    days = await rolled(shop, Calendar.DAY, "2017-03-01", "2017-04-02")
    assert days[-2].counted.figures.earned == 507, "on the first day of the first open month"
    assert await discrepancies(shop) == []
    await shop.advance(MAY)
    await close(shop, "2017-04")
    assert (await figures(shop, "2017-05"))[5] == await balance(shop)
    assert await discrepancies(shop) == []


async def test_months_are_closed_in_order_once_they_are_over(shop: House) -> None:
    assert await refusal(shop, "2017-04") == Unclosable.NOT_OVER
    assert await refusal(shop, "2017-02") == Unclosable.OUT_OF_ORDER
    await shop.advance(MAY)
    assert await refusal(shop, "2017-04") == Unclosable.OUT_OF_ORDER
    await close(shop, "2017-03")
    assert await refusal(shop, "2017-03") == Unclosable.CLOSED
    assert await refusal(shop, "2017-03", None) == Unclosable.CLOSED
    assert [each.currency for each in (await close(shop, "2017-04", None)).periods] == ["points"]
    for wrong in ("2017", "2017-13", "", "\0", "2017-03-01"):
        with pytest.raises(InvalidInput):
            await close(shop, wrong)
    for unknown in ("gems", "\0", "p" * 10_000):
        with pytest.raises(NotFound):
            await close(shop, "2017-04", unknown)
    with pytest.raises(InvalidInput, match="1 to 400"):
        await rolled(shop, first="1950-01")
    with pytest.raises(InvalidInput, match="1 to 400"):
        await rolled(shop, first="2017-03", last="2017-02")


async def test_a_key_closes_once(shop: House) -> None:
    first = await close(shop, "2017-03", key="k")
    again = await close(shop, "2017-03", key="k")
    assert (again.periods, first.replayed, again.replayed) == (first.periods, False, True)


async def test_a_month_waits_until_what_fell_due_in_it_is_done(shop: House) -> None:
    await close(shop, "2017-03")
    await skip_to(shop, MAY)
    assert await refusal(shop, "2017-04") == Unclosable.NOT_SETTLED
    await clock.catch_up(shop.database, shop.cache, shop.program)
    await close(shop, "2017-04")
    assert await figures(shop, "2017-04") == (30, 0, 0, 30, 0, 0, True)


async def test_of_many_who_close_one_does_and_what_is_booked_meanwhile_is_not_lost(shop: House) -> None:
    sends = [shop.send(purchase(f"r{n:02d}", f"m{n % 3}", "2017-03-30T12:00:00Z", "5.00")) for n in range(12)]
    done = await asyncio.gather(*sends, *(close(shop, "2017-03") for _ in range(4)), return_exceptions=True)
    answers = done[len(sends) :]
    assert sum(isinstance(each, Closed) for each in answers) == 1, answers
    assert all(each.reason is Unclosable.CLOSED for each in answers if isinstance(each, PeriodRefused))
    assert all(isinstance(each, Closed | PeriodRefused) for each in answers)
    march, april = await rolled(shop, first="2017-03", last="2017-04")
    assert march.counted.figures.earned + april.counted.figures.earned == 150 + 60
    assert april.counted.closing == await balance(shop)
    assert await discrepancies(shop) == []


async def test_what_is_being_booked_when_a_month_is_closed_counts_in_it(shop: House, database: Urls) -> None:
    writer, observer = await asyncpg.connect(database.app), await asyncpg.connect(database.app)
    looking = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        async with writer.transaction():
            await writer.execute(f"SET LOCAL app.program = '{shop.program}'")
            await writer.execute("SELECT FROM program FOR SHARE")
            await writer.execute(
                "INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, source)"
                " SELECT program_id, uuidv7(), id, 'points', 'earn', 9, 'issuance', 'wallet', '2017-03-30', now(), 's' FROM member"
            )
            closing = asyncio.create_task(close(shop, "2017-03"))
            # Each look is a round trip: nothing spins here.
            while not await observer.fetchval(looking):
                pass
            assert not closing.done()
    finally:
        await writer.close()
        await observer.close()
    (march,) = (await closing).periods
    assert march.figures.earned == 150 + 9


@pytest.mark.parametrize("seed", range(3))
async def test_all_periods_together_are_what_members_have_and_closed_ones_stay(records: Database, seed: int) -> None:
    random, house = Random(seed), House(records)
    reasons = [{"key": "correction"}]
    written = spending(f"stream-{seed}", auto_rewards=[{"key": "reward", "at": 170}], adjustment_reasons=reasons)
    written["currencies"][0] |= {"transfers": {}, "refund_grace": 3}
    await house.apply(written, Sandbox(BEGIN))
    events: list[tuple[object, ...]] = [
        purchase(f"first-{who}", who, "2017-01-02T00:00:00Z", "50.00") for who in ("ann", "bob")
    ]
    await house.send(*events)
    final: dict[str, Any] = {}
    now, month = datetime(2017, 3, 5, tzinfo=UTC), 2017 * 12
    for number in range(60):
        now += timedelta(days=random.choice([1, 2, 5]))
        at = (now - timedelta(days=random.choice([0, 0, 0, 1, 20, 60]))).isoformat()
        who = random.choice(["ann", "bob"])
        if random.random() < 0.5 or not events:
            events.append(purchase(f"p{number:03d}", who, at, f"{random.randrange(1, 160)}.00"))
            await house.send(events[-1])
        elif random.random() < 0.3:
            await house.send((f"c{number:03d}", who, "coupon", at, {}))
        elif random.random() < 0.6:
            await random.choice([_set_aside, _adjust, _give])(house, who, random)
        else:
            await amend(house, events.pop(random.randrange(len(events))), random.choice([None, {"amount": "44.00"}]))
        await house.advance(now.isoformat())
        if random.random() < 0.3 and month < now.year * 12 + (now - timedelta(days=1)).month - 1:
            name, month = periods.name(Calendar.MONTH, month), month + 1
            (closed,) = (await close(house, name)).periods
            final[name] = (closed.opening, closed.figures, closed.closing)
        await _balances(house, final)
    assert len(final) > 2
    kinds = {kind for (kind,) in await house.rows("SELECT DISTINCT kind FROM transfer WHERE program_id = $1")}
    assert kinds >= {"earn", "spend", "expire", "reverse", "adjust", "transfer"}
    assert await discrepancies(house) == []


async def _set_aside(house: House, who: str, random: Random) -> None:
    """Hold some points; let half of the holds be captured, and the time of the others be over."""
    where = (house.database, house.cache, house.program)
    with suppress(NotEnoughPoints):
        made = await holds.hold_points(*where, HoldPoints(who, 25, "basket"), principal="shop", key=None)
        if random.random() < 0.5:
            captured = CaptureHold(str(made.hold.id), random.randrange(1, 26))
            await holds.capture_hold(*where, captured, principal="shop", key=None)


async def _adjust(house: House, who: str, random: Random) -> None:
    """Give some points, or take some."""
    change = AdjustPoints(who, random.choice([-20, 30]), "correction")
    with suppress(NotEnoughPoints):
        await adjust_points(house.database, house.cache, house.program, change, principal="shop", key=None)


async def _give(house: House, who: str, random: Random) -> None:
    """Let one give the other some points."""
    gift = TransferPoints(who, "bob" if who == "ann" else "ann", random.randrange(1, 10))
    with suppress(NotEnoughPoints):
        await transfer_points(house.database, house.cache, house.program, gift, principal="shop", key=None)


async def _balances(house: House, final: dict[str, Any]) -> None:
    async def work(unit: Unit) -> list[RolledForward]:
        return (await accounting.whole(unit, await house.cache.load(unit)))["points"]

    months = await house.database.run(work, house.program, read_only=True)
    assert months[-1].counted.closing == await balance(house)
    assert sum(each.counted.figures.transferred for each in months) == 0
    assert (months[0].counted.opening, sum(each.counted.figures.change for each in months)) == (0, await balance(house))
    told = {each.counted.period: each for each in months if each.closed_at is not None}
    shown = {name: (each.counted.opening, each.counted.figures, each.counted.closing) for name, each in told.items()}
    assert shown == final


async def test_a_closed_month_stays_when_a_member_is_erased(shop: House) -> None:
    await close(shop, "2017-03")
    await erasing.erase(shop.database, shop.cache, shop.program, "ann")
    assert await settle(shop) == 1
    assert await figures(shop, "2017-03") == (0, 150, 100, 20, 0, 30, True)
    assert await figures(shop, "2017-04") == (30, 0, 0, 30, 0, 0, False)
    assert await discrepancies(shop) == []


CHANGED = {
    "closed period": ("period_close", "UPDATE period_close SET spent = spent + 1, closing = closing - 1"),
    "seal": ("period_close", "UPDATE period_close SET seal = seal + 1"),
    "transfer": ("transfer", "UPDATE transfer SET points = points + 1 WHERE kind = 'spend'"),
    "transfer dated otherwise": ("transfer", "UPDATE transfer SET at = at + interval '1 minute' WHERE kind = 'earn'"),
    "transfer of another kind": ("transfer", "UPDATE transfer SET kind = 'adjust' WHERE kind = 'spend'"),
    "no transfer": ("transfer", "DELETE FROM transfer WHERE kind = 'expire'"),
    "lot": ("lot", "UPDATE lot SET remaining = remaining + 1 WHERE remaining > 0"),
    "wallet": ("wallet", "UPDATE wallet SET spent = spent + 1"),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_a_row_that_was_changed_by_hand_is_found_and_named(shop: House, database: Urls, name: str) -> None:
    await close(shop, "2017-03")
    assert await discrepancies(shop) == []
    table, sql = CHANGED[name]
    if table in ("transfer", "period_close"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await tamper(database, shop, sql)
        sql = f"ALTER TABLE {table} DISABLE TRIGGER USER; {sql}; ALTER TABLE {table} ENABLE TRIGGER USER"
    await tamper(database, shop, sql)
    found = await discrepancies(shop)
    named = {each.what for each in found}
    expected = {"period_close": "closed period 2017-03 of points", "transfer": "closed period 2017-03 of points"}
    assert expected.get(table, table) in {*named, *(each.split()[0] for each in named)}, found
    assert all(each.stored != each.expected for each in found)
