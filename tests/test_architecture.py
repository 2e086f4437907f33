"""The rules of the house, checked on every tracked file.

Each rule is a function from a source to complaints; `SAMPLES` holds a small breach of each, so that no rule can fall asleep.
"""

import ast
import graphlib
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
EXCEPTIONS_MAX = 5

# What each part may import of our own tree beside itself. A part that is not listed does not exist yet: list it first.
LAYERS: dict[str, set[str]] = {
    "achievements": set(),
    "engagement.cores": set(),
    "engagement.errors": {"achievements"},
    "engagement.observer": set(),
    "engagement.settings": set(),
    "engagement.embedded": set(),
    "engagement.records": {"achievements", "engagement.errors", "engagement.settings"},
}
_BESIDE = ("achievements", "engagement.errors", "engagement.observer", "engagement.cores")
LAYERS["engagement.actions"] = {"engagement.records", *_BESIDE}
LAYERS["engagement.relay"] = {"achievements", "engagement.records", "engagement.errors", "engagement.settings"}
LAYERS["engagement.telemetry"] = {
    *("engagement.records", "engagement.relay", "engagement.errors", "engagement.observer"),
}
LAYERS["engagement.api"] = set(LAYERS) - {"engagement.embedded", "engagement.telemetry"}
LAYERS["engagement.worker"] = set(LAYERS) - {"engagement.api", "engagement.telemetry"}
LAYERS["engagement.app"] = set(LAYERS) - {"engagement.worker"}
LAYERS["engagement.cli"] = set(LAYERS)

BANNED_LIBRARIES: dict[str, set[str]] = {
    "engagement.records": {"strawberry", "starlette", "redis", "httpx", "prometheus_client"},
    "engagement.actions": {"strawberry", "starlette", "redis", "httpx", "tortoise", "asyncpg", "prometheus_client"},
    "engagement.api": {"tortoise", "asyncpg", "redis", "prometheus_client"},
    "engagement.relay": {"strawberry", "starlette", "tortoise", "asyncpg", "prometheus_client"},
    "engagement.telemetry": {"strawberry", "tortoise", "asyncpg", "redis"},
}
PURE_LIBRARIES = {"msgspec", "cel_expr_python"}
# What would let the world into the fold: clocks, chance, files, the network, other threads.
IMPURE_MODULES = {
    "asyncio",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "urllib",
}
IMPURE_CALLS = {"input", "now", "open", "print", "today", "utcnow", "uuid1", "uuid4"}

# The unit, and the migrator, whose work is the schema and no member's.
MAY_OPEN_TRANSACTIONS = {"engagement/records/unit.py", "engagement/records/database.py"}
BANNED_NAMES = {"base", "common", "helpers", "managers", "misc", "services", "utils"}
LOCK_FILES = {"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "uv.lock"}

# Joined here, so that this file does not hold what it looks for.
REGISTRIES = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("crates", "io"),
)
REGISTRY_HOSTS = tuple(".".join(parts) for parts in (*REGISTRIES, ("deb", "debian", "org"), ("golang", "org")))
MACHINE_PATHS = tuple("/" + "/".join(parts) for parts in (("work", ""), ("tmp", "lab"), ("root", ""), ("opt", "pypi")))
UNFINISHED = re.compile(
    r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")) + r")\b"
)
ALLOW_SIZE = re.compile(r"# allow: size\b(?P<reason>.*)")


class Source(NamedTuple):
    """A tracked file: its path from the root, with slashes, and its text."""

    path: str
    text: str

    @property
    def is_code(self) -> bool:
        return self.path.startswith(("achievements/", "engagement/"))

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def layer(self) -> str:
        """The part of `LAYERS` that the file belongs to; "" for the bare package `engagement`."""
        parts = self.module.split(".")
        return parts[0] if parts[0] == "achievements" else ".".join(parts[:2]) if len(parts) > 1 else ""

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(ast.parse(self.text))


Complaints = Iterator[str]


def imported(node: ast.AST, package: str = "") -> list[str]:
    """The dotted names that an import statement asks for, relative ones resolved against `package`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            kept = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*kept, origin] if origin else kept)
        return [f"{origin}.{alias.name}" for alias in node.names]
    return []


def package_of(source: Source) -> str:
    return source.module if source.path.endswith("/__init__.py") else source.module.rpartition(".")[0]


def layers(source: Source) -> Complaints:
    """Imports between the parts of the tree follow `LAYERS`; libraries stay out of the layers they have no business in."""
    if not source.is_code or not source.layer:
        return
    if source.layer not in LAYERS:
        yield f"{source.layer} is no layer that LAYERS knows"
        return
    for node in source.nodes():
        for name in imported(node, package_of(source)):
            top = name.split(".")[0]
            target = top if top == "achievements" else ".".join(name.split(".")[:2])
            if top in {"achievements", "engagement"} and target not in {source.layer, *LAYERS[source.layer]}:
                yield f"{source.layer} imports {target}"
            if top in BANNED_LIBRARIES.get(source.layer, ()):
                yield f"{source.layer} imports {top}"


def purity(source: Source) -> Complaints:
    """The rules reach nothing but their arguments."""
    if not source.path.startswith("achievements/"):
        return
    for node in source.nodes():
        for name in imported(node, package_of(source)):
            top = name.split(".")[0]
            if top in IMPURE_MODULES or top not in {*sys.stdlib_module_names, *PURE_LIBRARIES, "achievements"}:
                yield f"imports {name}"
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPURE_CALLS:
                yield f"line {node.lineno} calls {called}"


def imports_on_top(source: Source) -> Complaints:
    for node in source.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                yield from (f"line {node.lineno} imports {name} inside a function" for name in imported(inner))


def type_checking(source: Source) -> Complaints:
    """An import for types alone would hide a cycle between our own modules."""
    for node in source.nodes():
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            names = [name for inner in ast.walk(node) for name in imported(inner, package_of(source))]
            yield from (
                f"{name} under TYPE_CHECKING" for name in names if name.startswith(("achievements", "engagement"))
            )


def names(source: Source) -> Complaints:
    yield from (f"is named {part}" for part in PurePosixPath(source.path).with_suffix("").parts if part in BANNED_NAMES)


def one_transaction(source: Source) -> Complaints:
    """Work is done in a unit, and the unit alone opens a transaction for it."""
    word = "in_transaction"
    if source.path in MAY_OPEN_TRANSACTIONS:
        return
    for node in source.nodes():
        spoken = [
            *(name.rpartition(".")[2] for name in imported(node)),
            getattr(node, "id", ""),
            getattr(node, "attr", ""),
        ]
        if word in spoken:
            yield f"line {getattr(node, 'lineno', 0)} uses {word}"


def zones(source: Source) -> Complaints:
    """One place knows a calendar; the other rules may pass a zone on, the service knows zones by name only."""
    if not source.is_code or source.path == "achievements/periods.py":
        return
    for node in source.nodes():
        passed_on = {"zoneinfo.ZoneInfo"} if source.layer == "achievements" else set()
        yield from (
            f"imports {name}" for name in imported(node) if name.split(".")[0] == "zoneinfo" and name not in passed_on
        )
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ZoneInfo":
            yield f"line {node.lineno} makes a zone"
        if isinstance(node, ast.Attribute) and node.attr == "astimezone":
            yield f"line {node.lineno} uses astimezone"


def exceptions(source: Source) -> dict[int, str]:
    """The lines that carry a size exception, with the reason given for each."""
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    found = ((token.start[0], ALLOW_SIZE.search(token.string)) for token in comments)
    return {line: match["reason"].strip(" :—-") for line, match in found if match}


def sizes(source: Source) -> Complaints:
    """Files and functions stay short; an exception stands in the first line of the file, or on the `def` or the line above it."""
    excused = exceptions(source)
    yield from (f"line {line} gives no reason" for line, reason in excused.items() if not reason)
    length = source.text.count("\n")
    if length > FILE_LINES_MAX and 1 not in excused:
        yield f"has {length} lines"
    for node in source.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX and not {node.lineno, node.lineno - 1} & set(excused):
                yield f"{node.name} has {length} lines"


def finished(source: Source) -> Complaints:
    yield from (f"says {match[0]}" for match in UNFINISHED.finditer(source.text))


def places(source: Source) -> Complaints:
    """No registry's host and no path of a maker's machine gets into the tree."""
    for word in (*REGISTRY_HOSTS, *MACHINE_PATHS):
        if re.search(r"(?<![\w-])" + re.escape(word), source.text):
            yield f"names {word}"


def lock_files(source: Source) -> Complaints:
    """A lock file that says where a package was fetched works at that place only."""
    if PurePosixPath(source.path).name in LOCK_FILES and re.search(r"\bresolved\b.*://", source.text):
        yield "says where packages were resolved"


Rule = Callable[[Source], Complaints]
PYTHON_RULES: tuple[Rule, ...] = (
    *(layers, purity, imports_on_top, type_checking, names, one_transaction, zones, sizes),
)
TEXT_RULES: tuple[Rule, ...] = (finished, places, lock_files)

# Each line is a breach: the rule that must see it, the path where it would stand, and the text.
SAMPLES: tuple[tuple[Rule, str, str], ...] = (
    (layers, "achievements/fold.py", "from engagement.errors import Refusal"),
    (layers, "engagement/records/points.py", "from engagement.actions import points"),
    (layers, "engagement/records/points.py", "from ..actions import points"),
    (layers, "engagement/actions/points.py", "import engagement.relay.boards"),
    (layers, "engagement/actions/points.py", "import redis.asyncio"),
    (layers, "engagement/actions/points.py", "from prometheus_client import Counter"),
    (layers, "engagement/api/points.py", "from engagement.telemetry.metrics import Telemetry"),
    (layers, "engagement/api/points.py", "from tortoise import Model"),
    (layers, "engagement/relay/boards.py", "from engagement.actions.points import spend"),
    (layers, "engagement/worker.py", "import engagement.app"),
    (layers, "engagement/errors.py", "from engagement import settings"),
    (layers, "engagement/novelty.py", ""),
    (purity, "achievements/fold.py", "import yaml"),
    (purity, "achievements/fold.py", "from time import monotonic"),
    (purity, "achievements/fold.py", "at = datetime.now(UTC)"),
    (purity, "achievements/fold.py", "name = uuid4()"),
    (imports_on_top, "engagement/app.py", "async def serve():\n    if True:\n        import json"),
    (imports_on_top, "tests/test_app.py", "def test():\n    from json import loads"),
    (type_checking, "engagement/app.py", "if typing.TYPE_CHECKING:\n    from engagement.worker import Worker"),
    (type_checking, "engagement/api/points.py", "if TYPE_CHECKING:\n    from .boards import Board"),
    (names, "engagement/api/utils.py", ""),
    (names, "tests/helpers/points.py", ""),
    (one_transaction, "engagement/actions/points.py", "from tortoise.transactions import in_transaction"),
    (one_transaction, "engagement/records/points.py", "transactions.in_transaction()"),
    (zones, "engagement/api/points.py", "from zoneinfo import ZoneInfo"),
    (zones, "achievements/streaks.py", "import zoneinfo"),
    (zones, "achievements/streaks.py", "zone = ZoneInfo(name)"),
    (zones, "achievements/streaks.py", "at.astimezone(zone)"),
    (sizes, "engagement/app.py", "\n" * (FILE_LINES_MAX + 1)),
    (sizes, "tests/test_app.py", "def test():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    (sizes, "engagement/app.py", "def serve():  # allow: size\n" + "    pass\n" * FUNCTION_LINES_MAX),
    (finished, "engagement/app.py", "raise NotImplemented" + "Error"),
    (finished, "docs/a.md", "TO" + "DO: write"),
    *((places, "README.md", f"from https://{host}/simple") for host in REGISTRY_HOSTS),
    *((places, "Makefile", f"cd {path}") for path in MACHINE_PATHS),
    (lock_files, "web/package-lock.json", '{"resolved"' + ': "https://example.com/a.tgz"}'),
)
# These look like a breach and are none.
INNOCENT: tuple[tuple[Rule, str, str], ...] = (
    (layers, "engagement/cli/serve.py", "from engagement.app import create\nfrom engagement.worker import run"),
    (
        layers,
        "engagement/api/boards.py",
        "from engagement.relay.boards import top\nfrom achievements.values import Event",
    ),
    (
        purity,
        "achievements/fold.py",
        "import msgspec\nfrom decimal import Decimal\nfrom achievements.values import Event",
    ),
    (type_checking, "engagement/app.py", "if TYPE_CHECKING:\n    from starlette.types import ASGIApp"),
    (one_transaction, "engagement/records/unit.py", "from tortoise.transactions import in_transaction"),
    (zones, "achievements/streaks.py", "from zoneinfo import ZoneInfo\ndef of(zone: ZoneInfo) -> None: ..."),
    (zones, "achievements/periods.py", "from zoneinfo import ZoneInfo\nat.astimezone(ZoneInfo(name))"),
    (sizes, "engagement/app.py", "def serve():  # allow: size: one table\n" + "    pass\n" * FUNCTION_LINES_MAX),
    (places, "docs/a.md", "see docs/work/ and artwork/"),
    (lock_files, "docs/a.md", "resolved"),
    (lock_files, "web/package-lock.json", '{"resolved": "widgets", "link": true}'),
)


def tracked() -> list[Source]:
    """Every text file that git tracks or would track."""
    # The tree may belong to another user than the one who tests it; git refuses to look at such a tree unless told.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    found = []
    for path in sorted(filter(None, set(listed))):
        content = (ROOT / path).read_bytes() if (ROOT / path).is_file() else b"\0"
        if b"\0" not in content:
            found.append(Source(path, content.decode()))
    return found


TREE = tracked()
# Given to us with the reference answers, and run as it is: not ours to shape.
GIVEN = "tests/reference/given/"
PYTHON = [source for source in TREE if source.path.endswith(".py") and not source.path.startswith(GIVEN)]


@pytest.mark.parametrize("rule", [*PYTHON_RULES, *TEXT_RULES], ids=lambda rule: rule.__name__)
def test_tree_keeps(rule: Rule) -> None:
    sources = TREE if rule in TEXT_RULES else PYTHON
    assert [f"{source.path}: {complaint}" for source in sources for complaint in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), SAMPLES)
def test_breach_is_seen(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), INNOCENT)
def test_innocent_is_spared(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def test_every_rule_has_a_breach() -> None:
    assert {rule for rule, _, _ in SAMPLES} == {*PYTHON_RULES, *TEXT_RULES}


def circles(sources: Sequence[Source]) -> Iterator[list[str]]:
    """Modules that import each other, straight or through others: flows across nouns go one way inside a layer too."""
    modules = {source.module: source for source in sources if source.is_code}
    needs = {
        module: {
            target
            for node in source.nodes()
            for name in imported(node, package_of(source))
            for target in (name, name.rpartition(".")[0])
            if target in modules and not modules[target].path.endswith("__init__.py")
        }
        for module, source in modules.items()
    }
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        yield error.args[1]


def test_no_module_imports_itself_through_others() -> None:
    assert list(circles(PYTHON)) == []
    first = Source("engagement/actions/a.py", "from engagement.actions import b")
    second = Source("engagement/actions/b.py", "from engagement.actions.a import x")
    assert list(circles([first, second]))


def test_exceptions_are_few() -> None:
    excused = [(source.path, line) for source in PYTHON for line in exceptions(source)]
    assert len(excused) <= EXCEPTIONS_MAX, excused


def test_tree_was_found() -> None:
    assert {"pyproject.toml", "achievements/__init__.py", "tests/test_architecture.py"} <= {
        source.path for source in TREE
    }
