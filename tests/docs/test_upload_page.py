"""The commands of docs/how-to/upload.md, sent as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from ingestion.models import Document, IngestFile, Intake
from tests.ingestion.conftest import documents_dir, owner, worker  # noqa: F401 - fixtures
from tests.ingestion.factories import upload, zipped

CONTENT = {
    "offer.pdf": b"a heron's offer",
    "notes.md": b"# notes on herons",
    "papers.zip": zipped({"bills/jan.txt": "a bill", "read.md": "# read me"}),
}


def commands(root: Path) -> list[list[str]]:
    page = (root / "docs/how-to/upload.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith("curl")]


def options(words: list[str], name: str) -> list[str]:
    return [words[n + 1] for n, word in enumerate(words) if word == name]


@pytest.mark.django_db(transaction=True)
def test_every_command_of_the_page_is_accepted(root: Path, owner, worker) -> None:  # noqa: F811 - the fixtures
    client = APIClient()
    client.force_authenticate(owner)
    sent = commands(root)
    assert len(sent) == 8
    for words in sent:
        address = words[-1].replace("$API", "/api/v1")
        for kind, model in (("files", IngestFile), ("documents", Document), ("intakes", Intake)):
            address = re.sub(rf"{kind}/\d+", lambda _, k=kind, m=model: f"{k}/{m.objects.latest('pk').pk}", address)
        form: dict[str, list[object]] = {}
        for field in options(words, "-F"):
            name, _, value = field.partition("=")
            form.setdefault(name, []).append(upload(value[1:], CONTENT[value[1:]]) if value[0] == "@" else value)
        if form:
            answer = client.post(address, form, format="multipart")
        elif body := options(words, "-d"):
            answer = client.put(address, body[0], content_type="application/json")
        else:
            answer = client.get(address)
        assert answer.status_code == (202 if form else 200), (words, answer.content)
        worker.run()
    assert Document.objects.filter(title="jan.txt").latest("pk").tags == ["bill", "2027"]
    assert IngestFile.objects.latest("pk").tags == ["paid", "2027"]
