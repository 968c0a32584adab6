"""The disk is full: nobody exits, no item fails for it, work goes on once there is room. On a small tmpfs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from docqueue import history
from docqueue.models import Attempt
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import rows, until
from tests.docqueue.worker.processes import Manage, completed, effects_once, uncharged

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a tmpfs")]

SIZE = "24m"


@dataclass
class SmallDisk:
    """A tablespace of its own on a small disk, to which the queue's tables have moved."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Leave no room at all, nor what has become free since the last time (a vacuum gives pages back)."""
        with self._filler.open("ab", buffering=0) as out, contextlib.suppress(OSError):
            while True:
                out.write(b"x" * 4096)

    def make_room(self) -> None:
        """Take that away again."""
        self._filler.unlink()


@pytest.fixture
def small_disk(transactional_db: None) -> Iterator[SmallDisk]:
    database = connection.settings_dict["NAME"]
    history.ensure("default", weeks=history.WEEKS_AHEAD)
    tables = [
        r["name"]
        for r in rows("select relid::regclass::text as name from pg_partition_tree('docqueue_history') where isleaf")
    ]
    tables += ["docqueue_item"]
    where = {"host": connection.settings_dict["HOST"], "port": connection.settings_dict["PORT"] or 5432}
    try:
        admin = psycopg.connect(**where, user="postgres", dbname=database, autocommit=True)
    except psycopg.OperationalError:
        pytest.skip("needs a superuser of the tests' server")
    name = f"small_{os.getpid()}"
    folder = Path(tempfile.mkdtemp(prefix="docqueue-disk-"))
    folder.chmod(0o755)
    data = Path(admin.execute("show data_directory").fetchone()[0])
    owner = data.stat()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)], check=True)
    try:
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        os.chown(place, owner.st_uid, owner.st_gid)
        admin.execute(f"create tablespace {name} location '{place}'")
        try:
            admin.execute("truncate docqueue_history, docqueue_item")  # no room inside that earlier tests have left
            for table in tables:
                admin.execute(f"alter table {table} set tablespace {name}")
            yield SmallDisk(folder)
        finally:
            for table in tables:
                admin.execute(f"alter table {table} set tablespace pg_default")
            admin.execute(f"drop tablespace {name}")
    finally:
        admin.close()
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_full_disk_fails_no_item_and_work_goes_on_once_there_is_room(
    manage: Manage, service: DocumentQueueService, small_disk: SmallDisk
) -> None:
    # What can not be packed: however many are done when the disk is full, the history needs room for the others.
    payloads = [{"seconds": 0.01, "x": secrets.token_hex(1500)} for _ in range(1500)]
    ids = service.enqueue_many([NewItem(operation="test.effect", payload=payload) for payload in payloads])
    worker = manage.worker("--processes", 2)
    until(lambda: completed() > 10)
    until(lambda: (small_disk.fill(), worker.said("database_unwell"))[1] != [], 20)
    assert "No space left on device" in worker.said("database_unwell")[0]["error"]
    before, said = worker.process.cpu_times(), len(worker.lines())
    threading.Event().wait(3)
    used = worker.process.cpu_times()
    assert worker.popen.poll() is None
    assert used.user + used.system - before.user - before.system < 1.0, "it waits, and does not hammer the database"
    assert len(worker.lines()) - said <= 2 * 3
    small_disk.make_room()
    until(lambda: completed() == len(ids), 60)
    assert worker.said("database_back")
    effects_once(ids)
    uncharged(ids)
    assert set(Attempt.objects.values_list("outcome", "code")) <= {("interrupted", "database_unwell")}
