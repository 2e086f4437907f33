"""Which definitions others depend on, so that a backtest folds those alone.

It is read off the definitions as they were written. A definition reads those whose keys it mentions, in a condition or anywhere
else, and gives to those that its rewards mention; an earn rule gives to its currency, a boost to the earn rules that it
multiplies. Whatever gives to something that is read is read too. A word that happens to be a key as well costs a definition too
many, never one too few; and what is in a section that is not known here is never left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from achievements.boosts import Boost
from achievements.definitions import Program
from achievements.earning import Earning
from achievements.parts import Definition, Reward

Place: TypeAlias = tuple[str, str]
"""A definition by its section and key."""

SPARED = frozenset(
    {
        *("earn_rules", "boosts", "spend_rules", "auto_rewards", "streaks", "challenges", "badges", "tier_ladders"),
        *("leaderboards", "vouchers", "entitlements", "draws", "rewards", "purposes", "retention"),
    }
)
"""The sections whose definitions are left out where nobody reads them."""
HELD = frozenset({"currencies", "event_types", "attributes"})
"""The sections that are never left out, and cost nothing: they say what an event is, and what is known of a member."""

_WORDS = (re.compile(r"[a-z0-9_-]+"), re.compile(r"[a-z0-9_]+"))
"""A key may hold a dash, which is a minus in a condition: words are looked for with and without."""
_OWN = frozenset({"key", "name", "description"})
_GIVING = frozenset({"rewards", "earn"})
_PAID = frozenset({"price"})
"""What is asked of a purse, and read from no balance in the fold: what was paid for comes as a fact."""


class Links(NamedTuple):
    """Of each definition, those that it reads and those that it gives to."""

    reads: Mapping[Place, frozenset[Place]]
    gives: Mapping[Place, frozenset[Place]]

    def read_by(self, roots: Iterable[Place]) -> set[Place]:
        """The definitions on which the outcomes of some rest, they themselves among them."""
        givers: dict[Place, set[Place]] = {}
        for place, given in self.gives.items():
            for each in given:
                givers.setdefault(each, set()).add(place)
        return _closed(roots, lambda place: (*self.reads.get(place, ()), *givers.get(place, ())))

    def named_by(self, roots: Iterable[Place]) -> set[Place]:
        """The definitions without which some could not be made ready, they themselves among them."""
        return _closed(roots, lambda place: (*self.reads.get(place, ()), *self.gives.get(place, ())))


def links(programs: Sequence[Program]) -> Links:
    """How the definitions of a program hang together; of several, in any of them."""
    reads: dict[Place, frozenset[Place]] = {}
    gives: dict[Place, frozenset[Place]] = {}
    for program in programs:
        known: dict[str, set[Place]] = {}
        for section, definition in program:
            known.setdefault(definition.key, set()).add((section, definition.key))
        for section, definition in program:
            place = (section, definition.key)
            read, given = (set(), set()) if section in HELD else _words(program, definition)
            reads[place] = reads.get(place, frozenset()) | _places(read, known) - {place}
            gives[place] = gives.get(place, frozenset()) | _places(given, known) - {place}
    return Links(reads, gives)


def pruned(program: Program, found: Links, roots: Iterable[Place]) -> Program:
    """A program with what some of its definitions rest on, and no more: those come to the same in it."""
    held = [(section, definition.key) for section, definition in program if section in HELD]
    unknown = [
        (section, definition.key) for section, definition in program if section not in HELD and section not in SPARED
    ]
    kept = {*found.named_by(found.read_by([*roots, *unknown])), *held}
    return Program(
        program.head,
        {
            section: tuple(each for each in there if (section, each.key) in kept)
            for section, there in program.sections.items()
        },
    )


def _closed(roots: Iterable[Place], following: Any) -> set[Place]:
    seen: set[Place] = set()
    ahead = list(roots)
    while ahead:
        place = ahead.pop()
        if place not in seen:
            seen.add(place)
            ahead += following(place)
    return seen


def _places(words: Iterable[str], known: Mapping[str, set[Place]]) -> frozenset[Place]:
    return frozenset[Place]().union(*(known.get(word, ()) for word in words))


def _words(program: Program, definition: Definition) -> tuple[set[str], set[str]]:
    """The words that a definition mentions: where it reads, and where it gives."""
    read: set[str] = set()
    given: set[str] = set()
    for field in definition.__struct_fields__:
        if field not in _OWN:
            for word, giving in _mentioned(getattr(definition, field), field in _GIVING, program):
                (given if giving else read).add(word)
    if isinstance(definition, Boost):
        reached = definition.earn_rules or tuple(each.key for each in program.sections.get("earn_rules", ()))
        given |= set(reached)
        read -= set(definition.earn_rules or ())
    return read, given


def _mentioned(value: Any, giving: bool, program: Program) -> Iterator[tuple[str, bool]]:
    """The words in a value, and whether they stand where something is given."""
    match value:
        case str():
            yield from ((word, giving) for words in _WORDS for word in words.findall(value))
        case msgspec.Struct():
            for field in value.__struct_fields__:
                if field not in _PAID:
                    yield from _mentioned(getattr(value, field), giving or field in _GIVING, program)
            yield from ((word, giving) for word in _left_out(value, program))
        case Mapping():
            for key, each in value.items():
                yield from _mentioned(key, giving, program)
                yield from _mentioned(each, giving, program)
        case list() | tuple():
            for each in value:
                yield from _mentioned(each, giving, program)


def _left_out(value: msgspec.Struct, program: Program) -> Iterator[str]:
    """What a reward or an earning means where it names none: the only currency, the only ladder."""
    if isinstance(value, Reward | Earning) and value.currency is None:
        yield from (each.key for each in program.sections.get("currencies", ()))
    if isinstance(value, Reward) and value.tier is not None and value.ladder is None:
        yield from (each.key for each in program.sections.get("tier_ladders", ()))
