"""A referral through the API: the one who was brought is told at once, and both have theirs when the clock has moved."""

from tests.api.conftest import NOON, House, document
from tests.api.test_amendments import earned, reverse
from tests.api.test_programs import advance, apply

FRIEND = {
    "key": "friend",
    "on": "joined",
    "by": "code",
    "qualifies": {"on": "purchase", "when": "event.amount >= 20.0", "within_days": 30},
    "rewards": {
        "referrer": [{"points": 500, "currency": "points"}],
        "referred": [{"points": 100, "currency": "points"}],
    },
}
QUALIFIED = """mutation($input: RecordEventsInput!) { recordEvents(input: $input) { ... on RecordEventsSuccess {
  receipts { effects { __typename ... on ReferralQualified { referral referrer at } } } } } }"""
FEED = """query($id: ID!) { activity(member: $id, first: 20) { edges { node {
  effects { ... on PointsEarned { source points } } } } } }"""


REFERRALS = "query($id: ID!) { referrals(member: $id) { referral referrer referred qualifiedAt status paidAt } }"


async def listed(house: House, member: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await house.data(REFERRALS, {"id": member}))["referrals"]
    return found


async def test_both_have_theirs_and_give_it_back(house: House) -> None:
    wanted = document(house.program.key, referrals=[FRIEND], streaks=[], challenges=[], badges=[])
    wanted["event_types"].append({"key": "joined", "properties": {"code": "string"}})
    assert (await apply(house, wanted))["__typename"] == "ApplyProgramSuccess"
    await house.bought("bob", "p0", 1)
    joined = {"id": "j1", "member": "anna", "type": "joined", "occurredAt": NOON, "properties": {"code": "bob"}}
    bought = {"id": "p1", "member": "anna", "type": "purchase", "occurredAt": NOON, "properties": {"amount": 20}}
    answer = await house.data(QUALIFIED, {"input": {"events": [joined, bought]}})
    told = [each for receipt in answer["recordEvents"]["receipts"] for each in receipt["effects"]]
    qualified = {"__typename": "ReferralQualified", "referral": "friend", "referrer": "bob", "at": NOON}
    assert qualified in told
    made = {"referral": "friend", "referrer": "bob", "referred": "anna", "qualifiedAt": NOON}
    assert await listed(house, "bob") == [{**made, "status": "OPEN", "paidAt": None}]
    await advance(house, NOON)
    assert [await earned(house, who) for who in ("anna", "bob")] == [120, 501]
    assert await listed(house, "bob") == await listed(house, "anna") == [{**made, "status": "PAID", "paidAt": NOON}]
    assert await listed(house, "nobody") == []
    edges = (await house.data(FEED, {"id": "bob"}))["activity"]["edges"]
    fed = [effect for edge in edges for effect in edge["node"]["effects"] if effect.get("source") == "friend"]
    assert fed == [{"source": "friend", "points": 500}]
    await reverse(house, "p1")
    await advance(house, NOON)
    assert [await earned(house, who) for who in ("anna", "bob")] == [0, 1]
    assert await listed(house, "anna") == [{**made, "status": "WITHDRAWN", "paidAt": None}]
