"""Downloads: the bytes for their owner, as a file and never as a page, whole or in part."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from ingestion import serving, storage
from ingestion.models import Document, IngestFile
from ingestion.sniffing.kinds import KINDS
from tests.ingestion.factories import UserFactory, accept_document, accept_zip

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "The heron waits at the river, and waits."


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


def body(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_a_document_is_a_download_with_every_guard(client, owner, worker):
    document = accept_document(owner, TEXT, "a note.txt")
    worker.run()
    shown = client.get(f"/api/v1/documents/{document.pk}").json()
    answer = client.get(shown["content_url"])
    assert answer.status_code == 200
    assert body(answer) == TEXT.encode()
    assert answer["Content-Disposition"] == 'attachment; filename="a note.txt"'
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Length"] == str(len(TEXT))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Cache-Control"] == "private"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["ETag"] == f'"{shown["sha256"]}"'
    assert answer["Accept-Ranges"] == "bytes"


def test_a_page_is_never_served_as_one(client, owner, worker):
    for name, content in {
        "page.html": "<!doctype html><html><body><script>alert(1)</script>heron</body></html>",
        "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "data.xml": "<?xml version='1.0'?><x>heron</x>",
    }.items():
        document = accept_document(owner, content, name)
        worker.run()
        answer = client.get(f"/api/v1/documents/{document.pk}/content", HTTP_ACCEPT="text/html")
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        assert body(answer) == content.encode()


def test_every_type_that_is_known_is_served_as_one_of_the_table_and_none_that_is_active():
    for detected in KINDS:
        served = serving.type_for(detected)
        assert not any(word in served for word in ("html", "svg", "xml;", "javascript", "rfc822")), detected
        assert served != "application/xml"
    assert serving.type_for("something added") == serving.UNKNOWN == serving.type_for("")


def test_others_do_not_find_it_and_strangers_are_asked_who_they_are(owner, worker):
    document = accept_document(owner, TEXT)
    worker.run()
    file = IngestFile.objects.get()
    other = APIClient()
    other.force_authenticate(UserFactory())
    for address in (f"/api/v1/documents/{document.pk}/content", f"/api/v1/files/{file.pk}/content"):
        assert other.get(address).status_code == 404
        assert APIClient().get(address).status_code == 401
        assert other.get(address)["Content-Type"] == "application/problem+json"


def test_a_file_that_failed_can_be_had_and_one_without_bytes_is_gone(client, owner, worker):
    intake = accept_zip(owner, {"a.exe": b"MZ" + b"\0" * 200, ".DS_Store": b"\0"})
    worker.run()
    failed, skipped = intake.files.order_by("ordinal")
    shown = client.get(f"/api/v1/intakes/{intake.pk}/files").json()["results"]
    answer = client.get(shown[0]["content_url"])
    assert (failed.outcome, body(answer)) == ("failed", b"MZ" + b"\0" * 200)
    assert answer["Content-Type"] == "application/octet-stream"
    assert shown[1]["content_url"] is None
    gone = client.get(f"/api/v1/files/{skipped.pk}/content")
    assert (gone.status_code, gone.json()["code"]) == (410, "content_gone")


def test_bytes_that_are_missing_are_an_error_and_no_empty_file(client, owner, worker):
    document = accept_document(owner, TEXT)
    worker.run()
    storage.delete(document.blob.storage_key)
    answer = client.get(f"/api/v1/documents/{document.pk}/content")
    assert (answer.status_code, answer.json()["code"]) == (503, "blob_missing")


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-3", 206, 0, 4),
        ("bytes=4-", 206, 4, 40),
        ("bytes=-5", 206, 35, 40),
        ("bytes=-500", 206, 0, 40),
        ("bytes=30-9999", 206, 30, 40),
        ("Bytes=0-0", 206, 0, 1),
        ("bytes=0-1,4-5", 200, 0, 40),
        ("bytes=9-2", 200, 0, 40),
        ("bytes=-", 200, 0, 40),
        ("lines=0-1", 200, 0, 40),
        ("bytes=a-b", 200, 0, 40),
        ("", 200, 0, 40),
    ],
)
def test_a_part_is_sent_as_it_is_asked_for(client, owner, asked, status, start, stop):
    document = accept_document(owner, TEXT)
    answer = client.get(f"/api/v1/documents/{document.pk}/content", HTTP_RANGE=asked)
    assert (answer.status_code, body(answer)) == (status, TEXT.encode()[start:stop])
    assert answer["Content-Length"] == str(stop - start)
    assert answer.get("Content-Range") == (f"bytes {start}-{stop - 1}/40" if status == 206 else None)


@pytest.mark.parametrize("asked", ["bytes=40-", "bytes=99-100", "bytes=-0"])
def test_a_part_behind_the_end_is_refused_with_where_that_is(client, owner, asked):
    document = accept_document(owner, TEXT)
    answer = client.get(f"/api/v1/documents/{document.pk}/content", HTTP_RANGE=asked)
    assert (answer.status_code, answer["Content-Range"], answer.content) == (416, "bytes */40", b"")


def test_an_etag_spares_the_bytes_and_guards_a_part(client, owner):
    document = accept_document(owner, TEXT)
    address, tag = f"/api/v1/documents/{document.pk}/content", f'"{document.blob.sha256}"'
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = client.get(address, HTTP_IF_NONE_MATCH=known)
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
    assert client.get(address, HTTP_IF_NONE_MATCH='"x"').status_code == 200
    assert client.get(address, HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=tag).status_code == 206
    assert client.get(address, HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE='"x"').status_code == 200
    assert client.get(address, HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=f"W/{tag}").status_code == 200


def test_head_says_what_get_would_and_opens_nothing(client, owner):
    document = accept_document(owner, TEXT)
    storage.delete(document.blob.storage_key)
    answer = client.head(f"/api/v1/documents/{document.pk}/content")
    assert (answer.status_code, answer["Content-Length"], answer.content) == (200, "40", b"")
    assert answer["Content-Disposition"].startswith("attachment")
    part = client.head(f"/api/v1/documents/{document.pk}/content", HTTP_RANGE="bytes=0-1")
    assert (part.status_code, part["Content-Length"]) == (200, "40"), "only a GET has parts"


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("offer.pdf", "offer.pdf", None),
        ("Übersicht größe.pdf", "Ubersicht gro_e.pdf", "%C3%9Cbersicht%20gr%C3%B6%C3%9Fe.pdf"),
        ("空.txt", "_.txt", "%E7%A9%BA.txt"),
        ('a"b\\c.txt', "a_b_c.txt", None),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt", None),
        ("invoice\u202efdp.exe", "invoicefdp.exe", None),
        ("100%.txt", "100_.txt", "100%25.txt"),
        ("../../etc/passwd", "_.._etc_passwd", None),
        ("", "download", None),
        ("...", "download", None),
    ],
)
def test_names_that_want_to_do_harm_are_only_names(name, plain, encoded):
    said = serving.disposition(name)
    assert said == f'attachment; filename="{plain}"' + (f"; filename*=UTF-8''{encoded}" if encoded else "")
    assert said.isascii()
    assert said.isprintable()


def test_a_long_name_keeps_its_ending():
    said = serving.disposition("x" * 400 + ".pdf")
    assert said.endswith('x.pdf"')
    assert len(said) < 255


def test_the_file_is_closed_when_the_asker_goes_away(client, owner):
    document = accept_document(owner, "x" * 2_000_000)
    answer = client.get(f"/api/v1/documents/{document.pk}/content")
    next(iter(answer.streaming_content))
    assert any(document.blob.sha256 in name for name in _opened())
    answer.close()
    assert not any(document.blob.sha256 in name for name in _opened())


def _opened() -> list[str]:
    """What this process has open."""
    return [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]


def test_under_asgi_it_is_read_piece_by_piece_too(owner):
    from django.core.asgi import get_asgi_application
    from rest_framework.authtoken.models import Token

    document = accept_document(owner, "x" * 1_000_000)
    token = Token.objects.create(user=owner)
    sent: list[dict] = []

    async def ask() -> None:
        scope = {
            "type": "http", "method": "GET", "path": f"/api/v1/documents/{document.pk}/content", "query_string": b"",
            "headers": [(b"authorization", f"Token {token}".encode()), (b"host", b"localhost")],
        }  # fmt: skip
        gate = asyncio.Event()
        asked = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if asked:
                return asked.pop()
            await gate.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await get_asgi_application()(scope, receive, send)

    with ThreadPoolExecutor(1) as thread:  # this one may have a loop already: that of a browser
        thread.submit(asyncio.run, ask()).result()
    pieces = [each["body"] for each in sent if each["type"] == "http.response.body" and each.get("body")]
    assert sent[0]["status"] == 200
    assert sum(map(len, pieces)) == 1_000_000
    assert max(map(len, pieces)) <= 256 * 1024


def test_from_s3_it_comes_through_us_or_by_an_address_of_its_own(in_s3, settings):
    owner = UserFactory()
    document = accept_document(owner, TEXT, "größe.txt")
    api = APIClient()
    api.force_authenticate(owner)
    address = f"/api/v1/documents/{document.pk}/content"
    assert body(api.get(address, HTTP_RANGE="bytes=4-8")) == b"heron"
    settings.INGESTION = {"DOWNLOADS": "redirect"}
    answer = api.get(address)
    assert (answer.status_code, answer["Cache-Control"]) == (307, "private, no-store")
    with urllib.request.urlopen(answer["Location"], timeout=10) as there:
        assert there.read() == TEXT.encode()
        assert there.headers["Content-Disposition"].startswith("attachment; filename=")
        assert there.headers["Content-Type"] == "application/octet-stream", "nobody has looked at it yet"
    assert api.head(address).status_code == 200
    assert Document.objects.get().blob.size == 40


def test_where_there_are_no_such_addresses_it_comes_through_us(client, owner, settings):
    settings.INGESTION = {"DOWNLOADS": "redirect"}
    document = accept_document(owner, TEXT)
    assert body(client.get(f"/api/v1/documents/{document.pk}/content")) == TEXT.encode()
