"""API keys: `ek_<id>_<secret>`, shown once when made; of the secret only its SHA-256 is kept.

A secret of 256 random bits cannot be guessed, so it needs no slow hash. The id is no secret: it finds the row.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

import msgspec

from engagement.records.unit import Unit


class Limits(msgspec.Struct, frozen=True):
    """How many points a key may give or take by adjustments at a time, and on a day of the program, in each currency."""

    points_per_adjustment: int | None = None
    points_per_day: int | None = None


NO_LIMITS = Limits()


class Credential(msgspec.Struct, frozen=True):
    """Who calls, and what with: `program_id` is None for an operator, who may make programs and enter any."""

    id: str
    program_id: int | None
    name: str
    scopes: frozenset[str]


_FORM = re.compile(r"ek_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


async def create(
    unit: Unit, program_id: int | None, name: str, scopes: Iterable[str], limits: Limits = NO_LIMITS
) -> str:
    """Make a credential; the whole key, which cannot be read again. One for an operator needs a unit of `ALL`."""
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    await unit.execute(
        "INSERT INTO credential (id, program_id, name, scopes, secret_hash, points_per_adjustment, points_per_day)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        identity,
        program_id,
        name,
        sorted(scopes),
        _digest(secret),
        limits.points_per_adjustment,
        limits.points_per_day,
    )
    return f"ek_{identity}_{secret}"


async def find(unit: Unit, key: str) -> Credential | None:
    """The credential of this key; None for a key of another form, unknown, wrong or revoked. Use a unit of `ALL`."""
    parts = _FORM.fullmatch(key)
    if parts is None:
        return None
    row = await unit.fetchrow(
        "SELECT id, program_id, name, scopes, secret_hash FROM credential WHERE id = $1 AND revoked_at IS NULL",
        parts[1],
    )
    if row is None or not hmac.compare_digest(row["secret_hash"], _digest(parts[2])):
        return None
    return Credential(row["id"], row["program_id"], row["name"], frozenset(row["scopes"]))


async def limits_of(unit: Unit, credential: str) -> Limits:
    """The limits of a key of the program, by its id; none for one of an operator."""
    row = await unit.fetchrow(
        "SELECT points_per_adjustment, points_per_day FROM credential WHERE program_id = $1 AND id = $2",
        unit.program,
        credential,
    )
    return NO_LIMITS if row is None else Limits(*row)


async def adjusted(unit: Unit, credential: str, currency: str, day: int, points: int) -> int:
    """Note that a key gives or takes points on a day; what it comes to on that day, locked until the unit ends."""
    total: int = await unit.fetchval(
        "WITH noted AS (INSERT INTO adjusted (program_id, credential, currency, day, points) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (program_id, credential, currency, day) DO UPDATE SET points = adjusted.points + excluded.points"
        " RETURNING points) SELECT points FROM noted",
        *(unit.program, credential, currency, day, points),
    )
    return total


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
