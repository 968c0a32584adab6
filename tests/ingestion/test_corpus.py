"""Every real document through a real worker: each ends completed, without text, or failed with a code."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files import File

from docqueue.models import Attempt, QueueItem, Worker
from ingestion.errors import IngestionError, error_classes
from ingestion.hints import QUEUE_HINTS
from ingestion.models import IngestFile, Intake, Outcome
from ingestion.services import accept_upload, search
from tests.ingestion.factories import UserFactory
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

ENDED_WELL = {Outcome.COMPLETED, Outcome.COMPLETED_NO_TEXT, Outcome.DUPLICATE, Outcome.SKIPPED, Outcome.UNPACKED}


@pytest.fixture
def sender(transactional_db):
    """Whose documents they are. They lie where the worker process looks: not in a folder of this test alone."""
    return UserFactory()


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != "README.md")


def send(owner, path: Path) -> str:
    """Upload one file as a request would. Returns the code of the refusal, or nothing."""
    with path.open("rb") as stream:
        try:
            accept_upload(owner.pk, [File(stream, path.name)])
        except IngestionError as error:
            return error.code
    return ""


@pytest.mark.parametrize("folder", ["tika", "zips", "pdf-horrors"])
def test_every_file_of_the_corpus_comes_to_an_end_and_no_worker_is_lost(corpus, root, project_env, sender, folder):
    paths = files_of(corpus / folder)
    refused = {path.name: code for path in paths if (code := send(sender, path))}
    with WorkerProcess(root, project_env) as worker:
        worker.until(lambda: not Intake.objects.filter(finished_at=None).exists(), 300)
    known = {error.code for error in error_classes()} | set(QUEUE_HINTS)
    assert Intake.objects.count() + len(refused) == len(paths)
    assert set(refused.values()) <= known
    for file in IngestFile.objects.all():
        if file.outcome in ENDED_WELL:
            continue
        assert file.outcome == Outcome.FAILED, file.source_path
        assert file.error_code in known, (file.source_path, file.error_code)
        assert file.error_message, file.source_path
    assert not QueueItem.objects.exclude(status="dead").exists()
    assert not Worker.objects.filter(lost_at__isnull=False).exists()
    assert Worker.objects.filter(stopped_at__isnull=False).count() == 1
    assert not Attempt.objects.filter(outcome__in=["crashed", "timed_out", "lease_lost"]).exists()


def test_words_inside_real_documents_are_found(corpus, root, project_env, sender):
    """Words that stand in a DOCX and in a PDF of the corpus find just these."""
    for name in ("testWORD_bold_character_runs.docx", "testPDF.pdf"):
        path = corpus / "tika" / name
        if not path.exists():
            pytest.skip(f"the corpus has no {name}")
        assert send(sender, path) == ""
    with WorkerProcess(root, project_env) as worker:
        worker.until(lambda: not Intake.objects.filter(finished_at=None).exists(), 120)
    assert {hit.filename for hit in search(sender.pk, "toolkit").hits} == {"testPDF.pdf"}
    assert {hit.filename for hit in search(sender.pk, "foobar").hits} == {"testWORD_bold_character_runs.docx"}
