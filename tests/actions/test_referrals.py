"""Referrals over real servers: both sides are paid once, or neither, whatever happens in which order and wherever it stops."""

from random import Random
from typing import Any

import pytest

from achievements.referrals import own_id, own_type
from engagement.actions import amend_events, referrals
from engagement.actions.amend_events import Amend
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.verify import verify
from engagement.errors import InvalidInput
from engagement.records import referrals as records_of_referrals
from engagement.records.unit import Database
from tests.achievements.test_referrals import written
from tests.actions.books import books_balance
from tests.actions.conftest import BEGIN, House, purchase


async def shop(records: Database, **changes: Any) -> House:
    house = House(records)
    await house.apply(written(**changes), Sandbox(BEGIN))
    return house


def joined(identity: str, member: str, by: str, day: int = 1, month: int = 3) -> tuple[object, ...]:
    return (identity, member, "joined", f"2017-{month:02}-{day:02}T10:00:00Z", {"code": by})


def bought(identity: str, member: str, day: int, month: int = 3) -> tuple[object, ...]:
    return purchase(identity, member, f"2017-{month:02}-{day:02}T15:00:00Z", "30.00")


async def brought(house: House, member: str, by: str, number: int = 1, month: int = 3) -> None:
    """A member is brought by another, and buys what that is for."""
    await house.send(joined(f"j{number}", member, by, 1, month), bought(f"p{number}", member, 2, month))


async def settle(house: House) -> int:
    return await referrals.settle(house.database, house.cache, house.program)


async def reverse(house: House, member: str, event: str, properties: Any = None) -> None:
    await amend_events.amend(
        house.database, house.cache, house.program, Amend(member, event, properties), principal="shop"
    )


async def paid(house: House) -> dict[str, int]:
    """What members have from referrals, as their lots say."""
    rows = await house.rows(
        "SELECT external_id, sum(points)::int FROM lot JOIN member ON member.program_id = $1 AND member.id = member_id"
        " WHERE lot.program_id = $1 AND source = 'friend' GROUP BY 1 HAVING sum(points) > 0"
    )
    return dict(rows)


async def refused(house: House) -> list[str | None]:
    return [row[0] for row in await house.rows("SELECT refused FROM referral WHERE program_id = $1 ORDER BY event_id")]


async def is_sound(house: House) -> None:
    """Everything that is stored follows from the inputs."""
    async for progress in verify(house.database, house.cache, house.program):
        assert progress.discrepancies == ()
    await books_balance(house)


BOTH = {"ann": 100, "bob": 500}


async def test_both_are_paid_once_and_told(records: Database) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1))
    await brought(house, "ann", "bob")
    assert await paid(house) == {}
    assert await settle(house) == 1
    assert await paid(house) == BOTH
    assert await settle(house) == 0
    await house.send(bought("p2", "ann", 3), joined("j2", "ann", "cid", 3))
    await house.advance("2017-06-01T00:00:00Z")
    assert await paid(house) == BOTH
    assert await house.rows("SELECT sort, key FROM reward_given WHERE program_id = $1") == [("voucher", "cup")]
    told = "SELECT count(*) FROM activity WHERE program_id = $1 AND effects::text LIKE '%\"friend\"%'"
    # That it qualified, what each of both was given, and that the voucher was issued.
    assert await house.rows(told) == [(4,)]
    await is_sound(house)


@pytest.mark.parametrize("seed", range(6))
async def test_both_sides_are_paid_or_neither(records: Database, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 14: under any order of both members' events, reversals, and crashes between the two transactions or within."""
    chance = Random(seed)
    house = await shop(records)
    events = [joined("j1", "ann", "bob"), bought("p1", "ann", 2), bought("p2", "ann", 4), bought("p0", "bob", 3)]
    reversed_ = chance.sample(["j1", "p1", "p2"], chance.choice((0, 1, 1, 2, 3)))
    steps: list[Any] = [*events, *reversed_, *["settle"] * 3, *["crash"] * 2]
    chance.shuffle(steps)
    for step in steps:
        if step == "crash":
            with monkeypatch.context() as patch:
                patch.setattr(records_of_referrals, "settled", _crash)
                try:
                    await settle(house)
                except RuntimeError:
                    # Whoever comes next knows nothing but what is stored.
                    house.cache = Programs()
        elif step == "settle":
            await settle(house)
        elif isinstance(step, str) and await _heard(house, step):
            await reverse(house, "ann", step)
        elif isinstance(step, tuple):
            await house.send(step)
        assert await paid(house) in ({}, BOTH)
    for event in reversed_:
        await reverse(house, "ann", event)
    await settle(house)
    qualifies = "j1" not in reversed_ and set(reversed_) < {"p1", "p2"}
    assert await paid(house) == (BOTH if qualifies else {})
    assert await settle(house) == 0
    await is_sound(house)


async def test_a_crash_within_the_second_transaction_leaves_neither(
    records: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1))
    await brought(house, "ann", "bob")
    with monkeypatch.context() as patch:
        patch.setattr(records_of_referrals, "settled", _crash)
        with pytest.raises(RuntimeError):
            await settle(house)
    assert await paid(house) == {}
    again = House(records)
    again.program = house.program
    assert await settle(again) == 1
    assert await paid(house) == BOTH


async def _crash(*_: object) -> None:
    raise RuntimeError("the process dies")


async def _heard(house: House, event: str) -> bool:
    return bool(await house.rows("SELECT FROM event WHERE program_id = $1 AND id = $2", event))


async def test_what_was_taken_back_can_be_earned_again(records: Database) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1))
    await brought(house, "ann", "bob")
    await settle(house)
    await reverse(house, "ann", "p1")
    assert await paid(house) == BOTH
    await settle(house)
    assert await paid(house) == {}
    await house.send(bought("p2", "ann", 5))
    await settle(house)
    assert await paid(house) == BOTH
    assert await house.rows("SELECT turn FROM referral WHERE program_id = $1") == [(2,)]
    await is_sound(house)


async def test_who_was_named_wrongly_gives_it_back(records: Database) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1), bought("p0", "cid", 1))
    await brought(house, "ann", "bob")
    await settle(house)
    await reverse(house, "ann", "j1", {"code": "cid"})
    await settle(house)
    await settle(house)
    assert await paid(house) == {"ann": 100, "cid": 500}
    await is_sound(house)


async def test_a_referral_waits_for_a_referrer_nobody_knows_yet(records: Database) -> None:
    house = await shop(records)
    await brought(house, "ann", "bob")
    assert await settle(house) == 0
    assert await house.rows("SELECT count(*) FROM member WHERE program_id = $1") == [(1,)]
    await house.send(bought("p0", "bob", 1))
    await settle(house)
    assert await paid(house) == BOTH


async def test_nobody_refers_herself(records: Database) -> None:
    house = await shop(records)
    await brought(house, "ann", "ann")
    await settle(house)
    assert (await paid(house), await refused(house)) == ({}, ["SELF"])
    assert await settle(house) == 0


async def test_caps_hold_ever_and_within_a_period_of_the_program(records: Database) -> None:
    house = await shop(records, at_most={"per_month": 2, "in_all": 3})
    await house.send(bought("p0", "bob", 1))
    for number in range(1, 4):
        await brought(house, f"m{number}", "bob", number)
    await settle(house)
    assert (await paid(house))["bob"] == 1000
    assert sorted(await refused(house), key=str) == ["CAP", None, None]
    for number in range(4, 6):
        await brought(house, f"m{number}", "bob", number, month=4)
    await settle(house)
    assert (await paid(house))["bob"] == 1500
    assert len(await paid(house)) == 4
    await is_sound(house)


async def test_a_referral_that_has_ended_pays_nobody(records: Database) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1))
    await brought(house, "ann", "bob")
    await house.apply({**written(), "referrals": []})
    await settle(house)
    assert (await paid(house), await refused(house)) == ({}, ["ENDED"])


async def test_nobody_sends_or_reverses_what_is_ours(records: Database) -> None:
    house = await shop(records)
    await house.send(bought("p0", "bob", 1))
    await brought(house, "ann", "bob")
    await settle(house)
    forged = await house.send(("x", "bob", own_type("friend", "referrer"), "2017-03-09T10:00:00Z", {}))
    assert [each.code for each in forged.refused] == ["UNKNOWN_EVENT_TYPE"]
    (who,) = await house.rows("SELECT id::text FROM member WHERE program_id = $1 AND external_id = 'ann'")
    with pytest.raises(InvalidInput):
        await reverse(house, "bob", own_id("friend", str(who[0]), 1))
    assert await paid(house) == BOTH
