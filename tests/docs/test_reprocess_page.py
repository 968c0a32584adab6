"""The commands of docs/how-to/reprocess.md, sent as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from ingestion.models import Document, IngestFile, Outcome
from tests.ingestion.conftest import documents_dir, owner, worker  # noqa: F401 - fixtures
from tests.ingestion.factories import accept, upload


def commands(root: Path) -> list[str]:
    page = (root / "docs/how-to/reprocess.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl")]


@pytest.mark.django_db(transaction=True)
def test_every_command_of_the_page_is_accepted(root: Path, owner, worker) -> None:  # noqa: F811 - the fixtures
    intake = accept(owner, upload("a.txt", "a heron"), upload("x.exe", b"MZ" + b"\0" * 200))
    worker.run()
    IngestFile.objects.filter(outcome=Outcome.FAILED).update(error_code="timed_out")
    Document.objects.filter(extractor="text").update(extractor_version=0)
    failed = intake.files.get(outcome=Outcome.FAILED)
    known = {"documents/56": f"documents/{failed.document_id}", "files/77": f"files/{failed.pk}"}
    known["intakes/12"] = f"intakes/{intake.pk}"
    client = APIClient()
    client.force_authenticate(owner)
    sent = commands(root)
    assert len(sent) == 9
    for line in sent:
        words = shlex.split(line.replace("$JSON", "Content-Type: application/json").replace("$API", "/api/v1"))
        address = words[-1]
        for name, real in known.items():
            address = address.replace(name, real)
        body = words[words.index("-d") + 1] if "-d" in words else None
        answer = client.post(address, body, content_type="application/json") if body else client.post(address)
        assert answer.status_code == (200 if body and "preview" in body else 202), (line, answer.content)
        worker.run()
        IngestFile.objects.filter(outcome=Outcome.FAILED).update(error_code="timed_out")
