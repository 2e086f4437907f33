from typing import Any

import pytest

from tests.api.conftest import NOON, House

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
