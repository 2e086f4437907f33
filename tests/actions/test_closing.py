"""Closing leaderboards: standings that stay, and prizes that are given once, whoever closes, how often, and whatever dies."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from achievements import periods
from engagement.actions import aliases, amend_events, attributes, clock, closing
from engagement.actions.aliases import SetHidden
from engagement.actions.amend_events import Amend
from engagement.actions.attributes import SetAttributes
from engagement.actions.programs import Programs, Sandbox
from engagement.cli.documents import read_program
from engagement.records import closings
from engagement.records.unit import Database
from tests.achievements.programs import BEGIN, document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies
from tests.conftest import Urls

EARN = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
BOARD: dict[str, Any] = {
    "key": "week",
    "measure": {"points": "points"},
    "window": {"calendar": "week"},
    "prizes": [{"rank": 1, "rewards": [{"points": 500}]}, {"rank": 2, "to": 3, "rewards": [{"points": 100}]}],
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "language-app.yaml"
WEEK = "2017-W09"
"""From Monday, 27 February 2017, to Sunday, 5 March, in New York; closed from 8 March, 05:00 UTC, on."""
BEFORE, CLOSING = "2017-03-08T04:59:59Z", "2017-03-08T05:00:00Z"

FINAL = (
    "SELECT external_id, place, rank, score FROM board_final AS held"
    " JOIN member ON member.program_id = $1 AND member.id = held.member_id"
    ' WHERE held.program_id = $1 ORDER BY period, "group", place'
)
PRIZES = (
    "SELECT external_id, points::int FROM lot JOIN member ON member.program_id = $1 AND member.id = lot.member_id"
    " WHERE lot.program_id = $1 AND source = 'week' ORDER BY points DESC, external_id"
)
FACTS = "SELECT count(*) FROM fact WHERE program_id = $1 AND kind = 'prize_won'"
WON = [("m4", 500), ("m2", 100), ("m3", 100)]


async def founded(records: Database, **changes: Any) -> House:
    house = House(records)
    boards = [{**BOARD, **changes}]
    given = document(earn_rules=EARN, attributes=[{"key": "city", "type": "string"}], leaderboards=boards)
    await house.apply(given, Sandbox(BEGIN))
    return house


@pytest.fixture
async def race(records: Database) -> House:
    """Four members who scored 10, 20, 30 and 40 in a week with prizes."""
    house = await founded(records)
    await scored(house)
    return house


async def scored(house: House, *members: str) -> None:
    for number, member in enumerate(members or ("m1", "m2", "m3", "m4"), 1):
        await house.send(purchase("e1", member, f"2017-03-0{number}T12:00:00Z", f"{number}0.00"))


async def test_what_stands_when_it_is_closed_is_final(race: House) -> None:
    await race.advance(BEFORE)
    assert (await race.rows(FINAL), await race.rows(PRIZES)) == ([], [])
    # Late, and in time.
    await race.send(purchase("late", "m2", "2017-03-05T12:00:00Z", "25.00"))
    await race.advance(CLOSING)
    final = [("m2", 1, 1, 45), ("m4", 2, 2, 40), ("m3", 3, 3, 30), ("m1", 4, 4, 10)]
    prizes = [("m2", 500), ("m3", 100), ("m4", 100)]
    assert (await race.rows(FINAL), await race.rows(PRIZES)) == (final, prizes)
    # Later than that: what was earned changes, and nothing else.
    await race.send(purchase("later", "m1", "2017-03-05T12:00:00Z", "500.00"))
    await amend_events.amend(race.database, race.cache, race.program, Amend("m2", "e1"), principal="shop", key=None)
    await race.advance("2017-04-01T00:00:00Z")
    assert (await race.rows(FINAL), await race.rows(PRIZES)) == (final, prizes)
    held = "SELECT external_id, score FROM board_score AS held JOIN member ON member.id = member_id WHERE held.program_id = $1"
    assert dict(await race.rows(f"{held} AND period = '{WEEK}'")) == {"m1": 510, "m2": 25, "m3": 30, "m4": 40}
    assert await discrepancies(race) == []


async def test_closing_again_gives_nothing_more(race: House) -> None:
    await race.advance(CLOSING)
    (due,) = [closing.Due(board, WEEK, periods.rfc3339(CLOSING)) for board in await _boards(race)]
    for _ in range(2):
        assert not await closing.close(race.database, race.cache, race.program, due)
        assert await closing.settle(race.database, race.cache, race.program) == 0
    assert (await race.rows(PRIZES), await race.rows(FACTS)) == (WON, [(3,)])
    assert await discrepancies(race) == []


async def test_two_who_close_at_once_give_each_prize_once(race: House, database: Urls) -> None:
    await _set_clock(race, CLOSING)
    others = [await Database.open(database.app, max_connections=2) for _ in range(2)]
    done = await asyncio.gather(*(closing.settle(each, Programs(), race.program) for each in (*others, *others)))
    for each in others:
        await each.close()
    # One period and three prizes, between them all.
    assert sum(done) == 4
    assert (await race.rows(PRIZES), await race.rows(FACTS)) == (WON, [(3,)])
    assert await discrepancies(race) == []


async def test_whoever_dies_between_closing_and_giving_is_taken_over(
    race: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _set_clock(race, CLOSING)

    async def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    # After the standings were kept, and before anything is given.
    with monkeypatch.context() as patched:
        patched.setattr(closing, "give", dies)
        with pytest.raises(RuntimeError, match="killed"):
            await closing.settle(race.database, race.cache, race.program)
    assert (len(await race.rows(FINAL)), await race.rows(PRIZES)) == (4, [])
    # With some prizes given, and with one that was given and not noted: neither is then.
    monkeypatch.setattr(closing, "WINNERS_AT_ONCE", 1)
    assert await closing.give(race.database, race.cache, race.program) == 1
    with monkeypatch.context() as patched:
        patched.setattr(closings, "given", dies)
        with pytest.raises(RuntimeError, match="killed"):
            await closing.give(race.database, race.cache, race.program)
    assert await race.rows(FACTS) == [(1,)]
    assert await closing.settle(race.database, race.cache, race.program) == 2
    assert (await race.rows(PRIZES), await race.rows(FACTS)) == (WON, [(3,)])
    assert await discrepancies(race) == []


async def test_a_prize_that_would_be_given_again_is_refused_by_the_database(race: House) -> None:
    await race.advance(CLOSING)
    sql = "UPDATE board_final SET given_at = NULL WHERE program_id = $1 AND rank = 1"
    await race.database.run(lambda unit: unit.execute(sql, unit.program), race.program)
    with pytest.raises(Exception, match="fact_pkey"):
        await closing.give(race.database, race.cache, race.program)
    assert await race.rows(PRIZES) == WON


async def test_it_waits_until_nothing_of_the_period_is_left_to_be_done(race: House) -> None:
    waiting = """UPDATE member_state SET pending = '[["e1"]]' WHERE program_id = $1 AND member_id =
        (SELECT id FROM member WHERE program_id = $1 AND external_id = 'm2')"""
    await race.database.run(lambda unit: unit.execute(waiting, unit.program), race.program)
    await _set_clock(race, CLOSING)
    assert await closing.settle(race.database, race.cache, race.program) == 0
    due = waiting.replace("pending = '[[\"e1\"]]'", "pending = NULL, due_at = '2017-03-06T05:00:00Z'")
    await race.database.run(lambda unit: unit.execute(due, unit.program), race.program)
    assert await closing.settle(race.database, race.cache, race.program) == 0
    # Nor while a publication counts members anew.
    job = (
        "INSERT INTO job (program_id, id, kind, input, state) VALUES ($1, gen_random_uuid(), 'publish', '{}', 'queued')"
    )
    await race.database.run(lambda unit: unit.execute(job, unit.program), race.program)
    later = due.replace("05:00:00Z", "05:00:01Z")
    await race.database.run(lambda unit: unit.execute(later, unit.program), race.program)
    assert await closing.settle(race.database, race.cache, race.program) == 0
    done = "UPDATE job SET state = 'cancelled', ended_at = now() WHERE program_id = $1"
    await race.database.run(lambda unit: unit.execute(done, unit.program), race.program)
    # What is due after the period does not matter to it.
    assert await closing.settle(race.database, race.cache, race.program) == 4


@pytest.mark.parametrize(
    ("changes", "prizes"),
    [
        pytest.param({"ties": "standard"}, [("a", 500), ("b", 500), ("c", 100)], id="who tie share the prize"),
        pytest.param({"ties": "dense"}, [("a", 500), ("b", 500), ("c", 100), ("d", 100)], id="dense"),
        pytest.param({}, [("b", 500), ("a", 100), ("c", 100)], id="the first to reach it alone has the prize"),
        pytest.param({"minimum_score": 25}, [("b", 500), ("a", 100)], id="who is not ranked wins nothing"),
        pytest.param({"minimum_cohort": 5}, [], id="too few are no contest"),
        pytest.param({"prizes": []}, [], id="nothing to win, and closed all the same"),
    ],
)
async def test_who_wins(records: Database, changes: Mapping[str, Any], prizes: list[tuple[str, int]]) -> None:
    house = await founded(records, **{"close_after_hours": 48, **changes})
    for member, hour, points in (("a", 2, 30), ("b", 1, 30), ("c", 3, 20), ("d", 4, 10)):
        await house.send(purchase("e1", member, f"2017-03-01T{hour:02d}:00:00Z", f"{points}.00"))
    await house.advance(CLOSING)
    assert await house.rows(PRIZES) == prizes
    assert await house.rows("SELECT period FROM board_close WHERE program_id = $1") == [(WEEK,)]


async def test_each_group_has_winners_of_its_own(records: Database) -> None:
    prizes = [
        {"rank": 1, "groups": ["rome"], "rewards": [{"points": 500}]},
        {"percent": 1, "rewards": [{"points": 100}]},
    ]
    house = await founded(records, group_by="city", prizes=prizes)
    for member, city in (("m1", "rome"), ("m2", "oslo"), ("m3", "rome"), ("m4", "oslo")):
        command = SetAttributes(member, {"city": city})
        await attributes.set_attributes(house.database, house.cache, house.program, command, principal="shop", key=None)
    await scored(house)
    await house.advance(CLOSING)
    assert await house.rows(PRIZES) == [("m3", 500), ("m4", 100)]
    assert await discrepancies(house) == []


async def test_who_has_left_the_boards_wins_nothing_and_who_leaves_later_keeps_it(race: House) -> None:
    async def hide(member: str) -> None:
        command = SetHidden(member, hidden=True)
        await aliases.set_hidden(race.database, race.cache, race.program, command, principal="shop", key=None)

    await hide("m4")
    await race.advance(CLOSING)
    assert await race.rows(PRIZES) == [("m3", 500), ("m1", 100), ("m2", 100)]
    await hide("m3")
    await race.advance("2017-03-20T00:00:00Z")
    assert await race.rows(PRIZES) == [("m3", 500), ("m1", 100), ("m2", 100)]
    assert await discrepancies(race) == []


async def test_a_board_that_ends_is_closed_and_a_paused_one_waits(race: House) -> None:
    paused = document(
        earn_rules=EARN,
        attributes=[{"key": "city", "type": "string"}],
        leaderboards=[{**BOARD, "status": "paused"}],
    )
    await race.apply(paused)
    await race.advance("2017-03-20T00:00:00Z")
    assert await race.rows(FINAL) == []
    # Ended while it was paused: what was counted is settled.
    paused["leaderboards"] = [{**BOARD, "ends": "2017-03-20T00:00:00Z"}]
    await race.apply(paused)
    await race.advance("2017-03-22T00:00:00Z")
    assert await race.rows(PRIZES) == WON
    assert await discrepancies(race) == []


async def test_a_board_for_all_time_is_closed_after_its_end(records: Database) -> None:
    house = await founded(records, window="lifetime", ends="2017-03-04T00:00:00Z", close_after_hours=1)
    await scored(house)
    await house.advance("2017-03-04T00:59:59Z")
    assert await house.rows(FINAL) == []
    await house.advance("2017-03-04T01:00:00Z")
    assert await house.rows(PRIZES) == [("m3", 500), ("m1", 100), ("m2", 100)]
    assert await house.rows("SELECT period FROM board_close WHERE program_id = $1") == [("",)]


async def test_what_was_over_before_there_were_prizes_is_left_as_it_is(records: Database) -> None:
    house = await founded(records, prizes=[])
    await scored(house)
    await house.send(purchase("e2", "m1", "2017-03-07T12:00:00Z"))
    await house.advance(CLOSING)
    given = document(earn_rules=EARN, attributes=[{"key": "city", "type": "string"}], leaderboards=[BOARD])
    await house.apply(given)
    await house.advance("2017-03-20T00:00:00Z")
    assert await house.rows(PRIZES) == [("m1", 500)]
    assert await house.rows("SELECT period FROM board_close WHERE program_id = $1") == [("2017-W10",)]


async def test_a_period_in_which_all_of_it_came_late_is_closed_too(race: House) -> None:
    await race.send(purchase("e9", "m1", "2017-03-17T12:00:00Z"))
    await race.advance("2017-03-27T00:00:00Z")
    await race.send(purchase("late", "m2", "2017-03-08T12:00:00Z"))
    await clock.catch_up(race.database, race.cache, race.program)
    closed = await race.rows("SELECT period FROM board_close WHERE program_id = $1 ORDER BY 1")
    assert closed == [("2017-W09",), ("2017-W10",), ("2017-W11",)]


async def _boards(house: House) -> list[Any]:
    async def read(unit: Any) -> list[Any]:
        return [*(await house.cache.load(unit)).rulebook.boards.values()]

    return await house.database.run(read, house.program, read_only=True)


async def _set_clock(house: House, to: str) -> None:
    """Move the test clock, and leave what falls due on the way to others."""
    sql = "UPDATE program SET clock = $2 WHERE id = $1"
    await house.database.run(lambda unit: unit.execute(sql, unit.program, periods.rfc3339(to)), house.program)


async def test_the_best_of_a_league_play_in_the_next_one(records: Database) -> None:
    house = House(records)
    learned = {"language": "fr", "mistakes": 1, "weekend": False}
    await house.apply(read_program(EXAMPLE), Sandbox(BEGIN))
    for number in range(1, 6):
        lessons = [
            (f"l{lesson}", f"m{number}", "lesson", f"2017-03-01T{lesson + 9:02d}:00:00Z", learned)
            for lesson in range(number)
        ]
        await house.send(*lessons)
    await house.advance("2017-03-07T00:00:00Z")
    tiers = (
        "SELECT external_id, tier_to, changed_at FROM tier_change AS held"
        " JOIN member ON member.program_id = $1 AND member.id = held.member_id WHERE held.program_id = $1 ORDER BY 3, 1"
    )
    closed, over = periods.rfc3339("2017-03-07T00:00:00Z"), periods.rfc3339("2017-03-15T00:00:00Z")
    up = [(member, "silver", closed) for member in ("m3", "m4", "m5")]
    assert await house.rows(tiers) == up
    # They race in silver now, and are back in bronze after the week unless they have earned it.
    await house.send(
        *((f"n{number}", f"m{number}", "lesson", "2017-03-08T10:00:00Z", learned) for number in range(1, 6))
    )
    leagues = 'SELECT external_id, "group" FROM board_score AS held JOIN member ON member.id = held.member_id'
    found = await house.rows(f"{leagues} WHERE held.program_id = $1 AND period = '2017-W10' ORDER BY 1")
    assert [league for _, league in found] == ["bronze", "bronze", "silver", "silver", "silver"]
    await house.advance("2017-03-15T00:00:00Z")
    assert await house.rows(tiers) == [*up, *((member, "bronze", over) for member, _, _ in up)]
    assert await discrepancies(house) == []
