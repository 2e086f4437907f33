"""Who may do what: each field of the root against every kind of caller."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from engagement.actions import tokens
from engagement.errors import InvalidInput
from engagement.records.unit import ALL, Unit
from tests.api.conftest import ALL_SCOPES, House, Service, document, following


@dataclass(frozen=True)
class Asked:
    """A use of a field: the scope that lets a key in (None: any key, "": no key), whether a member's token does, and the answer then."""

    text: str
    scope: str | None
    member: bool
    answer: str = "OK"


FIELDS = {
    "me": Asked("{ me { externalId } }", "", True),
    "member": Asked('{ member(externalId: "anna") { externalId } }', "members:read", False),
    "members": Asked("{ members { edges { cursor } } }", "members:read", False),
    "leaderboard": Asked('{ leaderboard(key: "ever") { total } }', "boards:read", True),
    "activity": Asked('{ activity(member: "anna") { edges { cursor } } }', "members:read", True),
    "program": Asked("{ program { key } }", None, True),
    "node": Asked('{ node(id: "x") { id } }', "members:read", True),
    "nodes": Asked('{ nodes(ids: ["x"]) { id } }', "members:read", True),
    "recordEvents": Asked("mutation { recordEvents(input: {events: []}) { __typename } }", "events:write", False),
    "reverseEvent": Asked(
        'mutation { reverseEvent(input: {member: "anna", event: "e1"}) { __typename } }', "events:write", False
    ),
    "amendEvent": Asked(
        'mutation { amendEvent(input: {member: "anna", event: "e1", properties: {}}) { __typename } }',
        "events:write",
        False,
    ),
    "eraseMember": Asked('mutation { eraseMember(input: {member: "nobody"}) { __typename } }', "members:write", False),
    "mergeMembers": Asked(
        'mutation { mergeMembers(input: {from: "x", into: "anna", idempotencyKey: "k"}) { __typename } }',
        "members:write",
        False,
    ),
    "unmergeMembers": Asked(
        'mutation { unmergeMembers(input: {from: "x", idempotencyKey: "k"}) { __typename } }', "members:write", False
    ),
    "setConsent": Asked(
        'mutation { setConsent(input: {member: "anna", purpose: "x", given: true, idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "consents": Asked('{ consents(member: "anna") { purpose } }', "members:read", True),
    "exportMember": Asked('{ exportMember(member: "anna") { cursor } }', "members:read", False),
    "setMemberTimezone": Asked(
        'mutation { setMemberTimezone(input: {member: "anna", timezone: "UTC", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        False,
    ),
    "setMemberAttributes": Asked(
        'mutation { setMemberAttributes(input: {member: "anna", attributes: {}, idempotencyKey: "k"}) { __typename } }',
        "events:write",
        False,
    ),
    "setMemberAlias": Asked(
        'mutation { setMemberAlias(input: {member: "anna", alias: "A", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "leaveLeaderboards": Asked(
        'mutation { leaveLeaderboards(input: {member: "anna", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "returnToLeaderboards": Asked(
        'mutation { returnToLeaderboards(input: {member: "anna", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "joinChallenge": Asked(
        'mutation { joinChallenge(input: {member: "anna", challenge: "x", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "leaveChallenge": Asked(
        'mutation { leaveChallenge(input: {member: "anna", challenge: "x", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "buyStreakFreeze": Asked(
        'mutation { buyStreakFreeze(input: {member: "anna", streak: "daily", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "restoreStreak": Asked(
        'mutation { restoreStreak(input: {member: "anna", streak: "daily", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        True,
    ),
    "addToList": Asked(
        'mutation { addToList(input: {member: "anna", list: "x", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        False,
    ),
    "removeFromList": Asked(
        'mutation { removeFromList(input: {member: "anna", list: "x", idempotencyKey: "k"}) { __typename } }',
        "events:write",
        False,
    ),
    "rollForward": Asked('{ rollForward(currency: "points") { closing } }', "ledger:read", False),
    "journal": Asked("{ journal { edges { cursor } } }", "ledger:read", False),
    "liability": Asked('{ liability(currency: "points", valuePerPoint: "0.01") { value } }', "ledger:read", False),
    "breakage": Asked('{ breakage(currency: "points") { expected } }', "ledger:read", False),
    "rewardCosts": Asked(
        '{ rewardCosts(from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z") { cost } }', "ledger:read", False
    ),
    "draw": Asked('{ draw(key: "x") { key } }', "boards:read", True, "DRAW_NOT_FOUND"),
    "drawEntries": Asked('{ drawEntries(draw: "x") { edges { cursor } } }', "boards:read", True, "DRAW_NOT_FOUND"),
    "reserveReward": Asked(
        'mutation { reserveReward(input: {member: "anna", reward: "x", idempotencyKey: "k"}) { __typename } }',
        "rewards:write",
        True,
    ),
    "captureRedemption": Asked(
        'mutation { captureRedemption(input: {redemption: "x", idempotencyKey: "k"}) { __typename } }',
        "rewards:write",
        False,
    ),
    "voidRedemption": Asked(
        'mutation { voidRedemption(input: {redemption: "x", idempotencyKey: "k"}) { __typename } }',
        "rewards:write",
        True,
    ),
    "closePeriod": Asked(
        'mutation { closePeriod(input: {period: "2026-10", idempotencyKey: "k"}) { __typename } }',
        "points:write",
        False,
    ),
    "applyProgram": Asked("mutation { applyProgram(input: {document: {}}) { __typename } }", "programs:write", False),
    "advanceTestClock": Asked(
        'mutation { advanceTestClock(input: {to: "2026-11-21T13:00:00Z"}) { __typename } }', "clock:write", False
    ),
}


async def code(house: House, text: str, key: str | None) -> str:
    reply = await house.service.ask(text, key=key)
    return str(reply["errors"][0]["extensions"]["code"]) if "errors" in reply else "OK"


@pytest.mark.parametrize("name", FIELDS)
async def test_callers(house: House, name: str) -> None:
    asked = FIELDS[name]
    await house.bought("anna", "e1", 5)
    assert await code(house, asked.text, None) == "UNAUTHENTICATED"
    others = await house.service.key(house.program.id, set(ALL_SCOPES) - {asked.scope})
    assert await code(house, asked.text, others) == (asked.answer if asked.scope is None else "FORBIDDEN")
    if asked.scope:
        assert await code(house, asked.text, await house.service.key(house.program.id, [asked.scope])) == asked.answer
    assert await code(house, asked.text, house.token("anna")) == (asked.answer if asked.member else "FORBIDDEN")


def test_no_field_is_forgotten() -> None:
    assert set(FIELDS) == {"me", "member", "members", "leaderboard", "activity", "program", "node", "nodes"} | {
        "recordEvents",
        "reverseEvent",
        "amendEvent",
        "eraseMember",
        *("mergeMembers", "unmergeMembers"),
        "setConsent",
        "consents",
        "exportMember",
        "setMemberTimezone",
        "setMemberAttributes",
        "setMemberAlias",
        "leaveLeaderboards",
        "returnToLeaderboards",
        "joinChallenge",
        "leaveChallenge",
        "buyStreakFreeze",
        "restoreStreak",
        "addToList",
        "removeFromList",
        "rollForward",
        *("liability", "breakage", "rewardCosts"),
        "journal",
        *("draw", "drawEntries", "reserveReward", "captureRedemption", "voidRedemption"),
        "closePeriod",
        "applyProgram",
        "advanceTestClock",
    }


async def test_operator_works_in_the_program_that_it_names(house: House) -> None:
    service = house.service
    named = await service.ask("{ program { key } }", key=service.operator, program=house.program.key)
    assert named["data"] == {"program": {"key": house.program.key}}
    for program in (None, "no-such-program"):
        reply = await service.ask("{ program { key } }", key=service.operator, program=program)
        assert reply["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_program_is_found_as_soon_as_its_operator_made_it(service: Service) -> None:
    key = "made-a-moment-ago"
    before = await service.ask("{ program { key } }", key=service.operator, program=key)
    assert before["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    text = "mutation($document: JSON!) { applyProgram(input: {document: $document}) { __typename } }"
    await service.ask(text, {"document": document(key)}, key=service.operator, program=key)
    after = await service.ask("{ program { key } }", key=service.operator, program=key)
    assert after["data"] == {"program": {"key": key}}


async def test_key_of_one_program_sees_nothing_of_another(house: House, real: House) -> None:
    await house.bought("anna", "e1", 5)
    mine = await house.data('{ member(externalId: "anna") { id cursor } }')
    refusal = await real.refusal('{ member(externalId: "anna") { id } }')
    assert (refusal["code"], refusal["path"]) == ("MEMBER_NOT_FOUND", ["member"])
    found = await real.data("query($id: ID!) { node(id: $id) { id } members { edges { cursor } } }", mine["member"])
    assert found == {"node": None, "members": {"edges": []}}


@pytest.mark.parametrize("token", ["nonsense", "ek_0123456789abcdef_" + "a" * 43, "a.b.c", "ek_é", "..", "ek_"])
async def test_unknown_credential_is_unauthenticated(house: House, token: str) -> None:
    reply = await house.service.client.post(
        "/graphql", json={"query": "{ program { key } }"}, headers={b"Authorization": f"Bearer {token}".encode()}
    )
    assert reply.status_code == 401
    assert reply.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_revoked_key_is_refused(house: House) -> None:
    key = await house.service.key(house.program.id, ALL_SCOPES)

    async def revoke(unit: Unit) -> int:
        return await unit.execute("UPDATE credential SET revoked_at = now() WHERE id = $1", key.split("_")[1])

    assert await house.service.database.run(revoke, ALL) == 1
    assert await code(house, "{ program { key } }", key) == "UNAUTHENTICATED"


def signed(house: House, secret: bytes | None = None, algorithm: str = "HS256", **claims: object) -> str:
    now = int(datetime.now(UTC).timestamp())
    said = {"aud": house.program.key, "sub": "anna", "iat": now, "exp": now + 300, **claims}
    return jwt.encode(
        {"alg": algorithm},
        {name: value for name, value in said.items() if value is not None},
        OctKey.import_key(secret or house.program.token_secret),
        algorithms=[algorithm],
    )


async def test_sound_token_is_accepted(house: House) -> None:
    assert await code(house, "{ program { key } }", signed(house)) == "OK"


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": b"another secret of 32 bytes in all"},
        {"algorithm": "HS512"},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"aud": "another-program"},
        {"aud": ["several"]},
        {"aud": "\0"},
        {"exp": 10**18},
        {"exp": "soon"},
    ],
    ids=str,
)
async def test_unsound_token_is_refused(house: House, claims: dict[str, object]) -> None:
    assert await code(house, "{ program { key } }", signed(house, **claims)) == "UNAUTHENTICATED"  # type: ignore[arg-type]


async def test_token_lives_between_its_instants(house: House) -> None:
    now = datetime.now(UTC)

    def at(iat: int, exp: int) -> str:
        start = int(now.timestamp())
        return signed(house, iat=start + iat, exp=start + exp)

    ask = "{ program { key } }"
    assert await code(house, ask, at(-600, -30)) == "OK"
    assert await code(house, ask, at(-600, -61)) == "UNAUTHENTICATED"
    assert await code(house, ask, at(30, 300)) == "OK"
    assert await code(house, ask, at(90, 300)) == "UNAUTHENTICATED"
    assert await code(house, ask, at(0, 901)) == "UNAUTHENTICATED"


def test_tokens_are_minted_for_a_quarter_of_an_hour_at_most(house: House) -> None:
    token = tokens.mint(house.program, "anna", 15)
    claims = tokens.verify(house.program, token, datetime.now(UTC))
    assert claims.external_id == "anna"
    assert timedelta(minutes=15) < claims.expires_at - datetime.now(UTC) <= timedelta(minutes=16)
    for minutes in (0, 16):
        with pytest.raises(InvalidInput):
            tokens.mint(house.program, "anna", minutes)


async def test_subscription_asks_for_a_credential(house: House) -> None:
    await house.bought("anna", "e1", 5)
    weak = await house.service.key(house.program.id, ["events:write"])
    async with following(house.service, weak, member="anna") as updates:
        assert await updates.refusal() == "FORBIDDEN"
    async with following(house.service, house.token("anna"), member="bert") as updates:
        assert await updates.refusal() == "FORBIDDEN"
    async with following(house.service, house.key) as updates:
        assert await updates.refusal() == "INVALID_INPUT"
