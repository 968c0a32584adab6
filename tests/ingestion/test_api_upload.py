"""POST /api/v1/documents: what is accepted is safe before the answer, what is refused leaves nothing behind."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from docqueue.models import QueueItem
from ingestion.models import Blob, Document, IngestFile, Intake
from tests.ingestion.factories import UserFactory, upload, zipped

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/documents"


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


def send(client, *files, **fields):
    headers = fields.pop("headers", None)
    return client.post(URL, {"file": list(files), **fields}, format="multipart", headers=headers)


def nothing_is_left(folder: Path) -> bool:
    rows = [model.objects.exists() for model in (Intake, IngestFile, Document, Blob, QueueItem)]
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return not any(rows) and not files


def test_one_file_is_answered_with_202_pending_and_an_address(client, owner):
    answer = send(client, upload("note.txt", "hello"))
    assert answer.status_code == 202
    body = answer.json()
    assert (body["stage"], body["status"], body["state"]) == ("pending", "pending", "Waiting for a worker")
    assert body["kind"] == "files"
    assert answer["Location"] == body["status_url"]
    assert client.get(body["status_url"]).json()["id"] == body["id"]
    assert client.get(f"{URL}/{body['document_id']}").json()["item_id"] == QueueItem.objects.get().pk


def test_a_zip_is_one_intake_of_the_kind_zip(client):
    body = send(client, upload("papers.zip", zipped({"a.txt": "a", "b.txt": "b"}))).json()
    assert (body["kind"], body["files_total"], body["state"]) == ("zip", 2, "Waiting for a worker")


def test_a_zip_is_known_by_its_content_and_not_by_its_name(client):
    assert send(client, upload("papers.dat", zipped({"a.txt": "a"}))).json()["kind"] == "zip"


def test_many_files_are_one_intake(client):
    body = send(client, upload("a.txt", "a"), upload("b.txt", "b"), tags=["x", "y,z"], priority="high").json()
    assert (body["files_total"], body["tags"], body["priority"]) == (2, ["x", "y", "z"], 50)
    assert set(QueueItem.objects.values_list("priority", flat=True)) == {50}


def test_a_zip_among_several_files_of_one_request_is_unpacked_too(client, worker):
    body = send(client, upload("a.zip", zipped({"a.txt": "a"})), upload("b.txt", "b")).json()
    worker.run()
    assert body["kind"] == "files"
    codes = list(IngestFile.objects.order_by("ordinal").values_list("error_code", flat=True))
    assert codes == ["", "", ""]
    assert list(IngestFile.objects.order_by("ordinal").values_list("source_path", "outcome")) == [
        ("a.zip", "unpacked"),
        ("b.txt", "completed"),
        ("a.zip/a.txt", "completed"),
    ]


def test_the_request_id_follows_the_upload_into_the_queue(client):
    body = send(client, upload(), headers={"X-Request-ID": "trace-17"}).json()
    assert body["correlation_id"] == "trace-17"
    metadata = QueueItem.objects.get().metadata
    assert (metadata["correlation_id"], metadata["intake"]) == ("trace-17", str(body["id"]))


def hostile(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    return out.getvalue()


def symlink() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def encrypted() -> bytes:
    content = bytearray(zipped({"a.txt": "secret"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", b"\0" * (80 * 1024 * 1024))
    return out.getvalue()


REFUSALS = {
    "empty_file": (b"", "empty.txt", 422),
    "not_a_zip": (b"<!doctype html><html><body>404</body></html>", "papers.zip", 422),
    "truncated_archive": (zipped({"a.txt": "text " * 500})[:100], "cut.zip", 422),
    "unsafe_path": (hostile("../../evil.txt"), "slip.zip", 422),
    "link_entry": (symlink(), "link.zip", 422),
    "encrypted_archive": (encrypted(), "locked.zip", 422),
    "ratio_exceeded": (bomb(), "bomb.zip", 422),
    "unsupported_archive": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 60, "papers.7z", 415),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_bad_upload_is_refused_with_its_code_and_leaves_nothing(client, documents_dir, code):
    content, name, status = REFUSALS[code]
    answer = send(client, upload(name, content))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer["Content-Type"].startswith("application/problem+json")
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["hint"]
    assert nothing_is_left(documents_dir)


def test_an_absolute_name_is_refused(client, documents_dir):
    assert send(client, upload("a.zip", hostile("/etc/passwd"))).json()["code"] == "unsafe_path"
    assert nothing_is_left(documents_dir)


def test_a_form_without_a_file_is_refused(client, documents_dir):
    answer = client.post(URL, {"tags": "x"}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")
    assert nothing_is_left(documents_dir)


def test_a_body_that_is_no_form_is_refused(client, documents_dir):
    answer = client.post(URL, {"file": "x"}, format="json")
    assert answer.status_code == 415
    assert nothing_is_left(documents_dir)


@pytest.mark.parametrize("priority", ["101", "-101", "urgent", "1.5", "9" * 30])
def test_a_priority_out_of_range_is_refused_before_anything_is_stored(client, documents_dir, priority):
    answer = send(client, upload(), priority=priority)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_priority")
    assert nothing_is_left(documents_dir)


def test_tags_that_are_too_long_are_refused_before_anything_is_stored(client, documents_dir):
    assert send(client, upload(), tags=["x" * 65]).json()["code"] == "invalid_tags"
    assert nothing_is_left(documents_dir)


def test_an_upload_over_the_limit_is_refused_by_its_announced_length(client, documents_dir, settings):
    settings.INGESTION = {"MAX_UPLOAD_BYTES": 1000}
    answer = send(client, upload("big.txt", b"x" * 2_000_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert nothing_is_left(documents_dir)


def test_an_upload_over_the_limit_is_broken_off_where_its_length_was_not_told(client, documents_dir, settings):
    settings.INGESTION = {"MAX_UPLOAD_BYTES": 1000}
    answer = send(client, upload("big.txt", b"x" * 20_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert nothing_is_left(documents_dir)


def test_more_files_than_one_request_may_bring_are_refused(client, documents_dir, settings):
    settings.INGESTION = {"MAX_FILES_PER_REQUEST": 2}
    answer = send(client, *[upload(f"{n}.txt", "x") for n in range(3)])
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_files")
    assert nothing_is_left(documents_dir)


def test_a_repeated_key_returns_the_first_upload(client):
    headers = {"Idempotency-Key": "abc"}
    first = send(client, upload("a.txt", "a"), headers=headers)
    second = send(client, upload("a.txt", "a"), headers=headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert QueueItem.objects.count() == 1


def test_a_key_repeated_with_other_files_is_refused(client):
    headers = {"Idempotency-Key": "abc"}
    send(client, upload("a.txt", "a"), headers=headers)
    answer = send(client, upload("b.txt", "bbb"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_keys_of_different_owners_do_not_meet(client):
    headers = {"Idempotency-Key": "abc"}
    first = send(client, upload("a.txt", "a"), headers=headers).json()
    other = APIClient()
    other.force_authenticate(UserFactory())
    assert send(other, upload("a.txt", "a"), headers=headers).json()["id"] != first["id"]


def test_a_stranger_is_refused(documents_dir, transactional_db):
    answer = APIClient().post(URL, {"file": SimpleUploadedFile("a.txt", b"a")}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert nothing_is_left(documents_dir)


def test_an_upload_takes_few_statements(client, django_assert_max_num_queries):
    """What one small file costs in round trips: blob, intake, document, item, file, the transaction, the answer."""
    with django_assert_max_num_queries(11):
        assert send(client, upload("note.txt", "hello")).status_code == 202


def test_a_zip_whose_name_goes_in_circles_is_shown_and_stored_harmlessly(client, worker):
    name = "\u202efdp.exe\n.txt"
    send(client, upload("papers.zip", zipped({name: "words"})))
    worker.run()
    file = IngestFile.objects.get()
    assert "\u202e" not in file.source_path
    assert "\n" not in file.safe_name
