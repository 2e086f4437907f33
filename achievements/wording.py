"""What is wrong with a part of a document, in a marketer's words.

msgspec says which type it met where another was wanted; a marketer wants to know what may stand there. So its errors are
read for their place, and what may stand there is told from the definition's own types.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from achievements.parts import (
    DATE_PATTERN,
    HOUR_PATTERN,
    INSTANT_PATTERN,
    KEY_PATTERN,
    LOCALE_PATTERN,
    MONEY_PATTERN,
    PREFIX_PATTERN,
    PROPERTY_PATTERN,
    TIER_PATTERN,
    Misfit,
    Mistake,
    Shape,
)

BALANCES = frozenset({"balance", "wallet", "lots", "stock", "budget"})
"""What somebody may want to read who defines something, and cannot: it depends on more than a member's inputs."""
INSTEAD_OF_BALANCES = "what depends on one is a spend rule or an automatic reward"
SHOWN_CHARACTERS = 40
"""So much of a wrong text is repeated."""

Step: TypeAlias = str | int
"""Into a mapping by its key, or into a list by its position."""

_SOME_ENTRY = "..."
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_PATTERNS: Mapping[str, tuple[str, str]] = {
    KEY_PATTERN: ("a key", "a key is 1 to 64 of a-z, 0-9, `-` and `_`, and starts with a letter or digit"),
    PROPERTY_PATTERN: (
        "a property's name",
        "a property's name is 1 to 64 of a-z, 0-9 and `_`, and starts with a letter",
    ),
    INSTANT_PATTERN: ("an instant", "write an instant with its offset, like `2026-11-21T18:30:00Z`"),
    LOCALE_PATTERN: ("a locale", "write a locale like `de` or `pt-BR`"),
    MONEY_PATTERN: ("a currency of money", "write a currency of money by its three letters, like `EUR`"),
    PREFIX_PATTERN: ("a prefix", "a prefix of codes is 1 to 16 of A-Z, 0-9 and `-`"),
    TIER_PATTERN: ("a tier with its ladder", "write a tier with its ladder, like `club/gold`"),
    DATE_PATTERN: ("a date", "write a date like `2026-11-21`"),
    HOUR_PATTERN: ("an hour of the day", "write an hour of the day like `20:00`"),
}


def mistake(error: msgspec.ValidationError, value: object, kind: type[Shape], path: str) -> Mistake:
    """What `msgspec.convert(value, kind, strict=False)` found wrong, where `value` stands at `path` of the document."""
    problem, _, place = str(error).partition(" - at ")
    of_key = place.startswith("`key` in ")
    steps = _steps(error, value, kind, place)
    if isinstance(error.__cause__, ValueError):
        field = [error.__cause__.field] if isinstance(error.__cause__, Misfit) else []
        return Mistake(path + _written([*steps, *field]), problem)
    if unknown := re.search(r"contains unknown field `(.*)`", problem):
        known = tuple(field.encode_name for field in _struct(_type_at(kind, steps)[0]).fields)
        return Mistake(path + _written([*steps, unknown[1]]), unknown_key(unknown[1], known))
    if missing := re.search(r"missing required field `(.*)`", problem):
        return Mistake(path + _written(steps), f"`{missing[1]}` is missing")
    found: Any = steps[-1] if of_key and steps else _value_at(value, steps)
    for pattern, (_, sentence) in _PATTERNS.items():
        if pattern.replace("\\", "\\\\") in problem:
            return Mistake(path + _written(steps), f"{sentence}; got {_shown(found)}")
    if of_key:
        return Mistake(path + _written(steps), f"a key is text; got {_shown(found)}")
    wanted, hint = _type_at(kind, steps)
    return Mistake(path + _written(steps), f"expected {_expected(wanted, _literals(hint))}; got {_shown(found)}")


def unknown_key(word: str, known: tuple[str, ...]) -> str:
    """What to say of a key that is none, beside those that there are."""
    if word in BALANCES:
        return f"nothing here reads a balance (`{word}`): {INSTEAD_OF_BALANCES}"
    close = difflib.get_close_matches(word, known, 1)
    return f"unknown key `{word}`" + (f"; did you mean `{close[0]}`?" if close else f"; known here: {', '.join(known)}")


def _written(steps: Sequence[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _steps(error: msgspec.ValidationError, value: object, kind: type[Shape], place: str) -> list[Step]:
    """The way from the value to the mistake. msgspec leaves out which entry of a mapping it was, so that is tried out."""
    steps: list[Step] = []
    names = [name or position for name, position in _STEP.findall(place)]
    for name in [*names, _SOME_ENTRY] if place.startswith("`key` in ") else names:
        holder = _value_at(value, steps)
        if name == _SOME_ENTRY and isinstance(holder, Mapping):
            steps.append(next(key for key in holder if _fails_alike(error, value, kind, steps, key)))
        else:
            steps.append(int(name) if name.isdecimal() and not isinstance(holder, Mapping) else name)
    return steps


def _fails_alike(error: msgspec.ValidationError, value: object, kind: type[Shape], steps: list[Step], key: Any) -> bool:
    """Whether the same is wrong when the mapping at `steps` has this entry alone."""
    try:
        msgspec.convert(_with(value, steps, {key: _value_at(value, [*steps, key])}), kind, strict=False)
    except msgspec.ValidationError as alike:
        return str(alike) == str(error)
    return False


def _with(value: Any, steps: Sequence[Step], entry: object) -> Any:
    """A copy of a value with something else at the end of the steps."""
    if not steps:
        return entry
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copy[steps[0]] = _with(copy[steps[0]], steps[1:], entry)
    return copy


def _value_at(value: Any, steps: Sequence[Step]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _type_at(kind: type[Shape], steps: Sequence[Step]) -> tuple[Any, Any]:
    """The type of what stands at the end of the steps, as msgspec describes it, and as it is written in the definition."""
    info: Any = inspect.type_info(kind)
    hint: Any = kind
    for step in steps:
        within = _holder(info, step)
        if isinstance(within, inspect.StructType):
            field = next(field for field in within.fields if field.encode_name == step)
            info, hint = field.type, get_type_hints(within.cls)[field.name]
        else:
            info = within.value_type if isinstance(within, inspect.DictType) else within.item_type
    return info, hint


def _holder(info: Any, step: Step) -> Any:
    """The type in a type, itself or a member of a union, that this step can be taken into."""
    sorts = (inspect.VarTupleType if isinstance(step, int) else inspect.StructType, inspect.DictType)
    return next(each for each in getattr(info, "types", (info,)) if isinstance(each, sorts))


def _struct(info: Any) -> inspect.StructType:
    return next(each for each in getattr(info, "types", (info,)) if isinstance(each, inspect.StructType))


def _literals(hint: Any) -> tuple[str, ...]:
    """The words that a type allows, in the order in which they were written down."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for each in get_args(hint) for word in _literals(each))


def _expected(info: Any, literals: tuple[str, ...]) -> str:
    match info:
        case inspect.UnionType(types=types):
            return " or ".join(_expected(each, literals) for each in types if not isinstance(each, inspect.NoneType))
        case inspect.StructType(fields=fields):
            return f"a mapping with the key{'s' * (len(fields) > 1)} {', '.join(field.encode_name for field in fields)}"
        case inspect.DictType():
            return "a mapping"
        case inspect.VarTupleType(min_length=least, max_length=most):
            return f"a list{_range(least, most, 'of ', ' entries')}"
        case inspect.EnumType(cls=words):
            return _one_of([str(each.value) for each in words])
        case inspect.LiteralType():
            return _one_of(literals)
    return _expected_scalar(info)


def _expected_scalar(info: Any) -> str:
    match info:
        case inspect.StrType(pattern=str(pattern)):
            return _PATTERNS[pattern][0]
        case inspect.StrType(min_length=least, max_length=most):
            return f"text{_range(least, most, 'of ', ' characters')}"
        case inspect.IntType(ge=least, le=most):
            return f"a whole number{_range(least, most, '', '')}"
        case inspect.DecimalType():
            return "a number"
        case inspect.BoolType():
            return "true or false"
    raise AssertionError(f"no definition holds {info}")


def _one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else f"`{words[0]}`"


def _range(least: int | None, most: int | None, before: str, after: str) -> str:
    if least is None:
        return "" if most is None else f" {before}at most {most}{after}"
    return f" {before}at least {least}{after}" if most is None else f" {before or 'from '}{least} to {most}{after}"


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "`true`" if value else "`false`"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return f"a list of {len(value)}" if value else "an empty list"
        case str() if not value:
            return "an empty text"
        case str() if len(value) > SHOWN_CHARACTERS:
            return f"`{value[:SHOWN_CHARACTERS]}…`, {len(value)} characters"
        case _:
            return f"`{value}`"
