"""Reading control groups over GraphQL: who was held out beside the others."""

from typing import Any

import pytest

from achievements.controls import Share, seed_of
from engagement.actions import control_groups
from tests.api.conftest import APPLY, House, document
from tests.api.test_amendments import reverse

COMPARE = """query($kind: ComparedKind!, $key: String!, $from: DateTime, $to: DateTime) {
  controlGroup(kind: $kind, key: $key, from: $from, to: $to) {
    percent lift sampled heldOut { ...Group } others { ...Group }
  }
}
fragment Group on MembersCompared { members reached rate outcomes points }"""
FIRST, SECOND, LATER = "2026-11-05T12:00:00Z", "2026-11-06T12:00:00Z", "2026-11-20T12:00:00Z"
SHOP: dict[str, Any] = {
    "earn_rules": [
        {"key": "a_b", "on": "purchase", "earn": {"currency": "points", "fixed": 3}, "control_group": 50},
        {"key": "axb", "on": "purchase", "earn": {"currency": "points", "fixed": 100}},
        {"key": "gems", "on": "purchase", "earn": {"currency": "gems", "fixed": 4}},
    ],
    "boosts": [{"key": "triple", "factor": 3, "earn_rules": ["axb"], "control_group": 50}],
    "challenges": [
        {
            "key": "month",
            "objectives": [{"on": "purchase", "target": 2}],
            "window": {"calendar": "month"},
            "repeat": "each_window",
            "rewards": [{"points": 7, "currency": "points"}],
            "control_group": 50,
        },
        {"key": "open", "objectives": [{"on": "purchase", "target": 1}]},
    ],
    "badges": [{"key": "one", "on": "purchase", "levels": [{"target": 1}], "control_group": 50}],
    "tier_ladders": [
        {
            "key": "club",
            "measure": {"points": "points"},
            "tiers": [{"key": "low"}, {"key": "high", "from": 150}],
            "control_group": 50,
        }
    ],
    "streaks": [
        {
            "key": "days",
            "on": "purchase",
            "period": "day",
            "milestones": [{"at": 2, "rewards": [{"points": 1, "currency": "points"}]}],
            "control_group": 50,
        }
    ],
    "occasions": [
        {
            "key": "hello",
            "on": "welcome",
            "rewards": [{"points": 5, "currency": "points"}, {"voucher": "tea"}],
            "control_group": 50,
        }
    ],
    "vouchers": [{"key": "tea"}],
    "leaderboards": [{"key": "top", "measure": {"points": "gems"}, "control_group": 50}],
}


class Shop:
    """A program, and members of whom some are held out from the definition that is asked about."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def compare(self, kind: str, key: str, **span: str) -> dict[str, Any]:
        data = await self.house.data(COMPARE, {"kind": kind, "key": key, **span})
        found: dict[str, Any] = data["controlGroup"]
        return found

    def members(self, name: str, held: int, others: int) -> tuple[list[str], list[str]]:
        """So many members who are held out from a definition, and so many who are not."""
        share = Share(f"{self.house.program.key}/{name}", 50)
        names = [f"m{number}" for number in range(100)]
        out = [each for each in names if share.has(seed_of(each))]
        return out[:held], [each for each in names if each not in out][:others]


@pytest.fixture
async def shop(house: House) -> Shop:
    """A sandbox in which half of all members are held out from each of some definitions."""
    written = {**document(house.program.key), **SHOP}
    applied = (await house.data(APPLY, {"input": {"document": written}}))["applyProgram"]
    assert applied["__typename"] == "ApplyProgramSuccess", applied
    return Shop(house)


def _group(members: int, reached: int, outcomes: int, points: int) -> dict[str, Any]:
    rate = reached / members if members else 0.0
    return {"members": members, "reached": reached, "rate": rate, "outcomes": outcomes, "points": points}


async def test_those_held_out_stand_beside_the_others(shop: Shop) -> None:
    held, others = shop.members("challenges/month", 2, 3)
    for member in (*held, *others):
        await shop.house.bought(member, "p1", 5, FIRST)
    for member in (held[0], *others):
        await shop.house.bought(member, "p2", 5, SECOND)
    for event in ("d1", "d2"):
        await shop.house.bought(others[0], event, 5, "2026-12-02T12:00:00Z")
    await reverse(shop.house, "p2", others[2])
    whole = {"percent": 50, "sampled": False}
    month = {"heldOut": _group(2, 1, 1, 7), "others": _group(3, 2, 3, 21)}
    assert await shop.compare("CHALLENGE", "month") == {**whole, **month, "lift": pytest.approx(1 / 3)}
    november = {"from": SECOND, "to": "2026-12-01T00:00:00Z"}
    month["others"] = _group(3, 2, 2, 14)
    assert await shop.compare("CHALLENGE", "month", **november) == {**whole, **month, "lift": pytest.approx(1 / 3)}
    # What happens at its end is not within a time.
    empty = {"heldOut": _group(2, 0, 0, 0), "others": _group(3, 0, 0, 0)}
    assert await shop.compare("CHALLENGE", "month", to=SECOND) == {**whole, **empty, "lift": None}


@pytest.mark.parametrize(
    ("kind", "section", "key", "outcomes", "points"),
    [
        ("EARN_RULE", "earn_rules", "a_b", 2, 6),
        ("STREAK", "streaks", "days", 1, 1),
        ("OCCASION", "occasions", "hello", 2, 5),
        ("BADGE", "badges", "one", 1, 0),
        ("TIER_LADDER", "tier_ladders", "club", 1, 0),
        ("BOOST", "boosts", "triple", 2, 600),
        ("LEADERBOARD", "leaderboards", "top", 1, 8),
    ],
)
async def test_one_like_the_other_counts_the_same(
    shop: Shop, kind: str, section: str, key: str, outcomes: int, points: int
) -> None:
    held, others = shop.members(f"{section}/{key}", 1, 1)
    for member in (*held, *others):
        await shop.house.bought(member, "p1", 5, FIRST)
        await shop.house.bought(member, "p2", 5, SECOND)
    group = _group(1, 1, outcomes, points)
    both = {"heldOut": group, "others": group, "lift": 0.0}
    assert await shop.compare(kind, key) == {"percent": 50, "sampled": False, **both}


async def test_of_more_members_a_sample_is_compared(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "SAMPLE_MEMBERS", 4)
    monkeypatch.setattr(control_groups, "MEMBERS_AT_ONCE", 2)
    for number in range(4):
        await shop.house.bought(f"m{number}", "p1", 5, FIRST)
    for more in (False, True):
        found = await shop.compare("BADGE", "one")
        assert (found["sampled"], found["heldOut"]["members"] + found["others"]["members"]) == (more, 4)
        assert found["others"]["reached"] == found["others"]["members"]
        await shop.house.bought("m4", "p1", 5, FIRST)


async def test_what_cannot_be_compared_is_refused(shop: Shop) -> None:
    house, month = shop.house, {"kind": "CHALLENGE", "key": "month"}
    for given, code in (
        ({"kind": "CHALLENGE", "key": "open"}, "NOT_FOUND"),
        ({"kind": "BADGE", "key": "month"}, "NOT_FOUND"),
        ({**month, "from": LATER, "to": LATER}, "INVALID_INPUT"),
        ({**month, "from": "yesterday"}, "INVALID_INPUT"),
    ):
        assert (await house.refusal(COMPARE, given))["code"] == code
    assert (await house.refusal(COMPARE, month, key=house.token("m1")))["code"] == "FORBIDDEN"
    reader = await house.service.key(house.program.id, ["members:read"])
    assert (await house.refusal(COMPARE, month, key=reader))["code"] == "FORBIDDEN"
