"""An embedded PostgreSQL for development, tests and the demo: used whenever DATABASE_URL is not set.

    from config import embedded_postgres
    embedded_postgres.ensure_running()      # returns when the server takes connections

Every process that calls `ensure_running` is a user of the server until it ends, however it ends; the server
is started for the first and stopped after the last. It listens on a Unix socket only, with fsync on, and
never runs as root. By hand: `python -m config.embedded_postgres start | stop | status | url | kill`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from config.paths import BASE_DIR, postgres_dir
from config.postgres_place import DATABASE, ROLE, Place, PostgresUnavailable, locate
from config.postgres_server import Server, is_ready, same_file, try_lock

__all__ = ["PostgresUnavailable", "database_url", "ensure_running", "leave", "stop", "wait_stopped"]

WAIT_SECONDS = 60.0
DISK_NEEDED_BYTES = 100_000_000
# By name rather than by path: a script's own folder goes first in the import path, and ours has a logging.py.
KEEPER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from config.postgres_server import main; sys.exit(main(sys.argv[2]))"
)


class _Membership:
    """The shared lock this process holds on the list of users, per server."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.held: dict[Path, int] = {}

    def join(self, place: Place) -> None:
        with self.guard:
            descriptor = self.held.get(place.base)
            if descriptor is not None and same_file(descriptor, place.users_lock):
                return
            while True:
                descriptor = os.open(place.users_lock, os.O_RDWR | os.O_CREAT, 0o644)
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits only while a keeper is stopping the server
                if same_file(descriptor, place.users_lock):
                    break
                os.close(descriptor)  # the folder was removed and made anew meanwhile
            self.held[place.base] = descriptor

    def leave(self) -> None:
        with self.guard:
            for descriptor in self.held.values():
                os.close(descriptor)
            self.held.clear()

    def forget(self) -> None:
        """In a forked child: the inherited lock is the parent's. Closing our copy leaves it to the parent."""
        self.guard = threading.Lock()
        self.leave()


_membership = _Membership()
os.register_at_fork(after_in_child=_membership.forget)


def ensure_running(home: Path | None = None, *, wait_seconds: float = WAIT_SECONDS) -> Place:
    """Make this process a user of the server; returns when it takes connections, at once if it does already.

    Starts it, or waits until it is back after a crash. Raises `PostgresUnavailable` with reason and remedy.
    """
    place = locate(home or postgres_dir())
    try:
        _membership.join(place)
    except PermissionError as error:
        raise PostgresUnavailable(
            f"{error.filename} belongs to another user: this project was run by somebody else before. "
            "Use that user, or set VAR_DIR to a folder of your own."
        ) from error
    began = time.time()
    deadline = time.monotonic() + wait_seconds
    while True:
        lock = try_lock(place.keeper_lock, fcntl.LOCK_EX)
        if lock is not None:
            _start_keeper(place, home or postgres_dir(), lock, began)
        if is_ready(place):
            return place
        if time.monotonic() > deadline:
            raise PostgresUnavailable(
                f"PostgreSQL has not come up within {wait_seconds:.0f} s; it may still be recovering. See {place.log}"
            )
        time.sleep(0.02)


def _start_keeper(place: Place, home: Path, lock: int, began: float) -> None:
    """There is no keeper: say why the last one gave up, or start one and hand it the keeper's lock."""
    try:
        if place.failure.exists() and place.failure.stat().st_mtime >= began:
            raise PostgresUnavailable(place.failure.read_text())
        if shutil.disk_usage(place.base).free < DISK_NEEDED_BYTES:
            raise PostgresUnavailable(
                f"The disk is full: PostgreSQL needs {DISK_NEEDED_BYTES // 1_000_000} MB in {place.base}. "
                "Free some space, then start again."
            )
        os.ftruncate(lock, 0)  # the last keeper's process id
        with (place.base / "keeper.log").open("ab") as log:
            subprocess.run(
                [sys.executable, "-P", "-c", KEEPER, str(BASE_DIR), str(home)],
                pass_fds=[lock], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=True,
            )  # fmt: skip
    except subprocess.CalledProcessError as error:
        why = f"The keeper of PostgreSQL did not start: see {place.base / 'keeper.log'}"
        raise PostgresUnavailable(why) from error
    finally:
        os.close(lock)


def database_url(home: Path | None = None) -> str:
    """The address of the embedded database, whether it runs or not."""
    place = locate(home or postgres_dir())
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(place.socket_dir), safe='')}"


def leave() -> None:
    """This process uses the server no more. Close its connections first."""
    _membership.leave()


def wait_stopped(home: Path | None = None, *, wait_seconds: float = WAIT_SECONDS) -> bool:
    """Wait until the server has been stopped, as it is when nobody uses it; False when it has not by then."""
    place = locate(home or postgres_dir())
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline:
        lock = try_lock(place.keeper_lock, fcntl.LOCK_EX)
        if lock is not None:
            os.close(lock)
            return True
        time.sleep(0.02)
    return False


def stop(home: Path | None = None) -> None:
    """Stop the server now, used or not. Whoever still uses it starts it again with the next connection."""
    place = locate(home or postgres_dir())
    if not place.base.exists():
        return
    place.pin.unlink(missing_ok=True)
    keeper = _keeper_pid(place)
    if keeper is not None:
        os.kill(keeper, signal.SIGTERM)
        wait_stopped(home)
    elif place.data.exists():  # its keeper was killed
        Server(place).stop()


def _keeper_pid(place: Place) -> int | None:
    lock = try_lock(place.keeper_lock, fcntl.LOCK_EX)
    if lock is not None:
        os.close(lock)
        return None
    try:
        return int(place.keeper_lock.read_text())
    except ValueError:  # it is just starting
        return None


def _main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in VERBS:
        print(f"usage: python -m config.embedded_postgres {' | '.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        return VERBS[arguments[0]](locate(postgres_dir()))
    except PostgresUnavailable as error:
        print(error, file=sys.stderr)
        return 1


def _cli_start(place: Place) -> int:
    """Start it and let it stay until `stop`, used or not."""
    place.pin.touch()
    ensure_running()
    print(f"PostgreSQL runs, and stays until `stop`. {database_url()}")
    return 0


def _cli_stop(_place: Place) -> int:
    stop()
    print("PostgreSQL is stopped.")
    return 0


def _cli_status(place: Place) -> int:
    """Exit code 0 when it runs, 3 when not."""
    running = is_ready(place)
    print(f"PostgreSQL {'runs' if running else 'is stopped'}. Data: {place.data}. Log: {place.log}")
    return 0 if running else 3


def _cli_url(_place: Place) -> int:
    print(database_url())
    return 0


def _cli_kill(place: Place) -> int:
    """Kill the server as a crash would (SIGKILL), to see everything heal."""
    server = Server(place)
    if not server.adopt() or server.process is None:
        print("PostgreSQL is not running.")
        return 3
    server.process.kill()
    print(f"Killed PostgreSQL (process {server.process.pid}).")
    return 0


VERBS = {"start": _cli_start, "stop": _cli_stop, "status": _cli_status, "url": _cli_url, "kill": _cli_kill}

if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
