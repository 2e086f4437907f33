"""Tiers that are granted, by a reward or by the program's people: what is held beside what was earned."""

from datetime import UTC, datetime
from typing import Any

import pytest

from achievements import fold
from achievements.definitions import Mistaken
from achievements.fees import Unsold
from achievements.outcomes import AnyOutcome, TierChanged
from achievements.parts import Price
from achievements.rulebook import Rulebook
from achievements.states import MemberState
from achievements.tiers import LadderReady
from tests.achievements.diary import check, event, fact
from tests.achievements.programs import TIERS, rulebook

EARN = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
ROLLING = {"key": "t", "measure": {"points": "points"}, "window": {"days": 5}, "tiers": TIERS}


def _book(*rewards: dict[str, Any], zone: str = "America/New_York", **ladder: Any) -> Rulebook:
    level = {"target": 1, "key": "one", "rewards": list(rewards)}
    badges = [{"key": "first", "on": "visit", "levels": [level]}] if rewards else []
    return rulebook(zone, earn_rules=EARN, badges=badges, tier_ladders=[{**ROLLING, **ladder}])


def test_a_reward_gives_a_tier_until_the_end_of_a_day_and_another_badge_none() -> None:
    check(
        _book({"tier": "gold", "days": 2}),
        """
        2017-03-01 10:00 | purchase 1.00  |
        2017-03-01 11:00 | visit          | tier t bronze>gold 1
        2017-03-01 12:00 | visit          |
        2017-03-02 12:00 | purchase 99.00 |
        2017-03-03 23:59 |                |
        2017-03-04 00:00 |                | tier t gold>silver 100
        2017-03-06 00:00 |                | tier t silver>bronze 99
        """,
    )


def test_a_tier_given_for_good_stays_whatever_she_earns() -> None:
    check(
        _book({"tier": "silver"}),
        """
        2017-03-01 10:00 | visit           | tier t bronze>silver 0
        2017-03-02 10:00 | purchase 300.00 | tier t silver>gold 300
        2017-03-07 00:00 |                 | tier t gold>silver 0
        2027-03-07 00:00 |                 |
        """,
    )


def test_what_was_earned_goes_on_beneath_what_was_granted() -> None:
    # Gold is earned on the 1st and lost on the 6th beneath the gold that lasts until the 11th; by then nothing is left of it.
    check(
        _book(),
        """
        2017-03-01 10:00 | purchase 300.00                     | tier t bronze>gold 300
        2017-03-02 10:00 | !tier_granted ladder=t tier=gold days=8 |
        2017-03-04 10:00 | purchase 120.00                     |
        2017-03-11 00:00 |                                     | tier t gold>bronze 0
        """,
    )
    check(
        _book(),
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=silver days=1 | tier t bronze>silver 0
        2017-03-02 10:00 | purchase 120.00                       |
        2017-03-03 00:00 |                                       |
        2017-03-07 00:00 |                                       | tier t silver>bronze 0
        """,
    )


def test_what_is_outdone_changes_nothing_and_ends_unseen() -> None:
    state = check(
        _book(),
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=gold days=2   | tier t bronze>gold 0
        2017-03-01 11:00 | !tier_granted ladder=t tier=silver days=1 |
        2017-03-01 12:00 | !tier_granted ladder=t tier=gold days=1   |
        2017-03-01 13:00 | !tier_granted ladder=t tier=silver days=5 |
        2017-03-01 14:00 | !tier_granted ladder=t tier=bronze days=9 |
        2017-03-01 15:00 | !tier_granted ladder=u tier=gold days=9   |
        2017-03-04 00:00 |                                       | tier t gold>silver 0
        2017-03-07 00:00 |                                       | tier t silver>bronze 0
        """,
    )
    assert state.due is None


def test_a_grant_ends_at_the_first_instant_of_a_day_also_when_the_clocks_change() -> None:
    # In New York the clocks go forward on 12 March 2017; in Sao Paulo, 15 October 2017 begins at 01:00.
    for zone, told, ends in (
        ("America/New_York", "2017-03-11 12:00", datetime(2017, 3, 13, 4, tzinfo=UTC)),
        ("America/Sao_Paulo", "2017-10-13 12:00", datetime(2017, 10, 15, 3, tzinfo=UTC)),
    ):
        line = f"{told} | !tier_granted ladder=t tier=gold days=1 | tier t bronze>gold 0"
        state = check(_book(zone=zone), line)
        assert state.due == ends


def test_a_tier_of_a_lifetime_is_never_lost_and_one_granted_is() -> None:
    check(
        _book({"tier": "gold", "days": 1}, window="lifetime"),
        """
        2017-03-01 10:00 | purchase 120.00 | tier t bronze>silver 120
        2017-03-01 11:00 | visit           | tier t silver>gold 120
        2017-03-03 00:00 |                 | tier t gold>silver 120
        2030-03-03 00:00 |                 |
        """,
    )


def test_an_anniversary_is_of_what_was_earned() -> None:
    check(
        _book({"tier": "gold", "days": 30}, downgrade="at_anniversary"),
        """
        2017-03-01 10:00 | purchase 120.00 | tier t bronze>silver 120
        2017-06-01 10:00 | visit           | tier t silver>gold 0
        2017-07-02 00:00 |                 | tier t gold>silver 0
        2018-03-01 00:00 |                 | tier t silver>bronze 0
        """,
    )


def test_one_input_changes_a_ladder_once() -> None:
    # Points lift her, and in the same moment a reward of the badge lifts her further.
    badge = {
        "key": "b",
        "on": "purchase",
        "levels": [{"target": 1, "key": "one", "rewards": [{"tier": "gold", "days": 1}]}],
    }
    check(
        rulebook(earn_rules=EARN, badges=[badge], tier_ladders=[ROLLING]),
        "2017-03-01 10:00 | purchase 120.00 | tier t bronze>gold 120",
    )


def test_a_grant_that_is_given_anew_where_it_ends_changes_nothing() -> None:
    occasion = {"key": "year", "on": "anniversary", "rewards": [{"tier": "gold", "days": 364}]}
    state = check(
        rulebook(earn_rules=EARN, occasions=[occasion], tier_ladders=[ROLLING]),
        """
        2017-03-01 10:00 | purchase 1.00 |
        2018-03-01 00:00 |               | tier t bronze>gold 0
        2019-03-01 00:00 |               |
        2020-02-29 00:00 |               | tier t gold>bronze 0
        2020-03-01 00:00 |               | tier t bronze>gold 0
        """,
    )
    assert state.due == datetime(2021, 3, 1, 5, tzinfo=UTC)


def test_a_visit_that_never_was_granted_nothing() -> None:
    book = _book({"tier": "gold", "days": 3})
    at = [datetime(2017, 3, 1, hour, tzinfo=UTC) for hour in (10, 11)]
    inputs = [event("v", at[0], ["visit"]), event("p", at[1], ["purchase", "5.00"])]
    refolded = fold.refold(book, MemberState.NOTHING, inputs, inputs[1:], at[1])
    gone: list[AnyOutcome] = [each for each in refolded.difference.gone if each.identity[0] == "tier"]
    assert len(gone) == 1
    assert (refolded.difference.new, _tier(book, refolded.state)) == ((), "bronze")


def test_since_is_when_the_tier_was_first_held_without_a_break() -> None:
    book = _book()
    state = check(
        book,
        """
        2017-03-01 10:00 | !tier_granted ladder=t tier=gold days=2 | tier t bronze>gold 0
        2017-03-02 10:00 | purchase 300.00                     |
        2017-03-05 00:00 |                                     |
        """,
    )
    rule = book.latest.by_name["tier_ladders/t"]
    assert isinstance(rule, LadderReady)
    assert rule.since(state.parts[rule.name]) == datetime(2017, 3, 1, 15, tzinfo=UTC)
    assert rule.since(None) is None


def _tier(book: Rulebook, state: MemberState) -> str:
    rule = book.latest.by_name["tier_ladders/t"]
    assert isinstance(rule, LadderReady)
    return rule.tier(state.parts.get(rule.name))


def test_a_tier_that_was_bought_is_held_up_to_the_instant_that_was_decided_then() -> None:
    check(
        _book(),
        """
        2017-03-01 10:00 | !tier_bought ladder=t tier=silver until=2017-03-04T05:00:00Z | tier t bronze>silver 0
        2017-03-02 10:00 | !tier_bought ladder=u tier=gold until=2017-03-09T05:00:00Z   |
        2017-03-02 11:00 | !tier_bought ladder=t tier=silver until=2017-03-06T05:00:00Z |
        2017-03-03 10:00 | purchase 120.00  |
        2017-03-06 00:00 |                  |
        2017-03-08 00:00 |                  | tier t silver>bronze 0
        """,
    )


def test_what_was_granted_is_taken_back_and_what_was_earned_or_else_granted_stands() -> None:
    check(
        _book({"tier": "gold", "days": 8}),
        """
        2017-03-01 10:00 | purchase 120.00                           | tier t bronze>silver 120
        2017-03-01 11:00 | visit                                     | tier t silver>gold 120
        2017-03-02 10:00 | !tier_granted ladder=t tier=gold days=0   |
        2017-03-02 11:00 | !tier_granted ladder=t tier=silver days=9 |
        2017-03-02 12:00 | !tier_revoked ladder=u tier=gold          |
        2017-03-02 13:00 | !tier_revoked ladder=t tier=gold          | tier t gold>silver 120
        2017-03-02 14:00 | !tier_revoked ladder=t tier=gold          |
        2017-03-06 00:00 |                                           |
        2017-03-12 00:00 |                                           | tier t silver>bronze 0
        """,
    )
    check(
        _book(),
        """
        2017-03-01 10:00 | !tier_bought ladder=t tier=gold until=2017-03-09T05:00:00Z | tier t bronze>gold 0
        2017-03-02 10:00 | purchase 300.00                  |
        2017-03-03 10:00 | !tier_revoked ladder=t tier=gold |
        2017-03-07 00:00 |                                  | tier t gold>bronze 0
        """,
    )


def test_what_a_late_event_brings_stands_beneath_what_was_revoked_after_it() -> None:
    book = _book({"tier": "gold", "days": 30})
    visit = event("e1", datetime(2017, 3, 1, tzinfo=UTC), ["visit"])
    revoked = fact("f1", datetime(2017, 3, 2, tzinfo=UTC), ["!tier_revoked", "ladder=t", "tier=gold"])
    refolded = fold.refold(book, MemberState.NOTHING, [revoked], [visit, revoked], datetime(2017, 3, 3, tzinfo=UTC))
    changes = [each for each in refolded.difference.new if isinstance(each, TierChanged)]
    assert [(each.tier_to, each.event_id) for each in changes] == [("gold", "e1"), ("bronze", "f1")]


SOLD = [
    {"key": "bronze"},
    {"key": "silver", "from": 100, "fee": {"points": 30, "for_days": 2}},
    {"key": "gold", "from": 260, "fee": {"points": 50, "for_days": 10}},
    {"key": "black", "from": 900},
]
FIRST = datetime(2017, 3, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("diary", "tier", "until"),
    [
        ("", "silver", "2017-03-04 00:00"),
        ("", "gold", "2017-03-12 00:00"),
        ("", "black", Unsold.NOT_FOR_SALE),
        # Renewed from its end, or from that of a higher one; what is granted below or has ended counts for nothing.
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=silver days=4 |", "silver", "2017-03-08 00:00"),
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=black days=4 |", "silver", "2017-03-08 00:00"),
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=silver days=4 |", "gold", "2017-03-12 00:00"),
        ("2017-02-20 09:00 | !tier_granted ladder=t tier=silver days=4 |", "silver", "2017-03-04 00:00"),
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=black days=0 |", "gold", Unsold.HELD),
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=gold days=3640 |", "gold", "2027-02-28 00:00"),
        ("2017-03-01 09:00 | !tier_granted ladder=t tier=gold days=3641 |", "gold", Unsold.HELD),
        # Earned for five days: worth two more to nobody, ten more to whoever wants them.
        ("2017-03-01 09:00 | purchase 300.00 |", "silver", Unsold.HELD),
        ("2017-03-01 09:00 | purchase 300.00 |", "gold", "2017-03-12 00:00"),
        ("2017-02-25 09:00 | purchase 300.00 |", "silver", "2017-03-04 00:00"),
    ],
)
def test_what_a_tier_costs_and_until_when_it_is_held_or_why_it_is_not_sold(
    diary: str, tier: str, until: str | Unsold
) -> None:
    book = _book(tiers=SOLD)
    state = check(book, diary)
    state, _ = fold.advance(book, state, FIRST)
    ladder = book.latest.by_name["tier_ladders/t"]
    assert isinstance(ladder, LadderReady)
    sale = ladder.sale(state.parts.get(ladder.name), tier, FIRST)
    if isinstance(sale, Unsold):
        assert sale is until
    else:
        fee, ends = sale
        assert fee.price == Price({"silver": 30, "gold": 50}[tier], "points")
        assert f"{ends.astimezone(book.latest.zone):%Y-%m-%d %H:%M}" == until


def test_what_is_earned_for_a_lifetime_is_not_sold() -> None:
    book = _book(tiers=SOLD, window="lifetime")
    state = check(book, "2017-03-01 09:00 | purchase 300.00 |")
    ladder = book.latest.by_name["tier_ladders/t"]
    assert isinstance(ladder, LadderReady)
    assert ladder.sale(state.parts.get(ladder.name), "gold", FIRST) is Unsold.HELD


@pytest.mark.parametrize(
    ("tiers", "path", "said"),
    [
        ([{"key": "a", "fee": {"points": 1, "for_days": 1}}, {"key": "b", "from": 1}], "tiers", "has no `fee`"),
        (
            [{"key": "a"}, {"key": "b", "from": 1, "fee": {"points": 0, "for_days": 1}}],
            "tiers[1].fee.points",
            "from 1 to",
        ),
        ([{"key": "a"}, {"key": "b", "from": 1, "fee": {"points": 1}}], "tiers[1].fee", "for_days"),
        (
            [{"key": "a"}, {"key": "b", "from": 1, "fee": {"points": 1, "currency": "gems", "for_days": 1}}],
            "tiers[1].fee.currency",
            "no currency `gems`",
        ),
    ],
)
def test_mistakes_in_a_fee_are_told_where_they_are(tiers: list[dict[str, Any]], path: str, said: str) -> None:
    with pytest.raises(Mistaken) as caught:
        _book(tiers=tiers)
    assert [each.path for each in caught.value.mistakes] == [f"tier_ladders[0].{path}"]
    assert said in caught.value.mistakes[0].message
