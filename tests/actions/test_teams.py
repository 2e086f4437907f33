"""Teams over real servers: what they come to is what their members gave, and a target is met once, whoever comes when."""

import asyncio
from typing import Any

import pytest

from achievements import periods
from engagement.actions import amend_events, teams
from engagement.actions.amend_events import Amend
from engagement.actions.programs import Sandbox
from engagement.actions.teams import CreateTeam, JoinTeam
from engagement.errors import InvalidInput, NotFound
from engagement.records import teams as records_of_teams
from engagement.records.unit import Database
from tests.achievements.programs import document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies

BEGIN = periods.rfc3339("2017-03-01T00:00:00Z")
STEPS = {
    "key": "steps",
    "objectives": [{"on": "purchase", "target": 4}],
    "window": {"calendar": "month"},
    "team": {},
    "rewards": [{"points": 5}],
}
STANDING = "SELECT team, period, total::int, met_at IS NOT NULL FROM team_standing WHERE program_id = $1 ORDER BY 1, 2"
WINNERS = (
    "SELECT external_id, period FROM completion AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
    " WHERE held.program_id = $1 ORDER BY 1, 2"
)
FACTS = "SELECT count(*)::int FROM fact WHERE program_id = $1 AND kind = 'team_target_met'"


_MOODS = (("2", 4), ("3", -4))


async def _join(house: House, member: str, team: str | None, key: str | None = None) -> teams.TeamJoined:
    command = JoinTeam(member, team)
    return await teams.join(house.database, house.cache, house.program, command, principal="shop", key=key)


@pytest.fixture
async def club(records: Database) -> House:
    """A sandbox with a challenge of teams and two teams: ann, bob and eve are red, cora is blue."""
    house = House(records)
    await house.apply(document(challenges=[STEPS]), Sandbox(BEGIN))
    for team in ("red", "blue"):
        command = CreateTeam(team, team.title())
        await teams.create(house.database, house.cache, house.program, command, principal="shop", key=None)
    for member, team in (("ann", "red"), ("bob", "red"), ("eve", "red"), ("cora", "blue")):
        await _join(house, member, team)
    return house


def _bought(member: str, *days: int) -> list[tuple[object, ...]]:
    return [purchase(f"p{day}", member, f"2017-03-{day:02d}T10:00:00Z") for day in days]


async def _reverse(house: House, member: str, event: str) -> None:
    await amend_events.amend(
        house.database, house.cache, house.program, Amend(member, event), principal="shop", key=None
    )


async def _settle(house: House) -> int:
    return await teams.settle(house.database, house.cache, house.program)


async def test_a_team_meets_its_target_together_and_who_gave_is_told_once(club: House) -> None:
    await club.send(*_bought("ann", 2, 3), *_bought("cora", 2, 3), *_bought("dan", 2))
    assert await club.rows(STANDING) == [("blue", "2017-03", 2, False), ("red", "2017-03", 2, False)]
    assert await _settle(club) == 0
    await club.send(*_bought("bob", 2, 3))
    assert await club.rows(STANDING) == [("blue", "2017-03", 2, False), ("red", "2017-03", 4, True)]
    assert await _settle(club) == 2
    assert await club.rows(WINNERS) == [("ann", "2017-03"), ("bob", "2017-03")]
    assert await club.rows("SELECT sum(balance)::int FROM wallet WHERE program_id = $1") == [(10,)]
    assert await _settle(club) == 0
    assert await discrepancies(club) == []


async def test_who_gives_her_share_later_in_the_window_has_it_too(club: House) -> None:
    await club.send(*_bought("ann", 2, 3, 4, 5))
    assert await _settle(club) == 1
    await club.send(*_bought("eve", 2))
    assert await _settle(club) == 1
    assert await club.rows(WINNERS) == [("ann", "2017-03"), ("eve", "2017-03")]
    assert await discrepancies(club) == []


async def test_what_is_late_or_reversed_changes_what_they_come_to_and_not_that_it_was_met(club: House) -> None:
    await club.send(*_bought("ann", 5, 6), *_bought("bob", 5))
    await _reverse(club, "ann", "p5")
    assert await club.rows(STANDING) == [("red", "2017-03", 2, False)]
    await club.send(*_bought("ann", 3), *_bought("bob", 4))
    assert await club.rows(STANDING) == [("red", "2017-03", 4, True)]
    # Of what bob gave nothing is left before he is told: he is told once he gives again.
    for event in ("p4", "p5"):
        await _reverse(club, "bob", event)
    assert await club.rows(STANDING) == [("red", "2017-03", 2, True)]
    await _settle(club)
    assert await club.rows(WINNERS) == [("ann", "2017-03")]
    await club.send(*_bought("bob", 9))
    await _settle(club)
    assert await club.rows(WINNERS) == [("ann", "2017-03"), ("bob", "2017-03")]
    # It stays met, and hers, when everything is taken back.
    for event in ("p3", "p6"):
        await _reverse(club, "ann", event)
    await _reverse(club, "bob", "p9")
    assert await club.rows(STANDING) == [("red", "2017-03", 0, True)]
    assert await _settle(club) == 0
    assert await club.rows(FACTS) == [(2,)]
    assert await discrepancies(club) == []


async def test_two_who_meet_it_at_once_meet_it_once(club: House) -> None:
    for turn in range(3, 8):
        month = f"2017-{turn:02d}"

        def bought(member: str, *days: int, month: str = month) -> list[tuple[object, ...]]:
            return [purchase(f"{month}-{day}", member, f"{month}-{day:02d}T10:00:00Z") for day in days]

        await club.send(*bought("ann", 2), *bought("bob", 2))
        others = House(club.database)
        others.program = club.program
        await asyncio.gather(club.send(*bought("ann", 3)), others.send(*bought("bob", 3)))
        told = await asyncio.gather(_settle(club), _settle(others))
        assert sum(told) >= 2
        assert (await club.rows(STANDING))[-1] == ("red", month, 4, True)
        assert await club.rows(FACTS) == [(2 * (turn - 2),)]
    assert await discrepancies(club) == []


async def test_a_crash_between_the_target_and_the_telling_loses_and_doubles_nothing(
    club: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await club.send(*_bought("ann", 2, 3), *_bought("bob", 2, 3))
    close, told = records_of_teams.close, []

    async def once(*given: Any) -> bool:
        told.append(given)
        done = await close(*given)
        if len(told) == 2:
            raise RuntimeError("the process ends here")
        return done

    monkeypatch.setattr(records_of_teams, "close", once)
    with pytest.raises(RuntimeError):
        await _settle(club)
    assert await club.rows(FACTS) == [(1,)]
    assert await _settle(club) == 1
    assert await club.rows(FACTS) == [(2,)]
    assert await club.rows("SELECT sum(balance)::int FROM wallet WHERE program_id = $1") == [(10,)]


async def test_the_clock_tells_and_a_window_that_is_over_is_still_won(club: House) -> None:
    await club.send(*_bought("ann", 2, 3), *_bought("bob", 30, 31))
    await club.advance("2017-04-02T00:00:00Z")
    assert await club.rows(WINNERS) == [("ann", "2017-03"), ("bob", "2017-03")]
    await club.send(purchase("a1", "ann", "2017-04-03T10:00:00Z"))
    assert (await club.rows(STANDING))[-1] == ("red", "2017-04", 1, False)
    assert await discrepancies(club) == []


async def test_what_she_gave_stays_with_the_team_that_she_leaves(club: House) -> None:
    await club.send(*_bought("ann", 2, 3))
    await club.advance("2017-03-10T00:00:00Z")
    joined = await _join(club, "ann", "blue", "k")
    assert (joined.team, joined.changed, joined.replayed) == ("blue", True, False)
    assert (await _join(club, "ann", "blue", "k")).replayed
    assert not (await _join(club, "ann", "blue")).changed
    # Late, and of the time when she was red.
    await club.send(*_bought("ann", 4), *_bought("ann", 11))
    assert await club.rows(STANDING) == [("blue", "2017-03", 1, False), ("red", "2017-03", 3, False)]
    await _join(club, "ann", None)
    await club.send(purchase("p12", "ann", "2017-03-12T10:00:00Z"))
    assert await club.rows(STANDING) == [("blue", "2017-03", 1, False), ("red", "2017-03", 3, False)]
    assert await discrepancies(club) == []


async def test_who_gave_to_two_teams_that_met_it_is_rewarded_once(club: House) -> None:
    await club.send(*_bought("ann", 2, 3))
    await club.advance("2017-03-10T00:00:00Z")
    await _join(club, "ann", "blue")
    await club.send(*_bought("ann", 11), *_bought("cora", 11, 12, 13), *_bought("bob", 4, 5))
    assert await club.rows(STANDING) == [("blue", "2017-03", 4, True), ("red", "2017-03", 4, True)]
    assert await _settle(club) == 4
    assert await club.rows(FACTS) == [(3,)]
    assert await club.rows(WINNERS) == [(who, "2017-03") for who in ("ann", "bob", "cora")]
    await club.send(*_bought("eve", 14))
    assert await _settle(club) == 1
    assert await club.rows("SELECT sum(balance)::int FROM wallet WHERE program_id = $1") == [(20,)]
    assert await discrepancies(club) == []


async def test_what_adds_up_to_nothing_is_given_all_the_same(records: Database) -> None:
    house = House(records)
    moods = {"on": "visit", "measure": {"sum": "mood"}, "target": 100}
    await house.apply(document(challenges=[{**STEPS, "objectives": [moods]}]), Sandbox(BEGIN))
    await teams.create(house.database, house.cache, house.program, CreateTeam("red", "Red"), principal="shop", key=None)
    await _join(house, "ann", "red")
    await house.send(
        *(("v" + day, "ann", "visit", f"2017-03-0{day}T10:00:00Z", {"mood": mood}) for day, mood in _MOODS)
    )
    assert await house.rows(STANDING) == [("red", "2017-03", 0, False)]
    assert await discrepancies(house) == []


async def test_a_paused_challenge_tells_nobody_until_it_goes_on(club: House) -> None:
    await club.send(*_bought("ann", 2, 3, 4, 5))
    await club.advance("2017-03-10T00:00:00Z")
    await club.send(*_bought("eve", 2))
    for status, told in (("paused", 0), ("active", 1)):
        await club.apply(document(challenges=[{**STEPS, "status": status}]))
        assert await _settle(club) == told
        assert await club.rows(FACTS) == [(1 + told,)]
    assert await discrepancies(club) == []


async def test_a_total_changed_by_hand_is_named_and_mended(club: House) -> None:
    await club.send(*_bought("ann", 2))

    async def spoil(unit: Any) -> None:
        await unit.execute("UPDATE team_standing SET total = 3 WHERE program_id = $1", unit.program)

    await club.database.run(spoil, club.program)
    assert [(each.member, each.what, each.stored, each.expected) for each in await discrepancies(club)] == [
        ("ann", "team red steps 2017-03", "3", "1")
    ]


async def test_teams_that_are_not_there_or_full_are_refused(club: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        await _join(club, "ann", "green")
    with pytest.raises(InvalidInput):
        await _join(club, "ann", "")
    monkeypatch.setattr(teams, "SIZE_MAX", 3)
    with pytest.raises(InvalidInput, match="most"):
        await _join(club, "cora", "red")
