"""Draws: who wins follows from the seed and the entries, and with the chance that they give."""

import hashlib
import hmac
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from achievements.definitions import Mistaken, parse
from achievements.draws import Entry, commitment, entrant_of, lowest, ticket, value_of
from achievements.rulebook import ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

SEED = bytes(range(32))
END = "2017-04-01T00:00:00Z"
ENTRIES = st.lists(
    st.builds(Entry, st.uuids().map(str), st.sampled_from("abcdefgh"), st.integers(1, 20)),
    max_size=30,
    unique_by=lambda each: each.id,
)


@given(st.binary(min_size=32, max_size=32), ENTRIES, st.integers(1, 10), st.data())
def test_the_same_seed_and_entries_have_the_same_winners_in_any_order_and_any_pieces(
    seed: bytes, entries: list[Entry], winners: int, data: st.DataObject
) -> None:
    won = lowest(seed, entries, winners)
    assert len(won) == min(winners, len({each.entrant for each in entries})) == len({each.entrant for each in won})
    shuffled = data.draw(st.permutations(entries))
    cut = data.draw(st.integers(0, len(entries)))
    assert lowest(seed, shuffled[cut:], winners, lowest(seed, shuffled[:cut], winners)) == won
    # By hand: every entry's ticket, the lowest of each, in order.
    drawn = sorted(
        (hmac.new(seed, f"{each.id}/{number}".encode(), hashlib.sha256).digest(), each.entrant)
        for each in entries
        for number in range(1, each.count + 1)
    )
    assert [each.entrant for each in won] == [*dict.fromkeys(entrant for _, entrant in drawn)][:winners]
    # An entry that is taken back changes nothing for those who stand before it.
    for position, gone in enumerate(won):
        rest = [each for each in entries if each.entrant != gone.entrant]
        assert lowest(seed, rest, winners)[:position] == won[:position]


def test_a_chance_goes_with_the_entries() -> None:
    entries = [Entry("a", "ann", 1), Entry("b", "bob", 2), Entry("c", "bob", 1), Entry("d", "cid", 4)]
    draws = 4_000
    seeds = [hashlib.sha256(number.to_bytes(2, "big")).digest() for number in range(draws)]
    won = [[each.entrant for each in lowest(seed, entries, 2)] for seed in seeds]
    first, second = Counter(each[0] for each in won), Counter(each[1] for each in won)
    for who, count in {"ann": 1, "bob": 3, "cid": 4}.items():
        assert abs(first[who] / draws - count / 8) < 0.03
    # The second place is drawn among the entries that are left: ann's chance is 3/8 of 1/5 and 4/8 of 1/4.
    assert abs(second["ann"] / draws - (3 / 8 / 5 + 4 / 8 / 4)) < 0.03


def test_what_is_published_is_what_the_manual_says() -> None:
    assert commitment(SEED) == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    assert value_of(SEED, "e", 2) == hmac.new(SEED, b"e/2", hashlib.sha256).digest()
    assert ticket(SEED, Entry("e", "ann", 1)) == (value_of(SEED, "e", 1), "e", 1, "ann")
    # Of another draw, nobody can tell that it is the same member.
    assert entrant_of(SEED, "ann") != entrant_of(bytes(32), "ann") != entrant_of(bytes(32), "bob")


PRIZES = [{"rewards": [{"points": 50}, {"voucher": "cake", "days": 1}]}, {"winners": 2, "rewards": [{"points": 5}]}]


@pytest.mark.parametrize("life", [{}, {"status": "paused"}])
def test_hearing_of_it_gives_the_prize_of_the_place(life: dict[str, str]) -> None:
    draws: list[dict[str, Any]] = [{"key": "trip", "ends": END, "prizes": PRIZES, **life}, {"key": "bike"}]
    check(
        rulebook(vouchers=[{"key": "cake"}], draws=draws),
        """
        2017-04-03 00:00 | !draw_won draw=trip place=1 entry=e | points +50 trip; reward voucher cake until 2017-04-05 04:00
        2017-04-03 00:01 | !draw_won draw=trip place=3 entry=e | points +5 trip
        2017-04-03 00:02 | !draw_won draw=trip place=4 entry=e |
        2017-04-03 00:03 | !draw_won draw=bike place=1 entry=e |
        """,
    )


@pytest.mark.parametrize(
    ("draw", "path", "said"),
    [
        ({"prizes": PRIZES}, "draws[0].ends", "say when"),
        ({"ends": END, "prizes": [{"rewards": []}]}, "draws[0].prizes[0].rewards", "say what is given"),
        ({"ends": END, "prizes": [{"winners": 600, "rewards": [{"points": 1}]}] * 2}, "draws[0].prizes", "1,000"),
        ({"ends": END, "prizes": [{"rewards": [{"voucher": "none"}]}]}, "draws[0].prizes[0].rewards[0]", "no voucher"),
        ({"ends": END, "starts": END}, "draws[0].ends", "comes after"),
    ],
)
def test_a_draw_that_cannot_be_is_refused_with_its_place(draw: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(Mistaken) as raised:
        ready(parse(document(draws=[{"key": "trip", **draw}])))
    (mistake,) = raised.value.mistakes
    assert mistake.path.startswith(path)
    assert said in mistake.message
