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
        f"SELECT {_COLUMNS} FROM consent WHERE program_id = $1 AND member_id = $2 AND purpose = $3"
        " ORDER BY at DESC, n DESC LIMIT 1",
        *(unit.program, member_id, purpose),
    )
    return None if row is None else Consent(*row)


async def said(unit: Unit, member_id: UUID, purpose: str) -> int:
    """The number of the last word that was written of a member on a purpose."""
    n: int = await unit.fetchval(
        "SELECT coalesce(max(n), 0) FROM consent WHERE program_id = $1 AND member_id = $2 AND purpose = $3",
        *(unit.program, member_id, purpose),
    )
    return n


async def append(unit: Unit, member_id: UUID, consent: Consent, name: str) -> None:
    """Write what a locked member said by the app's own id `name`, or who is a part of her by that id."""
    await unit.execute(
        f"INSERT INTO consent (program_id, member_id, {_COLUMNS}, sent_for) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
        " (SELECT id FROM member WHERE program_id = $1 AND external_id = $10 AND merged_into IS NOT NULL))",
        *(unit.program, member_id, *msgspec.structs.astuple(consent), name),
    )


async def move(unit: Unit, member_id: UUID, into: UUID) -> None:
    """Let all words of a member be another's as well as hers: the latest of both holds."""
    await unit.execute(
        "UPDATE consent SET member_id = $3, sent_for = coalesce(sent_for, $2), n = n + (SELECT coalesce(max(mine.n), 0) FROM consent AS mine"
        " WHERE mine.program_id = $1 AND mine.member_id = $3 AND mine.purpose = consent.purpose)"
        " WHERE program_id = $1 AND member_id = $2",
        *(unit.program, member_id, into),
    )


async def move_back(unit: Unit, member_id: UUID, into: UUID, whose: Sequence[UUID]) -> None:
    """Let the words that she said, or somebody of `whose`, be hers alone again."""
    await unit.execute(
        "UPDATE consent SET member_id = $2, sent_for = nullif(sent_for, $2), n = back.n FROM (SELECT purpose, n AS number,"
        " row_number() OVER (PARTITION BY purpose ORDER BY n) AS n FROM consent"
        " WHERE program_id = $1 AND member_id = $3 AND sent_for = ANY($4::uuid[])) AS back"
        " WHERE program_id = $1 AND member_id = $3 AND consent.purpose = back.purpose AND consent.n = back.number",
        *(unit.program, member_id, into, list(whose)),
    )


async def of_member(unit: Unit, external_id: str, purpose: str | None, at_most: int) -> Sequence[Consent]:
    """The last words of a member: on each purpose the one that holds, or all on one purpose, the latest first."""
    rows = await unit.fetch(
        f"SELECT {_COLUMNS} FROM (SELECT consent.*, row_number() OVER (PARTITION BY purpose ORDER BY at DESC, n DESC) AS back FROM consent"
        " JOIN member ON member.program_id = $1 AND coalesce(member.merged_into, member.id) = member_id"
        " WHERE consent.program_id = $1 AND external_id = $2 AND ($3::text IS NULL OR purpose = $3)) AS said"
        " WHERE back = 1 OR $3 IS NOT NULL ORDER BY purpose, at DESC, n DESC LIMIT $4",
        *(unit.program, external_id, purpose, at_most),
    )
    return [Consent(*row) for row in rows]
