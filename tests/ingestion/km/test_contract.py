"""docs/km-openapi.yml, the client and the fake agree: each request and each answer is held against the contract."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_spec_validator import validate

from ingestion.errors import IngestionError
from ingestion.km import get_store
from ingestion.km.fake_http import Connection
from ingestion.km.fake_moods import Mood
from tests.ingestion.km.sending import stored


@dataclass
class Exchange:
    """What went over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] | None = None
    answer: bytes = b""


@pytest.fixture(scope="module")
def contract(root: Path) -> OpenAPI:
    problems = Config(extra_media_type_deserializers={"application/problem+json": json.loads})
    return OpenAPI.from_path(root / "docs" / "km-openapi.yml", config=problems)


@pytest.fixture(scope="module")
def document(root: Path) -> dict:
    return yaml.safe_load((root / "docs" / "km-openapi.yml").read_text())


@pytest.fixture
def tape(monkeypatch) -> list[Exchange]:
    """Every exchange of the fake, as it read and wrote it."""
    recorded: list[Exchange] = []
    pieces, send = Connection.pieces, Connection.send

    def read(self, leave):
        for piece in pieces(self, leave):
            self.seen = getattr(self, "seen", b"") + piece
            yield piece

    def write(self, status, content_type, body, headers=None):
        answer_headers = {"Content-Type": content_type, **(headers or {})} if status != 204 else {}
        sent = dict(self.headers.items())
        recorded.append(
            Exchange(self.command, self.path, sent, getattr(self, "seen", b""), status, answer_headers, body)
        )
        self.seen = b""
        send(self, status, content_type, body, headers)

    monkeypatch.setattr(Connection, "pieces", read)
    monkeypatch.setattr(Connection, "send", write)
    return recorded


def as_openapi(one: Exchange) -> tuple[MockRequest, MockResponse]:
    parts = urlsplit(one.target)
    request = MockRequest(
        "https://km.example.org",
        one.method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query)),
        headers=one.headers,
        data=one.body or None,
        content_type=one.headers.get("Content-Type", ""),
    )
    content_type = (one.answer_headers or {}).get("Content-Type", "")
    return request, MockResponse(one.answer, one.status, one.answer_headers, content_type)


def check(contract: OpenAPI, tape: list[Exchange]) -> Counter:
    """Hold all of it against the contract. Returns how often each operation was met, with its status."""
    met: Counter = Counter()
    for one in tape:
        request, response = as_openapi(one)
        contract.validate_request(request)
        contract.validate_response(request, response)
        met[one.method, re.sub(r"km-\w+", "{ref}", urlsplit(one.target).path), one.status] += 1
    return met


@pytest.fixture
def store(http_km, documents_dir, monkeypatch):
    monkeypatch.setattr("ingestion.km.http.PAUSE_SECONDS", 0.01)
    return get_store()


def test_the_contract_is_valid_openapi(document):
    validate(document)


def test_what_both_say_is_what_the_contract_says(contract, document, store, km, tape):
    documents = [stored(n, f"heron {n}", name=f"n{n} é.txt", tags=("a", "b")) for n in range(5)]
    assert store.health().ok
    reference = store.put(documents[0])
    assert store.send_one(documents[0], 1) == reference
    km.behave(Mood(kind="refuse", name="n3*", status=413))
    store.put_many(documents)
    store.status(reference)
    store.tag(documents[0])
    assert store.search("heron", owner_id=7, tags=["a"], limit=3)
    store.delete(documents[0])
    assert store.status(reference) is None
    met = check(contract, tape)
    assert set(met) == {
        ("GET", "/health", 200),
        ("POST", "/documents/exists", 200),
        ("POST", "/documents", 201),
        ("POST", "/documents", 200),
        ("POST", "/documents/batch", 207),
        ("GET", "/documents/{ref}", 200),
        ("PATCH", "/documents/{ref}", 200),
        ("GET", "/search", 200),
        ("DELETE", "/documents/{ref}", 204),
        ("GET", "/documents/{ref}", 404),
    }
    operations = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    operations = {(verb, path) for verb, path in operations if verb != "PARAMETERS"}
    assert {(method, path) for method, path, _ in met} == operations, "each operation was met"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 507])
def test_refusals_are_problems_as_the_contract_says(contract, store, km, tape, status):
    km.behave(Mood(kind="refuse", status=status, retry_after=0))
    for ask in (store.health, lambda: store.put(stored()), lambda: store.search("x", owner_id=1)):
        with contextlib.suppress(IngestionError):
            ask()
    assert {one.status for one in tape} == {status}
    check(contract, tape)


def raw(km, method: str, path: str, **given) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {km.token}"} | given.pop("headers", {})
    return httpx2.request(method, km.url + path, headers=headers, trust_env=False, **given)


ABOUT = {
    "key": "1:x", "sha256": "0" * 64, "size": 1, "filename": "a", "title": "a", "content_type": "text/plain",
    "type": "", "tags": [], "owner": "1", "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def form(about: object, *files: bytes, name: str = "document") -> dict:
    parts = [(name, (None, json.dumps(about), "application/json"))]
    return {"files": parts + [("file", ("a", file, "text/plain")) for file in files]}


@pytest.mark.parametrize(
    ("path", "given", "status", "code"),
    [
        ("/documents", {"content": b"x"}, 400, "invalid_body"),
        ("/documents", form(ABOUT, b"x"), 400, "invalid_key"),
        ("/documents", form(ABOUT, b"x") | {"headers": {"Idempotency-Key": "1:x"}}, 422, "content_mismatch"),
        ("/documents", form(ABOUT) | {"headers": {"Idempotency-Key": "1:x"}}, 400, "invalid_body"),
        ("/documents", form(ABOUT, b"x", b"y") | {"headers": {"Idempotency-Key": "1:x"}}, 400, "invalid_body"),
        ("/documents", form(ABOUT | {"more": 1}, b"x"), 400, "invalid_document"),
        ("/documents", form({**ABOUT, "size": "1"}, b"x"), 400, "invalid_document"),
        ("/documents", form(ABOUT, b"x", name="other"), 400, "invalid_body"),
        ("/documents/batch", form({"documents": [ABOUT] * 65}, *[b"x"] * 65, name="batch"), 400, "invalid_batch"),
        ("/documents/batch", form({"documents": [ABOUT]}, b"x", b"y", name="batch"), 400, "invalid_batch"),
        ("/documents/exists", {"content": b"{"}, 400, "invalid_json"),
        ("/documents/exists", {"json": []}, 400, "invalid_json"),
        ("/elsewhere", {"json": {}}, 404, "not_found"),
    ],
)
def test_the_fake_takes_nothing_that_the_contract_does_not_know(km, path, given, status, code):
    answer = raw(km, "POST", path, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert km.shelf.objects == {}


def test_the_fake_wants_its_token_and_its_controls_do_not(km):
    assert httpx2.get(f"{km.url}/health", trust_env=False).status_code == 401
    assert httpx2.put(f"{km.url}/_control", json={"moods": [{"kind": "refuse"}]}, trust_env=False).status_code == 200
    assert raw(km, "GET", "/health").status_code == 503
    said = httpx2.put(f"{km.url}/_control", json={"moods": [{"kind": "sulk"}]}, trust_env=False)
    assert (said.status_code, said.json()["code"]) == (400, "invalid_mood")
    assert [one["path"] for one in httpx2.get(f"{km.url}/_control/log", trust_env=False).json()["requests"]]
    assert httpx2.get(f"{km.url}/_control/objects", trust_env=False).json() == {"objects": []}
