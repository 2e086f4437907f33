"""Prizes of leaderboards: who wins what, and what hearing of it brings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from achievements.parts import Reward
from achievements.prizes import Prize, prize_of
from tests.achievements.diary import check
from tests.achievements.programs import rulebook

EARN = [{"key": "base", "on": "purchase", "earn": {"per": "amount"}}]
BOARD: dict[str, Any] = {"key": "b", "measure": {"points": "points"}, "window": {"calendar": "week"}}
GIFT = (Reward(points=1),)
LADDER = [
    Prize(rank=1, rewards=GIFT),
    Prize(rank=2, to=3, groups=("gold",), rewards=GIFT),
    Prize(percent=10, rewards=GIFT),
]

WON = [
    # rank, contenders, group: which prize of the list above.
    (1, 1, "gold", 0),
    (1, 100, "tin", 0),
    (2, 100, "gold", 1),
    (2, 100, "tin", 2),
    (3, 5, "gold", 1),
    (3, 5, "tin", None),
    (4, 30, "gold", None),
    (4, 31, "gold", 2),
    (10, 100, "tin", 2),
    (11, 100, "tin", None),
]


@pytest.mark.parametrize(("rank", "contenders", "group", "which"), WON)
def test_a_member_gets_the_first_prize_that_her_rank_is_in(
    rank: int, contenders: int, group: str, which: int | None
) -> None:
    assert prize_of(LADDER, group, rank, contenders) is (None if which is None else LADDER[which])


@given(st.integers(1, 100), st.integers(1, 10_000))
def test_the_best_so_many_percent_are_somebody_and_never_more_than_that(percent: int, contenders: int) -> None:
    first, last = Prize(percent=percent, rewards=GIFT).ranks(contenders)
    assert (first, last >= 1) == (1, True)
    # One more would be more than the share, and one less would be less.
    assert (last - 1) * 100 < contenders * percent <= last * 100


def test_hearing_of_it_gives_the_prize_and_leaves_the_score() -> None:
    prizes = [{"rank": 1, "rewards": [{"points": 50}, {"voucher": "cake", "days": 1}]}]
    check(
        rulebook(earn_rules=EARN, vouchers=[{"key": "cake"}], leaderboards=[{**BOARD, "prizes": prizes}]),
        """
        2017-03-01 10:00 | purchase 5.00                                                        | points +5 base; score b 5
        2017-03-08 00:00 | !prize_won board=b period=2017-W09 group= rank=1 contenders=2  | prize b 1/2; points +50 b; reward voucher cake until 2017-03-10 05:00
        2017-03-08 01:00 | !prize_won board=b period=2017-W10 group= rank=2 contenders=2  |
        2017-03-08 02:00 | !prize_won board=c period=2017-W10 group= rank=1 contenders=2  |
        2017-03-08 10:00 | purchase 5.00                                                        | points +5 base; score b 5
        """,
    )


@pytest.mark.parametrize("life", [{"status": "paused"}, {"ends": "2017-03-06T00:00:00Z"}])
def test_what_was_won_is_given_by_a_board_that_counts_no_more(life: dict[str, str]) -> None:
    prizes = [{"rank": 1, "rewards": [{"points": 50}]}]
    check(
        rulebook(earn_rules=EARN, leaderboards=[{**BOARD, "prizes": prizes, **life}]),
        """
        2017-03-08 00:00 | !prize_won board=b period=2017-W09 group= rank=1 contenders=2  | prize b 1/2; points +50 b
        2017-03-08 10:00 | purchase 5.00                                                        | points +5 base
        """,
    )


def test_points_of_a_prize_count_where_rewards_do() -> None:
    prizes = [{"rank": 1, "rewards": [{"points": 50}]}]
    all_of_them = {"key": "all", "measure": {"points": "points", "including": "rewards"}}
    check(
        rulebook(earn_rules=EARN, leaderboards=[{**BOARD, "prizes": prizes}, all_of_them]),
        """
        2017-03-08 00:00 | !prize_won board=b period=2017-W09 group= rank=1 contenders=2  | prize b 1/2; points +50 b; score all 50
        """,
    )
