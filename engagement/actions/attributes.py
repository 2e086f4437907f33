"""A member's attributes: what the app says of her, a fact from the program's present on; what was judged before stands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from achievements import attributes
from achievements.attributes import Attribute
from achievements.outcomes import Effect
from engagement.actions.programs import Programs
from engagement.actions.telling import check_member, listen
from engagement.errors import InvalidInput
from engagement.records.facts import ATTRIBUTES
from engagement.records.unit import Database, Unit

BYTES_MAX = 8_000
"""Of all that is known of a member, written as JSON: it is part of her row, which every event of hers rewrites."""


class SetAttributes(msgspec.Struct, frozen=True):
    """Of whom (the app's own id), and what is said of her: values by the keys of attributes, None for one that she has no more."""

    member: str
    attributes: Mapping[str, Any]


class AttributesSet(msgspec.Struct, frozen=True):
    """All that is known of a member at `at`; `changed` where something differs from before, with what that changed for her."""

    member: str
    attributes: Mapping[str, Any]
    at: datetime
    changed: bool
    effects: tuple[Effect, ...] = ()
    replayed: bool = False


async def set_attributes(
    database: Database, cache: Programs, program_id: int, command: SetAttributes, *, principal: str, key: str | None
) -> AttributesSet:
    """Let attributes of a member have other values from the program's present on, and the others stay as they are.

    One of whom nothing was heard yet is made known by it. Raises `InvalidInput` for what is no member's id, for an attribute
    that the program does not define, a value that does not fit it and for more than a member can have, and what
    `Database.perform` raises.
    """
    _check(command)
    done, replayed = await database.perform(
        lambda unit: _set(unit, cache, command),
        program_id,
        principal=principal,
        operation="setMemberAttributes",
        key=key,
        command=msgspec.json.encode(command, order="deterministic"),
        encode=msgspec.json.encode,
        decode=msgspec.json.Decoder(AttributesSet).decode,
    )
    return AttributesSet(done.member, done.attributes, done.at, done.changed, done.effects, replayed)


def _check(command: SetAttributes) -> None:
    check_member(command.member)
    written = msgspec.json.encode(command.attributes)
    if len(written) > BYTES_MAX or rb"\u0000" in written:
        raise InvalidInput(f"Attributes take at most {BYTES_MAX} bytes of JSON, without NUL characters.", "attributes")


async def _set(unit: Unit, cache: Programs, command: SetAttributes) -> AttributesSet:
    listener = await listen(unit, cache, command.member)
    rules = listener.loaded.rulebook.at(listener.at) or listener.loaded.rulebook.latest
    held = listener.state.attributes
    said = {name: _read(rules.members.attributes, name, value) for name, value in command.attributes.items()}
    news = {name: value for name, value in said.items() if held.get(name) != value}
    whole = {name: value for name, value in {**held, **news}.items() if value is not None}
    if news and len(msgspec.json.encode(whole)) > BYTES_MAX:
        raise InvalidInput(f"A member's attributes come to at most {BYTES_MAX} bytes of JSON in all.", "attributes")
    effects: tuple[Effect, ...] = ()
    if news:
        effects = await listener.tell(ATTRIBUTES, news)
        await listener.save()
    known = attributes.known(rules.members.attributes, whole)
    return AttributesSet(command.member, known, listener.at, changed=bool(news), effects=effects)


def _read(defined: tuple[Attribute, ...], name: str, value: Any) -> Any:
    """A value as it is stored; `InvalidInput` where there is no such attribute, or it is not of its type."""
    attribute = next((each for each in defined if each.key == name), None)
    if attribute is None:
        there = ", ".join(each.key for each in defined) or "none"
        raise InvalidInput(f"The program defines no attribute of that name; it has: {there}.", f"attributes.{name}")
    if value is None:
        return None
    try:
        return attributes.stored(attribute.read(value))
    except ValueError as error:
        raise InvalidInput(str(error), f"attributes.{name}") from error
