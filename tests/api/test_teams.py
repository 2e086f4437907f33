"""Teams over GraphQL: made, joined and left, looked at, and what each member's feed tells of them."""

from typing import Any

from tests.api.conftest import ADVANCE, APPLY, NOON, START, House, document
from tests.api.test_amendments import refused

CREATE = """mutation($input: CreateTeamInput!) { createTeam(input: $input) {
  __typename ... on CreateTeamSuccess { created replayed team { team name size } } ... on UserError { code field }
} }"""
JOIN = """mutation($input: JoinTeamInput!) { joinTeam(input: $input) {
  __typename ... on JoinTeamSuccess { member team since changed replayed } ... on UserError { code field }
} }"""
LEAVE = """mutation($input: LeaveTeamInput!) { leaveTeam(input: $input) {
  __typename ... on JoinTeamSuccess { member team since changed replayed } ... on UserError { code field }
} }"""
TEAM = """query($team: ID) { team(team: $team) { team { team size } members { member } challenges {
  key period metAt progress { current target fraction remaining } contributions { member amount }
} } }"""
TEAMS = "query($after: String) { teams(first: 1, after: $after) { edges { node { team name size } } pageInfo { hasNextPage endCursor } } }"
FEED = """{ activity(first: 20) { edges { node { effects {
  ... on TeamContributed { team amount target } ... on ChallengeCompleted { challenge period } } } } } }"""
RECORD = """mutation($input: RecordEventsInput!) { recordEvents(input: $input) { ... on RecordEventsSuccess {
  receipts { effects { ... on TeamContributed { challenge team amount target } } } } } }"""
STEPS = {
    "key": "steps",
    "objectives": [{"on": "purchase", "target": 2}],
    "team": {},
    "rewards": [{"points": 5, "currency": "points"}],
}


async def _put(house: House, mutation: str, key: str | None = None, **given: Any) -> dict[str, Any]:
    written = {"idempotencyKey": f"{given}", **given}
    written["idempotencyKey"] = str(abs(hash(written["idempotencyKey"] + mutation)))
    answer: dict[str, Any] = (await house.data(mutation, {"input": written}, key=key))[
        mutation.split("{ ")[1].split("(", maxsplit=1)[0]
    ]
    return answer


async def test_members_meet_a_target_together_and_are_told(house: House) -> None:
    applied = await house.data(APPLY, {"input": {"document": document(house.program.key, challenges=[STEPS])}})
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied
    red = {"team": "red", "name": "The Reds", "size": 0}
    made = {"__typename": "CreateTeamSuccess", "created": True, "replayed": False, "team": red}
    assert await _put(house, CREATE, team="red", name="The Reds") == made
    assert (await _put(house, CREATE, team="red", name="The Reds"))["replayed"]
    assert (await _put(house, CREATE, team="red"))["created"] is False
    await _put(house, CREATE, team="blue")
    anna = house.token("anna")
    joined = {"__typename": "JoinTeamSuccess", "member": "anna", "team": "red", "since": START, "changed": True}
    assert await _put(house, JOIN, key=anna, team="red") == {**joined, "replayed": False}
    await _put(house, JOIN, member="bob", team="red")
    events = [
        {"id": "e1", "member": who, "type": "purchase", "occurredAt": NOON, "properties": {"amount": "1.00"}}
        for who in ("anna", "bob")
    ]
    sent = await house.data(RECORD, {"input": {"events": events[:1]}})
    given = {"challenge": "steps", "team": "red", "amount": "1", "target": "2"}
    assert given in sent["recordEvents"]["receipts"][0]["effects"]
    steps = {"key": "steps", "period": "", "metAt": None}
    far = {"current": "1", "target": "2", "fraction": 0.5, "remaining": "1"}
    shown = {
        "team": {"team": "red", "size": 2},
        "members": [{"member": "anna"}, {"member": "bob"}],
        "challenges": [{**steps, "progress": far, "contributions": [{"member": "anna", "amount": "1"}]}],
    }
    assert (await house.data(TEAM, {"team": "red"}))["team"] == shown
    assert (await house.data(TEAM, {}, key=anna))["team"] == shown
    await house.data(RECORD, {"input": {"events": events[1:]}})
    await house.data(ADVANCE, {"input": {"to": NOON, "idempotencyKey": "a"}})
    met = (await house.data(TEAM, {"team": "red"}))["team"]["challenges"][0]
    assert (met["progress"]["remaining"], met["metAt"]) == ("0", START)
    told = (await house.data(FEED, key=anna))["activity"]["edges"]
    assert [effect for edge in told for effect in edge["node"]["effects"] if "challenge" in effect] == [
        {"challenge": "steps", "period": ""}
    ]
    assert (await _put(house, LEAVE, key=anna))["team"] is None
    assert (await house.refusal(TEAM, {}, key=anna))["code"] == "NOT_FOUND"


async def test_teams_are_paged_and_what_is_wrong_is_refused(house: House) -> None:
    for team in ("red", "blue"):
        await _put(house, CREATE, team=team)
    page = (await house.data(TEAMS, {}))["teams"]
    assert page["edges"] == [{"node": {"team": "blue", "name": "blue", "size": 0}}]
    rest = (await house.data(TEAMS, {"after": page["pageInfo"]["endCursor"]}))["teams"]
    assert (rest["edges"][0]["node"]["team"], rest["pageInfo"]["hasNextPage"]) == ("red", False)
    assert refused(await _put(house, JOIN, member="anna", team="green"))[1:] == ("NOT_FOUND", "team")
    assert refused(await _put(house, CREATE, team="a\0b"))[1:] == ("INVALID_INPUT", "team")
    assert (await house.refusal(TEAM, {"team": "red"}, key=house.token("anna")))["code"] == "NOT_FOUND"
    assert (await house.refusal(TEAMS, {}, key=house.token("anna")))["code"] == "FORBIDDEN"
    given = {"member": "bob", "team": "red", "idempotencyKey": "k"}
    assert (await house.refusal(JOIN, {"input": given}, key=house.token("anna")))["code"] == "FORBIDDEN"
    assert (await house.refusal(TEAM, {"team": "green"}))["code"] == "NOT_FOUND"
