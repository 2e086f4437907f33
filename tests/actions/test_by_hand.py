"""One row of the ledger or the shop that was changed by hand is found and named: every table, and every column of value."""

from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import pytest

from engagement.actions import accounting, adjustments, amend_events, holds, timezones, transfers
from engagement.actions.accounting import ClosePeriod
from engagement.actions.adjustments import AdjustPoints
from engagement.actions.amend_events import Amend
from engagement.actions.holds import CaptureHold, HoldPoints, VoidHold
from engagement.actions.timezones import SetTimezone
from engagement.actions.transfers import TransferPoints
from engagement.records import credentials
from engagement.records.credentials import Limits
from engagement.records.unit import ALL, Database
from tests.actions.conftest import House, purchase
from tests.actions.shop import SHELF, all_is_well, bring, capture, open_shop, redeem, refund, reserve, use, void
from tests.actions.test_verify import discrepancies
from tests.conftest import Urls

NAMES: Final = {
    "transfer": "'transfer ' || id",
    "lot": "id",
    "wallet": "'wallet ' || currency",
    "hold": "'hold ' || id",
    "redemption": "'redemption ' || id",
    "benefit": "'benefit ' || id",
    "reward_code": "'code of ' || voucher || ' ' || encode(hash, 'hex')",
    "reward_stock": "'stock of ' || concat_ws(' ', reward, nullif(session, ''))",
    "period_close": "'closed period ' || period || ' of ' || currency",
    "adjusted": "'adjusted by ' || credential || ' of ' || currency || ' on day ' || day",
}
"""The tables, and by what a row of each is named."""
UNTOLD: Final = {
    **dict.fromkeys(((table, "program_id") for table in NAMES), "what is another program's is not looked at here"),
    ("period_close", "closed_at"): "nothing follows from when a period was closed",
}
"""Columns of which nothing can be told, and why."""
GONE: Final = ("hold", "redemption", "reward_code", "reward_stock", "wallet", "lot")
"""Tables of which a row that is deleted is missed by others: not by all of them, so at least once for each table."""
CHANGED: Final = {
    "integer": "coalesce({0}, 0) + 1",
    "bigint": "coalesce({0}, 0) + 1",
    "numeric": "coalesce({0}, 0) + 1",
    "text": "coalesce({0}, '') || ctid",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "coalesce({0}, '2017-01-01Z') + interval '1 second'",
    "boolean": "{0} IS NOT TRUE",
    "jsonb": "'[[\"x\", 20]]'",
    "bytea": "sha256(convert_to(ctid::text, 'UTF8'))",
}
"""Another value of each type."""


async def _begun(records: Database) -> House:
    """Points that end, gems that wait, and a shop."""
    gems = {"key": "gems", "pending": {"after_days": 3_000}}
    points = {"key": "points", "expires": {"after_days": 180}, "refund_grace": 30, "transfers": {}}
    rules = [
        {"key": "base", "on": "purchase", "earn": {"per": "amount", "currency": "points"}},
        {"key": "gift", "on": "purchase", "earn": {"fixed": 7, "currency": "gems"}},
    ]
    shelf = [
        {**each, **({"price": {**each["price"], "currency": "points"}} if "price" in each else {})}
        for each in SHELF["rewards"]
    ]
    ladder = {**SHELF["tier_ladders"][0], "measure": {"points": "points"}}
    return await open_shop(
        records,
        ("ann", "bob"),
        currencies=[points, gems],
        earn_rules=rules,
        rewards=shelf,
        tier_ladders=[ladder],
        adjustment_reasons=[{"key": "goodwill"}],
    )


@pytest.fixture
async def lived(records: Database) -> House:
    """Members who have done with points and in the shop whatever can be done, one month of which is closed."""
    house = await _begun(records)
    where = house.database, house.cache, house.program
    by: dict[str, Any] = {"principal": "p", "key": None}
    await timezones.set_timezone(*where, SetTimezone("cid", "Europe/Paris"), **by)
    till = await house.database.run(
        lambda unit: credentials.create(unit, house.program, "till", ["points:write"], Limits(None, 1_000)), ALL
    )
    for change in (50, -5):
        wanted = AdjustPoints("ann", change, "goodwill", "points")
        await adjustments.adjust_points(*where, wanted, principal=f"key:{till[3:19]}", key=None)
    await transfers.transfer_points(*where, TransferPoints("ann", "bob", 20, "points"), **by)
    mug = await redeem(house, "mug")
    await bring(house, "c1", "c2", "c3")
    await redeem(house, "film")
    await use(house, (await redeem(house, "off")).benefits[0].code)
    await redeem(house, "gift")
    await redeem(house, "class", session="may")
    await capture(house, await reserve(house, "mug", "bob"), 60)
    await void(house, await reserve(house, "off", "bob"))
    await reserve(house, "film", "bob", seconds=60)
    ended = [await holds.hold_points(*where, HoldPoints("bob", 20, "order", "points", 60), **by) for _ in range(3)]
    await holds.capture_hold(*where, CaptureHold(str(ended[0].hold.id), 15), **by)
    await holds.void_hold(*where, VoidHold(str(ended[1].hold.id)), **by)
    await amend_events.amend(*where, Amend("bob", "p-bob"), **by)
    await house.advance("2017-04-02T00:00:00Z")
    await accounting.close(*where, ClosePeriod("points", "2017-03"), **by)
    await house.advance("2017-09-01T00:00:00Z")
    await refund(house, mug)
    await house.send(purchase("later", "ann", "2017-09-01T00:00:00Z", "90"))
    await reserve(house, "film", seconds=86_400)
    await all_is_well(house)
    return house


@pytest.fixture
async def hand(database: Urls, lived: House) -> AsyncIterator[Any]:
    """Somebody who may do everything, in the program, and whom nothing keeps from it."""
    connection = await asyncpg.connect(database.owner)
    await connection.execute("SELECT set_config('app.program', $1, false)", str(lived.program))
    for table in NAMES:
        await connection.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;"
            f" CREATE TABLE kept_{table} AS TABLE {table}"
        )
        for (check,) in await connection.fetch(
            "SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'", table
        ):
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {check}")
    yield connection
    await connection.close()


async def test_what_was_changed_by_hand_is_named(lived: House, hand: Any) -> None:
    missed: list[str] = []
    tried = 0
    for table, name in NAMES.items():
        known = await hand.fetch(
            "SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE table_name = $1", table
        )
        columns = [each for each in known if (table, each["name"]) not in UNTOLD]
        tried += len(columns)
        while columns:
            changed = [row async for row in _change(hand, table, name, columns)]
            told = {word for each in await discrepancies(lived) for word in (each.what, each.stored, each.expected)}
            missed += [f"{table}.{column}: {row}" for column, row in changed if not any(row in each for each in told)]
            await hand.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
    for table in GONE:
        await hand.execute(f"DELETE FROM {table}")
        missed += [] if await discrepancies(lived) else [f"all of {table}"]
        await hand.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")
    assert not missed, "\n".join(missed)
    assert tried > 100
    await all_is_well(lived)


async def _change(hand: Any, table: str, name: str, columns: list[Any]) -> AsyncIterator[tuple[str, str]]:
    """Take columns and change each in a row of its own, where rows have seals; else one, in all rows that are worth something. Which, and
    the name of each row.
    """
    rows = await hand.fetch(f"SELECT ctid, * FROM {table} ORDER BY ctid")
    sealed = "seal" in rows[0] and table != "period_close"
    for row in rows if sealed else [None]:
        if not columns:
            return
        column = columns.pop()
        value, told = CHANGED[column["type"]].format(column["name"]), name
        where = "true" if row is None else f"ctid = '({row['ctid'][0]},{row['ctid'][1]})'"
        if column["name"] == "member_id":
            value = "(SELECT id FROM member WHERE external_id = 'cid')"
            where = where if sealed else "member_id = (SELECT id FROM member WHERE external_id = 'ann')"
        if table == "lot":
            where += " AND points > 0 AND remaining > 0"
        if (table, column["name"]) == ("lot", "pending"):
            # How many points wait her wallet says.
            told = "'wallet ' || currency"
        sql = f"UPDATE {table} SET {column['name']} = {value} WHERE {where} RETURNING {told} AS name"
        for each in await hand.fetch(sql):
            yield column["name"], each["name"]
