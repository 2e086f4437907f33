"""Rows that were changed by hand: what they say is not what they were sealed as when the service wrote them."""

from collections.abc import Sequence
from uuid import UUID

from engagement.records.unit import Unit

OF_MEMBERS = ("transfer", "hold", "redemption", "benefit")
"""Tables of members' rows with a seal, which have an id."""
OF_ALL = {
    "reward_code": "'code of ' || voucher || ' ' || encode(hash, 'hex')",
    "reward_stock": "'stock of ' || concat_ws(' ', reward, nullif(session, ''))",
    "adjusted": "'adjusted by ' || credential || ' of ' || currency || ' on day ' || day",
}
"""The other tables with a seal, and how a row of each is named."""


async def broken(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    """Whose rows were changed by hand, and which."""
    told = " UNION ALL ".join(
        f"SELECT member_id, '{table} ' || id AS what FROM {table} WHERE program_id = $1 AND member_id = ANY($2::uuid[])"
        f" AND seal IS DISTINCT FROM seal_of({table})"
        for table in OF_MEMBERS
    )
    return [(row["member_id"], row["what"]) for row in await unit.fetch(told, unit.program, list(member_ids))]


async def broken_of_all(unit: Unit) -> list[str]:
    """Which rows that are no member's were changed by hand."""
    told = " UNION ALL ".join(
        f"SELECT {name} AS what FROM {table} WHERE program_id = $1 AND seal IS DISTINCT FROM seal_of({table})"
        for table, name in OF_ALL.items()
    )
    return [row["what"] for row in await unit.fetch(f"{told} ORDER BY 1", unit.program)]
