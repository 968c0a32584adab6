"""The same bytes again, in every way that they come again; and different bytes that look the same to search."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection
from rest_framework.test import APIClient

from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from ingestion import pipeline
from ingestion.errors import CorruptFile
from ingestion.models import Blob, Chunk, Document, IngestFile, Outcome
from tests.ingestion import hostile_zips as zips
from tests.ingestion.adversarial import pdfs
from tests.ingestion.adversarial.conftest import DOCUMENTS, SIBLINGS, Door, among_siblings, codes, siblings
from tests.ingestion.adversarial.conftest import WORDS as WORDS_OF
from tests.ingestion.factories import upload
from tests.ingestion.running import InlineWorker

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = b"a rare quokka\n"


def outcomes() -> Counter[str]:
    """How the files with these words ended."""
    return Counter(IngestFile.objects.filter(safe_name__startswith="same").values_list("outcome", flat=True))


def one_of_everything() -> None:
    """See that the words are stored once, indexed once, and that every duplicate points to the one document."""
    files = IngestFile.objects.filter(safe_name__startswith="same", blob__isnull=False)
    blob = Blob.objects.get(pk__in=files.values("blob"))
    completed = Document.objects.get(receipt_sha256=blob.sha256)
    assert Chunk.objects.filter(text__contains="quokka").count() == 1
    pointed = files.filter(outcome=Outcome.DUPLICATE).values_list("duplicate_of", flat=True)
    assert set(pointed) <= {completed.pk}


def test_the_same_file_twice_in_one_archive_is_completed_once(door: Door) -> None:
    content = among_siblings(zips.entry("same.txt", WORDS), zips.entry("same again.txt", WORDS))
    intake = door.finish(door.accepts(upload("papers.zip", content)))
    assert outcomes() == {Outcome.COMPLETED: 1, Outcome.DUPLICATE: 1}
    assert intake.counts["duplicate"] == 1
    one_of_everything()


def test_the_same_file_in_two_uploads_at_once_is_completed_once(door: Door, monkeypatch) -> None:
    """Both are sent at once, and both have been read before either is completed: on two connections."""
    arrived = threading.Barrier(2, timeout=30)
    intakes: list[int] = []

    def send() -> None:
        api = APIClient()
        api.force_authenticate(door.owner)
        arrived.wait()
        answer = api.post(DOCUMENTS, {"file": upload("same.txt", WORDS)}, format="multipart")
        assert answer.status_code == 202
        intakes.append(answer.json()["id"])

    at_once(send, send)
    read, real = threading.Barrier(2, timeout=30), pipeline.extract

    def extract(*args, **options):
        extraction = real(*args, **options)
        read.wait()
        return extraction

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "extract", extract)
        claims = [door.worker.claim(), door.worker.claim()]
        at_once(*(lambda claim=claim: InlineWorker().run_claimed(claim) for claim in claims))
    assert outcomes() == {Outcome.COMPLETED: 1, Outcome.DUPLICATE: 1}
    one_of_everything()
    for intake in intakes:
        door.finish(intake, innocents=False)
    door.finish(door.accepts(*siblings()))


def test_the_same_archive_twice_at_once_is_worked_off_by_three_workers_and_completed_once(
    door: Door,
) -> None:
    entries = [zips.entry(f"same {n}.txt", WORDS + b"number %d\n" % n) for n in range(8)]
    content = among_siblings(*entries, *entries)
    intakes = [door.accepts(upload("papers.zip", content)) for _ in range(2)]
    at_once(*([lambda: InlineWorker().run()] * 3))
    for intake in intakes:
        door.finish(intake, innocents=False)
    assert outcomes() == {Outcome.COMPLETED: 8, Outcome.DUPLICATE: 24}
    assert Blob.objects.count() == 1 + 8 + len(SIBLINGS), "the archive, its texts and the innocent ones"
    assert Chunk.objects.count() == 8 + len(SIBLINGS)
    assert {hit["filename"] for word in WORDS_OF.values() for hit in door.search(word)} == set(SIBLINGS)


def at_once(*works: Callable[[], object]) -> None:
    """Run each in a thread of its own; the first error of any is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


def test_the_same_file_after_the_first_was_deleted_is_taken_anew(door: Door) -> None:
    door.finish(door.accepts(upload("same.txt", WORDS), *siblings()))
    Document.objects.get(title="same.txt").delete()
    assert not door.search("quokka")
    door.finish(door.accepts(upload("same.txt", WORDS)), innocents=False)
    assert outcomes() == {Outcome.COMPLETED: 2}
    assert len(door.search("quokka")) == 1
    one_of_everything()


def test_the_same_file_after_a_failed_first_try_is_completed_and_the_first_becomes_the_duplicate(
    door: Door, monkeypatch
) -> None:
    real = pipeline.extract

    def extract(path, *args, **options):
        if path.read_bytes() == WORDS:
            raise CorruptFile
        return real(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "extract", extract)
        first = door.finish(door.accepts(upload("same.txt", WORDS), *siblings()))
    assert codes(first)["same.txt"] == "corrupt_file"
    door.finish(door.accepts(upload("same.txt", WORDS)), innocents=False)
    assert outcomes() == {Outcome.FAILED: 1, Outcome.COMPLETED: 1}
    DocumentQueueService().requeue(QueueItem.objects.get(status="dead").pk, by="ada")
    door.finish(first.pk)
    assert outcomes() == {Outcome.COMPLETED: 1, Outcome.DUPLICATE: 1}
    one_of_everything()


def test_two_different_scans_without_text_are_two_documents(door: Door) -> None:
    scans = [upload("one.pdf", pdfs.scan()), upload("two.pdf", pdfs.scan().replace(b"\x80 EI", b"\x81 EI"))]
    intake = door.finish(door.accepts(*scans, *siblings()))
    found = codes(intake)
    assert (found["one.pdf"], found["two.pdf"]) == (Outcome.COMPLETED_NO_TEXT, Outcome.COMPLETED_NO_TEXT)
    assert Document.objects.filter(title__in=["one.pdf", "two.pdf"], receipt_sha256__isnull=False).count() == 2
