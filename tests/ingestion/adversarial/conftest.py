"""The door that every hostile file goes through here, and what must hold after each of them, whatever it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import UploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from docqueue.models import QueueItem
from ingestion.models import Blob, Document, IngestFile, Intake, Outcome
from tests.ingestion import hostile_zips as zips
from tests.ingestion.factories import UserFactory, upload
from tests.ingestion.running import InlineWorker

DOCUMENTS = "/api/v1/documents"
SIBLINGS = {
    "first.txt": "An innocent text about an alpaca.",
    "middle.md": "# An innocent heading\n\nwith a bison, *one* [link](x) and `code`.\n",
    "last.csv": "animal,legs\ncaracal,4\nspider,6\nheron,2\nwalrus,0\ngoat,4\n",
}
"""Innocent files and, in `WORDS`, a word of each that search must find in the end."""
WORDS = {"first.txt": "alpaca", "middle.md": "bison", "last.csv": "caracal"}
NEVER_SHOWN_RAW = ("<script>alert", "<img src=x", "\u202e", "\0")
"""What hostile names hold and no page may show as it came."""


def siblings() -> list[UploadedFile]:
    """The innocent files as uploads of their own."""
    return [upload(name, content) for name, content in SIBLINGS.items()]


def among_siblings(*entries: zips.Entry, **options: Any) -> bytes:
    """A zip of these entries, with innocent ones before, between and behind them."""
    first, *rest = (zips.entry(name, content.encode()) for name, content in SIBLINGS.items())
    half = (len(entries) + 1) // 2
    return zips.archive(first, *entries[:half], rest[0], *entries[half:], *rest[1:], **options)


@dataclass
class Door:
    """Uploads by HTTP as one owner, work in this process, and a look at everything that is left."""

    owner: Any
    folder: Path
    worker: InlineWorker
    api: APIClient
    admin: Client

    def send(self, *files: UploadedFile, **fields: Any) -> Any:
        """The answer to an upload."""
        return self.api.post(DOCUMENTS, {"file": list(files), **fields}, format="multipart")

    def accepts(self, *files: UploadedFile, **fields: Any) -> int:
        """Upload what is taken in. Returns the intake's id."""
        answer = self.send(*files, **fields)
        assert answer.status_code == 202, answer.json()
        return int(answer.json()["id"])

    def refuses(self, *files: UploadedFile, **fields: Any) -> dict[str, Any]:
        """Upload what is refused, and see that nothing of it is kept. Returns the problem."""
        before = self._kept()
        answer = self.send(*files, **fields)
        problem: dict[str, Any] = answer.json()
        assert 400 <= answer.status_code < 500, problem
        assert answer["Content-Type"].startswith("application/problem+json")
        assert problem["detail"]
        assert problem["hint"]
        assert self._kept() == before
        return problem

    def finish(self, intake_id: int, *, innocents: bool = True) -> Intake:
        """Run everything to its end and look at all that is left. Returns the intake."""
        self.worker.run()
        intake = Intake.objects.get(pk=intake_id)
        assert intake.finished_at is not None
        assert not IngestFile.objects.filter(outcome="").exists()
        if innocents:
            self._innocents_are_found(intake)
        self._nothing_lies_about()
        self._everything_is_shown(intake)
        return intake

    def search(self, words: str) -> list[dict[str, Any]]:
        """Hits of a search by HTTP."""
        answer = self.api.get("/api/v1/search", {"q": words})
        assert answer.status_code == 200, answer.json()
        hits: list[dict[str, Any]] = answer.json()["results"]
        return hits

    def shown(self, intake: Intake) -> list[dict[str, Any]]:
        """The files of an intake as the API shows them."""
        answer = self.api.get(f"/api/v1/intakes/{intake.pk}/files", {"limit": 500})
        assert answer.status_code == 200
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def _kept(self) -> tuple[object, ...]:
        rows = tuple(model.objects.count() for model in (Intake, IngestFile, Document, Blob, QueueItem))
        return (*rows, self._files())

    def _files(self) -> set[str]:
        found = self.folder.rglob("*") if self.folder.exists() else ()
        return {str(path.relative_to(self.folder)) for path in found if path.is_file()}

    def _innocents_are_found(self, intake: Intake) -> None:
        mine = {file.safe_name: file for file in intake.files.filter(safe_name__in=SIBLINGS)}
        assert set(mine) == set(SIBLINGS)
        for name, word in WORDS.items():
            assert mine[name].outcome == Outcome.COMPLETED, (name, mine[name].error_code, mine[name].error_message)
            assert name in {hit["filename"] for hit in self.search(word)}

    def _nothing_lies_about(self) -> None:
        """No unfinished file, no stored file without a row, no row without its file, no blob that nobody has."""
        keys = set(Blob.objects.values_list("storage_key", flat=True))
        assert self._files() == keys
        used = {*Intake.objects.values_list("blob", flat=True), *IngestFile.objects.values_list("blob", flat=True)}
        used |= set(Document.objects.values_list("blob", flat=True))
        assert set(Blob.objects.values_list("pk", flat=True)) <= used

    def _everything_is_shown(self, intake: Intake) -> None:
        """Answers of the API and pages of the admin, with nothing in them that a browser would act on."""
        for address in ("/api/v1/intakes", f"/api/v1/intakes/{intake.pk}", DOCUMENTS):
            answer = self.api.get(address)
            assert answer.status_code == 200
            assert answer["Content-Type"].startswith("application/json")
        files = self.shown(intake)
        for file in files:
            assert (file["outcome"] == "failed") == bool(file["error_code"])
            assert file["outcome"] != "failed" or file["error_message"]
        for file in [file for file in files if file["source_path"] not in SIBLINGS][:3]:
            if file["document_id"] is not None:
                assert self.api.get(f"{DOCUMENTS}/{file['document_id']}").status_code == 200
            self._page("ingestion_ingestfile_change", file["id"])
            self._page("ingestion_document_change", file["document_id"])
        self._page("ingestion_intake_change", intake.pk)
        for kind in ("ingestion_intake", "ingestion_ingestfile", "ingestion_document", "docqueue_deaditem"):
            self._page(f"{kind}_changelist")
        for dead in QueueItem.objects.filter(status="dead")[:2]:
            self._page("docqueue_deaditem_change", dead.pk)

    def _page(self, name: str, pk: int | None = None) -> None:
        if pk is None and not name.endswith("_changelist"):
            return
        page = self.admin.get(reverse(f"admin:{name}", args=[] if pk is None else [pk]))
        assert page.status_code == 200, name
        html = page.content.decode()
        assert not [raw for raw in NEVER_SHOWN_RAW if raw in html], name


@pytest.fixture
def door(owner: Any, documents_dir: Path, worker: InlineWorker) -> Door:
    """The door for one owner."""
    api, admin = APIClient(), Client()
    api.force_authenticate(owner)
    admin.force_login(UserFactory(is_staff=True, is_superuser=True))
    return Door(owner=owner, folder=documents_dir, worker=worker, api=api, admin=admin)


def codes(intake: Intake) -> Mapping[str, str]:
    """How each file of an intake ended: its error's code, or its outcome."""
    rows = intake.files.order_by("ordinal").values_list("source_path", "error_code", "outcome")
    return {path: code or outcome for path, code, outcome in rows}
