"""Applying programs: differences, versions in time, whose program, and what stays as it is."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from achievements.definitions import SECTIONS, Program, parse
from engagement.actions.lines import Line
from engagement.actions.programs import Programs, Sandbox, as_document
from engagement.actions.verify import verify
from engagement.errors import IdempotencyKeyReused, InvalidInput, InvalidProgram, NotFound
from engagement.records import programs
from engagement.records.unit import ALL, Database
from tests.achievements.programs import EVERYTHING, document
from tests.actions.conftest import BEGIN, House, purchase

BASE: dict[str, Any] = {"earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]}
DOUBLE: dict[str, Any] = {"earn_rules": [{"key": "base", "on": "purchase", "earn": {"per": "amount", "rate": "2"}}]}


async def test_applying_twice_changes_nothing(house: House) -> None:
    again = await house.apply(document(**EVERYTHING), Sandbox(BEGIN))
    assert (again.changes, again.program.revision) == ((), 1)


async def test_a_difference_is_told_and_makes_versions(house: House) -> None:
    changed = {**document(**EVERYTHING), **DOUBLE, "badges": []}
    applied = await house.apply(changed)
    assert {(each.kind, each.key, each.change) for each in applied.changes} == {
        ("earn_rule", "base", "CHANGED"),
        ("earn_rule", "big", "REMOVED"),
        ("badge", "purchases", "REMOVED"),
    }
    back = await house.apply(document(**EVERYTHING))
    assert {(each.key, each.change) for each in back.changes} == {
        ("base", "CHANGED"),
        ("big", "CREATED"),
        ("purchases", "CREATED"),
    }
    versions = "SELECT version FROM definition_version WHERE program_id = $1 AND kind = 'earn_rule' AND key = 'base' ORDER BY 1"
    assert await house.rows(versions) == [(1,), (2,), (3,)]


async def test_an_input_is_judged_by_the_versions_in_force_at_its_instant(records: Database) -> None:
    house = House(records)
    await house.apply(document(**BASE), Sandbox(datetime(2017, 1, 1, tzinfo=UTC)))
    await house.advance("2017-02-01T00:00:00Z")
    await house.apply(document(**DOUBLE))
    await house.send(
        purchase("before", "ann", "2016-12-31T23:59:59Z"),
        purchase("old", "ann", "2017-01-31T23:59:59Z"),
        purchase("new", "ann", "2017-02-01T00:00:00Z"),
    )
    assert await house.rows("SELECT event_id, points FROM lot WHERE program_id = $1 ORDER BY 1") == [
        ("new", 20),
        ("old", 10),
    ]
    await house.send(purchase("late", "ann", "2017-01-15T00:00:00Z"))
    assert await house.rows("SELECT points FROM lot WHERE program_id = $1 AND event_id = 'late'") == [(10,)]


async def test_what_states_rest_on_stays_as_it_is(house: House) -> None:
    changed = document(**EVERYTHING)
    changed["streaks"] = [{**changed["streaks"][0], "period": "day"}, *changed["streaks"][1:]]
    changed["challenges"] = [{**changed["challenges"][0], "window": {"calendar": "week"}}, *changed["challenges"][1:]]
    with pytest.raises(InvalidProgram) as caught:
        await house.apply(changed)
    assert [each.path for each in caught.value.mistakes] == ["streaks[0].period", "challenges[0].window"]
    with pytest.raises(InvalidProgram, match="stays America/New_York"):
        await house.apply(document("UTC", **EVERYTHING))


async def test_nothing_of_a_program_with_a_mistake_is_applied(house: House) -> None:
    broken = {**document(**DOUBLE), "badges": [{"key": "b", "on": "visited", "levels": [{"target": 1}]}]}
    with pytest.raises(InvalidProgram, match="no event type `visited`"):
        await house.apply(broken)
    assert (await house.apply(document(**EVERYTHING))).changes == ()


async def test_a_key_changes_its_own_program_alone_and_makes_none(house: House, records: Database) -> None:
    other = House(records)
    written = document(**BASE)
    written["program"]["key"] = "other"
    await other.apply(written)
    with pytest.raises(NotFound):
        await house.apply(written, own=house.program)
    written["program"]["key"] = "unheard-of"
    with pytest.raises(NotFound):
        await house.apply(written, own=house.program)
    assert (await house.apply(document(**DOUBLE), own=house.program)).changes


async def test_no_program_becomes_a_sandbox(records: Database) -> None:
    house = House(records)
    assert not (await house.apply(document(**BASE))).program.sandbox
    with pytest.raises(InvalidInput, match="no sandbox"):
        await house.apply(document(**BASE), Sandbox())


async def test_a_sandbox_s_clock_stands(records: Database) -> None:
    house = House(records)
    clock = datetime(2017, 1, 1, tzinfo=UTC)
    assert (await house.apply(document(**BASE), Sandbox(clock))).now == clock
    assert (await house.apply(document(**BASE), Sandbox(clock + timedelta(days=1)))).now == clock


async def test_an_idempotency_key_stands_for_one_document(house: House) -> None:
    first = await house.apply(document(**DOUBLE), key="k1")
    again = await house.apply(document(**DOUBLE), key="k1")
    assert (again.changes, again.replayed, first.replayed) == (first.changes, True, False)
    with pytest.raises(IdempotencyKeyReused):
        await house.apply(document(**BASE), key="k1")


async def test_a_refused_request_leaves_no_program_behind(records: Database) -> None:
    house = House(records)
    with pytest.raises(InvalidInput):
        await house.apply(document(**BASE), key="x" * 65)
    assert await records.run(lambda unit: programs.find(unit, "corner"), ALL, read_only=True) is None


async def test_many_who_make_a_program_at_once_make_one(records: Database) -> None:
    houses = [House(records) for _ in range(8)]
    applied = await asyncio.gather(*(house.apply(document(**BASE)) for house in houses))
    assert len({each.program.id for each in applied}) == 1
    assert sum(bool(each.changes) for each in applied) == 1


async def test_a_sandbox_edited_after_events_ahead_of_its_clock_stays_right(records: Database) -> None:
    house = House(records)
    board = {"leaderboards": [{"key": "all-time", "measure": {"points": "points"}}]}
    await house.apply(document(**BASE, **board), Sandbox(datetime(2017, 1, 1, tzinfo=UTC)))
    await house.send(purchase("p1", "ann", "2017-06-01T00:00:00Z"), purchase("p2", "ann", "2017-06-03T00:00:00Z"))
    await house.apply(document(**DOUBLE, **board))
    await house.send(purchase("late", "ann", "2017-06-02T00:00:00Z"), purchase("next", "ann", "2017-06-04T00:00:00Z"))
    assert await house.rows("SELECT earned FROM wallet WHERE program_id = $1") == [(50,)]
    assert await house.rows("SELECT score FROM board_score WHERE program_id = $1") == [(50,)]
    async for progress in verify(records, house.cache, house.program):
        assert progress.discrepancies == ()


async def test_a_streak_left_out_and_taken_up_again_has_been_broken_meanwhile(records: Database) -> None:
    house = House(records)
    streak = {"streaks": [{"key": "daily", "on": "purchase", "period": "day"}]}
    await house.apply(document(**streak), Sandbox(datetime(2017, 1, 1, tzinfo=UTC)))
    await house.send(purchase("p1", "ann", "2017-01-01T15:00:00Z"))
    await house.advance("2017-01-02T00:00:00Z")
    await house.apply(document())
    await house.advance("2017-02-01T00:00:00Z")
    await house.apply(document(**streak))
    await house.advance("2017-02-02T00:00:00Z")
    rows = await house.rows("SELECT state->'parts'->'streaks/daily'->>2 FROM member_state WHERE program_id = $1")
    assert rows == [("0",)]


async def test_a_dry_run_tells_what_would_change_and_does_nothing(house: House) -> None:
    changed = {**document(**EVERYTHING), **DOUBLE, "badges": []}
    changed["program"] = {**changed["program"], "name": "Corner"}
    before = await house.apply(document(**EVERYTHING))
    foreseen = await house.apply(changed, dry_run=True, key="k")
    assert {(each.kind, each.key, each.change) for each in foreseen.changes} == {
        ("program", "corner", "CHANGED"),
        ("earn_rule", "base", "CHANGED"),
        ("earn_rule", "big", "REMOVED"),
        ("badge", "purchases", "REMOVED"),
    }
    assert (foreseen.program.name, foreseen.program.revision) == ("Corner", 2)
    assert await house.apply(document(**EVERYTHING)) == before
    assert await house.apply(changed, key="k") == foreseen
    with pytest.raises(InvalidProgram, match="stays America/New_York"):
        await house.apply(document("UTC", **EVERYTHING), dry_run=True)
    with pytest.raises(InvalidProgram, match="no event type `visited`"):
        await house.apply(
            {**changed, "badges": [{"key": "b", "on": "visited", "levels": [{"target": 1}]}]}, dry_run=True
        )
    with pytest.raises(NotFound):
        await house.apply(changed, dry_run=True, own=house.program + 1)


async def test_a_dry_run_makes_no_program(records: Database) -> None:
    house = House(records)
    foreseen = await house.apply(document(**EVERYTHING), Sandbox(BEGIN), dry_run=True)
    assert {each.change for each in foreseen.changes} == {"CREATED"}
    assert (foreseen.program.sandbox, foreseen.program.revision, foreseen.now) == (True, 1, BEGIN)
    assert (await house.apply(document(**EVERYTHING))).changes == foreseen.changes
    assert await house.rows("SELECT sandbox FROM program WHERE id = $1") == [(False,)]


async def exported(house: House) -> dict[str, Any]:
    return await house.database.run(as_document, house.program, read_only=True)


async def test_a_program_comes_out_as_it_went_in(house: House) -> None:
    first = await exported(house)
    assert parse(first) == by_key(parse(document(**EVERYTHING)))
    assert list(first) == ["program", *(section for section in SECTIONS if section in first)]
    assert first["program"] == {"key": "corner", "timezone": "America/New_York"}
    assert (await house.apply(first)).changes == ()
    changed = {**document(**EVERYTHING), **DOUBLE, "badges": []}
    changed["program"] = {**changed["program"], "name": "Corner"}
    await house.apply(changed)
    second = await exported(house)
    assert parse(second) == by_key(parse(changed))
    assert "badges" not in second
    await house.apply(first)
    assert await exported(house) == first


def by_key(program: Program) -> Program:
    """A program with its definitions in the order of an export."""
    sections = program.sections.items()
    return Program(program.head, {name: tuple(sorted(each, key=lambda one: one.key)) for name, each in sections})


async def test_rules_are_compiled_once_beside_the_loop_and_nobody_who_leaves_ends_it_for_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiling, go_on, times = threading.Event(), threading.Event(), []
    compiled = Line.compile

    def _slowly(line: Line) -> None:
        times.append(1)
        compiling.set()
        assert go_on.wait(30), "whoever compiles on the loop waits here for ever"
        compiled(line)

    monkeypatch.setattr(Line, "compile", _slowly)
    fresh = Programs()
    leaves, stays = (asyncio.create_task(house.database.run(fresh.load, house.program)) for _ in range(2))
    assert await asyncio.to_thread(compiling.wait, 30)
    leaves.cancel()
    go_on.set()
    loaded = await stays
    assert (loaded.rulebook.revision, times) == (1, [1])
    again = await house.database.run(fresh.load, house.program)
    assert (again.rulebook is loaded.rulebook, times) == (True, [1])
    with pytest.raises(asyncio.CancelledError):
        await leaves


async def test_what_did_not_change_is_not_compiled_again(house: House) -> None:
    first = await house.database.run(house.cache.load, house.program)
    await house.advance("1980-01-01T00:00:00Z")
    lives = {"starts": "1990-01-01T00:00:00Z", "ends": "1991-01-01T00:00:00Z"}
    await house.apply({**document(**EVERYTHING), "challenges": [{**EVERYTHING["challenges"][0], **lives}]})
    second = await house.database.run(house.cache.load, house.program)
    at = BEGIN + timedelta(days=1)
    was, now = first.rulebook.at(at), second.rulebook.at(at)
    assert was is not None
    assert now is not None
    assert was.compiled is now.compiled
    assert second.rulebook.latest.compiled is not was.compiled
