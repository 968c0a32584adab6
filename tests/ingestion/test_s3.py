"""S3: what arrives is what was sent, what goes wrong has a name, and requests and memory are bounded."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.exceptions import ImproperlyConfigured

from docqueue.models import QueueItem
from ingestion import inventory, storage
from ingestion.archives import plan_archive, read_entry
from ingestion.errors import (
    BlobCorrupt,
    BlobMissing,
    DiskLow,
    IngestionError,
    StorageAway,
    StorageDenied,
    StorageMisconfigured,
    StorageUnavailable,
)
from ingestion.models import IngestFile
from ingestion.s3 import S3Storage
from tests.ingestion.factories import UserFactory, accept_document, accept_zip
from tests.ingestion.s3servers import MIB, PART, Scripted, counted, entry, place, refusal, with_bucket

KEY = storage.key_for("ab" * 32)
SUM = base64.b64encode(hashlib.sha256(b"content").digest())
LARGE = random.Random(7).randbytes(2 * PART + 12_345)


def put(content: bytes) -> storage.StoredBlob:
    return storage.put_stream(content[at : at + MIB] for at in range(0, len(content), MIB))


def use(settings, options) -> S3Storage:
    settings.STORAGES = {**settings.STORAGES, "documents": entry(options)}
    return S3Storage(**options)


def test_a_large_file_goes_in_parts_and_comes_back_the_same(in_s3):
    with counted(in_s3) as sent:
        blob = put(LARGE)
    assert sent.count("UploadPart") == 3
    assert "PutObject" not in sent
    assert list(in_s3.unfinished(-60)) == []
    with storage.local_path(blob.key) as path:
        assert path.read_bytes() == LARGE
    with storage.open(blob.key) as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == LARGE[-5:]
    with counted(in_s3) as sent:
        assert not put(LARGE).created
    assert sent == ["HeadObject"], "what is there is not sent again"


def test_a_small_file_is_one_request_and_again_one_where_it_is_there(in_s3):
    with counted(in_s3) as sent:
        assert put(b"small").created
    assert sent == ["PutObject"]
    with counted(in_s3) as sent:
        assert not put(b"small").created
    assert sent == ["PutObject", "HeadObject"]


def test_two_at_once_with_the_same_bytes_end_with_one_whole_object(in_s3):
    with ThreadPoolExecutor(4) as pool:
        blobs = list(pool.map(put, [LARGE] * 4))
    assert {blob.key for blob in blobs} == {blobs[0].key}
    assert list(in_s3.unfinished(-60)) == []
    with storage.local_path(blobs[0].key) as path:
        assert path.read_bytes() == LARGE


def test_an_upload_in_parts_that_fails_is_taken_back(in_s3, tmp_path):
    def cut(**_):
        raise EndpointConnectionError(endpoint_url="http://s3")

    events = in_s3.client.meta.events
    events.register("before-call.s3.CompleteMultipartUpload", cut, unique_id="cut")
    try:
        with pytest.raises(StorageAway):
            put(LARGE)
    finally:
        events.unregister("before-call.s3.CompleteMultipartUpload", cut, unique_id="cut")
    assert list(in_s3.unfinished(-60)) == []
    assert not storage.exists(storage.key_for(hashlib.sha256(LARGE).hexdigest()))
    assert list(tmp_path.iterdir()) == []
    assert put(LARGE).created


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", StorageDenied),
        (403, "InvalidAccessKeyId", StorageDenied),
        (400, "ExpiredToken", StorageDenied),
        (503, "SlowDown", StorageAway),
        (500, "InternalError", StorageAway),
        (404, "NoSuchBucket", StorageMisconfigured),
        (400, "InvalidBucketName", StorageMisconfigured),
        (400, "BadDigest", BlobCorrupt),
        (400, "SomethingNew", StorageUnavailable),
    ],
)
def test_each_refusal_has_its_class_can_be_tried_again_and_tells_no_secret(settings, aws, status, code, error):
    with Scripted(refusal(status, code)) as server:
        use(settings, place(server.endpoint, attempts=1))
        with pytest.raises(IngestionError) as failure:
            put(b"content")
        assert type(failure.value) is error
        assert failure.value.retryable
        assert failure.value.hint
        told = str(failure.value)
        assert "AKIA" not in told
        assert "secret" not in told


def test_a_missing_object_is_a_missing_blob_and_a_missing_bucket_is_not(settings, moto, aws, in_s3):
    with pytest.raises(BlobMissing):
        storage.open(KEY)
    assert not storage.exists(KEY)
    use(settings, place(moto))
    for look in (storage.exists, storage.delete, lambda key: list(inventory.listed("ab"))):
        with pytest.raises(StorageMisconfigured):
            look(KEY)


def test_a_server_that_is_not_there_is_away_and_one_that_says_nothing_is_so_in_time(settings, aws):
    use(settings, place("http://127.0.0.1:9", attempts=1))
    with pytest.raises(StorageAway):
        storage.exists(KEY)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        use(settings, place(endpoint, attempts=1, read_seconds=1))
        began = time.monotonic()
        with pytest.raises(StorageAway):
            storage.exists(KEY)
        assert time.monotonic() - began < 10


def test_without_credentials_it_is_denied(settings, moto, aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    use(settings, place(moto, concurrency=3))
    with pytest.raises(StorageDenied, match="no credentials"):
        storage.exists(KEY)


def test_a_slow_down_is_tried_again_before_anybody_hears_of_it(settings, aws):
    asked = []

    def answer(handler):
        asked.append(handler.command)
        if len(asked) < 3:
            refusal(503, "SlowDown")(handler)
        else:
            handler.send_response(200)
            handler.send_header("ETag", f'"{hashlib.md5(handler.body).hexdigest()}"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    with Scripted(answer) as server:
        use(settings, place(server.endpoint))
        assert put(b"content").created
    assert asked == ["PUT"] * 3


def test_a_transfer_that_changed_bytes_is_noticed_by_the_sum_of_a_server_that_knows_no_other(settings, aws):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("ETag", f'"{hashlib.md5(handler.body[1:]).hexdigest()}"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with Scripted(answer) as server:
        use(settings, place(server.endpoint))
        with pytest.raises(BlobCorrupt, match="Other bytes"):
            put(b"content")


def test_the_server_is_told_the_hash_of_what_it_is_sent_and_not_to_replace(in_s3):
    seen = {}

    def note(request, **_):
        seen.update({name.lower(): value for name, value in request.headers.items()})

    events = in_s3.client.meta.events
    events.register("before-send.s3.PutObject", note, unique_id="note")
    try:
        put(b"content")
    finally:
        events.unregister("before-send.s3.PutObject", note, unique_id="note")
    assert seen["x-amz-checksum-sha256"] in (SUM, SUM.decode())
    assert seen["if-none-match"] in ("*", b"*")


def test_a_body_that_is_cut_goes_on_where_it_was(settings, aws):
    content, asked = random.Random(1).randbytes(2 * MIB), []

    def answer(handler):
        first, _, last = handler.headers["Range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), int(last) + 1
        asked.append(start)
        piece = content[start:stop]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(piece)))
        handler.end_headers()
        handler.wfile.write(piece[: MIB // 2] if len(asked) < 3 else piece)
        handler.close_connection = True

    with Scripted(answer) as server:
        use(settings, place(server.endpoint))
        assert b"".join(storage.ranged(KEY, 0, len(content))) == content
    assert len(asked) == 3
    assert asked[0] == 0
    assert 0 < asked[1] <= MIB // 2
    assert asked[1] < asked[2] <= MIB


def test_a_body_that_is_cut_again_and_again_without_a_byte_is_given_up(settings, aws):
    def answer(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 0-99/100")
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.close_connection = True

    with Scripted(answer) as server:
        use(settings, place(server.endpoint))
        with pytest.raises(StorageAway):
            list(storage.ranged(KEY, 0, 100))


def test_reading_an_archive_of_thousands_asks_a_few_times_for_every_byte_once(in_s3, tmp_path):
    made = random.Random(3)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(3_000):
            archive.writestr(f"{number}.txt", made.randbytes(3_000))
    blob = put(out.getvalue())
    with counted(in_s3) as sent, storage.open(blob.key) as file:
        plan = plan_archive(file)
        names = [len(b"".join(read_entry(file, each))) for each in plan.entries]
    assert names == [3_000] * 3_000
    assert sent.count("HeadObject") == 1
    assert sent.count("GetObject") <= 8, "ten megabytes, read ahead"
    assert list(tmp_path.iterdir()) == [], "what was kept has no name, and is gone"


def test_an_address_is_good_for_a_download_with_the_headers_that_were_asked_for(in_s3):
    blob = put(b"content")
    address = storage.address(blob.key, disposition='attachment; filename="a.txt"', content_type="text/plain")
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"content"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
        assert answer.headers["Content-Type"] == "text/plain"
    assert "X-Amz-Expires=60" in address


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"bucket": ""}, "name of a bucket"),
        ({"bucke": "x"}, "no option 'bucke'"),
        ({"part_bytes": "many"}, "whole number"),
        ({"part_bytes": 1}, "at least 5,242,880"),
        ({"endpoint_url": "ftp://x"}, "http://"),
        ({"endpoint_url": "http://me:pw@x"}, "must not hold credentials"),
        ({"addressing_style": "odd"}, "one of auto"),
        ({"server_side_encryption": "rot13"}, "AES256"),
        ({"kms_key_id": "k"}, "aws:kms"),
        ({"attempts": 0}, "at least 1"),
    ],
)
def test_wrong_options_are_named_at_once(wrong, told):
    with pytest.raises(ImproperlyConfigured, match=told) as failure:
        S3Storage(**{"bucket": "docs", **wrong})
    assert "pw" not in str(failure.value)


def test_encryption_is_asked_for_where_an_object_is_made(settings, moto, aws, tmp_path):
    options = place(moto, server_side_encryption="AES256")
    made = with_bucket(options)
    use(settings, options)
    for content in (b"small", LARGE):
        assert made.bucket.head(put(content).key)["ServerSideEncryption"] == "AES256"


def test_files_of_any_size_fit_into_as_many_parts_as_s3_takes():
    options = S3Storage(bucket="docs").options
    for size in (6 * MIB, 80 * 1024 * MIB, 5 * 1024 * 1024 * MIB):
        assert -(-size // options.part_size(size)) <= 10_000


KILLED = """
    import os, signal, sys, json
    from django.conf import settings
    options = json.loads(sys.argv[1])
    settings.configure(
        STORAGES={"documents": {"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": options}},
        FILE_UPLOAD_TEMP_DIR=sys.argv[2], USE_TZ=True,
    )
    from django.core.files.storage import storages
    from ingestion import storage
    events = storages["documents"].client.meta.events
    def killed(**_): os.kill(os.getpid(), signal.SIGKILL)
    events.register("before-send.s3.CompleteMultipartUpload", killed)
    storage.put_stream(bytes([number]) * 1_000_000 for number in range(12))
"""


def test_a_process_killed_in_the_middle_of_a_put_leaves_no_blob_and_what_it_leaves_is_found(in_s3, root, tmp_path):
    options = {name: getattr(in_s3.options, name) for name in ("bucket", "prefix", "endpoint_url", "region")}
    command = [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(options | {"part_bytes": PART}), tmp_path]
    assert subprocess.run(command, cwd=root, timeout=60).returncode == -9
    content = b"".join(bytes([number]) * 1_000_000 for number in range(12))
    assert not storage.exists(storage.key_for(hashlib.sha256(content).hexdigest()))
    assert len(list(Path(tmp_path).glob("*.part"))) == 1
    assert storage.remove_stale_parts(-60) == 1
    [(key, upload)] = inventory.unfinished(-60)
    inventory.abort(key, upload)
    assert list(inventory.unfinished(-60)) == []
    assert put(content).created


def test_a_server_that_knows_no_conditions_or_lists_of_uploads_is_good_enough(settings, aws, caplog):
    def answer(handler):
        if handler.headers.get("If-None-Match") or handler.command == "GET":
            refusal(501, "NotImplemented")(handler)
            return
        handler.send_response(200)
        handler.send_header("ETag", f'"{hashlib.md5(handler.body).hexdigest()}"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with Scripted(answer) as server:
        use(settings, place(server.endpoint, attempts=1))
        assert put(b"content").created
        assert list(inventory.unfinished(0)) == []
    assert "does not list unfinished uploads" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_what_finds_the_storage_away_waits_with_the_reason_and_spends_no_attempt(in_s3, settings, worker):
    document = accept_document(UserFactory())
    there = settings.STORAGES
    use(settings, place("http://127.0.0.1:9", attempts=1))
    item = worker.claim()
    outcome = worker.run_claimed(item)
    file = IngestFile.objects.get()
    assert type(outcome).__name__ == "Snoozed"
    assert (file.waiting_reason, file.outcome, file.document_id) == ("storage_unavailable", "", document.pk)
    assert QueueItem.objects.get().attempt == 0
    settings.STORAGES = there
    worker.run_retries()
    file.refresh_from_db()
    assert (file.waiting_reason, file.outcome) == ("", "completed")


@pytest.mark.django_db(transaction=True)
def test_an_unpacking_that_finds_the_storage_away_goes_on_where_it_was(in_s3, settings, worker):
    intake = accept_zip(UserFactory(), {f"{n}.txt": f"text {n}" for n in range(3)})
    there = settings.STORAGES
    use(settings, place("http://127.0.0.1:9", attempts=1))
    worker.run_claimed(worker.claim())
    intake.refresh_from_db()
    assert (intake.waiting_reason, intake.finished_at) == ("storage_unavailable", None)
    settings.STORAGES = there
    worker.run_retries()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == ("completed", 3)


def test_credentials_that_were_refused_are_looked_for_again(in_s3, settings, moto, monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    options = {name: getattr(in_s3.options, name) for name in ("bucket", "prefix", "endpoint_url", "region")}
    use(settings, {**options, "presign_seconds": 61})
    with pytest.raises(StorageDenied):
        put(b"content")
    file.write_text("[default]\naws_access_key_id = AKIANEW\naws_secret_access_key = new\n")
    assert put(b"content").created


def test_what_would_fill_this_disk_is_not_brought_here(in_s3, settings):
    blob = put(b"content")
    settings.INGESTION = {"DISK_RESERVE_BYTES": 10**15}
    with pytest.raises(DiskLow), storage.local_path(blob.key, size=64 * MIB):
        pass
    with pytest.raises(DiskLow):
        storage.open(blob.key, size=64 * MIB)
