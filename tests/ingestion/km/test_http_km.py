"""HttpKM beside a real HTTP server: each verb, and how each failure of the store is taken."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured

from ingestion import storage
from ingestion.errors import (
    BlobMissing,
    IngestionError,
    KmAuth,
    KmAway,
    KmBadAnswer,
    KmBusy,
    KmForbidden,
    KmInterrupted,
    KmRejected,
    KmServerError,
    KmTimeout,
    KmUnavailable,
)
from ingestion.km import calls, exchange, get_store, http
from ingestion.km.answers import retry_after
from ingestion.km.exchange import client_for
from ingestion.km.fake_moods import Mood
from ingestion.km.http import HttpKM
from tests.ingestion.km.sending import stored

DOCUMENTS = "/documents*"


@pytest.fixture
def store(http_km, documents_dir, monkeypatch) -> HttpKM:
    monkeypatch.setattr("ingestion.km.http.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("ingestion.km.http.HEALTH_SECONDS", 0.5)
    found = get_store()
    assert isinstance(found, HttpKM)
    return found


@pytest.fixture
def told(monkeypatch) -> list[calls.KMCall]:
    """What the calls of this test say of themselves."""
    heard: list[calls.KMCall] = []
    monkeypatch.setattr(calls, "_subscribers", [heard.append])
    return heard


def test_a_document_arrives_as_it_is_and_is_found_told_of_and_deleted(store, km):
    content = "The heron waits at the pond. " * 40
    document = stored(17, content, name='odd "name"\r\n ü.txt', tags=("birds", "ponds"))
    assert store.exists([document]) == {}
    reference = store.put(document)
    [there] = km.shelf.objects.values()
    assert (there.ref, there.sha256) == (reference, hashlib.sha256(content.encode()).hexdigest())
    assert there.about["filename"] == document.filename
    assert there.about["tags"] == ["birds", "ponds"]
    assert store.exists([document, stored(18, "other")]) == {17: reference}
    status = store.status(reference)
    assert (status.reference, status.state, status.size) == (reference, "stored", document.size)
    [hit] = store.search("heron pond", owner_id=7, tags=["birds"])
    assert (hit.document_id, hit.reference) == (17, reference)
    assert store.search("heron", owner_id=8) == []
    store.delete(document)
    assert km.shelf.objects == {}
    store.delete(document)
    assert store.status(reference) is None


def test_tags_are_replaced_and_of_what_is_not_there_nothing_is_said(store, km):
    document = stored(3, tags=("new",))
    store.tag(document)
    store.put(stored(3))
    store.tag(document)
    assert km.shelf.objects[document.key].about["tags"] == ["new"]


def test_a_document_that_is_there_is_not_sent_again(store, km):
    document = stored()
    assert store.put(document) == store.put(document)
    assert [one["path"] for one in km.log if "exists" not in one["path"]] == ["/documents"]
    assert km.shelf.objects[document.key].bodies == 1


def test_an_empty_and_a_binary_document_arrive_as_they_are(store, km):
    binary = b"\r\n--docqueue" + os.urandom(600_000) + b"\r\n--"
    for number, content in enumerate((b"", binary, b"\r\n" * 70_000)):
        store.put(stored(number, content))
    assert [one.size for one in km.shelf.objects.values()] == [0, len(binary), 140_000]


def test_many_go_in_one_request_and_each_has_its_answer(store, km):
    documents = [stored(n, f"paper {n}", name="bad.txt" if n == 20 else f"{n}.txt") for n in range(50)]
    store.put(documents[3])
    km.behave(Mood(kind="refuse", name="bad.txt", status=413, detail="too long\0 for us"))
    answers = store.put_many(documents)
    assert sorted(answers) == list(range(50))
    bad = answers.pop(20)
    assert isinstance(bad, KmRejected)
    assert "413" in str(bad)
    assert "too long for us" in str(bad)
    assert {
        n: one.ref for n, one in ((int(key.split(":")[0]), one) for key, one in km.shelf.objects.items())
    } == answers
    assert [one["path"] for one in km.log].count("/documents/batch") == 1
    assert {one.bodies for one in km.shelf.objects.values()} == {1}


def test_a_batch_that_fails_as_a_whole_is_halved_until_the_bad_one_is_alone(store, km, monkeypatch):
    documents = [stored(n, f"paper {n}") for n in range(16)]
    bad = documents[11]
    put = km.shelf.put

    def fall_over(about, body):
        if about["key"] == bad.key:
            body.drop()
            raise RuntimeError("a bug of the store")
        return put(about, body)

    monkeypatch.setattr(km.shelf, "put", fall_over)
    answers = store.put_many(documents)
    assert isinstance(answers.pop(11), KmInterrupted)
    assert answers == {n: km.shelf.objects[documents[n].key].ref for n in range(16) if n != 11}


def test_batches_have_64_files_or_8_mib_at_most(store, km):
    store.put_many(
        [stored(n, f"{n} " + "x" * 200_000) for n in range(60)] + [stored(n, f"{n}") for n in range(60, 160)]
    )
    batches = [one for one in km.log if one["path"] == "/documents/batch"]
    assert max(len(one["keys"]) for one in batches) == 64
    assert max(one["bytes"] for one in batches) < 8 * 1024 * 1024 + 64 * 1024
    assert len(batches) == 3
    assert len(km.shelf.objects) == 160


@pytest.mark.parametrize(
    ("mood", "error", "says"),
    [
        (Mood(kind="refuse", status=503), KmBusy, "503"),
        (Mood(kind="refuse", path=DOCUMENTS, status=503), KmBusy, "told to refuse"),
        (Mood(kind="refuse", status=500), KmUnavailable, "500"),
        (Mood(kind="refuse", path=DOCUMENTS, status=500), KmServerError, "500"),
        (Mood(kind="refuse", path=DOCUMENTS, status=429, retry_after=120), KmBusy, "429"),
        (Mood(kind="refuse", path=DOCUMENTS, status=422, detail="no \x1b[1mcats"), KmRejected, "no [1mcats"),
        (Mood(kind="refuse", path=DOCUMENTS, status=403), KmRejected, "403"),
        (Mood(kind="refuse", status=403), KmForbidden, "403"),
        (Mood(kind="refuse", path=DOCUMENTS, status=401), KmAuth, "401"),
        (Mood(kind="refuse", path=DOCUMENTS, status=404), KmAway, "INGESTION_KM_URL"),
        (Mood(kind="refuse", path=DOCUMENTS, status=301), KmAway, "301"),
        (Mood(kind="hang", path=DOCUMENTS), KmTimeout, "too long"),
        (Mood(kind="hang"), KmUnavailable, "too long"),
        (Mood(kind="cut", path=DOCUMENTS), KmInterrupted, "ended during POST /documents"),
        (Mood(kind="cut", at="at_once"), KmUnavailable, "ended during"),
        (Mood(kind="wrong_body", path=DOCUMENTS), KmBadAnswer, "It works!"),
        (Mood(kind="wrong_body"), KmUnavailable, "It works!"),
    ],
    ids=lambda given: f"{given.kind} {given.path} {given.status} {given.at}" if isinstance(given, Mood) else "",
)
def test_each_failure_has_its_name(store, km, settings, mood, error, says):
    settings.INGESTION = {**settings.INGESTION, "KM_READ_SECONDS": 1}
    km.behave(mood)
    with pytest.raises(IngestionError) as raised:
        get_store().put(stored())
    assert type(raised.value) is error
    assert says in str(raised.value)
    assert "a-secret" not in str(raised.value) + repr(raised.value)
    assert km.shelf.objects == {}


@pytest.mark.parametrize(
    "mood",
    [
        Mood(kind="refuse", requests=2, status=503),
        Mood(kind="refuse", requests=2, status=500),
        Mood(kind="refuse", requests=1, status=408),
        Mood(kind="refuse", requests=1, status=425),
        Mood(kind="refuse", requests=1, status=429, retry_after=1),
        Mood(kind="refuse", requests=1, status=429, retry_after=1, as_date=True),
        Mood(kind="cut", requests=2),
        Mood(kind="cut", path="/documents", at="answer", requests=1),
        Mood(kind="cut", requests=2, at="at_once"),
        Mood(kind="wrong_body", requests=2),
        Mood(kind="slow", bytes_per_second=400_000),
    ],
    ids=lambda mood: f"{mood.kind} {mood.status} {mood.at}",
)
def test_what_passes_soon_is_overcome_within_the_call_and_nothing_is_there_twice(store, km, told, mood):
    km.behave(mood)
    document = stored(5, os.urandom(100_000))
    assert store.put(document) == km.shelf.objects[document.key].ref
    assert km.shelf.objects[document.key].bodies == 1
    assert told[-1].code == ""


def test_retry_after_is_waited_for(store, km, told):
    km.behave(Mood(kind="refuse", requests=1, status=503, retry_after=1))
    store.put(stored())
    first, second = [one for one in told if one.method == "exists"]
    assert (second.started_at - first.started_at).total_seconds() >= 1


def test_a_store_that_serves_nobody_is_left_alone_after_some_calls_and_found_again(store, km):
    now = [1000.0]
    store.breaker._clock = lambda: now[0]
    km.behave(Mood(kind="cut", at="at_once"))
    for _ in range(3):
        with pytest.raises(KmUnavailable):
            store.put(stored())
    seen = len(km.log)
    with pytest.raises(KmUnavailable, match="left alone") as raised:
        store.put(stored())
    assert len(km.log) == seen
    assert 0 < raised.value.retry_after <= 4
    now[0] += 4
    with pytest.raises(KmUnavailable, match="ended during"):
        store.put(stored())
    with pytest.raises(KmUnavailable, match="left alone"):
        store.put(stored())
    km.behave()
    now[0] += 20
    store.put(stored())
    store.put(stored(2, "another"))
    assert len(km.shelf.objects) == 2


def test_a_wrong_token_is_the_operators_matter(store, km):
    km.token = "another"
    with pytest.raises(KmAuth, match="401"):
        store.put(stored())


def test_stored_bytes_that_are_not_as_many_as_they_should_be_are_not_sent_as_something_else(store, km, documents_dir):
    document = stored(1, "x" * 100_000)
    (documents_dir / document.storage_key).write_bytes(b"x" * 50_000)
    with pytest.raises(BlobMissing):
        store.put(document)
    storage.delete(document.storage_key)
    with pytest.raises(BlobMissing):
        store.put(document)
    assert km.shelf.objects == {}


def test_a_call_says_what_it_cost(store, told):
    document = stored(9, os.urandom(300_000))
    store.put(document)
    exists, put = told
    assert [one.method for one in told] == ["exists", "put"]
    assert (put.status, put.code, put.attempt, put.document_ids) == (201, "", 1, (9,))
    assert put.bytes_sent == 300_000
    assert exists.connect_seconds > 0
    assert put.connect_seconds is None, "the connection was kept"
    for one in told:
        assert 0 <= one.queue_wait_seconds <= one.first_byte_seconds <= one.total_seconds
        assert one.send_seconds > 0


def test_a_forked_child_has_connections_of_its_own(store):
    store.put(stored())
    mine = id(client_for(store.target))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            store.put(stored(2, "from the child"))
            os.write(writing, b"other" if id(client_for(store.target)) != mine else b"same")
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 10) == b"other"
    os.waitpid(child, 0)
    assert store.exists([stored()])


@pytest.mark.parametrize("token", ["hunter2\n", "hunter 2", "hünter2", "\0hunter2"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(settings, token):
    settings.INGESTION = {"KM_URL": "http://km", "KM_TOKEN": token}
    with pytest.raises(ImproperlyConfigured, match="INGESTION_KM_TOKEN") as raised:
        HttpKM()
    assert "nter" not in str(raised.value)


def test_the_token_is_shown_nowhere(store, settings):
    from ingestion.limits import get_limits

    shown = repr(get_limits()) + repr(store.target) + repr(vars(store))
    assert "a-secret" not in shown


@pytest.mark.parametrize("url", ["", "ftp://km", "http://", "http://ann:pw@km", "http://km/?x=1"])
def test_an_address_that_is_none_is_named(settings, url):
    settings.INGESTION = {"KM_URL": url}
    with pytest.raises(ImproperlyConfigured, match="INGESTION_KM_URL"):
        HttpKM()


def test_a_certificate_that_nobody_vouches_for_is_not_taken(http_km, settings, documents_dir, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", *kind, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    http_km.server.socket = context.wrap_socket(http_km.server.socket, server_side=True)
    settings.INGESTION = {**settings.INGESTION, "KM_URL": http_km.url.replace("http:", "https:"), "KM_TRIES": 1}
    with pytest.raises(KmUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        get_store().put(stored())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        exchange._clients.clear()
        http._breakers.clear()
        assert get_store().put(stored())


def test_an_endless_answer_is_read_to_a_bound(store, km, monkeypatch):
    monkeypatch.setattr(exchange, "ANSWER_BYTES", 40)
    with pytest.raises(KmBadAnswer, match="longer than"):
        store.send_one(stored())


def test_an_address_without_a_store_is_left_alone_as_well(store, km):
    km.behave(Mood(kind="refuse", path=DOCUMENTS, status=404))
    for _ in range(3):
        with pytest.raises(KmAway):
            store.put(stored())
    seen = len(km.log)
    with pytest.raises(KmUnavailable, match="left alone"):
        store.put(stored())
    assert len(km.log) == seen


def test_a_store_that_takes_no_batches_gets_its_documents_one_by_one(store, km):
    km.behave(Mood(kind="refuse", path="/documents/batch", status=405))
    for start in (0, 5, 10, 15):
        store.put_many([stored(n, f"paper {n}") for n in range(start, start + 5)])
    assert len(km.shelf.objects) == 20


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("99999999999999999999", 300.0),
        ("Fri, 02 Jan 2026 00:00:30 GMT", 30.0),
        ("Fri, 02 Jan 2026 09:00:00 GMT", 300.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-7", None),
        ("7.5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_never_long(given, seconds):
    assert retry_after(given, datetime(2026, 1, 2, tzinfo=UTC)) == seconds
