"""Referrals in the fold: who was brought by whom, when that qualifies, and what an event of our own brings."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML

from achievements import fold
from achievements.definitions import Mistaken, parse
from achievements.outcomes import PointsEarned, RewardGiven
from achievements.referrals import own_id, own_type
from achievements.rulebook import Rulebook, ready
from achievements.states import MemberState
from achievements.values import Event
from tests.achievements.diary import check
from tests.achievements.programs import BEGIN, document
from tests.test_repository import ROOT

FRIEND: dict[str, Any] = {
    "key": "friend",
    "on": "joined",
    "by": "code",
    "qualifies": {"on": "purchase", "when": "event.amount >= 20.0", "within_days": 30},
    "rewards": {"referrer": [{"points": 500}, {"voucher": "cup"}], "referred": [{"points": 100}]},
}


def written(**changes: Any) -> dict[str, Any]:
    shop = document(referrals=[{**FRIEND, **changes}], vouchers=[{"key": "cup"}])
    shop["event_types"].append({"key": "joined", "properties": {"code": "string", "age": "int"}})
    return shop


def rulebook(**changes: Any) -> Rulebook:
    return Rulebook(1, [(BEGIN, ready(parse(written(**changes))))])


def test_a_referral_qualifies_once_and_within_its_days() -> None:
    check(
        rulebook(),
        """
        2017-03-01 09:00 | purchase 50.00 |
        2017-03-02 09:00 | joined age=30 |
        2017-03-02 10:00 | joined code=bob |
        2017-03-02 11:00 | joined code=cid |
        2017-03-03 10:00 | purchase 19.99 |
        2017-04-01 23:59 | purchase 20.00 | referral friend by bob
        2017-04-02 10:00 | purchase 20.00 |
        """,
    )
    check(
        rulebook(),
        """
        2017-03-02 10:00 | joined code=bob |
        2017-04-02 00:00 | purchase 20.00 |
        2017-04-03 00:00 | joined code=cid |
        2017-04-04 00:00 | purchase 20.00 |
        """,
    )


def test_the_page_tells_the_truth() -> None:
    page = (ROOT / "docs/referrals.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    book = Rulebook(1, [(BEGIN, ready(parse(YAML(typ="safe", pure=True).load(text))))])
    diaries = re.findall(r"```\n(2026.*?)```", page, re.DOTALL)
    for diary in diaries:
        state = check(book, diary)
        assert ("referrals/friend" in state.parts) == ("referral friend" in diary)
    assert len(diaries) == 2


def test_one_event_can_say_by_whom_and_qualify() -> None:
    once = {"on": "joined", "within_days": 1}
    check(rulebook(qualifies=once), "2017-03-02 10:00 | joined code=bob | referral friend by bob")


@pytest.mark.parametrize(("side", "points", "vouchers"), [("referrer", 500, 1), ("referred", 100, 0)])
def test_an_event_of_our_own_brings_a_side_its_rewards(side: Any, points: int, vouchers: int) -> None:
    badge = {"key": "saver", "on": "purchase", "measure": {"points": "points", "including": "rewards"}}
    shop = {**written(), "badges": [{**badge, "levels": [{"target": points}]}]}
    book = Rulebook(1, [(BEGIN, ready(parse(shop)))])
    event = Event(own_id("friend", "m", 1), own_type("friend", side), datetime(2017, 3, 1, tzinfo=UTC), {})
    _, emitted = fold.apply(book, MemberState.NOTHING, event)
    assert [each.points for each in emitted if isinstance(each, PointsEarned)] == [points]
    assert sum(isinstance(each, RewardGiven) for each in emitted) == vouchers


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"by": "age"}, "referrals[0].by", "`by` needs a string, and `age` of `joined` is a int"),
        ({"by": "friend"}, "referrals[0].by", "`joined` has no property `friend`"),
        ({"on": "signed-up"}, "referrals[0].on", "no event type `signed-up`"),
        ({"rewards": {}}, "referrals[0].rewards", "at least one side"),
        ({"rewards": {"referrer": [{"voucher": "tea"}]}}, "referrals[0].rewards.referrer[0].voucher", "no voucher `tea`"),
        ({"at_most": {"in_all": 0}}, "referrals[0].at_most.in_all", "a whole number from 1"),
        ({"qualifies": {"on": "purchase"}}, "referrals[0].qualifies", "`within_days` is missing"),
        (
            {"qualifies": {"on": "purchase", "when": "event.amont > 1.0", "within_days": 3}},
            "referrals[0].qualifies.when",
            "event.amont",
        ),
    ],
)  # fmt: skip
def test_mistakes_have_their_paths(changes: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(written(**changes)))
    assert [each.path for each in raised.value.mistakes] == [path]
    assert words in raised.value.mistakes[0].message
