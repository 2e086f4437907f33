"""The compose file is one by the Compose Specification; that the containers run, nothing here can show: it needs an engine."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from tests.test_repository import COMPOSE, ROOT, SERVICES

SCHEMA: dict[str, Any] = msgspec.json.decode((Path(__file__).parent / "compose-spec/compose-spec.json").read_bytes())


def complaints(compose: object) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)]


def test_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_compose_file_is_valid() -> None:
    assert complaints(COMPOSE) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda services: services["api"].update(image=1),
        lambda services: services["api"].update(healtcheck={}),
        lambda services: services["api"]["healthcheck"].update(retries=["3"]),
        lambda services: services["api"]["depends_on"]["postgres"].update(condition="well"),
        lambda services: services["worker"].update(stop_grace_period=30),
        lambda services: services["postgres"]["environment"].update(NESTED={"a": 1}),
    ],
)
def test_a_spoiled_file_is_seen(spoil: Callable[[dict[str, Any]], None]) -> None:
    spoilt = copy.deepcopy(COMPOSE)
    spoil(spoilt["services"])
    assert complaints(spoilt)


@pytest.mark.parametrize(("service", "port"), [("api", 8000), ("worker", 9000)])
def test_service_is_asked_whether_it_is_ready(service: str, port: int) -> None:
    described = SERVICES[service]
    asked = " ".join(described["healthcheck"]["test"])
    assert f"'127.0.0.1', {port}" in asked
    assert "'/ready'" in asked
    assert described["command"][-1] == str(port)
    assert described["restart"] == "unless-stopped"
    assert set(described["depends_on"]) == {"migrate", "postgres", "valkey"}


@pytest.mark.parametrize("service", ["api", "worker", "migrate"])
def test_our_containers_may_do_little_and_have_time_to_finish(service: str) -> None:
    described = SERVICES[service]
    assert described["read_only"]
    assert described["cap_drop"] == ["ALL"]
    assert int(described["stop_grace_period"].removesuffix("s")) > 15 + 5 + 2


def test_image_has_two_stages_and_no_secret() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("\nFROM ") + text.startswith("FROM ") == 2
    assert "--constraint constraints.txt" in text
    assert "PASSWORD" not in text
    assert "_URL" not in text
