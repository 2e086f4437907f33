"""Temporary files in memory: no commit, no new database and no new cluster of a test waits for a disk.

What is durable stays so for the service: the servers run with the settings that they always run with.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 8 * 2**30
"""Several servers run side by side, each with up to 2 GB of write-ahead log."""
_PREFIX: Final = "engagement-tests-"


def move_in() -> Path | None:
    """Make a folder in memory that this process and its children take for the temporary one, where there is room.

    None, and nothing is done, where there is not, or where TMPDIR says where temporary files belong.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return None
    _sweep()
    if min(shutil.disk_usage(MEMORY).free, _available()) < ROOM_BYTES:
        return None
    folder = MEMORY / f"{_PREFIX}{os.getpid()}"
    folder.mkdir()
    # As any such folder: the servers' own user passes through it, and makes files in it.
    folder.chmod(0o1777)
    # What pytest keeps of the last runs, to be looked at, is kept on disk.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None
    return folder


def _sweep() -> None:
    """Remove what runs that were killed have left."""
    for left in MEMORY.glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX)).exists():
            shutil.rmtree(left, ignore_errors=True)


def _available() -> int:
    """Bytes of memory that are to be had."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
