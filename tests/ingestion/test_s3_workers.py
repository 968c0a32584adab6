"""Workers on several hosts share documents through S3; while it is away they wait, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from config.documents_place import documents_storage
from docqueue.models import QueueItem
from docqueue.states import Status
from ingestion import storage
from ingestion.models import Document, IngestFile, IntakeStatus, Outcome
from ingestion.services import search
from tests.ingestion.factories import UserFactory, accept_zip
from tests.ingestion.running import WorkerProcess
from tests.ingestion.s3servers import CREDENTIALS, Localbucket, with_bucket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240), pytest.mark.slow]
FILES = 30
PAPERS = {f"{n}.txt": f"paper number {n} mentions walrus{n}. " * 50 for n in range(FILES)}


@pytest.fixture
def server(tmp_path):
    """A server that can be stopped, and started again with what it had."""
    bucket = Localbucket(tmp_path / "s3")
    (tmp_path / "s3").mkdir()
    bucket.start()
    yield bucket
    bucket.stop()


@pytest.fixture
def url(server, settings, aws, tmp_path):
    """The address of the storage, as DOCUMENTS_URL has it; this process uses it, too."""
    query = {"endpoint_url": server.endpoint, "region": "us-east-1", "attempts": 2, "addressing_style": "path"}
    url = f"s3://shared-docs/kept?{urlencode(query)}"
    entry = documents_storage(url, tmp_path)
    settings.STORAGES = {**settings.STORAGES, "documents": entry}
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    with_bucket(entry["OPTIONS"])
    return url


def host(project_env, url, folder) -> dict[str, str]:
    """The environment of a process on a host of its own: nothing local is shared."""
    folder.mkdir()
    return project_env | CREDENTIALS | {"DOCUMENTS_URL": url, "VAR_DIR": str(folder), "DOCQUEUE_LEASE_SECONDS": "5"}


def test_workers_on_two_hosts_and_the_site_share_what_is_in_s3(root, project_env, url, tmp_path):
    owner = UserFactory()
    intake = accept_zip(owner, PAPERS)
    hosts = [host(project_env, url, tmp_path / name) for name in ("one", "two")]
    with WorkerProcess(root, hosts[0], "--processes", "1") as one, WorkerProcess(root, hosts[1], "--processes", "1"):
        one.until(lambda: not QueueItem.objects.exists(), 120)
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, FILES)
    assert [len(search(owner.pk, f"walrus{n}").hits) for n in (0, FILES - 1)] == [1, 1]
    assert not storage.missing(Document.objects.values_list("blob__storage_key", flat=True))
    api = APIClient()
    api.force_authenticate(owner)
    document = Document.objects.get(file__safe_name="7.txt")
    answer = api.get(f"/api/v1/documents/{document.pk}/content")
    assert b"".join(answer.streaming_content) == PAPERS["7.txt"].encode()
    for name in ("one", "two"):
        left = [path for path in (tmp_path / name / "documents").rglob("*") if path.is_file()]
        assert left == [], "nothing of a document stays on a worker's disk"


def test_while_s3_is_away_files_wait_with_the_reason_and_all_complete_when_it_is_back(
    root, project_env, url, server, tmp_path
):
    owner = UserFactory()
    intake = accept_zip(owner, PAPERS)

    def waits() -> bool:
        return IngestFile.objects.filter(waiting_reason="storage_unavailable", outcome="").exists()

    with WorkerProcess(root, host(project_env, url, tmp_path / "one"), "--processes", "1") as worker:
        worker.until(lambda: IngestFile.objects.filter(outcome=Outcome.COMPLETED).count() >= 3, 60)
        server.stop()
        worker.until(waits, 60)
        shown = IngestFile.objects.filter(waiting_reason="storage_unavailable", outcome="").first()
        assert "does not answer" in shown.message
        assert not IngestFile.objects.filter(outcome=Outcome.FAILED).exists()
        server.start()

        def done() -> bool:
            soon = QueueItem.objects.filter(status=Status.WAITING, next_retry_at__gt=timezone.now())
            soon.update(next_retry_at=timezone.now())  # as if the half minute were over
            return not QueueItem.objects.exists()

        worker.until(done, 120)
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, FILES)
    assert IngestFile.objects.exclude(waiting_reason="").count() == 0
    checked = subprocess.run(
        [sys.executable, root / "manage.py", "storage_check", "--verify"],
        cwd=root,
        env=project_env | CREDENTIALS | {"DOCUMENTS_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_upload_while_s3_is_away_is_refused_with_a_code_and_leaves_nothing(url, server, tmp_path):
    from tests.ingestion.factories import upload

    owner = UserFactory()
    api = APIClient()
    api.force_authenticate(owner)
    server.stop()
    answer = api.post("/api/v1/documents", {"file": upload()}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.json()["retryable"] is True
    assert not QueueItem.objects.exists()
    assert not list(tmp_path.glob("*.part"))


MEMORY = """
    import os, sys, json
    from pathlib import Path
    from django.conf import settings
    options, folder, most = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    settings.configure(
        STORAGES={"documents": {"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": options}},
        FILE_UPLOAD_TEMP_DIR=folder, USE_TZ=True,
    )
    from ingestion import storage
    def peak(): return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    noise = os.urandom(1024 * 1024)
    def transfers(mib):
        blob = storage.put_stream(number.to_bytes(4, "big") + noise for number in range(mib))
        with storage.local_path(blob.key) as path:
            assert path.stat().st_size == blob.size
        assert sum(map(len, storage.ranged(blob.key, 0, blob.size))) == blob.size
        with storage.open(blob.key) as file:
            while file.read(1024 * 1024): pass
    transfers(64)
    before = peak()
    transfers(most)
    print(json.dumps([before, peak()]))
"""


def test_large_files_come_and_go_in_flat_memory(root, url, settings, tmp_path):
    options = settings.STORAGES["documents"]["OPTIONS"]
    command = [sys.executable, "-c", textwrap.dedent(MEMORY), json.dumps(options), tmp_path, "256"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, peak = json.loads(done.stdout)
    assert peak - before < 24, "of a file four times as large, in MiB"
    assert not list(tmp_path.glob("*.part"))
