"""A file that ends the processes of its readers: read once more in another way, and never a third time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from docqueue import outcomes, settling
from docqueue.maintenance import promote
from docqueue.models import Attempt, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.extract import registry
from ingestion.models import Document, IngestFile, Outcome
from tests.ingestion.factories import accept, accept_document, upload

pytestmark = pytest.mark.django_db(transaction=True)

CRASH = outcomes.Crashed(code="crashed", message="killed by SIGSEGV")
TIMEOUT = outcomes.Failed(code="timed_out", message="it ran too long", outcome="timed_out")
MEMORY = outcomes.Failed(code="out_of_memory", message="it took too much")
LOST = outcomes.Failed(code="lease_lost", message="its worker died")


def ends(worker, *ways: outcomes.Outcome) -> None:
    """Let the only item's next runs end so, by force."""
    for way in ways:
        item = claim(worker)
        settling.settle(worker.service.using, [(item, way)])


def claim(worker):
    promote.run(worker.service.using, timezone.now() + timedelta(days=1))
    return worker.claim()


@pytest.fixture
def readers(monkeypatch):
    """The ways in which texts were read: as usual or by a fallback reader."""
    used = []
    usual = registry.extractor_for("text")

    def read(path, out):
        used.append("usual")
        usual.read(path, out)

    def fallback(path, out):
        used.append("fallback")
        usual.read(path, out)

    other = type(usual)(name="text", version=1, read=read, fallback=fallback)
    monkeypatch.setattr("ingestion.extract.text.EXTRACTOR", other)
    return used


@pytest.mark.parametrize("way", [CRASH, TIMEOUT, MEMORY])
def test_the_second_try_reads_in_another_way(owner, worker, readers, way):
    document = accept_document(owner)
    ends(worker, way)
    worker.run_claimed(claim(worker))
    document.refresh_from_db()
    assert readers == ["fallback"]
    assert document.file.outcome == Outcome.COMPLETED
    assert document.warnings[0].startswith("fallback_reader: ")


@pytest.mark.parametrize(
    ("ways", "code"),
    [
        ([CRASH, CRASH], "parser_crashed"),
        ([TIMEOUT, TIMEOUT], "extract_timeout"),
        ([MEMORY, MEMORY], "out_of_memory"),
        ([CRASH, TIMEOUT], "extract_timeout"),
        ([TIMEOUT, CRASH], "parser_crashed"),
    ],
)
def test_after_two_ends_by_force_there_is_no_third_try(owner, worker, readers, ways, code):
    intake = accept(owner, upload())
    ends(worker, *ways)
    worker.run_claimed(claim(worker))
    intake.refresh_from_db()
    file = intake.files.get()
    assert readers == []
    assert (file.outcome, file.error_code) == (Outcome.FAILED, code)
    assert file.hint
    assert QueueItem.objects.get().status == Status.DEAD
    assert intake.finished


def test_the_loss_of_a_worker_is_not_the_file_s_fault(owner, worker, readers):
    accept_document(owner)
    item = worker.claim()
    DocumentQueueService().release(item)
    ends(worker, LOST)
    worker.run_claimed(claim(worker))
    assert readers == ["usual"]


def test_a_person_s_requeue_begins_to_count_anew(owner, worker, readers):
    accept_document(owner)
    ends(worker, CRASH, TIMEOUT)
    worker.run_claimed(claim(worker))
    DocumentQueueService().requeue(QueueItem.objects.get().pk, by="ada")
    worker.run_claimed(claim(worker))
    assert readers == ["usual"]
    assert IngestFile.objects.get().outcome == Outcome.COMPLETED


def test_memory_that_runs_out_inside_of_a_reader_counts_as_well(owner, worker, monkeypatch):
    def greedy(path, out):
        raise MemoryError

    usual = registry.extractor_for("text")
    monkeypatch.setattr("ingestion.extract.text.EXTRACTOR", type(usual)(name="text", version=1, read=greedy))
    accept_document(owner)
    worker.run_claimed(worker.claim())
    assert IngestFile.objects.get().outcome == ""
    worker.run_claimed(claim(worker))
    file = IngestFile.objects.get()
    assert (file.outcome, file.error_code) == (Outcome.FAILED, "out_of_memory")
    assert list(Attempt.objects.values_list("code", flat=True)) == ["out_of_memory", "out_of_memory"]
    assert Document.objects.get().receipt_sha256 is None
