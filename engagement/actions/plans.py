"""What applying a document comes to, before it is done: what changes, which versions are published, and which end."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from achievements.compiling import compiled
from achievements.definitions import SECTIONS, Mistaken, parse, plain
from achievements.definitions import Program as Document
from achievements.differences import FieldChange, fields_changed
from achievements.parts import Definition, Granting, Mistake
from engagement.actions import lines
from engagement.actions.lines import Line, definition_in
from engagement.errors import InvalidInput, InvalidProgram
from engagement.records import jobs, members, programs
from engagement.records.programs import Closing, DefinitionVersion, Program
from engagement.records.unit import Unit

PREVIEW: Final = "preview"
"""The kind of job that tries a document which counts the past."""


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


class Plan(msgspec.Struct, frozen=True):
    """What applying a document comes to; `known` are all versions that there are then."""

    program: Program
    changes: tuple[Change, ...]
    new: list[DefinitionVersion]
    closed: list[Closing]
    known: list[DefinitionVersion]

    @property
    def counts_past(self) -> bool:
        """Whether members are counted anew by it."""
        return any(each.counts_from is not None for each in self.new)

    @property
    def line(self) -> Line:
        """The line of definitions as it is then."""
        program = msgspec.structs.replace(self.program, revision=self.program.revision + 1)
        return Line(program, sorted(self.known, key=lambda each: (each.kind, each.key, each.version)))


async def plan(unit: Unit, program: Program, wanted: Document, *, take_back: bool = False) -> Plan:
    """What makes the unit's program be what a document says; InvalidProgram for what cannot be."""
    if program.timezone != wanted.head.timezone:
        raise InvalidProgram((Mistake("program.timezone", f"stays {program.timezone}: every calendar rests on it"),))
    known, now = await programs.versions(unit), await programs.untouched_from(unit)
    changes, new, closed = _changes(wanted, known, now)
    begun = min((each.active_from for each in known), default=now)
    new = [lines.counted(each, begun, program.revision + 1, take_back=take_back) for each in new]
    known = lines.closed(known, closed)
    mistakes = await asyncio.to_thread(lines.check, program, known, new)
    if mistakes:
        raise InvalidProgram(tuple(_placed(wanted, mistakes)))
    return Plan(program, changes, new, closed, [*known, *new])


async def check_preview(unit: Unit, planned: Plan, document: object, preview: UUID | None) -> None:
    """InvalidInput where a plan counts members anew, and nobody has seen what that does to them."""
    revision = planned.program.revision
    if not await members.any_behind(unit, revision + 1):
        return
    job = None if preview is None else await jobs.of_id(unit, preview)
    if job is None or job.kind != PREVIEW or job.state != "done":
        said = "It counts the past anew: ask for its preview with `previewProgram`, read it when it is done, and give its job here."
        raise InvalidInput(said, "preview")
    if job.result["revision"] != revision or job.input["document"] != plain_of(document):
        raise InvalidInput(
            "This preview is of another document, or the program was changed since; ask for another.", "preview"
        )


def plain_of(document: object) -> Any:
    """A document as it is kept with its preview."""
    return msgspec.json.decode(msgspec.json.encode(document))


def sound(document: object) -> Document:
    """A document that can be applied; InvalidProgram with every mistake in it."""
    try:
        wanted = parse(document)
        compiled(wanted)
    except Mistaken as error:
        raise InvalidProgram(tuple(error.mistakes)) from error
    return wanted


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
            before = definition_in(held)
            mistakes += _changed_though_fixed(path, before, definition)
            if held.active_until is None and plain(before) == body:
                continue
            if held.active_until is None:
                closed.append(Closing(held.kind, held.key, now))
                change = Change(definition.kind, definition.key, "CHANGED", fields_changed(plain(before), body))
        changes.append(change)
        version = 1 if held is None else held.version + 1
        written = msgspec.json.encode(body)
        published = DefinitionVersion(
            definition.kind, definition.key, version, written, now, counts_from=definition.counted_from
        )
        new.append(published)
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


def _placed(wanted: Document, mistakes: Mapping[tuple[str, str], str]) -> list[Mistake]:
    """What is wrong with where definitions, by kind and key, begin to count, with its places in the document."""
    return [
        Mistake(f"{path}.counts_from", mistakes[each.kind, each.key])
        for path, each in _with_paths(wanted)
        if (each.kind, each.key) in mistakes
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
