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
