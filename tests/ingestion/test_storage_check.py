"""storage_check on real damage: each missing, orphaned or damaged blob is named, and what can be mended is."""

from __future__ import annotations

import io
import json

import pytest
from django.core.files.storage import storages
from django.core.management import call_command

from ingestion import retention, storage
from ingestion.errors import StorageAway
from ingestion.models import Blob, Document, IngestFile, Intake, Outcome
from ingestion.storage_mend import LOST
from tests.ingestion.factories import UserFactory, accept_document, accept_zip, zipped
from tests.ingestion.test_retention import later

pytestmark = pytest.mark.django_db(transaction=True)
PAPERS = {f"paper{n}.txt": f"paper number {n} mentions walrus{n}" for n in range(3)}
STRAY = b"nobody knows me"


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.slow)])
def owner(request, transactional_db):
    """A user whose documents lie on the disk or in S3."""
    request.getfixturevalue("documents_dir" if request.param == "disk" else "in_s3")
    return UserFactory()


def run(*options: str) -> tuple[int, list[dict], str]:
    """Exit code, findings (the last is the summary), and what was said on the way."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("storage_check", "--json", *options, stdout=out, stderr=err)
        code = 0
    except SystemExit as stop:
        code = int(stop.code)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def damage(key: str, content: bytes) -> None:
    """Put other bytes in a blob's place."""
    backend = storages["documents"]
    backend.delete(key)
    backend.save(key, io.BytesIO(content))


def stray(content: bytes = STRAY) -> str:
    """Bytes that no row knows; returns their key."""
    return storage.put_stream([content]).key


def test_where_all_is_well_it_says_so(owner, worker):
    accept_zip(owner, PAPERS)
    worker.run()
    code, [summary], said = run("--verify")
    assert code == 0
    assert summary["summary"] == {
        "percent": 100, "rows": 4, "stored": 4, "bytes": sum(Blob.objects.values_list("size", flat=True)),
        "missing": 0, "orphan": 0, "wrong_size": 0, "corrupt": 0, "unfinished": 0, "left": 0,
    }  # fmt: skip
    assert " %: " in said


def test_a_missing_blob_is_named_with_who_needs_it_and_brought_back_from_its_archive(owner, worker):
    intake = accept_zip(owner, {**PAPERS, "inner.zip": zipped({"deep.txt": "a deep heron"})})
    worker.run()
    deep = IngestFile.objects.get(safe_name="deep.txt")
    lost = [deep.blob, deep.parent.blob, intake.files.get(safe_name="paper1.txt").blob]
    for blob in lost:
        storage.delete(blob.storage_key)
    code, [*found, summary], _ = run()
    assert (code, summary["summary"]["missing"], summary["summary"]["left"]) == (1, 3, 3)
    one = next(each for each in found if each["blob_id"] == deep.blob_id)
    assert (one["kind"], one["size"], one["key"]) == ("missing", 12, deep.blob.storage_key)
    assert one["needs"]["documents"] == [deep.document_id]
    assert one["needs"]["intakes"] == [intake.pk]
    assert "brings it back from the archive of intake" in one["said"]
    assert storage.missing([blob.storage_key for blob in lost]), "only --mend changes anything"
    code, [*found, summary], _ = run("--mend")
    assert (code, summary["summary"]["left"]) == (0, 0), found
    assert run("--verify")[0] == 0


def test_what_no_archive_has_is_lost_and_marked_until_it_is_uploaded_again(owner, worker):
    document = accept_document(owner, "The heron waits.")
    worker.run()
    storage.delete(document.blob.storage_key)
    code, [found, _], _ = run()
    assert (code, found["said"]) == (1, "no archive has it: upload the file again")
    for _ in range(2):
        code, [found, _], _ = run("--mend")
        assert (code, found["mended"]) == (1, False)
        document.refresh_from_db()
        assert document.warnings.count(LOST) == 1
    accept_document(owner, "The heron waits.")
    assert run()[0] == 0


def test_an_archive_that_is_lost_is_relied_on_no_more_and_its_files_stay(owner, worker):
    intake = accept_zip(owner, PAPERS)
    worker.run()
    storage.delete(intake.blob.storage_key)
    assert run("--mend")[0] == 1
    intake.refresh_from_db()
    assert intake.blob_id is None
    assert intake.files.filter(outcome=Outcome.COMPLETED).count() == 3
    assert run("--mend")[0] == 0, "its row was needed by nobody any more"


def test_an_archive_that_has_other_bytes_there_mends_nothing(owner, worker):
    intake = accept_zip(owner, PAPERS)
    worker.run()
    first, second = intake.files.order_by("ordinal")[:2]
    storage.delete(first.blob.storage_key)
    Blob.objects.filter(pk=first.blob_id).update(sha256="ab" * 32, storage_key=storage.key_for("ab" * 32))
    code, [found, *_], _ = run("--mend")
    assert (code, found["mended"]) == (1, False)
    assert "it has other bytes there" in found["said"]
    assert LOST in Document.objects.get(file=first).warnings
    assert LOST not in Document.objects.get(file=second).warnings


@pytest.mark.parametrize(("content", "kind", "options"), [(b"cut", "wrong_size", ()), (None, "corrupt", ("--verify",))])
def test_damaged_bytes_are_named_and_replaced_from_the_archive(owner, worker, content, kind, options):
    intake = accept_zip(owner, PAPERS)
    worker.run()
    blob = intake.files.first().blob
    damage(blob.storage_key, content or b"x" * blob.size)
    assert run()[0] == (1 if content else 0), "only --verify reads the bytes"
    code, [found, _], _ = run(*options)
    assert (code, found["kind"], found["found"]) == (1, kind, len(content) if content else blob.size)
    assert run("--mend", *options)[0] == 0
    assert run("--verify")[0] == 0


def test_orphans_are_named_when_they_are_old_enough_and_removed_under_their_rows_lock(owner):
    key = stray()
    assert run()[0] == 0, "an upload may be under way"
    code, [found, _], _ = run("--grace-seconds", "-60")
    assert (code, found["kind"], found["key"], found["size"]) == (1, "orphan", key, len(STRAY))
    assert storage.exists(key)
    code, [found, _], _ = run("--grace-seconds", "-60", "--mend")
    assert (code, found["mended"]) == (0, True)
    assert not storage.exists(key)
    assert not Blob.objects.exists()


def test_a_row_without_bytes_that_nobody_needs_is_removed(owner):
    Blob.objects.create(sha256="ab" * 32, size=3, storage_key=storage.key_for("ab" * 32))
    code, [found, _], _ = run()
    assert (code, found["said"]) == (1, "nothing needs it; --mend removes its row")
    assert run("--mend")[0] == 0
    assert not Blob.objects.exists()


def test_many_of_a_shelf_are_compared_in_slices(owner, monkeypatch):
    from ingestion import storage_check

    monkeypatch.setattr(storage_check, "SLICE", 2)
    hashes = [f"ab{n:062x}" for n in range(7)]
    Blob.objects.bulk_create(Blob(sha256=sha, size=1, storage_key=storage.key_for(sha)) for sha in hashes)
    for sha in hashes[::2]:
        storages["documents"].save(storage.key_for(sha), io.BytesIO(b"x"))
    _, [*found, summary], _ = run()
    assert [each["key"] for each in found] == [storage.key_for(sha) for sha in hashes[1::2]]
    assert (summary["summary"]["rows"], summary["summary"]["stored"]) == (7, 4)


def test_a_storage_that_does_not_answer_is_no_storage_that_is_empty(owner, worker, settings, aws):
    from tests.ingestion.s3servers import entry, place

    document = accept_document(owner)
    settings.STORAGES = {**settings.STORAGES, "documents": entry(place("http://127.0.0.1:9", attempts=1))}
    code, found, said = run("--mend")
    assert (code, found) == (2, [])
    assert "does not answer" in said
    document.refresh_from_db()
    assert document.warnings == []


def test_for_people_it_is_a_line_each(owner, worker):
    document = accept_document(owner)
    storage.delete(document.blob.storage_key)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("storage_check", stdout=out, stderr=io.StringIO())
    first, last = out.getvalue().splitlines()
    assert first.startswith(
        f"missing    {document.blob.storage_key}; 16 bytes; needed by document {document.pk} of intake"
    )
    assert last == "1 rows, 0 blobs, 0 bytes: 1 missing; 1 left"


def test_an_upload_in_parts_that_never_ended_is_given_up(in_s3):
    key = in_s3.options.key(storage.key_for("ab" * 32))
    in_s3.client.create_multipart_upload(Bucket=in_s3.options.bucket, Key=key)
    code, [found, _], _ = run("--grace-seconds", "-60")
    assert (code, found["kind"], found["key"]) == (1, "unfinished", key)
    assert run("--grace-seconds", "-60", "--mend")[0] == 0
    assert list(in_s3.unfinished(-60)) == []


def test_retention_and_the_check_agree(owner, worker):
    accept_zip(owner, PAPERS)
    worker.run()
    assert retention.let_go(now=later()) == 1
    assert run("--verify", "--grace-seconds", "-60")[0] == 0
    assert Document.objects.count() == 3
    assert Intake.objects.get().blob_id is None


def test_a_storage_that_is_out_of_sight_as_a_whole_is_not_given_up(owner, worker, monkeypatch):
    """A disk that is not mounted, a wrong prefix: nothing may be marked, and no archive let go."""
    intake = accept_zip(owner, PAPERS)
    worker.run()
    for blob in Blob.objects.all():
        storage.delete(blob.storage_key)
    code, found, said = run("--mend")
    assert (code, found) == (2, [])
    assert "is the disk mounted" in said
    assert not any(LOST in warnings for warnings in Document.objects.values_list("warnings", flat=True))
    assert Intake.objects.get(pk=intake.pk).blob_id is not None


def test_an_archive_that_can_not_be_reached_now_is_not_given_up(owner, worker, monkeypatch):
    accept_zip(owner, PAPERS)
    worker.run()
    storage.delete(Document.objects.first().blob.storage_key)

    def away(key):
        raise StorageAway("nobody answers")

    monkeypatch.setattr(storage, "open", away)
    code, _, said = run("--mend")
    assert code == 2
    assert "nobody answers" in said
    assert Intake.objects.filter(blob__isnull=False).exists()
    assert not any(LOST in warnings for warnings in Document.objects.values_list("warnings", flat=True))
