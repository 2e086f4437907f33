"""Following a leaderboard, over real sockets: whole snapshots, soon, and not too many."""

import asyncio
import time
from typing import Any

from engagement.api.boards import SNAPSHOT_SECONDS
from tests.api.conftest import NOON, Following, House, following

FOLLOW = """subscription($key: String = "ever", $first: Int = 10) { leaderboardUpdates(key: $key, first: $first) {
  key name period startsAt endsAt total entries { rank member score reachedAt }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
ASKED = FOLLOW.replace("subscription", "query").replace("leaderboardUpdates", "leaderboard")


async def snapshot(updates: Following, seconds: float = 10) -> dict[str, Any]:
    message = await updates.next(seconds)
    assert message["type"] == "next", message
    assert "errors" not in message["payload"], message
    found: dict[str, Any] = message["payload"]["data"]["leaderboardUpdates"]
    return found


def scores(board: dict[str, Any]) -> dict[str, int]:
    return {each["member"]: each["score"] for each in board["entries"]}


async def until_scores(updates: Following, expected: dict[str, int]) -> int:
    """How many snapshots it took until one showed these scores."""
    count = 1
    while scores(await snapshot(updates)) != expected:
        count += 1
    return count


async def test_snapshot_comes_at_once_and_is_what_the_query_gives(house: House) -> None:
    await house.bought("anna", "e1", 10)
    async with following(house.service, house.key, text=FOLLOW) as updates:
        assert await snapshot(updates, 2) == (await house.data(ASKED))["leaderboard"]


async def test_change_is_told_soon(house: House) -> None:
    async with following(house.service, house.key, text=FOLLOW) as updates:
        assert (await snapshot(updates))["entries"] == []
        await house.bought("anna", "e1", 10)
        # Sooner than by looking now and then.
        assert scores(await snapshot(updates, 4)) == {"anna": 10}
        await house.bought("bert", "e1", 20)
        found = await snapshot(updates, 4)
        assert [each["member"] for each in found["entries"]] == ["bert", "anna"]
        assert found["total"] == 2
        assert found["entries"][0] == {"rank": 1, "member": "bert", "score": 20, "reachedAt": NOON}


async def test_many_changes_are_few_snapshots(house: House) -> None:
    async with following(house.service, house.key, text=FOLLOW) as updates:
        await snapshot(updates)
        began = time.monotonic()
        for number in range(40):
            await house.bought("anna", f"e{number}", 1)
        count = await until_scores(updates, {"anna": 40})
        assert count <= (time.monotonic() - began) / SNAPSHOT_SECONDS + 2


async def test_what_leaves_the_shown_part_alone_is_not_told(house: House) -> None:
    await house.bought("anna", "e1", 100)
    await house.bought("bert", "e1", 50)
    variables = FOLLOW.replace("= 10", "= 1")
    async with following(house.service, house.key, text=variables) as updates:
        assert scores(await snapshot(updates)) == {"anna": 100}
        await house.bought("bert", "e2", 1)
        await asyncio.sleep(SNAPSHOT_SECONDS * 2)
        await house.bought("anna", "e2", 1)
        assert scores(await snapshot(updates)) == {"anna": 101}


async def test_present_period_is_followed(house: House) -> None:
    text = FOLLOW.replace('"ever"', '"monthly"')
    async with following(house.service, house.key, text=text) as updates:
        assert (await snapshot(updates))["period"] == "2026-11"
        to = "2026-12-02T00:00:00Z"
        await house.data(f'mutation {{ advanceTestClock(input: {{to: "{to}"}}) {{ __typename }} }}')
        found = await snapshot(updates)
        assert (found["period"], found["total"]) == ("2026-12", 0)


async def test_who_may_follow(house: House) -> None:
    await house.bought("anna", "e1", 1)
    for key in (house.token("anna"), await house.service.key(house.program.id, ["boards:read"])):
        async with following(house.service, key, text=FOLLOW) as updates:
            assert scores(await snapshot(updates)) == {"anna": 1}
    async with following(house.service, await house.service.key(house.program.id, ["members:read"]), text=FOLLOW) as no:
        assert await no.refusal() == "FORBIDDEN"


async def test_mistakes_are_coded(house: House) -> None:
    for change, expected in (
        ('key: "none"', "LEADERBOARD_NOT_FOUND"),
        ('key: "\\u0000"', "LEADERBOARD_NOT_FOUND"),
        ('key: "ever", first: 0', "INVALID_INPUT"),
        ('key: "ever", first: 101', "INVALID_INPUT"),
    ):
        text = f"subscription {{ leaderboardUpdates({change}) {{ total }} }}"
        async with following(house.service, house.key, text=text) as updates:
            assert await updates.refusal() == expected
