"""Attributes: what the app says of a member, and conditions may read of her.

A value holds from the instant of the fact that brought it until another, so what was judged before stays as it was. None of
them tells who she is: a name, an address or an e-mail has no place here.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from achievements.events import read
from achievements.parts import Definition, Misfit, PropertyName, PropertyShape

TAKEN = ("tiers", "segments")
"""What conditions read of a member under these names is no attribute."""

AttributeType: TypeAlias = Literal["decimal", "int", "string", "bool", "date", "datetime", "list[string]", "list[int]"]


class Attribute(Definition, frozen=True, kw_only=True):
    """Something about a member, read as `member.KEY`. Who has none has the `default`, where there is one."""

    kind = "attribute"
    fixed = ("type", "min")

    key: PropertyName
    type: AttributeType
    min: Decimal | None = None
    default: Any = None

    def __post_init__(self) -> None:
        if self.key in TAKEN:
            raise Misfit("key", f"`member.{self.key}` is something else already; choose another key")
        if self.min is not None and (self.type not in ("decimal", "int") or not self.min.is_finite()):
            raise Misfit("min", f"a least value needs a number, not a {self.type}")
        if self.default is not None:
            try:
                self.read(self.default)
            except ValueError as error:
                raise Misfit("default", str(error)) from error

    def read(self, value: Any) -> Any:
        """A value as conditions see it; ValueError where it is none of the type."""
        return read(PropertyShape(self.type, self.min), value)

    def held(self, attributes: Mapping[str, Any]) -> Any:
        """What a member has of it, or its default; None where there is neither."""
        value = attributes.get(self.key, self.default)
        return None if value is None else self.read(value)


def stored(value: Any) -> Any:
    """A value that was read, as a fact and a state keep it: JSON that reads the same again."""
    return format(value, "f") if isinstance(value, Decimal) else msgspec.to_builtins(value)


def known(defined: Iterable[Attribute], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of a member as far as the program still defines it, as it is stored."""
    return {each.key: attributes[each.key] for each in defined if each.key in attributes}
