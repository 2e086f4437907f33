"""What is said of an event after it was sent: which events count, and in which form."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec


class Amendment(msgspec.Struct, frozen=True, array_like=True):
    """The `n`-th word on an event after it was sent: a reversal, or (with `properties`) what it really was."""

    n: int
    kind: Literal["reverse", "amend"]
    properties: dict[str, Any] | None = None


def latest(sent: Any, said: Sequence[Amendment]) -> Any:
    """The properties of an event, of those it was sent with and what was said of it, in order; None for one that was reversed."""
    if not said:
        return sent
    word = said[-1]
    return None if word.kind == "reverse" else word.properties
