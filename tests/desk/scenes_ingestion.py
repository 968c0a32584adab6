"""Uploads, files and documents: cancelled, deleted, downloaded; and resumable uploads that are ended."""

from __future__ import annotations

from django.contrib.admin.models import DELETION, LogEntry
from playwright.sync_api import expect

from docqueue.models import HistoryItem
from docqueue.states import Status
from ingestion.models import Document, Intake
from ingestion.resumable import files
from ingestion.resumable.models import UploadSession
from tests.desk.scenes import Desk, scene
from tests.ingestion.factories import accept_document
from tests.ingestion.resumable.tus import Tus
from tests.ingestion.running import InlineWorker

INTAKE, FILE, DOCUMENT = "ingestion/intake/", "ingestion/ingestfile/", "ingestion/document/"
DO = "<int:pk>/do/<str:verb>/ "


def processed(desk: Desk, text: str = "The heron waits.") -> Document:
    """A document that has been indexed."""
    found = accept_document(desk.site.user, text, name="letter.txt")
    InlineWorker().run()
    return found


def row_of(model: str, document: Document) -> int:
    """The document's row in this list."""
    file = document.file
    return {"document": document.pk, "ingestfile": file.pk, "intake": file.intake_id}[model]


def asks(desk: Desk, button: str) -> None:
    """The page asks before anything is done, and its button says to how many."""
    expect(desk.page.locator("#content form[method=post] input[type=submit]")).to_have_value(button)
    desk.unchanged()


# -- cancelled -------------------------------------------------------------------------------------------------------


def _cancelled(desk: Desk, model: str, what: str, words: str, *, by_list: bool) -> None:
    document = accept_document(desk.site.user, "not yet", name="waits.txt")
    row, item = row_of(model, document), document.file.item_id
    if by_list:
        desk.go(f"ingestion_{model}_changelist")
        desk.choose("cancel", row)
    else:
        desk.go(f"ingestion_{model}_change", row)
        desk.button("Cancel …")
    asks(desk, f"Yes, Cancel 1 {what}")
    desk.shows("waits.txt")
    desk.yes()
    desk.told(words)
    assert HistoryItem.objects.get(pk=item).status == Status.CANCELLED
    document.file.refresh_from_db()
    assert document.file.outcome == "cancelled"
    action = "cancel_intake" if model == "intake" else "cancel_file"
    about = {"intake": document.file.intake_id}
    about |= {} if model == "intake" else {"file": document.file.pk, "document": document.pk}
    entry = desk.audited(action, count=1, filter=about)
    if by_list:  # once more: there is nothing to be cancelled, and who was first is told
        desk.go(f"ingestion_{model}_changelist")
        desk.choose("cancel", row)
        desk.yes()
        desk.told("Skipped:", f"Last: {action} by {desk.who}")
    else:
        expect(desk.page.get_by_role("button", name="Cancel …")).to_have_count(0)
    assert desk.audited(action) == entry


WORK = "The work on 1 file is being cancelled."


@scene(DOCUMENT + DO + "cancel")
def cancel_a_document(desk: Desk) -> None:
    _cancelled(desk, "document", "document", WORK, by_list=False)


@scene(DOCUMENT + " cancel")
def cancel_the_documents_ticked(desk: Desk) -> None:
    _cancelled(desk, "document", "document", WORK, by_list=True)


@scene(FILE + DO + "cancel")
def cancel_a_file(desk: Desk) -> None:
    _cancelled(desk, "ingestfile", "file", WORK, by_list=False)


@scene(FILE + " cancel")
def cancel_the_files_ticked(desk: Desk) -> None:
    _cancelled(desk, "ingestfile", "file", WORK, by_list=True)


@scene(INTAKE + DO + "cancel")
def cancel_an_upload(desk: Desk) -> None:
    _cancelled(desk, "intake", "file that has not ended", "1 intake is being cancelled.", by_list=False)


@scene(INTAKE + " cancel")
def cancel_the_uploads_ticked(desk: Desk) -> None:
    _cancelled(desk, "intake", "file that has not ended", "1 intake is being cancelled.", by_list=True)


# -- deleted ---------------------------------------------------------------------------------------------------------


def _deleted(desk: Desk, model: str, *, by_list: bool) -> None:
    document, other = processed(desk), processed(desk, "The egret waits, too.")
    row, about = row_of(model, document), {model: row_of(model, document)}
    if by_list:
        desk.go(f"ingestion_{model}_changelist")
        desk.choose("delete", row)
    else:
        desk.go(f"ingestion_{model}_change", row)
        desk.button("Delete …")
    asks(desk, f"Yes, Delete 1 {model}")
    desk.shows("letter.txt")
    desk.yes()
    desk.told(f"1 {model} is deleted.")
    assert list(Document.objects.values_list("pk", flat=True)) == [other.pk]
    assert Intake.objects.count() == (2 if model == "document" else 1)
    desk.audited(f"delete_{model}", count=1, filter=about)
    entry = LogEntry.objects.get(action_flag=DELETION)
    assert (entry.user, entry.object_id) == (desk.site.user, str(row))
    expect(desk.page.locator(f"input[name=_selected_action][value='{row}']")).to_have_count(0)


@scene(DOCUMENT + DO + "delete")
def delete_a_document(desk: Desk) -> None:
    _deleted(desk, "document", by_list=False)


@scene(DOCUMENT + " delete")
def delete_the_documents_ticked(desk: Desk) -> None:
    _deleted(desk, "document", by_list=True)


@scene(INTAKE + DO + "delete")
def delete_an_upload(desk: Desk) -> None:
    _deleted(desk, "intake", by_list=False)


@scene(INTAKE + " delete")
def delete_the_uploads_ticked(desk: Desk) -> None:
    _deleted(desk, "intake", by_list=True)


# -- downloaded ------------------------------------------------------------------------------------------------------


def _downloaded(desk: Desk, model: str) -> None:
    document = processed(desk)
    desk.go(f"ingestion_{model}_change", row_of(model, document))
    with desk.page.expect_download() as download:
        desk.link("Download")
    assert download.value.suggested_filename == "letter.txt"
    assert download.value.path().read_text() == "The heron waits."
    noun = "document" if model == "document" else "file"
    desk.audited(f"download_{noun}", why="", filter={"file": document.file.pk, "intake": document.file.intake_id})


@scene(DOCUMENT + "<int:pk>/content/")
def download_a_document(desk: Desk) -> None:
    _downloaded(desk, "document")


@scene(FILE + "<int:pk>/content/")
def download_a_file(desk: Desk) -> None:
    _downloaded(desk, "ingestfile")


# -- resumable uploads -----------------------------------------------------------------------------------------------


@scene("ingestion_resumable/uploadsession/ end")
def end_a_resumable_upload(desk: Desk) -> None:
    tus = Tus(desk.site.user)
    for name in ("a.txt", "b.txt"):
        tus.patch(tus.begun(2000, name), 0, b"x" * 1000)
    row = UploadSession.objects.get(name="a.txt")
    desk.go("ingestion_resumable_uploadsession_changelist")
    desk.shows("1,000 of 2,000 bytes (50 %)")
    desk.choose("end", row.pk)
    asks(desk, "Yes, End 1 upload")
    assert UploadSession.objects.count() == 2
    desk.yes()
    desk.told("1 upload was ended.")
    assert UploadSession.objects.get().name == "b.txt"
    assert not any(path.stem == row.pk.hex for path in files.folder().iterdir())
    desk.audited("end_upload", count=1, filter={"upload": str(row.pk), "name": "a.txt"})
