"""What members agreed to: every word of it, and which holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from engagement.records.unit import Unit

ToldBy: TypeAlias = Literal["member", "server"]


class Consent(msgspec.Struct, frozen=True):
    """That a member agreed to a purpose, or did not, at an instant: to its `version`, and where (`source`), in the app's words."""

    purpose: str
    n: int
    given: bool
    version: int
    source: str
    told_by: ToldBy
    at: datetime


_COLUMNS = ", ".join(Consent.__struct_fields__)


async def version_of(unit: Unit, purpose: str) -> int | None:
    """The version of a purpose that is in force; None where there is no such purpose."""
    version: int | None = await unit.fetchval(
        "SELECT version FROM definition_version WHERE program_id = $1 AND kind = 'purpose' AND key = $2"
        " AND active_until IS NULL",
        *(unit.program, purpose),
    )
    return version


async def last(unit: Unit, member_id: UUID, purpose: str) -> Consent | None:
    """What a member said of a purpose last."""
    row = await unit.fetchrow(
        f"SELECT {_COLUMNS} FROM consent WHERE program_id = $1 AND member_id = $2 AND purpose = $3 ORDER BY n DESC LIMIT 1",
        *(unit.program, member_id, purpose),
    )
    return None if row is None else Consent(*row)


async def append(unit: Unit, member_id: UUID, consent: Consent) -> None:
    """Write what a locked member said."""
    await unit.execute(
        f"INSERT INTO consent (program_id, member_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(unit.program, member_id, *msgspec.structs.astuple(consent)),
    )


async def of_member(unit: Unit, external_id: str, purpose: str | None, at_most: int) -> Sequence[Consent]:
    """The last words of a member: on each purpose the one that holds, or all on one purpose, the latest first."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM (SELECT consent.*, row_number() OVER (PARTITION BY purpose ORDER BY n DESC) AS back FROM consent"
        " JOIN member ON member.program_id = $1 AND coalesce(member.merged_into, member.id) = member_id"
        " WHERE consent.program_id = $1 AND external_id = $2 AND ($3::text IS NULL OR purpose = $3)) AS said"
        " WHERE back = 1 OR $3 IS NOT NULL ORDER BY purpose, n DESC LIMIT $4",
        *(unit.program, external_id, purpose, at_most),
    )
    return [Consent(*row) for row in rows]
