"""The embedded PostgreSQL's processes: initdb, start, stop, and the keeper that watches one server.

The keeper is a small detached process, one a server. It starts PostgreSQL, brings it back when it was killed,
and stops it when no process uses it any more, however those ended. Whoever finds no keeper starts one, so a
killed keeper heals too: the next one adopts the running server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from config.postgres_place import (
    DATABASE,
    MAJOR,
    PORT,
    ROLE,
    Place,
    PostgresUnavailable,
    locate,
    make_socket_dir,
    programs,
)

LOOK_SECONDS = 0.5
# A crash recovery may take long; a start that fails ends its process, and we see that at once.
START_SECONDS = 600
STOP_SECONDS = 30
LOG_KEPT_BYTES = 10_000_000

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%d ",
}

# What PostgreSQL says, and what a person can do about it.
REASONS = {
    "No space left on device": "The disk is full: PostgreSQL can not write to {data}. Free some space first.",
    "Disk quota exceeded": "Your disk quota is used up, so {data} can not grow. Free some space first.",
    "Read-only file system": "{data} is on a read-only file system. Set VAR_DIR to another folder.",
    "Cannot allocate memory": "There is too little memory to start PostgreSQL. Close other programs first.",
    "database files are incompatible": "Another PostgreSQL made {data}. Move it away, or run `make reset`.",
    "Permission denied": "{data} belongs to another user. Use that user, or set VAR_DIR.",
}


class Server:
    """One data directory and the PostgreSQL that serves it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.bin = programs(place)
        self.process: psutil.Process | None = None

    def prepare(self) -> None:
        """Make the data directory when there is none; refuse one of another major version."""
        version = self.place.data / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != str(MAJOR):
                raise PostgresUnavailable(
                    f"PostgreSQL {found} made the database in {self.place.data}; this project runs {MAJOR}. "
                    "Move it away or run `make reset` (which deletes it), or set DATABASE_URL."
                )
            return
        # renamed when complete, so a kill half way leaves no half a database
        new = self.place.base / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self.place.give(new)
        self._run(
            "initdb", "--pgdata", str(new), "--username", "postgres", "--encoding", "UTF8",
            "--locale-provider", "builtin", "--locale", "C.UTF-8",
            "--auth-local", "trust", "--auth-host", "reject", "--no-instructions",
        )  # fmt: skip
        made = f"CREATE ROLE {ROLE} LOGIN CREATEDB;\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n"
        self._run("postgres", "--single", "-D", str(new), "postgres", given=made)
        if self.place.data.exists():
            self.place.data.rename(self.place.base / f"data.broken-{int(time.time())}")
        new.rename(self.place.data)
        _sync(self.place.base)

    def start(self) -> None:
        """Start PostgreSQL, or adopt the one that runs already; returns when it takes connections."""
        if self.adopt():
            return
        self._clear_stale()
        make_socket_dir(self.place)
        if self.place.log.exists() and self.place.log.stat().st_size > LOG_KEPT_BYTES:
            self.place.log.replace(self.place.log.with_suffix(".old.log"))
        options = OPTIONS | {"port": str(PORT), "unix_socket_directories": f'"{self.place.socket_dir}"'}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with self.place.log.open("ab") as log:
            seen = log.tell()
            child = subprocess.Popen(
                [self.bin / "postgres", "-D", self.place.data, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **self._as_account(),
            )  # fmt: skip
        self.process = psutil.Process(child.pid)
        deadline = time.monotonic() + START_SECONDS
        while not (self.adopt() and is_ready(self.place)):
            if child.poll() is not None or time.monotonic() > deadline:
                said = self.place.log.read_bytes()[seen:].decode(errors="replace")
                raise PostgresUnavailable(self._why(said))
            time.sleep(0.02)

    def adopt(self) -> bool:
        """Find the running server of our data directory by its own pid file; False when there is none."""
        self.process = _postmaster(self.place)
        return self.process is not None

    def alive(self) -> bool:
        return (
            self.process is not None
            and self.process.is_running()
            and self.process.status() != psutil.STATUS_ZOMBIE
            and self.place.socket.exists()
        )

    def wait(self, seconds: float) -> None:
        """Up to `seconds`, less when the server ends before."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
            self.process.wait(seconds)

    def stop(self) -> None:
        """Stop in fast mode: clients are cut off, all that was committed is on disk, a checkpoint is made."""
        process = self.process or _postmaster(self.place)  # ours: the folder may have been made anew by others
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if process is None:
                return
            try:
                process.send_signal(number)
                process.wait(seconds)
            except psutil.TimeoutExpired:
                continue
            except psutil.NoSuchProcess:
                pass
            return

    def _clear_stale(self) -> None:
        """After a kill: end what is left of the old server, drop its pid files, whose number may be reused."""
        data = self.place.data.resolve()
        left = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres" and _cwd(p) == data]
        _, left = psutil.wait_procs(left, timeout=2)
        # A session deep in a query does not see that its server died; the recovery makes ending it safe.
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        lock = self.place.socket.with_name(self.place.socket.name + ".lock")
        for file in (self.place.data / "postmaster.pid", self.place.socket, lock):
            file.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str, given: str = "") -> None:
        done = subprocess.run(
            [self.bin / program, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            **self._as_account(),
        )
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise PostgresUnavailable(self._why(done.stderr))

    def _as_account(self) -> dict[str, Any]:
        user = self.place.account
        common: dict[str, Any] = {"cwd": self.place.base, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        return common | ({"user": user.uid, "group": user.gid, "extra_groups": []} if user else {})

    def _why(self, output: str) -> str:
        for sign, words in REASONS.items():
            if sign in output:
                return words.format(data=self.place.data)
        lines = [re.sub(r"^[-0-9]+ [:.0-9]+ UTC \[\d+\] +", "", line).strip() for line in output.splitlines()]
        said = " ".join(lines[-3:]) or "it said nothing"
        return f"PostgreSQL did not start: {said} (whole log: {self.place.log})"


def is_ready(place: Place) -> bool:
    """Whether the server takes connections now. Cheap: asked before every new connection."""
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(str(place.socket))
    except OSError:
        return False
    return True


def _postmaster(place: Place) -> psutil.Process | None:
    """The process that the pid file names, if it is a PostgreSQL on our data and no reused number."""
    try:
        process = psutil.Process(int((place.data / "postmaster.pid").read_text().split("\n", 1)[0]))
        mine = process.name() == "postgres" and _cwd(process) == place.data.resolve()
        return process if mine and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def _cwd(process: psutil.Process) -> Path | None:
    try:
        return Path(process.cwd())
    except (psutil.Error, OSError):
        return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(path: Path, kind: int) -> int | None:
    """Lock `path` without waiting and return its descriptor; None while somebody else's lock forbids it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if lock_at_once(descriptor, kind):
        return descriptor
    os.close(descriptor)
    return None


def lock_at_once(descriptor: int, kind: int) -> bool:
    """Lock an open file without waiting; False while somebody else's lock forbids it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(descriptor: int, path: Path) -> bool:
    """Whether `path` still is the file that `descriptor` has open; an open file's number is given to no other."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def keep(place: Place) -> int:
    """Start the server and stay with it until nobody uses it; the caller holds the keeper's lock for us."""
    try:
        server = Server(place)
        server.prepare()
        server.start()
        place.failure.unlink(missing_ok=True)
        users = os.open(place.users_lock, os.O_RDWR)  # the one file to our end, also when the folder is removed
        while True:
            server.wait(LOOK_SECONDS)
            if not same_file(users, place.users_lock):
                break  # the folder was removed, and perhaps made anew: what lies there now is not our server's
            if not place.pin.exists() and lock_at_once(users, fcntl.LOCK_EX):
                break  # and the lock stays held to our end: who comes now waits until the server has stopped
            if not server.alive():
                server.start()
    except (PostgresUnavailable, OSError) as error:
        known = isinstance(error, PostgresUnavailable)
        words = str(error) if known else f"The embedded PostgreSQL can not be kept: {error}"
        with contextlib.suppress(OSError):  # a full disk; who waits for us looks at the disk itself
            place.failure.write_text(words)
        return 1
    except SystemExit:  # told to stop (SIGTERM)
        server.stop()
        return 0
    server.stop()
    return 0


def main(home: str) -> int:
    """The keeper's own process: leave the starter's session, then keep."""
    if os.fork():  # the starter waits for this half only; the keeper is nobody's child to wait for
        os._exit(0)
    os.setsid()
    os.chdir("/")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    place = locate(Path(home))
    place.keeper_lock.write_text(str(os.getpid()))
    return keep(place)
