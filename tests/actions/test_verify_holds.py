"""A hold that was changed behind the service's back is found and named."""

import pytest

from engagement.actions import holds
from engagement.actions.holds import CaptureHold, HoldPoints, VoidHold
from engagement.actions.programs import Sandbox
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_verify import discrepancies, tamper
from tests.conftest import Urls

CHANGES = {
    "captured less": ("UPDATE hold SET captured = captured - 1 WHERE state = 'captured'", {"hold"}),
    "another fact": ("UPDATE hold SET fact_id = 'f' WHERE state = 'captured'", {"hold"}),
    "opened": (
        "UPDATE hold SET state = 'open', ended_at = NULL, captured = 0, fact_id = NULL WHERE state = 'captured'",
        {"held", "hold"},
    ),
    "voided": (
        "UPDATE hold SET state = 'voided', ended_at = now() WHERE state = 'open'",
        {"held", "hold", "wallet", "due"},
    ),
    "longer": ("UPDATE hold SET until = until + interval '1 day' WHERE state = 'open'", {"hold", "wallet", "due"}),
    "another lot": ("UPDATE hold SET lots = '[[\"x\", 20]]' WHERE state = 'open'", {"held", "hold"}),
    "more": ("UPDATE hold SET lots = jsonb_set(lots, '{0,1}', '21') WHERE state = 'open'", {"held", "hold"}),
    "larger": ("UPDATE hold SET points = points + 50 WHERE state = 'open'", {"hold"}),
    "another day": ("UPDATE transfer SET at = at - interval '40 days' WHERE kind = 'spend'", {"transfer"}),
    "earned before": ("UPDATE lot SET earned_at = earned_at - interval '1 hour'", {"earning"}),
    "earned by another": ("UPDATE lot SET event_id = 'x'", {"earning"}),
    "gone": ("DELETE FROM hold WHERE state = 'open'", {"held", "wallet", "due"}),
    "lot": ("UPDATE lot SET held = held + 1", {"held", "wallet"}),
    "wallet": ("UPDATE wallet SET held = held - 1", {"wallet"}),
    "waits": ("UPDATE wallet SET pending = 1", {"wallet"}),
    "released": ("UPDATE lot SET release_at = now()", {"release"}),
}


@pytest.fixture
async def holding(records: Database) -> House:
    """A member of whose 100 points 20 are held, 30 were captured and 10 voided."""
    house = House(records)
    earn = {"key": "base", "on": "purchase", "earn": {"per": "amount"}}
    await house.apply(document(earn_rules=[earn]), Sandbox(BEGIN))
    await house.send(purchase("p", "ann", "2017-03-01T12:00:00Z", "100"))

    async def hold(points: int) -> str:
        wanted = HoldPoints("ann", points, "order")
        where = house.database, house.cache, house.program
        return str((await holds.hold_points(*where, wanted, principal="p", key=None)).hold.id)

    where = house.database, house.cache, house.program
    await holds.capture_hold(*where, CaptureHold(await hold(30)), principal="p", key=None)
    await holds.void_hold(*where, VoidHold(await hold(10)), principal="p", key=None)
    await hold(20)
    await books_balance(house)
    assert await discrepancies(house) == []
    return house


@pytest.mark.parametrize("name", CHANGES)
async def test_what_was_changed_of_a_hold_is_named(holding: House, database: Urls, name: str) -> None:
    sql, what = CHANGES[name]
    await tamper(
        database, holding, f"ALTER TABLE transfer DISABLE TRIGGER USER; {sql}; ALTER TABLE transfer ENABLE TRIGGER USER"
    )
    assert {each.what.split()[0] for each in await discrepancies(holding)} == what
