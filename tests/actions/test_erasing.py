"""A member is erased: the books stay and agree, the person is nowhere, and what is said of her later is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from engagement.actions import aliases, amend_events, attributes, erasing, holds, referrals, teams
from engagement.actions.aliases import SetAlias
from engagement.actions.amend_events import Amend
from engagement.actions.attributes import SetAttributes
from engagement.actions.erasing import Erased
from engagement.actions.holds import CaptureHold, HoldPoints
from engagement.actions.programs import Sandbox
from engagement.actions.teams import CreateTeam, JoinTeam
from engagement.actions.verify import rebuild, verify
from engagement.errors import MemberErased, NotFound
from engagement.records import erasures, removal
from engagement.records.unit import Database, Unit
from tests.achievements.programs import EVERYTHING, document
from tests.achievements.test_referrals import FRIEND
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.erased import tables_dumped
from tests.conftest import Urls

AT_ONCE = timedelta(0)
HERS = (
    "alice@example.org",
    "Wonder Alice",
    "Ravensburg",
    "order-of-alice",
    "first-of-alice",
    "cellar books",
    "wreath-for-alice",
)
"""Her id, her alias, an attribute, ids of events, a value of a property, what a hold was for."""


def shop() -> dict[str, Any]:
    written = document(
        **EVERYTHING, referrals=[FRIEND], vouchers=[{"key": "cup"}], attributes=[{"key": "city", "type": "string"}]
    )
    written["event_types"].append({"key": "joined", "properties": {"code": "string", "age": "int"}})
    together = {"key": "together", "objectives": [{"on": "purchase", "target": 3}], "team": {"minimum": 1}}
    written["challenges"] = [*written["challenges"], together]
    return written


@pytest.fixture
async def lived(records: Database) -> House:
    """A house in which Alice has bought, was reversed, was brought and has brought, and is in a team with Bob."""
    house = House(records)
    await house.apply(shop(), Sandbox(BEGIN))
    alice, bob = "alice@example.org", "bob"
    await house.send(("first-of-alice", alice, "joined", "2017-03-01T10:00:00Z", {"code": bob, "age": 30}))
    where = (house.database, house.cache, house.program)
    await teams.create(*where, CreateTeam("t", "T"), principal="shop", key="t")
    for member in (alice, bob):
        await teams.join(*where, JoinTeam(member, "t"), principal="shop", key=f"t-{member}")
    await aliases.set_alias(*where, SetAlias(alice, "Wonder Alice"), principal=f"member:{alice}", key="a")
    await attributes.set_attributes(*where, SetAttributes(alice, {"city": "Ravensburg"}), principal="shop", key="b")
    for day in range(2, 12):
        event = purchase(f"order-of-alice-{day}", alice, f"2017-03-{day:02}T15:00:00Z", "30.00", "cellar books")
        await house.send(event, purchase(f"p{day}", bob, f"2017-03-{day:02}T16:00:00Z"))
    await house.send(
        ("j", bob, "joined", "2017-03-01T10:00:00Z", {"code": alice, "age": 3}),
        ("j2", "cid", "joined", "2017-03-01T10:00:00Z", {"code": alice, "age": 3}),
        purchase("p20", bob, "2017-03-12T16:00:00Z", "40.00"),
    )
    really: dict[str, object] = {"amount": "10.00", "departments": ["cellar books"]}
    for order, properties in (("order-of-alice-3", None), ("order-of-alice-4", really)):
        await amend_events.amend(*where, Amend(alice, order, properties), principal="shop", key=order)
    await referrals.settle(*where)
    await teams.settle(*where)
    held = await holds.hold_points(*where, HoldPoints(alice, 30, "wreath-for-alice"), principal="shop", key="h")
    await holds.hold_points(*where, HoldPoints(alice, 20, "wreath-for-alice"), principal="shop", key="i")
    await holds.capture_hold(*where, CaptureHold(str(held.hold.id), 10), principal="shop", key="c")
    return house


async def erase(house: House) -> Erased:
    return await erasing.erase(house.database, house.cache, house.program, "alice@example.org")


async def forgotten(_program: int, _external_id: str) -> bool:
    return True


async def settle(house: House) -> int:
    await house.database.run(
        lambda unit: unit.execute("DELETE FROM outbox WHERE program_id = $1", unit.program), house.program
    )
    return await erasing.settle(house.database, house.cache, house.program, forgotten, AT_ONCE)


async def differences(house: House) -> list[Any]:
    return [
        each async for progress in verify(house.database, house.cache, house.program) for each in progress.discrepancies
    ]


async def test_nothing_of_the_person_is_left_and_the_books_agree(lived: House) -> None:
    before = await tables_dumped(lived.database, lived.program)
    assert [each for each in HERS if each not in before] == []
    assert await differences(lived) == []
    transfers = "SELECT id, points, kind FROM transfer WHERE program_id = $1 ORDER BY id"
    booked = await lived.rows(transfers)
    erased = await erase(lived)
    assert not erased.done
    assert await differences(lived) == []
    assert await settle(lived) == 1
    after = await tables_dumped(lived.database, lived.program)
    assert [each for each in HERS if each in after] == []
    assert erased.member in after
    assert [each for each in await lived.rows(transfers) if each in booked] == booked
    assert await differences(lived) == []
    await books_balance(lived)
    assert (await erase(lived)) == Erased(erased.member, erased.erased_at, done=True)
    balances = await lived.rows(
        "SELECT balance::int, earned > 0 FROM wallet JOIN member ON member.program_id = $1 AND id = member_id"
        " WHERE wallet.program_id = $1 AND external_id = $2",
        erased.member,
    )
    assert balances == [(0, True)]
    async for progress in rebuild(lived.database, lived.cache, lived.program):
        assert progress.discrepancies == ()


async def test_others_go_on_without_her(lived: House) -> None:
    erased = await erase(lived)
    await settle(lived)
    # What qualified is taken back, and what was begun before is folded again from what is left of her name.
    where = (lived.database, lived.cache, lived.program)
    await amend_events.amend(*where, Amend("bob", "p20"), principal="shop")
    await lived.send(
        purchase("late", "bob", "2017-03-01T11:00:00Z"), purchase("q", "cid", "2017-03-05T11:00:00Z", "40.00")
    )
    await referrals.settle(*where)
    await teams.settle(*where)
    await lived.advance("2018-06-01T00:00:00Z")
    assert await differences(lived) == []
    rows = await lived.rows(
        "SELECT referrer, refused, open FROM referral WHERE program_id = $1 AND referrer = $2", erased.member
    )
    assert "ENDED" in {row[1] for row in rows}
    assert not any(row[2] for row in rows)


async def test_nothing_waits_to_be_given_to_her(lived: House) -> None:
    who = (await lived.rows("SELECT id FROM member WHERE program_id = $1 AND external_id = 'alice@example.org'"))[0][0]

    async def owe(unit: Unit) -> None:
        for sort, state in (("entitlement", "owed"), ("draw", "issued")):
            await unit.execute(
                "INSERT INTO benefit (program_id, id, member_id, sort, key, count, source, reward, state, since, issued_at, open)"
                " VALUES ($1, gen_random_uuid(), $2, $3, 'b', 1, 's', $3, $4, now(), now(), true)",
                *(unit.program, who, sort, state),
            )
        await unit.execute(
            "UPDATE reward_given SET open = true WHERE program_id = $1 AND member_id = $2", unit.program, who
        )

    await lived.database.run(owe, lived.program)
    await erase(lived)
    benefits = "SELECT sort, state, ended_at IS NULL, open FROM benefit WHERE program_id = $1 AND member_id = $2 AND key = 'b' ORDER BY 1"
    assert await lived.rows(benefits, who) == [
        ("draw", "voided", False, False),
        ("entitlement", "voided", False, False),
    ]
    for table in ("reward_given", "referral", "contribution"):
        assert await lived.rows(
            f"SELECT count(*) FROM {table} WHERE program_id = $1 AND member_id = $2 AND open", who
        ) == [(0,)]


async def test_what_is_said_of_her_later_is_refused(lived: House) -> None:
    where = (lived.database, lived.cache, lived.program)
    await erase(lived)
    for done in range(2):
        answer = await lived.send(
            purchase("new", "alice@example.org", "2017-03-20T15:00:00Z"), purchase("n", "dora", "2017-03-20T15:00:00Z")
        )
        assert [(each.index, each.code, each.field) for each in answer.refused] == [(0, "MEMBER_ERASED", "member")]
        assert [each.index for each in answer.receipts] == [1]
        with pytest.raises(MemberErased):
            await attributes.set_attributes(
                *where, SetAttributes("alice@example.org", {}), principal="shop", key=f"c{done}"
            )
        with pytest.raises(MemberErased):
            await amend_events.amend(*where, Amend("alice@example.org", "order-of-alice-5"), principal="shop")
        await settle(lived)
    with pytest.raises(NotFound):
        await erasing.erase(*where, "nobody")
    assert await lived.rows("SELECT external_id FROM member WHERE program_id = $1 AND external_id LIKE 'alice%'") == []


async def test_who_comes_by_her_id_long_after_is_somebody_else(lived: House) -> None:
    await erase(lived)
    await settle(lived)
    await lived.database.run(lambda unit: erasures.expire(unit, AT_ONCE), lived.program)
    answer = await lived.send(purchase("new", "alice@example.org", "2017-03-20T15:00:00Z"))
    assert len(answer.receipts) == 1


async def test_one_that_was_killed_in_between_is_gone_on_with(lived: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await erase(lived)
    monkeypatch.setattr(removal, "ROWS_AT_ONCE", 10)
    pieces = kills = 0

    class Killed(Exception):
        pass

    real = erasing._piece

    async def dying(*arguments: Any) -> object:
        nonlocal pieces
        done = await real(*arguments)
        pieces += arguments[0] is lived.database
        if pieces > 4 * kills:
            raise Killed
        return done

    monkeypatch.setattr(erasing, "_piece", dying)
    # The last piece may be the one behind which it is killed: then nothing is left to settle.
    while await lived.rows("SELECT FROM erasure WHERE program_id = $1 AND done_at IS NULL"):
        pieces = 0
        try:
            assert await settle(lived) == 1
        except Killed:
            kills += 1
            assert await differences(lived) == []
            await books_balance(lived)
    assert kills > 3
    after = await tables_dumped(lived.database, lived.program)
    assert [each for each in HERS if each in after] == []


async def test_what_is_on_its_way_is_waited_for(lived: House) -> None:
    await erase(lived)
    where = (lived.database, lived.cache, lived.program)
    assert await lived.rows("SELECT count(*) > 0 FROM outbox WHERE program_id = $1") == [(True,)]
    assert await erasing.settle(*where, forgotten, AT_ONCE) == 0
    assert await erasing.settle(*where, forgotten, erasing.SETTLE) == 0, "units that began before it may not have ended"
    assert await settle(lived) == 1


async def test_events_and_the_erasure_race(lived: House, database: Urls) -> None:
    other = await Database.open(database.app, max_connections=4)
    try:
        second = House(other)
        second.program = lived.program
        stop = asyncio.Event()

        async def traffic(house: House, lane: int) -> set[str]:
            codes: set[str] = set()
            number = 0
            while not stop.is_set() or number < 3:
                number += 1
                event = purchase(f"order-of-alice-x{lane}-{number}", "alice@example.org", "2017-04-01T15:00:00Z")
                answer = await house.send(event)
                codes |= {each.code for each in answer.refused} or {"taken"}
            return codes

        lanes = [asyncio.create_task(traffic(house, lane)) for lane, house in enumerate((lived, second, lived, second))]
        while (await lived.rows("SELECT count(*) FROM event WHERE program_id = $1 AND id LIKE '%-x%'"))[0][0] < 20:
            pass
        first, again = await asyncio.gather(erase(lived), erase(second))
        assert first.member == again.member
        await lived.send(purchase("after", "alice@example.org", "2017-04-01T15:00:00Z"))
        stop.set()
        for codes in await asyncio.gather(*lanes):
            assert codes == {"taken", "MEMBER_ERASED"}
        await settle(lived)
        after = await tables_dumped(lived.database, lived.program)
        assert [each for each in HERS if each in after] == []
        assert await differences(lived) == []
    finally:
        await other.close()


async def test_transfers_and_events_of_others_stay_as_they_are(lived: House, database: Urls) -> None:
    async def deleted(unit: Unit) -> int:
        return await unit.execute("DELETE FROM event WHERE program_id = $1", unit.program)

    assert await lived.database.run(deleted, lived.program) == 0
    erased = await erase(lived)
    hers = await lived.rows(
        "SELECT count(*) FROM event JOIN member ON member.program_id = $1 AND member.id = member_id"
        " WHERE event.program_id = $1 AND external_id = $2",
        erased.member,
    )
    assert await lived.database.run(deleted, lived.program) == hers[0][0] > 0
    owner = await asyncpg.connect(database.owner)
    try:
        await owner.execute("SELECT set_config('app.program', $1, false)", str(lived.program))
        for changed in ("points = points + 1", "event_id = 'x', kind = 'y'"):
            with pytest.raises(asyncpg.exceptions.RestrictViolationError):
                await owner.execute(f"UPDATE transfer SET {changed}")
        with pytest.raises(asyncpg.exceptions.RestrictViolationError):
            await owner.execute("UPDATE transfer SET event_id = 'x'")
    finally:
        await owner.close()


async def test_every_table_of_members_is_thought_of(database: Urls) -> None:
    """A new table with `member_id` says what becomes of it when its member is erased: in `removal`."""
    owner = await asyncpg.connect(database.owner)
    try:
        rows = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'member_id' AND table_schema = 'public'"
        )
    finally:
        await owner.close()
    named = [*removal.DELETED, *removal.DELETED_AT_LAST, *removal.RENAMED, *removal.KEPT]
    assert sorted(named) == sorted(row["table_name"] for row in rows)
