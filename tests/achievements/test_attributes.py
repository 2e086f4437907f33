"""Attributes of members: what may be declared, and what conditions read of them."""

from typing import Any

import pytest

from achievements.attributes import Attribute, stored
from achievements.definitions import Mistaken, parse
from achievements.rulebook import Rulebook, ready
from tests.achievements.diary import check
from tests.achievements.programs import document, rulebook

ATTRIBUTES: list[dict[str, Any]] = [
    {"key": "city", "type": "string"},
    {"key": "age", "type": "int"},
    {"key": "plan", "type": "string", "default": "free"},
    {"key": "limit", "type": "decimal", "min": -10},
    {"key": "born", "type": "datetime"},
    {"key": "likes", "type": "list[string]"},
]


def _bonus(when: str) -> dict[str, Any]:
    return {
        "attributes": ATTRIBUTES,
        "earn_rules": [{"key": "bonus", "on": "purchase", "when": when, "earn": {"fixed": 5}}],
    }


def _book(when: str) -> Rulebook:
    return rulebook(**_bonus(when))


def test_a_condition_reads_an_attribute_as_it_was_before_the_event() -> None:
    check(
        _book("has(member.city) && member.city == 'rome' && event.amount > 1.0"),
        """
        2017-03-01 10:00 | purchase 5.00          |
        2017-03-01 11:00 | !attributes city=paris |
        2017-03-01 12:00 | purchase 5.00          |
        2017-03-02 10:00 | !attributes city=rome  |
        2017-03-02 10:30 | purchase 5.00          | points +5 bonus
        2017-03-02 11:00 | purchase 1.00          |
        2017-03-02 12:00 | !attributes age=30     |
        2017-03-02 13:00 | purchase 5.00          | points +5 bonus
        2017-03-03 10:00 | !attributes city=null  |
        2017-03-03 11:00 | purchase 5.00          |
        """,
    )


def test_one_without_an_attribute_has_its_default() -> None:
    check(
        _book("member.plan == 'free' && !has(member.city)"),
        """
        2017-03-01 10:00 | purchase 5.00         | points +5 bonus
        2017-03-01 11:00 | !attributes plan=paid |
        2017-03-01 12:00 | purchase 5.00         |
        2017-03-01 13:00 | !attributes plan=null |
        2017-03-01 14:00 | purchase 5.00         | points +5 bonus
        """,
    )


def test_an_attribute_that_is_not_there_is_told_of() -> None:
    check(
        _book("member.age >= 18"),
        """
        2017-03-01 10:00 | purchase 5.00      | failed bonus when
        2017-03-01 11:00 | !attributes age=18 |
        2017-03-01 12:00 | purchase 5.00      | points +5 bonus
        """,
    )


def test_every_type_is_read_as_one_of_an_event_is() -> None:
    when = (
        "member.limit > -3.5 && member.born < timestamp('2000-01-01T00:00:00Z') && 'tea' in member.likes"
        " && event.amount > 0.0 && \"has(member.city)\" != 'has.member.city'"
    )
    told = {"limit": "-3.25", "born": "1999-12-31T23:00:00-00:30", "likes": ["milk", "tea"]}
    values = {each["key"]: _attribute(each).read(told[each["key"]]) for each in ATTRIBUTES if each["key"] in told}
    kept = {key: stored(value) for key, value in values.items()}
    assert kept == {"limit": "-3.25", "born": "1999-12-31T23:30:00Z", "likes": ["milk", "tea"]}
    book = _book(when)
    rules = book.latest
    assert {each.key: each.held(kept) for each in rules.members.attributes if each.key in kept} == values


def _attribute(written: dict[str, Any]) -> Attribute:
    (found,) = parse(document(attributes=[written])).sections["attributes"]
    assert isinstance(found, Attribute)
    return found


@pytest.mark.parametrize(
    ("sections", "path", "words"),
    [
        ({"attributes": [{"key": "City", "type": "string"}]}, "attributes[0].key", "a property's name is"),
        ({"attributes": [{"key": "tiers", "type": "string"}]}, "attributes[0].key", "something else already"),
        ({"attributes": [{"key": "city", "type": "text"}]}, "attributes[0].type", "one of decimal, int, string"),
        ({"attributes": [{"key": "city", "type": "string", "min": 1}]}, "attributes[0].min", "needs a number"),
        (
            {"attributes": [{"key": "age", "type": "int", "default": "x"}]},
            "attributes[0].default",
            "expected a whole number",
        ),
        ({"attributes": [{"key": "age", "type": "int", "default": -1}]}, "attributes[0].default", "at least 0"),
        (_bonus("member.town == 'rome'"), "earn_rules[0].when", "at 1:7: .*`member.age`, `member.born`, `member.city`"),
        (_bonus("true &&\nhas(member.town)"), "earn_rules[0].when", r"at 2:\d+: .*'has\(member.town\)'"),
        (_bonus("member.age == 'x'"), "earn_rules[0].when", "no matching overload"),
        (_bonus("member.limit + 1.0 > 2.0"), "earn_rules[0].when", "decimals can be compared, but not added"),
    ],
)
def test_mistakes_are_told_with_their_place(sections: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Mistaken, match=words) as raised:
        ready(parse(document(**sections)))
    assert [each.path for each in raised.value.mistakes] == [path]
