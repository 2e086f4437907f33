"""Screens that are asked for at the same time are read together, and nobody's answer depends on the others."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from engagement.actions import read_screens, screens
from engagement.actions.read_screens import Reader
from engagement.actions.screens import MemberNotFound
from engagement.errors import Unavailable
from engagement.records.unit import Database, Unit
from tests.actions.conftest import House, purchase

MEMBERS = [f"m{number}" for number in range(6)]


@pytest.fixture
async def shop(house: House) -> House:
    await house.send(
        *(purchase("e1", member, "2017-03-01T12:00:00Z", f"{number}.50") for number, member in enumerate(MEMBERS))
    )
    return house


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members each read was for."""
    reads: list[int] = []
    read = screens.read

    async def counting(unit: Unit, loaded: Any, shown: Sequence[Any]) -> list[Any]:
        reads.append(len(shown))
        return await read(unit, loaded, shown)

    monkeypatch.setattr(screens, "read", counting)
    return reads


async def test_together_as_alone(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(shop.database, shop.cache)
    alone = [await reader.screen(shop.program, member) for member in MEMBERS]
    reads = counted(monkeypatch)
    together = await asyncio.gather(*(reader.screen(shop.program, member) for member in (*MEMBERS, *MEMBERS)))
    assert [screen.member.external_id for screen in together] == [*MEMBERS, *MEMBERS]
    assert [(each.wallets, each.streaks, each.badges, each.seq) for each in together] == [
        (each.wallets, each.streaks, each.badges, each.seq) for each in (*alone, *alone)
    ]
    # The first to ask may have been read before the others had asked.
    assert len(reads) <= 2


async def test_who_asks_during_a_read_sees_what_was_committed_before_asking(shop: House) -> None:
    reader = Reader(shop.database, shop.cache)
    for number in range(20):
        first = asyncio.create_task(reader.screen(shop.program, "m0"))
        await asyncio.sleep(0.001 * (number % 3))
        await shop.send(purchase(f"n{number}", "m0", f"2017-04-01T12:00:{number:02}Z"))
        before = await shop.rows(
            "SELECT seq FROM member_state JOIN member ON id = member_id WHERE external_id = 'm0' AND $1 > 0"
        )
        after = await reader.screen(shop.program, "m0")
        assert after.seq >= before[0][0]
        await first


async def test_nobody_else_fails(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(shop.database, shop.cache)
    read = screens.read

    async def failing(unit: Unit, loaded: Any, shown: Sequence[Any]) -> list[Any]:
        if any(each.external_id == "m3" for each in shown):
            raise ZeroDivisionError
        return await read(unit, loaded, shown)

    monkeypatch.setattr(screens, "read", failing)
    asked = (*MEMBERS, "nobody", "zero\0")
    answers = await asyncio.gather(*(reader.screen(shop.program, each) for each in asked), return_exceptions=True)
    assert [type(each) for each in answers] == [
        *(ZeroDivisionError if member == "m3" else screens.Screen for member in MEMBERS),
        MemberNotFound,
        MemberNotFound,
    ]


async def test_who_has_gone_is_not_waited_for(shop: House) -> None:
    reader = Reader(shop.database, shop.cache)
    tasks = [asyncio.create_task(reader.screen(shop.program, each)) for each in MEMBERS * 30]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, screens.Screen) for each in answers[1::2])
    assert (await reader.screen(shop.program, "m1")).member.external_id == "m1"
    assert shop.database.pool.in_use == 0


async def test_more_than_fit_into_one_read(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_screens, "TOGETHER_MAX", 2)
    reader = Reader(shop.database, shop.cache)
    reads = counted(monkeypatch)
    found = await asyncio.gather(*(reader.screen(shop.program, each) for each in MEMBERS))
    assert [each.member.external_id for each in found] == MEMBERS
    assert max(reads) == 2


async def test_an_outage_is_told_to_everybody(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> None:
        raise Unavailable("down")

    reader = Reader(shop.database, shop.cache)
    with monkeypatch.context() as patched:
        patched.setattr(Database, "run", down)
        answers = await asyncio.gather(*(reader.screen(shop.program, each) for each in MEMBERS), return_exceptions=True)
        assert {type(each) for each in answers} == {Unavailable}
    assert (await reader.screen(shop.program, "m1")).member.external_id == "m1"
