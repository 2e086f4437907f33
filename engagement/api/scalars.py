"""Scalars of the schema, and how values of ours are written as them.

Instants, amounts and points travel as plain strings and integers: what is read is kept as it was sent, and checked by the
action that understands it, so that one bad instant among a thousand events spoils only its own event.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal as Exact
from decimal import InvalidOperation
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from achievements import periods
from achievements.values import Amount
from engagement.errors import InvalidInput

DateTime = NewType("DateTime", str)
"""An instant as it is written: ours in UTC with `Z`, theirs unchecked."""
Decimal = NewType("Decimal", str)
"""An exact number as it is written."""
Points = NewType("Points", int)
"""Whole points, beyond the 32 bits of `Int`."""

POINTS_MAX: Final = 2**53
"""The largest whole number that every JSON reader keeps exact."""


def written(instant: datetime) -> DateTime:
    """An instant in UTC, as clients read it."""
    return DateTime(instant.isoformat().removesuffix("+00:00") + "Z")


def written_or_none(instant: datetime | None) -> DateTime | None:
    """The same, of an instant that may be missing."""
    return None if instant is None else written(instant)


def exact(amount: Amount) -> Decimal:
    """An amount without an exponent."""
    return Decimal(format(amount, "f") if not isinstance(amount, int) else str(amount))


def instant(text: DateTime, field: str) -> datetime:
    """An instant that a client wrote. Raises `InvalidInput` for anything that is not RFC 3339."""
    try:
        return periods.rfc3339(text)
    except ValueError as error:
        raise InvalidInput(str(error), field) from error


def money(text: Decimal, field: str) -> Exact:
    """An exact number that a client wrote. Raises `InvalidInput` for anything else."""
    try:
        return Exact(text)
    except InvalidOperation as error:
        raise InvalidInput(f"Expected a number like 12.50, not `{text[:40]}`.", field) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError("An instant is a string like `2026-11-21T18:30:00Z`.")
    return value


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise GraphQLError("A decimal number is a string like `12.50`.")
    return str(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > POINTS_MAX:
        raise GraphQLError("Points are a whole number of at most 53 bits.")
    return value


SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description="An instant as RFC 3339 writes it, with its offset; ours are in UTC, to the microsecond.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        parse_value=_text,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, as a string without an exponent: `12.50`.",
        parse_value=_number,
    ),
    Points: strawberry.scalar(
        name="Points",
        description="Whole points: a JSON number that may exceed 32 bits and stays within 53.",
        parse_value=_whole,
    ),
}
"""What a schema must be told of them."""
