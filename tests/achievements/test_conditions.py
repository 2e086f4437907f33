"""Conditions: what fails is not met, nothing hangs, and what is answered without CEL is answered alike."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements.conditions import Environment, InvalidCondition


def test_a_condition_that_fails_counts_as_not_met() -> None:
    environment = Environment({"amount": "decimal", "n": "int"})
    missing = environment.compile("event.amount > 1.0")
    assert not missing.holds(environment.activation({}, {}))
    assert not environment.compile("1 / event.n > 0").holds(environment.activation({"n": 0}, {}))
    loops = "[1,2,3,4,5,6,7,8,9,10]"
    endless = " && ".join(
        f"{loops}.all(a{i}, {loops}.all(b{i}, {loops}.all(c{i}, {loops}.all(d{i}, true))))" for i in range(8)
    )
    assert not environment.compile(endless).holds(environment.activation({}, {}))


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
            assert condition.comparison.holds(properties) == condition.holds(environment.activation(properties, {}))


def test_no_more_than_a_comparison_is_taken_for_one() -> None:
    environment = Environment({"amount": "decimal", "label": "string"})
    for source in ("event.amount > 1.0 && true", "event.label == '1'", "1.0 < event.amount", "!(event.amount > 1.0)"):
        assert environment.compile(source).comparison is None
