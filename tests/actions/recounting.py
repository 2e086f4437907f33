"""A shop whose definitions come to count the past, and how that is published: seen in a preview first."""

from typing import Any
from uuid import UUID

from engagement.actions import jobs, previews
from engagement.actions.plans import PREVIEW
from engagement.actions.previews import Preview
from engagement.actions.programs import Applied
from engagement.records.jobs import Job
from engagement.worker import KINDS
from tests.achievements.programs import document
from tests.actions.books import books_balance
from tests.actions.conftest import House
from tests.actions.test_verify import discrepancies

SINCE = "2017-03-01T00:00:00Z"
RULE = {"key": "base", "on": "purchase", "earn": {"fixed": 10}}
TRIO = {"key": "trio", "objectives": [{"on": "purchase", "target": 3}], "rewards": [{"points": 100}]}
REGULAR = {"key": "regular", "on": "purchase", "levels": [{"target": 2, "key": "two", "rewards": [{"points": 7}]}]}
LADDER = {
    "key": "club",
    "measure": {"points": "points"},
    "window": {"days": 30},
    "tiers": [{"key": "low"}, {"key": "high", "from": 30}],
}


def program(*, rule: Any = RULE, trio: Any = TRIO, regular: Any = REGULAR, **more: Any) -> dict[str, Any]:
    """A program of these definitions."""
    kinds = {"earn_rules": [rule], "challenges": [trio], "badges": [regular], "tier_ladders": [LADDER]}
    return document(**{section: [each for each in there if each] for section, there in kinds.items()}, **more)


def since(definition: dict[str, Any], instant: str = SINCE, **more: Any) -> dict[str, Any]:
    """A definition that counts the past from an instant."""
    return {**definition, **more, "counts_from": instant}


def day(number: int, hour: int = 12) -> str:
    """An hour of a day in March."""
    return f"2017-03-{number:02d}T{hour:02d}:00:00Z"


async def publish(house: House, **more: Any) -> Applied:
    """Publish definitions in the place of the usual ones."""
    options = {name: more.pop(name) for name in ("take_back", "dry_run") if name in more}
    return await apply(house, program(**more), **options)


async def apply(house: House, written: dict[str, Any], **options: Any) -> Applied:
    """Publish what was seen in a preview, as one has to."""
    asked = await previews.ask(house.database, house.program, written)
    while not (job := await read(house, asked.id)).ended:
        assert await jobs.do_next(house.database, house.cache, house.program, {PREVIEW: previews.preview})
    assert job.state == "done", job.problem
    return await house.apply(written, preview=asked.id, **options)


async def read(house: House, job_id: UUID) -> Job:
    """A job as it stands."""
    return await house.database.run(lambda unit: jobs.read(unit, job_id), house.program, read_only=True)


async def preview_of(house: House, written: dict[str, Any]) -> Preview:
    """What a preview of a document says."""
    asked = await previews.ask(house.database, house.program, written)
    await count_anew(house)
    found = await house.database.run(lambda unit: previews.read(unit, asked.id), house.program, read_only=True)
    assert found is not None
    return found


async def count_anew(house: House) -> None:
    """What the worker does."""
    while await jobs.do_next(house.database, house.cache, house.program, KINDS):
        pass


async def has(house: House, table: str, columns: str, member: str) -> list[tuple[Any, ...]]:
    """What a table holds of a member."""
    return await house.rows(
        f"SELECT {columns} FROM {table} AS held JOIN member ON member.program_id = $1 AND member.id = held.member_id"
        " WHERE held.program_id = $1 AND external_id = $2 ORDER BY 1",
        member,
    )


async def balance(house: House, member: str) -> int:
    """Her points."""
    return sum(points for (points,) in await has(house, "wallet", "balance", member))


async def all_is_well(house: House) -> None:
    """Everything stored is what follows from the inputs, and the books balance."""
    assert await discrepancies(house) == []
    await books_balance(house)


LESS = {
    "rule": since(RULE, earn={"fixed": 4}),
    "trio": since({**TRIO, "objectives": [{"on": "purchase", "target": 4}]}),
    "regular": since({**REGULAR, "levels": [{**REGULAR["levels"][0], "target": 5}]}),  # type: ignore[dict-item]
}
