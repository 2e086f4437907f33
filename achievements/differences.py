"""What differs between two versions of a definition, field by field, for people to read before it is published.

Both are plain values, as `definitions.plain` makes them: a default is left out, so a field that is None was not written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

_FOR_PEOPLE = re.compile(r"(.*\]\.)?(name|description)|texts(\..+)?|image|category")
"""The fields that only say something to people, of a definition or of an entry in one; a property may have such a name too."""


class FieldChange(msgspec.Struct, frozen=True):
    """One field that differs: its path within the definition (`levels[silver].target`), and its values; None where it is
    not written.
    """

    path: str
    before: Any = None
    after: Any = None

    @property
    def counts(self) -> bool:
        """Whether it changes what counts, not only what people read."""
        return _FOR_PEOPLE.fullmatch(self.path) is None


def fields_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of the definition.

    The entries of a list are held against each other by their keys, where all have one, else by their positions.
    """
    return tuple(_of_mappings("", before, after))


def _of_values(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_mappings(f"{path}.", before, after)
        return
    if _of_parts(before) and _of_parts(after):
        keyed = _keyed(before) and _keyed(after)
        yield from _of_entries(path, _entries(before, keyed=keyed), _entries(after, keyed=keyed))
        if keyed and sorted(_entries(before, keyed=True)) == sorted(_entries(after, keyed=True)):
            yield from _of_order(path, before, after)
        return
    yield FieldChange(path, before, after)


def _of_mappings(prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in dict.fromkeys([*after, *before]):
        yield from _of_values(f"{prefix}{name}", before.get(name), after.get(name))


def _of_entries(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in dict.fromkeys([*after, *before]):
        yield from _of_values(f"{path}[{name}]", before.get(name), after.get(name))


def _of_order(path: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[FieldChange]:
    """The same keys in another order: what a list of tiers means rests on it."""
    orders = [[each["key"] for each in entries] for entries in (before, after)]
    if orders[0] != orders[1]:
        yield FieldChange(path, *orders)


def _of_parts(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(it, Mapping) for it in value)


def _keyed(entries: Sequence[Mapping[str, Any]]) -> bool:
    keys = [each.get("key") for each in entries]
    return None not in keys and len(set(keys)) == len(keys)


def _entries(entries: Sequence[Mapping[str, Any]], *, keyed: bool) -> dict[str, Any]:
    return {str(each["key"]) if keyed else str(position): each for position, each in enumerate(entries)}
