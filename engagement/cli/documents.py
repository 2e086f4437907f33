"""Program documents, read from and written as YAML 1.2.

YAML 1.2 on purpose: under 1.1 the key `on` would be a truth value, and `012` another number than it looks.
"""

import sys
from pathlib import Path
from typing import Any, TextIO

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from engagement.cli.stopping import Stop

DOCUMENT_BYTES_MAX = 1024 * 1024


def read_program(file: Path) -> dict[str, Any]:
    """The document in `file` (`-`: standard input); Stop with line and column where it is no YAML mapping."""
    try:
        content = _bounded(file)
        document = YAML(typ="safe", pure=True).load(content.decode())
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Stop(f"{file} is not UTF-8: {error.reason} at byte {error.start}.") from error
    except YAMLError as error:
        raise Stop(f"{file}{_described(error)}") from error
    except RecursionError as error:
        raise Stop(f"{file} is nested too deeply.") from error
    if not isinstance(document, dict):
        raise Stop(
            f"{file} is no program: expected a mapping with the key `program` and sections such as `earn_rules`."
        )
    return document


class _Representer(SafeRepresenter):
    """Puts text in quotes, with escapes, wherever the library's own choice of style could be read as something else."""

    def represent_text(self, text: str) -> ScalarNode:
        """A text as a node."""
        plain = text.isprintable() and text[:1].isalnum()
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')
        return node


_Representer.add_representer(str, _Representer.represent_text)


def write_program(document: dict[str, Any], to: TextIO) -> None:
    """Write a document that `read_program` reads as the same: keys in their order, what holds no lists on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = None
    # Declared as None by the library, which takes it for true.
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    # Lines are not folded: the library breaks some texts when it does.
    yaml.width = sys.maxsize
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(document, to)


def program_key(document: dict[str, Any]) -> str:
    """The key of the program that a document describes; Stop where it has none."""
    head = document.get("program")
    key = head.get("key") if isinstance(head, dict) else None
    if not isinstance(key, str):
        raise Stop("program.key: `key` is missing")
    return key


def _bounded(file: Path) -> bytes:
    if str(file) == "-":
        content = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
    else:
        with file.open("rb") as opened:
            content = opened.read(DOCUMENT_BYTES_MAX + 1)
    if len(content) > DOCUMENT_BYTES_MAX:
        raise Stop(f"{file} is larger than {DOCUMENT_BYTES_MAX // 1024} KiB, the most that a program may have.")
    return content


def _described(error: YAMLError) -> str:
    if not isinstance(error, MarkedYAMLError):
        return f" is no YAML: {str(error).splitlines()[0]}"
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
    problem = error.problem or error.context or "no YAML"
    return f"{where}: {problem.split(' with value ')[0] if isinstance(error, DuplicateKeyError) else problem}"
