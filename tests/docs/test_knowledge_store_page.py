"""The adapter of docs/how-to/knowledge-store.md in a real worker, beside a server that speaks as it expects."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from docqueue.models import QueueItem
from ingestion.km.fake_moods import KINDS, Mood
from ingestion.models import Document, IngestFile, Outcome
from ingestion.services import delete_document, search
from tests.ingestion.factories import UserFactory, accept_zip
from tests.ingestion.running import WorkerProcess

PAGE = "docs/how-to/knowledge-store.md"


@pytest.fixture
def block(root: Path) -> str:
    """The page's module."""
    (block,) = re.findall(r"^```python\n(.*?)^```", (root / PAGE).read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


class _Archivist(BaseHTTPRequestHandler):
    """A foreign interface: raw bodies, labels, no batches."""

    protocol_version = "HTTP/1.1"
    files: dict[str, dict[str, str]]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""

    def do_GET(self) -> None:
        label = parse_qs(urlsplit(self.path).query).get("label")
        self._say({"files": [one for one in self.files.values() if label is None or one["label"] == label[0]]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = parse_qs(urlsplit(self.path).query)
        file = {"id": f"f{len(self.files)}", "label": asked["label"][0], "digest": hashlib.sha256(body).hexdigest()}
        self.files[file["id"]] = file
        self._say(file)

    def do_DELETE(self) -> None:
        del self.files[self.path.rpartition("/")[2]]
        self._say({})

    def _say(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def archivist():
    """The server, and its files by id."""
    _Archivist.files = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Archivist)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_takes_at_most_forty_lines_of_code(block: str) -> None:
    body = block.partition("class Archivist")[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 40


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_the_adapter_sends_asks_and_deletes(root, project_env, block, tmp_path, archivist) -> None:
    (tmp_path / "archivist.py").write_text(block)
    named = re.findall(r"^INGESTION_KM=(archivist\S+)", (root / PAGE).read_text(), re.MULTILINE)[0]
    url = f"http://127.0.0.1:{archivist.server_address[1]}"
    env = project_env | {"INGESTION_KM": named, "INGESTION_KM_URL": url}
    env["PYTHONPATH"] = f"{root}{os.pathsep}{tmp_path}"
    owner, texts = UserFactory(), {f"{n}.txt": f"paper {n} about herons" for n in range(4)}
    accept_zip(owner, texts)
    with WorkerProcess(root, env, "--in-process") as worker:
        worker.until(lambda: not QueueItem.objects.exists(), 60)
    assert set(IngestFile.objects.values_list("outcome", flat=True)) == {Outcome.COMPLETED}
    expected = sorted(hashlib.sha256(text.encode()).hexdigest() for text in texts.values())
    assert sorted(one["digest"] for one in _Archivist.files.values()) == expected
    document = Document.objects.first()
    assert document.km_ref.removeprefix("archivist:") in _Archivist.files
    assert len(search(owner.pk, "herons").hits) == 4
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        patch.setattr("django.conf.settings.INGESTION", {"KM": named, "KM_URL": url})
        delete_document(document)
    with WorkerProcess(root, env, "--in-process") as worker:
        worker.until(lambda: not QueueItem.objects.exists(), 60)
    assert len(_Archivist.files) == 3


def test_the_commands_of_the_fake_do_what_the_page_says(root: Path, tmp_path: Path) -> None:
    text = (root / PAGE).read_text()
    assert "python -m ingestion.km.fake --port 8900 --folder var/km --token secret" in text
    for line in re.findall(r"-d '(\{.*?\})'$", text, re.MULTILINE):
        for given in json.loads(line)["moods"]:
            Mood.from_json(given)
    assert re.findall(r"^\| `(\w+)` \| (?!.*sent as)", text.partition("| `kind` |")[2], re.MULTILINE) == list(KINDS)
    command = [sys.executable, "-m", "ingestion.km.fake", "--port", "0", "--folder", str(tmp_path), "--token", "secret"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            assert httpx2.get(f"{url}/_control/objects", trust_env=False).json() == {"objects": []}
            assert httpx2.get(f"{url}/_control/log", trust_env=False).json() == {"requests": []}
            answer = httpx2.put(f"{url}/_control", json={"moods": [{"kind": "refuse"}]}, trust_env=False)
            assert answer.json()["moods"][0]["status"] == 503
        finally:
            process.terminate()
