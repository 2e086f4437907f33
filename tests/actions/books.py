"""The law of the books: at every instant, a balance is its lots less its debt, and the sum of its transfers."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from tests.actions.conftest import House

_TRANSFERS = "SELECT member_id, currency, kind, points, debit, credit, lot_id, at FROM transfer WHERE program_id = $1 ORDER BY at"
_LOTS = "SELECT member_id, currency, id, remaining, held, pending FROM lot WHERE program_id = $1"
_HELD = (
    "SELECT member_id, part ->> 0, sum((part ->> 1)::bigint)::bigint FROM hold, jsonb_array_elements(lots) AS part"
    " WHERE program_id = $1 AND state = 'open' GROUP BY 1, 2"
)
_WALLETS = (
    "SELECT member_id, currency, earned, reversed, spent, expired, adjusted, transferred, balance, debt, held, pending FROM wallet"
    " WHERE program_id = $1"
)
_TOTALS = {
    "earn": "earned",
    "reverse": "reversed",
    "spend": "spent",
    "refund": "spent",
    "expire": "expired",
    "adjust": "adjusted",
    "transfer": "transferred",
}
_OUTWARD = {"reversed", "spent", "expired"}


async def books_balance(house: House) -> None:
    """Hold every wallet against its transfers and its lots, at every instant at which anything moved."""
    books: dict[tuple[Any, str], list[tuple[Any, ...]]] = defaultdict(list)
    for who, currency, *transfer in await house.rows(_TRANSFERS):
        books[who, currency].append(tuple(transfer))
    lots: dict[tuple[Any, str], dict[str, int]] = defaultdict(dict)
    held: dict[tuple[Any, str], int] = defaultdict(int)
    waiting: dict[tuple[Any, str], int] = defaultdict(int)
    by_holds = {(who, lot): points for who, lot, points in await house.rows(_HELD)}
    for who, currency, lot, remaining, set_aside, pending in await house.rows(_LOTS):
        lots[who, currency][lot] = remaining
        assert set_aside == by_holds.pop((who, lot), 0) <= remaining
        held[who, currency] += set_aside
        waiting[who, currency] += (remaining - set_aside) * pending
    assert not by_holds
    wallets = {(who, currency): totals for who, currency, *totals in await house.rows(_WALLETS)}
    assert wallets.keys() == books.keys()
    for name, transfers in books.items():
        sums = lived_through(transfers)
        in_lots = {lot: left for lot, left in sums.pop("lots").items() if left}
        assert in_lots == {lot: left for lot, left in lots[name].items() if left}
        earned, reversed_, spent, expired, adjusted, transferred, balance, debt, in_holds, pending = wallets[name]
        assert sums == {
            "earned": earned,
            "reversed": reversed_,
            "spent": spent,
            "expired": expired,
            "debt": debt,
            "adjusted": adjusted,
            "transferred": transferred,
        }
        assert balance == sum(in_lots.values()) - debt == earned - reversed_ - spent - expired + adjusted + transferred
        assert (in_holds, pending) == (held[name], waiting[name])
        assert debt >= 0
        assert not debt or balance == in_holds + pending - debt, "nobody owes who has points to spend"


def lived_through(transfers: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The totals, the debt and the lots that transfers come to; nothing on the way is below zero but by debt."""
    totals = dict.fromkeys((*dict.fromkeys(_TOTALS.values()), "debt"), 0)
    lots: dict[str, int] = defaultdict(int)
    instants: dict[datetime, list[tuple[Any, ...]]] = defaultdict(list)
    for transfer in transfers:
        instants[transfer[-1]].append(transfer)
    for at in sorted(instants):
        for kind, points, debit, credit, lot, _ in instants[at]:
            change = points * ((credit == "wallet") - (debit == "wallet"))
            owed = points * ((debit == "debt") - (credit == "debt"))
            if change:
                lots[lot] += change
            totals["debt"] += owed
            if (total := _TOTALS.get(kind)) is not None:
                totals[total] += (change - owed) * (-1 if total in _OUTWARD else 1)
        assert sum(lots.values()) >= 0, f"below zero at {at}"
        assert totals["debt"] >= 0, f"nothing was owed at {at}"
    return {**totals, "lots": dict(lots)}
