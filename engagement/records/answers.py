"""Answers to commands, by their idempotency keys: of several that share a unit. `Database.perform` keeps those of one that has its own."""

from collections.abc import Sequence
from typing import NamedTuple

from engagement.errors import Again
from engagement.records.rows import Rows, columns_of
from engagement.records.unit import Unit

_KEPT = Rows(
    "idempotency",
    {"principal": "text", "operation": "text", "key": "text", "input_hash": "bytea", "result": "jsonb"},
    "ON CONFLICT DO NOTHING",
)


class Name(NamedTuple):
    """What an answer is kept under, beside its program."""

    principal: str
    operation: str
    key: str


class Kept(NamedTuple):
    """The answer to an input of this digest, as JSON."""

    digest: bytes
    result: str


async def find(unit: Unit, names: Sequence[Name]) -> dict[Name, Kept]:
    """The answers that were given under these names."""
    rows = await unit.fetch(
        "SELECT principal, operation, key, input_hash, result FROM unnest($2::text[], $3::text[], $4::text[])"
        " AS asked (principal, operation, key) JOIN idempotency USING (principal, operation, key) WHERE program_id = $1",
        unit.program,
        *columns_of(names, 3),
    )
    return {Name(*row[:3]): Kept(*row[3:]) for row in map(tuple, rows)}


async def keep(unit: Unit, given: Sequence[tuple[Name, Kept]]) -> None:
    """Keep answers, with all else that was written. Raises `Again` where another unit has just answered under one of the names."""
    if given:
        # In order, so that two units queue.
        _KEPT.insert(unit, sorted((*name, *kept) for name, kept in given))
        if await unit.flush() < len(given):
            raise Again
