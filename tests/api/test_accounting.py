"""The books over GraphQL: what rolls forward, and closing months."""

import asyncio
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

from engagement.api.pagination import JournalCursor, cursor_of
from engagement.records.unit import Unit
from tests.api.conftest import House
from tests.api.test_members import advance

ROOT = Path(__file__).resolve().parents[2]
ROLL_FORWARD = """query($currency: String!, $from: String, $to: String, $by: BookPeriod! = MONTH) {
  rollForward(currency: $currency, from: $from, to: $to, by: $by) {
    currency period endsAt opening earned spent expired reversed adjusted transferred closing closedAt
  }
}"""
CLOSE = """mutation($input: ClosePeriodInput!) { closePeriod(input: $input) {
  __typename
  ... on ClosePeriodSuccess { periods { currency period closing closedAt } replayed }
  ... on PeriodRefusedError { reason code message field }
  ... on UserError { code message field }
} }"""
LATER = "2026-12-05T12:00:00Z"


async def close(house: House, **given: Any) -> dict[str, Any]:
    answer = await house.data(CLOSE, {"input": {"idempotencyKey": "k", **given}})
    found: dict[str, Any] = answer["closePeriod"]
    return found


async def test_months_roll_forward_and_are_closed(house: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    await house.bought("anna", "e1", 40, "2026-11-20T12:00:00Z")
    await house.bought("bert", "e2", 5, "2026-11-21T12:00:00Z")
    assert (await close(house, period="2026-11"))["reason"] == "NOT_OVER"
    await advance(house, LATER)
    (november, december) = (await house.data(ROLL_FORWARD, {"currency": "points", "from": "2026-11", "to": "2026-12"}))[
        "rollForward"
    ]
    assert november == {
        "currency": "points",
        "period": "2026-11",
        "endsAt": "2026-12-01T05:00:00Z",
        "opening": 0,
        "earned": 45,
        **dict.fromkeys(("spent", "expired", "reversed", "adjusted", "transferred"), 0),
        "closing": 45,
        "closedAt": None,
    }
    assert (december["opening"], december["expired"], december["closing"]) == (45, 45, 0)
    answer = await close(house, period="2026-11", currency="points")
    closed = {"currency": "points", "period": "2026-11", "closing": 45, "closedAt": LATER}
    assert answer == {"__typename": "ClosePeriodSuccess", "periods": [closed], "replayed": False}
    assert (await close(house, period="2026-11", currency="points"))["replayed"]
    assert (await close(house, period="2026-11"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    again = await close(house, period="2026-11", currency="points", idempotencyKey="k2")
    assert (again["code"], again["reason"], again["field"]) == ("PERIOD_REFUSED", "CLOSED", "period")
    await house.bought("carl", "late", 7, "2026-11-22T12:00:00Z")
    months = (await house.data(ROLL_FORWARD, {"currency": "points"}))["rollForward"]
    assert [each["period"] for each in months[-2:]] == ["2026-11", "2026-12"]
    assert months[-2] == {**november, "closedAt": LATER}
    assert (months[-1]["earned"], months[-1]["expired"], months[-1]["closing"]) == (7, 52, 0)


async def test_what_cannot_be_shown_or_closed_is_told(house: House) -> None:
    for given, code in (
        ({"currency": "pearls"}, "NOT_FOUND"),
        ({"currency": "\0"}, "NOT_FOUND"),
        ({"currency": "points", "from": "2026"}, "INVALID_INPUT"),
        ({"currency": "points", "to": "\0"}, "INVALID_INPUT"),
        ({"currency": "points", "from": "1900-01-01", "by": "DAY"}, "INVALID_INPUT"),
    ):
        assert (await house.refusal(ROLL_FORWARD, given))["code"] == code
    assert (await close(house, period="November"))["code"] == "INVALID_INPUT"
    assert (await close(house, period="2026-10", currency="pearls"))["code"] == "NOT_FOUND"


async def test_another_programs_books_are_not_seen(house: House, real: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    await house.bought("anna", "e1", 40, "2026-11-20T12:00:00Z")
    shown = await real.data(ROLL_FORWARD, {"currency": "points", "from": "2026-11", "to": "2026-11"})
    assert [each["earned"] for each in shown["rollForward"]] == [0]


JOURNAL = """query($first: Int, $after: String, $from: DateTime, $to: DateTime) {
  journal(first: $first, after: $after, from: $from, to: $to) {
    edges { cursor node { id at bookedAt countsAt member currency kind debit credit points lot source fact corrects } }
    pageInfo { hasNextPage endCursor }
  }
}"""


async def test_the_journal_is_read_page_by_page(house: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    for number in range(5):
        await house.bought(f"m{number}", f"e{number}", 10 + number, "2026-11-20T12:00:00Z")
    seen: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await house.data(JOURNAL, {"first": 2, "after": after}))["journal"]
        seen += [each["node"] for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [(each["member"], each["points"]) for each in seen] == [(f"m{n}", 10 + n) for n in range(5)]
    assert {each["kind"] for each in seen} == {"earn"}
    assert {(each["debit"], each["credit"], each["source"]) for each in seen} == {("issuance", "wallet", "base")}
    assert seen[0]["countsAt"] == seen[0]["at"] == "2026-11-20T12:00:00Z"
    none = (await house.data(JOURNAL, {"from": "2026-11-21T12:00:01Z"}))["journal"]
    assert none == {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    nobody = UUID(int=0)
    far = [datetime.min.replace(tzinfo=zone) for zone in (None, timezone(timedelta(hours=14)))]
    for cursor in ("x", "WyJtZW1iZXJzIiwiYSJd", *(cursor_of(JournalCursor(each, nobody)) for each in far)):
        assert (await house.refusal(JOURNAL, {"after": cursor}))["code"] == "INVALID_CURSOR"
    asked: list[dict[str, object]] = [{"from": "today"}, {"first": 101}, {"first": 0}]
    for wrong in asked:
        assert (await house.refusal(JOURNAL, wrong))["code"] == "INVALID_INPUT"


async def test_the_journal_ends_where_something_may_still_be_booked(real: House) -> None:
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def book_later(unit: Unit) -> None:
        assert await unit.fetchval("SELECT 1") == 1
        under_way.set()
        await go_on.wait()

    earlier = asyncio.create_task(real.service.database.run(book_later, real.program.id))
    await under_way.wait()
    await real.bought("anna", "e1", 40, datetime.now(UTC).isoformat())
    assert (await real.data(JOURNAL, {}))["journal"]["edges"] == []
    go_on.set()
    await earlier
    assert [each["node"]["points"] for each in (await real.data(JOURNAL, {}))["journal"]["edges"]] == [40]


LIABILITY = """query($currency: String!, $value: Decimal!) { liability(currency: $currency, valuePerPoint: $value) {
  currency at points value pending held debt months { month points value }
} }"""
BREAKAGE = """query($currency: String!) { breakage(currency: $currency) {
  outstanding expected low high share stepDays method cohorts { month points spent ended livedDays }
} }"""
COSTS = """query($from: DateTime!, $to: DateTime!) { rewardCosts(from: $from, to: $to) { key currency times points cost costCurrency } }"""


async def test_what_is_owed_is_worth_its_value_to_the_last_decimal(house: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    await house.bought("anna", "e1", 41, "2026-11-20T12:00:00Z")
    told = (await house.data(LIABILITY, {"currency": "points", "value": "0.00333"}))["liability"]
    assert told == {
        "currency": "points",
        "at": "2026-11-21T12:00:00Z",
        "points": 41,
        "value": "0.13653",
        **dict.fromkeys(("pending", "held", "debt"), 0),
        "months": [{"month": "2026-12", "points": 41, "value": "0.13653"}],
    }
    none = (await house.data(LIABILITY, {"currency": "gems", "value": 1}))["liability"]
    assert (none["points"], none["value"], none["months"]) == (0, "0", [])
    wrong: list[object] = ["-1", "NaN", "Infinity", "1e999999999", "10000", "0.123456789", "", "a", "\0", "1e-400"]
    for value in wrong:
        refused = await house.refusal(LIABILITY, {"currency": "points", "value": value})
        assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["liability"]), value
    assert (await house.refusal(LIABILITY, {"currency": "pearls", "value": "1"}))["code"] == "NOT_FOUND"


async def test_breakage_says_what_it_rests_on(house: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    await house.bought("anna", "e1", 41, "2026-11-20T12:00:00Z")
    told = (await house.data(BREAKAGE, {"currency": "points"}))["breakage"]
    assert told.pop("method").startswith("Points are followed")
    assert told == {
        "outstanding": 41,
        "expected": None,
        "low": None,
        "high": None,
        "share": None,
        "stepDays": 1,
        "cohorts": [{"month": "2026-11", "points": 41, "spent": 0, "ended": 0, "livedDays": 0}],
    }
    assert (await house.refusal(BREAKAGE, {"currency": "\0"}))["code"] == "NOT_FOUND"


async def test_costs_are_asked_for_within_a_time(house: House) -> None:
    span = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
    assert (await house.data(COSTS, span))["rewardCosts"] == []
    for wrong in ({**span, "to": "2026-10-01T00:00:00Z"}, {**span, "from": "soon"}):
        assert (await house.refusal(COSTS, wrong))["code"] == "INVALID_INPUT"


async def test_what_the_page_shows_can_be_asked(house: House) -> None:
    await advance(house, "2026-11-21T12:00:00Z")
    await house.bought("anna", "e1", 41, "2026-11-20T12:00:00Z")
    blocks = re.findall(r"```graphql\n(.*?)```", (ROOT / "docs/accounting.md").read_text(), re.DOTALL)
    answers = [await house.data(each) for each in blocks]
    assert [next(iter(each)) for each in answers] == [
        *("rollForward", "closePeriod", "liability", "breakage", "rewardCosts"),
    ]
    assert answers[0]["rollForward"][10]["closing"] == 41
    # Points moved in November first, so January is not the next to be closed.
    assert answers[1]["closePeriod"]["reason"] == "OUT_OF_ORDER"
    assert answers[2]["liability"]["value"] == "0.41"
