"""Switches between a real primary and its real standby: what was acknowledged stays, or, asynchronous, does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import psycopg
import pytest

from config.paths import postgres_dir
from config.postgres_place import locate
from config.postgres_place import programs as embedded_programs
from docqueue.chaos.cluster import ClusterError, Pair, programs
from tests.docqueue.helpers import until

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new one that another account may enter, with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="docqueue-pair-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def pair(folder: Path, *, synchronous: bool = True) -> Pair:
    """On the programs that the tests' own server runs."""
    place = locate(postgres_dir())
    account = place.account.name if place.account else None
    return Pair(bin=embedded_programs(place), folder=folder, account=account, synchronous=synchronous)


def alive(pair: Pair) -> list[psutil.Process]:
    """Processes that work in the folder of the pair."""
    return [p for p in psutil.process_iter(["cwd"]) if str(p.info["cwd"] or "").startswith(str(pair.folder))]


def numbers(pair: Pair) -> set[int]:
    """What is in the table, as a new client sees it."""
    with psycopg.connect(pair.url()) as connection:
        return {number for (number,) in connection.execute("select number from numbered")}


class Writer:
    """Inserts 0, 1, 2, … one by one through the pair's address, each once; `acknowledged` are those that succeeded."""

    def __init__(self, pair: Pair) -> None:
        self.url = pair.url()
        self.acknowledged: list[int] = []
        self.next = 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("create table numbered (number int)")

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def run(self) -> None:
        while not self.enough.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
                    while not self.enough.is_set():
                        self.next += 1
                        connection.execute("insert into numbered values (%s)", [self.next])
                        self.acknowledged.append(self.next)
            except psycopg.OperationalError:
                self.enough.wait(0.02)

    def more(self, count: int = 50, seconds: float = 20) -> None:
        """Return when so many more are acknowledged."""
        wanted = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= wanted, seconds)


def test_synchronous_every_acknowledged_row_survives_every_switch(folder: Path) -> None:
    with pair(folder) as both:
        with Writer(both) as writer:
            for last in (False, False, True):
                writer.more()
                if last:  # it can not be wound back without it, so it is copied anew
                    for file in both.primary.data.glob("pg_wal/*.history"):
                        file.unlink()
                old = both.primary
                switch = both.switch()
                assert both.standby is old
                assert switch.rewound is not last
                assert 0 < switch.promoted_seconds < switch.redundant_seconds
                writer.more(seconds=5)  # those that waited go on when it returns
        assert len(writer.acknowledged) >= 300
        assert set(writer.acknowledged) <= numbers(both)
        assert writer.next > len(writer.acknowledged), "no switch came while it wrote"
    assert not alive(both)


def test_synchronous_a_commit_waits_as_long_as_the_standby_receives_nothing(folder: Path) -> None:
    with pair(folder) as both, Writer(both) as writer:
        writer.more()
        both.hold()
        waiting = "select true from pg_stat_activity where wait_event = 'SyncRep'"
        until(lambda: both.primary.ask(waiting) is True)
        before = len(writer.acknowledged)
        assert both.lag() > 0
        assert not both.redundant()
        assert len(writer.acknowledged) == before
        both.release()
        writer.more()
    assert not alive(both)


def test_asynchronous_a_switch_loses_what_was_acknowledged_and_not_yet_received(folder: Path) -> None:
    with pair(folder, synchronous=False) as both:
        with Writer(both) as writer:
            writer.more()
            until(lambda: both.lag() == 0)
            both.hold()
            writer.more()
            assert both.lag() > 0
        acknowledged = set(writer.acknowledged)
        assert acknowledged <= numbers(both)
        both.switch()
        lost = acknowledged - numbers(both)
        assert len(lost) >= 50
        assert lost == set(range(min(lost), max(acknowledged) + 1)), "not the last ones"
    assert not alive(both)


def test_the_project_works_on_its_address(folder: Path, root: Path) -> None:
    with pair(folder) as both:
        env = os.environ | {"DATABASE_URL": both.url(), "DJANGO_SETTINGS_MODULE": "config.settings"}
        look = (
            "from django.db import connection; cursor = connection.cursor(); "
            "cursor.execute('select current_database(), pg_is_in_recovery()'); print(cursor.fetchone())"
        )
        for _ in range(2):  # the first host in the address is the primary, then it is not
            for command, said in ((["check", "--database", "default"], "no issues"), (["shell", "-c", look], "False")):
                done = subprocess.run(
                    [sys.executable, "manage.py", *command], cwd=root, env=env, capture_output=True, text=True
                )
                assert done.returncode == 0, done.stderr
                assert said in done.stdout
            both.switch()


def test_stop_ends_everything_however_far_things_went_and_can_be_called_again(folder: Path) -> None:
    both = pair(folder)
    both.stop()
    both.start()
    assert alive(both)
    with pytest.raises(FileExistsError):  # of a second pair in its folder, which must leave the first alone
        pair(folder).__enter__()
    assert both.redundant()
    both.primary.kill()
    both.stop()
    assert not alive(both)
    both.stop()


def test_a_server_that_does_not_start_is_an_error_in_its_own_words(folder: Path) -> None:
    both = pair(folder)
    both.start()
    both.stop()
    with (both.primary.data / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'plenty'\n")
    with pytest.raises(ClusterError, match="plenty"):
        both._launch(both.primary)
    with pytest.raises(ClusterError, match="initdb failed"):
        both._run("initdb", "--pgdata", both.primary.data)


def test_a_folder_that_no_socket_can_be_in_is_refused(tmp_path: Path) -> None:
    for name in ("x" * 100, "a,b"):
        with pytest.raises(ClusterError, match="too long for a socket, or has a comma"):
            Pair(bin=tmp_path, folder=tmp_path / name)


def test_programs_are_those_of_pg_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pg_config"):
        programs()
    config = tmp_path / "pg_config"
    config.write_text("#!/bin/sh\necho /opt/postgresql/bin\n")
    config.chmod(0o755)
    assert programs() == Path("/opt/postgresql/bin")
