"""What members agreed to, and all that is kept on one of them."""

import base64
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from engagement.records import personal
from tests.api.conftest import APPLY, House, document
from tests.conftest import Urls

SET = """mutation($input: SetConsentInput!) { setConsent(input: $input) {
  __typename
  ... on SetConsentSuccess { member changed replayed consent { purpose given version source toldBy } }
  ... on UserError { code field }
} }"""
CONSENTS = "query($member: ID, $purpose: String) { consents(member: $member, purpose: $purpose) { purpose given version toldBy } }"
EXPORT = """query($member: ID!, $first: Int, $after: String) { exportMember(member: $member, first: $first, after: $after) {
  cursor rows { table row }
} }"""
NEWS = {"key": "news", "name": "News by e-mail", "texts": {"de": {"name": "Neues per E-Mail"}}}


async def asking(house: House, *purposes: dict[str, Any]) -> None:
    written = document(house.program.key, purposes=list(purposes))
    applied = await house.data(APPLY, {"input": {"document": written}}, key=house.key)
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied


async def say(house: House, given: bool, key: str, purpose: str = "news", token: str | None = None, **more: Any) -> Any:
    wanted = {"purpose": purpose, "given": given, "idempotencyKey": key, **more}
    return (await house.data(SET, {"input": wanted}, key=token))["setConsent"]


async def test_a_consent_names_the_words_that_were_in_force(house: House) -> None:
    await asking(house, NEWS)
    token = house.token("anna")
    first = await say(house, True, "1", token=token, source="form 3")
    assert (first["changed"], first["consent"]) == (
        True,
        {"purpose": "news", "given": True, "version": 1, "source": "form 3", "toldBy": "MEMBER"},
    )
    assert (await say(house, True, "1", token=token, source="form 3"))["replayed"]
    assert not (await say(house, True, "2", member="anna"))["changed"]
    await asking(house, {**NEWS, "description": "And of our partners."}, {"key": "profile"})
    again = await say(house, True, "3", member="anna")
    assert (again["changed"], again["consent"]["version"], again["consent"]["toldBy"]) == (True, 2, "SERVER")
    await say(house, False, "4", token=token)
    await say(house, True, "5", "profile", token=token)
    held = (await house.data(CONSENTS, key=token))["consents"]
    assert [(each["purpose"], each["given"], each["version"]) for each in held] == [
        ("news", False, 2),
        ("profile", True, 1),
    ]
    every = (await house.data(CONSENTS, {"member": "anna", "purpose": "news"}))["consents"]
    assert [(each["given"], each["version"], each["toldBy"]) for each in every] == [
        (False, 2, "MEMBER"),
        (True, 2, "SERVER"),
        (True, 1, "MEMBER"),
    ]


async def test_what_cannot_be_agreed_to(house: House) -> None:
    await asking(house, NEWS)
    for purpose in ("nothing", "", "a\0b", "points"):
        assert (await say(house, True, "1", purpose, member="anna"))["code"] == "NOT_FOUND"
    for wrong in ({"source": "x" * 201}, {"source": "a\0b"}, {"member": "a\0b"}, {"member": ""}):
        assert (await say(house, True, "1", **{"member": "anna", **wrong}))["code"] == "INVALID_INPUT"
    await asking(house)
    assert (await say(house, True, "1", member="anna"))["code"] == "NOT_FOUND"
    assert (await house.data(CONSENTS, {"member": "a\0b"}))["consents"] == []
    refused = await house.refusal(CONSENTS, {"member": "anna"}, key=house.token("bert"))
    assert refused["code"] == "FORBIDDEN"


async def test_all_that_is_kept_on_a_member_is_read_and_nothing_of_others(house: House) -> None:
    await asking(house, NEWS)
    token = house.token("anna")
    await say(house, True, "1", token=token)
    for number in range(3):
        await house.bought("anna", f"e{number}", 10 + number)
        await house.bought("bert", f"b{number}", 500)
    pages, after = 0, None
    rows: list[dict[str, Any]] = []
    while pages == 0 or after is not None:
        page = (await house.data(EXPORT, {"member": "anna", "first": 4, "after": after}))["exportMember"]
        after, pages, rows = page["cursor"], pages + 1, [*rows, *page["rows"]]
    assert pages > 3
    whole = (await house.data(EXPORT, {"member": "anna", "first": 500}))["exportMember"]
    assert (whole["rows"], whole["cursor"]) == (rows, None)
    tables = [each["table"] for each in rows]
    assert {"member", "member_state", "consent", "event", "wallet", "lot", "transfer", "activity"} <= set(tables)
    assert tables.count("event") == tables.count("lot") - 1 == 3
    assert [each["row"]["external_id"] for each in rows if each["table"] == "member"] == ["anna"]
    assert {each["row"]["properties"]["amount"] for each in rows if each["table"] == "event"} == {10, 11, 12}
    assert "bert" not in str(rows)
    assert len({each["row"].get("member_id") for each in rows[1:]}) == 1


async def test_cursors_of_others_are_refused(house: House) -> None:
    await house.bought("anna", "e", 1)
    assert (await house.refusal(EXPORT, {"member": "nobody"}))["code"] == "NOT_FOUND"
    assert (await house.refusal(EXPORT, {"member": "a\0b"}))["code"] == "NOT_FOUND"
    assert (await house.refusal(EXPORT, {"member": "anna"}, key=house.token("anna")))["code"] == "FORBIDDEN"
    assert (await house.refusal(EXPORT, {"member": "anna", "first": 501}))["code"] == "INVALID_INPUT"
    who = str(uuid4())
    for place in (
        *(["personal", "event", ["a\0b", who]], ["personal", "event", []], ["personal", "credential", ["k", who]]),
        *(["personal", "lot", ["a", "b", who]], ["personal", "activity", ["x", who]], ["personal", "lot", ["a", "b"]]),
        *(["personal", "activity", [str(2**63), who]], ["personal", "hold", ["x", who]], ["teams", "t"]),
        ["personal", "contribution", ["c", "p", "yesterday", who]],
    ):
        cursor = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
        assert (await house.refusal(EXPORT, {"member": "anna", "after": cursor}))["code"] == "INVALID_CURSOR", place
    end = base64.urlsafe_b64encode(msgspec.json.encode(["personal", "activity", ["7", who]])).decode().rstrip("=")
    assert (await house.data(EXPORT, {"member": "anna", "after": end}))["exportMember"]["rows"] == []


async def test_every_table_of_members_is_exported_or_left_out_for_a_reason(database: Urls) -> None:
    """A new table with `member_id` is exported, or says why not: in `personal`."""
    owner = await asyncpg.connect(database.owner)
    try:
        rows = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'member_id' AND table_schema = 'public'"
        )
    finally:
        await owner.close()
    assert sorted([*personal.EXPORTED, *personal.LEFT_OUT]) == sorted({"member", *(row["table_name"] for row in rows)})
