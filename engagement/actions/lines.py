"""The line of a program's definitions: which version of each is in force from when until when, and the rules that come of it.

A version is in force from when it was published. One that counts the past is from its `counts_from` on, and what was in force
from there, of the same definition, is not any more. A member who was not counted anew yet goes by the line as it was before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from achievements.compiling import Compiled, compiled
from achievements.definitions import SECTIONS, Head, Mistaken, definition_of
from achievements.definitions import Program as Document
from achievements.parts import Definition
from achievements.rulebook import Rulebook, Rules, stretches
from achievements.states import BEGINNING
from engagement.records.members import Held
from engagement.records.programs import Closing, DefinitionVersion, Program

Edition: TypeAlias = frozenset[tuple[str, str, int]]
"""The versions that make up a document, by kind, key and number."""

SECTION_OF = {kind.kind: section for section, kind in SECTIONS.items()}


class Publication(NamedTuple):
    """Definitions that were published together and count the past, the earliest from `counts_from` on.

    `revision` is that of the program by then. What members would lose by it they keep, unless it was to `take_back`.
    """

    revision: int
    counts_from: datetime
    take_back: bool


class InForce(NamedTuple):
    """A version, in force from `since` up to, not including, `until`."""

    version: DefinitionVersion
    since: datetime
    until: datetime | None


class Line:
    """All that was published in a program up to a `revision`, as it is in force along time. What is `known` is not compiled again;
    `editions` are those that are of use still.
    """

    def __init__(
        self, program: Program, versions: Sequence[DefinitionVersion], known: Mapping[Edition, Compiled] | None = None
    ) -> None:
        self.revision = program.revision
        self.publications = _publications(versions)
        self._program = program
        self._versions = versions
        self.editions: dict[Edition, Compiled] = {}
        self._known = known or {}
        self._rulebooks: dict[int, Rulebook] = {}

    def every(self, section: str) -> list[Definition]:
        """Every definition of a section that was ever published, in each of its versions."""
        return [definition_in(each) for each in self._versions if SECTION_OF[each.kind] == section]

    def rulebook(self, revision: int | None = None) -> Rulebook:
        """The rules as they are, or as they were to whoever was counted last at a revision of the program."""
        known = [each.revision for each in self.publications if revision is None or each.revision <= revision]
        if len(known) not in self._rulebooks:
            self._rulebooks[len(known)] = self._compiled(known[-1] if known else 0)
        return self._rulebooks[len(known)]

    def behind(self, held: Held) -> bool:
        """Whether a member is still to be counted anew."""
        return bool(self.publications) and held.revision < self.publications[-1].revision and held.state.inputs > 0

    def rulebook_of(self, held: Held) -> Rulebook:
        """The rules by which a member was judged so far."""
        return self.rulebook(held.revision if self.behind(held) else None)

    def next_of(self, held: Held) -> Publication:
        """The publication up to which a member who is behind is to be counted next."""
        return next(each for each in self.publications if each.revision > held.revision)

    def compile(self) -> None:
        """Make ready what is likely to be asked for: the rules as they are, and as they were to those who are behind."""
        self.rulebook()
        if self.publications:
            self.rulebook(self.publications[-1].revision - 1)

    def _compiled(self, revision: int) -> Rulebook:
        """Rules for each stretch of time between two changes, of what counts the past up to a revision."""
        line = in_line(self._versions, revision)
        written = [(each, definition_in(each.version)) for each in line]
        changed = {each.since for each in line} | {each.until for each in line if each.until}
        editions: list[tuple[datetime, Rules]] = []
        for since, until in pairwise([*(sorted(changed) or [BEGINNING]), None]):
            assert since is not None, "only the last has no end"
            there = [
                (each.version, it)
                for each, it in written
                if each.since <= since and (each.until is None or since < each.until)
            ]
            edition = frozenset((each.kind, each.key, each.version) for each, _ in there)
            if edition not in self.editions:
                made = self._known.get(edition) or compiled(document_in(self._program, [it for _, it in there]))
                self.editions[edition] = made
            editions += stretches(self.editions[edition], since, until)
        return Rulebook(self._program.revision, editions)


def in_line(versions: Iterable[DefinitionVersion], revision: int) -> list[InForce]:
    """When each version is in force, where those published up to a revision count the past; of each definition, in order.

    `versions` are in order of their numbers; one that another has taken the place of altogether is left out.
    """
    line: dict[tuple[str, str], list[InForce]] = {}
    for each in versions:
        there = line.setdefault((each.kind, each.key), [])
        since = each.active_from
        if each.counts_from is not None and each.revision <= revision:
            since = min(since, each.counts_from)
            there[:] = [_cut(other, since) for other in there if other.since < since]
        there.append(InForce(each, since, each.active_until))
    return [each for there in line.values() for each in there]


def _cut(stretch: InForce, at: datetime) -> InForce:
    return stretch._replace(until=at if stretch.until is None else min(at, stretch.until))


def _publications(versions: Iterable[DefinitionVersion]) -> tuple[Publication, ...]:
    found: dict[int, Publication] = {}
    for each in versions:
        if each.counts_from is not None:
            there = found.get(each.revision, Publication(each.revision, each.counts_from, each.take_back))
            found[each.revision] = there._replace(counts_from=min(there.counts_from, each.counts_from))
    return tuple(sorted(found.values()))


def counted(version: DefinitionVersion, begun: datetime, revision: int, *, take_back: bool) -> DefinitionVersion:
    """A new version as it is published at a revision of a program that began at an instant: before it there is nothing to count."""
    since = None if version.counts_from is None else max(version.counts_from, begun)
    if since == version.active_from:
        since = None
    return replace(version, counts_from=since, revision=revision, take_back=take_back and since is not None)


def closed(versions: Iterable[DefinitionVersion], ends: Iterable[Closing]) -> list[DefinitionVersion]:
    """The versions, of which the open ones end where that is said."""
    until = {(each.kind, each.key): each.active_until for each in ends}
    return [
        replace(each, active_until=until[each.kind, each.key])
        if each.active_until is None and (each.kind, each.key) in until
        else each
        for each in versions
    ]


def check(
    program: Program, known: Iterable[DefinitionVersion], new: Sequence[DefinitionVersion]
) -> dict[tuple[str, str], str]:
    """What is wrong with from when new versions count, by kind and key; `known` are those from before, closed."""
    past = [each for each in new if each.counts_from is not None]
    mistakes = {
        (each.kind, each.key): "lies in the past; what is to begin later says so with `starts`"
        for each in past
        if each.counts_from is not None and each.counts_from > each.active_from
    }
    if past and not mistakes:
        line = Line(program, sorted((*known, *new), key=lambda each: (each.kind, each.key, each.version)))
        try:
            line.rulebook()
        except Mistaken as error:
            first = min(past, key=lambda each: (each.counts_from, each.kind, each.key))
            mistakes[first.kind, first.key] = f"it does not go with what was in force at some time since then: {error}"
    return mistakes


def definition_in(version: DefinitionVersion) -> Definition:
    """What was published."""
    return definition_of(SECTION_OF[version.kind], msgspec.json.decode(version.body))


def document_in(program: Program, definitions: Iterable[Definition]) -> Document:
    """The document that some definitions make up."""
    sections: dict[str, list[Definition]] = {section: [] for section in SECTIONS}
    for each in definitions:
        sections[SECTION_OF[each.kind]].append(each)
    name = None if program.name == program.key else program.name
    head = Head(key=program.key, name=name, timezone=program.timezone)
    return Document(head, {section: tuple(each) for section, each in sections.items()})
