"""Uploads of every kind and end, with hostile names, and calls to a knowledge store."""

from __future__ import annotations

from typing import Any

from docqueue.models import Worker
from ingestion.diagnostics.recording import write
from ingestion.models import IngestFile, Intake, KmCall
from ingestion.resumable.models import UploadSession
from tests.desk.world import EVIL, Rows
from tests.ingestion.diagnostics.making import call
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.resumable.tus import Tus
from tests.ingestion.running import InlineWorker

NAME = f"{EVIL.replace('/', '')}{'wide' * 40}.txt"


def uploads(owner: Any) -> Rows:
    """Rows worth a look, by model."""
    worker = InlineWorker()
    well = accept_document(owner, "The heron waits. " * 30, name=NAME, tags=["<b onclick=alert(3)>", "bird"])
    accept_document(owner, "The heron waits. " * 30, name="again.txt")
    bad = accept(owner, upload(f"bad{EVIL.replace('/', '')}.pdf", "%PDF-1.4 nothing"), upload("good.md", "# heron"))
    accept_zip(owner, {f"papers/{n}{NAME}": f"paper {n}" for n in range(5)})
    worker.run()
    waits = accept_document(owner, "not yet", name="waits.txt")
    tus = Tus(owner)
    tus.patch(tus.begun(2000, NAME), 0, b"x" * 1000)
    tus.patch(tus.begun(4, "whole.txt"), 0, b"text")
    write(call(document_ids=(well.pk,)))
    write(call("exists", code="km_unavailable", status=None, document_ids=(well.pk, 8)))
    write(call(code="km_5xx", status=500, document_ids=range(9, 30)))
    Worker.objects.filter(kind=Worker.Kind.CALLER).update(stopped_at="2026-01-01T00:00:00Z")
    failed = IngestFile.objects.filter(intake=bad, outcome="failed").get()
    return {
        "ingestion/document/": [well.pk, waits.pk],
        "ingestion/ingestfile/": [IngestFile.objects.get(document=well).pk, failed.pk],
        "ingestion/intake/": [bad.pk, Intake.objects.get(files__document=well).pk, _zip().pk],
        "ingestion/kmcall/": list(KmCall.objects.order_by("id").values_list("pk", flat=True)),
        "ingestion_resumable/uploadsession/": list(UploadSession.objects.order_by("pk").values_list("pk", flat=True)),
    }


def _zip() -> Intake:
    return Intake.objects.exclude(kind="files").filter(filename="papers.zip").get()
