"""Publishing what counts the past: a job counts every member anew, a page of them in each of its steps.

Who is done carries the publication's revision, so a worker that goes on after another died finds those who are left. Nothing waits
for the job: whoever is touched meanwhile is counted anew by whoever touches her (`locking`).
"""

from typing import Any, Final
from uuid import UUID

from engagement.actions import locking
from engagement.actions.jobs import Running
from engagement.records import members
from engagement.records.unit import Unit

MEMBERS_AT_ONCE: Final = 100
INPUTS_AT_ONCE: Final = 10_000
"""A step folds members with so many inputs in all, at least one."""
STEP_SECONDS: Final = 120.0


async def count_anew(running: Running) -> dict[str, Any]:
    """Count everybody anew by a publication (`input`: its revision); of how many members that is done then."""
    revision = int(running.job.input["revision"])
    place = running.job.place or {}
    done, total, after = place.get("done", 0), place.get("total"), place.get("after")

    async def step(unit: Unit) -> tuple[int, int, str] | None:
        await unit.take_time(STEP_SECONDS)
        loaded = await running.programs.load(unit, for_writing=True)
        of_all = await members.count_behind(unit, revision) if total is None else total
        page = await members.behind(unit, revision, None if after is None else UUID(after), MEMBERS_AT_ONCE)
        if not page:
            return None
        held = fitting(page)
        await locking.lock(unit, loaded, held)
        so_far = (done + len(held), of_all, str(held[-1]))
        await running.note(unit, *so_far[:2], dict(zip(("done", "total", "after"), so_far, strict=True)))
        return so_far

    while (so_far := await running.database.run(step, running.program_id, deadline_seconds=STEP_SECONDS)) is not None:
        done, total, after = so_far
    return {"members": done}


def fitting(page: list[tuple[UUID, int]]) -> list[UUID]:
    """As many members of a page as come to no more inputs together than a step folds, at least the first."""
    fitting_in: list[UUID] = []
    left = INPUTS_AT_ONCE
    for who, inputs in page:
        left -= inputs
        if fitting_in and left < 0:
            break
        fitting_in.append(who)
    return fitting_in
