"""From an item of the queue to the intake, file and document that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from docqueue.admin import related
from ingestion.intakes import INGEST, UNPACK
from ingestion.models import Document, IngestFile, Intake
from ingestion.reprocess_many import REPROCESS_MANY
from ingestion.sending import SEND

BIGGEST_ID = 2**63 - 1


@related.register
def links(item: Any, user: Any) -> Iterator[related.Link]:
    """What this user may see of it."""
    if item.operation not in (INGEST, UNPACK, SEND, REPROCESS_MANY):
        return
    payload = item.payload if isinstance(item.payload, dict) else {}
    metadata = item.metadata if isinstance(item.metadata, dict) else {}
    file = _file(item, payload)
    intake_id = file.intake_id if file is not None else _number(payload.get("intake") or metadata.get("intake"))
    if item.operation == REPROCESS_MANY:
        only = payload.get("selection", {}).get("intakes", [])
        intake_id = _number(only[0]) if len(only) == 1 else 0
    intake = Intake.objects.filter(pk=intake_id).first()
    if intake is not None and user.has_perm("ingestion.view_intake"):
        yield related.Link(_("intake"), str(intake), reverse("admin:ingestion_intake_change", args=[intake.pk]))
    if file is not None and user.has_perm("ingestion.view_ingestfile"):
        yield related.Link(_("file"), str(file), reverse("admin:ingestion_ingestfile_change", args=[file.pk]))
    if file is not None and file.document is not None and user.has_perm("ingestion.view_document"):
        there = reverse("admin:ingestion_document_change", args=[file.document.pk])
        yield related.Link(_("document"), str(file.document), there)


def _file(item: Any, payload: dict[str, Any]) -> IngestFile | None:
    rows = IngestFile.objects.select_related("document")
    if item.operation == INGEST:
        document = Document.objects.filter(pk=_number(item.document_id)).first()
        return rows.filter(document=document).first() if document is not None else None
    return rows.filter(pk=_number(payload.get("file"))).first()


def _number(value: Any) -> int:
    """An id as an item carries it, whoever made the item; 0, which none has, for anything else."""
    text = str(value)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return number if number <= BIGGEST_ID else 0
