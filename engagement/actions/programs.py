"""Programs: applying a document, and having its rules at hand."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import msgspec

from achievements.compiling import Compiled, compiled
from achievements.definitions import SECTIONS, Head, Mistaken, definition_of, document_of, parse, plain
from achievements.definitions import Program as Document
from achievements.differences import FieldChange, fields_changed
from achievements.lifecycle import Status, life_of
from achievements.parts import Definition, Granting, Mistake
from achievements.rulebook import Rulebook, Rules, stretches
from achievements.states import BEGINNING
from engagement.actions.rarity import Rarities
from engagement.errors import InvalidInput, InvalidProgram, NotFound
from engagement.records import problems, programs
from engagement.records.programs import Closing, DefinitionVersion, Program
from engagement.records.unit import ALL, Database, Scope, Unit, Work

HORIZON_DAYS = 400
"""How late an input may be and still count, in a program that is no sandbox."""

Edition: TypeAlias = frozenset[tuple[str, str, int]]
"""The versions that make up a document, by kind, key and number."""
Written: TypeAlias = tuple[DefinitionVersion, Definition]


class Loaded(msgspec.Struct, frozen=True):
    """A program as one unit sees it: its row, its rules, what time it is in it, and how rare its badges were found to be."""

    program: Program
    rulebook: Rulebook
    now: datetime
    rarities: Rarities


class Sandbox(msgspec.Struct, frozen=True):
    """That a new program is a sandbox, and where its test clock begins (now, where None)."""

    clock: datetime | None = None


class Change(msgspec.Struct, frozen=True):
    """What applying a document did to one definition; of the kind `program`, to the program's own name.

    `fields` are what differs in one that was changed.
    """

    kind: str
    key: str
    change: Literal["CREATED", "CHANGED", "REMOVED"]
    fields: tuple[FieldChange, ...] = ()

    @property
    def takes(self) -> bool:
        """Whether it may take something from members: the definition ends, or counts otherwise than before."""
        return self.change == "REMOVED" or any(each.counts for each in self.fields)


class Applied(msgspec.Struct, frozen=True):
    """The program after a document was applied, what that changed, and what time it is in it."""

    program: Program
    changes: tuple[Change, ...]
    now: datetime
    replayed: bool = False


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


class Programs:
    """The rules of programs, compiled once and kept until a newer revision is met. One for each process."""

    def __init__(self) -> None:
        self._rulebooks: dict[int, Rulebook] = {}
        self._rarities = Rarities()
        self._editions: dict[int, dict[Edition, Compiled]] = {}
        self._under_way: dict[tuple[int, int], asyncio.Task[Rulebook]] = {}

    async def load(self, unit: Unit, *, for_writing: bool = False) -> Loaded:
        """The unit's program. `for_writing` keeps its definitions and its clock from changing until the unit ends."""
        program, now = await programs.as_of(unit, shared=for_writing)
        rulebook = self._rulebooks.get(program.id)
        if rulebook is None or rulebook.revision != program.revision:
            rulebook = await self._newer(unit, program)
        return Loaded(program, rulebook, now, self._rarities)

    async def _newer(self, unit: Unit, program: Program) -> Rulebook:
        """The rules of a revision that was not met before. They are compiled once, for all who wait for them."""
        place = (program.id, program.revision)
        if place not in self._under_way:
            versions = await programs.versions(unit)
            if place not in self._under_way:
                self._under_way[place] = asyncio.create_task(self._compile(program, versions))
        # Whoever gives up waiting leaves it to those who come after her.
        return await asyncio.shield(self._under_way[place])

    async def _compile(self, program: Program, versions: Sequence[DefinitionVersion]) -> Rulebook:
        """Compile beside the event loop, on which others are served meanwhile."""
        try:
            known = self._editions.get(program.id, {})
            rulebook, self._editions[program.id] = await asyncio.to_thread(_rulebook, program, versions, known)
            self._rulebooks[program.id] = rulebook
            return rulebook
        finally:
            del self._under_way[program.id, program.revision]


def _rulebook(
    program: Program, versions: Sequence[DefinitionVersion], known: Mapping[Edition, Compiled]
) -> tuple[Rulebook, dict[Edition, Compiled]]:
    """Rules for each stretch of time between two changes, and what was compiled for them; what is `known` is not compiled again."""
    written = [(each, _definition(each)) for each in versions]
    changed = {each.active_from for each in versions} | {each.active_until for each in versions if each.active_until}
    published = sorted(changed) or [BEGINNING]
    used: dict[Edition, Compiled] = {}
    editions: list[tuple[datetime, Rules]] = []
    for since, until in pairwise([*published, None]):
        assert since is not None, "only the last has no end"
        there = [
            (each, definition)
            for each, definition in written
            if each.active_from <= since and (each.active_until is None or since < each.active_until)
        ]
        edition = frozenset((each.kind, each.key, each.version) for each, _ in there)
        if edition not in used:
            used[edition] = known.get(edition) or compiled(_document(program, there))
        editions += stretches(used[edition], since, until)
    return Rulebook(program.revision, editions), used


async def apply(
    database: Database,
    document: object,
    *,
    principal: str,
    own: int | None,
    sandbox: Sandbox | None = None,
    dry_run: bool = False,
    key: str | None = None,
) -> Applied:
    """Make the program of a document be what the document says, and nothing else; a new one where there is none.

    What is equal stays; what differs becomes a new version, in force from now (in a sandbox whose events lie
    ahead of its clock, from after the last of them); what the document leaves out ends then. `own`
    is the program of the caller's key, which may change that program alone; None is an operator. Raises `InvalidProgram`
    with every mistake, `NotFound` for another's program, `InvalidInput` where a sandbox is asked of a program that is none.

    `dry_run` answers the same and does nothing; `key` is then neither looked at nor used up.
    """
    wanted = await asyncio.to_thread(_sound, document)

    async def enter(unit: Unit) -> None:
        await _find_or_make(unit, wanted, own, sandbox)

    async def work(unit: Unit) -> Settled:
        return await _publish(unit, wanted)

    if dry_run:
        return await _foreseen(database, ALL if own is None else own, enter, work)
    settled, replayed = await database.perform(
        work,
        ALL if own is None else own,
        enter=enter,
        principal=principal,
        operation="applyProgram",
        key=key,
        command=msgspec.json.encode([document, sandbox], order="deterministic"),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(Settled).decode,
    )
    program, now = await database.run(programs.as_of, settled.program_id)
    return Applied(program, settled.changes, now, replayed)


async def as_document(unit: Unit) -> dict[str, Any]:
    """What is in force in the unit's program as one document, definitions by key: to apply it changes nothing."""
    versions = [each for each in await programs.versions(unit) if each.active_until is None]
    versions.sort(key=lambda version: version.key)
    written = [(each, _definition(each)) for each in versions]
    return document_of(_document(await programs.current(unit), written))


async def standing(unit: Unit) -> list[Standing]:
    """Every definition that the unit's program has or had, by kind and key, and where it stands."""
    _, now = await programs.as_of(unit)
    latest = {(each.kind, each.key): each for each in await programs.versions(unit)}
    return [_standing(each, now) for each in latest.values()]


def _standing(version: DefinitionVersion, now: datetime) -> Standing:
    definition = _definition(version)
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


def _sound(document: object) -> Document:
    """A document that can be applied; InvalidProgram with every mistake in it."""
    try:
        wanted = parse(document)
        compiled(wanted)
    except Mistaken as error:
        raise InvalidProgram(tuple(error.mistakes)) from error
    return wanted


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
        raise _Undone(Applied(program, settled.changes, now))

    try:
        await database.run(attempt, scope)
    except _Undone as undone:
        return undone.applied
    raise AssertionError("an attempt never ends without being undone")


async def _publish(unit: Unit, wanted: Document) -> Settled:
    """Make the unit's program be what the document says."""
    program = await programs.lock(unit)
    if program.timezone != wanted.head.timezone:
        raise InvalidProgram((Mistake("program.timezone", f"stays {program.timezone}: every calendar rests on it"),))
    changes, new, closed = _changes(wanted, await programs.versions(unit), await programs.untouched_from(unit))
    await programs.save_versions(unit, new, closed)
    # What was changed may have been mended: it is told of again where it fails again.
    await problems.forget(unit, [(each.kind, each.key) for each in closed])
    if changes:
        await programs.bump_revision(unit)
    name = wanted.head.name or program.key
    if program.name != name:
        await programs.rename(unit, name)
        renamed = FieldChange("name", program.name, name)
        changes = (Change("program", program.key, "CHANGED", (renamed,)), *changes)
    return Settled(program.id, changes)


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


def _changes(
    wanted: Document, versions: Sequence[DefinitionVersion], now: datetime
) -> tuple[tuple[Change, ...], list[DefinitionVersion], list[Closing]]:
    """What makes the published versions be the document's definitions; InvalidProgram for a change of what is fixed."""
    last = {(each.kind, each.key): each for each in versions}
    changes: list[Change] = []
    new: list[DefinitionVersion] = []
    closed: list[Closing] = []
    mistakes: list[Mistake] = []
    for path, definition in _with_paths(wanted):
        held = last.pop((definition.kind, definition.key), None)
        body = plain(definition)
        change = Change(definition.kind, definition.key, "CREATED")
        if held is not None:
            before = _definition(held)
            mistakes += _changed_though_fixed(path, before, definition)
            if held.active_until is None and plain(before) == body:
                continue
            if held.active_until is None:
                closed.append(Closing(held.kind, held.key, now))
                change = Change(definition.kind, definition.key, "CHANGED", fields_changed(plain(before), body))
        changes.append(change)
        version = 1 if held is None else held.version + 1
        new.append(DefinitionVersion(definition.kind, definition.key, version, msgspec.json.encode(body), now))
    for held in last.values():
        if held.active_until is None:
            changes.append(Change(held.kind, held.key, "REMOVED"))
            closed.append(Closing(held.kind, held.key, now))
    if mistakes:
        raise InvalidProgram(tuple(mistakes))
    return tuple(changes), new, closed


def _with_paths(document: Document) -> list[tuple[str, Definition]]:
    return [
        (f"{section}[{position}]", definition)
        for section in SECTIONS
        for position, definition in enumerate(document.sections.get(section, ()))
    ]


def _changed_though_fixed(path: str, before: Definition, after: Definition) -> list[Mistake]:
    return [
        Mistake(
            f"{path}.{name}", f"`{name}` of a published {after.kind} stays as it is; define another under a new key"
        )
        for name in after.fixed
        if getattr(before, name) != getattr(after, name)
    ] + _narrowed(path, before, after)


def _narrowed(path: str, before: Definition, after: Definition) -> list[Mistake]:
    """A control group that would lose members: who was held out is not given later what others have had for long."""
    was, now = (each.control_group or 0 if isinstance(each, Granting) else 0 for each in (before, after))
    said = f"a control group only grows, and this one was {was} percent; define another {after.kind} under a new key"
    return [Mistake(f"{path}.control_group", said)] if now < was else []


def _definition(version: DefinitionVersion) -> Definition:
    return definition_of(_SECTION_OF[version.kind], msgspec.json.decode(version.body))


def _document(program: Program, versions: Sequence[Written]) -> Document:
    """The document that a set of versions makes up."""
    sections: Mapping[str, list[Definition]] = {section: [] for section in SECTIONS}
    for version, definition in versions:
        sections[_SECTION_OF[version.kind]].append(definition)
    name = None if program.name == program.key else program.name
    head = Head(key=program.key, name=name, timezone=program.timezone)
    return Document(head, {section: tuple(each) for section, each in sections.items()})


_SECTION_OF = {kind.kind: section for section, kind in SECTIONS.items()}
