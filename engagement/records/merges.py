"""Making one member's rows a part of another's: her history and her points, under the locks of both.

Transfers are never changed. Each of hers is corrected by one that says the opposite, at the same instant, and booked again as the
other's: all figures of the books stay as they are, and both members' add up.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from achievements.values import Fact
from engagement.records.rows import columns_of
from engagement.records.unit import Unit

TOTALS = ("earned", "reversed", "spent", "expired", "adjusted", "transferred", "balance", "pending", "held", "debt")
"""The columns of a wallet that add up."""


async def ties(unit: Unit, member_id: UUID, into: UUID) -> set[str]:
    """What ties a member to others or to what is under way, so that she cannot become a part of another: by words."""
    row = await unit.fetchrow(_TIES, unit.program, member_id, into)
    assert row is not None, "a row of truths"
    return {name for name, there in row.items() if there}


_TIES = """
SELECT EXISTS (SELECT FROM team_member WHERE program_id = $1 AND member_id = $2)
       OR EXISTS (SELECT FROM contribution WHERE program_id = $1 AND member_id = $2) AS team,
       EXISTS (SELECT FROM referral WHERE program_id = $1 AND (member_id = $2 OR referrer = (
           SELECT external_id FROM member WHERE program_id = $1 AND id = $2))) AS referral,
       EXISTS (SELECT FROM benefit WHERE program_id = $1 AND member_id = $2 AND sort = 'draw')
       OR EXISTS (SELECT FROM draw_winner WHERE program_id = $1 AND member_id = $2) AS draw,
       EXISTS (SELECT FROM board_final WHERE program_id = $1 AND member_id = $2 AND contenders IS NOT NULL
               AND given_at IS NULL)
       OR EXISTS (SELECT FROM draw_winner WHERE program_id = $1 AND member_id = $2 AND given_at IS NULL) AS prize,
       EXISTS (SELECT FROM (
           SELECT id FROM event WHERE program_id = $1 AND member_id = $2
           UNION SELECT event_id FROM amendment WHERE program_id = $1 AND member_id = $2
       ) AS hers JOIN (
           SELECT id FROM event WHERE program_id = $1 AND member_id = $3
           UNION SELECT event_id FROM amendment WHERE program_id = $1 AND member_id = $3
       ) AS others USING (id)) AS same_event
"""


async def lots(unit: Unit, member_id: UUID) -> list[str]:
    """The names of all lots of a member, also of those that are empty."""
    rows = await unit.fetch("SELECT id FROM lot WHERE program_id = $1 AND member_id = $2", unit.program, member_id)
    return [row["id"] for row in rows]


async def move_history(unit: Unit, member_id: UUID, into: UUID, renamed: Mapping[str, Fact]) -> None:
    """Let what a member did and was told be another's from now on; her facts take the ids and places that are `renamed`.

    What her feed told of an event stays in it, so the event names no item of a feed any more.
    """
    both = (unit.program, member_id, into)
    await unit.execute(
        "UPDATE member SET merged_into = $3 WHERE program_id = $1 AND (id = $2 OR merged_into = $2)", *both
    )
    await unit.execute("UPDATE member SET timezone = NULL WHERE program_id = $1 AND id = $2", *both[:2])
    await unit.execute("UPDATE member_state SET merged = true WHERE program_id = $1 AND member_id = $2", *both[:2])
    for table in ("event", "amendment"):
        await unit.execute(
            f"UPDATE {table} SET member_id = $3, seq = NULL, sent_for = coalesce(sent_for, $2)"
            " WHERE program_id = $1 AND member_id = $2",
            *both,
        )
    rows = [(old, each.id, each.order.id, msgspec.json.encode(each.data).decode()) for old, each in renamed.items()]
    await unit.execute(
        "UPDATE fact SET member_id = $3, id = new.id, cause = new.cause, data = new.data::jsonb"
        " FROM unnest($4::text[], $5::text[], $6::text[], $7::text[]) AS new (old, id, cause, data)"
        " WHERE fact.program_id = $1 AND fact.member_id = $2 AND fact.id = new.old",
        *both,
        *columns_of(rows, 4),
    )


async def rewards(unit: Unit, member_id: UUID) -> list[tuple[UUID, str]]:
    """What a member has or had since definitions gave it, each with the outcome that it came of."""
    rows = await unit.fetch(
        "SELECT id, reward FROM benefit WHERE program_id = $1 AND member_id = $2 AND reward IS NOT NULL",
        *(unit.program, member_id),
    )
    return [(row["id"], row["reward"]) for row in rows]


async def move_shop(
    unit: Unit, member_id: UUID, into: UUID, facts: Mapping[str, str], rewards: Sequence[tuple[UUID, str]]
) -> None:
    """Let what a member redeemed and has of the shop be another's; `facts` and `rewards` say which go under other names."""
    both = (unit.program, member_id, into)
    # First those that are the other's already: their names may be hers from then on.
    await unit.execute(
        "UPDATE benefit SET reward = new.reward FROM unnest($2::uuid[], $3::text[]) AS new (id, reward)"
        " WHERE benefit.program_id = $1 AND benefit.id = new.id",
        *(unit.program, *columns_of(rewards, 2)),
    )
    await unit.execute("UPDATE benefit SET member_id = $3 WHERE program_id = $1 AND member_id = $2", *both)
    await unit.execute(
        "UPDATE redemption SET member_id = $3, fact = coalesce((SELECT new FROM unnest($4::text[], $5::text[]) AS facts (old, new)"
        " WHERE old = redemption.fact), redemption.fact) WHERE program_id = $1 AND member_id = $2",
        *(*both, *columns_of([*facts.items()], 2)),
    )


async def move_points(
    unit: Unit, member_id: UUID, into: UUID, lots: Mapping[str, str], facts: Mapping[str, str], booked_at: datetime
) -> None:
    """Let a member's points be another's, lot by lot as they are; `lots` and `facts` say which go under other names."""
    both = (unit.program, member_id, into)
    await unit.execute(_TRANSFERS, *both, booked_at, *columns_of([*lots.items()], 2), *columns_of([*facts.items()], 2))
    await unit.execute(_LOTS, *both, *columns_of([*lots.items()], 2))
    await unit.execute(_HOLDS, *both, *columns_of([*lots.items()], 2), *columns_of([*facts.items()], 2))
    await unit.execute(
        "UPDATE lot SET points = 0, remaining = 0, expired = 0, held = 0, pending = false WHERE program_id = $1 AND member_id = $2",
        *both[:2],
    )
    await unit.execute(
        "INSERT INTO wallet (program_id, member_id, currency) SELECT $1, $3, currency FROM wallet"
        " WHERE program_id = $1 AND member_id = $2 ON CONFLICT DO NOTHING",
        *both,
    )
    await unit.execute(
        f"UPDATE wallet SET {', '.join(f'{name} = wallet.{name} + hers.{name}' for name in TOTALS)},"
        " next_expiry_at = least(wallet.next_expiry_at, hers.next_expiry_at) FROM wallet AS hers"
        " WHERE wallet.program_id = $1 AND wallet.member_id = $3 AND hers.program_id = $1 AND hers.member_id = $2"
        " AND hers.currency = wallet.currency",
        *both,
    )
    await unit.execute(
        f"UPDATE wallet SET {', '.join(f'{name} = 0' for name in TOTALS)}, next_expiry_at = NULL"
        " WHERE program_id = $1 AND member_id = $2",
        *both[:2],
    )


STANDS = """NOT EXISTS (
    SELECT FROM transfer AS other
    WHERE other.program_id = $1 AND other.member_id = moved.member_id AND other.at = moved.at AND other.kind = moved.kind
          AND other.debit = moved.credit AND other.credit = moved.debit AND (other.corrects = moved.id OR other.id = moved.corrects)
)"""
"""Of transfers `moved`, those that neither have an opposite nor are one: what no merge, nor its end, has corrected."""

# One new id at a time: where a plan hands two of the same call on, PostgreSQL takes both for the first.
_TRANSFERS = f"""
WITH moving AS MATERIALIZED (
    SELECT *, uuidv7() AS again FROM transfer AS moved WHERE program_id = $1 AND member_id = $2 AND {STANDS}
    ORDER BY id
)
INSERT INTO transfer (program_id, id, member_id, currency, kind, points, debit, credit, lot_id, at, booked_at, event_id, source,
                      fact_id, corrects)
SELECT $1::int, uuidv7(), $2::uuid, currency, kind, points, credit, debit, lot_id, at, $4::timestamptz, event_id, source, fact_id, id FROM moving
UNION ALL
SELECT $1, moving.again, $3::uuid, moving.currency, moving.kind, moving.points, moving.debit, moving.credit,
       coalesce(lots.new, moving.lot_id), moving.at, $4, moving.event_id, moving.source, coalesce(facts.new, moving.fact_id),
       before.again
FROM moving LEFT JOIN moving AS before ON before.id = moving.corrects
LEFT JOIN unnest($5::text[], $6::text[]) AS lots (old, new) ON lots.old = moving.lot_id
LEFT JOIN unnest($7::text[], $8::text[]) AS facts (old, new) ON facts.old = moving.fact_id
"""
_LOTS = """
INSERT INTO lot (program_id, member_id, id, currency, points, remaining, held, earned_at, release_at, expires_at, event_id, source,
                 expired, pending, extended, kind)
SELECT $1, $3::uuid, coalesce(lots.new, lot.id), currency, points, remaining, held, earned_at, release_at, expires_at, event_id, source,
       expired, pending, extended, kind
FROM lot LEFT JOIN unnest($4::text[], $5::text[]) AS lots (old, new) ON lots.old = lot.id
WHERE program_id = $1 AND member_id = $2
"""


_HOLDS = """
UPDATE hold SET member_id = $3::uuid,
       fact_id = coalesce((SELECT new FROM unnest($6::text[], $7::text[]) AS facts (old, new) WHERE old = hold.fact_id), hold.fact_id),
       lots = (
           SELECT jsonb_agg(jsonb_build_array(coalesce(renamed.new, part ->> 0), (part ->> 1)::bigint) ORDER BY number)
           FROM jsonb_array_elements(hold.lots) WITH ORDINALITY AS parts (part, number)
           LEFT JOIN unnest($4::text[], $5::text[]) AS renamed (old, new) ON renamed.old = part ->> 0
       )
WHERE program_id = $1 AND member_id = $2
"""


async def former(unit: Unit, member_id: UUID) -> list[tuple[UUID, str]]:
    """Who is a part of a member: their ids, and those that the app had for them."""
    rows = await unit.fetch(
        "SELECT id, external_id FROM member WHERE program_id = $1 AND merged_into = $2 ORDER BY id",
        unit.program,
        member_id,
    )
    return [(row["id"], row["external_id"]) for row in rows]
