import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from engagement.errors import InvalidInput, NotASandbox, NotFound
from engagement.records import credentials, programs
from engagement.records.programs import Closing, DefinitionVersion, Program
from engagement.records.unit import ALL, Database, Unit

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def create(unit: Unit, key: str = "sand", **changes: Any) -> Program:
    named = {"name": "Sand", "timezone": "Europe/Rome", "token_secret": b"\0\1"} | changes
    made = await programs.create(unit, key=key, **named)
    assert made is not None
    return made


async def test_a_program_is_found_as_it_was_made(records: Database) -> None:
    made = await records.run(lambda unit: create(unit, sandbox=True, clock=NOON, horizon_days=400), ALL)
    assert made == Program(made.id, "sand", "Sand", "Europe/Rome", True, NOON, 400, 0, b"\0\1")
    assert await records.run(lambda unit: programs.find(unit, "sand"), ALL) == made
    assert await records.run(programs.current, made.id) == made
    assert await records.run(lambda unit: programs.find(unit, "other"), ALL) is None
    again: dict[str, Any] = {"name": "Sand", "timezone": "UTC", "token_secret": b""}
    assert await records.run(lambda unit: programs.create(unit, key="sand", **again), ALL) is None


async def test_operators_list_all_programs_and_others_their_own(records: Database, program: Program) -> None:
    other = await records.run(create, ALL)
    assert [each.key for each in await records.run(programs.every, ALL)] == ["grocer", "sand"]
    assert await records.run(programs.every, other.id) == [other]
    assert await records.run(lambda unit: programs.find(unit, program.key), other.id) is None
    with pytest.raises(NotFound):
        await records.run(programs.current, other.id + 1)


async def test_name_and_revision_change_in_place(records: Database, program: Program) -> None:
    async def work(unit: Unit) -> tuple[int, Program]:
        await programs.lock(unit)
        await programs.rename(unit, "New")
        return await programs.bump_revision(unit), await programs.current(unit)

    revision, changed = await records.run(work, program.id)
    assert revision == changed.revision == 1
    assert changed.name == "New"


async def test_a_sandbox_has_its_own_time(records: Database, program: Program) -> None:
    sandbox = await records.run(lambda unit: create(unit, sandbox=True, clock=NOON), ALL)
    assert await records.run(programs.as_of, sandbox.id) == (sandbox, NOON)

    async def production(unit: Unit) -> bool:
        return await programs.as_of(unit, shared=True) == (program, await programs.now(unit))

    assert await records.run(production, program.id)


async def test_a_program_that_is_shared_cannot_be_changed(records: Database, program: Program) -> None:
    done: list[str] = []
    both_share = asyncio.Barrier(3)

    async def share(unit: Unit) -> None:
        await programs.as_of(unit, shared=True)
        await both_share.wait()
        await asyncio.sleep(0.1)
        done.append("shared")

    async def change(unit: Unit) -> None:
        await both_share.wait()
        await programs.lock(unit)
        done.append("changed")

    await asyncio.gather(*(records.run(work, program.id) for work in (share, share, change)))
    assert done == ["shared", "shared", "changed"]


async def test_changes_of_a_program_queue(records: Database, program: Program) -> None:
    async def bump(unit: Unit) -> int:
        before = (await programs.lock(unit)).revision
        await asyncio.sleep(0.01)
        assert await programs.bump_revision(unit) == before + 1
        return before

    assert sorted(await asyncio.gather(*(records.run(bump, program.id) for _ in range(8)))) == list(range(8))


async def test_the_clock_of_a_sandbox_goes_forward_only(records: Database, program: Program) -> None:
    sandbox = await records.run(lambda unit: create(unit, sandbox=True, clock=NOON), ALL)
    await records.run(lambda unit: programs.advance_clock(unit, NOON), sandbox.id)
    await records.run(lambda unit: programs.advance_clock(unit, NOON + HOUR), sandbox.id)
    assert (await records.run(programs.current, sandbox.id)).clock == NOON + HOUR
    with pytest.raises(InvalidInput, match="never goes back"):
        await records.run(lambda unit: programs.advance_clock(unit, NOON), sandbox.id)
    with pytest.raises(NotASandbox):
        await records.run(lambda unit: programs.advance_clock(unit, NOON), program.id)


async def test_versions_come_back_in_order_open_and_past(records: Database, program: Program) -> None:
    first = [
        DefinitionVersion("badge", "Zebra", 1, b'{"target": 5}', NOON),
        DefinitionVersion("badge", "apple", 1, b"{}", NOON, counts_from=NOON - HOUR),
        DefinitionVersion("currency", "points", 1, b"{}", NOON),
    ]
    second = DefinitionVersion("badge", "Zebra", 2, b'{"target": 6}', NOON + HOUR)

    async def publish(unit: Unit) -> list[DefinitionVersion]:
        await programs.save_versions(unit, first, [])
        await programs.save_versions(unit, [second], [Closing("badge", "Zebra", NOON + HOUR)])
        return await programs.versions(unit)

    saved = await records.run(publish, program.id)
    ended = DefinitionVersion("badge", "Zebra", 1, b'{"target": 5}', NOON, NOON + HOUR)
    assert saved == [ended, second, first[1], first[2]]
    assert await records.run(programs.versions, program.id) == saved


async def test_a_second_open_version_is_not_saved(records: Database, program: Program) -> None:
    new = [DefinitionVersion("badge", "b", version, b"{}", NOON) for version in (1, 2)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await records.run(lambda unit: programs.save_versions(unit, new, []), program.id)
    assert await records.run(programs.versions, program.id) == []


async def test_a_key_signs_in_until_it_is_revoked(records: Database, program: Program) -> None:
    key = await records.run(lambda unit: credentials.create(unit, program.id, "till", ["b", "a"]), program.id)
    assert re.fullmatch(r"ek_[0-9a-f]{16}_[\w-]{43}", key)
    found = await records.run(lambda unit: credentials.find(unit, key), ALL)
    assert found == credentials.Credential(key[3:19], program.id, "till", frozenset({"a", "b"}))
    await records.run(lambda unit: unit.execute("UPDATE credential SET revoked_at = now()"), program.id)
    assert await records.run(lambda unit: credentials.find(unit, key), ALL) is None


async def test_operators_have_keys_of_no_program(records: Database, program: Program) -> None:
    key = await records.run(lambda unit: credentials.create(unit, None, "operator", []), ALL)
    found = await records.run(lambda unit: credentials.find(unit, key), ALL)
    assert found is not None
    assert found.program_id is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await records.run(lambda unit: credentials.create(unit, None, "operator", []), program.id)


async def test_any_other_key_is_nobodys(records: Database, program: Program) -> None:
    key = await records.run(lambda unit: credentials.create(unit, program.id, "till", []), program.id)
    last = "A" if key[-1] != "A" else "B"
    wrong = ("", "ek_", key[:-1], key[:-1] + last, key + "A", f"{key}\n", "ek_" + "0" * 16 + key[19:], key.upper())

    async def found(unit: Unit) -> list[credentials.Credential | None]:
        return [await credentials.find(unit, each) for each in wrong]

    assert await records.run(found, ALL) == [None] * len(wrong)


async def test_the_secret_is_not_stored(records: Database, program: Program) -> None:
    key = await records.run(lambda unit: credentials.create(unit, program.id, "till", []), program.id)
    row = await records.run(lambda unit: unit.fetchval("SELECT credential::text FROM credential"), program.id)
    assert key.rpartition("_")[2] not in row
