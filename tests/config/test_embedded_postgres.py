"""The embedded PostgreSQL: shared, healing, and gone with its last user. Each test has a server of its own."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from config import embedded_postgres
from config.postgres_place import PostgresUnavailable, locate
from config.postgres_server import is_ready
from tests.config.postgres_users import User, connect, eventually, keeper_pid, postmaster

pytestmark = pytest.mark.timeout(90)
AS_ROOT = os.geteuid() == 0
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings"}


def test_processes_that_come_first_at_once_share_one_server(home: Path) -> None:
    users = [User(home) for _ in range(4)]
    for user in users:
        user.wait_ready()
    ours = [p for p in psutil.process_iter(["ppid", "cmdline"]) if str(home / "data") in (p.info["cmdline"] or [])]
    pids = {p.pid for p in ours}  # a backend that has just been forked still has its server's command line
    assert len([p for p in ours if p.info["ppid"] not in pids]) == 1
    for user in users:
        user.leave()


def test_the_server_stops_after_its_last_user_and_not_before(home: Path) -> None:
    first, second = User(home).wait_ready(), User(home).wait_ready()
    server = postmaster(home)
    assert server
    first.leave()
    with connect(home) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    second.leave()
    assert embedded_postgres.wait_stopped(home)
    assert not server.is_running()
    assert "database system is shut down" in locate(home).log.read_text()


def test_a_user_that_was_killed_counts_no_more(home: Path) -> None:
    user = User(home).wait_ready()
    server = postmaster(home)
    assert server
    user.kill()
    eventually(lambda: not server.is_running())


def test_a_forked_child_that_does_not_use_the_server_does_not_keep_it_up(home: Path) -> None:
    code = """
import os, time
from config import embedded_postgres as e
e.ensure_running()
child = os.fork()
if not child:
    os.close(1); os.close(2); time.sleep(60); os._exit(0)
print('ready', flush=True); print(child, flush=True)
input()
os._exit(0)
"""
    user = User(home, code).wait_ready()
    assert user.process.stdout
    child = psutil.Process(int(user.process.stdout.readline()))
    user.leave()
    try:
        assert embedded_postgres.wait_stopped(home, wait_seconds=20)
        assert child.is_running()
    finally:
        child.kill()


def test_a_killed_server_is_back_by_itself_with_everything_that_was_committed(home: Path) -> None:
    user = User(home).wait_ready()
    with connect(home) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (7)")
    server = postmaster(home)
    assert server
    server.kill()
    eventually(lambda: (now := postmaster(home)) and now.pid != server.pid and is_ready(locate(home)))
    with connect(home) as connection:
        assert connection.execute("select n from kept").fetchone() == (7,)
    user.leave()


def test_a_killed_server_with_a_killed_keeper_is_back_at_the_next_use(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    os.kill(keeper_pid(home), signal.SIGKILL)
    server.kill()
    eventually(lambda: not is_ready(locate(home)))
    embedded_postgres.ensure_running(home)
    assert connect(home).execute("select 1").fetchone() == (1,)


def test_a_running_server_whose_keeper_was_killed_gets_a_new_keeper_and_still_stops_in_the_end(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    os.kill(keeper_pid(home), signal.SIGKILL)
    eventually(lambda: embedded_postgres.wait_stopped(home, wait_seconds=0.1))  # that is, nobody holds the lock
    embedded_postgres.ensure_running(home)
    now = postmaster(home)
    assert now == server
    embedded_postgres.leave()
    eventually(lambda: not server.is_running())


def test_a_stale_pid_file_whose_number_another_program_has_got_is_no_obstacle(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    os.kill(keeper_pid(home), signal.SIGKILL)
    server.kill()
    eventually(lambda: not server.is_running())
    file = locate(home).data / "postmaster.pid"
    _, rest = file.read_text().split("\n", 1)
    file.write_text(f"{os.getpid()}\n{rest}")
    embedded_postgres.ensure_running(home)
    assert connect(home).execute("select 1").fetchone() == (1,)


def test_a_session_that_outlives_its_killed_server_does_not_keep_the_new_one_from_starting(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    busy = connect(home)
    session = psutil.Process(busy.info.backend_pid)
    session.suspend()  # as deep in a computation: it sees neither its server's end nor a polite signal
    server.kill()
    eventually(lambda: (now := postmaster(home)) and now.pid != server.pid and is_ready(locate(home)))
    assert not session.is_running()


def test_a_set_up_that_was_killed_half_way_leaves_nothing_in_the_way(home: Path) -> None:
    place = locate(home)
    (place.base / "data.new").mkdir()
    (place.base / "data.new" / "PG_VERSION").write_text("18\n")
    embedded_postgres.ensure_running(home)
    assert connect(home).execute("select 1").fetchone() == (1,)


def test_a_second_start_takes_seconds(home: Path) -> None:
    User(home).wait_ready().leave()
    assert embedded_postgres.wait_stopped(home)
    began = time.monotonic()
    User(home).wait_ready().leave()
    assert time.monotonic() - began < 10


def test_it_listens_on_a_socket_for_its_owner_only_keeps_fsync_on_and_is_never_root(home: Path) -> None:
    place = embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    assert not [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert server.uids().effective != 0
    assert place.socket_dir.stat().st_mode & 0o077 == 0
    with connect(home) as connection:
        shown = [connection.execute(f"show {name}").fetchone() for name in ("fsync", "full_page_writes")]
        assert shown == [("on",), ("on",)]
        is_superuser = connection.execute("show is_superuser").fetchone()
    assert is_superuser == ("off",)


@pytest.mark.parametrize("name", ["with a space", "with,comma and 'quotes'", "deep/" * 30 + "end"])
def test_any_path_will_do(open_folder: Path, name: str) -> None:
    from tests.config.conftest import ending

    for home in ending(open_folder / name):
        place = embedded_postgres.ensure_running(home)
        assert len(os.fsencode(place.socket)) < 108
        assert connect(home).execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(not AS_ROOT, reason="only root can look into a closed folder")
def test_under_a_folder_that_only_root_may_enter_the_data_lies_elsewhere_and_a_note_says_where(tmp_path: Path) -> None:
    from tests.config.conftest import ending

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for home in ending(closed / "postgres"):
        place = embedded_postgres.ensure_running(home)
        assert not place.data.is_relative_to(closed)
        assert str(place.base) in (home / "MOVED.txt").read_text()
        assert connect(home).execute("select 1").fetchone() == (1,)
        assert closed.stat().st_mode & 0o077 == 0


def test_data_of_another_major_version_is_left_alone_and_the_words_say_what_to_do(home: Path) -> None:
    place = locate(home)
    place.data.mkdir()
    (place.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresUnavailable, match=r"PostgreSQL 12 made the database .* `make reset`"):
        embedded_postgres.ensure_running(home)
    assert [p.name for p in place.data.iterdir()] == ["PG_VERSION"]


def test_a_full_disk_is_told_before_anything_is_started(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_postgres, "DISK_NEEDED_BYTES", 10**18)
    with pytest.raises(PostgresUnavailable, match=r"The disk is full.*Free some space"):
        embedded_postgres.ensure_running(home)
    assert not locate(home).data.exists()


def test_a_server_that_can_not_start_gives_its_own_reason(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    embedded_postgres.leave()
    assert embedded_postgres.wait_stopped(home)
    (locate(home).data / "postgresql.auto.conf").write_text("shared_buffers = many\n")
    with pytest.raises(PostgresUnavailable, match=r"did not start: .*shared_buffers.*whole log"):
        embedded_postgres.ensure_running(home)


def test_a_folder_removed_under_a_running_server_is_made_anew(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    server = postmaster(home)
    assert server
    eventually(lambda: (shutil.rmtree(home, ignore_errors=True), not home.exists())[1])
    locate.cache_clear()
    embedded_postgres.ensure_running(home)
    assert connect(home).execute("select 1").fetchone() == (1,)
    eventually(lambda: not server.is_running())


def test_connections_of_django_wait_for_a_server_that_is_coming_back(home: Path) -> None:
    code = """
import django; django.setup()
from django.db import connection
connection.ensure_connection()
print('ready', flush=True); input()
connection.close()
with connection.cursor() as cursor:
    cursor.execute("select 1")
"""
    user = User(home, code, DATABASE_URL="", EMBEDDED_POSTGRES_DATABASE="docqueue", **SETTINGS).wait_ready()
    server = postmaster(home)
    assert server
    server.kill()
    eventually(lambda: not server.is_running())
    user.leave()


def test_with_a_database_url_nothing_embedded_is_touched(home: Path) -> None:
    code = "from django.conf import settings as s; print(s.DATABASES['default']['ENGINE'])"
    user = User(home, code, DATABASE_URL="postgresql://somebody@localhost/somewhere", **SETTINGS)
    out, err = user.process.communicate(timeout=30)
    assert out == "django.db.backends.postgresql\n", err
    assert not home.exists()


def test_strangers_can_not_connect(home: Path) -> None:
    if not AS_ROOT:
        pytest.skip("needs a second account")
    place = embedded_postgres.ensure_running(home)
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65533)
        try:
            psycopg.connect(host=str(place.socket_dir), user="docqueue", dbname="docqueue")
        except psycopg.OperationalError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
