import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engagement.errors import IdempotencyKeyReused, InProgress, InvalidInput
from engagement.records.programs import Program
from engagement.records.unit import ALL, Database, Unit
from tests.records.conftest import published

Performed = tuple[int, bool]


async def perform(
    records: Database, program: Program, work: Callable[[Unit], Awaitable[int]], **changes: Any
) -> Performed:
    named = {"principal": "key:1", "operation": "redeem", "key": "k", "command": b"100 points"} | changes
    return await records.perform(work, program.id, **named, encode=lambda result: str(result).encode(), decode=int)


async def effect(unit: Unit) -> int:
    """Leave one more row, and say how many there are."""
    await published(unit, b"{}")
    count: int = await unit.fetchval("SELECT count(*) FROM outbox")
    return count


async def effects(records: Database, program: Program) -> int:
    count: int = await records.run(lambda unit: unit.fetchval("SELECT count(*) FROM outbox"), program.id)
    return count


async def test_the_same_request_again_gets_the_stored_result(records: Database, program: Program) -> None:
    assert await perform(records, program, effect) == (1, False)
    assert await perform(records, program, effect) == (1, True)
    assert await effects(records, program) == 1


async def test_the_same_key_with_another_input_is_refused(records: Database, program: Program) -> None:
    await perform(records, program, effect)
    with pytest.raises(IdempotencyKeyReused):
        await perform(records, program, effect, command=b"200 points")
    assert await effects(records, program) == 1


@pytest.mark.parametrize("other", [{"principal": "key:2"}, {"operation": "adjust"}, {"key": "K"}])
async def test_a_key_belongs_to_its_principal_and_operation(
    records: Database, program: Program, other: dict[str, str]
) -> None:
    await perform(records, program, effect)
    assert await perform(records, program, effect, **other) == (2, False)


async def test_without_a_key_every_request_has_its_effect(records: Database, program: Program) -> None:
    assert await perform(records, program, effect, key=None) == (1, False)
    assert await perform(records, program, effect, key=None) == (2, False)


@pytest.mark.parametrize("key", ["", "k" * 65, "two\nlines", "nul\0"])
async def test_a_key_of_the_wrong_form_is_refused(records: Database, program: Program, key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await perform(records, program, effect, key=key)
    assert refused.value.field == "idempotencyKey"


async def test_a_refusal_leaves_the_key_free(records: Database, program: Program) -> None:
    async def refuse(unit: Unit) -> int:
        await effect(unit)
        raise InvalidInput("not enough points")

    with pytest.raises(InvalidInput):
        await perform(records, program, refuse)
    assert await perform(records, program, effect, command=b"another input") == (1, False)


async def test_ten_at_once_have_one_effect(records: Database, program: Program) -> None:
    async def slow(unit: Unit) -> int:
        await asyncio.sleep(0.1)
        return await effect(unit)

    for nth in range(1, 11):
        done = await asyncio.gather(*(perform(records, program, slow, key=f"k{nth}") for _ in range(10)))
        assert sorted(replayed for _, replayed in done) == [False] + [True] * 9
        assert {result for result, _ in done} == {nth}


async def test_two_processes_at_once_have_one_effect(records: Database, program: Program, database: Any) -> None:
    other = await Database.open(database.app, max_connections=1)
    both = asyncio.Barrier(2)

    async def meet(unit: Unit) -> int:
        return await effect(unit)

    async def through(each: Database) -> Performed:
        await both.wait()
        return await perform(each, program, meet)

    done = await asyncio.gather(through(records), through(other))
    await other.close()
    assert sorted(done) == [(1, False), (1, True)]


async def test_the_second_takes_over_where_the_first_fails(records: Database, program: Program) -> None:
    second_waits = asyncio.Event()

    async def fail(_unit: Unit) -> int:
        await second_waits.wait()
        await asyncio.sleep(0.2)
        raise InvalidInput("no")

    first = asyncio.create_task(perform(records, program, fail))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(perform(records, program, effect))
    second_waits.set()
    with pytest.raises(InvalidInput):
        await first
    assert await second == (1, False)


async def test_the_second_does_not_wait_for_ever(records: Database, program: Program) -> None:
    release = asyncio.Event()

    async def slow(unit: Unit) -> int:
        await release.wait()
        return await effect(unit)

    first = asyncio.create_task(perform(records, program, slow))
    await asyncio.sleep(0.1)
    with pytest.raises(InProgress):
        await perform(records, program, effect)
    release.set()
    assert await first == (1, False)


async def test_a_caller_who_leaves_finds_the_result_under_the_key(records: Database, program: Program) -> None:
    begun, leave = asyncio.Event(), asyncio.Event()

    async def work(unit: Unit) -> int:
        begun.set()
        await leave.wait()
        return await effect(unit)

    caller = asyncio.create_task(perform(records, program, work))
    await begun.wait()
    caller.cancel()
    leave.set()
    assert await perform(records, program, effect) == (1, True)


async def test_a_key_of_one_program_means_nothing_in_another(records: Database, program: Program) -> None:
    await perform(records, program, effect)
    make = "INSERT INTO program (key, name, timezone, token_secret) VALUES ('other', '', 'UTC', '') RETURNING id"
    other = await records.run(lambda unit: unit.fetchval(make), ALL)
    result = await records.perform(
        effect,
        other,
        principal="key:1",
        operation="redeem",
        key="k",
        command=b"other",
        encode=lambda result: str(result).encode(),
        decode=int,
    )
    assert result == (1, False)
