"""Documents written as YAML are read as the same, whatever words stand in them; and what is exported can be applied."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from achievements.definitions import Program, document_of, parse
from achievements.parts import DESCRIPTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from engagement.cli.documents import read_program, write_program
from tests.achievements.programs import EVERYTHING, document
from tests.cli.conftest import ROOT, Grocer, Run

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
WHOLE: dict[str, dict[str, Any]] = {
    **{path.name: read_program(path) for path in EXAMPLES},
    "everything": document(**EVERYTHING),
}

# Words that YAML could take for something else, beside any that can be stored.
TEXTS = st.sampled_from(
    [
        "yes",
        "on",
        "null",
        "~",
        "012",
        "1e3",
        "1_000",
        "0x1F",
        "2026-11-21",
        "- a",
        "a: b",
        " a ",
        "#a",
        "'",
        '"',
        "|",
        "{}",
        "\\",
    ]
) | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Some of the definitions of a known program, under any names and descriptions."""
    known = parse(draw(st.sampled_from(list(WHOLE.values()))))
    told = document_of(known)
    told["program"]["name"] = draw(TEXTS)[:NAME_CHARACTERS_MAX]
    for section in set(told) - {"program"}:
        told[section] = [
            {
                **each,
                "name": draw(TEXTS)[:NAME_CHARACTERS_MAX],
                "description": draw(TEXTS)[:DESCRIPTION_CHARACTERS_MAX],
            }
            for each in told[section]
            if draw(st.booleans())
        ]
    return parse(told)


def reread(program: Program, folder: Path) -> dict[str, Any]:
    written = io.StringIO()
    write_program(document_of(program), written)
    file = folder / "program.yaml"
    file.write_text(written.getvalue(), encoding="utf-8", newline="")
    return read_program(file)


@given(program=programs())
@settings(deadline=None)
def test_what_is_written_is_read_as_the_same(program: Program, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    document = reread(program, folder)
    assert document == document_of(program)
    assert document_of(parse(document)) == document


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_stands_for_its_program(name: str, tmp_path: Path) -> None:
    program = parse(WHOLE[name])
    again = parse(reread(program, tmp_path))
    assert {section: each for section, each in again.sections.items() if each} == {
        section: each for section, each in program.sections.items() if each
    }
    assert again.head == program.head


@pytest.mark.parametrize("name", ["grocer.yaml", "everything"])
def test_what_is_exported_can_be_applied_and_changes_nothing(
    name: str, grocer: Grocer, run: Run, tmp_path: Path
) -> None:
    key = f"export-{Path(name).stem}"
    file = tmp_path / "program.yaml"
    with file.open("w", encoding="utf-8") as to:
        write_program({**WHOLE[name], "program": {**WHOLE[name]["program"], "key": key}}, to)
    assert run("apply", file, "--data", grocer.data).returncode == 0
    exported = run("export-program", "--program", key, "--data", grocer.data)
    assert exported.returncode == 0, exported.stderr
    file.write_text(exported.stdout, encoding="utf-8")
    assert run("apply", file, "--data", grocer.data).stdout == f"{key}: nothing to change.\n"
    assert run("export-program", "--program", key, "--data", grocer.data).stdout == exported.stdout
