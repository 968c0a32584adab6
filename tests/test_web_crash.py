"""The web server dies with uploads under way: what was answered with 202 completes, and nothing is there twice."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from rest_framework.authtoken.models import Token

from config.api_client import answers
from config.processes import web_command
from ingestion.models import Chunk, Document, IngestFile, Intake
from ingestion.storage import remove_stale_parts

UPLOADS = 60
BOUNDARY = "crash-boundary"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web(port: int, env: dict[str, str], root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The web server in a session of its own, once it answers; whatever is left of it in the end is killed."""
    null = subprocess.DEVNULL
    server = subprocess.Popen(web_command(port), cwd=root, env=env, stdout=null, stderr=null, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not answers(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, "the web server did not start"
            assert time.monotonic() < deadline, "the web server does not answer"
            time.sleep(0.05)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


def upload(port: int, token: str, number: int) -> int | None:
    """Send one document; the intake's id when it was accepted, None when the connection broke."""
    text = f"the sentinel{number} stands in document {number}\n" * 2000
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.txt"\r\n\r\n'
    data = f"{head}{text}\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": f"Token {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Idempotency-Key": f"upload-{number}",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/api/v1/documents", data, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return None
    finally:
        connection.close()
    assert answer.status in (200, 202), said
    return int(said["id"])


def test_killing_the_web_server_loses_no_accepted_upload_and_doubles_none(
    project_env: dict[str, str], root: Path
) -> None:
    user = get_user_model().objects.create_user("sender", password="a long pass phrase")
    token = Token.objects.create(user=user).key
    port = free_port()
    numbers = list(range(UPLOADS))
    accepted: dict[int, int] = {}
    broken: list[int] = []

    def send() -> None:
        while numbers:
            try:
                number = numbers.pop()
            except IndexError:
                return
            intake = upload(port, token, number)
            if intake is None:
                broken.append(number)
            else:
                accepted[number] = intake

    with web(port, project_env, root) as server:
        senders = [threading.Thread(target=send) for _ in range(6)]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 60
        while len(accepted) < UPLOADS // 4 and any(sender.is_alive() for sender in senders):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(server.pid, signal.SIGKILL)  # the master and both workers, in the middle of their requests
        for sender in senders:
            sender.join(60)
    assert accepted, "the kill came too early"
    assert broken, "the kill came too late to break anything"

    with web(port, project_env, root):
        for number in broken:  # what a client does: the same upload under the same key
            again = upload(port, token, number)
            assert again is not None
            accepted[number] = again

    worker = [sys.executable, "manage.py", "run_queue_worker", "--drain"]
    subprocess.run(worker, cwd=root, env=project_env, check=True, capture_output=True, timeout=100)
    assert sorted(accepted) == list(range(UPLOADS))
    assert Intake.objects.count() == len(set(accepted.values())) == UPLOADS
    assert set(Intake.objects.values_list("status", flat=True)) == {"completed"}
    assert set(IngestFile.objects.values_list("outcome", flat=True)) == {"completed"}
    for number in (0, UPLOADS // 2, UPLOADS - 1):
        documents = Chunk.objects.filter(text__contains=f"sentinel{number} ").values("document").distinct()
        assert documents.count() == 1, f"document {number} is indexed {documents.count()} times"
    assert Document.objects.count() == UPLOADS


@pytest.fixture(autouse=True)
def _own_files(project_env: dict[str, str], tmp_path: Path) -> None:
    """Blobs of this test's processes go to a folder of their own."""
    project_env["EMBEDDED_POSTGRES_DIR"] = os.environ["EMBEDDED_POSTGRES_DIR"]
    project_env["VAR_DIR"] = str(tmp_path / "var")


def test_a_client_that_vanishes_in_the_middle_of_an_upload_leaves_nothing(
    project_env: dict[str, str], root: Path
) -> None:
    user = get_user_model().objects.create_user("leaver", password="a long pass phrase")
    token = Token.objects.create(user=user).key
    port = free_port()
    stored = Path(project_env["VAR_DIR"]) / "documents"
    spool = stored / "parts"
    with web(port, project_env, root):
        head = (
            f"POST /api/v1/documents HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Token {token}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 100000000\r\n\r\n"
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        )
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + b"words " * 2_000_000)
            deadline = time.monotonic() + 30
            while not any(path.stat().st_size > 1_000_000 for path in spool.glob("*.upload*")):
                assert time.monotonic() < deadline, "the upload did not come to the disk"
                time.sleep(0.02)
        while any(spool.glob("*.upload*")):
            assert time.monotonic() < deadline, "the upload's file stays"
            time.sleep(0.02)
    assert not Intake.objects.exists()
    assert not [path for path in stored.rglob("*") if path.is_file()]


def test_what_a_killed_web_process_was_taking_in_is_swept_by_the_worker(transactional_db: None) -> None:
    left = Path(settings.FILE_UPLOAD_TEMP_DIR) / "tmpabc123.upload.zip"
    left.write_bytes(b"half of an upload")
    assert remove_stale_parts(3600) == 0
    assert remove_stale_parts(3600, now=time.time() + 3601) == 1
    assert not left.exists()
