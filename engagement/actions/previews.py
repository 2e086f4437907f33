"""Trying a document that counts the past, on everybody, before it is published: what members gain, and what of theirs would vanish.

Every member is folded as publishing would fold her, and nothing is written but how far it is. The result names the revision of the
program that it was tried on: with another it is worth nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from achievements.recounts import Losing, Recount, Sum
from engagement.actions import jobs, plans, refolding
from engagement.actions.changes import Changes
from engagement.actions.jobs import JobNotFound, Running
from engagement.actions.lines import Line
from engagement.actions.plans import PREVIEW
from engagement.actions.programs import Loaded
from engagement.actions.publishing import fitting
from engagement.errors import InvalidInput
from engagement.records import jobs as records
from engagement.records import members, programs
from engagement.records.jobs import Job
from engagement.records.members import Held
from engagement.records.unit import Database, Unit

MEMBERS_AT_ONCE: Final = 100
STEP_SECONDS: Final = 120.0


class Preview(msgspec.Struct, frozen=True):
    """What publishing a document would change, at a revision of its program.

    `members` were looked at; by it some are `gaining`, and for some (`losing`) something would vanish: those are listed, the first of them.
    """

    revision: int
    members: int
    gaining: int
    losing: int
    definitions: tuple[Sum, ...]
    listed: tuple[Losing, ...]


async def ask(database: Database, program_id: int, document: object) -> Job:
    """Ask for a preview of a document of the program.

    Raises `InvalidProgram` as applying it would, `InvalidInput` for a document that counts nothing of the past, and `TooManyJobs`.
    """
    wanted = await asyncio.to_thread(plans.sound, document)

    async def work(unit: Unit) -> Job:
        program = await programs.current(unit)
        if program.key != wanted.head.key:
            raise InvalidInput(f"This is the document of `{wanted.head.key}`, and not of `{program.key}`.", "document")
        if not (await plans.plan(unit, program, wanted)).counts_past:
            raise InvalidInput("Nothing in it counts the past (`counts_from`): `applyProgram` applies it.", "document")
        return await records.ask(unit, uuid4(), PREVIEW, {"document": plans.plain_of(document)})

    return await database.run(work, program_id)


async def read(unit: Unit, job_id: UUID) -> Preview | None:
    """The result of a preview; None before it is done. Raises `JobNotFound`."""
    job = await jobs.read(unit, job_id)
    if job.kind != PREVIEW:
        raise JobNotFound("This job is no preview.")
    return None if job.result is None else msgspec.convert(job.result, Preview)


async def preview(running: Running) -> Preview:
    """Try the document of a job (`input`) on everybody."""
    wanted = await asyncio.to_thread(plans.sound, running.job.input["document"])
    tried: tuple[int, Line] | None = None
    place = running.job.place or {"after": None, "recount": {}}
    recount, after, total = msgspec.convert(place["recount"], Recount), place["after"], place.get("total", 0)

    async def step(unit: Unit) -> tuple[Recount, str] | None:
        nonlocal tried, total
        # A unit may be repeated: what it adds up is its own until it is done.
        so_far: Recount = msgspec.convert(msgspec.to_builtins(recount), Recount)
        await unit.take_time(STEP_SECONDS)
        loaded = await running.programs.load(unit)
        if tried is None:
            planned = await plans.plan(unit, loaded.program, wanted)
            tried = loaded.program.revision, planned.line
        if tried[0] != loaded.program.revision or place.get("revision", tried[0]) != tried[0]:
            raise InvalidInput("The program was changed meanwhile; ask for another preview.", "document")
        page = await members.page(unit, after, MEMBERS_AT_ONCE)
        held = await members.states(unit, [each.id for each in page])
        page = page[: len(fitting([(each.id, held[each.id].state.inputs) for each in page]))]
        await _count(unit, loaded, tried[1], [(each.external_id, held[each.id]) for each in page], so_far)
        if not page:
            return None
        last = page[-1].external_id
        total = total or await members.count(unit)
        noted = {"after": last, "recount": so_far, "revision": tried[0], "total": total}
        await running.note(unit, so_far.members, max(total, so_far.members), noted)
        return so_far, last

    while (done := await running.database.run(step, running.program_id, deadline_seconds=STEP_SECONDS)) is not None:
        recount, after = done
    assert tried is not None, "a step was done"
    sums = tuple(sorted(recount.sums.values(), key=lambda each: each.definition))
    return Preview(tried[0], recount.members, recount.gaining, recount.losing, sums, tuple(recount.listed))


async def _count(unit: Unit, loaded: Loaded, line: Line, page: Sequence[tuple[str, Held]], recount: Recount) -> None:
    """Fold a page of members as the line would have it, and add up what that changes."""
    names = {held.id: name for name, held in page}
    changes = Changes(loaded, [held for _, held in page])
    firsts = [
        (
            changes.drafts[held.id],
            min(each.counts_from for each in line.publications if each.revision > _judged(loaded, held)),
        )
        for _, held in page
    ]
    histories = await refolding.histories(unit, loaded, firsts, refolding.HISTORY_INPUTS_MAX)
    after = replace(loaded, rulebook=line.rulebook(), line=line)

    def folded() -> None:
        for _, held in page:
            history = replace(histories[held.id], loaded=after, judged_by=loaded.line.rulebook_of(held))
            recount.count(names[held.id], history.refolded(held.state.at, set(held.pending)).difference)

    await asyncio.to_thread(folded)


def _judged(loaded: Loaded, held: Held) -> int:
    """The revision up to which a member was counted."""
    return held.revision if loaded.line.behind(held) else loaded.program.revision
