import base64

import pytest

from engagement.records import members
from engagement.records.unit import Unit
from tests.api.conftest import ADVANCE, NOON, House

SCREEN = """
fragment Screen on Member {
  id externalId timezone createdAt asOf cursor
  wallets { currency name balance earned spent expired reversed pending held debt nextExpiry { points at } }
  streaks { key name period current longest active freezesUsed periodEndsAt timezone }
  challenges { key name description period endsAt objectives { current target fraction remaining }
    fraction completed completedAt completions }
  badges { key name description level levels { key name target awardedAt } next { current target remaining } }
  tiers { ladder name tier tierName since qualifying nextTier nextTierName next { current target remaining } fallsAt }
}
"""
ME = "{ me { ...Screen } }" + SCREEN
MEMBER = "query($id: ID!) { member(externalId: $id) { ...Screen } }" + SCREEN
PAGE = """query($first: Int, $after: String) { members(first: $first, after: $after) {
  edges { cursor node { externalId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def advance(house: House, to: str) -> None:
    answer = await house.data(ADVANCE, {"input": {"to": to}})
    assert answer["advanceTestClock"]["__typename"] == "AdvanceTestClockSuccess", answer


async def test_screen_shows_everything(house: House) -> None:
    await advance(house, NOON)
    await house.bought("anna", "e1", "12.50")
    me = (await house.data(ME, key=house.token("anna")))["me"]
    assert (me["externalId"], me["timezone"], me["asOf"]) == ("anna", "America/New_York", NOON)
    gems, points = me["wallets"]
    nothing = dict.fromkeys(("spent", "expired", "reversed", "pending", "held", "debt"), 0)
    expiry = {"points": 12, "at": "2026-12-02T05:00:00Z"}
    assert (
        points == {"currency": "points", "name": "Points", "balance": 12, "earned": 12, "nextExpiry": expiry} | nothing
    )
    assert gems == {"currency": "gems", "name": "gems", "balance": 0, "earned": 0, "nextExpiry": None} | nothing
    month, spend = me["challenges"]
    assert month == {
        "key": "month",
        "name": "Two this month",
        "description": "",
        "period": "2026-11",
        "endsAt": "2026-12-01T05:00:00Z",
        "objectives": [{"current": "1", "target": "2", "fraction": 0.5, "remaining": "1"}],
        "fraction": 0.5,
        "completed": False,
        "completedAt": None,
        "completions": 0,
    }
    assert (spend["period"], spend["endsAt"], spend["objectives"][0]["remaining"]) == ("", None, "87.50")
    assert me["badges"] == [
        {
            "key": "regular",
            "name": "Regular",
            "description": "",
            "level": "bronze",
            "levels": [
                {"key": "bronze", "name": "Familiar face", "target": "1", "awardedAt": NOON},
                {"key": "silver", "name": "silver", "target": "3", "awardedAt": None},
            ],
            "next": {"current": "1", "target": "3", "remaining": "2"},
        }
    ]
    assert (await house.data(MEMBER, {"id": "anna"}))["member"] == me


async def test_screen_says_how_long_a_streak_is_safe(house: House) -> None:
    await house.bought("anna", "e1", "12.50")
    me = (await house.data(ME, key=house.token("anna")))["me"]
    assert me["streaks"] == [
        {
            "key": "daily",
            "name": "Days",
            "period": "DAY",
            "current": 1,
            "longest": 1,
            "active": True,
            "freezesUsed": 0,
            "periodEndsAt": "2026-11-22T05:00:00Z",
            "timezone": "America/New_York",
        }
    ]


async def test_untouched_definitions_are_on_the_screen(house: House) -> None:
    await house.record({"id": "e1", "member": "anna", "type": "purchase", "occurredAt": NOON})
    me = (await house.data(ME, key=house.token("anna")))["me"]
    assert [each["balance"] for each in me["wallets"]] == [0, 0]
    assert me["challenges"][1]["objectives"] == [{"current": "0", "target": "100", "fraction": 0.0, "remaining": "100"}]


async def test_screen_shows_what_time_has_brought_and_writes_nothing(house: House) -> None:
    await house.bought("anna", "e1", 10)
    await house.bought("anna", "e2", 10)

    async def turn_clock_alone(unit: Unit) -> None:
        await unit.execute("UPDATE program SET clock = '2026-12-05T12:00:00Z' WHERE id = $1", unit.program)
        # So that no worker does the work meanwhile.
        await unit.execute("UPDATE member_state SET due_at = NULL WHERE program_id = $1", unit.program)

    async def stored(unit: Unit) -> members.Held:
        member = await members.find(unit, "anna")
        assert member is not None
        return (await members.states(unit, [member.id]))[member.id]

    run = house.service.database.run
    await run(turn_clock_alone, house.program.id)
    before = await run(stored, house.program.id)
    me = (await house.data(ME, key=house.token("anna")))["me"]
    assert await run(stored, house.program.id) == before
    assert me["asOf"] == "2026-12-05T12:00:00Z"
    assert (me["wallets"][1]["balance"], me["wallets"][1]["expired"], me["wallets"][1]["earned"]) == (0, 27, 27)
    assert (me["streaks"][0]["current"], me["streaks"][0]["longest"], me["streaks"][0]["active"]) == (0, 1, False)
    month = me["challenges"][0]
    assert (month["period"], month["completed"], month["completions"]) == ("2026-12", False, 1)
    assert month["objectives"][0]["current"] == "0"


async def test_completed_challenge_is_shown_as_such(house: House) -> None:
    await house.bought("anna", "e1", 10)
    await house.bought("anna", "e2", 10)
    month = (await house.data(ME, key=house.token("anna")))["me"]["challenges"][0]
    assert (month["completed"], month["completedAt"], month["fraction"], month["completions"]) == (True, NOON, 1.0, 1)


async def test_unknown_member_is_a_coded_error(house: House) -> None:
    refusal = await house.refusal(MEMBER, {"id": "nobody"})
    assert (refusal["code"], refusal["path"]) == ("MEMBER_NOT_FOUND", ["member"])
    assert (await house.refusal(ME, key=house.token("nobody")))["code"] == "MEMBER_NOT_FOUND"
    for strange in ("", "\0", "x" * 10_000, "💶"):
        assert (await house.refusal(MEMBER, {"id": strange}))["code"] == "MEMBER_NOT_FOUND"


async def test_members_come_page_by_page(house: House) -> None:
    names = [f"m{number}" for number in range(5)]
    await house.record(
        *({"id": "e1", "member": each, "type": "purchase", "occurredAt": NOON} for each in reversed(names))
    )
    seen: list[str] = []
    after = None
    for has_next in (True, True, False):
        page = (await house.data(PAGE, {"first": 2, "after": after}))["members"]
        seen += [each["node"]["externalId"] for each in page["edges"]]
        assert page["pageInfo"]["hasNextPage"] is has_next
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        after = page["pageInfo"]["endCursor"]
        assert after == page["edges"][-1]["cursor"]
    assert seen == names
    beyond = (await house.data(PAGE, {"after": after}))["members"]
    assert (beyond["edges"], beyond["pageInfo"]["endCursor"]) == ([], None)


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_page_size_has_bounds(house: House, first: int) -> None:
    refusal = await house.refusal(PAGE, {"first": first})
    assert (refusal["code"], refusal["field"]) == ("INVALID_INPUT", "first")


async def test_null_page_is_the_default_one(house: House) -> None:
    await house.bought("anna", "e1", 5)
    assert await house.data(PAGE, {"first": None, "after": None}) == await house.data(PAGE, {})


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "é", "!!!!", "x" * 3000, encoded('["members","a"]') + "="),
        *map(
            encoded,
            ("5", "{}", '["members"]', '["members",5]', '["members", "a"]', '["members","\\u0000"]', '["feed","x",1]'),
        ),
        *map(encoded, ('["board","ever","",-1]', '["board","ever","",3]')),
    ],
)
async def test_cursor_is_one_of_ours_or_refused(house: House, cursor: str) -> None:
    refusal = await house.refusal(PAGE, {"after": cursor})
    assert (refusal["code"], refusal["field"]) == ("INVALID_CURSOR", "after")


async def test_nodes_are_found_again(house: House) -> None:
    await house.bought("anna", "e1", 5)
    await house.bought("bert", "e1", 5)
    anna, bert = [(await house.data(MEMBER, {"id": each}))["member"]["id"] for each in ("anna", "bert")]
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Member { externalId } } }"
    strange = ["", "x", "é", encoded("Member:x"), encoded("Program:" + anna), anna + "=", anna[:-2]]
    found = (await house.data(text, {"ids": [anna, *strange, bert, anna]}))["nodes"]
    assert [each and each["externalId"] for each in found] == ["anna", *(None for _ in strange), "bert", "anna"]
    own = (await house.data(text, {"ids": [anna, bert]}, key=house.token("anna")))["nodes"]
    assert [each and each["externalId"] for each in own] == ["anna", None]
    one = "query($id: ID!) { node(id: $id) { id } }"
    assert (await house.data(one, {"id": bert}))["node"] == {"id": bert}
    too_many = await house.refusal(text, {"ids": ["x"] * 101})
    assert (too_many["code"], too_many["field"]) == ("INVALID_INPUT", "ids")
