"""What becomes of an archive's files that text can not be taken from: by the setting, before one is unpacked."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.core.exceptions import ImproperlyConfigured

from ingestion import storage
from ingestion.archives import plan_archive
from ingestion.errors import UnsupportedEntries
from ingestion.limits import Limits, get_limits
from ingestion.models import Blob, Intake, IntakeStatus, Outcome
from ingestion.unsupported import unsupported
from tests.ingestion.factories import accept_zip, zipped

pytestmark = pytest.mark.django_db(transaction=True)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20_000)
MIXED = {"a.txt": "alpha", "picture.png": PNG, "renamed.txt": PNG, ".DS_Store": b"\0", "b.md": "# beta"}


def policy(settings, value: str) -> None:
    settings.INGESTION = {**settings.INGESTION, "ON_UNSUPPORTED": value}


def test_by_default_they_fail_alone(owner, worker):
    intake = accept_zip(owner, MIXED)
    worker.run()
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    failed = intake.files.filter(outcome=Outcome.FAILED).values_list("safe_name", "error_code")
    assert set(failed) == {("picture.png", "unsupported_type"), ("renamed.txt", "unsupported_type")}


def test_skipped_ones_are_counted_and_nothing_of_them_is_stored(owner, worker, settings, monkeypatch):
    policy(settings, "skip")
    intake = accept_zip(owner, MIXED)
    written, real = [], storage.put_stream
    monkeypatch.setattr(storage, "put_stream", lambda *a, **k: written.append(real(*a, **k)) or written[-1])
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"], intake.counts["skipped"]) == (IntakeStatus.COMPLETED, 2, 3)
    assert sorted(blob.size for blob in written) == [5, 6]
    assert intake.files.get(safe_name="renamed.txt").message == "files of type png are skipped"


def test_an_archive_that_holds_one_is_refused_at_the_door_and_nothing_is_kept(owner, settings, documents_dir):
    policy(settings, "reject_archive")
    with pytest.raises(UnsupportedEntries, match=r"2 files .*picture.png \(png\), renamed.txt \(png\)"):
        accept_zip(owner, MIXED)
    assert (Intake.objects.count(), Blob.objects.count()) == (0, 0)
    assert [path for path in documents_dir.rglob("*") if path.is_file()] == []
    assert accept_zip(owner, {"a.txt": "alpha", ".DS_Store": b"\0"}).planned_files == 2


def test_a_document_that_is_a_container_is_not_taken_for_unsupported_by_its_beginning():
    office = io.BytesIO()
    with zipfile.ZipFile(office, "w") as out:
        out.writestr("media/noise.bin", bytes(range(256)) * 100)
        out.writestr("[Content_Types].xml", "wordprocessingml.document.main+xml")
    files = {"letter.docx": office.getvalue(), "inner.zip": office.getvalue(), "empty.txt": b"", "cut.bin": b"\0\1\2"}
    content = io.BytesIO(zipped(files))
    plan = plan_archive(content)
    closed = Limits(max_archive_depth=1)
    found = {plan.entries[ordinal].name: kind for ordinal, kind in unsupported(content, plan, closed).items()}
    assert found == {"inner.zip": "zip", "cut.bin": "unknown"}
    assert list(unsupported(content, plan, Limits()).values()) == ["unknown"], "an archive that is opened is readable"


def test_a_word_that_is_no_policy_is_named(settings):
    policy(settings, "explode")
    with pytest.raises(ImproperlyConfigured, match=r"ON_UNSUPPORTED.*fail_file, skip, reject_archive"):
        get_limits()
