"""Programs: applying a document, and having its rules at hand."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from achievements.compiling import Compiled
from achievements.definitions import Program as Document
from achievements.definitions import document_of
from achievements.differences import FieldChange
from achievements.draws import Draw
from achievements.lifecycle import Status, life_of
from achievements.rulebook import Rulebook, Rules
from engagement.actions import plans
from engagement.actions.entries import Entries
from engagement.actions.lines import Edition, Line, definition_in, document_in
from engagement.actions.plans import Change
from engagement.actions.rarity import Rarities
from engagement.errors import InvalidInput, NotFound
from engagement.records import draws, jobs, problems, programs
from engagement.records.programs import DefinitionVersion, Program
from engagement.records.unit import ALL, Database, Scope, Unit, Work

COUNT_ANEW = "publish"
"""The kind of job that counts members anew."""
HORIZON_DAYS = 400
"""How late an input may be and still count, in a program that is no sandbox."""


class Loaded(msgspec.Struct, frozen=True):
    """A program as one unit sees it: its row, its rules, what time it is in it, how rare its badges were found to be, the line
    of its definitions, and how many entries its draws were found to have.
    """

    program: Program
    rulebook: Rulebook
    now: datetime
    rarities: Rarities
    line: Line
    entries: Entries

    def rules_at(self, at: datetime) -> Rules:
        """The rules in force at an instant; before the first, those that will be."""
        return self.rulebook.at(at) or self.rulebook.latest

    def currency(self, named: str | None, at: datetime) -> str:
        """The key of a currency at an instant: the one named, or its only one. Raises `InvalidInput`."""
        known = self.rules_at(at).currencies
        if named is None and len(known) == 1:
            return next(iter(known))
        if named is None or named not in known:
            raise InvalidInput(f"Name a currency of the program: {', '.join(known) or 'it defines none'}.", "currency")
        return named


class Sandbox(msgspec.Struct, frozen=True):
    """That a new program is a sandbox, and where its test clock begins (now, where None)."""

    clock: datetime | None = None


class Applied(msgspec.Struct, frozen=True):
    """The program after a document was applied, what that changed, what time it is in it, and the job that counts the past anew,
    where something does.
    """

    program: Program
    changes: tuple[Change, ...]
    now: datetime
    replayed: bool = False
    job: UUID | None = None
    counts_past: bool = False


class Standing(msgspec.Struct, frozen=True):
    """A definition in its latest version, and where it stands at the program's present.

    `ends` is when it was left out, where it was, else what is written. Instants are in UTC.
    """

    kind: str
    key: str
    name: str
    status: Status
    version: int
    published_at: datetime
    starts: datetime | None
    ends: datetime | None


class Settled(msgspec.Struct, frozen=True):
    """What applying a document came to: what is kept under its idempotency key."""

    program_id: int
    changes: tuple[Change, ...]
    job: UUID | None = None


class Programs:
    """The rules of programs, compiled once and kept until a newer revision is met. One for each process."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._rarities = Rarities()
        self._entries = Entries()
        self._editions: dict[int, dict[Edition, Compiled]] = {}
        self._under_way: dict[tuple[int, int], asyncio.Task[Line]] = {}

    async def load(self, unit: Unit, *, for_writing: bool = False) -> Loaded:
        """The unit's program. `for_writing` keeps its definitions and its clock from changing until the unit ends."""
        program, now = await programs.as_of(unit, shared=for_writing)
        line = self._lines.get(program.id)
        if line is None or line.revision != program.revision:
            line = await self._newer(unit, program)
        return Loaded(program, line.rulebook(), now, self._rarities, line, self._entries)

    async def _newer(self, unit: Unit, program: Program) -> Line:
        """The line of a revision that was not met before. It is compiled once, for all who wait for it."""
        place = (program.id, program.revision)
        if place not in self._under_way:
            versions = await programs.versions(unit)
            if place not in self._under_way:
                self._under_way[place] = asyncio.create_task(self._compile(program, versions))
        # Whoever gives up waiting leaves it to those who come after her.
        return await asyncio.shield(self._under_way[place])

    async def _compile(self, program: Program, versions: Sequence[DefinitionVersion]) -> Line:
        """Compile beside the event loop, on which others are served meanwhile."""
        try:
            line = Line(program, versions, self._editions.get(program.id, {}))
            await asyncio.to_thread(line.compile)
            self._lines[program.id], self._editions[program.id] = line, line.editions
            return line
        finally:
            del self._under_way[program.id, program.revision]


async def apply(
    database: Database,
    document: object,
    *,
    principal: str,
    own: int | None,
    sandbox: Sandbox | None = None,
    dry_run: bool = False,
    take_back: bool = False,
    preview: UUID | None = None,
    key: str | None = None,
) -> Applied:
    """Make the program of a document be what the document says, and nothing else; a new one where there is none.

    What is equal stays; what differs becomes a new version, in force from now (in a sandbox whose events lie
    ahead of its clock, from after the last of them); what the document leaves out ends then. `own`
    is the program of the caller's key, which may change that program alone; None is an operator. Raises `InvalidProgram`
    with every mistake, `NotFound` for another's program, `InvalidInput` where a sandbox is asked of a program that is none.

    Where a new version counts the past (`counts_from`), a job counts every member anew. What she would have no more by it she
    keeps, unless it is to `take_back`. Once there are members, that goes with the `preview` (its job) of the same document.

    `dry_run` answers the same and does nothing; `key` is then neither looked at nor used up.
    """
    wanted = await asyncio.to_thread(plans.sound, document)

    async def enter(unit: Unit) -> None:
        await _find_or_make(unit, wanted, own, sandbox)

    async def work(unit: Unit) -> Settled:
        return await _publish(unit, wanted, document, take_back=take_back, preview=preview, trying=dry_run)

    if dry_run:
        return await _foreseen(database, ALL if own is None else own, enter, work)
    settled, replayed = await database.perform(
        work,
        ALL if own is None else own,
        enter=enter,
        principal=principal,
        operation="applyProgram",
        key=key,
        command=msgspec.json.encode([document, sandbox, *([True] if take_back else [])], order="deterministic"),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Settled).decode,
    )
    program, now = await database.run(programs.as_of, settled.program_id)
    return Applied(program, settled.changes, now, replayed, settled.job, settled.job is not None)


async def as_document(unit: Unit) -> dict[str, Any]:
    """What is in force in the unit's program as one document, definitions by key: to apply it changes nothing."""
    versions = [each for each in await programs.versions(unit) if each.active_until is None]
    versions.sort(key=lambda version: version.key)
    return document_of(document_in(await programs.current(unit), map(definition_in, versions)))


async def standing(unit: Unit) -> list[Standing]:
    """Every definition that the unit's program has or had, by kind and key, and where it stands."""
    _, now = await programs.as_of(unit)
    latest = {(each.kind, each.key): each for each in await programs.versions(unit)}
    return [_standing(each, now) for each in latest.values()]


def _standing(version: DefinitionVersion, now: datetime) -> Standing:
    definition = definition_in(version)
    life = life_of(definition)
    left_out = version.active_until is not None
    return Standing(
        version.kind,
        version.key,
        definition.title,
        "ended" if left_out else life.status(now),
        version.version,
        version.active_from,
        life.starts,
        version.active_until if left_out else life.ends,
    )


class _Undone(Exception):
    """Rolls a unit back, and carries what it came to."""

    def __init__(self, applied: Applied) -> None:
        super().__init__()
        self.applied = applied


async def _foreseen(database: Database, scope: Scope, enter: Work[None], work: Work[Settled]) -> Applied:
    """What applying comes to, done and rolled back."""

    async def attempt(unit: Unit) -> None:
        await enter(unit)
        settled = await work(unit)
        program, now = await programs.as_of(unit)
        raise _Undone(Applied(program, settled.changes, now, counts_past=settled.job is not None))

    try:
        await database.run(attempt, scope)
    except _Undone as undone:
        return undone.applied
    raise AssertionError("an attempt never ends without being undone")


async def _publish(
    unit: Unit, wanted: Document, document: object, *, take_back: bool, preview: UUID | None, trying: bool
) -> Settled:
    """Make the unit's program be what the document says; `trying` it asks for no preview."""
    program = await programs.lock(unit)
    plan = await plans.plan(unit, program, wanted, take_back=take_back)
    changes, new, closed = plan.changes, plan.new, plan.closed
    if plan.counts_past and not trying:
        await plans.check_preview(unit, plan, document, preview)
    await programs.save_versions(unit, new, closed)
    await draws.commit(unit, [each.key for each in new if each.kind == Draw.kind])
    # What was changed may have been mended: it is told of again where it fails again.
    await problems.forget(unit, [(each.kind, each.key) for each in closed])
    job = None
    if changes:
        revision = await programs.bump_revision(unit)
        if plan.counts_past:
            job = (await jobs.ask(unit, uuid4(), COUNT_ANEW, {"revision": revision})).id
    name = wanted.head.name or program.key
    if program.name != name:
        await programs.rename(unit, name)
        renamed = FieldChange("name", program.name, name)
        changes = (Change("program", program.key, "CHANGED", (renamed,)), *changes)
    return Settled(program.id, changes, job)


async def _find_or_make(unit: Unit, wanted: Document, own: int | None, sandbox: Sandbox | None) -> None:
    """Make the unit one of the document's program, which is made here where there is none, within the same transaction."""
    found = await programs.find(unit, wanted.head.key)
    if own is not None and (found is None or found.id != own):
        raise NotFound(
            f"This key is not for a program `{wanted.head.key}`; only an operator's makes programs.", "program.key"
        )
    if found is None:
        # Where somebody else makes it at the same time, the insert waits, and finds it made.
        made = await programs.create(
            unit,
            key=wanted.head.key,
            name=wanted.head.name or wanted.head.key,
            timezone=wanted.head.timezone,
            token_secret=secrets.token_bytes(32),
            sandbox=sandbox is not None,
            clock=None if sandbox is None else sandbox.clock or await programs.now(unit),
            horizon_days=None if sandbox is not None else HORIZON_DAYS,
        )
        if made is not None:
            return
        found = await programs.find(unit, wanted.head.key)
    assert found is not None, "the program was there a moment ago, and programs are never deleted"
    if sandbox is not None and not found.sandbox:
        raise InvalidInput(f"Program `{found.key}` is no sandbox, and none becomes one.", "sandbox")
    if own is None:
        await unit.narrow(found.id)
