"""What the duty finishes and removes after crashes and absent clients, and what it leaves alone."""

from __future__ import annotations

import os
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from docqueue.duties import registered
from ingestion.models import Intake
from ingestion.resumable import files, sweeping
from ingestion.resumable.errors import UploadLocked
from ingestion.resumable.models import UploadSession
from ingestion.resumable.sweeping import GRACE_SECONDS, sweep
from ingestion.resumable.writing import writing
from tests.ingestion.resumable.tus import Tus

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = b"The heron waits at the edge of the water.\n" * 50


@pytest.fixture
def tus(owner):
    return Tus(owner)


@pytest.fixture
def begun(tus) -> UUID:
    """An upload with its first bytes."""
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:5])
    return UUID(place.rpartition("/")[2])


def later(**time: float):
    return timezone.now() + timedelta(**time)


def test_the_duty_is_known_to_the_worker():
    assert "ingestion.resumable" in {duty.name for duty in registered()}


def test_an_upload_that_is_complete_is_taken_in_though_its_client_never_comes_back(begun):
    with files.path_of(begun).open("ab") as file:  # as a PATCH whose process was killed before it looked
        file.write(TEXT[5:])
    assert sweep() == 1
    assert UploadSession.objects.get().intake_id == Intake.objects.get().pk
    assert files.size_of(begun) is None
    assert sweep() == 0


def test_one_that_can_not_be_taken_in_does_not_hold_up_the_others(tus, begun, monkeypatch, caplog):
    from ingestion.resumable import sessions

    other = UUID(tus.begun(len(TEXT), "other.txt").rpartition("/")[2])
    for upload in (begun, other):
        files.path_of(upload).write_bytes(TEXT)
    accept = sessions.accept_upload

    def accept_some(owner_id, uploads, **options):
        if uploads[0].name != "other.txt":
            raise RuntimeError("a mistake of ours")
        return accept(owner_id, uploads, **options)

    monkeypatch.setattr(sessions, "accept_upload", accept_some)
    assert sweep() == 1
    assert "can not be taken in" in caplog.text
    assert UploadSession.objects.get(pk=begun).intake_id is None
    assert UploadSession.objects.get(pk=other).intake_id is not None
    monkeypatch.undo()
    assert sweep() == 1


def test_a_complete_upload_that_is_refused_is_gone(tus):
    upload = UUID(tus.begun(20, "a.zip").rpartition("/")[2])
    files.path_of(upload).write_bytes(b"PK\x03\x04" + bytes(16))
    sweep()
    assert not UploadSession.objects.exists()
    assert files.size_of(upload) is None


def test_expired_uploads_go_with_their_bytes(begun):
    assert sweep(now=later(hours=23.9)) == 0
    assert sweep(now=later(hours=24.1)) == 1
    assert not UploadSession.objects.exists()
    assert not list(files.folder().iterdir())


def test_one_that_is_being_written_to_does_not_expire(begun):
    with writing(begun, 5):
        assert sweep(now=later(hours=25)) == 0
    assert sweep(now=later(hours=25)) == 1


def test_a_complete_upload_is_remembered_as_long_and_its_intake_stays(tus):
    tus.patch(tus.begun(len(TEXT)), 0, TEXT)
    assert sweep(now=later(hours=25)) == 1
    assert not UploadSession.objects.exists()
    assert Intake.objects.count() == 1


def test_files_that_no_upload_has_go_after_a_while(begun):
    stray, foreign = uuid4(), files.folder() / "notes.bytes"
    files.create(stray)
    foreign.touch()
    assert sweep() == 0
    old = later(seconds=GRACE_SECONDS + 5)
    for path in files.folder().iterdir():
        os.utime(path, (0, 0))
    assert sweep(now=old) == 1
    assert files.size_of(stray) is None
    assert files.size_of(begun) == 5
    assert foreign.exists()


def test_rows_whose_files_were_lost_go_after_a_while(begun):
    files.path_of(begun).unlink()
    assert sweep() == 0
    assert sweep(now=later(seconds=GRACE_SECONDS + 5)) == 1
    assert not UploadSession.objects.exists()


def test_a_worker_that_can_not_see_the_folder_forgets_nothing(begun, settings, tmp_path):
    settings.INGESTION = {"RESUMABLE_FOLDER": str(tmp_path / "not" / "mounted")}
    assert sweep(now=later(seconds=GRACE_SECONDS + 5)) == 0
    assert UploadSession.objects.count() == 1


def test_only_a_writer_that_is_silent_gives_way(begun, settings):
    settings.INGESTION = {"RESUMABLE_TAKEOVER_SECONDS": 3600}
    with writing(begun, 5) as first:
        first.write(b"x")
        with pytest.raises(UploadLocked), writing(begun, 6):
            pass
        for path in files.folder().iterdir():
            os.utime(path, (0, 0))
        with writing(begun, 6) as second:
            second.write(b"y")
            with pytest.raises(Exception, match="silent"):
                first.write(b"z")
        assert files.path_of(begun).read_bytes() == TEXT[:5] + b"xy"


def test_a_silent_writer_of_checked_bytes_leaves_none_of_them(begun):
    with writing(begun, 5, provisional=True) as first:
        first.write(b"unchecked")
        assert files.offset(begun) == 5
        for path in files.folder().iterdir():
            os.utime(path, (0, 0))
        with writing(begun, 5) as second:
            second.write(b"y")
        with pytest.raises(Exception, match="silent"):
            first.keep()
    assert files.path_of(begun).read_bytes() == TEXT[:5] + b"y"


def test_nobody_takes_over_while_the_upload_is_being_taken_in(begun):
    with writing(begun, 5) as first:
        first.begin_finishing()
        for path in files.folder().iterdir():
            os.utime(path, (0, 0))
        with pytest.raises(UploadLocked), writing(begun, 5):
            pass
        with pytest.raises(UploadLocked):
            files.remove(begun)
    with writing(begun, 5):
        pass  # its holder has ended


def test_one_that_is_given_time_again_just_now_stays(begun, monkeypatch):
    """A piece came between the look for expired uploads and the removal of this one."""
    now = later(days=3)

    def renewed(found):
        ids = [*found]
        UploadSession.objects.update(expires_at=now + timedelta(days=1))
        return ids

    monkeypatch.setattr(sweeping, "list", renewed, raising=False)
    assert sweep(now=now) == 0
    assert files.size_of(begun) == 5
