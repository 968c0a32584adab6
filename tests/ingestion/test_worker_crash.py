"""kill -9 of a worker in the middle of an archive: every file is completed once, and nothing is left lying about."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from django.core.files.storage import storages

from docqueue.models import QueueItem
from ingestion import storage
from ingestion.models import Chunk, Document, IngestFile, Intake, IntakeStatus, Outcome
from tests.ingestion.factories import UserFactory, accept_zip
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

FILES = {"while unpacking": 40, "while indexing": 400}  # of the second kind so many that a look finds some not done


@pytest.fixture
def env(project_env):
    """A short lease, so that what a dead worker held is free again soon."""
    return project_env | {"DOCQUEUE_LEASE_SECONDS": "3"}


@pytest.mark.parametrize("when", list(FILES))
def test_a_killed_worker_loses_no_file_and_doubles_none(root, env, when):
    files = FILES[when]
    owner = UserFactory()
    papers = {f"{n}.txt": f"paper number {n} mentions walrus{n}. " * 50 for n in range(files)}
    intake = accept_zip(owner, papers)

    def far_enough() -> bool:
        if when == "while indexing":
            return IngestFile.objects.filter(outcome=Outcome.COMPLETED).count() >= 5
        return IngestFile.objects.exists()

    with WorkerProcess(root, env) as worker:
        worker.until(far_enough, 60)
        os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
    assert Intake.objects.filter(finished_at=None).exists(), "it was killed too late to prove anything"
    with WorkerProcess(root, env) as worker:
        worker.until(lambda: not QueueItem.objects.exists(), 120)
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, files)
    assert Document.objects.count() == files
    assert Counter(Chunk.objects.values_list("document", flat=True)).most_common(1)[0][1] == 1
    assert Chunk.objects.count() == files
    assert storage.remove_stale_parts(-60) <= 2, "each killed executor leaves one unfinished file at most"
    assert not list(Path(storages["documents"].location).rglob("*.part"))
