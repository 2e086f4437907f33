"""Codes of vouchers: every one that there is or was, found by its hash. None is ever handed out twice."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from engagement.records.rows import Rows
from engagement.records.unit import Unit

_CODES = Rows(
    "reward_code",
    {"hash": "bytea", "voucher": "text", "code": "text", "state": "text", "made_at": "timestamptz"},
)


def hash_of(code: str) -> bytes:
    """By what a code is found."""
    return hashlib.sha256(code.encode()).digest()


async def bring_in(unit: Unit, voucher: str, codes: Sequence[str], at: datetime) -> list[str]:
    """Put codes into the pool of a voucher; those that the program had not before, of whichever voucher."""
    rows = await unit.fetch(
        "WITH new AS (INSERT INTO reward_code (program_id, hash, voucher, code, state, made_at)"
        " SELECT $1, brought.hash, $2, brought.code, 'free', $5 FROM unnest($3::bytea[], $4::text[]) AS brought (hash, code)"
        " ORDER BY brought.hash ON CONFLICT (program_id, hash) DO NOTHING RETURNING code) SELECT code FROM new",
        unit.program,
        voucher,
        [hash_of(each) for each in codes],
        list(codes),
        at,
    )
    return [row["code"] for row in rows]


def add(unit: Unit, voucher: str, codes: Sequence[str], at: datetime) -> None:
    """Keep codes that were made for somebody: issued from the start."""
    _CODES.insert(unit, [(hash_of(each), voucher, each, "issued", at) for each in codes])


async def take(unit: Unit, voucher: str, count: int) -> list[str]:
    """So many free codes of a pool, the oldest first, or as many as nobody else is just taking: issued from now on."""
    return await _take(unit, voucher, count, "issued", None)


def put_back(unit: Unit, hashes: Sequence[bytes]) -> None:
    """Let codes of these hashes be free again that were taken and nobody has seen."""
    if hashes:
        unit.write(
            "UPDATE reward_code SET state = 'free' WHERE program_id = $1 AND hash = ANY($2::bytea[])",
            unit.program,
            list(hashes),
        )


async def set_aside(unit: Unit, voucher: str, count: int, redemption: UUID) -> list[str]:
    """The same, kept for a redemption that is reserved."""
    return await _take(unit, voucher, count, "set_aside", redemption)


async def _take(unit: Unit, voucher: str, count: int, state: str, redemption: UUID | None) -> list[str]:
    rows = await unit.fetch(
        "WITH free AS MATERIALIZED (SELECT hash FROM reward_code WHERE program_id = $1 AND voucher = $2 AND state = 'free'"
        " ORDER BY made_at, hash LIMIT $3 FOR UPDATE SKIP LOCKED), taken AS (UPDATE reward_code AS held SET state = $4,"
        " redemption = $5 FROM free WHERE held.program_id = $1 AND held.hash = free.hash RETURNING held.code)"
        " SELECT code FROM taken",
        unit.program,
        voucher,
        count,
        state,
        redemption,
    )
    return [row["code"] for row in rows]


async def free(unit: Unit, vouchers: Sequence[str], at_most: int) -> dict[str, int]:
    """How many codes are free in each of these pools, counted up to so many."""
    rows = await unit.fetch(
        "SELECT asked.voucher, (SELECT count(*)::int FROM (SELECT FROM reward_code AS held WHERE held.program_id = $1"
        " AND held.voucher = asked.voucher AND held.state = 'free' LIMIT $3) AS counted) AS free"
        " FROM unnest($2::text[]) AS asked (voucher)",
        unit.program,
        list(vouchers),
        at_most,
    )
    return {row["voucher"]: row["free"] for row in rows}


async def issue(unit: Unit, redemption: UUID) -> list[tuple[str, str]]:
    """Hand out what was set aside for a redemption: each code with its voucher."""
    rows = await unit.fetch(
        "WITH issued AS (UPDATE reward_code SET state = 'issued', redemption = NULL"
        " WHERE program_id = $1 AND redemption = $2 AND state = 'set_aside' RETURNING voucher, code, hash)"
        " SELECT voucher, code FROM issued ORDER BY hash",
        unit.program,
        redemption,
    )
    return [(row["voucher"], row["code"]) for row in rows]


async def free_again(unit: Unit, redemptions: Sequence[UUID]) -> None:
    """Put what was set aside for redemptions back into its pools: nobody has seen it."""
    await unit.execute(
        "UPDATE reward_code SET state = 'free', redemption = NULL"
        " WHERE program_id = $1 AND redemption = ANY($2::uuid[]) AND state = 'set_aside'",
        unit.program,
        list(redemptions),
    )
