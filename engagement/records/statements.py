"""Several writes in one statement: one turn to the server instead of one each."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TypeAlias

Statement: TypeAlias = tuple[str, tuple[object, ...]]
"""SQL that inserts, updates or deletes without a WITH of its own, and the values of its $1, $2, …"""

_PLACE = re.compile(r"\$(\d+)")


def together(statements: Sequence[Statement]) -> Statement:
    """The statements as one. All of them see what was there before any: none may read or change what another writes."""
    values = tuple(value for _, given in statements for value in given)
    return _joined(tuple((sql, len(given)) for sql, given in statements)), values


@lru_cache(maxsize=1_000)
def _joined(parts: tuple[tuple[str, int], ...]) -> str:
    renumbered: list[str] = []
    taken = 0
    for sql, count in parts:
        renumbered.append(_PLACE.sub(partial(_moved, by=taken), sql))
        taken += count
    *first, last = renumbered
    heads = ", ".join(f"written_{number} AS ({sql})" for number, sql in enumerate(first))
    return f"WITH {heads} {last}" if heads else last


def _moved(place: re.Match[str], by: int) -> str:
    return f"${int(place[1]) + by}"
