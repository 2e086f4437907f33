"""The books over GraphQL: what rolls forward, and closing months."""

from typing import Any

from tests.api.conftest import House
from tests.api.test_members import advance

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
    for cursor in ("x", "WyJtZW1iZXJzIiwiYSJd"):
        assert (await house.refusal(JOURNAL, {"after": cursor}))["code"] == "INVALID_CURSOR"
    asked: list[dict[str, object]] = [{"from": "today"}, {"first": 101}, {"first": 0}]
    for wrong in asked:
        assert (await house.refusal(JOURNAL, wrong))["code"] == "INVALID_INPUT"
