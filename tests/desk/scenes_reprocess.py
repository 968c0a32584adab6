"""Uploads, files and documents processed anew: one from its page, those ticked, what has failed, all that match."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from docqueue.models import QueueItem
from docqueue.states import Status
from ingestion.models import IngestFile, Intake
from ingestion.reprocess_many import REPROCESS_MANY
from tests.desk.scenes import WHY, Desk, scene
from tests.desk.scenes_ingestion import DO, DOCUMENT, FILE, INTAKE, processed, row_of
from tests.ingestion.factories import accept, upload
from tests.ingestion.running import InlineWorker

RED = "rgb(186, 33, 33)"
PLURAL = {"document": "documents", "ingestfile": "files", "intake": "intakes"}


def failed(desk: Desk) -> Intake:
    """An upload of a file that can not be read, and of one that can."""
    found = accept(desk.site.user, upload("bad.pdf", "%PDF-1.4 nothing"), upload("good.md", "# heron"))
    InlineWorker().run()
    return found


def the_bad_one(intake: Intake) -> IngestFile:
    """The file of the upload that has failed."""
    return intake.files.get(outcome="failed")


def counted(desk: Desk, number: str) -> None:
    """The page says how many there are before it does anything."""
    line = desk.page.locator("tr", has_text="can be processed anew").locator("td")
    expect(line).to_have_text(number)
    desk.unchanged()


def ordered(desk: Desk, selection: dict[str, Any], stage: str = "", priority: int = -50) -> None:
    """One item of the queue carries the order out: whose, about what; and the audit has it."""
    item = QueueItem.objects.get(operation=REPROCESS_MANY)
    desk.told(f"Queue item {item.pk} puts them into the queue: 1 file.")
    assert item.payload["by"] == desk.who
    assert item.payload["selection"] == selection
    assert (item.payload["from_stage"], item.payload["priority"], item.payload["total"]) == (stage, priority, 1)
    desk.audited("reprocess_many", item_id=item.pk, count=1, filter=selection)


def sent(file: IngestFile, before: int | None) -> int:
    """The new item that processes this file."""
    file.refresh_from_db()
    assert file.item_id not in (None, before)
    assert QueueItem.objects.get(pk=file.item_id).status == Status.PENDING
    return int(file.item_id or 0)


# -- one, from its page ----------------------------------------------------------------------------------------------


def _one(desk: Desk, model: str, action: str) -> None:
    file = processed(desk).file
    before = file.item_id
    desk.go(f"ingestion_{model}_change", row_of(model, file.document))
    desk.link("Reprocess …")
    counted(desk, "1")
    desk.page.get_by_label("From", exact=False).first.select_option("indexing")
    desk.why()
    desk.button("Yes, reprocess")
    item = sent(file, before)
    desk.told(f"Item #{item} processes it anew.")
    desk.audited(action, item_id=item, count=1, filter={"file": file.pk, "document": file.document_id})


@scene(DOCUMENT + "reprocess/ one")
def reprocess_a_document(desk: Desk) -> None:
    _one(desk, "document", "reprocess_document")


@scene(FILE + "reprocess/ one")
def reprocess_a_file(desk: Desk) -> None:
    _one(desk, "ingestfile", "reprocess_file")


@scene(INTAKE + "reprocess/ one")
def reprocess_an_upload(desk: Desk) -> None:
    row = processed(desk).file.intake_id
    desk.go("ingestion_intake_change", row)
    desk.link("Reprocess …")
    counted(desk, "1")
    desk.why()
    desk.button("Yes, reprocess")
    ordered(desk, {"intakes": [row]})


@scene(FILE + DO + "retry")
def retry_a_file(desk: Desk) -> None:
    file = the_bad_one(failed(desk))
    before = file.item_id
    desk.go("ingestion_ingestfile_change", file.pk)
    desk.why()
    desk.button("Retry")
    desk.told("1 file is processed anew.")
    item = sent(file, before)
    desk.told(f"Item #{item} processes it anew.")
    desk.audited("retry_file", item_id=item, count=1, filter={"file": file.pk, "intake": file.intake_id})
    expect(desk.page.get_by_role("button", name="Retry")).to_have_count(0)


@scene(INTAKE + DO + "retry")
def retry_what_has_failed_of_an_upload(desk: Desk) -> None:
    row = failed(desk)
    desk.go("ingestion_intake_change", row.pk)
    desk.why()
    desk.button("Retry 1 failed file")
    desk.told("The failed files of 1 intake will be processed anew in a moment.")
    item = QueueItem.objects.get(operation=REPROCESS_MANY)
    assert item.payload["selection"] == {"intakes": [row.pk], "outcome": "failed"}
    desk.audited("retry_intake", item_id=item.pk, count=1, filter={"intake": row.pk})
    desk.button("Retry 1 failed file")
    desk.told("Skipped:", f"Last: retry_intake by {desk.who}")
    desk.audited("retry_intake", item_id=item.pk)
    assert QueueItem.objects.filter(operation=REPROCESS_MANY).count() == 1


# -- those ticked ----------------------------------------------------------------------------------------------------


def _several(desk: Desk, model: str) -> None:
    rows = [row_of(model, processed(desk, text)) for text in ("The heron waits.", "The egret waits.")]
    desk.go(f"ingestion_{model}_changelist")
    desk.choose("reprocess", *rows)
    counted(desk, "2")
    desk.page.get_by_label("From", exact=False).first.select_option("indexing")
    desk.page.get_by_label("Priority, -100 to 100").fill("7")
    desk.why()
    desk.button("Yes, reprocess")
    item = QueueItem.objects.get(operation=REPROCESS_MANY)
    desk.told(f"Queue item {item.pk} puts them into the queue: 2 files.")
    given = {name: item.payload[name] for name in ("by", "selection", "from_stage", "priority", "total")}
    chosen = {PLURAL[model]: sorted(rows)}
    assert given == {"by": desk.who, "selection": chosen, "from_stage": "indexing", "priority": 7, "total": 2}
    desk.audited("reprocess_many", item_id=item.pk, count=2, filter=chosen)


@scene(DOCUMENT + " reprocess")
def reprocess_the_documents_ticked(desk: Desk) -> None:
    _several(desk, "document")


@scene(FILE + " reprocess")
def reprocess_the_files_ticked(desk: Desk) -> None:
    _several(desk, "ingestfile")


@scene(INTAKE + " reprocess")
def reprocess_the_uploads_ticked(desk: Desk) -> None:
    _several(desk, "intake")


def _retried(desk: Desk, model: str) -> None:
    bad = the_bad_one(failed(desk))
    row = {"document": bad.document_id, "ingestfile": bad.pk, "intake": bad.intake_id}[model]
    desk.go(f"ingestion_{model}_changelist")
    desk.choose("retry", row)
    counted(desk, "1")
    desk.why()
    desk.button("Yes, reprocess")
    ordered(desk, {PLURAL[model]: [row], "outcome": "failed"})


@scene(DOCUMENT + " retry")
def retry_the_documents_ticked(desk: Desk) -> None:
    _retried(desk, "document")


@scene(FILE + " retry")
def retry_the_files_ticked(desk: Desk) -> None:
    _retried(desk, "ingestfile")


@scene(INTAKE + " retry")
def retry_the_uploads_ticked(desk: Desk) -> None:
    _retried(desk, "intake")


# -- all that match --------------------------------------------------------------------------------------------------


def _all_that_match(desk: Desk, model: str) -> None:
    failed(desk)
    desk.go(f"ingestion_{model}_changelist")
    desk.link("Reprocess all that match …")
    desk.page.get_by_label("Ended as").select_option("failed")
    count = desk.page.get_by_role("button", name="Count")
    expect(count).not_to_have_css("background-color", RED)  # it takes nothing away
    count.click()
    counted(desk, "1")
    expect(desk.page.get_by_role("button", name="Yes, reprocess")).to_have_css("background-color", RED)
    desk.page.get_by_label("Reason").fill(WHY)
    desk.button("Yes, reprocess")
    ordered(desk, {"outcome": "failed"})


@scene(DOCUMENT + "reprocess/")
def reprocess_all_documents_that_match(desk: Desk) -> None:
    _all_that_match(desk, "document")


@scene(FILE + "reprocess/")
def reprocess_all_files_that_match(desk: Desk) -> None:
    _all_that_match(desk, "ingestfile")


@scene(INTAKE + "reprocess/")
def reprocess_all_uploads_that_match(desk: Desk) -> None:
    _all_that_match(desk, "intake")
