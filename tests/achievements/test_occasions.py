"""Occasions: welcomes, birthdays and anniversaries, to the first instant of the member's day."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from achievements import fold
from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, Rules, ready
from achievements.states import MemberState
from tests.achievements.diary import check, event, fact
from tests.achievements.programs import BEGIN, document, rulebook

ROOT = Path(__file__).parents[2]

BORN = {"key": "born", "type": "date"}
BIRTHDAY = {"key": "cake", "on": "birthday", "attribute": "born", "rewards": [{"points": 50}]}
WELCOME = {"key": "hello", "on": "welcome", "rewards": [{"points": 10}]}
YEARS = {"key": "years", "on": "anniversary", "rewards": [{"points": 20}]}


def _book(*occasions: dict[str, Any], **more: list[dict[str, Any]]) -> Rulebook:
    return rulebook(attributes=[BORN, {"key": "city", "type": "string"}], occasions=list(occasions), **more)


def test_a_birthday_comes_at_the_first_instant_of_her_day_and_every_year() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-03 23:59 |                             |
        2017-05-04 00:00 |                             | points +50 cake
        2018-05-03 23:59 |                             |
        2018-05-04 00:00 | visit                       | points +50 cake
        2018-05-05 00:00 |                             |
        """,
    )


def test_it_goes_by_her_own_zone_and_a_day_that_she_flew_over_begins_where_she_lands() -> None:
    # New York is 13 hours behind Tokyo in May.
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-03-01 11:00 | !zone timezone=Asia/Tokyo   |
        2017-05-03 10:59 |                             |
        2017-05-03 11:00 |                             | points +50 cake
        2017-05-03 12:00 | !zone timezone=Pacific/Pago_Pago |
        2017-05-05 12:00 |                             |
        """,
    )
    # From 3 May in Pago Pago to 5 May in Kiritimati: her 4 May had no hours, and is hers all the same.
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04       |
        2017-03-01 11:00 | !zone timezone=Pacific/Pago_Pago  |
        2017-05-04 06:30 | !zone timezone=Pacific/Kiritimati | points +50 cake
        2017-05-06 06:30 |                                   |
        """,
    )


def test_where_the_clocks_change_at_midnight_it_comes_with_the_first_instant_of_the_day() -> None:
    # In São Paulo 2017-10-15 begins at 01:00, which is 03:00 UTC.
    book = _book(BIRTHDAY)
    state = MemberState.NOTHING
    for word, second in (("!zone timezone=America/Sao_Paulo", 1), ("!attributes born=1990-10-15", 2)):
        at = datetime(2017, 3, 1, 0, 0, second, tzinfo=UTC)
        state, _ = fold.apply(book, state, fact(word, at, word.split()))
    assert state.due == datetime(2017, 10, 15, 3, tzinfo=UTC)


def test_29_february_is_kept_on_1_march_in_other_years() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-01-01 10:00 | !attributes born=1992-02-29 |
        2017-02-28 00:00 |                             |
        2017-03-01 00:00 |                             | points +50 cake
        2018-03-01 00:00 |                             | points +50 cake
        2019-03-01 00:00 |                             | points +50 cake
        2020-02-28 00:00 |                             |
        2020-02-29 00:00 |                             | points +50 cake
        2020-03-01 00:00 |                             |
        """,
    )


def test_a_date_said_on_its_day_waits_a_year_and_the_day_before_is_in_time() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-05-04 08:00 | !attributes born=1990-05-04 |
        2018-05-03 08:00 |                             |
        2018-05-04 00:00 |                             | points +50 cake
        """,
    )
    check(
        _book(BIRTHDAY),
        """
        2017-05-03 23:59 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             | points +50 cake
        """,
    )


def test_whoever_changes_her_date_has_no_second_birthday_within_a_year() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             | points +50 cake
        2017-05-05 10:00 | !attributes born=1990-07-01 |
        2017-07-01 00:00 |                             |
        2018-05-04 00:00 |                             |
        2018-07-01 00:00 |                             | points +50 cake
        """,
    )


def test_a_date_changed_shortly_before_it_returns_waits_a_year_and_the_same_one_said_again_does_not() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-08-04 |
        2017-05-01 10:00 | !attributes born=1990-05-30 |
        2017-05-30 00:00 |                             |
        2018-05-29 10:00 | !attributes born=1990-05-30 city=rome |
        2018-05-30 00:00 |                             | points +50 cake
        2019-04-30 10:00 | !attributes born=1990-05-30 |
        2019-04-30 11:00 | !attributes born=1990-05-31 |
        2019-05-31 00:00 |                             | points +50 cake
        """,
    )


def test_a_date_taken_back_brings_nothing_and_another_attribute_changes_nothing() -> None:
    check(
        _book(BIRTHDAY),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-03-02 10:00 | !attributes born=null       |
        2017-05-04 00:00 |                             |
        2018-05-01 10:00 | !attributes born=1990-05-04 |
        2018-05-02 10:00 | !attributes city=rome       |
        2018-05-04 00:00 |                             | points +50 cake
        """,
    )


def test_a_welcome_comes_once_with_the_first_event_whatever_was_said_of_her_before() -> None:
    check(
        _book(WELCOME),
        """
        2017-03-01 10:00 | !attributes city=rome       |
        2017-03-01 11:00 | !zone timezone=Asia/Tokyo   |
        2017-03-01 12:00 | !listed segment=x           |
        2017-03-01 13:00 | !reward_taken rule=sixty    |
        2017-03-02 10:00 | visit                       | points +10 hello
        2017-03-02 10:00 | visit                       |
        2018-03-02 10:00 | purchase 5.00               |
        """,
    )


def test_who_did_something_before_the_definition_is_not_welcomed_and_of_whom_something_was_said_is() -> None:
    late = datetime(2017, 4, 1, tzinfo=UTC)
    book = Rulebook(1, [(BEGIN, _book().latest), (late, _book(WELCOME).latest)])
    said = "2017-03-01 09:00 | !attributes city=rome | \n2017-03-01 09:30 | !tier_granted ladder=club | \n"
    for before in ("", said, "2017-03-01 10:00 | referral/friends/referrer | \n"):
        check(book, f"{before}2017-05-01 10:00 | visit | points +10 hello\n2017-05-02 10:00 | visit | ")
        check(book, f"{before}2017-03-02 10:00 | visit | \n2017-05-01 10:00 | visit | ")
    # Before the program itself: nothing counts, and she was there.
    check(book, "1960-03-02 10:00 | visit | \n2017-05-01 10:00 | visit | ")


def test_whose_first_event_came_while_nobody_was_welcomed_is_not_welcomed_later() -> None:
    paused = {**WELCOME, "status": "paused"}
    check(
        Rulebook(1, _editions((2017, paused), (2018, WELCOME))),
        """
        2017-03-01 10:00 | visit |
        2018-03-01 10:00 | visit |
        """,
    )
    rome = _book({**WELCOME, "audience": "has(member.city) && member.city == 'rome'"})
    check(
        rome,
        """
        2017-03-01 10:00 | visit                 |
        2017-03-02 10:00 | !attributes city=rome |
        2017-03-03 10:00 | visit                 |
        """,
    )
    check(rome, "2017-03-02 10:00 | !attributes city=rome | \n2017-03-03 10:00 | visit | points +10 hello")


def test_a_first_event_that_comes_late_takes_the_welcome_over() -> None:
    book = _book(WELCOME)
    at = [datetime(2017, 3, day, tzinfo=UTC) for day in (1, 2)]
    first, second = (event(f"e{number}", each, ["visit"]) for number, each in enumerate(at))
    refolded = fold.refold(book, MemberState.NOTHING, [second], [first, second], at[1])
    ((was, now),) = refolded.difference.moved
    assert [getattr(each, "event_id", None) for each in (was, now)] == ["e1", "e0"]


def test_a_welcome_counts_further_like_any_points() -> None:
    ladder = {
        "key": "club",
        "measure": {"points": "points", "including": "rewards"},
        "tiers": [{"key": "low"}, {"key": "high", "from": 50}],
    }
    check(
        _book({**WELCOME, "rewards": [{"points": 50}]}, {**BIRTHDAY, "key": "b"}, tier_ladders=[ladder]),
        """
        2017-03-01 10:00 | visit | points +50 hello; tier club low>high 50
        """,
    )
    check(
        _book(BIRTHDAY, tier_ladders=[ladder]),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-05 00:00 |                             | points +50 cake; tier club low>high 50
        """,
    )


def test_an_anniversary_returns_with_the_day_of_the_first_event_or_with_a_date() -> None:
    check(
        _book(YEARS, {**YEARS, "key": "since", "attribute": "born"}),
        """
        2016-02-29 10:00 | visit                       |
        2016-03-05 10:00 | visit                       |
        2016-06-01 10:00 | !attributes born=2015-07-01 |
        2016-07-01 00:00 |                             | points +20 since
        2017-02-28 23:59 |                             |
        2017-03-01 00:00 |                             | points +20 years
        2017-07-01 00:00 |                             | points +20 since
        2018-03-01 00:00 | visit                       | points +20 years
        """,
    )


def test_a_date_that_was_known_before_the_definition_counts_from_her_next_event_on() -> None:
    later = _book(BIRTHDAY).latest
    book = Rulebook(1, [(BEGIN, _book().latest), (datetime(2017, 4, 1, tzinfo=UTC), later)])
    check(
        book,
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-04-02 10:00 | visit                       |
        2017-05-04 00:00 |                             | points +50 cake
        """,
    )


def test_outside_its_life_and_audience_nothing_comes_and_nothing_is_made_up_for() -> None:
    paused = {**BIRTHDAY, "status": "paused"}
    dated = _editions((2017, BIRTHDAY), (2018, paused), (2019, BIRTHDAY))
    check(
        Rulebook(1, [*dated, (_first(2020), _book().latest)]),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             | points +50 cake
        2018-05-04 00:00 |                             |
        2019-05-03 00:00 |                             |
        2019-05-04 00:00 |                             | points +50 cake
        2021-05-04 00:00 |                             |
        """,
    )
    check(
        _book({**BIRTHDAY, "audience": "has(member.city) && member.city == 'rome'"}),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             |
        2018-03-01 10:00 | !attributes city=rome       |
        2018-05-04 00:00 |                             | points +50 cake
        """,
    )


def test_one_that_ended_and_is_taken_up_again_counts_from_her_next_event_on() -> None:
    ended = {**BIRTHDAY, "ends": "2018-01-01T00:00:00Z"}
    check(
        Rulebook(1, _editions((2017, BIRTHDAY), (2018, ended), (2019, BIRTHDAY))),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             | points +50 cake
        2018-05-04 00:00 |                             |
        2019-03-01 00:00 | visit                       |
        2019-05-04 00:00 |                             | points +50 cake
        """,
    )


def test_who_is_held_out_is_counted_and_given_nothing() -> None:
    state = MemberState(seed=next(seed for seed in range(100) if _held(seed)))
    check(
        _book({**BIRTHDAY, "control_group": 50}),
        """
        2017-03-01 10:00 | !attributes born=1990-05-04 |
        2017-05-04 00:00 |                             | held points/occasion/cake/2017-05-04/0
        """,
        state,
    )


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"attribute": None}, "occasions[0].attribute", "say which attribute holds the date"),
        ({"attribute": "born", "on": "welcome"}, "occasions[0].attribute", "it has no date"),
        ({"attribute": "city"}, "occasions[0].attribute", "`city` is a string, and has to be a date"),
        ({"attribute": "age"}, "occasions[0].attribute", "no attribute `age`; the program defines: born, city"),
        ({"rewards": []}, "occasions[0].rewards", "say what is given"),
        ({"rewards": [{"badge": "b"}]}, "occasions[0].rewards[0].badge", "no badge `b`"),
        ({"on": "name_day"}, "occasions[0].on", "expected one of"),
    ],
)
def test_mistakes_are_told_where_they_are(changes: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(Mistaken) as caught:
        _book({**BIRTHDAY, **changes})
    assert [(each.path, said in each.message) for each in caught.value.mistakes] == [(path, True)], caught.value


def test_a_date_is_a_day_of_the_calendar() -> None:
    attribute = _book().latest.members.attributes[0]
    assert attribute.read("1992-02-29") == "1992-02-29"
    for wrong in ("1993-02-29", "1992-2-9", "29.02.1992", "1850-01-01", "1992-02-29T00:00:00Z", 19920229, True):
        with pytest.raises(ValueError, match=r"day|date|years"):
            attribute.read(wrong)


def _editions(*dated: tuple[int, dict[str, Any]]) -> list[tuple[datetime, Rules]]:
    """A program whose one occasion reads otherwise from the first instant of some years on."""
    return [
        (_first(year), ready(parse(document(attributes=[BORN], occasions=[occasion])), _first(year)))
        for year, occasion in dated
    ]


def _first(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


def _held(seed: int) -> bool:
    book = _book({**BIRTHDAY, "control_group": 50})
    return not book.latest.offers("occasions/cake", MemberState(seed=seed), BEGIN)


def test_what_the_page_shows_is_a_program() -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/occasions.md").read_text(), re.DOTALL)
    assert block is not None
    book = Rulebook(1, [(BEGIN, ready(parse(YAML(typ="safe").load(block[1]))))])
    check(
        book,
        """
        2026-03-01 10:00 | !attributes born=1990-05-04 |
        2026-03-02 10:00 | purchase 5.00               | points +50 hello
        2026-05-04 00:00 |                             | reward voucher cake until 2026-05-11 22:00
        2027-03-02 00:00 |                             | points +100 years
        """,
    )
