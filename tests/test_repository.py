"""What stands beside the code is true: pins, compose file, image, changelog, decisions, and the commands that CI runs."""

import json
import re
import stat
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from achievements.document_schema import document_schema

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
REQUIRED: list[str] = [*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|_URL$")


def canonical(requirement: str) -> str:
    """The name of a requirement, as the index writes it."""
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (line.partition(";")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def numbers(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)]


def secrets_with_defaults(services: dict[str, dict[str, Any]]) -> list[str]:
    """Settings that hold a secret and would hold it even where nobody set one."""
    found = []
    for service, described in services.items():
        for name, value in described.get("environment", {}).items():
            used = list(VARIABLE.finditer(str(value)))
            optional = [each["name"] for each in used if not each["rest"].startswith(":?")]
            literal = not used and (not name.endswith("_URL") or re.search(r"//[^/]*:[^/]*@", str(value)))
            if SECRET.search(name) and (optional or literal):
                found.append(f"{service}.{name}")
    return found


@pytest.mark.parametrize("requirement", REQUIRED)
def test_dependency_is_pinned_within_its_bound(requirement: str) -> None:
    pinned = pins()[canonical(requirement)]
    bound = requirement.partition(">=")[2]
    assert bound, "a lower bound says which interface the code was written for"
    assert numbers(pinned) >= numbers(bound)


def test_pins_name_no_place() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|--\w+|@ ", text)


def test_uv_of_the_makefile_takes_the_extras_that_exist() -> None:
    line = re.search(r"^extras := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line
    assert set(line[1].split(",")) == set(EXTRAS)


def test_ci_runs_targets_that_exist() -> None:
    script = ROOT / ".ci/run"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z]+)", script.read_text()))
    assert {"setup", "check", "test", "demo"} <= called <= targets
    assert script.stat().st_mode & stat.S_IXUSR


def test_compose_has_no_default_secret() -> None:
    assert secrets_with_defaults(SERVICES) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"POSTGRES_PASSWORD": "postgres"},
        {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:-postgres}"},
        {"DATABASE_URL": "postgresql://app:app@postgres/engagement"},
        {"DATABASE_URL": "postgresql://app:${PASSWORD}@postgres/engagement"},
    ],
)
def test_default_secret_is_seen(environment: dict[str, str]) -> None:
    assert secrets_with_defaults({"api": {"environment": environment}})


def test_compose_has_the_whole_service() -> None:
    assert set(SERVICES) == {"postgres", "valkey", "migrate", "api", "worker"}
    assert SERVICES["postgres"]["image"].startswith("postgres:18")
    assert SERVICES["valkey"]["image"].startswith("valkey/valkey:9")


def test_services_that_others_wait_for_say_when_they_are_well() -> None:
    awaited = {
        name for each in SERVICES.values() for name, how in each.get("depends_on", {}).items() if "healthy" in str(how)
    }
    assert awaited == {"postgres", "valkey"}
    for name in awaited | {"api", "worker"}:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_compose_mounts_exist() -> None:
    mounted = [volume.split(":")[0] for each in SERVICES.values() for volume in each.get("volumes", [])]
    assert all((ROOT / path).exists() for path in mounted if path.startswith("."))
    assert {path for path in mounted if not path.startswith(".")} == set(COMPOSE["volumes"])


def test_image_serves_as_a_nobody_and_copies_what_exists() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last_stage = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last_stage, re.MULTILINE)
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for name in line.split()]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_schema_for_editors_is_what_the_definitions_say() -> None:
    committed = json.loads((ROOT / "program.schema.json").read_text())
    assert committed == document_schema(), "print it anew: engagement schema --program > program.schema.json"


def test_changelog_has_a_place_for_the_next_release() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_migrations_follow_one_after_the_other() -> None:
    steps = sorted((ROOT / "engagement/records/migrations").glob("0*.py"))
    assert [int(each.name[:4]) for each in steps] == list(range(1, len(steps) + 1))
    for before, after in pairwise(steps):
        assert f'dependencies = [("records", "{before.stem}")]' in after.read_text()


def test_decisions_are_numbered_and_indexed() -> None:
    folder = ROOT / "docs/decisions"
    written = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in written] == [f"{number:04}" for number in range(1, len(written) + 1)]
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()) == written


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: path.name
)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []
