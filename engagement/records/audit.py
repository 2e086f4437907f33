"""Where what is stored of members' points does not agree with itself: wallets, lots and transfers held side by side.

Each is added up by itself, and none of them is begun from: what one of the three lacks is named as well. They are never joined:
without statistics of a young table, the planner would go through all transfers once a lot.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from engagement.records.unit import Unit


class Sums(msgspec.Struct, frozen=True):
    """What a wallet says, or what its transfers or its lots say of it; None where they do not tell."""

    earned: int | None
    reversed: int | None
    spent: int | None
    expired: int | None
    adjusted: int | None
    transferred: int | None
    debt: int | None
    balance: int | None
    left: int | None
    held: int | None
    pending: int | None
    next_expiry_at: datetime | None

    def told_of(self, wallet: "Sums") -> dict[str, object]:
        """What of a wallet is otherwise than this says, as this says it."""
        names = [name for name in _COUNTED if getattr(self, name) is not None]
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(wallet, name)}


class LotDates(msgspec.Struct, frozen=True):
    """When a lot was earned, is released and ends; `extended` where points came back to it after its end. What it is worth, and how much of
    it is set aside.
    """

    member_id: UUID
    id: str
    currency: str
    kind: str
    earned_at: datetime
    expires_at: datetime | None
    extended: bool
    points: int
    held: int
    release_at: datetime | None
    event_id: str | None
    source: str


class Opening(NamedTuple):
    """The transfer that brought a lot which was not earned: of what kind, and the fact that it carries out."""

    kind: str
    fact_id: str


_COUNTED = tuple(name for name in Sums.__struct_fields__ if name != "next_expiry_at")
_NO_WALLET = Sums(**dict.fromkeys(_COUNTED, 0), next_expiry_at=None)
_NOT_TOLD = Sums(**dict.fromkeys(_COUNTED), next_expiry_at=None)


async def unbalanced(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, str, str, str]]:
    """Where wallets (member, currency) are not what their transfers and lots come to: what they say, and what those do."""
    rows = await unit.fetch(_SUMS, unit.program, list(member_ids))
    sides: dict[tuple[UUID, str], dict[str, Sums]] = defaultdict(dict)
    for row in rows:
        who, currency, side, *sums = row
        sides[who, currency][side] = Sums(*sums)
    found = []
    for (who, currency), told in sorted(sides.items()):
        wallet = told.get("wallet", _NO_WALLET)
        transfers = told.get("transfers", msgspec.structs.replace(_NO_WALLET, left=None, held=None, pending=None))
        lots = told.get("lots", msgspec.structs.replace(_NOT_TOLD, left=0, held=0, pending=0))
        other = transfers.told_of(wallet) | lots.told_of(wallet)
        if wallet.next_expiry_at != lots.next_expiry_at:
            other["next_expiry_at"] = lots.next_expiry_at
        stored = {name: getattr(wallet, name) for name in other}
        if "wallet" not in told:
            found.append((who, currency, "no wallet", _written(other)))
        elif other:
            found.append((who, currency, _written(stored), _written(other)))
    return found


async def unequal_lots(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, str, str, str]]:
    """Lots (member, id) in which more or less is left, or ended, than their transfers say; with both."""
    rows = await unit.fetch(_UNEQUAL_LOTS, unit.program, list(member_ids))
    return [(row["member_id"], row["id"], row["stored"], row["booked"]) for row in rows]


async def misdated(unit: Unit, member_ids: Sequence[UUID]) -> list[tuple[UUID, str, str, str]]:
    """Transfers of commands that are dated otherwise than their facts, what was given back otherwise than what was taken, lots that no
    transfer earned at their instant and by their event, and holds of other points than their lots: of whom, what, and both.
    """
    rows = await unit.fetch(_MISDATED, unit.program, list(member_ids))
    return [(row["member_id"], row["what"], row["stored"], row["expected"]) for row in rows]


async def lot_dates(unit: Unit, member_ids: Sequence[UUID]) -> list[LotDates]:
    """The dates of all lots of members."""
    rows = await unit.fetch(
        f"SELECT {', '.join(LotDates.__struct_fields__)} FROM lot"
        " WHERE program_id = $1 AND member_id = ANY($2::uuid[]) ORDER BY member_id, id",
        unit.program,
        list(member_ids),
    )
    return [LotDates(*row) for row in rows]


async def openings(unit: Unit, member_ids: Sequence[UUID]) -> dict[tuple[UUID, str], list[Opening]]:
    """By which transfers lots (member, id) may have come that were not earned; a merge books some of another kind back to them."""
    rows = await unit.fetch(
        "SELECT member_id, lot_id, kind, fact_id FROM transfer WHERE program_id = $1 AND member_id = ANY($2::uuid[])"
        " AND kind IN ('adjust', 'transfer') AND credit = 'wallet' AND lot_id IS NOT NULL AND fact_id IS NOT NULL",
        unit.program,
        list(member_ids),
    )
    found: dict[tuple[UUID, str], list[Opening]] = defaultdict(list)
    for row in rows:
        found[row["member_id"], row["lot_id"]].append(Opening(row["kind"], row["fact_id"]))
    return found


async def due_dates(unit: Unit, member_ids: Sequence[UUID]) -> dict[UUID, tuple[datetime | None, datetime | None]]:
    """When something of each member is said to fall due, and when the first of her points end or come free, by her lots and holds."""
    rows = await unit.fetch(_DUE, unit.program, list(member_ids))
    return {row["member_id"]: (row["due_at"], row["expiry"]) for row in rows}


def _written(sums: dict[str, object]) -> str:
    return ", ".join(f"{name} {'none' if value is None else value}" for name, value in sums.items())


_SUMS = """
SELECT member_id, currency, 'wallet' AS side, earned, reversed, spent, expired, adjusted, transferred, debt, balance,
       balance + debt AS "left", held, pending, next_expiry_at
FROM wallet WHERE program_id = $1 AND member_id = ANY($2::uuid[])
UNION ALL
SELECT member_id, currency, 'transfers',
       coalesce(sum(CASE debit WHEN 'issuance' THEN points ELSE -points END) FILTER (WHERE kind = 'earn'), 0)::bigint,
       coalesce(sum(CASE credit WHEN 'issuance' THEN points ELSE -points END) FILTER (WHERE kind = 'reverse'), 0)::bigint,
       coalesce(sum(CASE credit WHEN 'redeemed' THEN points ELSE -points END)
                FILTER (WHERE kind IN ('spend', 'refund')), 0)::bigint,
       coalesce(sum(CASE credit WHEN 'expired' THEN points ELSE -points END) FILTER (WHERE kind = 'expire'), 0)::bigint,
       coalesce(sum(CASE WHEN credit IN ('wallet', 'debt') THEN points ELSE -points END) FILTER (WHERE kind = 'adjust'), 0)::bigint,
       coalesce(sum(CASE credit WHEN 'wallet' THEN points ELSE -points END) FILTER (WHERE kind = 'transfer'), 0)::bigint,
       coalesce(sum(CASE 'debt' WHEN debit THEN points WHEN credit THEN -points END), 0)::bigint,
       coalesce(sum(points * ((credit IN ('wallet', 'debt'))::int - (debit IN ('wallet', 'debt'))::int)), 0)::bigint,
       NULL, NULL, NULL, NULL
FROM transfer WHERE program_id = $1 AND member_id = ANY($2::uuid[]) GROUP BY member_id, currency
UNION ALL
SELECT member_id, currency, 'lots', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, sum("left")::bigint, sum(held)::bigint,
       sum(pending)::bigint, min(due)
FROM (
    SELECT member_id, currency, remaining AS "left", held, CASE WHEN pending THEN remaining - held ELSE 0 END AS pending,
           CASE WHEN remaining > 0 THEN least(CASE WHEN remaining > held THEN expires_at END, CASE WHEN pending THEN release_at END)
           END AS due
    FROM lot WHERE program_id = $1 AND member_id = ANY($2::uuid[])
    UNION ALL
    SELECT member_id, currency, 0, 0, 0, until FROM hold
    WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND state = 'open'
) AS told GROUP BY member_id, currency
"""
_UNEQUAL_LOTS = """
SELECT member_id, id, format('%s left, %s expired', sum(remaining), sum(expired)) AS stored,
       format('%s left, %s expired by its transfers', sum(booked), sum(ended)) AS booked FROM (
    SELECT member_id, id, remaining, expired, 0 AS booked, 0 AS ended FROM lot
    WHERE program_id = $1 AND member_id = ANY($2::uuid[])
    UNION ALL
    SELECT member_id, lot_id, 0, 0, CASE 'wallet' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END,
           CASE 'expired' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END FROM transfer
    WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND lot_id IS NOT NULL
) AS told GROUP BY member_id, id HAVING sum(remaining) <> sum(booked) OR sum(expired) <> sum(ended)
"""
_DUE = """
SELECT member_id, min(due_at) AS due_at, min(expiry) AS expiry FROM (
    SELECT member_id, due_at, NULL::timestamptz AS expiry FROM member_state
    WHERE program_id = $1 AND member_id = ANY($2::uuid[])
    UNION ALL
    SELECT member_id, NULL, least(CASE WHEN remaining > held THEN expires_at END, CASE WHEN pending THEN release_at END)
    FROM lot WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND remaining > 0
    UNION ALL
    SELECT member_id, NULL, until FROM hold WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND state = 'open'
) AS told GROUP BY member_id
"""
# Each is looked up by itself, by an index: without statistics the planner would hash whole tables.
_MISDATED = """
SELECT member_id, what, stored::text AS stored, expected::text AS expected FROM (
    SELECT moved.member_id, format('transfer %s', moved.id) AS what, moved.at AS stored, (
        SELECT fact.at FROM fact WHERE fact.program_id = $1 AND fact.member_id = moved.member_id AND fact.id = moved.fact_id
        AND fact.rank = 2
    ) AS expected
    FROM transfer AS moved WHERE moved.program_id = $1 AND moved.member_id = ANY($2::uuid[])
    AND moved.kind IN ('spend', 'adjust', 'transfer') AND moved.fact_id IS NOT NULL
    UNION ALL
    SELECT back.member_id, format('transfer %s', back.id), back.at, (
        SELECT moved.at FROM transfer AS moved WHERE moved.program_id = $1 AND moved.id = back.corrects
    )
    FROM transfer AS back WHERE back.program_id = $1 AND back.member_id = ANY($2::uuid[]) AND back.kind = 'refund'
) AS told WHERE expected IS NOT NULL AND stored <> expected
UNION ALL
SELECT lot.member_id, format('earning of lot %s', lot.id), format('%s by %s', lot.earned_at, lot.event_id), 'another, by its transfers'
FROM lot WHERE lot.program_id = $1 AND lot.member_id = ANY($2::uuid[]) AND lot.kind = 'earn' AND lot.points > 0 AND (
    SELECT true FROM transfer AS moved WHERE moved.program_id = $1 AND moved.member_id = lot.member_id AND moved.at = lot.earned_at
    AND moved.lot_id = lot.id AND moved.kind = 'earn' AND moved.event_id IS NOT DISTINCT FROM lot.event_id LIMIT 1
) IS NULL
UNION ALL
SELECT member_id, format('hold %s', id), format('%s points', points), format('%s in its lots', held)
FROM hold, LATERAL (SELECT sum((part ->> 1)::bigint) AS held FROM jsonb_array_elements(lots) AS part) AS parts
WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND points <> held
"""
