"""What rewards give besides points."""

from typing import Any

import pytest

from achievements.definitions import Mistaken, parse
from achievements.rulebook import ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

GIVEN: dict[str, list[dict[str, Any]]] = {
    "vouchers": [{"key": "coffee", "name": "A free coffee"}],
    "entitlements": [{"key": "lounge"}],
    "draws": [{"key": "bike"}],
}


def _badge(*rewards: dict[str, Any], key: str = "first") -> dict[str, Any]:
    return {"key": key, "on": "purchase", "levels": [{"target": 1, "key": "one", "rewards": list(rewards)}]}


def test_what_is_given_for_days_ends_with_a_day_of_the_program() -> None:
    rewards = ({"voucher": "coffee"}, {"entitlement": "lounge", "days": 2}, {"draw": "bike", "entries": 3})
    check(
        rulebook(badges=[_badge(*rewards)], **GIVEN),
        """
        2017-03-01 23:30 | purchase 1.00 | reward voucher coffee; reward entitlement lounge until 2017-03-04 05:00; reward draw bike
        2017-03-02 10:00 | purchase 1.00 |
        """,
    )


@pytest.mark.parametrize(
    ("reward", "path", "words"),
    [
        ({"voucher": "tea"}, "badges[0].levels[0].rewards[0].voucher", "no voucher `tea`; the program defines: coffee"),
        ({"badge": "none"}, "badges[0].levels[0].rewards[0].badge", "no badge `none`"),
        ({"badge": "other", "level": "two"}, "badges[0].levels[0].rewards[0].level", "the badge has: one"),
        ({"tier": "gold"}, "badges[0].levels[0].rewards[0].ladder", "no tier ladder"),
        ({"boost": "double", "days": 7}, "badges[0].levels[0].rewards[0].boost", "no boost `double`"),
        ({"boost": "double"}, "badges[0].levels[0].rewards[0].days", "for how many days"),
        ({"points": 5, "voucher": "coffee"}, "badges[0].levels[0].rewards[0]", "exactly one of"),
        ({"points": 5, "days": 2}, "badges[0].levels[0].rewards[0].days", "goes with"),
        ({"voucher": "coffee", "entries": 2}, "badges[0].levels[0].rewards[0].entries", "goes with `draw`"),
    ],
)
def test_a_reward_of_nothing_there_is_a_mistake(reward: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(badges=[_badge(reward), _badge(key="other")], **GIVEN)))
    (mistake,) = raised.value.mistakes
    assert mistake.path == path
    assert words in mistake.message
