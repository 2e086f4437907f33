"""Conditions: what fails is not met, nothing hangs, and what is answered without CEL is answered alike."""

import re
import resource
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements.conditions import Environment, InvalidCondition, Unanswered
from achievements.events import LIST_LENGTH_MAX, STRING_CHARACTERS_MAX

TEXTS = {"s": "string", "li": "list[int]", "ls": "list[string]"}
TEXT = "a" * STRING_CHARACTERS_MAX
LARGEST = {"s": TEXT, "li": list(range(LIST_LENGTH_MAX)), "ls": [TEXT] * LIST_LENGTH_MAX}


LOOPS = "[1,2,3,4,5,6,7,8,9,10]"
ENDLESS = " && ".join(
    f"{LOOPS}.all(a{i}, {LOOPS}.all(b{i}, {LOOPS}.all(c{i}, {LOOPS}.all(d{i}, true))))" for i in range(8)
)


@pytest.mark.parametrize(
    ("source", "properties", "words"),
    [
        ("event.s == 'a'", {}, "this event has no `s`; send it with each event, or say `required: true`"),
        ("1 / event.n > 0", {"n": 0}, "divides by zero; ask first"),
        ("1 % event.n > 0", {"n": 0}, "divides by zero; ask first"),
        ("event.ls[2] == 'a'", {"ls": ["a"]}, "too short for it; ask first, as in `size"),
        ("event.n * 9223372036854775807 > 1", {"n": 5}, "numbers become too large"),
        ("event.s.matches(event.s)", {"s": "("}, "no regular expression; write the pattern out"),
        ("int(event.s) > 1", {"s": "x"}, "cannot convert string to int; let the condition ask first"),
        ("{'a': 1}[event.s] == 1", {"s": "x"}, "a map has no such key; ask first"),
        (ENDLESS, {}, "loops go round too often"),
    ],
)
def test_a_condition_that_fails_says_how_to_mend_it(source: str, properties: dict[str, object], words: str) -> None:
    environment = Environment({**TEXTS, "n": "int"})
    with pytest.raises(Unanswered, match=re.escape(words)):
        environment.compile(source).holds(environment.activation(properties, {}))


def test_what_the_words_advise_is_answered() -> None:
    environment = Environment({**TEXTS, "n": "int"})
    for source, properties in (
        ("event.n != 0 && 4 / event.n > 1", {"n": 0}),
        ("size(event.ls) > 2 && event.ls[2] == 'x'", {"ls": ["a"]}),
    ):
        assert not environment.compile(source).holds(environment.activation(properties, {}))
    either = environment.compile("event.s == 'b' || event.n > 3")
    assert either.holds(environment.activation({"n": 4}, {}))


def test_a_condition_does_not_ask_whether_a_property_is_there() -> None:
    environment = Environment({"gift": "bool"})
    with pytest.raises(InvalidCondition, match=r"at 2:1: `has` cannot ask .* `{gift: {type: …, required: true}}`"):
        environment.compile("true &&\nhas(event.gift)")


@pytest.mark.parametrize("nested", ["(" * 900 + "true" + ")" * 900, "[" * 600 + "]" * 600 + " == []"])
def test_a_condition_nested_too_deeply_is_refused(nested: str) -> None:
    with pytest.raises(InvalidCondition, match="nested too deeply"):
        Environment({"amount": "decimal"}).compile(nested)


def test_a_condition_as_long_as_may_be_is_answered() -> None:
    environment = Environment({"amount": "decimal"})
    assert environment.compile("!" * 1900 + "true").holds(environment.activation({}, {}))


@settings(deadline=None)
@given(
    st.sampled_from([">=", "<=", "==", "!=", ">", "<"]),
    st.decimals(-1000, 1000, places=2),
    st.none() | st.decimals(-1000, 1000, places=2),
)
def test_a_plain_comparison_is_what_cel_says(sign: str, literal: Decimal, value: Decimal | None) -> None:
    environment = Environment({"amount": "decimal", "n": "int"})
    for near in (value, None if value is None else literal):
        for name, written, seen in (
            ("amount", f"{literal}", near),
            ("n", f"{int(literal)}", None if near is None else int(near)),
        ):
            condition = environment.compile(f"event.{name} {sign} {written}")
            properties = {} if seen is None else {name: seen}
            assert condition.comparison is not None
            if properties:
                assert condition.comparison.holds(properties) == condition.holds(environment.activation(properties, {}))
                continue
            with pytest.raises(Unanswered) as quickly:
                condition.comparison.holds({})
            with pytest.raises(Unanswered) as slowly:
                condition.holds(environment.activation({}, {}))
            assert str(quickly.value) == str(slowly.value)


def test_no_more_than_a_comparison_is_taken_for_one() -> None:
    environment = Environment({"amount": "decimal", "label": "string"})
    for source in ("event.amount > 1.0 && true", "event.label == '1'", "1.0 < event.amount", "!(event.amount > 1.0)"):
        assert environment.compile(source).comparison is None


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("event.s +\n event.s == 'é'", "at 1:9: strings, bytes and lists are not joined"),
        ("'é' == 'é' &&\n event.li + [1] == [1]", "at 2:11: strings, bytes and lists are not joined"),
        ("bytes(event.s) + b'a' == b'b'", "at 1:16: strings"),
        ("dyn(event.li) + dyn(event.li) == [1]", "decimals can be compared, but not added"),
        ("[event.s]" + ".map(a, a + a)" * 20 + ".size() > 0", "at 1:20: strings"),
        ("event.li.exists(x, (event.s + event.s).size() > x)", "at 1:29: strings"),
        ("event.li.map(x, x * 2).size() > 0", "at 1:13: there is no `map`"),
        ("event.li.map(x, x > 1, event.li).size() > 0", "at 1:13: there is no `map`"),
        ("[event.li].all(a, a.map(x, a).size() > 0)", "at 1:24: there is no `map`"),
        ("[[1, 1]].all(a, [[a, a]].all(b, b == b))", "holds no variable of a loop"),
        ("[1].all(a, {'x': a}.size() > 0)", "holds no variable of a loop"),
        ("[1].all(a, google.protobuf.ListValue{values: [a]} == [1])", "holds no variable of a loop"),
        ("event.li.all(x, event.li.all(y, event.li == event.li))", "nest fewer loops"),
        ("event.li.all(x, event.li.all(y, string(bytes(event.s)).size() > 0))", "nest fewer loops"),
        ("event.li.all(x, event.li.all(y, event.s.matches('(a*)*b')))", "nest fewer loops"),
        ("event.ls.all(x, x.matches('((a{0,30}){0,30})*b'))", "count less often"),
        ("event.ls.all(x, x.matches(event.s))", "count less often"),
        (f"[[{', '.join(['event.ls'] * 80)}]].all(a, event.li.all(x, a == a))", "nest fewer loops"),
    ],
)
def test_what_could_grow_or_last_without_bound_is_refused(source: str, problem: str) -> None:
    with pytest.raises(InvalidCondition, match=re.escape(problem)):
        Environment(TEXTS).compile(source)


@pytest.mark.parametrize(
    ("source", "met"),
    [
        ("event.li.exists(x, x + 1 > 199)", True),
        ("5 in event.li && !(event.s in ['b', 'c'])", True),
        ("event.ls.exists(a, ['b', 'c'].exists(b, a.startsWith(b)))", False),
        ("event.li.filter(x, x > 100).size() == 99", True),
        ("event.li.filter(x, x > 100).filter(y, y < 102)[0] == 101", True),
        ("event.li.all(x, x in event.li) && event.ls.size() == 200", True),
        ("event.li.exists_one(x, x == 7) && event.s.contains('aa') && {'a': 1}['a'] == 1", True),
        ("timestamp('2020-01-01T00:00:00Z') + duration('1h') > timestamp('2020-01-01T00:00:00Z')", True),
        ("event.ls.exists(x, x.matches('^a+$')) && event.s.matches('^a{3}')", True),
        ("event.s != '+' && 'add_string' != 'é + é'", True),
    ],
)
def test_what_cannot_grow_is_answered(source: str, met: bool) -> None:
    environment = Environment(TEXTS)
    assert environment.compile(source).holds(environment.activation(LARGEST, {})) is met


def test_the_most_that_may_be_written_builds_little() -> None:
    written = "[" + ", ".join(["event.ls"] * 190) + "].size() == 190"
    searched = "event.li.all(x, " + " && ".join(["event.li == event.li"] * 10) + ")"
    environment = Environment(TEXTS)
    conditions = [environment.compile(source) for source in (written, searched)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert all(condition.holds(environment.activation(LARGEST, {})) for condition in conditions)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "in KiB"
