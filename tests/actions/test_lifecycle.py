"""The life of definitions in a service: what counts when, what is told of it, and that the books agree."""

from datetime import UTC, datetime
from typing import Any

from engagement.actions import programs
from engagement.actions.programs import Sandbox
from engagement.actions.verify import rebuild
from engagement.records.unit import Database, Unit
from tests.achievements.programs import document
from tests.actions.conftest import House, purchase
from tests.actions.test_verify import discrepancies


def shop(**life: str) -> dict[str, Any]:
    earn = {"on": "purchase", "earn": {"per": "amount"}}
    streak = {"key": "days", "on": "purchase", "period": "day"}
    return document(
        earn_rules=[{"key": "base", **earn}, {"key": "extra", **earn, **life}],
        streaks=[streak, {**streak, "key": "extra", **life}],
    )


async def standing(house: House) -> dict[tuple[str, str], tuple[str, int]]:
    found = await house.database.run(programs.standing, house.program, read_only=True)
    return {(each.kind, each.key): (each.status, each.version) for each in found}


async def lots(house: House) -> list[tuple[str, str]]:
    return [
        (str(event), str(source))
        for event, source in await house.rows("SELECT event_id, source FROM lot WHERE program_id = $1 ORDER BY 1, 2")
    ]


async def test_a_definition_lives_from_draft_to_end(records: Database) -> None:
    house = House(records)
    await house.apply(shop(status="draft"), Sandbox(datetime(2017, 3, 1, 12, tzinfo=UTC)))
    assert (await standing(house))["earn_rule", "extra"] == ("draft", 1)
    await house.send(purchase("a", "ann", "2017-03-01T12:00:00Z"))
    life = {"starts": "2017-03-02T00:00:00Z", "ends": "2017-03-04T00:00:00Z"}
    await house.apply(shop(**life))
    assert (await standing(house))["earn_rule", "extra"] == ("scheduled", 2)
    await house.send(purchase("b", "ann", "2017-03-01T13:00:00Z"), purchase("c", "ann", "2017-03-02T00:00:00Z"))
    await house.advance("2017-03-02T12:00:00Z")
    assert (await standing(house))["earn_rule", "extra"] == ("active", 2)
    await house.apply(shop(**life, status="paused"))
    assert (await standing(house))["earn_rule", "extra"] == ("paused", 3)
    await house.send(purchase("d", "ann", "2017-03-02T13:00:00Z"))
    await house.apply(shop(**life))
    await house.send(purchase("e", "ann", "2017-03-03T13:00:00Z"))
    await house.advance("2017-03-04T00:00:00Z")
    assert (await standing(house))["earn_rule", "extra"] == ("ended", 4)
    await house.send(purchase("f", "ann", "2017-03-04T00:00:00Z"))
    # Late ones are judged by what was in force then.
    await house.send(purchase("g", "ann", "2017-03-02T12:30:00Z"), purchase("h", "ann", "2017-03-02T01:00:00Z"))
    assert [event for event, source in await lots(house) if source == "extra"] == ["c", "e", "h"]
    assert await discrepancies(house) == []


async def test_what_has_ended_is_settled_where_it_stands(records: Database) -> None:
    house = House(records)
    await house.apply(shop(ends="2017-03-02T00:00:00Z"), Sandbox(datetime(2017, 3, 1, 12, tzinfo=UTC)))
    await house.send(purchase("a", "ann", "2017-03-01T12:00:00Z"))
    await house.advance("2017-03-20T00:00:00Z")
    told = await house.rows("SELECT effects::text FROM activity WHERE program_id = $1 AND event_id IS NULL")
    assert any('"days"' in text for (text,) in told)
    assert not any('"extra"' in text for (text,) in told)
    assert await discrepancies(house) == []


async def test_what_is_left_out_has_ended(house: House) -> None:
    await house.apply(document())
    assert {status for status, _ in (await standing(house)).values()} == {"active", "ended"}


async def test_a_warning_is_no_difference_and_is_not_told_twice(records: Database) -> None:
    house = House(records)
    streak = {"key": "days", "on": "purchase", "period": "day", "at_risk": "20:00"}
    await house.apply(document(streaks=[streak]), Sandbox(datetime(2017, 3, 1, 12, tzinfo=UTC)))
    await house.send(purchase("a", "ann", "2017-03-01T12:00:00Z"))
    await house.advance("2017-03-03T02:00:00Z")
    assert await discrepancies(house) == []
    told = "SELECT count(*) FROM activity WHERE program_id = $1 AND effects::text LIKE '%at_risk%'"
    assert await house.rows(told) == [(1,)]
    await spoil(house)
    async for _ in rebuild(house.database, house.cache, house.program):
        pass
    assert await house.rows(told) == [(1,)]
    assert await discrepancies(house) == []


async def test_nobody_loses_a_streak_while_its_definition_is_paused(records: Database) -> None:
    house = House(records)
    await house.apply(shop(), Sandbox(datetime(2017, 3, 1, 12, tzinfo=UTC)))
    await house.send(purchase("a", "ann", "2017-03-01T12:00:00Z"))
    await house.advance("2017-03-02T12:00:00Z")
    await house.apply(shop(status="paused"))
    await house.advance("2017-03-06T12:00:00Z")
    await house.apply(shop())
    await house.send(purchase("b", "ann", "2017-03-06T13:00:00Z"))
    lengths = "SELECT state->'parts'->'streaks/days'->>2, state->'parts'->'streaks/extra'->>2 FROM member_state WHERE program_id = $1"
    assert await house.rows(lengths) == [("1", "2")]
    # What is learned of a day before the pause, and of one in it, which does not count.
    await house.send(purchase("c", "ann", "2017-03-02T11:59:00Z"), purchase("d", "ann", "2017-03-04T13:00:00Z"))
    assert await house.rows(lengths) == [("1", "3")]
    await house.advance("2017-03-08T12:00:00Z")
    assert await house.rows(lengths) == [("0", "0")]
    assert await discrepancies(house) == []


async def spoil(house: House) -> None:
    """A state that is not what the inputs fold to."""

    async def work(unit: Unit) -> None:
        await unit.execute(
            "UPDATE member_state SET state = jsonb_set(state, '{inputs}', '7') WHERE program_id = $1", unit.program
        )

    await house.database.run(work, house.program)
