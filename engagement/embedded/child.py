"""What runs as the servers' user: one process that becomes a server, or one that stops what an earlier run left.

The supervisor starts this file by its path in an interpreter of its own, so that nothing of ours runs between fork and
exec in a process with threads. As root it first becomes the servers' user. It needs the standard library alone.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1

# PostgreSQL takes SIGINT as "fast shutdown": sessions are ended, committed work is checkpointed. Valkey keeps nothing.
POLITE = {"postgres": signal.SIGINT, "valkey-server": signal.SIGTERM, "initdb": signal.SIGTERM}


def become(user: int, group: int) -> None:
    """Give up root for `user` and `group` (ids), for good. Nothing happens when this is not root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    os.umask(0o077)


def start(parent: int, death: int, folder: str, log: str, command: list[str]) -> None:
    """Become `command`, working in `folder`, with its output at the end of the file `log`.

    It receives the signal `death` when the thread of `parent` that started it ends. The log is opened here,
    after the change of user: the folder is that user's, and root must not follow its links.
    """
    # Python's own SIGINT handler only takes a note, which exec would forget; the kernel's default ends us at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The kernel clears this on a change of user, so it comes after; a parent that died before it is noticed below.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    os.chdir(folder)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.execve(command[0], command, {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"})  # noqa: S606 - a server of ours


def stop(folder: str, patience: float) -> None:
    """End every server that works inside `folder`: politely, after `patience` seconds by SIGKILL.

    No pid file is believed. A process counts only if the kernel says that its working directory is in the folder and
    its program is one of ours; a pidfd, opened before that look, makes sure that the signal reaches that very process.
    Exits with a message if something is still there 5 s after SIGKILL.
    """
    asked: set[int] = set()
    begun = time.monotonic()
    while True:
        inside = {pid: (name, pidfd) for pid, name, pidfd in _inside(folder)}
        force = time.monotonic() - begun > patience
        for pid, (name, pidfd) in inside.items():
            # A server's own children are its to end; they count as orphans once their parent is no longer here.
            if force:
                _send(pidfd, signal.SIGKILL)
            elif pid not in asked and _parent(pid) not in inside:
                asked.add(pid)
                _send(pidfd, signal.SIGKILL if _orphan_backend(pid) else POLITE[name])
            os.close(pidfd)
        if not inside:
            return
        if time.monotonic() - begun > patience + 5:
            sys.exit(f"still running in {folder}: processes {', '.join(map(str, inside))}")
        time.sleep(0.01)


def _inside(folder: str) -> Iterator[tuple[int, str, int]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            pidfd = os.pidfd_open(int(entry.name))
        except OSError:
            continue
        try:
            # A folder or a program deleted meanwhile reads "… (deleted)". Other users' processes cannot be read at all.
            where = str((entry / "cwd").readlink()).removesuffix(" (deleted)")
            name = (entry / "exe").readlink().name.removesuffix(" (deleted)")
        except OSError:
            os.close(pidfd)
            continue
        if name in POLITE and (where == folder or where.startswith(folder + "/")):
            yield int(entry.name), name, pidfd
        else:
            os.close(pidfd)


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _orphan_backend(pid: int) -> bool:
    # A child of PostgreSQL names itself "postgres: …". Without its server it has to go before the next start,
    # which refuses while old shared memory is in use.
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres: ")
    except OSError:
        return False


def _send(pidfd: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


if __name__ == "__main__":
    _verb, _user, _group, _arguments = sys.argv[1:]
    become(int(_user), int(_group))
    if _verb == "start":
        start(**json.loads(_arguments))
    else:
        stop(**json.loads(_arguments))
