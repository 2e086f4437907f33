"""Places for the first so many members: never more than there are, and none taken from somebody."""

import asyncio

import pytest

from achievements.controls import Share, seed_of
from achievements.outcomes import ChallengeCompleted
from engagement.actions import amend_events
from engagement.actions.amend_events import Amend
from engagement.actions.programs import Programs, Sandbox
from engagement.actions.record_events import Intake
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies
from tests.conftest import Urls

FIRST = {"key": "first", "objectives": [{"on": "purchase", "target": 2}], "limit": 3, "rewards": [{"points": 5}]}
WINNERS = (
    "SELECT external_id FROM completion AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
    " WHERE held.program_id = $1 ORDER BY 1"
)
TAKEN = "SELECT challenge, period, taken FROM challenge_place WHERE program_id = $1"


@pytest.fixture
async def club(records: Database) -> House:
    """A sandbox with a challenge for the first three members."""
    house = House(records)
    await house.apply(document(challenges=[FIRST]), Sandbox(BEGIN))
    return house


def _both(member: str, day: int = 1) -> list[tuple[object, ...]]:
    return [purchase(f"p{hour}", member, f"2017-03-{day:02d}T{hour:02d}:00:00Z") for hour in (10, 11)]


async def test_places_go_to_the_first_who_come_and_stay_theirs(club: House) -> None:
    for member in ("ann", "bob", "cora", "dan"):
        receipts = (await club.send(*_both(member, day=9))).receipts
        won = any(isinstance(effect, ChallengeCompleted) for each in receipts for effect in each.effects)
        assert won == (member != "dan")
    # Earlier by when it happened, and too late for a place.
    await club.send(*_both("eve", day=1))
    assert await club.rows(WINNERS) == [("ann",), ("bob",), ("cora",)]
    assert await club.rows(TAKEN) == [("first", "", 3)]
    assert await club.rows("SELECT kind, count(*) FROM fact WHERE program_id = $1 GROUP BY kind ORDER BY kind") == [
        ("place_missed", 2),
        ("place_taken", 3),
    ]
    assert await club.rows("SELECT sum(balance)::int FROM wallet WHERE program_id = $1") == [(15,)]
    assert await discrepancies(club) == []


async def test_what_comes_late_asks_for_a_place_and_is_given_its_rewards(club: House) -> None:
    first, second = _both("ann")
    await club.send(second, purchase("v", "ann", "2017-03-05T10:00:00Z", "0.00"))
    assert await club.rows(WINNERS) == [("ann",)]
    later = purchase("q2", "bob", "2017-03-08T10:00:00Z")
    await club.send(later)
    receipts = (await club.send(purchase("q1", "bob", "2017-03-07T10:00:00Z"))).receipts
    assert [
        effect.event_id for each in receipts for effect in each.effects if isinstance(effect, ChallengeCompleted)
    ] == ["q2"]
    assert await club.rows(WINNERS) == [("ann",), ("bob",)]
    assert await club.rows("SELECT sum(balance)::int FROM wallet WHERE program_id = $1") == [(10,)]
    assert await discrepancies(club) == []
    # Later still, and earlier by when it happened: nothing is decided again.
    await club.send(first)
    assert await club.rows(TAKEN) == [("first", "", 2)]
    assert await discrepancies(club) == []


async def test_a_reversal_takes_back_what_was_won_and_not_the_place(club: House) -> None:
    await club.send(*_both("ann"))
    command = Amend("ann", "p10")
    await amend_events.amend(club.database, club.cache, club.program, command, principal="shop", key=None)
    assert (await club.rows(WINNERS), await club.rows(TAKEN)) == ([], [("first", "", 1)])
    assert await discrepancies(club) == []
    await club.send(purchase("p12", "ann", "2017-03-02T12:00:00Z"))
    assert (await club.rows(WINNERS), await club.rows(TAKEN)) == ([("ann",)], [("first", "", 1)])
    assert await discrepancies(club) == []


async def test_who_is_held_out_learns_of_a_place_and_takes_none(records: Database) -> None:
    house = House(records)
    await house.apply(document(challenges=[{**FIRST, "limit": 1, "control_group": 50}]), Sandbox(BEGIN))
    share = Share("corner/challenges/first", 50)
    held = [f"m{number}" for number in range(40) if share.has(seed_of(f"m{number}"))][:3]
    offered = next(f"m{number}" for number in range(40) if not share.has(seed_of(f"m{number}")))
    for member in (*held[:2], offered, held[2]):
        await house.send(*_both(member))
    assert await house.rows(WINNERS) == [(offered,)]
    assert await house.rows(TAKEN) == [("first", "", 1)]
    told = "SELECT external_id FROM member WHERE program_id = $1 AND id IN (SELECT member_id FROM held_out) ORDER BY 1"
    assert await house.rows(told) == sorted((each,) for each in held[:2])
    assert await discrepancies(house) == []


async def test_no_more_than_there_are_whoever_asks_at_once(club: House, database: Urls) -> None:
    others = [await Database.open(database.app, max_connections=2) for _ in range(2)]
    intakes = [Intake(each, Programs()) for each in others]
    members = [f"m{number}" for number in range(12)]
    await asyncio.gather(
        *(club.send(*_both(member), intake=intakes[number % len(intakes)]) for number, member in enumerate(members))
    )
    for each in others:
        await each.close()
    assert len(await club.rows(WINNERS)) == 3
    assert await club.rows(TAKEN) == [("first", "", 3)]
    assert await club.rows("SELECT count(*) FROM fact WHERE program_id = $1 AND kind = 'place_missed'") == [(9,)]
    assert await discrepancies(club) == []


async def test_a_limit_counts_over_versions(club: House) -> None:
    await club.send(*_both("ann"), *_both("bob"), _both("gus")[0])
    await club.advance("2017-03-02T00:00:00Z")
    await club.apply(document(challenges=[{**FIRST, "limit": 1}]))
    # Nobody loses a place, and who began under the higher limit goes by it.
    await club.send(*_both("cora", day=3), _both("gus", day=3)[1])
    assert await club.rows(WINNERS) == [("ann",), ("bob",), ("gus",)]
    await club.advance("2017-03-04T00:00:00Z")
    await club.apply(document(challenges=[{**FIRST, "limit": 5}]))
    for member in ("dan", "eve", "fay"):
        await club.send(*_both(member, day=5))
    await club.send(purchase("again", "cora", "2017-03-09T10:00:00Z"))
    assert await club.rows(WINNERS) == [("ann",), ("bob",), ("dan",), ("eve",), ("gus",)]
    assert await club.rows(TAKEN) == [("first", "", 5)]
    missed = "SELECT external_id FROM fact JOIN member ON member.program_id = $1 AND member.id = member_id"
    missed += " WHERE fact.program_id = $1 AND kind = 'place_missed' ORDER BY 1"
    assert await club.rows(missed) == [("cora",), ("fay",)]
    assert await discrepancies(club) == []
