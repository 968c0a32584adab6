"""What is attached to an e-mail: files of the same intake, found by search, with items of their own."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from django.db import transaction

from docqueue.models import QueueItem
from ingestion import storage
from ingestion.models import Document, IngestFile, IntakeStatus
from ingestion.services import process_document_content, reprocess_document, search
from tests.ingestion.factories import accept, accept_document, accept_zip, upload, zipped

pytestmark = pytest.mark.django_db(transaction=True)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000)


def mail(**attached: bytes) -> bytes:
    """A mail about a heron with these files attached: `name_ext` is name.ext."""
    message = EmailMessage()
    message["Subject"], message["From"] = "The heron", "ada@example.org"
    message.set_content("The heron waits for what is attached.")
    for name, content in attached.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name.replace("_", "."))
    return bytes(message)


def outcomes(intake) -> dict[str, str]:
    return dict(intake.files.order_by("ordinal").values_list("source_path", "outcome"))


def test_attachments_are_files_of_the_intake_and_searchable(owner, worker):
    intake = accept(owner, upload("mail.eml", mail(a_txt=b"a walrus inside", b_zip=zipped({"c.txt": "a newt"}))))
    worker.run()
    intake.refresh_from_db()
    assert outcomes(intake) == {
        "mail.eml": "completed",
        "mail.eml/a.txt": "completed",
        "mail.eml/b.zip": "unpacked",
        "mail.eml/b.zip/c.txt": "completed",
    }
    assert intake.status == IntakeStatus.COMPLETED
    assert [hit.filename for hit in search(owner.pk, "walrus").hits] == ["a.txt"]
    assert [hit.filename for hit in search(owner.pk, "newt").hits] == ["c.txt"]
    assert [hit.filename for hit in search(owner.pk, "attached").hits] == ["mail.eml"]
    assert IngestFile.objects.get(safe_name="a.txt").parent == IngestFile.objects.get(safe_name="mail.eml")
    assert Document.objects.get(title="The heron").warnings == []


def test_a_broken_attachment_fails_alone(owner, worker):
    intake = accept_zip(owner, {"mail.eml": mail(a_pdf=b"%PDF-1.7 broken", b_txt=b"", c_txt=b"fine")})
    worker.run()
    codes = dict(intake.files.values_list("safe_name", "error_code"))
    assert codes == {"mail.eml": "", "a.pdf": "corrupt_file", "b.txt": "empty_file", "c.txt": ""}


def test_pictures_that_the_text_shows_are_skipped_and_not_stored(owner, worker, documents_dir):
    message = EmailMessage()
    message["Subject"] = "With a logo"
    message.set_content('<p>Hello <img src="cid:logo"></p>', subtype="html")
    message.add_related(PNG, maintype="image", subtype="png", cid="<logo>", filename="logo.png")
    intake = accept(owner, upload("mail.eml", bytes(message)))
    worker.run()
    intake.refresh_from_db()
    assert outcomes(intake) == {"mail.eml": "completed", "mail.eml/logo.png": "skipped"}
    assert intake.status == IntakeStatus.COMPLETED
    assert len([path for path in documents_dir.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(("policy", "outcome"), [("skip", "skipped"), ("fail_file", "failed")])
def test_attachments_that_can_not_be_read_go_by_the_policy(owner, worker, settings, policy, outcome):
    settings.INGESTION = {**settings.INGESTION, "ON_UNSUPPORTED": policy}
    intake = accept(owner, upload("mail.eml", mail(scan_png=PNG, a_zip=zipped({"b.txt": "b"}))))
    worker.run()
    assert outcomes(intake)["mail.eml/scan.png"] == outcome
    assert outcomes(intake)["mail.eml/a.zip/b.txt"] == "completed"


def test_reprocessing_a_mail_doubles_no_attachment(owner, worker):
    intake = accept(owner, upload("mail.eml", mail(a_txt=b"a walrus", b_txt=b"a newt")))
    worker.run()
    before = outcomes(intake)
    reprocess_document(Document.objects.get(title="The heron"))
    worker.run()
    intake.refresh_from_db()
    assert outcomes(intake) == before
    assert (intake.status, Document.objects.count(), intake.planned_files) == (IntakeStatus.COMPLETED, 3, 3)


@pytest.mark.parametrize(
    ("limits", "told"), [({"MAX_ARCHIVE_DEPTH": 1}, "max_archive_depth"), ({"MAX_ENTRIES": 2}, "MAX_ENTRIES")]
)
def test_attachments_beyond_the_limits_are_not_taken_and_the_mail_says_so(owner, worker, settings, limits, told):
    settings.INGESTION = {**settings.INGESTION, **limits}
    intake = accept_zip(owner, {"mail.eml": mail(a_txt=b"a walrus", b_txt=b"a newt")})
    worker.run()
    intake.refresh_from_db()
    assert outcomes(intake) == {"mail.eml": "completed"}
    (warning,) = Document.objects.get().warnings
    assert warning.startswith("attachments_not_read: ")
    assert told in warning


def test_a_mail_that_fails_to_commit_leaves_no_attachment_behind(owner, worker, monkeypatch):
    document = accept_document(owner, mail(a_txt=b"a walrus"), "mail.eml")

    class Failing:
        def __enter__(self):
            self.block = transaction.atomic()
            self.block.__enter__()

        def __exit__(self, *exception):
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    process_document_content(document, commit=lambda _said: Failing())
    assert IngestFile.objects.count() == Document.objects.count() == QueueItem.objects.count() == 1
    worker.run()
    assert IngestFile.objects.count() == 2


def test_many_mails_of_one_upload_with_attachments_do_not_lock_each_other_out(owner, worker):
    mails = [upload(f"{n}.eml", mail(**{f"a{n}_txt": f"walrus {n}".encode()})) for n in range(5)]
    intake = accept(owner, *mails)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 10)
    assert sorted(intake.files.values_list("ordinal", flat=True)) == list(range(10))
    assert storage.remove_stale_parts(-60) == 0
