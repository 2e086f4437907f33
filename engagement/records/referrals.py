"""Referrals that qualified, and what was decided of each: for whom they wait, who was given something, and why nobody was.

That a referral qualified, or never did, is written with the other outcomes of the member who was brought.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from engagement.records.unit import Unit

Refusal: TypeAlias = Literal["SELF", "CAP", "ENDED"]
"""Why nobody is given anything: she named herself, the other has had as many as one may, or there is no such referral now."""


class Made(msgspec.Struct, frozen=True):
    """A referral that qualified, as people look at it; both members by the app's own ids."""

    referral: str
    referrer: str
    referred: str
    qualified_at: datetime
    holds: bool
    open: bool
    paid_at: datetime | None
    refused: Refusal | None

    @property
    def status(self) -> str:
        """`OPEN`, `PAID`, `WITHDRAWN`, or `REFUSED_` and why."""
        if self.open:
            return "OPEN"
        if not self.holds:
            return "WITHDRAWN"
        return "PAID" if self.refused is None else f"REFUSED_{self.refused}"


class Open(msgspec.Struct, frozen=True):
    """A referral that somebody has to look at, of the member who was brought.

    `referrer` is whom she named, None where that is nobody yet; `paid_to` who was given something with her, by our events
    number `turn`. `holds` is false where what was given has to be taken back.
    """

    member_id: UUID
    referral: str
    holds: bool
    turn: int
    referrer: UUID | None
    paid_to: UUID | None
    refused: Refusal | None

    @property
    def wrong(self) -> bool:
        """Whether what was given was given for nothing, or to another than whom she names now."""
        return self.paid_to is not None and (not self.holds or self.referrer != self.paid_to)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do about it."""
        return not self.wrong and (not self.holds or self.paid_to is not None or self.refused is not None)

    @property
    def due(self) -> bool:
        """Whether both have still to be given theirs."""
        return self.holds and self.paid_to is None and self.refused is None and self.referrer is not None


_OPEN = (
    "SELECT held.member_id, held.referral, held.holds, held.turn, named.id, held.paid_to, held.refused FROM referral AS held"
    # Who is being erased is still named as she was before.
    " LEFT JOIN LATERAL (SELECT coalesce(merged_into, id) AS id FROM member WHERE program_id = $1 AND external_id = held.referrer UNION ALL"
    " SELECT member_id FROM erasure WHERE program_id = $1 AND external_id = held.referrer) AS named ON true"
    " WHERE held.program_id = $1 AND held.open"
)


async def waiting(unit: Unit, at_most: int) -> list[Open]:
    """Some referrals that can be settled; one whose referrer is nobody yet waits for her."""
    rows = await unit.fetch(
        f"{_OPEN} AND (named.id IS NOT NULL OR held.paid_to IS NOT NULL OR NOT held.holds) LIMIT $2",
        unit.program,
        at_most,
    )
    return [Open(*row) for row in rows]


async def one(unit: Unit, member_id: UUID, referral: str) -> Open | None:
    """A member's referral as it stands, where it is still open. Ask under her lock: whoever holds it settles alone."""
    row = await unit.fetchrow(
        f"{_OPEN} AND held.member_id = $2 AND held.referral = $3", unit.program, member_id, referral
    )
    return None if row is None else Open(*row)


async def paid(unit: Unit, referrer: UUID, referral: str, since: Sequence[datetime | None]) -> list[int]:
    """For how many referrals of a kind a member was given something from each of some instants on (None: ever)."""
    return [
        await unit.fetchval(
            "SELECT count(*) FROM referral WHERE program_id = $1 AND paid_to = $2 AND referral = $3"
            " AND ($4::timestamptz IS NULL OR paid_at >= $4)",
            unit.program,
            referrer,
            referral,
            each,
        )
        for each in since
    ]


async def close(unit: Unit, found: Open) -> None:
    """Write that nothing is left to do."""
    await unit.execute(
        "UPDATE referral SET open = false WHERE program_id = $1 AND member_id = $2 AND referral = $3",
        unit.program,
        found.member_id,
        found.referral,
    )


async def settled(unit: Unit, found: Open, paid_at: datetime | None = None, refused: Refusal | None = None) -> None:
    """Write what was decided: given to both at an instant, refused, or nothing where what was given is taken back.

    A referral that was taken back stays open where it holds with another: it is looked at again.
    """
    await unit.execute(
        "UPDATE referral SET paid_to = $4, paid_at = $5, refused = $6, turn = $7, open = $8"
        " WHERE program_id = $1 AND member_id = $2 AND referral = $3",
        unit.program,
        found.member_id,
        found.referral,
        None if paid_at is None else found.referrer,
        paid_at,
        refused,
        found.turn + found.wrong,
        found.wrong and found.holds,
    )


async def of_member(unit: Unit, external_id: str, at_most: int) -> list[Made]:
    """The latest referrals in which a member is the one who brought or was brought."""
    columns = "held.referral, held.referrer, brought.external_id, held.qualified_at, held.holds, held.open, held.paid_at, held.refused"
    joined = (
        "referral AS held JOIN member AS brought ON brought.program_id = $1 AND brought.id = held.member_id"
        " WHERE held.program_id = $1"
    )
    # Two look-ups by an index each: as one condition with OR it would go through all referrals of the program.
    rows = await unit.fetch(
        f"SELECT {columns} FROM {joined} AND held.referrer = $2"
        f" UNION SELECT {columns} FROM {joined} AND held.member_id ="
        " (SELECT coalesce(merged_into, id) FROM member WHERE program_id = $1 AND external_id = $2)"
        " ORDER BY qualified_at DESC, external_id LIMIT $3",
        unit.program,
        external_id,
        at_most,
    )
    return [Made(*row) for row in rows]
