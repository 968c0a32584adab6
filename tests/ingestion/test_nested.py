"""Archives in archives: opened to the configured depth, each by an item of its own, within the limits of the whole."""

from __future__ import annotations

import pytest

from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from ingestion import unpack
from ingestion.archives import read_entry
from ingestion.errors import CrcMismatch
from ingestion.models import Chunk, Document, IngestFile, IntakeStatus, Outcome, Stage
from ingestion.services import cancel_intake, reconcile, search
from tests.ingestion.factories import accept, accept_zip, upload, zipped
from tests.ingestion.running import finish_dead

pytestmark = pytest.mark.django_db(transaction=True)


def limit(settings, **values: object) -> None:
    settings.INGESTION = {**settings.INGESTION, **values}


def paths(intake, **filters) -> dict[str, str]:
    return dict(intake.files.filter(**filters).order_by("ordinal").values_list("source_path", "outcome"))


INNER = zipped({"deep/note.txt": "a heron in the inner archive", ".DS_Store": b"\0"})
OUTER = {"first.txt": "a heron outside", "inner.zip": INNER, "last.txt": "a walrus"}


def test_the_files_of_an_inner_archive_are_files_of_the_intake(owner, worker):
    intake = accept_zip(owner, OUTER)
    worker.run()
    intake.refresh_from_db()
    assert paths(intake) == {
        "first.txt": "completed",
        "inner.zip": "unpacked",
        "last.txt": "completed",
        "inner.zip/deep/note.txt": "completed",
        "inner.zip/.DS_Store": "skipped",
    }
    assert (intake.status, intake.counts["completed"], intake.counts["unpacked"]) == (IntakeStatus.COMPLETED, 3, 1)
    assert intake.planned_files == 5
    assert {hit.filename for hit in search(owner.pk, "heron").hits} == {"first.txt", "note.txt"}
    inner = intake.files.get(source_path="inner.zip")
    assert (inner.stage, inner.document, inner.percent) == (Stage.COMPLETED, None, 100)
    assert set(inner.children.values_list("depth", flat=True)) == {2}
    assert Document.objects.count() == 3, "an archive is no document"


def test_archives_are_opened_to_the_configured_depth_and_no_deeper(owner, worker, settings):
    limit(settings, MAX_ARCHIVE_DEPTH=2)
    innermost = zipped({"never.txt": "never read"})
    intake = accept_zip(owner, {"b.zip": zipped({"c.zip": innermost, "read.txt": "read"}), "top.txt": "top"})
    worker.run()
    intake.refresh_from_db()
    failed = intake.files.get(outcome=Outcome.FAILED)
    assert (failed.source_path, failed.error_code) == ("b.zip/c.zip", "nesting_too_deep")
    assert failed.hint
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED_WITH_ERRORS, 2)
    assert not search(owner.pk, "never").hits


def test_an_archive_that_holds_itself_ends(owner, worker, settings):
    content = zipped({"end.txt": "the end"})
    for _ in range(6):
        content = zipped({"again.zip": content})
    intake = accept(owner, upload("droste.zip", content))
    worker.run()
    intake.refresh_from_db()
    assert paths(intake) == {
        "again.zip": "unpacked",
        "again.zip/again.zip": "unpacked",
        "again.zip/again.zip/again.zip": "failed",
    }
    assert intake.status == IntakeStatus.FAILED
    assert intake.files.get(outcome="failed").error_code == "nesting_too_deep"


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"MAX_ENTRIES": 4}, "too_many_files"), ({"MAX_EXTRACTED_BYTES": 1_400}, "extracted_too_large")],
)
def test_the_limits_hold_for_all_archives_of_an_upload_together(owner, worker, settings, limits, code):
    limit(settings, **limits)
    inner = zipped({f"{n}.txt": f"{n}" + "text " * 100 for n in range(3)})
    intake = accept_zip(owner, {"inner.zip": inner, "other.txt": "other"})
    worker.run()
    intake.refresh_from_db()
    assert intake.files.get(outcome="failed").error_code == code
    assert paths(intake) == {"inner.zip": "failed", "other.txt": "completed"}, "nothing of it was unpacked"


def test_a_hostile_inner_archive_fails_alone(owner, worker):
    evil = zipped({"../../evil.txt": "x"})
    intake = accept_zip(owner, {"evil.zip": evil, "good.txt": "good", "cut.zip": zipped({"a.txt": "a" * 500})[:-30]})
    worker.run()
    codes = dict(intake.files.values_list("source_path", "error_code"))
    assert codes == {"evil.zip": "unsafe_path", "good.txt": "", "cut.zip": "truncated_archive"}


def test_an_inner_archive_goes_on_at_its_first_entry_not_done(owner, worker, monkeypatch):
    monkeypatch.setattr("ingestion.unpack.BATCH_FILES", 1)
    inner = zipped({f"{n}.txt": f"note {n}" for n in range(5)})
    intake = accept_zip(owner, {"inner.zip": inner})
    worker.run_claimed(worker.claim())  # the outer one
    worker.run_claimed(worker.claim())  # found to be an archive
    flushed, real = [], unpack._flush

    def dies_after_two(container, batch):
        if len(flushed) == 2:
            raise KeyboardInterrupt
        flushed.append(batch)
        real(container, batch)

    monkeypatch.setattr(unpack, "_flush", dies_after_two)
    item = worker.claim()
    worker.run_and_die(item)
    assert intake.files.filter(parent__isnull=False, item_id__isnull=False).count() == 2
    monkeypatch.setattr(unpack, "_flush", real)
    DocumentQueueService().release(item)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 5)
    assert Chunk.objects.count() == Document.objects.count() == 5


def test_the_files_of_an_inner_archive_end_with_it_when_its_item_dies(owner, worker, monkeypatch):
    intake = accept_zip(owner, OUTER)
    worker.run_claimed(worker.claim())
    item = QueueItem.objects.get(document_id=str(Document.objects.get(title="inner.zip").pk))
    while QueueItem.objects.filter(pk=item.pk).exists():
        worker.run_claimed(worker.claim())
    unpacking = QueueItem.objects.get(operation="intake.unpack")
    inner = intake.files.get(source_path="inner.zip")
    IngestFile.objects.create(
        intake=intake, parent=inner, ordinal=9, depth=2, source_path="inner.zip/x.txt", safe_name="x"
    )
    finish_dead(unpacking.pk, "timed_out", "it ran too long")
    worker.run()
    reconcile()
    intake.refresh_from_db()
    assert paths(intake, error_code="timed_out") == {"inner.zip": "failed", "inner.zip/x.txt": "failed"}
    assert (intake.status, intake.counts["failed"]) == (IntakeStatus.COMPLETED_WITH_ERRORS, 2)


def test_a_person_can_put_a_failed_inner_archive_back(owner, worker, settings):
    limit(settings, MAX_ARCHIVE_DEPTH=1)
    intake = accept_zip(owner, OUTER)
    worker.run()
    assert paths(intake)["inner.zip"] == "failed"
    limit(settings, MAX_ARCHIVE_DEPTH=2)
    dead = QueueItem.objects.get(status="dead")
    DocumentQueueService().requeue(dead.pk, by="ada")
    worker.run()
    intake.refresh_from_db()
    assert paths(intake)["inner.zip/deep/note.txt"] == "completed"
    assert (intake.status, intake.error_code) == (IntakeStatus.COMPLETED, "")


def test_cancelling_an_intake_cancels_what_an_inner_archive_still_holds(owner, worker):
    intake = accept_zip(owner, OUTER)
    worker.run_claimed(worker.claim())
    cancel_intake(intake)
    worker.run()
    intake.refresh_from_db()
    assert set(paths(intake).values()) == {"cancelled"}
    assert intake.status == IntakeStatus.CANCELLED


@pytest.mark.parametrize(
    ("content", "skipped"), [({}, 0), ({"__MACOSX/._a": b"x", ".DS_Store": b"x"}, 2)], ids=["empty", "only junk"]
)
def test_an_archive_without_documents_is_completed_and_says_so(owner, worker, content, skipped):
    intake = accept_zip(owner, content)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["total"], intake.counts["skipped"]) == ("completed", skipped, skipped)
    assert intake.message == ("" if skipped else "The archive is empty.")


def test_a_name_that_points_outside_fails_alone_where_the_policy_says_so(owner, worker, settings):
    limit(settings, ON_UNSAFE_PATH="fail_file")
    intake = accept_zip(owner, {"../evil.txt": "x", "C:\\evil.txt": "y", "/etc/evil": "z", "good.txt": "good"})
    worker.run()
    codes = dict(intake.files.values_list("source_path", "error_code"))
    assert codes == {
        "../evil.txt": "unsafe_path",
        "C:\\evil.txt": "unsafe_path",
        "/etc/evil": "unsafe_path",
        "good.txt": "",
    }


def test_an_inner_archive_whose_item_is_gone_without_a_trace_is_unpacked_by_a_new_one(owner, worker):
    intake = accept_zip(owner, OUTER)
    worker.run_claimed(worker.claim())
    while not QueueItem.objects.filter(payload__has_key="file").exists():
        worker.run_claimed(worker.claim())
    QueueItem.objects.filter(payload__has_key="file").delete()
    worker.run()
    assert paths(intake, outcome="") == {"inner.zip": ""}
    reconcile()
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"], intake.counts["unpacked"]) == (IntakeStatus.COMPLETED, 3, 1)


def test_a_failed_inner_archive_is_unzipped_again_by_a_retry_of_the_upload(client, owner, worker, settings):
    client.force_login(owner)
    limit(settings, MAX_ARCHIVE_DEPTH=1)
    intake = accept_zip(owner, OUTER)
    worker.run()
    limit(settings, MAX_ARCHIVE_DEPTH=2)
    counts = client.post(f"/api/v1/intakes/{intake.pk}/retry", {"preview": True}, content_type="application/json")
    assert (counts.json()["archives"], counts.json()["reprocessable"]) == (1, 0)
    assert client.post(f"/api/v1/intakes/{intake.pk}/retry", content_type="application/json").status_code == 202
    worker.run()
    intake.refresh_from_db()
    assert paths(intake)["inner.zip/deep/note.txt"] == "completed"
    assert (intake.status, intake.counts["failed"]) == (IntakeStatus.COMPLETED, 0)
    assert not QueueItem.objects.exists(), "the dead item was given up"


def test_an_entry_of_an_inner_archive_that_failed_is_read_again_alone(client, owner, worker, monkeypatch):
    client.force_login(owner)
    intake = accept_zip(owner, {"inner.zip": zipped({"a.txt": "alpha", "b.txt": "beta"})})

    def broken(archive, entry, *rest):
        if entry.safe_name == "b.txt":
            raise CrcMismatch
        return read_entry(archive, entry, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "read_entry", broken)
        worker.run()
    failed = intake.files.get(outcome=Outcome.FAILED)
    assert (failed.source_path, failed.error_code) == ("inner.zip/b.txt", "crc_mismatch")
    answer = client.post(f"/api/v1/files/{failed.pk}/retry", content_type="application/json")
    assert answer.status_code == 202
    worker.run()
    intake.refresh_from_db()
    assert set(paths(intake).values()) == {"unpacked", "completed"}
    assert (intake.status, Document.objects.count()) == (IntakeStatus.COMPLETED, 2)
