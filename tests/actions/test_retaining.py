"""What is kept for a while only goes when its time is over, and nothing that is counted with it."""

from typing import Any

import pytest

from engagement.actions import aliases, retaining
from engagement.actions.aliases import SetAlias
from engagement.actions.programs import Sandbox
from engagement.actions.verify import verify
from engagement.records import retention
from engagement.records.unit import Database, Unit
from tests.achievements.programs import EVERYTHING, document
from tests.actions.conftest import BEGIN, House, purchase

FEED = "SELECT seq FROM activity WHERE program_id = $1 ORDER BY seq"
ANSWERS = "SELECT key FROM idempotency WHERE program_id = $1 AND operation = 'setMemberAlias' ORDER BY key"


async def lived(records: Database, *kept: dict[str, Any]) -> House:
    house = House(records)
    await house.apply(document(**EVERYTHING, retention=list(kept)), Sandbox(BEGIN))
    for month in range(1, 7):
        await house.advance(f"2017-{month:02}-01T00:00:00Z")
        await house.send(purchase(f"e{month}", "ann", f"2017-{month:02}-01T00:00:00Z", "5.00"))
    return house


async def settle(house: House) -> int:
    return await retaining.settle(house.database, house.cache, house.program)


async def differences(house: House) -> list[Any]:
    return [
        each async for progress in verify(house.database, house.cache, house.program) for each in progress.discrepancies
    ]


async def test_feeds_are_kept_as_long_as_the_program_says(records: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    house = await lived(records, {"key": "feed", "days": 60})
    every = await house.rows(FEED)
    assert await settle(house) > 0
    left = await house.rows(FEED)
    assert 0 < len(left) < len(every)
    assert left == every[-len(left) :]
    assert await differences(house) == []
    # The newest stays, however old it is: the next is numbered by it.
    for year in (2018, 2019):
        await house.advance(f"{year}-06-01T00:00:00Z")
    await settle(house)
    (last,) = await house.rows(FEED)
    assert await differences(house) == []
    await house.send(purchase("late", "ann", "2017-03-05T00:00:00Z", "5.00"))
    repeated = await house.send(purchase("e2", "ann", "2017-02-01T00:00:00Z", "5.00"))
    assert [(each.replayed, each.effects) for each in repeated.receipts] == [(True, ())]
    numbers = [seq for (seq,) in await house.rows(FEED)]
    assert numbers == [*range(last[0], numbers[-1] + 1)]
    assert len(numbers) > 1
    assert await differences(house) == []


async def test_without_a_word_feeds_stay(records: Database) -> None:
    house = await lived(records)
    every = await house.rows(FEED)
    await house.advance("2019-06-01T00:00:00Z")
    assert await settle(house) == 0
    assert (await house.rows(FEED))[: len(every)] == every

    async def cut(unit: Unit) -> int:
        return await unit.execute("DELETE FROM activity WHERE program_id = $1 AND seq = 1", unit.program)

    await house.database.run(cut, house.program)
    assert [each.what for each in await differences(house)] == ["feed"]


@pytest.mark.parametrize(("days", "left"), [(None, ["k29", "new"]), (60, ["k29", "k31", "k59", "new"])])
async def test_answers_to_commands_are_kept_thirty_days_or_as_the_program_says(
    records: Database, days: int | None, left: list[str]
) -> None:
    async def age(unit: Unit) -> int:
        return await unit.execute(
            "INSERT INTO idempotency (program_id, principal, operation, key, input_hash, result, created_at)"
            " SELECT $1, principal, operation, 'k' || days, input_hash, result, clock_timestamp() - days * interval '1 day'"
            " FROM idempotency, unnest(ARRAY[29, 31, 59, 61]) AS days WHERE program_id = $1 AND key = 'new'",
            unit.program,
        )

    house = House(records)
    kept = [] if days is None else [{"key": "answers", "days": days}]
    await house.apply(document(**EVERYTHING, retention=kept), Sandbox(BEGIN))
    where = (house.database, house.cache, house.program)
    await aliases.set_alias(*where, SetAlias("ann", "Ann"), principal="shop", key="new")
    await house.database.run(age, house.program)
    await settle(house)
    assert [key for (key,) in await house.rows(ANSWERS)] == left
