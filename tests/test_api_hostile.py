"""Odd values in paths, parameters, headers and bodies of every address: never a crash, never an answer undocumented."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import yaml
from django.contrib.auth.models import User
from openapi_schema_validator import OAS31Validator

from docqueue import claiming
from docqueue.models import Worker
from docqueue.service import DocumentQueueService
from docqueue.worker import once
from tests.docqueue.api.callers import JsonClient
from tests.ingestion.conftest import documents_dir, owner
from tests.ingestion.factories import accept_document
from tests.test_api_permissions import ADDRESSES, IDS, Address

__all__ = ["documents_dir", "owner"]
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TEXTS = ["", " ", "\0", "a\0b", "\ud800", "\u202e", "é" * 300, "x" * 5000, "%", "'", "../..", "💥", "\n", "NaN", "null"]
NUMBERS = ["0", "-1", "9" * 18, "9" * 19, "9" * 40, "1e309", "1.5", "٣", "0x10"]
VALUES = [None, True, 0, -1, 10**30, 1e308, "", "\0", "a\0", "x" * 5000, [], [[]], {}, {"a": "\0"}, {"\0": 1}, ["\0"]]
RAW = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"\\ud800": "\\ud800"}',
       b"[" * 5000, b'{"everything": true, "filter": {"status": {}}}']  # fmt: skip


HEADERS = [{"Accept": "text/html"}, {"Accept": "\x00"}, {"Authorization": "Token \xff"}, {"If-None-Match": '"'}]


@cache
def document() -> dict[str, Any]:
    """The API as it is described."""
    text = (Path(__file__).resolve().parent.parent / "docs/openapi.yml").read_text()
    found: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


@cache
def described(address: str, method: str) -> dict[str, Any]:
    """An operation, by the beginning of its path: the names of what is in it are given by the URL table."""
    asked = address.split("/")
    for path, operations in sorted(document()["paths"].items(), key=lambda pair: pair[0].count("{")):
        parts = path.split("/")
        fits = len(parts) == len(asked) and all(p == a or p[:1] == "{" for p, a in zip(parts, asked, strict=True))
        if fits and method in operations:
            found: dict[str, Any] = operations[method]
            return found
    raise AssertionError(f"{method} {address} is not described")


@pytest.fixture
def operator(db: None, monkeypatch: pytest.MonkeyPatch) -> JsonClient:
    """May everything; a crash is an answer, as for a client."""
    nothing = dict.fromkeys(once.ProcessResult.__dataclass_fields__, 0)
    monkeypatch.setattr(once, "process_document_queue", lambda **_: once.ProcessResult(**nothing))
    client = JsonClient(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("operator", password="x"))
    return client


def judge(answer: Any, operation: dict[str, Any], sent: object) -> None:
    """It is a documented answer, and a refusal a whole problem."""
    if answer.streaming:
        assert b"".join(answer) or answer.status_code == 304, sent
        assert str(answer.status_code) in operation["responses"], (sent, answer.status_code)
        return
    assert answer.status_code < 500 or answer.status_code == 503, (sent, answer.content[:300])
    assert str(answer.status_code) in operation["responses"], (sent, answer.status_code, answer.content[:300])
    if answer.status_code >= 400 and answer.status_code != 503:
        assert answer["Content-Type"] == "application/problem+json", sent
        assert {"code", "status", "detail"} <= set(answer.json()), sent
    if answer.content:
        said = operation["responses"][str(answer.status_code)]
        if "$ref" in said:
            said = document()["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
        shape = said["content"][answer["Content-Type"]]["schema"]
        assert not [*validator(json.dumps(shape)).iter_errors(answer.json())], (sent, answer.content[:1000])


@cache
def validator(shape: str) -> OAS31Validator:
    """Of answers that must have this shape."""
    return OAS31Validator({**json.loads(shape), "components": document()["components"]})


def parameters(operation: dict[str, Any]) -> list[str]:
    return [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]


def there(address: Address) -> Address:
    """The same address of something that there is."""
    service, user = DocumentQueueService(), User.objects.get()
    document = accept_document(user)
    kinds = {
        "document": document.pk,
        "intake": document.file.intake_id,
        "file": document.file.pk,
        "upload": UUID(int=1),
    }
    ids = {
        "item_id": service.enqueue(None, "document.ingest", delay_seconds=60).id,
        "bulk_id": service.bulk("requeue", everything=True).pk,
        "batch_id": service.batch().id,
        "schedule_id": service.add_schedule("nightly", "document.ingest", seconds=60).pk,
        "worker_id": claiming.register("default", Worker.Kind.WORKER, lease_seconds=60),
        "pk": kinds.get(address.name.split(":")[1].split("-")[0], 1),
        "name": "default",
        "fingerprint": "x",
    }
    return address._replace(arguments={name: ids[name] for name in address.arguments})


@pytest.mark.parametrize("address", ADDRESSES, ids=IDS)
def test_whatever_is_sent_the_answer_is_a_documented_one(operator: JsonClient, address: Address, documents_dir) -> None:
    known = there(address)
    found = described(address.path, address.method)
    for name in parameters(found):
        for value in (*TEXTS, *NUMBERS):
            text = quote(value.encode("utf-8", "surrogatepass"))
            judge(operator.generic(address.method.upper(), f"{address.path}?{name}={text}"), found, (name, value))
    for kind, values in address.arguments.items():
        for value in NUMBERS[2:5] if values == 1 else TEXTS[2:9]:
            number = address.path.replace("/1", f"/{value}", 1) if values == 1 else None
            text = quote(value.encode("utf-8", "surrogatepass"), safe="")
            path = number or "/".join(text if part == "x" else part for part in address.path.split("/"))
            answer = operator.generic(address.method.upper(), path, "{}", "application/json")
            judge(answer, found, (kind, value))
    for body in bodies(found):
        judge(operator.generic(address.method.upper(), known.path, body, "application/json"), found, body)
    for headers in (
        {"Accept": "text/html"},
        {"Accept": "\x00"},
        {"Authorization": "Token \xff"},
        {"If-None-Match": '"'},
    ):
        judge(operator.generic(address.method.upper(), known.path, "a", "text/plain", headers=headers), found, headers)


def bodies(operation: dict[str, Any]) -> list[bytes]:
    """Odd JSON, and each field with each odd value."""
    if "requestBody" not in operation:
        return []
    content = operation["requestBody"]["content"]
    shape = next(iter(content.values()))["schema"]
    while "$ref" in shape:
        shape = document()["components"]["schemas"][shape["$ref"].rsplit("/", 1)[1]]
    fields = shape.get("properties", {})
    return [*RAW, *(json.dumps({name: value}).encode() for name in fields for value in VALUES)]
