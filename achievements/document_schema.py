"""The JSON Schema of a program's document, for editors: made from the definitions themselves.

It knows less than `definitions.parse` and `rulebook.ready` do: nothing of what lies between definitions, and of a shape's own
rules only of which fields exactly one is given. What it refuses, `parse` refuses too, but for whole numbers written as text.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from achievements.conditions import CEL_TYPES
from achievements.definitions import DEFINITIONS_MAX, SECTIONS, Head
from achievements.earning import Earning
from achievements.measures import MeasureShape
from achievements.parts import SORTS, PropertyShape, Reward, Shape
from achievements.periods import Calendar
from achievements.windows import WindowShape

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ONE_OF: Mapping[type[Shape], tuple[str, ...]] = {
    Reward: SORTS,
    MeasureShape: ("sum", "distinct", "points"),
    Earning: ("fixed", "per", "each"),
    WindowShape: ("calendar", "days", "hours", "from"),
}
"""The shapes of which exactly one of some fields is given."""

_DECIMAL = {"type": "string", "format": "decimal"}
_NUMBER = {"type": ["number", "string"], "pattern": r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"}
_WINDOW = [{"type": "string"}, {"$ref": "#/$defs/WindowShape"}]
_LIFETIME = [{"const": Calendar.LIFETIME.value}, {"$ref": "#/$defs/WindowShape"}]
_PROPERTY = [{"type": "string"}, {"$ref": "#/$defs/PropertyShape"}]
_TYPE = {"enum": list(CEL_TYPES)}


def document_schema() -> dict[str, Any]:
    """The schema, as JSON Schema 2020-12."""
    _, found = msgspec.json.schema_components([*SECTIONS.values(), Head], ref_template="#/$defs/{name}")
    shapes: dict[str, Any] = _told(found)
    for shape, fields in ONE_OF.items():
        shapes[shape.__name__]["oneOf"] = [{"required": [field]} for field in fields]
    shapes[PropertyShape.__name__]["properties"]["type"] = _TYPE
    sections = {
        section: {
            "description": str(shapes[kind.__name__]["description"]),
            "type": ["array", "null"],
            "items": {"$ref": f"#/$defs/{kind.__name__}"},
            "maxItems": DEFINITIONS_MAX,
        }
        for section, kind in SECTIONS.items()
    }
    whole = {
        "$schema": DIALECT,
        "title": "Program",
        "description": "A program: its head, and its definitions by section.",
        "type": "object",
        "properties": {"program": {"$ref": f"#/$defs/{Head.__name__}"}, **sections},
        "required": ["program"],
        "additionalProperties": False,
        "$defs": shapes,
    }
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
    return built


def _told(node: Any) -> Any:
    """What msgspec says of its types, as editors read it and as documents are written."""
    if isinstance(node, list):
        return [_told(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.items() >= _DECIMAL.items():
        return {**_NUMBER, **({"default": node["default"]} if "default" in node else {})}
    # A field that may be left out says so by not being required.
    told = {name: _told(each) for name, each in node.items() if (name, each) != ("default", None)}
    if told.get("anyOf") == _WINDOW:
        told["anyOf"] = _LIFETIME
    if told.get("anyOf") == _PROPERTY:
        told["anyOf"] = [_TYPE, _PROPERTY[1]]
    if isinstance(told.get("pattern"), str):
        told["pattern"] = told["pattern"].replace(r"\Z", "$")
    if isinstance(told.get("description"), str):
        told["description"] = inspect.cleandoc(told["description"])
    return told
