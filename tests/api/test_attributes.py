"""Attributes over GraphQL: set, shown, and refused by type."""

from typing import Any

from tests.api.conftest import APPLY, START, House, document
from tests.api.test_amendments import refused

SET = """mutation($input: SetMemberAttributesInput!) { setMemberAttributes(input: $input) {
  __typename
  ... on SetMemberAttributesSuccess { member attributes at changed replayed effects { __typename } }
  ... on UserError { code message field }
} }"""


async def _set(house: House, said: Any, key: str) -> dict[str, Any]:
    given = {"input": {"member": "anna", "attributes": said, "idempotencyKey": key}}
    answer: dict[str, Any] = (await house.data(SET, given))["setMemberAttributes"]
    return answer


async def test_attributes_are_set_and_shown(house: House) -> None:
    written = document(house.program.key, attributes=[{"key": "city", "type": "string"}])
    applied = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert [each["kind"] for each in applied["changes"]] == ["attribute"]
    success = {"__typename": "SetMemberAttributesSuccess", "member": "anna", "at": START, "effects": []}
    rome = {**success, "attributes": {"city": "rome"}}
    assert await _set(house, {"city": "rome"}, "k1") == {**rome, "changed": True, "replayed": False}
    assert await _set(house, {"city": "rome"}, "k1") == {**rome, "changed": True, "replayed": True}
    assert await _set(house, {"city": "rome"}, "k2") == {**rome, "changed": False, "replayed": False}
    me = (await house.data("{ me { attributes } }", key=house.token("anna")))["me"]
    assert me["attributes"] == {"city": "rome"}
    assert refused(await _set(house, {"town": "rome"}, "k3")) == (
        "InvalidInputError",
        "INVALID_INPUT",
        "attributes.town",
    )
    assert refused(await _set(house, ["rome"], "k4")) == ("InvalidInputError", "INVALID_INPUT", "attributes")


LIST = """mutation($add: Boolean!, $input: ListInput!) {
  addToList(input: $input) @include(if: $add) { ...Told }
  removeFromList(input: $input) @skip(if: $add) { ...Told }
}
fragment Told on ListResult {
  __typename
  ... on ListSuccess { member list listed at changed replayed effects { __typename } }
  ... on UserError { code message field }
}"""


async def _list(house: House, key: str, segment: str = "vip", *, add: bool = True) -> dict[str, Any]:
    given = {"member": "anna", "list": segment, "idempotencyKey": key}
    (answer,) = (await house.data(LIST, {"add": add, "input": given})).values()
    found: dict[str, Any] = answer
    return found


async def test_lists_are_for_the_programs_eyes(house: House) -> None:
    written = document(house.program.key, segments=[{"key": "vip", "list": True}])
    await house.data(APPLY, {"input": {"document": written}})
    success = {"__typename": "ListSuccess", "member": "anna", "list": "vip", "at": START, "effects": []}
    assert await _list(house, "k1") == {**success, "listed": True, "changed": True, "replayed": False}
    assert await _list(house, "k1") == {**success, "listed": True, "changed": True, "replayed": True}
    assert refused(await _list(house, "k2", "gold")) == ("InvalidInputError", "INVALID_INPUT", "list")
    member = '{ member(externalId: "anna") { segments } }'
    assert (await house.data(member))["member"]["segments"] == ["vip"]
    assert (await house.data("{ me { segments } }", key=house.token("anna")))["me"]["segments"] is None
    assert await _list(house, "k3", add=False) == {**success, "listed": False, "changed": True, "replayed": False}
    assert (await house.data(member))["member"]["segments"] == []
