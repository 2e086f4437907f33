"""Whether what is kept of the shop agrees: redemptions with their transfers and the stock, what was given with what members have."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from engagement.records.unit import Unit


class Wrong(NamedTuple):
    """Something of a member that is kept otherwise than it follows."""

    member_id: UUID
    what: str
    stored: str
    expected: str


_WRONG = """
WITH spent AS (
    SELECT member_id, fact_id, sum(CASE credit WHEN 'redeemed' THEN points ELSE -points END) AS points FROM transfer
    WHERE program_id = $1 AND member_id = ANY($2::uuid[]) AND fact_id IS NOT NULL AND kind IN ('spend', 'refund') GROUP BY 1, 2
)
SELECT held.member_id, 'redemption ' || held.id, 'paid ' || held.paid, 'paid ' || coalesce(spent.points, 0)
FROM redemption AS held LEFT JOIN spent ON spent.member_id = held.member_id AND spent.fact_id = held.fact
WHERE held.program_id = $1 AND held.member_id = ANY($2::uuid[]) AND held.paid <> coalesce(spent.points, 0)
UNION ALL
SELECT gave.member_id, 'given ' || gave.reward, 'nothing', gave.sort || ' ' || gave.key
FROM reward_given AS gave WHERE gave.program_id = $1 AND gave.member_id = ANY($2::uuid[]) AND NOT gave.open
AND gave.sort IN ('voucher', 'entitlement', 'draw') AND NOT EXISTS (SELECT FROM benefit AS held WHERE held.program_id = $1
    AND held.member_id = gave.member_id AND held.reward = gave.reward AND held.state <> 'voided')
UNION ALL
SELECT held.member_id, 'given ' || held.reward, held.state || ' ' || held.sort || ' ' || held.key, 'nothing'
FROM benefit AS held WHERE held.program_id = $1 AND held.member_id = ANY($2::uuid[]) AND NOT held.open
AND held.reward IS NOT NULL AND held.state IN ('owed', 'issued') AND NOT EXISTS (SELECT FROM reward_given AS gave
    WHERE gave.program_id = $1 AND gave.member_id = held.member_id AND gave.reward = held.reward)
UNION ALL
SELECT told.member_id, 'redemption ' || (told.data ->> 'redemption'), 'nothing', 'one that was ' || told.kind
FROM fact AS told WHERE told.program_id = $1 AND told.member_id = ANY($2::uuid[]) AND told.kind = 'redeemed'
AND NOT EXISTS (SELECT FROM redemption AS held WHERE held.program_id = $1 AND held.id = (told.data ->> 'redemption')::uuid)
UNION ALL
SELECT told.member_id, 'hold ' || (told.data ->> 'hold'), 'nothing', 'one that was ' || told.kind
FROM fact AS told WHERE told.program_id = $1 AND told.member_id = ANY($2::uuid[]) AND told.kind IN ('captured', 'voided')
AND NOT EXISTS (SELECT FROM hold AS held WHERE held.program_id = $1 AND held.id = (told.data ->> 'hold')::uuid)
UNION ALL
SELECT held.member_id, 'hold ' || held.hold, 'nothing', 'that of redemption ' || held.id
FROM redemption AS held WHERE held.program_id = $1 AND held.member_id = ANY($2::uuid[])
AND NOT EXISTS (SELECT FROM hold WHERE hold.program_id = $1 AND hold.id = held.hold) AND held.hold IS NOT NULL
UNION ALL
SELECT held.member_id, 'code of benefit ' || held.id, coalesce(known.state, 'nothing'), 'issued'
FROM benefit AS held LEFT JOIN reward_code AS known ON known.program_id = $1 AND known.hash = held.hash
WHERE held.program_id = $1 AND held.member_id = ANY($2::uuid[]) AND held.hash IS NOT NULL AND known.state IS DISTINCT FROM 'issued'
ORDER BY 1, 2
"""

_MISCOUNTED = """
WITH counted AS (
    SELECT reward, session FROM redemption AS held WHERE program_id = $1 AND counted AND (state IN ('reserved', 'fulfilled')
        OR state = 'refunded' AND EXISTS (SELECT FROM benefit WHERE benefit.program_id = $1
            AND benefit.redemption = held.id AND benefit.state = 'used'))
), expected AS (
    SELECT reward, session, count(*) AS taken FROM (SELECT reward, '' AS session FROM counted
        UNION ALL SELECT reward, session FROM counted WHERE session <> '') AS each GROUP BY 1, 2
)
SELECT 'stock of ' || concat_ws(' ', reward, nullif(session, '')), 'taken ' || coalesce(held.taken, 0),
       'taken ' || coalesce(expected.taken, 0)
FROM (SELECT reward, session, taken FROM reward_stock WHERE program_id = $1) AS held
FULL JOIN expected USING (reward, session) WHERE coalesce(held.taken, 0) <> coalesce(expected.taken, 0) ORDER BY 1
"""


async def wrong(unit: Unit, member_ids: Sequence[UUID]) -> list[Wrong]:
    """Redemptions of members that were paid otherwise than their transfers say; what they were given and do not have, or have and were not;
    and what is gone of which others tell: redemptions, holds, codes.
    """
    return [Wrong(*row) for row in await unit.fetch(_WRONG, unit.program, list(member_ids))]


async def miscounted(unit: Unit) -> list[tuple[str, str, str]]:
    """Stocks of which something else is taken than redemptions say: (what, stored, expected)."""
    return [(row[0], row[1], row[2]) for row in await unit.fetch(_MISCOUNTED, unit.program)]
