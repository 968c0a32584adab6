"""Resumable uploads request by request: how they begin, grow, are refused, expire, end, and what they become."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from ingestion import storage
from ingestion.models import Blob, Document, IngestFile, Intake
from ingestion.resumable import files
from ingestion.resumable.models import UploadSession
from tests.ingestion.factories import UserFactory, upload, zipped
from tests.ingestion.resumable.tus import BYTES, URL, VERSION, Tus, checksum, metadata

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENTS = "/api/v1/documents"
TEXT = b"The heron waits at the edge of the water.\n" * 50


@pytest.fixture
def tus(owner):
    return Tus(owner)


def uuid_of(place: str) -> UUID:
    return UUID(place.rpartition("/")[2])


def code(answer) -> str:
    assert answer["Content-Type"] == "application/problem+json", answer
    assert answer["Tus-Resumable"] == "1.0.0"
    return answer.json()["code"]


def nothing_is_left(documents_dir) -> bool:
    left = [path for path in documents_dir.rglob("*") if path.is_file()]
    return not left and not UploadSession.objects.exists() and not Intake.objects.exists()


def test_pieces_become_one_document(tus, worker):
    begun = tus.create(len(TEXT), "heron.txt", tags="birds,water", priority="high")
    assert begun.status_code == 201
    place = begun["Location"]
    assert place.startswith(f"{URL}/")
    assert "GMT" in begun["Upload-Expires"]
    assert tus.offset(place) == 0
    first = tus.patch(place, 0, TEXT[:700])
    assert (first.status_code, first["Upload-Offset"]) == (204, "700")
    assert "Docqueue-Intake" not in first
    head = tus.head(place)
    assert (head["Upload-Offset"], head["Upload-Length"], head["Cache-Control"]) == ("700", str(len(TEXT)), "no-store")
    assert head["Upload-Metadata"] == metadata(filename="heron.txt", tags="birds,water", priority="high")
    assert not Intake.objects.exists()
    last = tus.patch(place, 700, TEXT[700:])
    intake = Intake.objects.get()
    assert (last.status_code, last["Upload-Offset"]) == (204, str(len(TEXT)))
    assert last["Docqueue-Intake"] == str(intake.pk)
    assert last["Link"] == f'</api/v1/intakes/{intake.pk}>; rel="monitor"'
    assert (intake.filename, intake.tags, intake.priority, intake.size) == (
        "heron.txt",
        ["birds", "water"],
        50,
        len(TEXT),
    )
    worker.run()
    assert Document.objects.get().chunk_count
    with storage.open(Blob.objects.get().storage_key) as kept:
        assert kept.read() == TEXT
    assert not list(files.folder().iterdir()), "the session's own files stay"
    again = tus.head(place)
    assert (again["Upload-Offset"], again["Docqueue-Intake"]) == (str(len(TEXT)), str(intake.pk))


def test_the_bytes_are_linked_into_the_storage_and_not_copied(tus, monkeypatch):
    monkeypatch.setattr(storage, "put_stream", None)
    place = tus.begun(len(TEXT))
    path = files.path_of(uuid_of(place))
    tus.patch(place, 0, TEXT[:-1])
    number = path.stat().st_ino
    assert tus.patch(place, len(TEXT) - 1, TEXT[-1:]).status_code == 204
    stored = storage.local_path(Blob.objects.get().storage_key)
    with stored as kept:
        assert kept.stat().st_ino == number
        assert kept.stat().st_nlink == 1


def test_where_the_folder_is_on_another_disk_the_bytes_are_copied(tus, monkeypatch):
    def no_link(*_args):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", no_link)
    assert tus.patch(tus.begun(len(TEXT)), 0, TEXT).status_code == 204
    with storage.open(Blob.objects.get().storage_key) as kept:
        assert kept.read() == TEXT


def test_a_zip_is_one_intake_of_the_kind_zip_and_its_files_get_tags_by_their_paths(tus, worker):
    data = zipped({"contracts/a.txt": "a text", "b.txt": "b text"})
    place = tus.begun(len(data), "papers.zip", file_tags='{"contracts/*": ["contract"]}')
    answer = tus.patch(place, 0, data)
    assert answer.status_code == 204, answer.content
    worker.run()
    assert Intake.objects.get(pk=answer["Docqueue-Intake"]).kind == "zip"
    assert IngestFile.objects.get(source_path="contracts/a.txt").tags == ["contract"]


def test_a_path_in_a_folder_is_kept_as_the_name(tus):
    place = tus.begun(len(TEXT), "a.txt", relativePath="notes/2026/a.txt")
    tus.patch(place, 0, TEXT)
    file = IngestFile.objects.get()
    assert (file.source_path, file.safe_name) == ("notes/2026/a.txt", "a.txt")


def test_options_tells_strangers_what_is_spoken():
    answer = APIClient().options(URL)
    assert answer.status_code == 204
    assert answer["Tus-Version"] == answer["Tus-Resumable"] == "1.0.0"
    assert set(answer["Tus-Extension"].split(",")) == {"creation", "checksum", "expiration", "termination"}
    assert answer["Tus-Checksum-Algorithm"] == "sha256,sha1,md5"
    assert int(answer["Tus-Max-Size"]) == 2 * 1024**3


def test_strangers_are_refused_everything_else(tus):
    place = tus.begun(3)
    for method, where in (("post", URL), ("head", place), ("patch", place), ("delete", place)):
        assert getattr(APIClient(), method)(where, headers=VERSION).status_code == 401


def test_a_token_and_a_session_with_its_csrf_token_do(owner, settings):
    headers = VERSION | {"Upload-Length": "3", "Upload-Metadata": metadata(filename="a.txt")}
    token = Token.objects.create(user=owner).key
    assert APIClient().post(URL, headers=headers | {"Authorization": f"Token {token}"}).status_code == 201
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert code(browser.post(URL, headers=headers)) == "csrf_failed"
    browser.get("/admin/login/")
    secret = {"X-CSRFToken": "a" * 32}
    browser.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    place = browser.post(URL, headers=headers | secret)["Location"]
    sent = VERSION | secret | {"Upload-Offset": "0"}
    assert browser.patch(place, b"abc", content_type=BYTES, headers=sent).status_code == 204


def test_another_users_upload_does_not_exist(tus):
    place = tus.begun(len(TEXT))
    other = Tus(UserFactory())
    assert other.head(place).status_code == 404
    assert code(other.patch(place, 0, TEXT)) == "not_found"
    assert code(other.end(place)) == "not_found"
    assert tus.offset(place) == 0


def test_another_version_is_refused_with_the_one_that_is_spoken(tus):
    answer = tus.api.post(URL, headers={"Tus-Resumable": "0.2.2", "Upload-Length": "3"})
    assert (answer.status_code, code(answer), answer["Tus-Version"]) == (412, "tus_version", "1.0.0")
    assert tus.api.head(f"{URL}/{uuid4()}").status_code == 412


def test_bytes_of_another_content_type_are_refused(tus):
    place = tus.begun(3)
    answer = tus.api.patch(place, b"abc", content_type="text/plain", headers=VERSION | {"Upload-Offset": "0"})
    assert (answer.status_code, code(answer)) == (415, "wrong_content_type")
    assert tus.offset(place) == 0


@pytest.mark.parametrize("at", [0, 699, 701, 10_000])
def test_a_wrong_offset_is_refused_and_nothing_changes(tus, at):
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:700])
    answer = tus.patch(place, at, b"xyz")
    assert (answer.status_code, code(answer)) == (409, "offset_mismatch")
    assert tus.offset(place) == 700


def test_a_checksum_that_fits_is_accepted(tus):
    place = tus.begun(len(TEXT))
    for at, algorithm in ((0, "sha1"), (700, "sha256"), (1400, "md5")):
        piece = TEXT[at : at + 700]
        assert tus.patch(place, at, piece, Upload_Checksum=checksum(piece, algorithm)).status_code == 204
    assert Intake.objects.count() == 1


def test_a_checksum_that_does_not_fit_leaves_nothing_of_its_piece(tus):
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:700])
    answer = tus.patch(place, 700, TEXT[700:], Upload_Checksum=checksum(b"something else"))
    assert (answer.status_code, answer.reason_phrase, code(answer)) == (460, "Checksum Mismatch", "checksum_mismatch")
    assert tus.offset(place) == files.size_of(uuid_of(place)) == 700
    assert tus.patch(place, 700, TEXT[700:]).status_code == 204


def test_an_unknown_checksum_algorithm_is_refused(tus):
    answer = tus.patch(tus.begun(3), 0, b"abc", Upload_Checksum="crc32 AAAA")
    assert (answer.status_code, code(answer)) == (400, "checksum_algorithm")


def test_a_piece_above_the_limit_is_refused_before_it_is_read(tus, settings):
    settings.INGESTION = {"MAX_PATCH_BYTES": 1000}
    place = tus.begun(len(TEXT))
    answer = tus.patch(place, 0, TEXT[:1001])
    assert (answer.status_code, code(answer)) == (413, "patch_too_large")
    assert tus.offset(place) == 0
    assert tus.patch(place, 0, TEXT[:1000]).status_code == 204


def test_more_bytes_than_the_upload_was_said_to_have_are_refused(tus):
    place = tus.begun(10)
    assert code(tus.patch(place, 0, b"x" * 11)) == "beyond_upload_length"
    assert tus.offset(place) == 0


def test_limits_are_looked_at_before_a_byte_is_sent(tus, settings, documents_dir):
    settings.INGESTION = {"MAX_UPLOAD_BYTES": 1000}
    answer = tus.create(1001)
    assert (answer.status_code, code(answer), answer["Tus-Max-Size"]) == (413, "too_large", "1000")
    assert code(tus.create(0)) == "empty_file"
    assert code(tus.create(10, tags="x" * 65)) == "invalid_tags"
    assert code(tus.create(10, file_tags="[1]")) == "invalid_tags"
    assert code(tus.create(10, priority="urgent")) == "invalid_priority"
    assert code(tus.create(10, key="")) == "invalid_idempotency_key"
    assert nothing_is_left(documents_dir)


def test_an_upload_of_unknown_size_is_refused_clearly(tus):
    answer = tus.api.post(URL, headers=VERSION | {"Upload-Defer-Length": "1"})
    assert (answer.status_code, code(answer)) == (400, "tus_extension_not_offered")


def test_what_open_uploads_have_still_to_bring_counts_as_taken(tus, settings, monkeypatch):
    settings.INGESTION = {"DISK_RESERVE_BYTES": 0}
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10_000})())
    first = tus.begun(6_000)
    answer = tus.create(6_000)
    assert (answer.status_code, code(answer)) == (507, "disk_low")
    tus.end(first)
    assert tus.create(6_000).status_code == 201


def test_one_user_has_only_so_many_open_uploads(tus, settings):
    settings.INGESTION = {"MAX_OPEN_UPLOADS": 2}
    places = [tus.begun(3), tus.begun(3)]
    answer = tus.create(3)
    assert (answer.status_code, code(answer)) == (429, "too_many_open_uploads")
    assert Tus(UserFactory()).create(3).status_code == 201
    tus.patch(places[0], 0, b"abc")
    assert tus.create(3).status_code == 201


def test_the_limits_are_published(tus):
    limits = tus.api.get("/api/v1/limits").json()
    assert limits["max_patch_bytes"]["value"] == 64 * 1024**2
    assert {"max_open_uploads", "resumable_hours"} <= set(limits)
    assert "resumable_folder" not in limits


def test_the_same_key_begins_one_upload(tus):
    place = tus.begun(len(TEXT), key="k1")
    tus.patch(place, 0, TEXT[:5])
    assert tus.begun(len(TEXT), key="k1") == place
    assert tus.offset(place) == 5
    answer = tus.create(len(TEXT) + 1, key="k1")
    assert (answer.status_code, code(answer)) == (409, "idempotency_key_reused")
    assert Tus(UserFactory()).begun(len(TEXT), key="k1") != place


def test_the_same_key_finds_the_intake_that_it_has_become(tus):
    place = tus.begun(len(TEXT), key="k1")
    intake = tus.patch(place, 0, TEXT)["Docqueue-Intake"]
    assert tus.create(len(TEXT), key="k1")["Docqueue-Intake"] == intake
    UploadSession.objects.all().delete()  # as when it has expired
    again = tus.create(len(TEXT), key="k1")
    assert again["Docqueue-Intake"] == intake
    assert tus.offset(again["Location"]) == len(TEXT)
    assert tus.patch(again["Location"], len(TEXT), b"").status_code == 204
    assert code(tus.patch(again["Location"], 0, TEXT)) == "offset_mismatch"
    plain = {"file": upload("note.txt", TEXT)}
    assert (
        str(tus.api.post(DOCUMENTS, plain, format="multipart", headers={"Idempotency-Key": "k1"}).json()["id"])
        == intake
    )
    assert Intake.objects.count() == 1


def test_a_key_whose_intake_was_deleted_begins_anew(tus):
    place = tus.begun(len(TEXT), key="k1")
    intake = tus.patch(place, 0, TEXT)["Docqueue-Intake"]
    assert tus.api.delete(f"/api/v1/intakes/{intake}").status_code == 204
    again = tus.create(len(TEXT), key="k1")
    assert "Docqueue-Intake" not in again
    assert tus.offset(again["Location"]) == 0


def test_of_two_creations_at_once_with_one_key_both_get_the_same_upload(tus, owner):
    places: list[str] = []

    def begin() -> None:
        places.append(Tus(owner).begun(10, key="k1"))
        connection.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(places) == 6
    assert len(set(places)) == UploadSession.objects.count() == len(list(files.folder().iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "data", "status", "refusal"),
    [("a.zip", b"PK\x03\x04 no archive", 422, None),
     ("a.rar", b"Rar!\x1a\x07\x01\x00" + b"x" * 50, 415, "unsupported_archive"),
     ("a.zip", zipped({"../../etc/passwd": "x"}), 422, "unsafe_path")],
    ids=["broken", "another kind", "hostile"],
)  # fmt: skip
def test_what_a_plain_upload_would_be_refused_for_is_refused_with_the_last_byte(
    tus, documents_dir, name, data, status, refusal
):
    place = tus.begun(len(data), name)
    assert tus.patch(place, 0, data[:10]).status_code == 204
    answer = tus.patch(place, 10, data[10:])
    assert answer.status_code == status
    assert code(answer) == refusal or refusal is None
    assert nothing_is_left(documents_dir)
    assert tus.head(place).status_code == 404


def test_a_refusal_that_may_pass_keeps_the_bytes_and_the_next_look_takes_them_in(tus, settings):
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.finished_files.storage.publish_file", _no_room)
        assert code(tus.patch(place, len(TEXT) - 1, TEXT[-1:])) == "disk_full"
    assert not Intake.objects.exists()
    assert tus.head(place)["Docqueue-Intake"] == str(Intake.objects.get().pk)


def _no_room(*_args):
    from ingestion.errors import DiskFull

    raise DiskFull


def test_ending_an_upload_deletes_its_bytes(tus, documents_dir):
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:5])
    assert tus.end(place).status_code == 204
    assert nothing_is_left(documents_dir)
    assert tus.head(place).status_code == 404
    assert code(tus.patch(place, 5, TEXT[5:])) == "not_found"
    assert code(tus.end(place)) == "not_found"


def test_ending_a_complete_upload_leaves_its_intake(tus):
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT)
    assert tus.end(place).status_code == 204
    assert Intake.objects.count() == 1


def test_an_upload_left_alone_expires_and_each_piece_gives_it_time_again(tus):
    place = tus.begun(len(TEXT))
    soon = timezone.now() + timedelta(minutes=5)
    UploadSession.objects.update(expires_at=soon)
    tus.patch(place, 0, TEXT[:5])
    assert UploadSession.objects.get().expires_at > soon
    UploadSession.objects.update(expires_at=timezone.now())
    assert tus.head(place).status_code == 410
    assert code(tus.patch(place, 5, TEXT[5:])) == "upload_expired"


def test_an_upload_whose_file_was_lost_is_gone_and_its_key_begins_anew(tus):
    place = tus.begun(len(TEXT), key="k1")
    files.path_of(uuid_of(place)).unlink()
    assert tus.head(place).status_code == 410
    assert code(tus.patch(place, 0, TEXT)) == "upload_gone"
    assert tus.patch(tus.begun(len(TEXT), key="k1"), 0, TEXT).status_code == 204


def test_a_client_that_can_only_post_says_what_it_means_in_a_header(tus):
    place = tus.begun(3)
    headers = VERSION | {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert tus.api.post(place, b"abc", content_type=BYTES, headers=headers).status_code == 204
    assert tus.api.post(place, headers=VERSION | {"X-HTTP-Method-Override": "DELETE"}).status_code == 204


def test_a_storage_without_local_files_gets_a_copy(tus, settings):
    settings.STORAGES = settings.STORAGES | {
        "documents": {"BACKEND": "django.core.files.storage.memory.InMemoryStorage"}
    }
    place = tus.begun(len(TEXT))
    tus.patch(place, 0, TEXT[:700])
    assert files.path_of(uuid_of(place)).is_file()
    assert tus.patch(place, 700, TEXT[700:]).status_code == 204
    with storage.open(Blob.objects.get().storage_key) as kept:
        assert kept.read() == TEXT
    assert files.size_of(uuid_of(place)) is None
