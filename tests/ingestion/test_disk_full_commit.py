"""The database's disk is full when a document is committed: it waits, spends no attempt, and goes on by itself."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from docqueue.models import Attempt, QueueItem
from ingestion.models import Chunk, IngestFile, Outcome
from tests.ingestion.factories import accept_document

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a tmpfs"),
]


@pytest.fixture
def small_place(transactional_db):
    """The folder of a small disk that the chunks' table has moved to."""
    where = {"host": connection.settings_dict["HOST"], "port": connection.settings_dict["PORT"] or 5432}
    try:
        admin = psycopg.connect(**where, user="postgres", dbname=connection.settings_dict["NAME"], autocommit=True)
    except psycopg.OperationalError:
        pytest.skip("needs a superuser of the tests' server")
    folder, name = Path(tempfile.mkdtemp(prefix="docqueue-disk-")), f"chunks_{os.getpid()}"
    folder.chmod(0o755)
    owner = Path(admin.execute("show data_directory").fetchone()[0]).stat()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", str(folder)], check=True)
    try:
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        os.chown(place, owner.st_uid, owner.st_gid)
        admin.execute(f"create tablespace {name} location '{place}'")
        try:
            admin.execute(f"alter table ingestion_chunk set tablespace {name}")
            yield folder
        finally:
            admin.execute("truncate ingestion_chunk")
            admin.execute("alter table ingestion_chunk set tablespace pg_default")
            admin.execute(f"drop tablespace {name}")
    finally:
        admin.close()
        subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_commit_without_room_waits_and_goes_on_by_itself(owner, worker, small_place):
    text = "heron " + random.Random(3).randbytes(100_000).hex()
    document = accept_document(owner, text)
    with (small_place / "filler").open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))
    worker.run_claimed(worker.claim())
    file = IngestFile.objects.get(document=document)
    item = QueueItem.objects.get()
    assert (file.outcome, file.waiting_reason) == ("", "disk_low")
    assert (item.status, item.wait_reason, item.attempt) == ("waiting", "snoozed", 0)
    assert not Chunk.objects.exists()
    worker.run_retries()
    assert IngestFile.objects.get().waiting_reason == "disk_low", "there is no room yet"
    (small_place / "filler").unlink()
    worker.run_retries()
    file.refresh_from_db()
    assert (file.outcome, file.waiting_reason) == (Outcome.COMPLETED, "")
    assert Chunk.objects.exists()
    assert not Attempt.objects.filter(outcome="failed").exists()
