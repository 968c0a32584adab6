"""Too little room on the disk: work waits and goes on by itself, uploads are refused, nothing is left. On a tmpfs."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import RequestFactory
from django.utils import timezone

from docqueue.models import Attempt, QueueItem
from ingestion.api import presenting
from ingestion.errors import DiskLow
from ingestion.models import Blob, IngestFile, Intake, IntakeStatus
from ingestion.services import cancel_intake
from tests.ingestion.factories import accept, accept_zip, upload

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a tmpfs"),
]

MIB = 1024 * 1024


@dataclass
class SmallDisk:
    """A document storage on a disk of 24 MiB."""

    folder: Path

    def parts(self) -> list[str]:
        """Files that are being written."""
        return [path.name for path in self.folder.glob("parts/*")]

    def fill(self, leave: int = 0) -> None:
        """Leave no room but `leave` bytes."""
        with (self.folder / "filler").open("wb", buffering=0) as out, contextlib.suppress(OSError):
            while True:
                out.write(bytes(64 * 1024))
        if leave:
            os.truncate(self.folder / "filler", (self.folder / "filler").stat().st_size - leave)

    def make_room(self) -> None:
        """Take that away again."""
        (self.folder / "filler").unlink()


@pytest.fixture
def small_disk(documents_dir: Path) -> Iterator[SmallDisk]:
    documents_dir.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(documents_dir)], check=True)
    try:
        yield SmallDisk(documents_dir)
    finally:
        subprocess.run(["umount", "--lazy", str(documents_dir)], check=True)


def papers(count: int = 6, size: int = MIB) -> dict[str, str]:
    """Texts that do not get smaller when they are packed, each with a word of its own."""
    rng = random.Random(7)
    return {f"paper{n}.txt": f"walrus{n} " + rng.randbytes(size // 2).hex() for n in range(count)}


def state(intake: Intake) -> dict:
    return presenting.intake(RequestFactory().get("/"), Intake.objects.get(pk=intake.pk))


@pytest.mark.parametrize("reserve", [4 * MIB, 0], ids=["the reserve is met", "nothing is left at all"])
def test_an_unpacking_waits_for_room_and_goes_on_by_itself(owner, worker, small_disk, settings, reserve):
    settings.INGESTION = {**settings.INGESTION, "DISK_RESERVE_BYTES": reserve}
    intake = accept_zip(owner, papers())
    small_disk.fill(leave=reserve + 5 * MIB // 2)
    worker.run()
    [unpacking] = QueueItem.objects.filter(operation="intake.unpack")
    assert (unpacking.status, unpacking.wait_reason, unpacking.attempt) == ("waiting", "snoozed", 0)
    said = state(intake)
    assert (said["waiting_reason"], said["finished"]) == ("disk_low", False)
    assert said["state"].startswith("Waiting: disk low, looks again in ")
    assert small_disk.parts() == []

    worker.run_retries()
    assert state(intake)["waiting_reason"] == "disk_low", "there is no room yet"
    small_disk.make_room()
    worker.run_retries()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"], intake.waiting_reason) == (IntakeStatus.COMPLETED, 6, "")
    assert not Attempt.objects.filter(outcome="failed").exists()
    assert small_disk.parts() == []


def test_an_upload_for_which_there_is_no_room_is_refused_and_leaves_nothing(owner, small_disk, settings):
    settings.INGESTION = {**settings.INGESTION, "DISK_RESERVE_BYTES": 16 * MIB}
    with pytest.raises(DiskLow, match="DISK_RESERVE_BYTES"):
        accept(owner, upload("a.txt", b"alpha"), upload("b.txt", os.urandom(9 * MIB)))
    assert (Blob.objects.count(), IngestFile.objects.count(), small_disk.parts()) == (0, 0, [])
    assert [path for path in small_disk.folder.rglob("*") if path.is_file()] == []


def test_the_door_refuses_by_the_announced_size_before_it_reads(owner, small_disk, settings, client):
    settings.INGESTION = {**settings.INGESTION, "DISK_RESERVE_BYTES": 1 << 50}
    client.force_login(owner)
    answer = client.post("/api/v1/documents", {"file": upload("a.txt", b"alpha")})
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_low")
    assert answer.json()["hint"]


def test_a_cancel_ends_what_waits_for_room(owner, worker, small_disk, settings):
    settings.INGESTION = {**settings.INGESTION, "DISK_RESERVE_BYTES": 0}
    intake = accept_zip(owner, papers())
    settings.INGESTION = {**settings.INGESTION, "DISK_RESERVE_BYTES": 1 << 50}
    worker.run()
    assert state(intake)["waiting_reason"] == "disk_low"
    cancel_intake(Intake.objects.get(pk=intake.pk), by="ann")
    intake.refresh_from_db()
    assert (intake.status, intake.waiting_reason) == (IntakeStatus.CANCELLED, "")
    assert intake.finished_at <= timezone.now()
