"""Events against the shapes that their types declare."""

from typing import Any

import pytest

from achievements.definitions import definition_of
from achievements.events import EventType


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"amount": "-0.01"}, "properties.amount"),
        ({"amount": "1e400"}, "properties.amount"),
        ({"amount": "1e999999999"}, "properties.amount"),
        ({"amount": "1e-999999999"}, "properties.amount"),
        ({"amount": "1." + "0" * 62 + "e5"}, "properties.amount"),
        ({"amount": "1_000"}, "properties.amount"),
        ({"amount": " 5 "}, "properties.amount"),
        ({"amount": 1e300}, "properties.amount"),
        ({"amount": "NaN"}, "properties.amount"),
        ({"amount": True}, "properties.amount"),
        ({"amount": 0.1 + 0.2}, "properties.amount"),
        ({"amount": "12,50"}, "properties.amount"),
        ({"departments": "DAIRY"}, "properties.departments"),
        ({"departments": [1]}, "properties.departments"),
        ({"departments": ["x"] * 201}, "properties.departments"),
        ({"count": 2**60}, "properties.count"),
        ({"count": 1.5}, "properties.count"),
        ({"count": -6}, "properties.count"),
        ({"when": "yesterday"}, "properties.when"),
        ({"label": "x" * 1001}, "properties.label"),
        ({"needed": None}, "properties.needed"),
    ],
)
def test_a_property_of_the_wrong_shape_is_told(properties: dict[str, Any], path: str) -> None:
    kind = EventType(
        key="purchase",
        properties=definition_of(
            "event_types",
            {
                "key": "purchase",
                "properties": {
                    "amount": "decimal",
                    "departments": "list[string]",
                    "count": {"type": "int", "min": "-5"},
                    "when": "datetime",
                    "label": "string",
                    "needed": {"type": "bool", "required": True},
                },
            },
        ).properties,  # type: ignore[attr-defined]
    )
    _, mistakes = kind.read({"needed": True, **properties})
    assert [each.path for each in mistakes] == [path]


def test_decimals_and_numbers_are_read_exactly() -> None:
    kind = EventType(key="purchase", properties={"amount": "decimal"})
    for written, exact in [("19.99", "19.99"), (19.99, "19.99"), (20, "20"), ("0.10", "0.10")]:
        values, mistakes = kind.read({"amount": written})
        assert (str(values["amount"]), mistakes) == (exact, [])
