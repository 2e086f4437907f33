"""Control groups through the service: counted in a table of their own, told to nobody, taken back with their cause."""

from typing import Any

import pytest

from achievements.controls import Share, seed_of
from engagement.actions import amend_events, tiers, verify
from engagement.actions.amend_events import Amend
from engagement.actions.programs import Sandbox
from engagement.actions.read_screens import Reader
from engagement.actions.tiers import GrantTier
from engagement.errors import InvalidInput, InvalidProgram
from engagement.records.unit import Database
from tests.achievements.programs import TIERS, document
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_verify import discrepancies

SHARE = Share("corner/badges/first", 50)
HELD = next(name for name in map("member-{}".format, range(99)) if SHARE.has(seed_of(name)))
TREATED = next(name for name in map("member-{}".format, range(99)) if not SHARE.has(seed_of(name)))


def _document(percent: int | None) -> dict[str, Any]:
    control = {} if percent is None else {"control_group": percent}
    levels = [{"target": 1, "key": "one"}, {"target": 2, "key": "two", "rewards": [{"points": 9}]}]
    return document(badges=[{"key": "first", "on": "purchase", "levels": levels, **control}])


async def test_who_is_held_out_is_counted_and_hears_nothing(records: Database) -> None:
    house = House(records)
    await house.apply(_document(50), Sandbox(BEGIN))
    for member in (HELD, TREATED):
        sent = [purchase(f"p{day}", member, f"2017-03-0{day}T10:00:00Z") for day in (1, 3)]
        receipts = (await house.send(*sent)).receipts
        assert [bool(each.effects) for each in receipts] == [member == TREATED] * 2
        await house.send(purchase("p2", member, "2017-03-02T10:00:00Z"))
    found = "SELECT external_id, what, definition, points, event_id FROM held_out JOIN member ON member.program_id = $1"
    held = f"{found} AND member.id = held_out.member_id WHERE held_out.program_id = $1 ORDER BY what"
    assert await house.rows(held) == [
        (HELD, "badge/first/one", "badges/first", 0, "p1"),
        (HELD, "badge/first/two", "badges/first", 0, "p2"),
        (HELD, "points/badge/first/two/0", "badges/first", 9, "p2"),
    ]
    fed = "SELECT DISTINCT external_id FROM activity JOIN member ON member.program_id = $1 AND id = member_id"
    assert await house.rows(f"{fed} WHERE activity.program_id = $1") == [(TREATED,)]
    reader = Reader(house.database, house.cache)
    assert [len((await reader.screen(house.program, each)).badges) for each in (HELD, TREATED)] == [0, 1]
    for event in ("p1", "p2"):
        await amend_events.amend(
            house.database, house.cache, house.program, Amend(HELD, event), principal="shop", key=None
        )
    assert [row[1:] for row in await house.rows(held)] == [("badge/first/one", "badges/first", 0, "p3")]
    assert await discrepancies(house) == []


async def test_a_control_group_only_grows(records: Database) -> None:
    house = House(records)
    await house.apply(_document(None), Sandbox(BEGIN))
    await house.apply(_document(10))
    await house.apply(_document(20))
    for less in (10, None):
        with pytest.raises(InvalidProgram) as refused:
            await house.apply(_document(less))
        (mistake,) = refused.value.mistakes
        assert mistake.path == "badges[0].control_group"
        assert "only grows, and this one was 20 percent" in mistake.message


KINDS: dict[str, list[dict[str, Any]]] = {
    "earn_rules": [{"key": "base", "on": "purchase", "earn": {"fixed": 60}}],
    "boosts": [{"key": "double", "factor": 2, "on": "purchase", "when": "event.amount > 5.0", "control_group": 50}],
    "tier_ladders": [{"key": "club", "measure": {"points": "points"}, "tiers": TIERS, "control_group": 50}],
    "leaderboards": [{"key": "top", "measure": {"points": "points"}, "control_group": 50}],
}
APART, ALIKE = (
    next(
        name
        for name in map("member-{}".format, range(999))
        if all(
            Share(f"corner/{section}/{key}", 50).has(seed_of(name)) is held
            for section, key in (("boosts", "double"), ("tier_ladders", "club"), ("leaderboards", "top"))
        )
    )
    for held in (True, False)
)


async def test_boosts_ladders_and_boards_hold_members_out(records: Database) -> None:
    house = House(records)
    await house.apply(document(**KINDS), Sandbox(BEGIN))
    for member in (APART, ALIKE):
        await house.send(purchase("p1", member, "2017-03-01T10:00:00Z", "4.00"))
        await house.send(purchase("p3", member, "2017-03-03T10:00:00Z"))
        # Late: it moves the instants at which all of it was reached.
        await house.send(purchase("p2", member, "2017-03-02T10:00:00Z"))
    names = "JOIN member ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1"
    counted = f"SELECT external_id, what, points, event_id FROM held_out AS held {names} ORDER BY what"
    assert await house.rows(counted) == [
        (APART, "boost/double/earn/base/p2", 60, "p2"),
        (APART, "boost/double/earn/base/p3", 60, "p3"),
        (APART, "score/top/", 180, ""),
        (APART, "tier/club/silver/2017-03-02T10:00:00+00:00/p2", 0, "p2"),
    ]
    assert await house.rows(f"SELECT external_id, score FROM board_score AS held {names}") == [(ALIKE, 300)]
    moved = await house.rows(f"SELECT external_id, tier_to FROM tier_change AS held {names} ORDER BY changed_at")
    assert moved == [(ALIKE, "silver"), (ALIKE, "gold")]
    reader = Reader(house.database, house.cache)
    screens = [await reader.screen(house.program, each) for each in (APART, ALIKE)]
    assert [[tier.tier for tier in each.tiers] for each in screens] == [[], ["gold"]]
    with pytest.raises(InvalidInput, match="is in the control group of the ladder `club`"):
        await tiers.grant_tier(
            *(house.database, house.cache, house.program, GrantTier(APART, "club", "gold")), principal="shop", key=None
        )
    assert await discrepancies(house) == []
    await house.database.run(
        lambda unit: unit.execute("DELETE FROM held_out WHERE program_id = $1", unit.program), house.program
    )
    assert len(await discrepancies(house)) == 4
    assert [each async for each in verify.rebuild(house.database, house.cache, house.program)]
    assert await discrepancies(house) == []
    for event in ("p2", "p3"):
        taken = Amend(APART, event)
        await amend_events.amend(house.database, house.cache, house.program, taken, principal="shop", key=None)
    assert await house.rows(counted) == [(APART, "score/top/", 60, "")]
    assert await discrepancies(house) == []


async def test_a_share_of_a_board_comes_later_and_only_grows(records: Database) -> None:
    house = House(records)
    (board,) = KINDS["leaderboards"]
    plain = {name: value for name, value in board.items() if name != "control_group"}
    await house.apply(document(**{**KINDS, "leaderboards": [plain]}), Sandbox(BEGIN))
    await house.apply(document(**KINDS))
    with pytest.raises(InvalidProgram, match="a control group only grows"):
        await house.apply(document(**{**KINDS, "leaderboards": [plain]}))
