"""Streaks over GraphQL: buying, restoring, what a screen offers, and the word before it is too late."""

from typing import Any

from engagement.cli.watch import WATCH
from tests.api.conftest import ADVANCE, APPLY, START, House, document, following
from tests.api.test_amendments import refused

BUY = """mutation($input: BuyStreakFreezeInput!) { buyStreakFreeze(input: $input) {
  __typename
  ... on BuyStreakFreezeSuccess { member streak at freezesHeld replayed effects { ... on PointsSpent { points source } } }
  ... on NotEnoughPointsError { currency points missing }
  ... on StreakRefusedError { reason }
  ... on UserError { code message field }
} }"""
RESTORE = """mutation($input: RestoreStreakInput!) { restoreStreak(input: $input) {
  __typename
  ... on RestoreStreakSuccess { member streak current replayed effects { __typename ... on StreakChanged { current restores } } }
  ... on StreakRefusedError { reason }
  ... on UserError { code message field }
} }"""
OFFER = "{ available reason price { currency points } missing until length }"
ME = f"""{{ me {{ streaks {{
  key current active freezesHeld restores needs objectives {{ current target remaining }} freezeOffer {OFFER} restoreOffer {OFFER}
}} }} }}"""
ZONE = """mutation($input: SetMemberTimezoneInput!) { setMemberTimezone(input: $input) { __typename } }"""
DAYS = {
    "key": "days",
    "objectives": [{"on": "purchase", "target": 2}],
    "period": "day",
    "freezes": {"hold_at_most": 1, "price": {"points": 30, "currency": "points"}},
    "restore": {"within": 3, "price": {"points": 10, "currency": "points"}},
}
PRICE = {"currency": "points", "points": 30}
TEN = {"currency": "points", "points": 10}


async def apply(house: House, *streaks: dict[str, Any]) -> None:
    given = {"input": {"document": document(house.program.key, streaks=[*streaks])}}
    applied = await house.data(APPLY, given)
    assert applied["applyProgram"]["__typename"] == "ApplyProgramSuccess", applied


async def ask(house: House, text: str, identity: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    given = {"input": {"streak": "days", "idempotencyKey": identity, **more}}
    (answer,) = (await house.data(text, given, key=key or house.token("anna"))).values()
    found: dict[str, Any] = answer
    return found


async def advance(house: House, to: str) -> None:
    await house.data(ADVANCE, {"input": {"to": to, "idempotencyKey": to}})


async def streak(house: House) -> dict[str, Any]:
    ((found),) = (await house.data(ME, key=house.token("anna")))["me"]["streaks"]
    shown: dict[str, Any] = found
    return shown


async def test_a_member_buys_and_restores_with_her_own_token(house: House) -> None:
    await apply(house, DAYS)
    await house.bought("anna", "e1", 20, START)
    shown = await streak(house)
    assert (shown["active"], shown["needs"]) == (False, "ALL")
    assert shown["objectives"] == [{"current": "1", "target": "2", "remaining": "1"}]
    nothing = {"until": None, "length": None}
    offer = {"available": False, "reason": None, "price": PRICE, "missing": 10, **nothing}
    assert shown["freezeOffer"] == offer
    missing = await ask(house, BUY, "b1")
    assert (missing["__typename"], missing["missing"]) == ("NotEnoughPointsError", 10)
    await house.bought("anna", "e2", 40, START)
    success = {"__typename": "BuyStreakFreezeSuccess", "member": "anna", "streak": "days", "at": START}
    bought = {**success, "freezesHeld": 1, "effects": [{"points": 30, "source": "days"}]}
    assert await ask(house, BUY, "b2") == {**bought, "replayed": False}
    assert await ask(house, BUY, "b2") == {**bought, "replayed": True}
    assert (await ask(house, BUY, "b3"))["reason"] == "HOLDS_MOST"
    shown = await streak(house)
    assert (shown["current"], shown["active"], shown["freezesHeld"]) == (1, True, 1)
    assert shown["freezeOffer"] == {**offer, "reason": "HOLDS_MOST", "missing": 0}
    none = {"available": False, "reason": "NOT_BROKEN", "price": TEN, "missing": 0, **nothing}
    assert shown["restoreOffer"] == none
    # The freeze stands in for the 2nd, and nothing for the 3rd.
    await advance(house, "2026-11-04T12:00:00Z")
    shown = await streak(house)
    assert (shown["current"], shown["freezesHeld"]) == (0, 0)
    back = {"until": "2026-11-07T05:00:00Z", "length": 1}
    assert shown["restoreOffer"] == {**none, "available": True, "reason": None, **back}
    forbidden = {"input": {"streak": "days", "byStaff": True, "idempotencyKey": "r0"}}
    assert (await house.refusal(RESTORE, forbidden, key=house.token("anna")))["code"] == "FORBIDDEN"
    restored = await ask(house, RESTORE, "r1")
    assert (restored["__typename"], restored["current"], restored["replayed"]) == ("RestoreStreakSuccess", 1, False)
    assert restored["effects"] == [
        {"__typename": "PointsSpent"},
        {"__typename": "StreakChanged", "current": 1, "restores": 1},
    ]
    await advance(house, "2026-11-06T12:00:00Z")
    again = await ask(house, RESTORE, "r2")
    assert (again["__typename"], again["reason"], again["code"]) == ("StreakRefusedError", "USED_UP", "STREAK_REFUSED")
    assert (await ask(house, RESTORE, "r3", key=house.key, member="anna", byStaff=True))["current"] == 1
    assert refused(await ask(house, RESTORE, "r4", streak="none")) == ("NotFoundError", "NOT_FOUND", "streak")


async def test_who_may_lose_her_streak_is_told_at_the_hour_of_where_she_is(house: House) -> None:
    await apply(house, {"key": "days", "on": "purchase", "period": "day", "at_risk": "20:00"})
    await house.bought("anna", "e1", 20, START)
    cursor = (await house.data("{ me { externalId cursor } }", key=house.token("anna")))["me"]["cursor"]
    async with following(house.service, house.token("anna"), after=cursor, text=WATCH) as updates:
        await advance(house, "2026-11-02T14:00:00Z")
        given = {"member": "anna", "timezone": "America/Los_Angeles", "idempotencyKey": "z"}
        await house.data(ZONE, {"input": given})
        # The evening of New York passes, and nothing is told; then that of Los Angeles.
        await advance(house, "2026-11-03T03:59:59Z")
        await advance(house, "2026-11-03T04:00:00Z")
        update = await updates.update()
        while update["__typename"] == "Heartbeat":
            update = await updates.update()
        assert (update["at"], update["effects"]) == (
            "2026-11-03T04:00:00Z",
            [{"__typename": "StreakAtRisk", "streak": "days", "current": 1, "endsAt": "2026-11-03T08:00:00Z"}],
        )
        await advance(house, "2026-11-03T08:00:00Z")
        broken = await updates.update()
        while broken["__typename"] == "Heartbeat":
            broken = await updates.update()
        assert [each["broken"] for each in broken["effects"]] == [True]
    listed = await house.data("{ activity { edges { node { effects { __typename } } } } }", key=house.token("anna"))
    kinds = [each["__typename"] for edge in listed["activity"]["edges"] for each in edge["node"]["effects"]]
    assert kinds.count("StreakAtRisk") == 1
