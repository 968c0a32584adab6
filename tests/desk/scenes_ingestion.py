"""Uploads, files and documents: processed anew, cancelled, deleted; and resumable uploads that are ended."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import DELETION, LogEntry
from playwright.sync_api import expect

from docqueue.models import AuditEntry, HistoryItem, QueueItem
from docqueue.states import Status
from ingestion.models import Document, IngestFile, Intake
from ingestion.reprocess_many import REPROCESS_MANY
from ingestion.resumable import files
from ingestion.resumable.models import UploadSession
from tests.desk.scenes import Desk, scene
from tests.ingestion.factories import accept, accept_document, upload
from tests.ingestion.resumable.tus import Tus
from tests.ingestion.running import InlineWorker

INTAKE, FILE, DOCUMENT = "ingestion/intake/", "ingestion/ingestfile/", "ingestion/document/"


def processed(desk: Desk) -> Document:
    """A document that has been indexed."""
    found = accept_document(desk.site.user, "The heron waits.", name="letter.txt")
    InlineWorker().run()
    return found


def failed(desk: Desk) -> Intake:
    """An upload of a file that can not be read, and of one that can."""
    found = accept(desk.site.user, upload("bad.pdf", "%PDF-1.4 nothing"), upload("good.md", "# heron"))
    InlineWorker().run()
    return found


def row_of(model: str, document: Document) -> int:
    """The document's row in this list."""
    file = document.file
    return {"document": document.pk, "ingestfile": file.pk, "intake": file.intake_id}[model]


# -- processed anew --------------------------------------------------------------------------------------------------


def _counted(desk: Desk, number: str) -> None:
    line = desk.page.locator("tr", has_text="can be processed anew").locator("td")
    expect(line).to_have_text(number)
    assert not QueueItem.objects.filter(operation=REPROCESS_MANY).exists()


def _ordered(desk: Desk, selection: dict[str, Any], stage: str = "", priority: int = -50) -> None:
    """One item of the queue carries the order out: whose, about what."""
    item = QueueItem.objects.get(operation=REPROCESS_MANY)
    desk.told(f"Queue item {item.pk} puts them into the queue: 1 files")
    assert item.payload["by"] == desk.who
    assert item.payload["selection"] == selection
    assert (item.payload["from_stage"], item.payload["priority"], item.payload["total"]) == (stage, priority, 1)


def _from_a_stage(desk: Desk, model: str, action: str) -> None:
    row = row_of(model, processed(desk))
    desk.go(f"ingestion_{model}_changelist")
    desk.choose(action, row)
    _counted(desk, "1")
    desk.page.get_by_label("From", exact=False).first.select_option("indexing")
    desk.page.get_by_label("Priority, -100 to 100").fill("7")
    desk.button("Yes, reprocess")
    plural = {"document": "documents", "ingestfile": "files", "intake": "intakes"}[model]
    _ordered(desk, {plural: [row]}, "indexing", 7)


@scene(DOCUMENT + " reprocess_from")
def reprocess_documents_from_a_stage(desk: Desk) -> None:
    _from_a_stage(desk, "document", "reprocess_from")


@scene(FILE + " reprocess_from")
def reprocess_files_from_a_stage(desk: Desk) -> None:
    _from_a_stage(desk, "ingestfile", "reprocess_from")


@scene(INTAKE + " reprocess")
def reprocess_uploads(desk: Desk) -> None:
    _from_a_stage(desk, "intake", "reprocess")


@scene(INTAKE + " retry")
def retry_what_has_failed_of_an_upload(desk: Desk) -> None:
    row = failed(desk)
    desk.go("ingestion_intake_changelist")
    desk.choose("retry", row.pk)
    _counted(desk, "1")
    desk.button("Yes, reprocess")
    _ordered(desk, {"intakes": [row.pk], "outcome": "failed"})


def _all_that_match(desk: Desk, model: str) -> None:
    failed(desk)
    desk.go(f"ingestion_{model}_changelist")
    desk.link("Reprocess all that match …")
    desk.page.get_by_label("Ended as").select_option("failed")
    desk.button("Count")
    _counted(desk, "1")
    desk.button("Yes, reprocess")
    _ordered(desk, {"outcome": "failed"})


@scene(DOCUMENT + "reprocess/")
def reprocess_all_documents_that_match(desk: Desk) -> None:
    _all_that_match(desk, "document")


@scene(FILE + "reprocess/")
def reprocess_all_files_that_match(desk: Desk) -> None:
    _all_that_match(desk, "ingestfile")


@scene(INTAKE + "reprocess/")
def reprocess_all_uploads_that_match(desk: Desk) -> None:
    _all_that_match(desk, "intake")


def _at_once(desk: Desk, model: str) -> None:
    document = processed(desk)
    before = document.file.item_id
    desk.go(f"ingestion_{model}_changelist")
    desk.choose("reprocess", row_of(model, document))
    desk.told("1 document is processed anew.")
    file = IngestFile.objects.get(document=document)
    assert file.item_id != before
    assert QueueItem.objects.get(pk=file.item_id).status == Status.PENDING


@scene(DOCUMENT + " reprocess")
def reprocess_a_document(desk: Desk) -> None:
    _at_once(desk, "document")


@scene(FILE + " reprocess")
def reprocess_a_file(desk: Desk) -> None:
    _at_once(desk, "ingestfile")


# -- cancelled -------------------------------------------------------------------------------------------------------


def _cancelled(desk: Desk, model: str, words: str) -> None:
    document = accept_document(desk.site.user, "not yet", name="waits.txt")
    item = document.file.item_id
    desk.go(f"ingestion_{model}_changelist")
    desk.choose("cancel", row_of(model, document))
    desk.told(words)
    assert HistoryItem.objects.get(pk=item).status == Status.CANCELLED
    assert IngestFile.objects.get(document=document).outcome == "cancelled"
    assert AuditEntry.objects.get(action="cancel", item_id=item).actor == desk.who
    desk.go(f"ingestion_{model}_changelist")  # once more: there is nothing to be cancelled
    desk.choose("cancel", row_of(model, document))
    desk.told("already")
    assert AuditEntry.objects.filter(item_id=item).count() == 1


@scene(DOCUMENT + " cancel")
def cancel_a_document(desk: Desk) -> None:
    _cancelled(desk, "document", "1 document is being cancelled.")


@scene(FILE + " cancel")
def cancel_a_file(desk: Desk) -> None:
    _cancelled(desk, "ingestfile", "1 document is being cancelled.")


@scene(INTAKE + " cancel")
def cancel_an_upload(desk: Desk) -> None:
    _cancelled(desk, "intake", "1 intake is being cancelled.")


# -- deleted ---------------------------------------------------------------------------------------------------------


def _deleted(desk: Desk, model: str, *, by_list: bool) -> None:
    document = processed(desk)
    row = row_of(model, document)
    if by_list:
        desk.go(f"ingestion_{model}_changelist")
        desk.choose("delete_selected", row)
    else:
        desk.go(f"ingestion_{model}_change", row)
        desk.page.get_by_role("link", name="Delete", exact=True).click()
    desk.shows("letter.txt")
    assert Document.objects.exists()
    desk.page.get_by_role("button", name="Yes, I’m sure").click()
    desk.told("uccessfully deleted" if by_list else "was deleted successfully")
    assert not Document.objects.exists()
    assert Intake.objects.exists() == (model == "document")
    entry = LogEntry.objects.get(action_flag=DELETION)
    assert (entry.user, entry.object_id) == (desk.site.user, str(row))


@scene(DOCUMENT + "<path:object_id>/delete/")
def delete_a_document(desk: Desk) -> None:
    _deleted(desk, "document", by_list=False)


@scene(DOCUMENT + " delete_selected")
def delete_the_documents_ticked(desk: Desk) -> None:
    _deleted(desk, "document", by_list=True)


@scene(INTAKE + "<path:object_id>/delete/")
def delete_an_upload(desk: Desk) -> None:
    _deleted(desk, "intake", by_list=False)


@scene(INTAKE + " delete_selected")
def delete_the_uploads_ticked(desk: Desk) -> None:
    _deleted(desk, "intake", by_list=True)


@scene("ingestion_resumable/uploadsession/ end")
def end_a_resumable_upload(desk: Desk) -> None:
    tus = Tus(desk.site.user)
    for name in ("a.txt", "b.txt"):
        tus.patch(tus.begun(2000, name), 0, b"x" * 1000)
    row = UploadSession.objects.get(name="a.txt")
    desk.go("ingestion_resumable_uploadsession_changelist")
    desk.shows("1,000 of 2,000 bytes (50 %)")
    desk.choose("end", row.pk)
    desk.told("1 upload was ended.")
    assert UploadSession.objects.get().name == "b.txt"
    assert not any(path.stem == row.pk.hex for path in files.folder().iterdir())
