"""Where the tests of pages find a real Chromium: Debian's, else one that npm carries with libraries and fonts of its own."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.clients.node import install, programs

HERE = Path(__file__).resolve().parent
UNPACKED = HERE / "node_modules" / ".unpacked"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = (
    "The tests of pages need a real Chromium: `apt-get install chromium`, or the npm registry, from which they take"
    " @sparticuz/chromium (x86-64 Linux)."
)

# Told that it runs in Amazon's cloud, the package unpacks the libraries that a bare machine lacks as well.
UNPACK = "import('@sparticuz/chromium').then((found) => found.default.executablePath())"
CLOUD = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}
# Its own configuration names folders of that cloud, and without a single font Chromium draws no text.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


class Chromium(NamedTuple):
    """A browser's program, and what its environment has to say beside ours."""

    program: Path
    environment: dict[str, str]


def find() -> Chromium:
    """The machine's, or npm's; fails with what to install where neither is to be had."""
    machines = shutil.which("chromium") or shutil.which("chromium-browser")
    return Chromium(Path(machines), {}) if machines else _of_npm()


def _of_npm() -> Chromium:
    try:
        install(HERE)
        _unpack()
    except (AssertionError, subprocess.SubprocessError) as error:
        raise AssertionError(f"{MISSING}\n{error}") from error
    configuration = UNPACKED / "fonts.conf"
    return Chromium(
        UNPACKED / "chromium",
        {"LD_LIBRARY_PATH": str(UNPACKED / "al2023" / "lib"), "FONTCONFIG_FILE": str(configuration)},
    )


def _unpack() -> None:
    done = UNPACKED / ".done"
    with (HERE / "package-lock.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if done.exists():
            return
        shutil.rmtree(UNPACKED, ignore_errors=True)
        UNPACKED.mkdir()
        node, _ = programs()
        environment = {**os.environ, **CLOUD, "TMPDIR": str(UNPACKED)}
        subprocess.run([node, "-e", UNPACK], cwd=HERE, env=environment, check=True, capture_output=True, timeout=120)
        fonts = FONTS.format(fonts=UNPACKED / "fonts", cache=UNPACKED / "cache")
        (UNPACKED / "fonts.conf").write_text(fonts)
        done.touch()
