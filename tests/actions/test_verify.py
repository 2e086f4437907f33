"""Verifying finds whatever is stored wrongly, and names it; rebuilding mends it."""

from random import Random

import asyncpg
import pytest

from engagement.actions.programs import Sandbox
from engagement.actions.timezones import SetTimezone, set_timezone
from engagement.actions.verify import Discrepancy, rebuild, verify
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_amend_events import amend
from tests.actions.test_record_events import deliver, random_events
from tests.conftest import Urls


@pytest.fixture
async def full(house: House) -> House:
    """A program with late, reversed and amended events in it."""
    random = Random(5)
    events = random_events(random, 150)
    await deliver(house, events, 20)
    for event in random.sample(events, 10):
        await amend(house, event)
    await amend(house, next(event for event in events if event[2] == "purchase"), {"amount": "33.00"})
    await house.advance("2017-09-01T00:00:00Z")
    return house


async def discrepancies(house: House) -> list[Discrepancy]:
    found: list[Discrepancy] = []
    async for progress in verify(house.database, house.cache, house.program):
        found += progress.discrepancies
        assert 0 < progress.done <= progress.total
    return found


async def test_what_the_service_wrote_is_right(full: House) -> None:
    assert await discrepancies(full) == []


BREAKS = {
    "completion": ("DELETE FROM completion WHERE challenge = 'days'", "completion days"),
    "moved completion": ("UPDATE completion SET completed_at = completed_at + interval '1 s'", "completion"),
    "badge": ("UPDATE badge_award SET level = '99' WHERE level = '2'", "badge purchases 99"),
    "score": (
        "UPDATE board_score SET score = score + 1 WHERE board = 'monthly'; DELETE FROM board_score WHERE board = 'all-time'",
        "score",
    ),
    "state": (
        "UPDATE member_state SET state = jsonb_set(state, '{parts,streaks/weekly,2}', '77')",
        "state",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_what_was_changed_is_found_and_mended(full: House, database: Urls, name: str) -> None:
    sql, what = BREAKS[name]
    before = await full.outcomes()
    await tamper(database, full, sql)
    found = await discrepancies(full)
    assert found
    assert all(each.what.startswith(what) for each in found if each.what != "badge purchases 2"), found
    async for _ in rebuild(full.database, full.cache, full.program):
        pass
    assert await discrepancies(full) == []
    assert await full.outcomes() == before
    await books_balance(full)


async def test_a_lot_of_another_worth_is_found_and_mended_by_transfers(full: House, database: Urls) -> None:
    await tamper(
        database, full, "UPDATE lot SET points = points + 5, remaining = remaining + 5 WHERE id LIKE 'earn/base/p1%'"
    )
    assert {each.what.split()[0] for each in await discrepancies(full)} == {"points", "lot", "wallet", "due"}
    async for _ in rebuild(full.database, full.cache, full.program):
        pass
    # The lots are worth what they should be; that no transfer ever told of the five points stays for a person to see.
    assert {each.what.split()[0] for each in await discrepancies(full)} == {"lot", "wallet"}


async def test_a_wallet_that_is_not_its_transfers_is_named(full: House, database: Urls) -> None:
    await tamper(database, full, "UPDATE wallet SET balance = balance + 1, earned = earned + 1")
    found = await discrepancies(full)
    assert {each.what for each in found} == {"wallet points"}
    assert {each.member for each in found} == {"ann", "bob", "cid"}


NAMED = {
    "no wallet": ("DELETE FROM wallet", {"wallet"}),
    "wallet": ("UPDATE wallet SET spent = spent + 1", {"wallet"}),
    "no lot": (
        # A policy lets nobody delete a lot, not even the owner, but where a merge is undone.
        "ALTER TABLE lot NO FORCE ROW LEVEL SECURITY; DELETE FROM lot WHERE id = 'earn/base/y01'; ALTER TABLE lot FORCE ROW LEVEL SECURITY",
        {"points", "lot", "wallet"},
    ),
    "expired more": ("UPDATE lot SET expired = expired + 7 WHERE id = 'earn/base/y01'", {"lot"}),
    "expired less": ("UPDATE lot SET expired = 0 WHERE id = 'earn/base/x01'", {"lot"}),
    "lot kept": ("UPDATE lot SET expires_at = NULL WHERE id = 'earn/base/x01'", {"end"}),
    "all lots kept": ("UPDATE lot SET expires_at = NULL", {"end", "wallet", "due"}),
    "next expiry": ("UPDATE wallet SET next_expiry_at = NULL", {"wallet"}),
    "due": ("UPDATE member_state SET due_at = NULL", {"due"}),
    "zone": ("UPDATE member SET timezone = 'Asia/Tokyo'", {"zone"}),
    "no zone": ("UPDATE member SET timezone = NULL", {"zone"}),
    "snapshot": ('UPDATE member_snapshot SET state = \'{"at": "2017-01-01T00:00:00Z"}\'', {"snapshot"}),
    "found elsewhere": ("UPDATE member_snapshot SET at = at + interval '1 s'", {"snapshot"}),
    "another snapshot": ("UPDATE member_snapshot SET inputs = 7", {"snapshot"}),
}
MENDED = {"due", "snapshot", "found elsewhere", "another snapshot"}


@pytest.fixture
async def ending(records: Database) -> House:
    """A program whose points end after ten days, with a member in her own zone and points that have ended."""
    house = House(records)
    written = document(
        currencies=[{"key": "points", "expires": {"after_days": 10, "at": "same_time"}}],
        earn_rules=[{"key": "base", "on": "purchase", "earn": {"per": "amount"}}],
    )
    await house.apply(written, Sandbox(BEGIN))
    await house.send(*[purchase(f"x{n:02d}", "ann", f"2017-03-01T{n:02d}:00:00Z", "2.00") for n in range(20)])
    zone = SetTimezone("ann", "Europe/Paris")
    await set_timezone(house.database, house.cache, house.program, zone, principal="shop", key=None)
    await house.send(*[purchase(f"y{n:02d}", "ann", f"2017-03-12T{n:02d}:00:00Z", "2.00") for n in range(20)])
    return house


@pytest.mark.parametrize("name", NAMED)
async def test_whatever_is_stored_otherwise_is_named(ending: House, database: Urls, name: str) -> None:
    assert await discrepancies(ending) == []
    sql, what = NAMED[name]
    await tamper(database, ending, sql)
    found = await discrepancies(ending)
    assert {each.what.split()[0] for each in found} == what, found
    assert all(each.stored != each.expected for each in found)
    if name in MENDED:
        async for _ in rebuild(ending.database, ending.cache, ending.program):
            pass
        assert await discrepancies(ending) == []


async def tamper(database: Urls, house: House, sql: str) -> None:
    """Change rows behind the service's back, as the owner, within the program."""
    connection = await asyncpg.connect(database.owner)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.program = '{house.program}'")
            await connection.execute(sql)
    finally:
        await connection.close()
