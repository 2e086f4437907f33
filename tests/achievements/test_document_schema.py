"""The schema for editors: it takes what is a program, and refuses what its shapes alone can tell is none."""

from typing import Any

import jsonschema
import pytest

from achievements.definitions import document_of, parse
from achievements.document_schema import document_schema
from engagement.cli.documents import read_program
from tests.achievements.programs import EVERYTHING, EXACT, document
from tests.test_repository import ROOT

SCHEMA = document_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = {path.name: read_program(path) for path in sorted((ROOT / "examples").glob("*.yaml"))}
WHOLE: dict[str, dict[str, Any]] = {
    **EXAMPLES,
    "everything": document(**EVERYTHING),
    "exact": document(**EXACT),
}
COUNT = {"key": "x", "objectives": [{"on": "purchase", "target": 5}]}


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", WHOLE)
def test_it_takes_what_is_a_program(name: str) -> None:
    for each in (WHOLE[name], document_of(parse(WHOLE[name]))):
        assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(each)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_name_it(name: str) -> None:
    first = (ROOT / "examples" / name).read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../program.schema.json"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"chalenges": []}, "$"),
        ({"program": {}}, "$.program"),
        ({"challenges": [{**COUNT, "key": "No key"}]}, "$.challenges[0].key"),
        ({"challenges": [{**COUNT, "objectives": [{"on": "purchase", "target": 0}]}]}, "$.challenges[0].objectives[0].target"),
        ({"challenges": [{**COUNT, "window": "always"}]}, "$.challenges[0].window"),
        ({"challenges": [{**COUNT, "window": {"days": 5, "hours": 5}}]}, "$.challenges[0].window"),
        ({"challenges": [{**COUNT, "rewards": [{"points": 5, "voucher": "tea"}]}]}, "$.challenges[0].rewards[0]"),
        ({"event_types": [{"key": "visit", "properties": {"mood": "integer"}}]}, "$.event_types[0].properties.mood"),
        ({"earn_rules": [{"key": "r", "on": "visit", "earn": {"fixed": 5, "per": "mood"}}]}, "$.earn_rules[0].earn"),
        ({"streaks": [{"key": "s", "on": "visit", "period": "hour"}]}, "$.streaks[0].period"),
    ],
)  # fmt: skip
def test_it_refuses_what_is_none(changes: dict[str, Any], path: str) -> None:
    errors = list(VALIDATOR.iter_errors({**document(), **changes}))
    assert [error.json_path for error in errors] == [path]


def test_every_section_and_shape_is_described() -> None:
    assert all(section.get("description") for name, section in SCHEMA["properties"].items() if name != "program")
    assert all(shape.get("description") for shape in SCHEMA["$defs"].values() if "enum" not in shape)
