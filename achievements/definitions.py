"""What a marketer can define: one document a program, parsed and validated once.

A program is a mapping of sections; each section is a list of definitions of one kind (`SECTIONS`). `parse` turns such a
document, as YAML or JSON gives it, into definitions, and finds every mistake of shape in it; `rulebook.ready` finds those
between definitions.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from achievements import periods, wording
from achievements.adjustments import AdjustmentReason
from achievements.attributes import Attribute
from achievements.badges import Badge
from achievements.benefits import Entitlement, Voucher
from achievements.boosts import Boost
from achievements.challenges import Challenge
from achievements.confirmations import Confirmation
from achievements.draws import Draw
from achievements.earning import EarnRule
from achievements.events import EventType
from achievements.ladders import TierLadder
from achievements.occasions import Occasion
from achievements.parts import Definition, Key, Misfit, Mistake, Name, Shape
from achievements.points import Currency
from achievements.purposes import Purpose
from achievements.ranking import Leaderboard
from achievements.referrals import Referral
from achievements.retention import Retention
from achievements.rewards import ShopReward
from achievements.segments import Segment
from achievements.spending import AutoReward, SpendRule
from achievements.streaks import Streak

SECTIONS: Mapping[str, type[Definition]] = {
    "currencies": Currency,
    "event_types": EventType,
    "attributes": Attribute,
    "segments": Segment,
    "confirmations": Confirmation,
    "adjustment_reasons": AdjustmentReason,
    "earn_rules": EarnRule,
    "boosts": Boost,
    "spend_rules": SpendRule,
    "auto_rewards": AutoReward,
    "streaks": Streak,
    "challenges": Challenge,
    "badges": Badge,
    "tier_ladders": TierLadder,
    "leaderboards": Leaderboard,
    "referrals": Referral,
    "occasions": Occasion,
    "vouchers": Voucher,
    "entitlements": Entitlement,
    "draws": Draw,
    "rewards": ShopReward,
    "purposes": Purpose,
    "retention": Retention,
}
"""The kinds of definition: a new one is a file of its own and an entry here."""

Converted = TypeVar("Converted", bound=Shape)

DEFINITIONS_MAX = 200
"""In one section."""
DOCUMENT_VALUES_MAX = 50_000
"""In a whole document, as it reads with every alias written out."""
DOCUMENT_DEPTH_MAX = 20

_STORABLE = re.compile(r"[^\x00\ud800-\udfff]*")


class Mistaken(Exception):
    """A document with mistakes; nothing of it is used."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(f"{each.path}: {each.message}" for each in mistakes))
        self.mistakes = mistakes


class Head(Shape, frozen=True, kw_only=True):
    """The program itself: its key, its name, and the zone of its calendar."""

    key: Key
    name: Name | None = None
    timezone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"

    def __post_init__(self) -> None:
        try:
            periods.zone(self.timezone)
        except ValueError as error:
            raise Misfit("timezone", str(error)) from error


class Program(msgspec.Struct, frozen=True):
    """A whole program: its head, and its definitions by section, in the order in which they were written."""

    head: Head
    sections: Mapping[str, tuple[Definition, ...]]

    def __iter__(self) -> Iterator[tuple[str, Definition]]:
        """Every definition with its section."""
        return ((section, definition) for section in SECTIONS for definition in self.sections.get(section, ()))


def parse(document: object) -> Program:
    """A program from plain values; Mistaken with every mistake of shape."""
    if not isinstance(document, Mapping):
        raise Mistaken([Mistake("program", f"a program is a mapping with the keys program, {', '.join(SECTIONS)}")])
    _check_texts(document)
    # YAML reads some instants as such; a definition has them as they were written.
    wanted: Mapping[Any, Any] = msgspec.to_builtins(document)
    known = ("program", *SECTIONS)
    mistakes = [
        Mistake(str(section), wording.unknown_key(str(section), known)) for section in wanted if section not in known
    ]
    head = _convert(wanted.get("program", {}), Head, "program", mistakes)
    sections: dict[str, tuple[Definition, ...]] = {}
    for section, kind in SECTIONS.items():
        entries = wanted.get(section) or []
        if not isinstance(entries, list | tuple) or len(entries) > DEFINITIONS_MAX:
            mistakes.append(Mistake(section, f"expected a list of at most {DEFINITIONS_MAX} definitions"))
            continue
        parsed = [_convert(entry, kind, f"{section}[{position}]", mistakes) for position, entry in enumerate(entries)]
        sections[section] = tuple(each for each in parsed if each is not None)
        mistakes.extend(_twice(section, parsed))
    if mistakes or head is None:
        raise Mistaken(mistakes)
    return Program(head, sections)


def _check_texts(document: object) -> None:
    """Mistaken for a document too large to be a program, or with text that cannot be stored."""
    ahead, seen = [(document, 0)], 0
    while ahead:
        each, depth = ahead.pop()
        seen += 1
        if depth > DOCUMENT_DEPTH_MAX:
            raise Mistaken([Mistake("program", f"a program is nested at most {DOCUMENT_DEPTH_MAX} deep")])
        if seen > DOCUMENT_VALUES_MAX:
            raise Mistaken([Mistake("program", f"a program has at most {DOCUMENT_VALUES_MAX} values in all")])
        if isinstance(each, str) and not _STORABLE.fullmatch(each):
            raise Mistaken([Mistake("program", f"the text {each[:40]!r} holds a character that cannot be stored")])
        if isinstance(each, Mapping):
            ahead.extend((within, depth + 1) for within in (*each.keys(), *each.values()))
        elif isinstance(each, list | tuple):
            ahead.extend((within, depth + 1) for within in each)


def definition_of(section: str, body: object) -> Definition:
    """A definition that was parsed before, from what `plain` made of it."""
    return msgspec.convert(body, SECTIONS[section], strict=False)


def plain(definition: Definition) -> dict[str, Any]:
    """A definition as plain values, as JSON has them: what is stored, exported and compared."""
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(definition))
    return built


def document_of(program: Program) -> dict[str, Any]:
    """The document of a program, in plain values: `parse` of it gives the program again. Empty sections are left out."""
    sections = {section: program.sections.get(section) for section in SECTIONS}
    whole = {"program": program.head, **{section: each for section, each in sections.items() if each}}
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
    return built


def _convert(value: object, kind: type[Converted], path: str, mistakes: list[Mistake]) -> Converted | None:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        mistakes.append(wording.mistake(error, value, kind, path))
        return None


def _twice(section: str, parsed: list[Definition | None]) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for position, each in enumerate(parsed):
        if each is not None and first.setdefault(each.key, position) != position:
            yield Mistake(f"{section}[{position}].key", f"`{each.key}` is the key of {section}[{first[each.key]}] too")
