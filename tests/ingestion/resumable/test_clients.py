"""The clients that people use: tuspy and tus-js-client send a file, are killed, go on; so is the server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.models import Blob, Intake
from ingestion.resumable.models import UploadSession
from tests.ingestion.resumable.site import Site, until

MIB = 1024 * 1024
CLIENTS = ("tuspy", "tus-js-client")


@pytest.fixture(params=CLIENTS)
def start(request, site: Site, tmp_path: Path, root: Path) -> Callable[[Path, int], subprocess.Popen[str]]:
    """Starts the client on a file, with pieces of so many bytes. A second start goes on with the first one's upload."""
    if request.param == "tuspy":
        words = [sys.executable, "-m", "tests.ingestion.resumable.send"]
    else:
        words = ["node", str(request.getfixturevalue("node_client") / "send.mjs")]

    def begin(source: Path, chunk: int) -> subprocess.Popen[str]:
        where = [f"http://127.0.0.1:{site.port}/api/v1/uploads", site.token, str(source), str(tmp_path / "state.json")]
        pipe = subprocess.PIPE
        return subprocess.Popen([*words, *where, str(chunk)], cwd=root, stdout=pipe, stderr=pipe, text=True)

    return begin


def write_source(path: Path, size: int) -> str:
    """A file of this size, no two mebibytes alike but mostly holes. Returns its hash."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(size // MIB):
            head = os.urandom(64)
            file.seek(number * MIB)
            file.write(head)
            digest.update(head)
            digest.update(bytes(MIB - len(head)))
        file.truncate(size)
    return digest.hexdigest()


def send_through_kills(start, site: Site, source: Path, size: int, chunk: int) -> None:
    """The client is killed after a third, another one goes on; the server is killed after two thirds and comes back."""
    expected = write_source(source, size)
    first = start(source, chunk)
    until(lambda: UploadSession.objects.exists() or first.poll() is not None, "no upload begins")
    assert first.poll() is None, first.communicate()
    place = f"/api/v1/uploads/{UploadSession.objects.get().pk}"
    until(lambda: site.size(place) > size // 3, "the first client does not get there", seconds=100, pause=0.001)
    first.kill()
    first.communicate()
    left = site.size(place)
    assert left < size, "the kill came too late"

    second = start(source, chunk)
    until(lambda: site.size(place) > size * 2 // 3, "the second client does not get there", seconds=100, pause=0.001)
    site.kill()
    assert site.size(place) < size, "the kill came too late"
    site.start()
    said, complained = second.communicate(timeout=100)
    assert second.returncode == 0, (said, complained)

    session, intake, blob = UploadSession.objects.get(), Intake.objects.get(), Blob.objects.get()
    assert f"intake {intake.pk}" in said
    assert (session.intake_id, intake.size, blob.sha256) == (intake.pk, size, expected)
    with (site.documents / blob.storage_key).open("rb") as kept:
        assert hashlib.file_digest(kept, "sha256").hexdigest() == expected
    assert not list((site.documents / "resumable").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_client_and_the_server_are_killed_in_the_middle_of_2_gib(start, site, tmp_path):
    send_through_kills(start, site, tmp_path / "source.bin", 2048 * MIB, 64 * MIB)
    shutil.rmtree(site.documents)  # pytest would keep it
