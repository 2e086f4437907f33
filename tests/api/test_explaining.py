"""Explanations over GraphQL: to keys and to members, of late and reversed events, and of what nobody has."""

from typing import Any

from tests.api.conftest import APPLY, House, document
from tests.api.test_amendments import reverse

EVENT = """query($event: ID!, $member: ID) { explainEvent(event: $event, member: $member) {
  member event type occurredAt standing definitions { kind key name counted reason sentence }
} }"""
MEMBER = "query($member: ID) { explainMember(member: $member) { member definitions { kind key sentence } } }"
MORE: dict[str, Any] = {
    "badges": [{"key": "secret", "hidden": True, "on": "purchase", "levels": [{"target": 9}]}],
    "challenges": [
        {
            "key": "big",
            "name": "Big ones",
            "objectives": [{"on": "purchase", "when": "event.amount >= 100.0", "target": 2}],
        }
    ],
}


async def _explained(house: House, event: str, member: str | None = "anna", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await house.data(EVENT, {"event": event, "member": member}, **more))["explainEvent"]
    return found


async def test_an_event_is_explained_to_keys_and_to_its_member(house: House) -> None:
    await house.data(APPLY, {"input": {"document": document(house.program.key, **MORE)}})
    bought = await house.bought("anna", "e1", "12.50", "2026-11-22T12:00:00Z")
    await house.bought("anna", "e2", "7.00", "2026-11-23T12:00:00Z")
    found = await _explained(house, "e1")
    assert (found["member"], found["event"], found["type"], found["standing"]) == ("anna", "e1", "purchase", "COUNTS")
    lines = {each["key"]: each for each in found["definitions"]}
    points = next(each for each in bought["effects"] if each["__typename"] == "PointsEarned")
    earned = lines[points["source"]]
    assert (earned["counted"], earned["reason"]) == (True, "COUNTED")
    assert f"It gave {points['points']} " in earned["sentence"]
    assert lines["big"]["reason"] == "CONDITION_NOT_MET"
    assert lines["big"]["sentence"] == (
        "Its condition is not met: `event.amount >= 100.0`; the event had amount 12.50."
    )
    own = await _explained(house, "e1", None, key=house.token("anna"))
    told = {each["key"]: each["sentence"] for each in own["definitions"]}
    assert told["big"] == "This was not of the kind that counts."
    assert "secret" not in told
    assert "secret" in lines


async def test_what_does_not_count_says_so(house: House) -> None:
    await house.bought("anna", "e1", "12.50")
    await reverse(house, "e1")
    assert (await _explained(house, "e1"))["standing"] == "REVERSED"
    assert (await _explained(house, "e1"))["definitions"] == []
    for asked, code in (({"event": "e9"}, "EVENT_NOT_FOUND"), ({"event": "e1", "member": "bob"}, "MEMBER_NOT_FOUND")):
        refusal = await house.refusal(EVENT, {"member": "anna", **asked})
        assert refusal["code"] == code
    strange = await house.refusal(EVENT, {"event": "e1", "member": "anna"}, key=house.token("bob"))
    assert strange["code"] == "FORBIDDEN"


async def test_what_is_missing_is_told_in_words(house: House) -> None:
    await house.data(APPLY, {"input": {"document": document(house.program.key, **MORE)}})
    await house.bought("anna", "e1", "120.00", "2026-11-22T12:00:00Z")
    found = (await house.data(MEMBER, {"member": "anna"}))["explainMember"]
    lines = {each["key"]: each["sentence"] for each in found["definitions"]}
    assert lines["big"] == "1 more time."
    assert lines["secret"] == "8 more times until 9."
    own = (await house.data(MEMBER, {}, key=house.token("anna")))["explainMember"]
    assert {each["key"] for each in own["definitions"]} == lines.keys() - {"secret"}
