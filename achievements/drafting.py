"""A draft, put into a program, and into the line of what a program was along time.

A draft is one or several definitions, new ones or new versions of the program's. Where publishing it would be refused, so is
trying it, with the same places in it.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from achievements.challenges import Challenge
from achievements.compiling import compiled
from achievements.definitions import SECTIONS, Head, Mistaken, Program, parse
from achievements.parts import Definition, Living, Mistake
from achievements.pruning import Place
from achievements.rulebook import Rulebook, ready, stretches

Line: TypeAlias = Sequence[tuple[datetime, Program]]
"""What a program was, each with the instant from which on; the oldest first, never empty."""

_PLACE = re.compile(r"(\w+)\[(\d+)\]")


def check_shape(draft: object) -> None:
    """Mistaken with every mistake of shape in a draft, whatever the program."""
    _written(Head(key="any"), draft)


def with_draft(program: Program, draft: object) -> tuple[Program, tuple[Place, ...]]:
    """A program with the definitions of a draft in it, and which those are; Mistaken with every mistake, at its place in the draft."""
    written = _written(program.head, draft)
    return _with(program, written), tuple((section, definition.key) for section, definition in written)


def line_up_to(line: Line, since: datetime, until: datetime) -> Line:
    """What of a line counts before `until`. Between `since` and its beginning, a program is taken to have been as it is now, by which
    events of then are described, too: a history may be brought along from before it.
    """
    before = [] if line[0][0] <= since else [(since, line[-1][1])]
    return [*before, *(each for each in line if each[0] < until)]


def line_with_draft(line: Line, draft: object, since: datetime) -> Line:
    """A line with a draft in it from `since` on; Mistaken where publishing would have been refused then, or at a later change."""
    starts = [start for start, _ in line]
    written, position = _written(line[-1][1].head, draft), bisect_right(starts, since)
    mistakes = dict.fromkeys(each for _, program in line for each in _changed_though_fixed(program, written))
    if mistakes:
        raise Mistaken(list(mistakes))
    held = line[max(position - 1, 0)][1]
    return [
        *(each for each in line if each[0] < since),
        *((start, _as_of(start, program, written)) for start, program in [(since, held), *line[position:]]),
    ]


def book_of(line: Line) -> Rulebook:
    """The rules of a line: anew from wherever a definition of its programs begins or ends."""
    ends = [*(start for start, _ in line[1:]), None]
    editions = [
        edition
        for (start, program), end in zip(line, ends, strict=True)
        for edition in stretches(compiled(program), start, end)
    ]
    return Rulebook(1, editions)


def _written(head: Head, draft: object) -> Program:
    """The definitions of a draft, as a program of their own that nobody could make ready."""
    if not isinstance(draft, Mapping) or not any(draft.get(section) for section in SECTIONS):
        raise Mistaken(
            [Mistake("draft", "a draft has definitions in sections, as a program has: `challenges: [{key: …}]`")]
        )
    if "program" in draft:
        raise Mistaken([Mistake("program", "a draft has no head: it is of the program beside it")])
    written = parse({**draft, "program": {"key": head.key, "timezone": head.timezone}})
    said = "what members give together is not told by folding them one by one: try the challenge without `team`"
    mistakes = [
        Mistake(f"challenges[{position}].team", said)
        for position, each in enumerate(written.sections.get("challenges", ()))
        if isinstance(each, Challenge) and each.team is not None
    ]
    if mistakes:
        raise Mistaken(mistakes)
    return written


def _with(program: Program, written: Program) -> Program:
    sections: dict[str, tuple[Definition, ...]] = {}
    for section in SECTIONS:
        there = {each.key: each for each in program.sections.get(section, ())}
        for each in written.sections.get(section, ()):
            # What it would do once it is one no more.
            tried = isinstance(each, Living) and each.status == "draft"
            there[each.key] = msgspec.structs.replace(each, status="active") if tried else each
        sections[section] = tuple(there.values())
    whole = Program(program.head, sections)
    mistakes = _changed_though_fixed(program, written)
    try:
        ready(whole)
    except Mistaken as error:
        mistakes += [_in_draft(each, whole, written) for each in error.mistakes]
    if mistakes:
        raise Mistaken(mistakes)
    return whole


def _as_of(start: datetime, program: Program, written: Program) -> Program:
    try:
        return _with(program, written)
    except Mistaken as error:
        then = f"in the program as it was from {start:%Y-%m-%dT%H:%M:%SZ} on"
        raise Mistaken([Mistake(each.path, f"{then}: {each.message}") for each in error.mistakes]) from error


def _changed_though_fixed(program: Program, written: Program) -> list[Mistake]:
    there = {(section, each.key): each for section, each in program}
    return [
        Mistake(
            f"{section}[{position}].{name}",
            f"`{name}` of a published {after.kind} stays as it is; give the draft a key of its own",
        )
        for section in SECTIONS
        for position, after in enumerate(written.sections.get(section, ()))
        if (before := there.get((section, after.key))) is not None
        for name in after.fixed
        if getattr(before, name) != getattr(after, name)
    ]


def _in_draft(mistake: Mistake, whole: Program, written: Program) -> Mistake:
    """A mistake with its place in the draft; one in what the program has already says so."""
    found = _PLACE.match(mistake.path)
    if found is None:
        return mistake
    section, position = found[1], int(found[2])
    key = whole.sections[section][position].key
    for place, definition in enumerate(written.sections.get(section, ())):
        if definition.key == key:
            return Mistake(f"{section}[{place}]{mistake.path[found.end() :]}", mistake.message)
    return Mistake(mistake.path, f"with this draft, of the program's `{key}`: {mistake.message}")
