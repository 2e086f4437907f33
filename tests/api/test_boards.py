from typing import Any

import pytest

from tests.api.conftest import ADVANCE, APPLY, NOON, House, document

BOARD = """query($key: String!, $period: String, $first: Int, $after: String, $around: ID) {
  leaderboard(key: $key, period: $period, first: $first, after: $after, around: $around) {
    key name period startsAt endsAt total entries { rank member score reachedAt }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def scored(house: House) -> None:
    for number in range(1, 8):
        await house.bought(f"m{number}", "e1", 10 * number)


async def board(house: House, **variables: object) -> dict[str, Any]:
    found: dict[str, Any] = (await house.data(BOARD, variables))["leaderboard"]
    return found


async def test_board_from_the_top(house: House) -> None:
    await scored(house)
    found = await board(house, key="monthly", first=2)
    assert found | {"pageInfo": None} == {
        "key": "monthly",
        "name": "This month",
        "period": "2026-11",
        "startsAt": "2026-11-01T04:00:00Z",
        "endsAt": "2026-12-01T05:00:00Z",
        "total": 7,
        "entries": [
            {"rank": 1, "member": "m7", "score": 70, "reachedAt": NOON},
            {"rank": 2, "member": "m6", "score": 60, "reachedAt": NOON},
        ],
        "pageInfo": None,
    }
    assert (found["pageInfo"]["hasNextPage"], found["pageInfo"]["hasPreviousPage"]) == (True, False)
    last = await board(house, key="monthly", first=10, after=found["pageInfo"]["endCursor"])
    assert [each["rank"] for each in last["entries"]] == [3, 4, 5, 6, 7]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_board_around_a_member(house: House) -> None:
    await scored(house)
    found = await board(house, key="ever", around="m4", first=3)
    assert [each["member"] for each in found["entries"]] == ["m5", "m4", "m3"]
    assert (found["period"], found["startsAt"], found["endsAt"], found["total"]) == ("", None, None, 7)


async def test_members_read_boards_too(house: House) -> None:
    await scored(house)
    data = await house.data(BOARD, {"key": "ever", "around": "m1"}, key=house.token("m1"))
    assert data["leaderboard"]["entries"][-1]["member"] == "m1"


async def test_past_and_empty_periods_are_boards(house: House) -> None:
    await scored(house)
    past = await board(house, key="monthly", period="2026-10")
    assert (past["period"], past["total"], past["entries"]) == ("2026-10", 0, [])
    assert past["pageInfo"]["endCursor"] is None


async def test_null_is_as_if_left_out(house: House) -> None:
    await scored(house)
    nulls = dict.fromkeys(("period", "first", "after", "around"))
    assert await board(house, key="monthly", **nulls) == await board(house, key="monthly")


@pytest.mark.parametrize(
    ("variables", "code", "field"),
    [
        ({"key": "none"}, "LEADERBOARD_NOT_FOUND", "key"),
        ({"key": "monthly", "period": "2026"}, "INVALID_INPUT", "period"),
        ({"key": "monthly", "period": "2026-13"}, "INVALID_INPUT", "period"),
        ({"key": "ever", "period": "2026-11"}, "INVALID_INPUT", "period"),
        ({"key": "ever", "around": "nobody"}, "MEMBER_NOT_ON_LEADERBOARD", "around"),
        ({"key": "ever", "around": "\0"}, "MEMBER_NOT_ON_LEADERBOARD", "around"),
        ({"key": "\0"}, "LEADERBOARD_NOT_FOUND", "key"),
        ({"key": "monthly", "period": "\0"}, "INVALID_INPUT", "period"),
        ({"key": "ever", "first": 0}, "INVALID_INPUT", "first"),
        ({"key": "ever", "first": 101}, "INVALID_INPUT", "first"),
        ({"key": "ever", "after": "x"}, "INVALID_CURSOR", "after"),
        ({"key": "ever", "after": "x", "around": "m1"}, "INVALID_INPUT", "around"),
    ],
)
async def test_mistakes_are_coded(house: House, variables: dict[str, object], code: str, field: str) -> None:
    refusal = await house.refusal(BOARD, variables)
    assert (refusal["code"], refusal["field"], refusal["path"]) == (code, field, ["leaderboard"])


async def test_cursor_belongs_to_one_period_of_one_board(house: House) -> None:
    await scored(house)
    cursor = (await board(house, key="monthly", first=1))["pageInfo"]["endCursor"]
    for other in ({"key": "ever"}, {"key": "monthly", "period": "2026-10"}):
        assert (await house.refusal(BOARD, {**other, "after": cursor}))["code"] == "INVALID_CURSOR"


async def test_other_programs_scores_are_not_shown(house: House, real: House) -> None:
    await scored(house)
    assert (await board(real, key="ever"))["total"] == 0


GROUPED = """query($key: String!, $group: String, $period: String, $around: ID, $after: String) {
  leaderboard(key: $key, group: $group, period: $period, around: $around, after: $after) {
    group total minimumScore minimumCohort withheld entries { rank member alias score }
    own { member rank score unranked } pageInfo { hasNextPage endCursor } } }"""
SHOWN = """
  __typename
  ... on ShowMemberSuccess { member alias hidden changed replayed }
  ... on UserError { code message field }"""
ALIAS = f"mutation($input: SetMemberAliasInput!) {{ shown: setMemberAlias(input: $input) {{ {SHOWN} }} }}"
LEAVE = f"mutation($input: LeaveLeaderboardsInput!) {{ shown: leaveLeaderboards(input: $input) {{ {SHOWN} }} }}"
RETURN = LEAVE.replace("leaveLeaderboards", "returnToLeaderboards")
POINTS = {"measure": {"points": "points"}}


async def with_boards(house: House, *boards: dict[str, Any]) -> None:
    """Give the house other boards, and an attribute to group by."""
    attributes = [{"key": "city", "type": "string"}]
    given = {"input": {"document": document(house.program.key, attributes=attributes, leaderboards=[*boards])}}
    assert (await house.data(APPLY, given))["applyProgram"]["__typename"] == "ApplyProgramSuccess"


async def lives_in(house: House, city: str, *members: str) -> None:
    text = """mutation($input: SetMemberAttributesInput!) { setMemberAttributes(input: $input) { __typename } }"""
    for member in members:
        given = {"member": member, "attributes": {"city": city}, "idempotencyKey": f"{member} {city}"}
        await house.data(text, {"input": given})


async def grouped(house: House, key: str | None = None, **variables: object) -> dict[str, Any]:
    found: dict[str, Any] = (await house.data(GROUPED, {"key": "b", **variables}, key=key))["leaderboard"]
    return found


async def rescored(house: House, member: str, identity: str, amount: int) -> dict[str, tuple[int, int | None]]:
    """The scores that a purchase brings, and the ranks, by leaderboard."""
    effects = (await house.bought(member, identity, amount))["effects"]
    scores = [each for each in effects if each["__typename"] == "LeaderboardScored"]
    return {each["leaderboard"]: (each["score"], each["rank"]) for each in scores}


async def shown(house: House, text: str, key: str | None = None, **given: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.data(text, {"input": {"idempotencyKey": "k", **given}}, key=key))["shown"]
    return answer


async def test_each_group_is_a_board_and_members_see_theirs(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS, "group_by": "city"})
    await lives_in(house, "rome", "m1", "m2", "m4")
    await lives_in(house, "oslo", "m3", "m5")
    for number in range(1, 4):
        await house.bought(f"m{number}", "e1", 10 * number)
    rome, oslo = await grouped(house, group="rome"), await grouped(house, group="oslo")
    assert [(each["rank"], each["member"]) for each in rome["entries"]] == [(1, "m2"), (2, "m1")]
    assert [(each["rank"], each["member"]) for each in oslo["entries"]] == [(1, "m3")]
    assert (rome["group"], rome["total"], rome["own"]) == ("rome", 2, None)
    # Where she is asked about, or asks, it is hers; also where she has not scored yet.
    own = {"member": "m1", "rank": 2, "score": 10, "unranked": None}
    for asked in ({"around": "m1"}, {"key": house.token("m1")}):
        found = await grouped(house, **asked)
        assert (found["group"], found["own"]) == ("rome", own)
    found = await grouped(house, key=house.token("m5"))
    assert (found["group"], found["total"], found["own"]) == ("oslo", 1, None)
    # She has moved, and competes where she began.
    await lives_in(house, "oslo", "m1")
    assert await rescored(house, "m1", "e2", 5) == {"b": (15, 2)}
    assert (await grouped(house, around="m1"))["group"] == "rome"


@pytest.mark.parametrize(
    ("variables", "code", "field"),
    [
        ({}, "INVALID_INPUT", "group"),
        ({"group": "\0"}, "INVALID_INPUT", "group"),
        ({"around": "nobody"}, "INVALID_INPUT", "group"),
        ({"group": "oslo", "around": "m1"}, "MEMBER_NOT_ON_LEADERBOARD", "around"),
        ({"key": "ever", "group": "rome"}, "INVALID_INPUT", "group"),
    ],
)
async def test_mistakes_about_groups_are_coded(
    house: House, variables: dict[str, object], code: str, field: str
) -> None:
    await with_boards(house, {"key": "b", **POINTS, "group_by": "city"}, {"key": "ever", **POINTS})
    await lives_in(house, "rome", "m1")
    await house.bought("m1", "e1", 5)
    refusal = await house.refusal(GROUPED, {"key": "b", **variables})
    assert (refusal["code"], refusal["field"]) == (code, field)


async def test_a_cursor_belongs_to_its_group(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS, "group_by": "city"})
    await lives_in(house, "rome", "m1")
    await house.bought("m1", "e1", 5)
    cursor = (await grouped(house, group="rome"))["pageInfo"]["endCursor"]
    refusal = await house.refusal(GROUPED, {"key": "b", "group": "oslo", "after": cursor})
    assert refusal["code"] == "INVALID_CURSOR"


async def test_who_is_below_the_minimum_is_not_ranked_and_sees_herself(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS, "minimum_score": 30})
    await scored(house)
    found = await grouped(house, around="m2")
    assert (found["total"], found["minimumScore"], found["entries"]) == (5, 30, [])
    assert found["own"] == {"member": "m2", "rank": None, "score": 20, "unranked": "BELOW_MINIMUM"}
    # What the board does not show of her is for herself, and for keys that read members.
    widget = await house.service.key(house.program.id, ["boards:read"])
    for key in (house.token("m1"), widget):
        refusal = await house.refusal(GROUPED, {"key": "b", "around": "m2"}, key=key)
        assert refusal["code"] == "MEMBER_NOT_ON_LEADERBOARD"
        assert len((await grouped(house, around="m4", key=key))["entries"]) == 5
    assert (await grouped(house, around="m2", key=house.token("m2")))["own"] == found["own"]
    assert [each["member"] for each in (await grouped(house))["entries"]] == ["m7", "m6", "m5", "m4", "m3"]
    assert await rescored(house, "m2", "e2", 9) == {"b": (29, None)}
    assert await rescored(house, "m2", "e3", 1) == {"b": (30, 5)}


async def test_a_board_of_too_few_shows_nobody_but_oneself(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS, "minimum_cohort": 3})
    await house.bought("m1", "e1", 10)
    await house.bought("m2", "e1", 20)
    found = await grouped(house)
    assert (found["total"], found["minimumCohort"], found["withheld"]) == (2, 3, "TOO_FEW_MEMBERS")
    assert (found["entries"], found["pageInfo"]) == ([], {"hasNextPage": False, "endCursor": None})
    alone = [{"rank": 2, "member": "m1", "alias": None, "score": 10}]
    for asked in ({"around": "m1"}, {"key": house.token("m1")}):
        assert (await grouped(house, **asked))["entries"] == alone
    of_another = await grouped(house, around="m1", key=house.token("m2"))
    assert (of_another["entries"], of_another["own"]) == ([], None)
    await house.bought("m3", "e1", 30)
    found = await grouped(house)
    assert (found["withheld"], [each["member"] for each in found["entries"]]) == (None, ["m3", "m2", "m1"])


async def test_a_member_is_shown_under_the_name_that_she_chose(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS})
    await scored(house)
    for alias, kept in (("  Z\u00f6e 🏆 ", "Z\u00f6e 🏆"), ("x" * 40, "x" * 40)):
        answer = await shown(house, ALIAS, key=house.token("m7"), alias=alias, idempotencyKey=alias[:5])
        assert answer == {
            "__typename": "ShowMemberSuccess",
            "member": "m7",
            "alias": kept,
            "hidden": False,
            "changed": True,
            "replayed": False,
        }
        assert (await grouped(house))["entries"][0]["alias"] == kept
    assert (await house.data('{ member(externalId: "m7") { alias hidden } }'))["member"] == {
        "alias": "x" * 40,
        "hidden": False,
    }
    assert (await shown(house, ALIAS, member="m7", idempotencyKey="none"))["alias"] is None
    assert (await grouped(house))["entries"][0]["alias"] is None


@pytest.mark.parametrize("alias", ["", "   ", "x" * 41, "a\nb", "a\0b", "a\u202eb", "\u200b"])
async def test_what_is_no_name_is_refused(house: House, alias: str) -> None:
    answer = await shown(house, ALIAS, member="m1", alias=alias)
    assert (answer["code"], answer["field"]) == ("INVALID_INPUT", "alias")


async def test_who_leaves_the_boards_is_on_none_until_she_returns(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS}, {"key": "months", **POINTS, "window": {"calendar": "month"}})
    await scored(house)
    token = house.token("m7")
    answer = await shown(house, LEAVE, key=token)
    assert (answer["hidden"], answer["changed"], answer["replayed"]) == (True, True, False)
    assert (await shown(house, LEAVE, key=token))["replayed"]
    assert not (await shown(house, LEAVE, key=token, idempotencyKey="again"))["changed"]
    # What she earns afterwards is counted, on boards that she was on and on others, and ranked on none.
    effects = (await house.bought("m7", "e2", 5))["effects"]
    late = (await house.bought("m7", "e3", 5, at="2026-12-05T12:00:00Z"))["effects"]
    assert {each["rank"] for each in (*effects, *late) if each["__typename"] == "LeaderboardScored"} == {None}
    for key, period in (("b", None), ("months", "2026-11"), ("months", "2026-12")):
        found = await grouped(house, key=token) if key == "b" else await board(house, key=key, period=period)
        assert "m7" not in [each["member"] for each in found["entries"]]
        assert found["total"] == (0 if period == "2026-12" else 6)
    found = await grouped(house, around="m7")
    assert (found["entries"], found["own"]["score"], found["own"]["unranked"]) == ([], 80, "HIDDEN")
    assert (await shown(house, RETURN, member="m7"))["changed"]
    assert (await grouped(house))["entries"][0] == {"rank": 1, "member": "m7", "alias": None, "score": 80}
    assert (await board(house, key="months", period="2026-12"))["total"] == 1


async def test_a_members_token_speaks_for_herself_alone(house: House) -> None:
    for text in (ALIAS, LEAVE, RETURN):
        given = {"input": {"member": "m2", "idempotencyKey": "k"}}
        assert (await house.refusal(text, given, key=house.token("m1")))["code"] == "FORBIDDEN"


CLOSED = """query($first: Int, $after: String, $around: ID) {
  leaderboard(key: "b", period: "2026-11", first: $first, after: $after, around: $around) {
    state endsAt closesAt closedAt total entries { rank member alias score } own { rank score unranked }
    pageInfo { hasNextPage hasPreviousPage endCursor } } }"""


async def closed(house: House, key: str | None = None, **variables: object) -> dict[str, Any]:
    found: dict[str, Any] = (await house.data(CLOSED, variables, key=key))["leaderboard"]
    return found


async def test_a_board_is_open_then_provisional_and_then_final(house: House) -> None:
    prizes = [{"rank": 1, "rewards": [{"points": 9, "currency": "gems"}]}]
    await with_boards(house, {"key": "b", **POINTS, "window": {"calendar": "month"}, "ties": "dense", "prizes": prizes})
    await scored(house)
    found = await closed(house)
    when = {"endsAt": "2026-12-01T05:00:00Z", "closesAt": "2026-12-03T05:00:00Z", "closedAt": None}
    assert {"state": "OPEN", **when}.items() <= found.items()
    for at, state in (("2026-12-01T05:00:00Z", "PROVISIONAL"), ("2026-12-03T05:00:00Z", "FINAL")):
        await house.data(ADVANCE, {"input": {"to": at}})
        found = await closed(house)
        assert found["state"] == state
    assert found["closedAt"] == "2026-12-03T05:00:00Z"
    feed = """{ activity(member: "m7", first: 1) { edges { node { effects {
      __typename ... on PrizeWon { leaderboard period group rank contenders at } } } } } }"""
    (told,) = (await house.data(feed))["activity"]["edges"]
    won = {"leaderboard": "b", "period": "2026-11", "group": None, "rank": 1, "contenders": 7, "at": found["closedAt"]}
    assert {"__typename": "PrizeWon", **won} in told["node"]["effects"]
    # What becomes known by now changes what was earned, and nothing here.
    await house.bought("m1", "late", 500)
    await house.bought("m8", "late", 500)
    assert (await closed(house))["entries"] == found["entries"]
    assert (await closed(house, around="m1"))["own"] == {"rank": 7, "score": 10, "unranked": None}
    assert await closed(house, around="m8") | {"pageInfo": None} == {
        "state": "FINAL",
        **when,
        "closedAt": found["closedAt"],
        "total": 7,
        "entries": [],
        "pageInfo": None,
        "own": {"rank": None, "score": 500, "unranked": "CLOSED"},
    }


async def test_a_final_board_is_read_like_any_other(house: House) -> None:
    await with_boards(house, {"key": "b", **POINTS, "window": {"calendar": "month"}, "close_after_hours": 1})
    await scored(house)
    open_ = [
        await closed(house, first=3),
        await closed(house, first=3, around="m4"),
        await closed(house, first=4, around="m1"),
    ]
    await house.data(ADVANCE, {"input": {"to": "2026-12-02T05:00:00Z"}})
    final = [
        await closed(house, first=3),
        await closed(house, first=3, around="m4"),
        await closed(house, first=4, around="m1"),
    ]
    same = ("total", "entries", "own", "pageInfo")
    assert [{name: each[name] for name in same} for each in final] == [
        {name: each[name] for name in same} for each in open_
    ]
    after = await closed(house, first=3, after=final[0]["pageInfo"]["endCursor"])
    assert [each["rank"] for each in after["entries"]] == [4, 5, 6]
    # Who leaves is shown no more; the others stand where they stood, and she sees where she did.
    await shown(house, LEAVE, member="m6")
    left = await closed(house, key=house.token("m6"), first=3)
    assert [(each["rank"], each["member"]) for each in left["entries"]] == [(1, "m7"), (3, "m5")]
    assert left["own"] == {"rank": 2, "score": 60, "unranked": None}
