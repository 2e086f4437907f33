"""Event types: which events a program knows, and what their properties must look like."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from achievements import periods
from achievements.parts import Definition, Mistake, Properties, PropertyShape
from achievements.periods import Calendar

DIGITS_MAX = 15
"""Of a decimal: as many as a double holds, so that a condition compares it exactly."""
STRING_CHARACTERS_MAX = 1_000
LIST_LENGTH_MAX = 200
INT_MAX = 2**53

_WRITTEN_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)


class EventType(Definition, frozen=True, kw_only=True):
    """A type of event. Properties it does not name are kept with the event, and no condition can read them."""

    kind = "event_type"

    properties: Properties = msgspec.field(default_factory=dict)

    def read(self, properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
        """The declared properties of an event in the types that rules see, and what is wrong with them."""
        values: dict[str, Any] = {}
        mistakes: list[Mistake] = []
        for name, written in self.properties.items():
            shape = PropertyShape(written) if isinstance(written, str) else written
            value = properties.get(name)
            if value is None:
                if shape.required:
                    mistakes.append(Mistake(f"properties.{name}", f"`{self.key}` needs `{name}`, a {shape.type}"))
                continue
            try:
                values[name] = read(shape, value)
            except ValueError as error:
                mistakes.append(Mistake(f"properties.{name}", str(error)))
        return values, mistakes


def read(shape: PropertyShape, value: Any) -> Any:
    """A value as JSON gives it in the type that rules see; ValueError where it does not fit the shape."""
    match shape.type:
        case "decimal":
            return _within(_decimal(value), shape)
        case "int":
            return _within(_int(value), shape)
        case "string":
            return _string(value)
        case "bool" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return periods.name(Calendar.DAY, periods.parse(Calendar.DAY, value))
        case "datetime" if isinstance(value, str):
            return periods.rfc3339(value)
        case "list[string]" if isinstance(value, list):
            return [_string(each) for each in _bounded(value)]
        case "list[int]" if isinstance(value, list):
            return [_int(each) for each in _bounded(value)]
    raise ValueError(f"expected a {shape.type}, got {_described(value)}")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str) and _WRITTEN_DECIMAL.fullmatch(value):
        number = Decimal(value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**DIGITS_MAX:
        number = Decimal(repr(value))
    else:
        raise ValueError(f'expected a decimal like "19.99" of at most {DIGITS_MAX} digits, got {_described(value)}')
    digits = number.as_tuple()
    if len(digits.digits) > DIGITS_MAX or int(digits.exponent) < -DIGITS_MAX:
        raise ValueError(f"a decimal has at most {DIGITS_MAX} digits; send it as a string to keep it exact")
    return number


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > INT_MAX:
        raise ValueError(f"expected a whole number up to 2^53, got {_described(value)}")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str) or len(value) > STRING_CHARACTERS_MAX:
        raise ValueError(f"expected a string of at most {STRING_CHARACTERS_MAX} characters, got {_described(value)}")
    return value


def _bounded(values: list[Any]) -> list[Any]:
    if len(values) > LIST_LENGTH_MAX:
        raise ValueError(f"a list has at most {LIST_LENGTH_MAX} entries, this one {len(values)}")
    return values


def _within(number: Any, shape: PropertyShape) -> Any:
    least = Decimal(0) if shape.min is None else shape.min
    if number < least:
        raise ValueError(f"must be at least {least}, got {number}")
    if shape.max is not None and number > shape.max:
        raise ValueError(f"must be at most {shape.max}, got {number}")
    return number


def _described(value: Any) -> str:
    if isinstance(value, str):
        return f"the string {value[:40]!r}"
    if isinstance(value, bool | int | float):
        return repr(value)[:40]
    return {"list": "a list", "dict": "an object", "NoneType": "null"}.get(type(value).__name__, type(value).__name__)
