"""A PostgreSQL primary and its standby, for the storm that switches between them: real clusters, real promotions.

Synchronous, a commit is acknowledged when the standby has it on disk, too. That holds for the one that took over:
its commits wait until the other is back. Asynchronous, a switch loses what was not received. Needs /proc (Linux).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, Self
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

PORT = 5432  # of both: they differ by the folder of their socket
PROGRAMS, ACCOUNT = "DOCQUEUE_CHAOS_BIN", "DOCQUEUE_CHAOS_ACCOUNT"  # environment variables
SUPERUSER, ROLE, DATABASE, STANDBY = "postgres", "docqueue", "docqueue_chaos", "docqueue_standby"
SOCKET_PATH_LONGEST, FORBIDDEN = 99, ",'\"\\ "  # libpq parts hosts at commas, and a conninfo at blanks
WAIT_SECONDS, REWOUND_SECONDS, STOP_SECONDS = 60.0, 20.0, 10.0
# PostgreSQL's defaults do the rest: fsync, synchronous_commit, wal_level replica, hot_standby, 10 max_wal_senders.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    # A standby reports itself by it, but pg_basebackup by its own name: only a standby lets commits go on.
    "cluster_name": STANDBY,
    "max_connections": "200",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: a kill leaves nothing in /dev/shm
    "wal_keep_size": "512MB",  # how far a standby may be behind, and a dead primary be wound back
    "wal_retrieve_retry_interval": "100ms",
}


def account() -> str | None:
    """Who is to run PostgreSQL when we are root."""
    return os.environ.get(ACCOUNT, "postgres") if os.geteuid() == 0 else None


class ClusterError(Exception):
    """A cluster does not do what it should; the message has what it said."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """How long a switch took since the primary was struck, and whether the dead one could be wound back."""

    promoted_seconds: float
    redundant_seconds: float
    rewound: bool


def programs() -> Path:
    """The folder of this machine's PostgreSQL programs: what the variable says, or pg_config."""
    if named := os.environ.get(PROGRAMS):
        return Path(named)
    return Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip())


@dataclass(kw_only=True)
class Node:
    """One of the two clusters. Only what was started through it is ever signalled."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.data, self.log = self.folder / "data", self.folder / "postgres.log"
        self.lock = self.folder / f".s.PGSQL.{PORT}.lock"  # the socket's own name is shorter
        self.conninfo = f"host={self.folder} port={PORT} user={SUPERUSER} dbname=postgres"

    def ask(self, query: LiteralString, *values: object) -> Any:
        """The first value of a statement's first row, else None. What it commits waits for no standby."""
        with psycopg.connect(self.conninfo, autocommit=True, options="-c synchronous_commit=local") as connection:
            result = connection.execute(SQL(query).format(*values))
            row = result.fetchone() if result.description else None
            return row and row[0]

    def ready(self) -> bool:
        """Whether it takes connections. Raises `ClusterError` when it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise ClusterError(f"PostgreSQL ended: {' '.join(self.log.read_text().splitlines()[-3:])}")
        with suppress(psycopg.OperationalError):
            return bool(self.ask("select true"))
        return False

    def stop(self) -> None:
        """Stop it in peace, then by force. Does nothing when it was never started."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """kill -9 of all its processes, as when a machine dies. Returns when none is left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            _until(self._gone, f"the end of the processes in {self.data}")
            with suppress(OSError, IndexError):  # its few bytes of System V memory outlive it
                file = self.data / "postmaster.pid"
                number = file.read_text().splitlines()[6].split()[1]
                file.unlink()
                subprocess.run(["ipcrm", "-m", number], capture_output=True, check=False)

    def _gone(self) -> bool:
        """Strike what is left of it, which is what works in its data folder; whether nothing was."""
        gone = True
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile, or is somebody else's
                if (entry / "cwd").readlink() == self.data:
                    os.kill(int(entry.name), signal.SIGKILL)
                    gone = False
        return gone


@dataclass(kw_only=True)
class Pair:
    """Two clusters in `folder`, which is theirs alone. `account` runs them when we are root, as PostgreSQL may not."""

    bin: Path = field(default_factory=programs)
    folder: Path
    account: str | None = None
    synchronous: bool = True

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.primary, self.standby = Node(folder=self.folder / "a"), Node(folder=self.folder / "b")
        self._how: dict[str, Any] = {"cwd": self.folder, "env": {"PATH": os.defpath}, "stdin": subprocess.DEVNULL}
        if self.account is not None:
            self._how |= {"user": self.account, "group": pwd.getpwnam(self.account).pw_gid, "extra_groups": []}
        if len(os.fsencode(self.primary.lock)) > SOCKET_PATH_LONGEST or set(FORBIDDEN) & set(str(self.folder)):
            raise ClusterError(f"{self.folder} is too long for a socket, or has a comma, quote or blank in it.")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make both and start them; returns when the standby follows. The database is empty."""
        for folder in (self.folder, self.primary.folder, self.standby.folder):
            folder.mkdir(mode=0o700, exist_ok=folder == self.folder)
            shutil.chown(folder, self.account or os.geteuid())
        self._run("initdb", "-k", "-A", "trust", "-U", SUPERUSER, "-E", "UTF8", "--no-locale", "-D", self.primary.data)
        settings = SETTINGS | {"synchronous_standby_names": STANDBY if self.synchronous else ""}
        with (self.primary.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._launch(self.primary)
        self.primary.ask("create role {} login createdb", Identifier(ROLE))
        self.primary.ask("create database {} owner {}", Identifier(DATABASE), Identifier(ROLE))
        self._copy()

    def stop(self) -> None:
        """End both, however far things went. May be called again."""
        with ExitStack() as both:  # the primary, too, when the standby's end fails
            both.callback(self.primary.stop)
            both.callback(self.standby.stop)

    def url(self) -> str:
        """The address of whichever takes writes, for DATABASE_URL and libpq."""
        hosts = quote(f"{self.folder}/a,{self.folder}/b", safe="")
        return f"postgresql://{ROLE}@/{DATABASE}?host={hosts}&port={PORT}&target_session_attrs=read-write"

    def switch(self) -> Switch:
        """Kill the primary, promote the standby, and bring the dead one back as the standby of the other."""
        began = time.monotonic()
        self.primary.kill()
        if not self.standby.ask("select pg_promote(true, {})", int(WAIT_SECONDS)):
            raise ClusterError(f"The standby was not promoted, see {self.standby.log}")
        self.primary, self.standby = self.standby, self.primary
        promoted = time.monotonic() - began
        self.primary.ask("checkpoint")  # before PostgreSQL 16, pg_rewind sees only by it that there was a promotion
        try:  # to wind it back to where the two parted
            self._run("pg_rewind", "-R", "--source-server", self.primary.conninfo, "-D", self.standby.data)
            self._launch(self.standby)
            self._follow(REWOUND_SECONDS)
            rewound = True
        except ClusterError:
            self.standby.kill()
            shutil.rmtree(self.standby.data)
            self._copy()
            rewound = False
        return Switch(promoted_seconds=promoted, redundant_seconds=time.monotonic() - began, rewound=rewound)

    def hold(self) -> None:
        """Cut the standby off: it receives nothing more. Synchronous, commits wait; asynchronous, they go on."""
        self.standby.ask("alter system set primary_conninfo = ''")
        self.standby.ask("select pg_reload_conf()")
        _until(lambda: not self.standby.ask("select true from pg_stat_wal_receiver"), "the end of replication")

    def release(self) -> None:
        """Undo `hold`; returns when the standby follows again."""
        self.standby.ask("alter system set primary_conninfo = {}", self.primary.conninfo)
        self.standby.ask("select pg_reload_conf()")
        self._follow(WAIT_SECONDS)

    def lag(self) -> int:
        """How many bytes the standby has not received: what a switch would lose."""
        written = self.primary.ask("select pg_current_wal_flush_lsn()::text")
        received = self.standby.ask("select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text")
        return max(0, int(self.primary.ask("select pg_wal_lsn_diff({}, {})", written, received)))

    def redundant(self) -> bool:
        """Whether the standby receives everything as it is written."""
        query = "select true from pg_stat_replication where (application_name, state, sync_state) = ({}, {}, {})"
        return bool(self.primary.ask(query, STANDBY, "streaming", "sync" if self.synchronous else "async"))

    def _copy(self) -> None:
        """Copy the primary to the standby's folder and start it; returns when it follows."""
        self._run("pg_basebackup", "-R", "-c", "fast", "-d", self.primary.conninfo, "-D", self.standby.data)
        self._launch(self.standby)
        self._follow(WAIT_SECONDS)

    def _follow(self, seconds: float) -> None:
        """Return when the standby follows, and commits that waited for it go on."""
        _until(self.redundant, f"the standby to follow, see {self.standby.log}", seconds)
        # What is new makes it report what it has; else commits wait for its next report, up to 10 s later.
        self.primary.ask("comment on database postgres is 'has a standby'")

    def _launch(self, node: Node) -> None:
        """Start the server of a node; returns when it takes connections."""
        node.lock.unlink(missing_ok=True)  # of one that was killed
        command: list[str | Path] = [self.bin / "postgres", "-D", node.data, "-k", node.folder]
        with node.log.open("ab") as log:
            node.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self._how)
        _until(node.ready, f"PostgreSQL to take connections, see {node.log}")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command: list[str | Path] = [self.bin / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._how)
        if done.returncode != 0:
            raise ClusterError(f"{program} failed: {done.stderr.strip()}")


def _until(true: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise ClusterError(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(0.02)
